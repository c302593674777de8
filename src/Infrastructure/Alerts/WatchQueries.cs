using System.Data.Common;
using Tokonomics.Application.Alerts.Watching;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>What the minute's look asks a relational store. Events of the last minutes, by the index of a tenant's times, and what is usual from the sums of hours; events of a day to explain a spike, and of a week at most, 20,000 of them, to tell how coarse spending is. At thousands of calls a second that is much to read: calls don't wait for it.</summary>
internal sealed class WatchQueries(ISqlStore store) : IWatchQueries
{
    private const string Thread = "watch-spend";

    private const long Minute = 60_000_000;

    private static readonly string Money = Measures.MoneyOf("cost_nano");

    public Task<IReadOnlyList<string>> ActiveAsync(DateTimeOffset since, CancellationToken cancellationToken) => Ask(
        connection => connection.Command(
            null, "SELECT id FROM tenants AS t WHERE EXISTS (SELECT 1 FROM usage_events AS e WHERE e.tenant_id = t.id AND e.at >= @since) ORDER BY id", ("@since", UsageRow.Micros(since)))
            .Rows(row => row.GetString(0)),
        cancellationToken);

    public Task<IReadOnlyList<long>> CallsAsync(string tenantId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken) => Ask(
        connection => connection.Command(
            null,
            $"""
            WITH RECURSIVE minutes (until) AS (SELECT CAST(@until AS bigint) UNION ALL SELECT until - {Minute} FROM minutes WHERE until - {Minute} > @from)
            SELECT (SELECT count(*) FROM usage_events AS e WHERE e.tenant_id = @tenant AND e.at >= m.until - {Minute} AND e.at < m.until) FROM minutes AS m ORDER BY until DESC
            """,
            ("@tenant", tenantId), ("@from", UsageRow.Micros(from)), ("@until", UsageRow.Micros(until)))
            .Rows(row => row.GetInt64(0)),
        cancellationToken);

    public Task<IReadOnlyList<SpendCell>> CellsAsync(string tenantId, DateTimeOffset from, DateTimeOffset until, bool byMinute, CancellationToken cancellationToken) => Ask(
        connection =>
        {
            // Cells are kept for an hour, and few names are in thousands of them.
            var names = new Dictionary<string, string>(StringComparer.Ordinal);
            return connection.Command(
                null,
                $"""
                SELECT {(byMinute ? $"(@until - 1 - at) / {Minute}" : "CAST(0 AS bigint)")} AS minute, key_id, project_id, team_id, provider, model, tags, count(*), CAST(coalesce(sum({Money}), 0) AS bigint), coalesce(max({Money}), 0),
                       sum(CASE WHEN status = 429 THEN 1 ELSE 0 END), sum(CASE WHEN status >= 500 THEN 1 ELSE 0 END), sum(CASE WHEN outcome IN ('Unreachable', 'TimedOut', 'Truncated') AND status < 400 THEN 1 ELSE 0 END),
                       sum(CASE WHEN price_status = 'Unpriced' THEN 1 ELSE 0 END)
                FROM usage_events WHERE tenant_id = @tenant AND environment = 0 AND at >= @from AND at < @until
                GROUP BY 1, key_id, project_id, team_id, provider, model, tags
                """,
                ("@tenant", tenantId), ("@from", UsageRow.Micros(from)), ("@until", UsageRow.Micros(until)))
                .Rows(row => new SpendCell(
                    (int)row.GetInt64(0), Name(row, 1), Name(row, 2), Name(row, 3), Name(row, 4), Name(row, 5), Name(row, 6), row.GetInt64(7), Usd(row.GetInt64(8)), Usd(row.GetInt64(9)), row.GetInt64(10), row.GetInt64(11), row.GetInt64(12),
                    row.GetInt64(13)));

            string Name(DbDataReader row, int column)
            {
                var name = row.GetString(column);
                return names.TryAdd(name, name) ? name : names[name];
            }
        },
        cancellationToken);

