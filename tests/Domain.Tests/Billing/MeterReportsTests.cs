using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Billing;

public sealed class MeterReportsTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private static HourlyUsage Used(int hour, long nano, string model = "m") =>
        new(Start.AddHours(hour), Start.AddHours(hour + 1), new CustomerUsage("acme", "openai", model, 1, 10, 5, new NanoUsd(nano), 0));

    private static List<(int Hour, int Serial, long Cents)> Due(IEnumerable<HourlyUsage> usage, params ReportedHour[] reported) =>
        [.. MeterReports.Due("acme", CustomerTerms.AtCost, usage, reported).Select(d => ((int)(d.Start - Start).TotalHours, d.Serial, d.Cents))];

    private static ReportedHour Said(int hour, long cents, int reports = 1) => new(Start.AddHours(hour), cents, reports);

    [Fact]
    public void Fractions_of_a_cent_add_up_to_what_the_statement_says() =>
        // 0.4, 0.8, 1.2, 1.6 cents so far: 0, 1, 1, 2, of which each hour reports what it adds.
        Due([Used(0, 4_000_000), Used(1, 4_000_000), Used(2, 4_000_000), Used(3, 4_000_000)]).ShouldBe([(1, 0, 1), (3, 0, 1)]);

    [Fact]
    public void What_was_reported_is_not_reported_again()
    {
        Due([Used(0, 1_000_000_000)], Said(0, 100)).ShouldBeEmpty();
        Due([Used(0, 1_000_000_000), Used(1, 20_000_000)], Said(0, 100)).ShouldBe([(1, 0, 2)]);
    }

    [Fact]
    public void A_late_call_is_a_difference_of_its_own_hour() =>
        Due([Used(0, 1_500_000_000), Used(1, 1_000_000_000)], Said(0, 100), Said(1, 100)).ShouldBe([(0, 1, 50)]);

    [Fact]
    public void A_rounding_that_moves_is_left_to_the_newest_hour() =>
        // A late 0.2 cents at hour 0: 0.6, 1.0, 1.4 cents so far. Hour 0 would be 1 instead of 0, hour 1 then 0 instead of 1: neither is touched.
        Due([Used(0, 6_000_000), Used(1, 4_000_000), Used(2, 4_000_000)], Said(1, 1)).ShouldBe([]);

    [Fact]
    public void Too_much_is_taken_back() =>
        Due([Used(0, 1_000_000_000)], Said(0, 150, 2)).ShouldBe([(0, 2, -50)]);

    [Fact]
    public void Terms_that_change_in_the_month_correct_each_hour() =>
        MeterReports.Due("acme", new CustomerTerms { MarkupBasisPoints = 1000 }, [Used(0, 1_000_000_000), Used(1, 2_000_000_000)], [Said(0, 100), Said(1, 200)]).Select(d => d.Cents).ShouldBe([10L, 20L]);

    [Fact]
    public void An_hour_counts_in_its_last_second_and_a_cut_one_where_it_is_cut()
    {
        MeterReports.Due("acme", CustomerTerms.AtCost, [Used(3, 1_000_000_000)], [])[0].At.ShouldBe(Start.AddHours(4).AddSeconds(-1));
        var half = new HourlyUsage(Start, Start.AddMinutes(30), Used(0, 1_000_000_000).Usage);
        MeterReports.Due("acme", CustomerTerms.AtCost, [half], [])[0].At.ShouldBe(Start.AddMinutes(30).AddSeconds(-1));
    }

    [Fact]
    public void However_calls_come_the_sum_is_the_statement_s_and_no_hour_is_off_by_more_than_a_cent()
    {
        var call = from hour in Gen.Choose(0, 40) from nano in Gen.Choose(0, 60_000_000) from late in Gen.Choose(0, 3) from model in Gen.Elements("a", "b") select (hour, (long)nano, late, model);
        Prop.ForAll(call.ListOf().ToArbitrary(), calls =>
        {
            var terms = new CustomerTerms { MarkupBasisPoints = 333 };
            var reported = new Dictionary<DateTimeOffset, ReportedHour>();
            for (var now = 1; now <= 45; now++)
                foreach (var d in MeterReports.Due("acme", terms, Known(now), reported.Values))
                {
                    var before = reported.GetValueOrDefault(d.Start);
                    d.Serial.ShouldBe(before?.Reports ?? 0);
                    reported[d.Start] = new ReportedHour(d.Start, (before?.Cents ?? 0) + d.Cents, d.Serial + 1);
                }

            var statement = CustomerStatement.Of("acme", terms, Known(100).GroupBy(u => u.Usage.Model).Select(g => g.Select(u => u.Usage).Aggregate((a, b) => a.And(b))));
            reported.Values.Sum(r => r.Cents).ShouldBe(statement.TotalCents);
            foreach (var until in Enumerable.Range(1, 41).Select(h => Start.AddHours(h)))
            {
                var exact = Known(100).Where(u => u.Start < until).Sum(u => terms.Charge(u.Usage).Value) / 10_000_000m;
                Math.Abs(reported.Values.Where(r => r.Start < until).Sum(r => r.Cents) - exact).ShouldBeLessThanOrEqualTo(2.5m);
            }

            List<HourlyUsage> Known(int now) => [.. calls.Where(c => c.hour + 1 + c.late <= now).Select(c => Used(c.hour, c.Item2, c.model))];
        }).QuickCheckThrowOnFailure();
    }
}
