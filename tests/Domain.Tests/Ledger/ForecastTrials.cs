using System.Globalization;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Ledger;

/// <summary>A made-up way to spend over months.</summary>
/// <param name="CallsPerHour">At the mean hour of the week.</param>
/// <param name="Cost">Median dollars of a call.</param>
/// <param name="Tail">How far apart costs lie: the deviation of their logarithm.</param>
/// <param name="Season">0: all hours alike; 1: office hours of a working week.</param>
/// <param name="GrowthPerWeek">0.1: a tenth more each week.</param>
/// <param name="Burst">How many calls come together, on average.</param>
/// <param name="DayMoves">By how much days differ from what their weekday says: the deviation of the logarithm.</param>
/// <param name="LevelMoves">By how much the level goes up or down from a day to the next, and stays: the deviation of the logarithm.</param>
public sealed record SpendHabit(string Name, double CallsPerHour, double Cost, double Tail, double Season, double GrowthPerWeek, double Burst, double DayMoves, double LevelMoves);

/// <summary>What was forecast within periods that are over, against what they came to.</summary>
public sealed class ForecastErrors
{
    private readonly List<(double Error, bool Held)> _all = [];

    public int Count => _all.Count;

    /// <summary>Half of all forecasts were nearer than this: a share of the truth.</summary>
    public double Median => Middle([.. _all.Select(e => Math.Abs(e.Error))]);

    /// <summary>Half were higher: above zero, it says too much.</summary>
    public double Bias => Middle([.. _all.Select(e => e.Error)]);

    /// <summary>How often the truth lay in the range of four fifths.</summary>
    public double Held => _all.Count == 0 ? 0 : _all.Count(e => e.Held) / (double)_all.Count;

    public void Add(SpendForecast forecast, double truth) =>
        _all.Add((((double)forecast.Expected.Usd - truth) / truth, forecast.Low.Usd <= (decimal)truth + 0.000001m && (decimal)truth <= forecast.High.Usd + 0.000001m));

    public void Add(ForecastErrors others) => _all.AddRange(others._all);

    private static double Middle(double[] values)
    {
        Array.Sort(values);
        return values.Length == 0 ? 0 : values[values.Length / 2];
    }
}

/// <summary>Makes series.</summary>
public static class ForecastTrials
{
    public static readonly TimeZoneInfo Zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    /// <summary>26 weeks over both changes of the clocks or one, by seed.</summary>
    public static double[] Hours(SpendHabit habit, int seed, out DateTimeOffset first)
    {
        var random = new Random((seed * 1_000_003) + habit.Name.Length);
        first = new DateTimeOffset(2026, 1 + (seed % 6), 1, 0, 0, 0, TimeSpan.Zero);
        var hours = new double[26 * 168];
        var (level, date, ofDay) = (1d, default(DateTime), 1d);
        for (var i = 0; i < hours.Length; i++)
        {
            var local = TimeZoneInfo.ConvertTime(first.AddHours(i), Zone).DateTime;
            if (local.Date != date)
                (date, ofDay, level) = (local.Date, Math.Exp(habit.DayMoves * Chance.Normal(random)), level * Math.Exp(habit.LevelMoves * Chance.Normal(random)));
            var office = local.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday) ? 0.35 + (2.0 * Math.Exp(-(local.Hour - 14) * (local.Hour - 14) / 18.0)) : 0.3;
            var rate = habit.CallsPerHour * ((1 - habit.Season) + (habit.Season * office)) * Math.Pow(1 + habit.GrowthPerWeek, i / 168d) * level * ofDay;
            for (var bursts = Chance.Poisson(random, rate / habit.Burst); bursts > 0; bursts--)
            {
                var calls = 1 + Chance.Poisson(random, habit.Burst - 1);
                // Many calls of one burst are near their mean.
                for (var c = 0; c < Math.Min(calls, 20); c++)
                    hours[i] += habit.Cost * Math.Exp(habit.Tail * Chance.Normal(random)) * calls / Math.Min(calls, 20);
            }
        }

        return hours;
    }
}

/// <summary>Forecasts at several points of each period of a series, from what was known there.</summary>
public sealed class Backtest
{
    private static readonly double[] Parts = [0.10, 0.25, 0.50, 0.75];

    private static readonly BudgetPeriod[] Periods = [BudgetPeriod.Day, BudgetPeriod.Week, BudgetPeriod.Month];

    // Nine weeks are history before the first period that is looked at.
    private const int HistoryDays = 63;
    private const int MostOfAKind = 30;

    private readonly Dictionary<(BudgetPeriod Period, double Part), ForecastErrors> _errors = [];

