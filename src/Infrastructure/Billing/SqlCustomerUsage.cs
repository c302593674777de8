using System.Data.Common;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Billing;

/// <summary>Whole hours from the rollups, which outlive the events; hours that a month's edge divides (zones that lie half an hour off) from the events.</summary>
public sealed class SqlCustomerUsage(ISqlStore store) : ICustomerUsage
{
    private const string Tag = "customer";

    private static readonly string[] Summed = ["calls", "input_tokens", "output_tokens", "cost_nano", "unpriced"];

    public Task<IReadOnlyList<CustomerUsage>> ReadAsync(string tenantId, PeriodWindow window, string? customer, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<CustomerUsage>>(
        () => [.. Rows(tenantId, window, customer, "0", "0").GroupBy(r => (r.Usage.Customer, r.Usage.Provider, r.Usage.Model)).Select(g => g.Select(r => r.Usage).Aggregate((a, b) => a.And(b)))],
        cancellationToken);

    public Task<IReadOnlyList<HourlyUsage>> ReadHoursAsync(string tenantId, PeriodWindow window, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<HourlyUsage>>(
        () =>
        {
            // An hour of which a part lies in the month begins, or ends, with it.
            var rows = Rows(tenantId, window, null, "hour", $"at - at % {Measures.Hour}");
            return [.. rows.Select(r => new HourlyUsage(UsageRow.Time(Math.Max(r.Hour, window.StartMicros)), UsageRow.Time(Math.Min(r.Hour + Measures.Hour, window.EndMicros)), r.Usage))];
        },
        cancellationToken);

    private List<(long Hour, CustomerUsage Usage)> Rows(string tenantId, PeriodWindow window, string? customer, string hour, string hourOfEvent)
    {
        const long Hour = Measures.Hour;
        var (start, end) = (window.StartMicros, window.EndMicros);
        var wholeFrom = start + ((Hour - (start % Hour)) % Hour);
        var wholeTo = Math.Max(wholeFrom, end - (end % Hour));
        using var connection = store.Open();
        using var transaction = store.BeginReading(connection);
        static string Sums(Func<string, string> of) => string.Join(", ", Summed.Select(m => $"CAST(sum({of(m)}) AS bigint)"));
        (string, object)[] parameters =
        [
            ("@tenant", tenantId), ("@tag", Tag), ("@all", customer is null ? 1 : 0), ("@customer", customer ?? ""),
            ("@start", start), ("@from", wholeFrom), ("@to", wholeTo), ("@end", end),
        ];
        var rows = transaction.Command(
            $"""
            SELECT part, tag_value, provider, model, {Sums(m => m)}
            FROM (SELECT CAST({hour} AS bigint) AS part, tag_value, provider, model, {string.Join(", ", Summed)} FROM usage_hourly_tags
                WHERE tenant_id = @tenant AND environment = 0 AND tag = @tag AND hour >= @from AND hour < @to AND (@all = 1 OR tag_value = @customer)) AS u
            GROUP BY part, tag_value, provider, model
            """, parameters).Rows(Read);
        var value = store.TagValue("tags", "@tag");
        foreach (var (from, to) in new[] { (start, wholeFrom), (wholeTo, end) })
            if (from < to)
                rows.AddRange(transaction.Command(
                    $"""
                    SELECT part, tag_value, provider, model, {Sums(m => m)}
                    FROM (SELECT CAST({hourOfEvent} AS bigint) AS part, {value} AS tag_value, provider, model, {string.Join(", ", Summed.Select(m => $"{Measures.All.First(x => x.Column == m).OfEvent} AS {m}"))} FROM usage_events
                        WHERE tenant_id = @tenant AND environment = 0 AND at >= @edge AND at < @until AND {value} IS NOT NULL AND (@all = 1 OR {value} = @customer)) AS u
                    GROUP BY part, tag_value, provider, model
                    """, [.. parameters, ("@edge", from), ("@until", to)]).Rows(Read));
        return rows;
    }

    private static (long Hour, CustomerUsage Usage) Read(DbDataReader row) =>
        (row.GetInt64(0), new(row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt64(4), row.GetInt64(5), row.GetInt64(6), new NanoUsd(row.GetInt64(7)), row.GetInt64(8)));
}
