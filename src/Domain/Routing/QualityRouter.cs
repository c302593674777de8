using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Routing;

/// <summary>Why a request goes where it goes. The names are on the wire and in the store: never renamed.</summary>
public enum RouteReason
{
    /// <summary>Nothing was learned yet.</summary>
    NoLabels,

    /// <summary>One of those that stay on the strong model for ever.</summary>
    Holdout,

    /// <summary>The candidate would not cost less.</summary>
    NotCheaper,

    /// <summary>Weak signals speak against the candidate.</summary>
    Demoted,

    /// <summary>The group only watches so far.</summary>
    NotActive,

    /// <summary>Its conversation is there, or in the middle of a tool loop.</summary>
    Conversation,

    /// <summary>Nothing proves that the quality is kept.</summary>
    BelowBound,

    /// <summary>Its class is proven whole.</summary>
    ClassProven,

    /// <summary>It is among the prompts of its class that are proven.</summary>
    PromptProven,

    /// <summary>The candidate's answer failed its check, and the strong model was asked.</summary>
    Escalated,

    /// <summary>Sent to a model beside the one that answered, to compare the two.</summary>
    Shadow,

    /// <summary>A model was asked which of two answers is better.</summary>
    Judge,
}

/// <summary>What a request is expected to cost on either model.</summary>
public readonly record struct RouteCosts(NanoUsd Strong, NanoUsd Candidate);

/// <param name="ToCandidate">False: to the strong model.</param>
/// <param name="Saving">What going there is expected to save; zero on the strong model.</param>
public readonly record struct RouteDecision(bool ToCandidate, RouteReason Reason, NanoUsd Saving);

/// <summary>What may be routed for one target, as the sums stood when it was made. Immutable.</summary>
public sealed class RoutingPolicy
{
    private readonly Dictionary<TrafficClass, ClassProof> _proofs = [];
    private readonly HashSet<TrafficClass> _proven = [];
    private readonly Dictionary<TrafficClass, bool[]> _ranks = [];

    private RoutingPolicy(RoutingSums sums, QualityTarget target, RoutingModel model)
    {
        (Target, Model) = (target, model);
        var all = sums.All;
        foreach (var (name, sum) in sums.Classes)
        {
            _proofs[name] = QualityBound.Prove(sum.All, all, target);
            if (_proofs[name].Holds)
                _proven.Add(name);
        }

        Cut = QualityBound.Cut(sums, _proven, target);
        foreach (var (name, shares) in RoutingModel.Shares(sums, -1))
            _ranks[name] = Array.ConvertAll(shares, share => share <= Cut);
    }

    public QualityTarget Target { get; }

    public RoutingModel Model { get; }

    /// <summary>The share of the traffic, easiest first, whose prompts are proven; 0 to 1.</summary>
    public double Cut { get; }

    /// <summary>Null where the class has no label.</summary>
    public ClassProof? Proof(TrafficClass name) => _proofs.TryGetValue(name, out var proof) ? proof : null;

    internal IReadOnlySet<TrafficClass> Proven => _proven;

    /// <exception cref="ArgumentOutOfRangeException">The target is not in its range.</exception>
    public static RoutingPolicy Of(RoutingSums sums, QualityTarget target, RoutingModel? model = null) => target.Problem() is { } problem
        ? throw new ArgumentOutOfRangeException(nameof(target), problem)
        : new RoutingPolicy(sums, target, model ?? RoutingModel.Of(sums));

    internal RouteReason Look(TrafficClass name, ReadOnlySpan<double> features) =>
        Model.Labels <= 0 ? RouteReason.NoLabels
        : _proven.Contains(name) ? RouteReason.ClassProven
        : _ranks.TryGetValue(name, out var ranks) && ranks[Model.Rank(name, features)] ? RouteReason.PromptProven
        : RouteReason.BelowBound;
}

/// <summary>Where a request goes.</summary>
public static class QualityRouter
{
    /// <summary>How many stay on the strong model for ever, so that drift shows: one in fifty.</summary>
    public const double HoldoutShare = 0.02;

    /// <summary>Decides for one request; allocates nothing. Whatever is not proven goes to the strong model.</summary>
    /// <param name="policy">Null: nothing was learned.</param>
    /// <param name="features">As <see cref="PromptFeatures.Read"/> counts them.</param>
    /// <param name="uniform">0 to 1: of the request's id (<see cref="Holdout.Uniform"/>), or by chance.</param>
    /// <param name="demoted">What <see cref="WeakSignals.Demotes"/> says of the class.</param>
    public static RouteDecision Decide(RoutingPolicy? policy, TrafficClass name, ReadOnlySpan<double> features, RouteCosts costs, double uniform, bool demoted = false)
    {
        var reason = policy is null ? RouteReason.NoLabels
            : uniform < HoldoutShare ? RouteReason.Holdout
            : costs.Candidate >= costs.Strong ? RouteReason.NotCheaper
            : demoted ? RouteReason.Demoted
            : policy.Look(name, features);
        var routed = reason is RouteReason.ClassProven or RouteReason.PromptProven;
        return new RouteDecision(routed, reason, routed ? costs.Strong - costs.Candidate : NanoUsd.Zero);
    }
}
