using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Routing;

/// <summary>What quality groups have learned, in a relational store.</summary>
/// <remarks>
/// A change whose commit went through and whose answer was lost is made again: of statistics one count more, never of money. And samples, signals and classes are brought behind the calls' backs: those
/// of a route that was deleted meanwhile are dropped, else what was just deleted would stand there again.
/// </remarks>
public sealed class SqlRoutingStore(ISqlStore store) : IRoutingStore
{
    private const string OfPair = "tenant_id = @tenant AND environment = @environment AND route_id = @route AND strong = @strong AND candidate = @candidate";
    private const string PairColumns = "tenant_id, environment, route_id, strong, candidate";
    private const string PairValues = "@tenant, @environment, @route, @strong, @candidate";
    private const string OfRoute = "tenant_id = @tenant AND environment = @environment AND (@route = '' OR route_id = @route)";
    private const string Calls = "Calls";

    public Task<StoredSums?> LoadAsync(RoutingPair pair, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(null, $"SELECT {SumsColumns} FROM routing_sums WHERE {OfPair}", Key(pair)).Rows(row => Sums(row, 0)).FirstOrDefault();
        },
        cancellationToken);

    public Task ChangeAsync(RoutingPair pair, Func<StoredSums?, PairChange> change, CancellationToken cancellationToken) => store.WriteAsync(
        transaction =>
        {
            if (!Stands(transaction, pair.TenantId, pair.RouteId))
                return false;
            store.Lock(transaction, $"routing {pair.TenantId}/{pair.RouteId}/{pair.Strong}/{pair.Candidate}", exclusive: true);
            var before = transaction.Command($"SELECT {SumsColumns} FROM routing_sums WHERE {OfPair}", Key(pair)).Rows(row => Sums(row, 0)).FirstOrDefault();
            var (sums, kept, incidents, cleared) = change(before);
            if (sums is not null)
                transaction.Execute(
                    $"""
                    INSERT INTO routing_sums ({PairColumns}, {SumsColumns}) VALUES ({PairValues}, @fingerprint, @sums, @strong_answered, @candidate_answered, @at)
                    ON CONFLICT ({PairColumns}) DO UPDATE SET fingerprint = excluded.fingerprint, sums = excluded.sums, strong_answered = excluded.strong_answered, candidate_answered = excluded.candidate_answered,
                        changed_at = excluded.changed_at
                    """,
                    [.. Key(pair), ("@fingerprint", unchecked((long)sums.Fingerprint.Key)), ("@sums", sums.Sums), ("@strong_answered", sums.StrongAnswered), ("@candidate_answered", sums.CandidateAnswered), ("@at", UsageRow.Micros(sums.ChangedAt))]);
            if (kept is not null)
                transaction.Execute(
                    $"""
                    INSERT INTO routing_weeks ({PairColumns}, week, keep_permille, labels, strong_sum, candidate_sum, strong_squares, candidate_squares, products)
                    VALUES ({PairValues}, @week, @keep, 1, @s, @c, @ss, @cc, @sc)
                    ON CONFLICT ({PairColumns}, week, keep_permille) DO UPDATE SET labels = routing_weeks.labels + 1, strong_sum = routing_weeks.strong_sum + excluded.strong_sum,
                        candidate_sum = routing_weeks.candidate_sum + excluded.candidate_sum, strong_squares = routing_weeks.strong_squares + excluded.strong_squares,
                        candidate_squares = routing_weeks.candidate_squares + excluded.candidate_squares, products = routing_weeks.products + excluded.products
                    """,
                    [.. Key(pair), ("@week", UsageRow.Micros(kept.Week)), ("@keep", (long)kept.KeepPermille), ("@s", kept.Strong), ("@c", kept.Candidate),
                        ("@ss", kept.Strong * kept.Strong), ("@cc", kept.Candidate * kept.Candidate), ("@sc", kept.Strong * kept.Candidate)]);
            foreach (var name in cleared ?? [])
                transaction.Execute($"DELETE FROM routing_signals WHERE {OfPair} AND class = @class", [.. Key(pair), ("@class", name.ToString())]);
            foreach (var incident in incidents ?? [])
                transaction.Execute(
                    "INSERT INTO routing_events (tenant_id, id, environment, route_id, candidate, class, kind, detail, at) VALUES (@tenant, @id, @environment, @route, @candidate, @class, @kind, @detail, @at)",
                    ("@tenant", pair.TenantId), ("@id", SortableId.New("rte", incident.At)), ("@environment", (short)incident.Environment), ("@route", incident.RouteId), ("@candidate", incident.Candidate),
                    ("@class", incident.Class?.ToString() ?? ""), ("@kind", incident.Kind), ("@detail", incident.Detail), ("@at", UsageRow.Micros(incident.At)));
            return true;
        },
        cancellationToken);

    public Task<IReadOnlyList<SignalCount>> AddSignalsAsync(RoutingPair pair, IReadOnlyList<SignalCount> added, CancellationToken cancellationToken) => store.WriteAsync<IReadOnlyList<SignalCount>>(
        transaction =>
        {
            var all = new List<SignalCount>();
            if (!Stands(transaction, pair.TenantId, pair.RouteId))
                return all;
            foreach (var name in added.Select(a => a.Class).Distinct().Order())
            {
                foreach (var one in added.Where(a => a.Class == name).OrderBy(a => a.OfCandidate).ThenBy(a => a.Signal.ToString(), StringComparer.Ordinal))
                    transaction.Execute(
                        $"""
                        INSERT INTO routing_signals ({PairColumns}, class, of_candidate, signal, times) VALUES ({PairValues}, @class, @of, @signal, @times)
                        ON CONFLICT ({PairColumns}, class, of_candidate, signal) DO UPDATE SET times = routing_signals.times + excluded.times
                        """,
                        [.. Key(pair), ("@class", name.ToString()), ("@of", (short)(one.OfCandidate ? 1 : 0)), ("@signal", one.Signal?.ToString() ?? Calls), ("@times", one.Times)]);
                all.AddRange(transaction.Command($"SELECT class, of_candidate, signal, times FROM routing_signals WHERE {OfPair} AND class = @class", [.. Key(pair), ("@class", name.ToString())]).Rows(Signal));
            }

            return all;
        },
        cancellationToken);

    public Task AddClassAsync(string tenantId, ClassFacts facts, CancellationToken cancellationToken) => store.WriteAsync(
        transaction => !Stands(transaction, tenantId, facts.RouteId) ? 0 : transaction.Execute(
            """
            INSERT INTO routing_classes (tenant_id, environment, route_id, class, key_id, tools, format, has_system, first_seen) VALUES (@tenant, @environment, @route, @class, @key, @tools, @format, @system, @at)
            ON CONFLICT (tenant_id, environment, route_id, class) DO NOTHING
            """,
            ("@tenant", tenantId), ("@environment", (short)facts.Environment), ("@route", facts.RouteId), ("@class", facts.Class.ToString()), ("@key", facts.KeyId), ("@tools", (long)facts.Tools), ("@format", facts.Format),
            ("@system", (short)(facts.HasSystem ? 1 : 0)), ("@at", UsageRow.Micros(facts.FirstSeen))),
        cancellationToken);

    public Task<IReadOnlyList<ClassFacts>> ClassesAsync(string tenantId, KeyEnvironment environment, string? routeId, CancellationToken cancellationToken) => Read(
        $"SELECT route_id, class, key_id, tools, format, has_system, first_seen FROM routing_classes WHERE {OfRoute} ORDER BY first_seen, class",
        Route(tenantId, environment, routeId),
        row => new ClassFacts(row.GetString(0), environment, Class(row.GetString(1)), row.GetString(2), (int)row.GetInt64(3), row.GetString(4), row.GetInt16(5) != 0, UsageRow.Time(row.GetInt64(6))),
        cancellationToken);

    public Task<IReadOnlyList<(RoutingPair Pair, StoredSums Sums)>> PairsAsync(string tenantId, KeyEnvironment environment, string? routeId, CancellationToken cancellationToken) => Read(
        $"SELECT route_id, strong, candidate, {SumsColumns} FROM routing_sums WHERE {OfRoute} ORDER BY route_id, strong, candidate",
        Route(tenantId, environment, routeId),
        row => (new RoutingPair(tenantId, environment, row.GetString(0), row.GetString(1), row.GetString(2)), Sums(row, 3)),
        cancellationToken);

    public Task<IReadOnlyList<RoutedCalls>> CallsAsync(string tenantId, KeyEnvironment environment, string? routeId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken) => Read(
        $"""
        SELECT route_id, class, reason, model, CAST(sum(calls) AS bigint), CAST(sum(cost_nano) AS bigint), CAST(sum(saved_nano) AS bigint) FROM routing_daily
        WHERE {OfRoute} AND day >= @from AND day < @until GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        [.. Route(tenantId, environment, routeId), ("@from", UsageRow.Micros(from)), ("@until", UsageRow.Micros(until))],
        row => new RoutedCalls(row.GetString(0), Class(row.GetString(1)), Enum.TryParse<RouteReason>(row.GetString(2), out var reason) ? reason : RouteReason.NoLabels, row.GetString(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6)),
        cancellationToken);

    public Task<IReadOnlyList<KeptWeek>> WeeksAsync(string tenantId, KeyEnvironment environment, string? routeId, CancellationToken cancellationToken) => Read(
        $"SELECT route_id, strong, candidate, week, keep_permille, labels, strong_sum, candidate_sum, strong_squares, candidate_squares, products FROM routing_weeks WHERE {OfRoute} ORDER BY week DESC, 1, 2, 3",
        Route(tenantId, environment, routeId),
        row => new KeptWeek(
            new RoutingPair(tenantId, environment, row.GetString(0), row.GetString(1), row.GetString(2)), UsageRow.Time(row.GetInt64(3)), (int)row.GetInt64(4),
            PairedSums.Of(row.GetDouble(5), row.GetDouble(6), row.GetDouble(7), row.GetDouble(8), row.GetDouble(9), row.GetDouble(10))),
        cancellationToken);

    public Task<IReadOnlyList<RoutingIncident>> IncidentsAsync(string tenantId, KeyEnvironment environment, string? routeId, int most, CancellationToken cancellationToken) => Read(
        $"SELECT route_id, candidate, class, kind, detail, at FROM routing_events WHERE {OfRoute} ORDER BY at DESC, id DESC LIMIT {most.ToString(CultureInfo.InvariantCulture)}",
        Route(tenantId, environment, routeId),
        row => new RoutingIncident(row.GetString(0), environment, row.GetString(1), row.GetString(2) is { Length: > 0 } name ? Class(name) : null, row.GetString(3), row.GetString(4), UsageRow.Time(row.GetInt64(5))),
        cancellationToken);

    // Until the transaction ends nobody deletes the route: whoever is about to waits, and then finds what was written here.
    private bool Stands(DbTransaction transaction, string tenantId, string routeId) =>
        transaction.Command($"SELECT id FROM model_routes WHERE tenant_id = @tenant AND id = @route{store.ForUpdate}", ("@tenant", tenantId), ("@route", routeId)).Rows(row => row.GetString(0)).Count > 0;

    private const string SumsColumns = "fingerprint, sums, strong_answered, candidate_answered, changed_at";

    private static StoredSums Sums(DbDataReader row, int first) =>
        new(new PairFingerprint(unchecked((ulong)row.GetInt64(first))), (byte[])row.GetValue(first + 1), row.GetString(first + 2), row.GetString(first + 3), UsageRow.Time(row.GetInt64(first + 4)));

    private static SignalCount Signal(DbDataReader row) => new(Class(row.GetString(0)), row.GetInt16(1) != 0, row.GetString(2) is var name && Enum.TryParse<WeakSignal>(name, out var signal) ? signal : null, row.GetInt64(3));

    private static TrafficClass Class(string name) => new(ulong.Parse(name, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));

    private Task<IReadOnlyList<T>> Read<T>(string sql, (string, object)[] parameters, Func<DbDataReader, T> read, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<T>>(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(null, sql, parameters).Rows(read);
        },
        cancellationToken);

    private static (string, object)[] Key(RoutingPair pair) =>
        [("@tenant", pair.TenantId), ("@environment", (short)pair.Environment), ("@route", pair.RouteId), ("@strong", pair.Strong), ("@candidate", pair.Candidate)];

    private static (string, object)[] Route(string tenantId, KeyEnvironment environment, string? routeId) => [("@tenant", tenantId), ("@environment", (short)environment), ("@route", routeId ?? "")];
}
