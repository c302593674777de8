using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>A call that a quality group is asked about before it is made.</summary>
/// <param name="Strong">The rule's first target.</param>
/// <param name="Candidates">Those that can be reached.</param>
/// <param name="Conversation">As <see cref="RequestOutline.Conversation"/>.</param>
internal sealed record GroupQuestion(
    KeySnapshot Key, PriceBook Prices, ModelRoute Route, RouteQuality Group, ReachedTarget Strong, IReadOnlyList<ReachedTarget> Candidates, RequestPeek Peek, ReadOnlyMemory<byte> Body, ulong Conversation, DateTimeOffset At);

/// <summary>What the group would decide.</summary>
/// <param name="Candidate">Null: the strong model answers.</param>
/// <param name="MayStay">It may be one of the few that stay on the strong model, which is known when the call is made.</param>
/// <param name="IsChecked">The candidate's answer is looked at, and the strong model asked as well where it fails.</param>
internal sealed record GroupForesight(ReachedTarget? Candidate, RouteReason Reason, bool MayStay, bool IsChecked);

/// <summary>Says what a quality group would decide of a call, by the code that decides it and from what the store has of its labels. No call is counted, no sample taken, and no class made known.</summary>
internal sealed class GroupForecast(IRoutingStore store, ClassSecret secrets)
{
    public async Task<GroupForesight> OfAsync(GroupQuestion asked, RecentOutputs outputs, CancellationToken cancellationToken)
    {
        var (key, group, strong) = (asked.Key, asked.Group, asked.Strong);
        var secret = secrets(key.Tenant.Id);
        var traffic = TrafficReading.Of(RequestParts.Of(asked.Body.Span), secret, key.Id);
        var classes = await store.ClassesAsync(key.Tenant.Id, key.Environment, asked.Route.Id, cancellationToken);
        if (classes.Count >= RoutingLearner.MostClasses && classes.All(c => c.Class != traffic.Class))
            traffic = traffic with { Class = default };

        var standings = new CandidateStanding[asked.Candidates.Count];
        for (var i = 0; i < standings.Length; i++)
        {
            var pair = new RoutingPair(key.Tenant.Id, key.Environment, asked.Route.Id, strong.Written, asked.Candidates[i].Written);
            var stored = await store.LoadAsync(pair, cancellationToken);
            standings[i] = new CandidateStanding(GroupDecision.Policy(stored, GroupDecision.Fingerprint(pair, strong, asked.Candidates[i], asked.Prices, key.Environment, asked.At), group.Keep), Cost(asked.Candidates[i]));
        }

        var decided = GroupDecision.Of(group, traffic, standings, Cost(strong), secret, GroupDecision.Lot(asked.Conversation, requestId: null));
        return new GroupForesight(decided.Candidate is { } at ? asked.Candidates[at] : null, decided.Reason, decided.IsHeld is null && group.Active, group.Check && traffic.IsHeldToForm);

        NanoUsd? Cost(ReachedTarget target) => GroupDecision.Cost(target, strong, asked.Candidates is [var first, ..] ? first : null, key, asked.Prices, asked.Peek, outputs, asked.At, pinned: null);
    }
}
