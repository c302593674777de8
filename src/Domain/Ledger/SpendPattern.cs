namespace Tokonomics.Domain.Ledger;

/// <summary>
/// How a scope spends: its level, the shape of its weekdays and of the hours of its days, and how far days stray from these. In dollars.
/// <list type="bullet">
/// <item>A weekday's shape is its mean over up to eight weeks without the highest and the lowest, so that one wild day doesn't bend it; with less than two weeks all days are alike.</item>
/// <item>An hour's shape is its share of its day, over that weekday's days, leaning on what busy days, or quiet ones, have in common. A day counts once however much it cost.</item>
/// <item>The level is what days cost for each unit of shape, each day weighing an eighth less than the one after it, and the running one as far as it has gone; moved on by a drift from week to week, which
/// counts as far as it stands out of what weeks differ by.</item>
/// <item>The spread is measured on the scope's own days: of days about their week, of weeks about each other, and of the rest of a day, at this time of day, about what its beginning promised.</item>
/// </list>
/// The figures below were chosen on one set of made-up series and measured on another: docs/alerts.md, "Forecasts".
/// </summary>
internal sealed class SpendPattern
{
    // Each day weighs so much of the one after it; older ones than these are left out.
    private const double Fade = 7 / 8d;
    private const int LevelDays = 28;

    // The level is about a week old on average: a drift is added for that, and for two weeks ahead at most.
    private const double LevelAge = 7;
    private const double MostAhead = 14;
    private const double MostDrift = 0.3;
    private const int DriftWeeks = 6;

    // Of one week's move, what the next days have of it and how it grows with each day ahead: in shares of its square.
    private const double MoveNow = 0.5;
    private const double MoveGrowsIn = 14;

    // A day that began with four times the usual is taken for one, however much more it was.
    private const double MostSurprise = 3;

    // With one week there is no move to measure: a quarter of the level is taken.
    private const double MoveUnknown = 0.25;

    internal sealed class Day(DateOnly date)
    {
        public DateOnly Date => date;

        public int Weekday => (int)date.DayOfWeek;

        public double[] Hours { get; } = new double[24];

        public double Usd { get; private set; }

        public void Add(int hour, double usd)
        {
            Hours[hour] += usd;
            Usd += usd;
        }
    }

    private readonly List<Day> _days;
    private readonly TimeZoneInfo _zone;
    private readonly double[] _weekdays;
    private readonly double[][] _hours;
    private readonly int _hour;
    private readonly double _inHour;
    private readonly double _level;
    private readonly double _ofToday;
    private readonly double _drift;
    private readonly double _ofDay;
    private readonly double _ofWeek;
    private readonly Func<double, double> _ofRest;

    private SpendPattern(List<Day> days, Day today, DateTimeOffset now, TimeZoneInfo zone)
    {
        (_days, Today, _zone) = (days, today.Date, zone);
        (_hour, _inHour) = (Local(HourOf(now)).Hour, (now - HourOf(now)).TotalHours);
        _weekdays = Weekdays(days);
        _hours = HoursOf(days, _weekdays);
        (_ofDay, _ofWeek, _drift) = Spread();
        var passed = PassedOf(today, now);
        _level = Level(days.Count, (today.Usd, _weekdays[today.Weekday] * passed));
        (_ofToday, _ofRest) = RestOf(today, passed);
    }

    /// <summary>The tenant's day to which the running hour belongs.</summary>
    public DateOnly Today { get; }

    public int DaysKnown => _days.Count;

    /// <summary>By how much the spread is widened for want of history.</summary>
    public double Widened => _days.Count < 14 ? 2 : _days.Count < 28 ? 1.5 : 1;

    // What was fitted to the days, besides their weeks.
    private int Fitted => _days.Count >= 14 ? 6 : 0;

    private double Weeks => Math.Max(1, _days.Count / 7);

