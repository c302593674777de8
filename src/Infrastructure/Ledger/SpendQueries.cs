using System.Data.Common;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Questions about spend to a relational store. Its calls block: none is made on the thread of whoever asks.</summary>
public sealed class SpendQueries(ISqlStore store) : ISpendQueries
{
    private const int MostTop = 100;
    private const string ByCost = "usage_events_by_cost";

    public Task<SpendNames> NamesAsync(string tenantId, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            using var connection = store.Open();
            var (name, zone) = connection.Command(null, "SELECT name, time_zone FROM tenants WHERE id = @tenant", ("@tenant", tenantId)).Rows(row => (row.GetString(0), row.GetString(1))).FirstOrDefault();
            var names = connection.Command(
                null,
                """
                SELECT id, name FROM metering_keys WHERE tenant_id = @tenant
                UNION ALL SELECT id, name FROM projects WHERE tenant_id = @tenant
                UNION ALL SELECT id, name FROM teams WHERE tenant_id = @tenant
                """,
                ("@tenant", tenantId)).Rows(row => KeyValuePair.Create(row.GetString(0), row.GetString(1)));
            return new SpendNames(name ?? "", TimeZoneInfo.FindSystemTimeZoneById(zone ?? "UTC"), new Dictionary<string, string>(names, StringComparer.Ordinal));
        },
        cancellationToken);

    public Task<IReadOnlyList<UsageEvent>> TopCallsAsync(SummaryQuestion question, int count, CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyList<UsageEvent>>(() => TopCalls(question, Math.Clamp(count, 1, MostTop), cancellationToken), cancellationToken);

    // The dearest n calls lie in the hours that have the dearest ones. The rollups say what the calls of an hour that match cost at most; the dearest hours are
    // read first, each by the index from that cost down, until the next hour can't have a dearer one than the n that were found.
    private List<UsageEvent> TopCalls(SummaryQuestion question, int count, CancellationToken cancellationToken)
    {
        using var connection = store.Open();
        using var transaction = store.BeginReading(connection);
        var top = new List<UsageEvent>();
        foreach (var (hour, most) in DearestOfHours(question, transaction).OrderByDescending(h => h.Most).ThenByDescending(h => h.Hour))
        {
            cancellationToken.ThrowIfCancellationRequested();
            long? least = top.Count >= count ? top[count - 1].Cost!.Value.Value : null;
            if (least > most)
                break;
            using var command = transaction.Command("", ("@hour", hour));
            var where = Events(question, command, "@hour");
            where.Compare("cost_nano", "<=", most);
            where.Compare("cost_nano", ">=", least);
            command.CommandText = $"SELECT {UsageRow.ColumnList} FROM {store.ByIndex("usage_events", ByCost)} WHERE {where} ORDER BY cost_nano DESC LIMIT {count}";
            top.AddRange(command.Rows(UsageRow.Read));
            top.Sort((a, b) => b.Cost!.Value.CompareTo(a.Cost!.Value) is not 0 and var cost ? cost : b.At.CompareTo(a.At) is not 0 and var at ? at : string.CompareOrdinal(a.RequestId, b.RequestId));
            if (top.Count > count)
                top.RemoveRange(count, top.Count - count);
        }

        return top;
    }

    // What an hour's calls cost at most: exactly for what a rollup keeps apart, otherwise (a tag with a key, an hour that the range divides) no less than that. Where
    // the rollup doesn't know, it is the dearest call of the whole hour.
    private List<(long Hour, long Most)> DearestOfHours(SummaryQuestion question, DbTransaction transaction)
    {
        using var command = transaction.Command("");
        var hours = new Where(store, command);
        hours.Is("tenant_id", question.TenantId);
        hours.Is("environment", (short)(question.Environment ?? KeyEnvironment.Live));
        var from = UsageRow.Micros(question.From);
        hours.Is("tag", question.Tag?.Name);
        hours.Compare("hour", ">=", from - (from % Measures.Hour));
        hours.Compare("hour", "<", UsageRow.Micros(question.To));
        hours.Is("tag_value", question.Tag?.Value);
        hours.Matches(question.Tag is null ? question : question with { KeyId = null, ProjectId = null, TeamId = null });
        hours.Compare("cost_nano", ">", 0L);
        var all = new SummaryQuestion(question.TenantId, question.From, question.To) { Environment = question.Environment };
        command.CommandText = $"""
            SELECT hour, most FROM (
                SELECT h.hour AS hour, CASE WHEN h.known = 1 THEN h.dearest
                    ELSE (SELECT cost_nano FROM {store.ByIndex("usage_events", ByCost)} WHERE {Events(all, command, "+h.hour")} ORDER BY cost_nano DESC LIMIT 1) END AS most
                FROM (SELECT hour, max(dearest_nano) AS dearest, min(CASE WHEN counted = calls THEN 1 ELSE 0 END) AS known
                      FROM {(question.Tag is null ? "usage_hourly" : "usage_hourly_tags")} WHERE {hours} GROUP BY hour) AS h) AS d
            WHERE most > 0
            """;
        return command.Rows(row => (row.GetInt64(0), row.GetInt64(1)));
    }

    // The plus: SQLite compares a column's number otherwise than an expression's, and then finds no place in an index of expressions by it.
    // The order of the conditions is the index's by cost; the time is there for hours that the range divides, and tells PostgreSQL which months to look in.
    private Where Events(SummaryQuestion question, DbCommand command, string hour)
    {
        var where = new Where(store, command);
        where.Is("tenant_id", question.TenantId);
        where.Is("environment", (short)(question.Environment ?? KeyEnvironment.Live));
        where.Text($"at - at % {Measures.Hour} = {hour} AND cost_nano > 0");
        where.Compare("at", ">=", UsageRow.Micros(question.From));
        where.Compare("at", "<", UsageRow.Micros(question.To));
        where.Matches(question);
        if (question.Tag is { } tag)
            where.Tag("tags", tag.Name, tag.Value);
        return where;
    }

    public Task<CacheSavings?> CacheSavingsAsync(SummaryQuestion question, CancellationToken cancellationToken) =>
        HourlySumsAsync(question, "cache_savings_hourly", "saved_nano", "extra_nano", (saved, extra) => new CacheSavings(new NanoUsd(saved), new NanoUsd(extra)), cancellationToken);

    public Task<RepeatSavings?> RepeatSavingsAsync(SummaryQuestion question, CancellationToken cancellationToken) =>
        HourlySumsAsync(question, "repeat_savings_hourly", "repeats", "saved_nano", (repeats, saved) => new RepeatSavings(repeats, new NanoUsd(saved)), cancellationToken);

    private Task<T?> HourlySumsAsync<T>(SummaryQuestion question, string table, string first, string second, Func<long, long, T> read, CancellationToken cancellationToken)
        where T : class => question.Tag is not null ? Task.FromResult<T?>(null) : Task.Run<T?>(
        () =>
        {
            using var connection = store.Open();
            using var command = connection.Command(null, "");
            var where = new Where(store, command);
            where.Is("tenant_id", question.TenantId);
            where.Is("environment", (short)(question.Environment ?? KeyEnvironment.Live));
            where.Compare("hour", ">=", UsageRow.Micros(question.From));
            where.Compare("hour", "<", UsageRow.Micros(question.To));
            where.Matches(question);
            command.CommandText = $"SELECT CAST(coalesce(sum({first}), 0) AS bigint), CAST(coalesce(sum({second}), 0) AS bigint) FROM {table} WHERE {where}";
            return command.Rows(row => read(row.GetInt64(0), row.GetInt64(1)))[0];
        },
        cancellationToken);

    public Task<DateTimeOffset?> FirstHourAsync(string tenantId, KeyEnvironment environment, CancellationToken cancellationToken) => Task.Run<DateTimeOffset?>(
        () =>
        {
            using var connection = store.Open();
            return connection.Scalar("SELECT min(hour) FROM usage_hourly WHERE tenant_id = @tenant AND environment = @environment", ("@tenant", tenantId), ("@environment", (short)environment)) is long hour ? UsageRow.Time(hour) : null;
        },
        cancellationToken);
}
