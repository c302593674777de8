using System.Globalization;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>The secret under which a tenant's traffic classes and its holdout are told: 32 bytes, the same on every node, in no store.</summary>
public delegate byte[] ClassSecret(string tenantId);

/// <param name="Policy">What the labels prove of it; null where nothing was learned.</param>
/// <param name="Cost">What the call is expected to cost there; null where that isn't known.</param>
public readonly record struct CandidateStanding(RoutingPolicy? Policy, NanoUsd? Cost);

/// <summary>Where a quality group sends a call: for calls and for estimates of them alike.</summary>
/// <param name="Proven">The place of the candidate that the labels prove, wherever the call goes; null for none.</param>
/// <param name="IsHeld">The call is one of those that stay on the strong model for ever; null where that isn't known yet.</param>
/// <param name="Candidate">The place of the candidate that takes it; null where the strong model does.</param>
public readonly record struct GroupDecision(int? Proven, bool? IsHeld, int? Candidate, RouteReason Reason)
{
    /// <param name="strong">What the call is expected to cost at the strong model.</param>
    /// <param name="lot">As <see cref="Lot"/> says: null for a call that isn't made yet, and has no conversation.</param>
    public static GroupDecision Of(RouteQuality group, TrafficReading traffic, ReadOnlySpan<CandidateStanding> candidates, NanoUsd? strong, ReadOnlySpan<byte> secret, string? lot)
    {
        // 1. The cheapest candidate of which the labels prove that the quality is kept.
        int? proven = null;
        var (reason, least) = (RouteReason.NoLabels, (NanoUsd?)null);
        for (var i = 0; i < candidates.Length; i++)
        {
            if (candidates[i].Cost is not { } cost || strong is not { } dear)
            {
                reason = proven is null ? RouteReason.NotCheaper : reason;
                continue;
            }

            var decision = QualityRouter.Decide(candidates[i].Policy, traffic.Class, traffic.Features, new RouteCosts(dear, cost), uniform: 1);
            if (decision.ToCandidate && (least is null || cost < least))
                (proven, least, reason) = (i, cost, decision.Reason);
            else if (proven is null)
                reason = decision.Reason;
        }

        // 2. Some stay where they are for ever: all calls of a conversation alike.
        bool? held = proven is null ? false : lot is null ? null : Holdout.Uniform(secret, lot) < QualityRouter.HoldoutShare;
        return new(proven, held, group.Active && held != true ? proven : null, !group.Active ? RouteReason.NotActive : held == true ? RouteReason.Holdout : reason);
    }

    /// <summary>By what it is drawn whether a call stays on the strong model: its conversation, or itself where it has none.</summary>
    /// <param name="requestId">Null for a call that isn't made yet.</param>
    public static string? Lot(ulong conversation, string? requestId) => conversation != 0 ? conversation.ToString(CultureInfo.InvariantCulture) : requestId;

    /// <summary>What a call is expected to cost at one of a group's models, where each is compared with another.</summary>
    /// <param name="pinned">Where the conversation is, and its prompt cached: staying is cheaper by that, and a switch pays for it. Null for nowhere.</param>
    public static NanoUsd? Cost(ReachedTarget target, ReachedTarget strong, ReachedTarget? firstCandidate, KeySnapshot key, PriceBook prices, RequestPeek peek, RecentOutputs outputs, DateTimeOffset at, string? pinned) =>
        target.ExpectedCost(key, prices, peek, outputs, at, target.Written == pinned, ReferenceEquals(target, strong) ? firstCandidate : strong) is { } usd ? NanoUsd.Round(usd) : null;

    /// <summary>Of what must be the same for labels to hold: both models and what they cost.</summary>
    public static PairFingerprint Fingerprint(RoutingPair pair, ReachedTarget strong, ReachedTarget candidate, PriceBook prices, KeyEnvironment environment, DateTimeOffset at) => RoutingLearner.FingerprintOf(
        pair, CallRating.Model(prices, strong.Provider.Name, strong.Model, null, environment, at), CallRating.Model(prices, candidate.Provider.Name, candidate.Model, null, environment, at), at);

    /// <summary>What the stored labels prove; null where there are none, or they are about other models or prices.</summary>
    public static RoutingPolicy? Policy(StoredSums? stored, PairFingerprint fingerprint, QualityTarget keep) =>
        stored is not null && RoutingSums.Read(stored.Sums, fingerprint) is { } sums ? RoutingPolicy.Of(sums, keep) : null;
}