    // Of caps that are so much of what the period came to: how often it was told that they won't last.
    private static readonly double[] Caps = [0.80, 0.90, 1.10, 1.25];
    private readonly Dictionary<(BudgetPeriod Period, double Part, double Cap), (int Told, int Asked)> _told = [];

    public ForecastErrors At(BudgetPeriod period, double part)
    {
        if (!_errors.TryGetValue((period, part), out var errors))
            _errors[(period, part)] = errors = new ForecastErrors();
        return errors;
    }

    /// <summary>How often the range held the truth, at all points together.</summary>
    public double Held(BudgetPeriod period) => Parts.Sum(p => At(period, p).Held * At(period, p).Count) / Math.Max(1, Parts.Sum(p => At(period, p).Count));

    public void Add(Backtest other)
    {
        foreach (var (key, counts) in other._told)
            _told[key] = (_told.GetValueOrDefault(key).Told + counts.Told, _told.GetValueOrDefault(key).Asked + counts.Asked);
        foreach (var (key, errors) in other._errors)
            At(key.Period, key.Part).Add(errors);
    }

    public void Add(double[] hours, DateTimeOffset first, TimeZoneInfo zone)
    {
        var amounts = Array.ConvertAll(hours, h => NanoUsd.Round((decimal)h));
        var end = first.AddHours(hours.Length);
        foreach (var period in Periods)
        {
            var windows = new List<PeriodWindow>();
            for (var window = BudgetPeriods.Containing(period, zone, first.AddDays(HistoryDays), default); window.End <= end; window = BudgetPeriods.Containing(period, zone, window.End, default))
                if (window.Start >= first.AddDays(HistoryDays))
                    windows.Add(window);
            foreach (var window in windows.TakeLast(MostOfAKind))
                foreach (var part in Parts)
                    Look(period, window, part);
        }

        void Look(BudgetPeriod period, PeriodWindow window, double part)
        {
            // Whole hours: what an hour has at its half isn't in a series of hours.
            var at = window.Start + ((window.End - window.Start) * part);
            at = new DateTimeOffset(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);
            var (begin, now, over) = ((int)(window.Start - first).TotalHours, (int)(at - first).TotalHours, (int)(window.End - first).TotalHours);
            var (spent, truth) = (hours[begin..now].Sum(), hours[begin..over].Sum());
            var known = Math.Max(0, now - ((SpendForecast.MostDays + 1) * 24));
            var soFar = new PeriodSoFar(window, NanoUsd.Round((decimal)spent), null, at, zone);
            if (truth <= 0 || SpendForecast.Of(new HourlySpend(first.AddHours(known), amounts[known..now]), soFar) is not { } forecast)
                return;
            At(period, part).Add(forecast, truth);
            foreach (var share in Caps)
                if (NanoUsd.Round((decimal)(truth * share)) is var cap && soFar.Spent < cap)
                {
                    var (told, asked) = _told.GetValueOrDefault((period, part, share));
                    var isTold = CapOutlook.WillNotLast(forecast with { ReachedAt = forecast.Expected >= cap ? at : null }, soFar with { Cap = cap });
                    _told[(period, part, share)] = (told + (isTold ? 1 : 0), asked + 1);
                }
        }
    }

    /// <summary>Three rows of a table, one for each kind of period: for each part of it that has passed the median error, the bias, and how often the range held the truth.</summary>
    public string Rows(string name) => string.Join('\n', Periods.Where(p => At(p, 0.5).Count > 0).Select(p =>
        $"| {name} | {p.ToString().ToLowerInvariant()} ({At(p, 0.5).Count}) | {string.Join(" | ", Parts.Select(part => At(p, part)).Select(e => string.Create(CultureInfo.InvariantCulture, $"{e.Median * 100:f1} %, {Signed(e.Bias)}, {e.Held * 100:f0} %")))} |"));

    /// <summary>How often a cap of 80, 90, 110 and 125 % of what the period came to would have been told not to last.</summary>
    public string TellingRows(string name) => string.Join('\n', Periods.Where(p => At(p, 0.5).Count > 0).Select(p => $"| {name} | {p.ToString().ToLowerInvariant()} | {string.Join(" | ", Parts.Select(part => string.Join(", ", Caps.Select(cap =>
        _told.GetValueOrDefault((p, part, cap)) is { Asked: > 0 } t ? string.Create(CultureInfo.InvariantCulture, $"{100d * t.Told / t.Asked:f0} %") : "–"))))} |"));

    private static string Signed(double share) => string.Create(CultureInfo.InvariantCulture, $"{(Math.Round(share, 3) < 0 ? "−" : "+")}{Math.Abs(share) * 100:f1}");
}
