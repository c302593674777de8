namespace Tokonomics.Domain.Billing;

/// <summary>What one customer used of one model in one hour, or in the part of an hour that lies in the month.</summary>
/// <param name="Start">Its first instant, UTC; a month may begin within an hour.</param>
/// <param name="End">The first instant that isn't in it any more.</param>
public sealed record HourlyUsage(DateTimeOffset Start, DateTimeOffset End, CustomerUsage Usage);

/// <summary>What was reported of one customer's hour, whatever became of it.</summary>
/// <param name="Cents">The sum of its reports.</param>
/// <param name="Reports">How many there are.</param>
public sealed record ReportedHour(DateTimeOffset Start, long Cents, int Reports);

/// <summary>What is to be reported.</summary>
/// <param name="At">When it counts: the last second of the hour, so that it lies in the period of whoever subscribed within it.</param>
/// <param name="Serial">0 for the hour's first report; each later one is a difference.</param>
/// <param name="Cents">Whole cents; below zero where too much was reported.</param>
public sealed record DueReport(DateTimeOffset Start, DateTimeOffset At, int Serial, long Cents);

/// <summary>
/// How a statement becomes reports by the hour, in whole cents, whose sum is the statement's total. An hour's amount is what it adds to the total so far, not its own
/// charge rounded: calls cost fractions of a cent, and a thousand roundings would not give what the statement says.
/// </summary>
public static class MeterReports
{
    /// <summary>
    /// What is missing, by the hour in which it was used. Where an hour was reported before, a difference of one cent is a rounding that later rows have moved
    /// from one hour to the next: the month's newest hour takes it, so that not every hour after a late row is corrected back and forth.
    /// </summary>
    /// <param name="usage">Of one customer and one month, up to where it is known.</param>
    /// <param name="reported">Of the same customer and month, whatever became of the reports: what was given up is not reported again either.</param>
    public static IReadOnlyList<DueReport> Due(string customer, CustomerTerms terms, IEnumerable<HourlyUsage> usage, IEnumerable<ReportedHour> reported)
    {
        var known = reported.ToDictionary(r => r.Start);
        var newest = known.Count == 0 ? DateTimeOffset.MinValue : known.Keys.Max();
        var hours = usage.GroupBy(u => u.Start).ToDictionary(g => g.Key, g => g.ToList());
        var starts = hours.Keys.Union(known.Keys).Order().ToList();
        var sums = new Dictionary<(string Provider, string Model), CustomerUsage>();
        var due = new List<DueReport>();
        var said = 0L;
        foreach (var start in starts)
        {
            var end = start.AddHours(1);
            foreach (var u in hours.GetValueOrDefault(start, []))
            {
                var key = (u.Usage.Provider, u.Usage.Model);
                sums[key] = sums.TryGetValue(key, out var sum) ? sum.And(u.Usage) : u.Usage;
                end = u.End;
            }

            var before = known.GetValueOrDefault(start);
            said += before?.Cents ?? 0;
            var missing = CustomerStatement.Of(customer, terms, sums.Values).TotalCents - said;
            if (missing == 0 || (start <= newest && start != starts[^1] && Math.Abs(missing) < 2))
                continue;
            due.Add(new DueReport(start, end.AddSeconds(-1), before?.Reports ?? 0, missing));
            said += missing;
        }

        return due;
    }
}
