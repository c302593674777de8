using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Alerts;

/// <summary>A made-up way to spend: how many calls come in each minute, and what each costs.</summary>
/// <param name="CallsPerHour">At the mean hour of the week.</param>
/// <param name="Cost">Median dollars of a call.</param>
/// <param name="Tail">How far apart costs lie: the deviation of their logarithm.</param>
/// <param name="Season">0: all hours alike; 1: office hours of a working week.</param>
/// <param name="GrowthPerWeek">0.1: a tenth more each week.</param>
/// <param name="Burst">How many calls come together, on average: agents and jobs make many in a minute.</param>
public sealed record SpendPattern(string Name, double CallsPerHour, double Cost, double Tail, double Season, double GrowthPerWeek, double Burst);

/// <summary>Runs the detector minute by minute over weeks of a pattern, with and without planted spikes, and counts.</summary>
public static class SpikeTrials
{
    /// <param name="ToldAgain">Spikes that were over by mistake, and told a second time.</param>
    public sealed record Result(int Planted, int InTen, int InAnHour, int Missed, double FalsePerMonth, int ToldAgain);

    private const int Week = 168 * 60;
    private const int History = 6;
    private const int Watched = 4;

    public static Result Run(SpendPattern pattern, int tenants, int spikesEach, double times, int seed)
    {
        var (planted, inTen, inHour, missed, wrong, again) = (0, 0, 0, 0, 0, 0);
        for (var tenant = 0; tenant < tenants; tenant++)
        {
            var random = new Random((seed * 1_000_003) + (tenant * 7919) + pattern.Name.Length);
            var total = (History + Watched) * Week;
            // Two of the four weeks have spikes, one at most in eight hours, each of 40 to 120 minutes, where there is something to multiply.
            var spikes = new List<(int From, int To)>();
            for (var tries = 0; spikes.Count < spikesEach && tries < 1000; tries++)
            {
                var from = random.Next((History + 2) * Week, total - 200);
                if (Rate(pattern, from) * pattern.Cost * Math.Exp(pattern.Tail * pattern.Tail / 2) * (times - 1) < 2.0 || spikes.Exists(s => Math.Abs(s.From - from) < 12 * 60))
                    continue; // not worth two dollars an hour: below the floor it isn't meant to be told
                spikes.Add((from, from + random.Next(40, 120)));
            }

            var (minutes, counts, dearest) = Spend(pattern, random, total, minute => spikes.Exists(s => minute >= s.From && minute < s.To) ? times : 1);
            var found = new Dictionary<(int, int), int>();
            double[] Hourly(double[] of) => [.. of.Chunk(60).Select(hour => hour.Sum())];
            var (spendHours, callHours) = (Hourly(minutes), Hourly(counts));
            var (spend, calls) = (default(Recent), default(Recent));
            var open = false;
            for (var minute = History * Week; minute < total; minute++)
            {
                if (minute % 60 == 0)
                    (spend, calls) = (Usual(minutes, spendHours, minute), Usual(counts, callHours, minute));
                (spend, calls) = (spend with { Minutes = minutes.AsMemory(minute - 59, 60) }, calls with { Minutes = counts.AsMemory(minute - 59, 60) });
                var most = dearest.AsSpan(minute - 4, 5).ToArray().Max();
                if (open)
                {
                    open = !SpendSpike.IsOver(spend, calls, most, new SpikeSensitivity());
                    continue;
                }

                if (SpendSpike.Find(spend, calls, most, new SpikeSensitivity()) is null)
                    continue;
                open = true;
                var cause = spikes.Find(s => minute >= s.From && minute < s.To + 60);
                if (cause == default)
                    wrong++;
                else if (!found.TryAdd(cause, minute - cause.From))
                    again++;
            }

            planted += spikes.Count;
            inTen += found.Values.Count(m => m < 10);
            inHour += found.Values.Count(m => m < 60);
            missed += spikes.Count - found.Count;
        }

        return new Result(planted, inTen, inHour, missed, wrong / (tenants * Watched / 4.345), again);
    }

    /// <summary>Dollars, calls and the dearest call of each minute.</summary>
    /// <param name="times">How often as many calls as usual a minute has.</param>
    public static (double[] Minutes, double[] Calls, double[] Dearest) Spend(SpendPattern pattern, Random random, int total, Func<int, double> times)
    {
        var (minutes, counts, dearest) = (new double[total], new double[total], new double[total]);
        for (var minute = 0; minute < total; minute++)
            for (var bursts = Chance.Poisson(random, Rate(pattern, minute) / 60 * times(minute) / pattern.Burst); bursts > 0; bursts--)
                for (var more = 1 + Chance.Poisson(random, pattern.Burst - 1); more > 0; more--)
                {
                    var cost = Math.Min(pattern.Cost * Math.Exp(pattern.Tail * Chance.Normal(random)), Grain.MostOfMean * pattern.Cost * Math.Exp(pattern.Tail * pattern.Tail / 2));
                    minutes[minute] += cost;
                    counts[minute]++;
                    dearest[minute] = Math.Max(dearest[minute], cost);
                }

        return (minutes, counts, dearest);
    }

    private static Recent Usual(double[] minutes, double[] hours, int minute) =>
        new(default, HourBaseline.Of(hours.AsSpan(0, minute / 60), DateTimeOffset.UnixEpoch.AddMinutes(minute), TimeZoneInfo.Utc)!, Grain.Of(minutes.AsSpan(minute - Week, Week)));

    public static double Rate(SpendPattern pattern, int minute)
    {
        var (day, hour) = (minute / 1440 % 7, minute / 60 % 24);
        var office = day < 5 ? 0.35 + (2.0 * Math.Exp(-(hour - 14) * (hour - 14) / 18.0)) : 0.3;
        return pattern.CallsPerHour * ((1 - pattern.Season) + (pattern.Season * office)) * Math.Pow(1 + pattern.GrowthPerWeek, minute / (double)Week);
    }
}
