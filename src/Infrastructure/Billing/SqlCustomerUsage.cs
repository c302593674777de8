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
        () =>
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
                SELECT tag_value, provider, model, {Sums(m => m)} FROM usage_hourly_tags
                WHERE tenant_id = @tenant AND environment = 0 AND tag = @tag AND hour >= @from AND hour < @to AND (@all = 1 OR tag_value = @customer) GROUP BY tag_value, provider, model
                """, parameters).Rows(Read);
            var value = store.TagValue("tags", "@tag");
            foreach (var (from, to) in new[] { (start, wholeFrom), (wholeTo, end) })
                if (from < to)
                    rows.AddRange(transaction.Command(
                        $"""
                        SELECT {value}, provider, model, {Sums(m => Measures.All.First(x => x.Column == m).OfEvent)} FROM usage_events
                        WHERE tenant_id = @tenant AND environment = 0 AND at >= @edge AND at < @until AND {value} IS NOT NULL AND (@all = 1 OR {value} = @customer) GROUP BY {value}, provider, model
                        """, [.. parameters, ("@edge", from), ("@until", to)]).Rows(Read));
            return [.. rows.GroupBy(r => (r.Customer, r.Provider, r.Model)).Select(g => g.Aggregate(Add))];
        },
        cancellationToken);

    private static CustomerUsage Read(DbDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), new NanoUsd(row.GetInt64(6)), row.GetInt64(7));

    private static CustomerUsage Add(CustomerUsage a, CustomerUsage b) => a with
    {
        Calls = a.Calls + b.Calls,
        InputTokens = a.InputTokens + b.InputTokens,
        OutputTokens = a.OutputTokens + b.OutputTokens,
        Cost = a.Cost + b.Cost,
        Unpriced = a.Unpriced + b.Unpriced,
    };
}
