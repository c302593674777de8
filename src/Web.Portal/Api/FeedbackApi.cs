using MediatR;
using Tokonomics.Application.Routing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What users thought of an answer.</summary>
internal static class FeedbackApi
{
    public static void Map(RouteGroupBuilder api) => api.MapPost("/feedback", async (HttpContext http, IMediator mediator, FeedbackRequest body) =>
            (await mediator.Send(new GiveFeedback(http.Caller(), http.Tenant(), body.RequestId, body.Good), http.RequestAborted)).Answer(f => new FeedbackShape(f.Counts)))
        .WithTags("Routes").Produces<FeedbackShape>().WithSummary("Says whether an answer was good; many bad ones of a quality group's candidate send its class of requests back to the strong model");

    /// <param name="RequestId">From the answer's x-tokonomics-request-id.</param>
    /// <param name="Good">False: it was bad.</param>
    internal sealed record FeedbackRequest(string RequestId, bool Good);

    /// <param name="Counts">False: a candidate of a quality group did not answer it, or it was good, which promotes nothing.</param>
    internal sealed record FeedbackShape(bool Counts);
}
