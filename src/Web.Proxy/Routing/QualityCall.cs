using Tokonomics.Application.Routing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>What a quality group decided for one request.</summary>
/// <param name="Strong">The rule's first target.</param>
/// <param name="Reason">Why it goes where it goes.</param>
/// <param name="Chosen">The candidate that takes it; null where the strong model does.</param>
/// <param name="Sample">The candidate that is asked as well; null for none.</param>
/// <param name="IsPromised">The policy would have routed it: its sample says what quality is kept.</param>
internal sealed record QualityCall(string RouteId, RouteQuality Group, TrafficReading Traffic, PlannedTarget Strong, RouteReason Reason, PairStanding? Chosen, PairStanding? Sample, bool IsPromised)
{
    /// <summary>The candidate's answer failed its check.</summary>
    public bool Escalated { get; set; }

    /// <summary>By which the same request is known again for some minutes; null before anybody asked.</summary>
    public string? Repeat { get; set; }

    public bool IsCandidate(PlannedTarget target) => Chosen?.Candidate.Written == target.Written;

    /// <summary>A candidate's answer that a program can find fault with is looked at before it is handed on.</summary>
    public bool Checks(PlannedTarget target) => Group.Check && IsCandidate(target) && Traffic.IsHeldToForm;

    public RoutedMark MarkOf(PlannedTarget target) => new(RouteId, Traffic.Class, Escalated && !IsCandidate(target) ? RouteReason.Escalated : Reason);
}

/// <summary>A pair as it stands on this node: what was learned of it, read anew now and then.</summary>
/// <param name="Fingerprint">Of the models and prices that there are now.</param>
internal sealed record PairStanding(RoutingPair Pair, PairFingerprint Fingerprint, PlannedTarget Candidate, LearnedPair Learned);

/// <summary>What this node knows of a pair at a target; replaced whole.</summary>
internal sealed class LearnedPair
{
    private long _readAt = -1;
    private int _reading;

    /// <summary>Null: nothing was learned, or it wasn't read yet.</summary>
    public RoutingPolicy? Policy { get; set; }

    /// <summary>The model as its provider named it when it was judged; empty where nobody knows.</summary>
    public string CandidateAnswered { get; set; } = "";

    /// <summary>Whoever is told so reads it, and says when that is done.</summary>
    /// <param name="now">A monotonic time, ticks.</param>
    public bool IsDue(long now, long every) => (_readAt < 0 || now - _readAt > every) && Interlocked.Exchange(ref _reading, 1) == 0;

    public void Read(long now)
    {
        _readAt = now;
        Volatile.Write(ref _reading, 0);
    }

    /// <summary>The next call reads it anew.</summary>
    public void Spoil() => _readAt = -1;
}
