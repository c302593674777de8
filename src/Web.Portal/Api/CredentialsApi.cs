using MediatR;
using Tokonomics.Application.Keys;

namespace Tokonomics.Web.Portal.Api;

/// <summary>The tenant's keys at providers. They go in and are never shown again.</summary>
internal static class CredentialsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var credentials = api.MapGroup("/credentials").WithTags("Provider credentials");
        credentials.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListProviderCredentials(http.Caller(), http.Tenant()), http.RequestAborted))
                .Answer(l => new CredentialPage([.. l.Credentials.Select(c => new CredentialShape(c.Id, c.Provider, c.Masked, c.CreatedAt, c.TestedAt, c.TestPassed, c.TestAnswer))])))
            .Produces<CredentialPage>().WithSummary("The provider keys in use, masked");
        credentials.MapPost("", async (HttpContext http, IMediator mediator, NewCredential body) =>
            (await mediator.Send(new StoreProviderCredential(http.Caller(), http.Tenant(), body.Provider, body.Secret), http.RequestAborted))
                .Answer(c => new CredentialStoredShape(c.Id, c.Provider, c.Masked), 201))
            .Produces<CredentialStoredShape>(201).WithSummary("Stores a provider's key, in place of the one before");
        credentials.MapPost("/{id}/test", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new TestProviderCredential(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(t => new CredentialTestShape(t.Passed, t.Status, t.Answer)))
            .Produces<CredentialTestShape>().WithSummary("Tries a key at its provider by a question that costs nothing, and tells what the provider said");
        credentials.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new DeleteProviderCredential(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a provider's key out of use");
    }

    internal sealed record NewCredential(string Provider, string Secret)
    {
        // A record prints its members; this one must not.
        public override string ToString() => $"credential of {Provider}";
    }

    internal sealed record CredentialStoredShape(string Id, string Provider, string Masked);

    /// <param name="Passed">Null where it can't be told.</param>
    /// <param name="Answer">What the provider said.</param>
    internal sealed record CredentialTestShape(bool? Passed, int Status, string Answer);

    internal sealed record CredentialShape(string Id, string Provider, string Masked, DateTimeOffset CreatedAt, DateTimeOffset? TestedAt, bool? TestPassed, string? TestAnswer);

    internal sealed record CredentialPage(IReadOnlyList<CredentialShape> Data);
}