    public static DateTimeOffset HourOf(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    /// <returns>Null where there are too few whole days.</returns>
    public static SpendPattern? Of(HourlySpend history, DateTimeOffset now, TimeZoneInfo zone)
    {
        var (days, today) = DaysOf(history, now, zone);
        return days.Count < SpendForecast.LeastDays ? null : new SpendPattern(days, today, now, zone);
    }

    /// <summary>The whole days of a history, and the one that runs.</summary>
    public static (List<Day> Days, Day Today) DaysOf(HourlySpend history, DateTimeOffset now, TimeZoneInfo zone)
    {
        var days = new List<Day>();
        for (var i = 0; i < history.Hours.Count && history.First.AddHours(i) is var hour && hour < now; i++)
        {
            var local = TimeZoneInfo.ConvertTime(hour.AddMinutes(30), zone);
            if (days.Count == 0 || days[^1].Date != DateOnly.FromDateTime(local.DateTime))
                days.Add(new Day(DateOnly.FromDateTime(local.DateTime)));
            days[^1].Add(local.Hour, (double)history.Hours[i].Usd);
        }

        if (days.Count > 0 && DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(history.First.AddMinutes(-30), zone).DateTime) == days[0].Date)
            days.RemoveAt(0); // it had begun before

        var date = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(HourOf(now).AddMinutes(30), zone).DateTime);
        var today = days.Count > 0 && days[^1].Date == date ? days[^1] : new Day(date);
        days.RemoveAll(d => d.Date >= date);
        var from = Math.Max(0, days.Count - SpendForecast.MostDays);
        while (from < days.Count && days[from].Usd <= 0)
            from++;
        days.RemoveRange(0, from);
        return (days, today);
    }

    /// <summary>What an hour to come is expected to cost, and whose day it is.</summary>
    public (DateOnly Day, double Usd) Of(DateTimeOffset hour)
    {
        var local = Local(hour);
        var (day, weekday) = (DateOnly.FromDateTime(local.DateTime), (int)local.DayOfWeek);
        var usd = _weekdays[weekday] * _hours[weekday][local.Hour];
        return (day, usd * (day == Today ? _ofToday : _level * (1 + (_drift * Math.Min(day.DayNumber - Today.DayNumber, MostAhead) / 7))));
    }

    /// <param name="usd">What the rest of today is expected to cost.</param>
    public double VarianceOfToday(double usd) => _ofRest(usd);

    /// <param name="usd">What days to come are expected to cost.</param>
    /// <param name="ahead">How many days ahead the last of them ends.</param>
    public double Variance(double usd, double ahead) => (_ofDay * usd) + (_ofWeek * _ofWeek * usd * usd * (MoveNow + (ahead / MoveGrowsIn)));

    // An hour belongs to the day and hour in which its middle lies: in zones of half hours too it is in one.
    private DateTimeOffset Local(DateTimeOffset hour) => TimeZoneInfo.ConvertTime(hour.AddMinutes(30), _zone);

    // Of today's shape, what its hours so far have: one that the clocks skipped isn't among them, one that they repeated is twice.
    private double PassedOf(Day today, DateTimeOffset now)
    {
        var passed = _hours[today.Weekday][_hour] * _inHour;
        for (var hour = HourOf(now).AddHours(-1); Local(hour) is var local && DateOnly.FromDateTime(local.DateTime) == Today; hour = hour.AddHours(-1))
            passed += _hours[today.Weekday][local.Hour];
        return passed;
    }

    // A day's hours before and after the time of day that it is now.
    private (double Passed, double Left) Split(double[] hours)
    {
        var passed = hours[_hour] * _inHour;
        for (var h = 0; h < _hour; h++)
            passed += hours[h];
        return (passed, Math.Max(0, hours.Sum() - passed));
    }

    // How the rest of a day followed its beginning, on earlier days at this time: by how much of what the beginning was off, and with which spread. The spread is one for each dollar expected.
    private (double Level, Func<double, double> Variance) RestOf(Day today, double soFar)
    {
        var (both, square, weight, seen) = (0d, 0d, 0d, new List<(double Expected, double Beginning, double After)>());
        for (var k = Math.Min(7, _days.Count / 2); k < _days.Count; k++)
        {
            var day = _days[k];
            var expected = Level(k, default) * _weekdays[day.Weekday];
            var ((passed, left), (beginning, rest)) = (Split(_hours[day.Weekday]), Split(day.Hours));
            if (expected * left <= 0)
                continue;
            var (a, b) = (expected * passed > 0 ? Math.Min((beginning / (expected * passed)) - 1, MostSurprise) : 0, (rest / (expected * left)) - 1);
            seen.Add((expected * left, a, b));
            (both, square, weight) = (both + (expected * left * a * b), square + (expected * left * a * a), weight + (expected * left));
        }

        // Beginnings that were off by one in a hundred say nothing.
        var follows = seen.Count < 5 || weight <= 0 ? 0.3 : Math.Clamp(both / ((square * (1 + (5d / seen.Count))) + (0.0001 * weight)), 0, 1.2);
        var level = Level(_days.Count, default);
        var usual = level * _weekdays[today.Weekday] * soFar;
        var off = usual > 0 ? Math.Min((today.Usd / usual) - 1, MostSurprise) : 0;
        var rests = level * Math.Max(0, 1 + (follows * off));
        if (seen.Count < 2)
            return (rests, usd => usd * usd);
        var strays = seen.Sum(s => s.Expected * (s.After - (follows * s.Beginning)) * (s.After - (follows * s.Beginning))) / Math.Max(seen.Count / 2, seen.Count - 1 - Fitted) * (1 + (1 / Weeks));
        return (rests, usd => strays * usd);
    }

    // What days cost for each unit of shape, before one of them.
    private double Level(int before, (double Usd, double Units) running)
    {
        var ((usd, units), weight) = (running, 1d);
        for (var k = before - 1; k >= Math.Max(0, before - LevelDays); k--)
        {
            weight *= Fade;
            (usd, units) = (usd + (weight * _days[k].Usd), units + (weight * _weekdays[_days[k].Weekday]));
        }

        return units > 0 ? usd / units * (1 + (_drift * LevelAge / 7)) : 0;
    }

    /// <returns>Of days the variance for each dollar expected; of weeks the deviation as a share; the drift as a share a week.</returns>
    private (double OfDay, double OfWeek, double Drift) Spread()
    {
        // Counted back from the last day; a part of a week at the beginning is left out, unless it is all there is.
        var weeks = new List<List<Day>>();
        for (var end = _days.Count; end >= 7; end -= 7)
            weeks.Add(_days.GetRange(end - 7, 7));
        if (weeks.Count == 0)
            weeks.Add(_days);
        var levels = weeks.ConvertAll(week => week.Sum(d => _weekdays[d.Weekday]) is > 0 and var units ? week.Sum(d => d.Usd) / units : 0);
        var (strays, count) = (0d, 0);
        for (var i = 0; i < weeks.Count; i++)
            foreach (var day in weeks[i])
                if (levels[i] * _weekdays[day.Weekday] is > 0 and var expected)
                    (strays, count) = (strays + ((day.Usd - expected) * (day.Usd - expected) / expected), count + 1);

        var moves = new List<double>();
        for (var i = 1; i < levels.Count; i++)
            if ((levels[i - 1] + levels[i]) / 2 is > 0 and var mean)
                moves.Add((levels[i - 1] - levels[i]) / mean);
        var drift = DriftOf([.. moves.Take(DriftWeeks)]);
        return (
            strays / Math.Max(1, Math.Max(count / 2, count - weeks.Count - Fitted)) * (1 + (1 / Weeks)),
            moves.Count == 0 ? MoveUnknown : Math.Sqrt(moves.Sum(m => (m - drift) * (m - drift)) / moves.Count),
            drift);
    }

    private static double DriftOf(double[] moves)
    {
        if (moves.Length < 3)
            return 0;
        var mean = moves.Average();
        var error = moves.Sum(m => (m - mean) * (m - mean)) / (moves.Length - 1) / moves.Length;
        return mean == 0 ? 0 : Math.Clamp(mean * mean * mean / ((mean * mean) + error), -MostDrift, MostDrift);
    }

    // By DayOfWeek; 1 is a day like the average.
    private static double[] Weekdays(List<Day> days)
    {
        var shape = new double[7];
        if (days.Count >= 14)
            for (var weekday = 0; weekday < 7; weekday++)
            {
                double[] of = [.. days.Where(d => d.Weekday == weekday).Select(d => d.Usd).Order()];
                var cut = of.Length >= 4 ? 1 : 0;
                shape[weekday] = of[cut..^cut].Average();
            }

        var mean = shape.Average();
        return Array.ConvertAll(shape, s => mean > 0 ? s / mean : 1);
    }

    // By DayOfWeek, of each hour its share of the day.
    private static double[][] HoursOf(List<Day> days, double[] weekdays)
    {
        var busiest = weekdays.Max();
        bool IsBusy(int weekday) => weekdays[weekday] >= 0.5 * busiest;
        double[] all = Shares(days, [.. Enumerable.Repeat(1 / 24d, 24)], 1);
        var (quiet, busy) = (Shares(days.Where(d => !IsBusy(d.Weekday)), all, 1), Shares(days.Where(d => IsBusy(d.Weekday)), all, 1));
        return [.. Enumerable.Range(0, 7).Select(weekday => Shares(days.Where(d => d.Weekday == weekday), IsBusy(weekday) ? busy : quiet, 4))];
    }

    /// <param name="weight">As many days like this are taken as seen.</param>
    private static double[] Shares(IEnumerable<Day> days, double[] like, double weight)
    {
        var (sums, count) = (Array.ConvertAll(like, l => l * weight), weight);
        foreach (var day in days.Where(d => d.Usd > 0))
        {
            count++;
            for (var h = 0; h < 24; h++)
                sums[h] += day.Hours[h] / day.Usd;
        }

        return Array.ConvertAll(sums, s => s / count);
    }
}
