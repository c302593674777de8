using Tokonomics.Domain.Alerts;

namespace Tokonomics.Tests.Alerts;

/// <summary>Spikes of three times the usual, planted in made-up spending, and the alarms where there was none. <c>TOKONOMICS_SPIKE_TENANTS</c> sets how many tenants of each pattern.</summary>
public sealed class SpikeTests(ITestOutputHelper output)
{
    private static int Tenants => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_SPIKE_TENANTS"), out var tenants) ? tenants : 2;

    private static readonly SpendPattern Steady = new("steady, 600 calls an hour", 600, 0.01, 1.0, 0, 0, 1);
    private static readonly SpendPattern Seasonal = new("office hours", 600, 0.01, 1.0, 1, 0, 1);
    private static readonly SpendPattern Growing = new("office hours, a tenth more each week", 600, 0.01, 1.0, 1, 0.1, 1);
    private static readonly SpendPattern Racing = new("office hours, half as much again each week", 300, 0.01, 1.0, 1, 0.5, 1);
    private static readonly SpendPattern Tailed = new("office hours, prices of a long tail", 600, 0.02, 1.8, 1, 0.05, 1);
    private static readonly SpendPattern Large = new("20,000 calls an hour, in threes", 20_000, 0.004, 1.2, 1, 0.03, 3);
    private static readonly SpendPattern Bursts = new("office hours, in bursts of ten", 1_200, 0.01, 1.0, 1, 0.05, 10);
    private static readonly SpendPattern Sparse = new("30 calls an hour", 30, 0.05, 1.0, 1, 0, 1);
    private static readonly SpendPattern Rare = new("4 calls an hour", 4, 0.3, 1.0, 0.5, 0, 1);

    /// <summary>What is found within ten minutes, at least, of a hundred spikes.</summary>
    public static TheoryData<SpendPattern, double> Patterns => new()
    {
        { Steady, 0.95 }, { Seasonal, 0.90 }, { Growing, 0.90 }, { Racing, 0.95 }, { Tailed, 0.85 }, { Large, 0.95 }, { Bursts, 0.5 }, { Sparse, 0 }, { Rare, 0 },
    };

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Spikes_of_three_times_the_usual_are_found_and_chance_is_not_taken_for_one(SpendPattern pattern, double found)
    {
        var result = SpikeTrials.Run(pattern, Tenants, 10, 3, seed: 1);
        output.WriteLine($"| {pattern.Name} | {result.Planted} | {100d * result.InTen / result.Planted:f0} % | {100d * result.InAnHour / result.Planted:f0} % | {result.FalsePerMonth:f2} | {result.ToldAgain} |");
        ((double)result.InTen / result.Planted).ShouldBeGreaterThanOrEqualTo(found);
        result.FalsePerMonth.ShouldBeLessThanOrEqualTo(2);
        result.ToldAgain.ShouldBeLessThanOrEqualTo(result.Planted / 4);
    }

    [Fact]
    public void The_same_hour_of_a_week_ago_is_told_by_the_tenants_clock()
    {
        // Busy from nine to ten in Berlin, idle otherwise, for eight weeks over the end of summer time on 25 October 2026.
        var zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
        var first = new DateTimeOffset(2026, 9, 14, 0, 0, 0, TimeSpan.Zero);
        HourBaseline At(DateTimeOffset hour)
        {
            var hours = new double[(int)(hour - first).TotalHours];
            for (var i = 0; i < hours.Length; i++)
                hours[i] = TimeZoneInfo.ConvertTime(first.AddHours(i), zone).Hour == 9 ? 10 : 0.1;
            return HourBaseline.Of(hours, hour, zone)!;
        }

        At(new DateTimeOffset(2026, 10, 20, 7, 0, 0, TimeSpan.Zero)).Expected.ShouldBeInRange(4, 11); // nine by summer time
        At(new DateTimeOffset(2026, 10, 27, 8, 0, 0, TimeSpan.Zero)).Expected.ShouldBeInRange(4, 11); // nine by winter time
        At(new DateTimeOffset(2026, 10, 27, 6, 0, 0, TimeSpan.Zero)).Expected.ShouldBeLessThan(0.5);
        At(new DateTimeOffset(2026, 11, 5, 8, 0, 0, TimeSpan.Zero)).Expected.ShouldBeInRange(4, 11);
    }

    [Fact]
    public void Too_little_history_says_nothing_and_a_young_tenants_is_taken_widely()
    {
        HourBaseline.Of(new double[23], DateTimeOffset.UnixEpoch.AddHours(23), TimeZoneInfo.Utc).ShouldBeNull();
        HourBaseline.Of(new double[2000], DateTimeOffset.UnixEpoch.AddHours(2000), TimeZoneInfo.Utc).ShouldBeNull(); // never spent anything
        var young = HourBaseline.Of([.. Enumerable.Repeat(2d, 30)], DateTimeOffset.UnixEpoch.AddHours(30), TimeZoneInfo.Utc)!;
        (young.Expected, young.Spread, young.Weeks).ShouldBe((2d, 0.5, 0));
    }

    [Fact]
    public void Below_the_floor_and_for_a_single_dear_call_nobody_is_woken()
    {
        var usual = new HourBaseline(0.6, 0.1, 4);
        var calls = new Recent(Enumerable.Repeat(10d, 60).ToArray(), new HourBaseline(60, 0.1, 4), 1); // ten times as many as usual
        Recent Spend(double perMinute) => new(Enumerable.Repeat(perMinute, 60).ToArray(), usual, 0.001);
        SpendSpike.Find(Spend(0.1), calls, 0.01, new SpikeSensitivity()).ShouldNotBeNull(); // six dollars an hour instead of sixty cents
        SpendSpike.Find(Spend(0.1), calls, 0.01, new SpikeSensitivity(Floor: 10)).ShouldBeNull();
        var one = Enumerable.Repeat(0.01, 60).ToArray();
        one[^1] += 5;
        SpendSpike.Find(new Recent(one, usual, 0.001), new Recent(Enumerable.Repeat(1d, 60).ToArray(), new HourBaseline(60, 0.1, 4), 1), 5, new SpikeSensitivity()).ShouldBeNull();
        SpendSpike.IsOver(Spend(0.01), calls, 0.01, new SpikeSensitivity()).ShouldBeTrue();
        SpendSpike.IsOver(Spend(0.1), calls, 0.01, new SpikeSensitivity()).ShouldBeFalse();
        // Quiet for half an hour, but the hour still shows it: it would be told again at once.
        SpendSpike.IsOver(new Recent(Enumerable.Range(0, 60).Select(i => i < 28 ? 0.2 : 0.01).ToArray(), usual, 0.001), calls, 0.01, new SpikeSensitivity()).ShouldBeFalse();
    }
}
