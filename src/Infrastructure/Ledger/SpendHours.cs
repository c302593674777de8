using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>
/// Hourly sums of a scope. What is over for longer than <see cref="ClosedSums.ClosedAfter"/> is kept in memory for as long as nothing came late to its tenant, as <see cref="ClosedSums"/> keeps
/// days: a page, and a job that looks at all budgets each hour, read a few hours instead of eight weeks.
/// </summary>
public sealed class SpendHours(ISqlStore store, TimeProvider time) : ISpendHours
{
    // About 11 kB each.
    private const int MostKept = 4000;

    private static readonly TimeSpan Back = TimeSpan.FromDays(SpendForecast.MostDays + 2);

    private readonly ConcurrentDictionary<string, Kept> _kept = new(StringComparer.Ordinal);

    /// <param name="Late">The tenant's number in <c>usage_late</c> when it was read.</param>
    /// <param name="First">When its first hour begins, unix microseconds.</param>
    private sealed record Kept(long Late, long First, NanoUsd[] Hours)
    {
        public long End => First + (Hours.Length * Measures.Hour);
    }

    public Task<HourlySpend> ReadAsync(SummaryQuestion scope, CancellationToken cancellationToken) => Task.Run(() => Read(scope, scope.Tag?.Name, [scope.Tag?.Value ?? ""])[0], cancellationToken);

    public Task<IReadOnlyList<HourlySpend>> ReadAsync(SummaryQuestion scope, string tag, IReadOnlyList<string> values, CancellationToken cancellationToken) =>
        values.Count == 0 ? Task.FromResult<IReadOnlyList<HourlySpend>>([]) : Task.Run<IReadOnlyList<HourlySpend>>(() => Read(scope, tag, values), cancellationToken);

    private List<HourlySpend> Read(SummaryQuestion scope, string? tag, IReadOnlyList<string> values)
    {
        if (tag is not null && (scope.KeyId ?? scope.ProjectId ?? scope.TeamId) is not null)
            throw new ArgumentException("No rollup keeps a tag and a key together.", nameof(scope));
        var now = UsageRow.Micros(time.GetUtcNow());
        var (first, end, closed) = (WholeHour(now - UsageRow.Micros(Back)), WholeHour(now) + Measures.Hour, WholeHour(now - UsageRow.Micros(ClosedSums.ClosedAfter)));
        using var connection = store.Open();
        // One transaction: the number and the hours are of the same moment.
        using var transaction = store.BeginReading(connection);
        var late = transaction.Command("SELECT events FROM usage_late WHERE tenant_id = @tenant", ("@tenant", scope.TenantId)).Rows(row => row.GetInt64(0)).FirstOrDefault();
        var shapes = values.Select(value => string.Join('\u001f', scope.TenantId, scope.Environment, scope.Provider, scope.Model, scope.KeyId, scope.ProjectId, scope.TeamId, tag, value)).ToList();
        var known = shapes.ConvertAll(shape => _kept.TryGetValue(shape, out var kept) && kept.Late == late && kept.First <= first && kept.End >= first ? kept : new Kept(late, first, []));
        var from = known.Min(k => k.End);
        var places = values.Select((value, i) => (value, i)).ToDictionary(v => v.value, v => v.i, StringComparer.Ordinal);
        var sums = known.ConvertAll(k =>
        {
            var hours = new NanoUsd[(int)((end - first) / Measures.Hour)];
            Array.Copy(k.Hours, (int)((first - k.First) / Measures.Hour), hours, 0, (int)((k.End - first) / Measures.Hour));
            return hours;
        });
        foreach (var (value, hour, usd) in Ask(transaction, scope, tag, values, from))
            if (places.TryGetValue(value, out var i) && hour >= known[i].End && hour < end)
                sums[i][(int)((hour - first) / Measures.Hour)] = usd;
        // Any of them: those who ask for all in turn would find nothing of theirs if the oldest went, or all.
        if (_kept.Count - MostKept is > 0 and var over)
            foreach (var (some, _) in _kept)
            {
                if (over-- <= 0)
                    break;
                _kept.TryRemove(some, out _);
            }

        for (var i = 0; i < shapes.Count; i++)
            if (known[i].End < closed || known[i].First < first)
                _kept[shapes[i]] = new Kept(late, first, sums[i][..(int)((closed - first) / Measures.Hour)]);
        return sums.ConvertAll(hours => new HourlySpend(UsageRow.Time(first), hours));
    }

    private List<(string Value, long Hour, NanoUsd Usd)> Ask(DbTransaction transaction, SummaryQuestion scope, string? tag, IReadOnlyList<string> values, long from)
    {
        using var command = transaction.Command("");
        var where = new Where(store, command);
        where.Is("tenant_id", scope.TenantId);
        where.Is("environment", (short)(scope.Environment ?? KeyEnvironment.Live));
        where.Is("tag", tag);
        where.Compare("hour", ">=", from);
        where.Matches(scope);
        if (tag is not null)
            where.Text($"tag_value IN ({string.Join(", ", values.Select((value, i) => command.Add(string.Create(CultureInfo.InvariantCulture, $"@value{i}"), value).ParameterName))})");
        command.CommandText = $"""
            SELECT {(tag is null ? "''" : "tag_value")}, hour, CAST(sum(cost_nano) AS bigint) FROM {(tag is null ? "usage_hourly" : "usage_hourly_tags")} WHERE {where} GROUP BY hour{(tag is null ? "" : ", tag_value")}
            """;
        return command.Rows(row => (row.GetString(0), row.GetInt64(1), new NanoUsd(row.GetInt64(2))));
    }

    private static long WholeHour(long at) => at - (at % Measures.Hour);
}
