using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>A strong model and a candidate in a route of a tenant; live and test calls teach apart.</summary>
/// <param name="Strong">As the route writes it.</param>
/// <param name="Candidate">As the route writes it.</param>
public sealed record RoutingPair(string TenantId, KeyEnvironment Environment, string RouteId, string Strong, string Candidate);

/// <summary>What is kept of a pair.</summary>
/// <param name="Sums">As <see cref="RoutingSums.ToBytes"/> writes them.</param>
/// <param name="StrongAnswered">The model as its provider named it when it last answered; empty before the first label.</param>
/// <param name="CandidateAnswered">Likewise.</param>
public sealed record StoredSums(PairFingerprint Fingerprint, byte[] Sums, string StrongAnswered, string CandidateAnswered, DateTimeOffset ChangedAt);

/// <summary>A label of a request that the policy would have sent to the candidate: what quality is kept.</summary>
/// <param name="Week">Its Monday, 0:00 UTC.</param>
/// <param name="KeepPermille">What was promised.</param>
public sealed record KeptLabel(DateTimeOffset Week, int KeepPermille, double Strong, double Candidate);

/// <summary>Weeks of labels like those of <see cref="KeptLabel"/>.</summary>
public sealed record KeptWeek(RoutingPair Pair, DateTimeOffset Week, int KeepPermille, PairedSums Scores);

/// <summary>What happened to a group.</summary>
/// <param name="Class">Null where it is about all classes.</param>
/// <param name="Kind"><c>reset</c> or <c>demoted</c>.</param>
/// <param name="Detail">A sentence.</param>
public sealed record RoutingIncident(string RouteId, KeyEnvironment Environment, string Candidate, TrafficClass? Class, string Kind, string Detail, DateTimeOffset At);

/// <summary>What may be said of a class.</summary>
public sealed record ClassFacts(string RouteId, KeyEnvironment Environment, TrafficClass Class, string KeyId, int Tools, string Format, bool HasSystem, DateTimeOffset FirstSeen);

/// <summary>Calls of quality groups, summed.</summary>
/// <param name="Model">provider/model that was called.</param>
/// <param name="SavedNano">Nano-dollars; negative where more was spent.</param>
public sealed record RoutedCalls(string RouteId, TrafficClass Class, RouteReason Reason, string Model, long Calls, long CostNano, long SavedNano);

/// <summary>How often something was seen of a class under one of the two models.</summary>
/// <param name="Signal">Null: calls.</param>
public readonly record struct SignalCount(TrafficClass Class, bool OfCandidate, WeakSignal? Signal, long Times);

/// <summary>What a change of a pair leaves behind, all of it in one transaction.</summary>
/// <param name="Sums">Null: as they were.</param>
/// <param name="Cleared">Classes whose weak signals begin anew.</param>
public sealed record PairChange(StoredSums? Sums, KeptLabel? Kept = null, IReadOnlyList<RoutingIncident>? Incidents = null, IReadOnlyList<TrafficClass>? Cleared = null);

/// <summary>What quality groups have learned: sums, never a word of a request or an answer. It goes with its route, and nothing is added to that of a route that is deleted.</summary>
public interface IRoutingStore
{
    /// <summary>The sums of a pair; null where nothing was learned.</summary>
    Task<StoredSums?> LoadAsync(RoutingPair pair, CancellationToken cancellationToken);

    /// <summary>Reads a pair and changes it, while nobody else does; <paramref name="change"/> may be asked again.</summary>
    Task ChangeAsync(RoutingPair pair, Func<StoredSums?, PairChange> change, CancellationToken cancellationToken);

    /// <summary>Adds to the weak signals of a pair.</summary>
    /// <returns>All of the classes that are named.</returns>
    Task<IReadOnlyList<SignalCount>> AddSignalsAsync(RoutingPair pair, IReadOnlyList<SignalCount> added, CancellationToken cancellationToken);

    /// <summary>Keeps what may be said of a class; one that is known stays as it is.</summary>
    Task AddClassAsync(string tenantId, ClassFacts facts, CancellationToken cancellationToken);

    /// <summary>Of a tenant's route, or all of its routes.</summary>
    Task<IReadOnlyList<ClassFacts>> ClassesAsync(string tenantId, KeyEnvironment environment, string? routeId, CancellationToken cancellationToken);

    Task<IReadOnlyList<(RoutingPair Pair, StoredSums Sums)>> PairsAsync(string tenantId, KeyEnvironment environment, string? routeId, CancellationToken cancellationToken);

    /// <summary>By class, reason and model, of the days (UTC) from <paramref name="from"/> to before <paramref name="until"/>.</summary>
    Task<IReadOnlyList<RoutedCalls>> CallsAsync(string tenantId, KeyEnvironment environment, string? routeId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>Newest first.</summary>
    Task<IReadOnlyList<KeptWeek>> WeeksAsync(string tenantId, KeyEnvironment environment, string? routeId, CancellationToken cancellationToken);

    /// <summary>Newest first, so many.</summary>
    Task<IReadOnlyList<RoutingIncident>> IncidentsAsync(string tenantId, KeyEnvironment environment, string? routeId, int most, CancellationToken cancellationToken);
}