    public Task<HourSeries> HoursAsync(string tenantId, AlertSubject subject, DateTimeOffset hour, int hours, CancellationToken cancellationToken) => LowPriority.RunAsync(
        Thread, LowPriority.Last,
        () =>
        {
            using var connection = store.Open();
            var (first, end) = (UsageRow.Micros(hour.AddHours(-hours)), UsageRow.Micros(hour));
            using var command = connection.Command(null, "");
            var where = new Where(store, command);
            where.Is("tenant_id", tenantId);
            where.Is("environment", (short)KeyEnvironment.Live);
            if (subject.Scope == "tag")
            {
                where.Is("tag", subject.Name);
                where.Is("tag_value", subject.Value);
            }
            else
            {
                Matches(where, subject);
            }

            where.Compare("hour", ">=", first);
            where.Compare("hour", "<", end);
            command.CommandText = $"SELECT hour, CAST(sum(cost_nano) AS bigint), CAST(sum(calls) AS bigint) FROM {(subject.Scope == "tag" ? "usage_hourly_tags" : "usage_hourly")} WHERE {where} GROUP BY hour";
            var series = new HourSeries(new double[hours], new double[hours]);
            foreach (var (at, spent, calls) in command.Rows(row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2))))
                (series.Spent[(at - first) / Measures.Hour], series.Calls[(at - first) / Measures.Hour]) = (Usd(spent), calls);
            return series;
        },
        cancellationToken);

    public Task<MinuteSeries> MinutesAsync(string tenantId, AlertSubject subject, DateTimeOffset from, DateTimeOffset until, double most, CancellationToken cancellationToken) => LowPriority.RunAsync(
        Thread, LowPriority.Last,
        () =>
        {
            using var connection = store.Open();
            var (first, end) = (UsageRow.Micros(from), UsageRow.Micros(until));
            using var command = connection.Command(null, "", ("@first", first), ("@most", (long)Math.Min(most * NanoUsd.PerUsd, 1e15)));
            var where = new Where(store, command);
            where.Is("tenant_id", tenantId);
            where.Is("environment", (short)KeyEnvironment.Live);
            where.Compare("at", ">=", first);
            where.Compare("at", "<", end);
            if (subject.Scope == "tag")
                where.Tag("tags", subject.Name, subject.Value);
            else
                Matches(where, subject);
            const string counted = "CASE WHEN cost_nano > @most THEN @most ELSE cost_nano END";
            command.CommandText = $"SELECT (at - @first) / {Minute} AS minute, CAST(coalesce(sum({counted}), 0) AS bigint), count(*), coalesce(max({counted}), 0) FROM usage_events WHERE {where} GROUP BY 1";
            var count = (int)((end - first) / Minute);
            var series = new MinuteSeries(new double[count], new double[count], new double[count]);
            foreach (var (at, spent, calls, dearest) in command.Rows(row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3))))
                (series.Spent[at], series.Calls[at], series.Dearest[at]) = (Usd(spent), calls, Usd(dearest));
            return series;
        },
        cancellationToken);

    public Task<IReadOnlyList<RunningBudget>> BudgetsAsync(string tenantId, DateTimeOffset now, CancellationToken cancellationToken) => Ask(
        connection => connection.Command(
            null,
            """
            SELECT b.id, b.scope, b.scope_name, b.scope_value, p.subject, b.period, b.action, p.period_start, p.period_end, p.limit_nano, p.posted_nano
            FROM budgets AS b JOIN budget_accounts AS p ON p.tenant_id = b.tenant_id AND p.budget_id = b.id
            WHERE b.tenant_id = @tenant AND b.environment = 0 AND b.ended_at IS NULL AND NOT (b.scope = 'tenant' AND b.scope_name = 'calls') AND p.period_start <= @now AND p.period_end > @now AND p.limit_nano > 0 AND p.posted_nano > 0
            """,
            ("@tenant", tenantId), ("@now", UsageRow.Micros(now)))
            .Rows(row => new RunningBudget(
                row.GetString(0), StoredBudget.ReadScope(row.GetString(1), row.GetString(2), row.GetString(3)), row.GetString(4),
                Enum.Parse<BudgetPeriod>(row.GetString(5), ignoreCase: true), Enum.Parse<BudgetAction>(row.GetString(6), ignoreCase: true), UsageRow.Time(row.GetInt64(7)),
                row.GetString(5) == "total" ? null : UsageRow.Time(row.GetInt64(8)), new NanoUsd(row.GetInt64(9)), new NanoUsd(row.GetInt64(10)))),
        cancellationToken);

    public Task<(DateTimeOffset? LastUse, DateTimeOffset Made)?> KeyAsync(string tenantId, string keyId, DateTimeOffset before, CancellationToken cancellationToken) => LowPriority.RunAsync<(DateTimeOffset?, DateTimeOffset)?>(
        Thread, LowPriority.Last,
        () =>
        {
            using var connection = store.Open();
            return connection.Command(
                null, "SELECT created_at, (SELECT max(hour) FROM usage_hourly AS h WHERE h.tenant_id = k.tenant_id AND h.key_id = k.id AND h.environment = 0 AND h.hour < @before) FROM metering_keys AS k WHERE tenant_id = @tenant AND id = @key",
                ("@tenant", tenantId), ("@key", keyId), ("@before", UsageRow.Micros(before)))
                .Rows(row => ((DateTimeOffset?, DateTimeOffset)?)(row.IsDBNull(1) ? null : UsageRow.Time(row.GetInt64(1)), UsageRow.Time(row.GetInt64(0)))).FirstOrDefault();
        },
        cancellationToken);

    private static void Matches(Where where, AlertSubject subject)
    {
        if (subject.Scope != "tenant")
            where.Is(subject.Scope switch { "key" => "key_id", "project" => "project_id", "team" => "team_id", _ => throw new ArgumentException($"Nothing is summed by {subject.Scope}.", nameof(subject)) }, subject.Value);
    }

    private Task<IReadOnlyList<T>> Ask<T>(Func<DbConnection, List<T>> question, CancellationToken cancellationToken) => LowPriority.RunAsync<IReadOnlyList<T>>(
        Thread, LowPriority.Last,
        () =>
        {
            using var connection = store.Open();
            return question(connection);
        },
        cancellationToken);

    private static double Usd(long nano) => nano / (double)NanoUsd.PerUsd;
}
