using Tokonomics.Domain.Alerts;

namespace Tokonomics.Tests.Alerts;

/// <summary>Budgets that burn, and those that are only used. <c>TOKONOMICS_SPIKE_TENANTS</c> sets how many tenants of each pattern.</summary>
public sealed class BurnTests(ITestOutputHelper output)
{
    private const int Week = 168 * 60;
    private const int History = 6;
    private const int Watched = 4;
    private const int Times = 100;

    private static int Tenants => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_SPIKE_TENANTS"), out var tenants) ? tenants : 2;

    private static BudgetPace Month(double limit, double left, double five, double hour, double dearest = 0, double? usual = null) => new(limit, left, TimeSpan.FromDays(30), TimeSpan.FromDays(10), five, hour, dearest, usual);

    [Fact]
    public void It_says_how_long_what_is_left_lasts_at_the_pace_of_five_minutes()
    {
        var burn = BudgetBurn.Of(Month(1000, 100, 5, 40), BurnSensitivity.Default)!;
        (burn.PerHour, burn.Left).ShouldBe((60, TimeSpan.FromHours(100d / 60)));
    }

    [Fact]
    public void Neither_one_call_nor_five_minutes_alone_nor_what_lasts_is_a_burn()
    {
        BudgetBurn.Of(Month(1000, 100, 30, 30, dearest: 30), BurnSensitivity.Default).ShouldBeNull(); // one call of thirty dollars
        BudgetBurn.Of(Month(1000, 100, 5, 5), BurnSensitivity.Default).ShouldBeNull(); // five dollars in the hour: twenty hours
        BudgetBurn.Of(Month(1000, 900, 5, 60), BurnSensitivity.Default).ShouldBeNull(); // fifteen hours
        BudgetBurn.Of(Month(1000, 0, 5, 60), BurnSensitivity.Default).ShouldBeNull(); // it is gone: that is told otherwise
        BudgetBurn.Of(Month(1000, 100, 5, 60, usual: 50), BurnSensitivity.Default).ShouldBeNull(); // each day at this hour
        BudgetBurn.Of(new BudgetPace(24, 6, TimeSpan.FromHours(24), TimeSpan.FromHours(4), 0.17, 2, 0, null), BurnSensitivity.Default).ShouldBeNull(); // gone in three hours, one before the day ends, at twice the even pace
        BudgetBurn.Of(new BudgetPace(24, 6, TimeSpan.FromHours(24), TimeSpan.FromHours(2), 0.5, 6, 0, null), BurnSensitivity.Default).ShouldNotBeNull();
        BudgetBurn.Of(new BudgetPace(10, 6, null, null, 0.5, 6, 0, null), BurnSensitivity.Default).ShouldNotBeNull(); // a total, which has no pace
    }

    [Fact]
    public void It_is_over_when_twice_the_pace_would_last()
    {
        BudgetBurn.IsOver(Month(1000, 100, 0.3, 40), BurnSensitivity.Default).ShouldBeTrue();
        BudgetBurn.IsOver(Month(1000, 100, 0.5, 40), BurnSensitivity.Default).ShouldBeFalse();
        BudgetBurn.IsOver(Month(1000, 100, 0, 40), BurnSensitivity.Default).ShouldBeTrue();
    }

    /// <summary>A month's budget that use just leaves whole, and at any hour of it a program that calls a hundred times as often until nothing is left.</summary>
    [Theory]
    [InlineData("steady, 200 calls an hour", 200, 0.01, 1.0, 0.0, 0.0, 1.0)]
    [InlineData("office hours, 200 calls an hour", 200, 0.01, 1.0, 1.0, 0.0, 1.0)]
    [InlineData("the same, prices of a long tail", 200, 0.02, 1.8, 1.0, 0.05, 1.0)]
    [InlineData("400 calls an hour in bursts of ten", 400, 0.01, 1.0, 1.0, 0.05, 10.0)]
    [InlineData("sparse: 30 calls an hour", 30, 0.05, 1.0, 1.0, 0.0, 1.0)]
    public void What_runs_away_is_told_while_most_of_what_was_left_is_there_and_use_is_not_told(string name, double calls, double cost, double tail, double season, double growth, double burst)
    {
        var pattern = new SpendPattern(name, calls, cost, tail, season, growth, burst);
        var (wrong, before, share) = (0, new List<double>(), new List<double>());
        for (var tenant = 0; tenant < Tenants; tenant++)
        {
            var random = new Random(4242 + tenant);
            const int begin = History * Week, total = (History + Watched) * Week;
            var calm = SpikeTrials.Spend(pattern, random, total, _ => 1);
            var limit = 1.05 * calm.Minutes[begin..].Sum();
            wrong += Look(calm, limit, begin, total).Told.Count;

            var away = random.Next(begin, total - (3 * 24 * 60));
            var run = SpikeTrials.Spend(pattern, random, away + (36 * 60), minute => minute >= away ? Times : 1);
            var (told, end) = Look(run, limit, begin, total);
            if (end == run.Minutes.Length)
                continue; // at night a hundred times as much may be less than would be told
            var found = told.FirstOrDefault(m => m >= away, end);
            before.Add((end - found) / 60d);
            share.Add(run.Minutes[(found + 1)..end].Sum() / run.Minutes[away..end].Sum());
        }

        output.WriteLine($"| {name} | {before.Count} | {before.Order().ElementAt(before.Count / 2):f1} h | {before.Min():f1} h | {100 * share.Order().ElementAt(share.Count / 2):f0} % | {wrong / (Tenants * Watched / 4.345):f2} |");
        share.Min().ShouldBeGreaterThan(0.7);
        wrong.ShouldBeLessThanOrEqualTo(Tenants);
    }

    // The minutes at which somebody is told, until nothing is left.
    private static (List<int> Told, int End) Look((double[] Minutes, double[] Calls, double[] Dearest) spend, double limit, int begin, int total)
    {
        var (told, posted, open, usual) = (new List<int>(), 0d, false, (double?)null);
        var hours = spend.Minutes.Chunk(60).Select(h => h.Sum()).ToArray();
        var minute = begin;
        for (; minute < spend.Minutes.Length && posted < limit; minute++)
        {
            posted += spend.Minutes[minute];
            if (minute % 60 == 0)
                usual = HourBaseline.Of(hours.AsSpan(0, minute / 60), DateTimeOffset.UnixEpoch.AddMinutes(minute), TimeZoneInfo.Utc)?.Expected;
            var pace = new BudgetPace(
                limit, limit - posted, TimeSpan.FromMinutes(total - begin), TimeSpan.FromMinutes(total - minute), spend.Minutes[(minute - 4)..(minute + 1)].Sum(), spend.Minutes[(minute - 59)..(minute + 1)].Sum(),
                spend.Dearest[(minute - 4)..(minute + 1)].Max(), usual);
            if (open)
                open = !BudgetBurn.IsOver(pace, BurnSensitivity.Default);
            else if (BudgetBurn.Of(pace, BurnSensitivity.Default) is not null)
            {
                open = true;
                told.Add(minute);
            }
        }

        return (told, minute);
    }
}
