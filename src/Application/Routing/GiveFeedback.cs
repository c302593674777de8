using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Routing;

/// <summary>
/// What somebody thought of an answer. Of a candidate's, that it was bad is a weak signal: many of them send its class of requests back to the strong model. That is all it can do, so that whoever may
/// read usage may say it.
/// </summary>
public sealed record GiveFeedback(Caller Caller, string TenantId, string RequestId, bool Good) : IUseCase<FeedbackTaken>
{
    public Right Needs => Right.ReadUsage;
}

/// <param name="Counts">It says something of a quality group's candidate.</param>
public sealed record FeedbackTaken(bool Counts);

internal sealed class GiveFeedbackRules : AbstractValidator<GiveFeedback>
{
    public GiveFeedbackRules() => RuleFor(f => f.RequestId).Must(id => id is { Length: > 0 and <= 64 }).WithMessage("Name the call by the id that its answer carried in x-tokonomics-request-id (req_…).").OverridePropertyName("request_id");
}

internal sealed class GiveFeedbackHandler(TokonomicsDbContext db, IUsageQueries usage, RoutingLearner learner) : IRequestHandler<GiveFeedback, Outcome<FeedbackTaken>>
{
    public async Task<Outcome<FeedbackTaken>> Handle(GiveFeedback request, CancellationToken cancellationToken)
    {
        var attempts = await usage.FindAsync(request.TenantId, request.RequestId, cancellationToken);
        if (attempts.Count == 0)
            return Refusal.NotFound("call");
        var answered = attempts[^1];
        if (request.Good || RoutedMark.Read(answered.Routed) is not { Reason: RouteReason.ClassProven or RouteReason.PromptProven or RouteReason.Conversation } mark)
            return new FeedbackTaken(false);
        var row = await db.Routes.AsNoTracking().FirstOrDefaultAsync(r => r.TenantId == request.TenantId && r.Id == mark.RouteId, cancellationToken);
        var route = row is null ? null : RoutePolicy.Read(row.Id, row.Name, row.Policy).Route;
        foreach (var rule in route?.Rules ?? [])
            foreach (var candidate in rule.Quality?.Candidates ?? [])
                if (RouteTarget.IsCalled(candidate, $"{answered.Provider}/{answered.RequestModel}"))
                {
                    await learner.SignalAsync(
                        new RoutingPair(request.TenantId, answered.Environment, mark.RouteId, rule.Targets[0].Model, candidate), [new SignalCount(mark.Class, true, WeakSignal.ThumbsDown, 1)], cancellationToken);
                    return new FeedbackTaken(true);
                }

        return new FeedbackTaken(false);
    }
}
