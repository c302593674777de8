using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Ledger;

/// <summary>
/// What the questions about spend have in common. It asks by days wherever it can: the sums of days that are over are read once and then known, so that
/// several questions about one month cost little more than one.
/// </summary>
internal sealed class SpendReader(IUsageQueries usage, ISpendHours hours, TimeProvider time)
{
    private static readonly SummaryDimension[] Columns = [SummaryDimension.Model, SummaryDimension.Provider, SummaryDimension.Key, SummaryDimension.Project, SummaryDimension.Team];

    // The most telling first: of two that explain alike, the one that names a purpose.
    private static readonly SummaryDimension[] Telling = [SummaryDimension.Project, SummaryDimension.Team, SummaryDimension.Key, SummaryDimension.Model, SummaryDimension.Provider];

    private static readonly string[] Tags = ["feature", "customer"];

    /// <summary>The end of the hour that runs: nothing is later, and rollups answer all of it.</summary>
    public DateTimeOffset HourEnd => new(time.GetUtcNow().UtcTicks - (time.GetUtcNow().UtcTicks % TimeSpan.TicksPerHour) + TimeSpan.TicksPerHour, TimeSpan.Zero);

    public PeriodWindow Month(TimeZoneInfo zone) => BudgetPeriods.Containing(BudgetPeriod.Month, zone, time.GetUtcNow(), time.GetUtcNow());

    /// <summary>All columns at once, by day.</summary>
    public Task<IReadOnlyList<SummaryLine>> DaysAsync(SummaryQuestion question, CancellationToken cancellationToken) =>
        usage.SummarizeAsync(question with { Grain = TimeGrain.Day, WithDurations = false, GroupBy = Columns, GroupByTag = null }, cancellationToken);

    /// <summary>What changed from the comparable time before, and which value of which dimension explains it.</summary>
    public async Task<(SpendChange Change, DateTimeOffset From, DateTimeOffset To)> CompareAsync(SummaryQuestion question, CancellationToken cancellationToken)
    {
        var (from, to) = ComparablePeriod.Before(question.From, question.To, question.TimeZone);
        // Whole hours, which rollups answer.
        to = new DateTimeOffset(to.UtcTicks - (to.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);
        if (to <= from)
            to = from.AddHours(1);
        return (await CompareAsync(question, question with { From = from, To = to }, cancellationToken), from, to);
    }

    /// <summary>The same between any two ranges.</summary>
    public async Task<SpendChange> CompareAsync(SummaryQuestion question, SummaryQuestion earlier, CancellationToken cancellationToken)
    {
        var (now, before) = (await DaysAsync(question, cancellationToken), await DaysAsync(earlier, cancellationToken));
        var (values, onModels) = (new Sums(), new Sums());
        if (question.Tag is null)
        {
            foreach (var tag in Tags)
            {
                Add(tag, l => l.TagValue ?? "", l => l.Group[0], await TagAsync(question, tag, cancellationToken), isNow: true);
                Add(tag, l => l.TagValue ?? "", l => l.Group[0], await TagAsync(earlier, tag, cancellationToken), isNow: false);
            }
        }

        foreach (var dimension in Telling)
        {
            var column = Array.IndexOf(Columns, dimension);
            Add(dimension.ToString().ToLowerInvariant(), l => l.Group[column], l => l.Group[0], now, isNow: true);
            Add(dimension.ToString().ToLowerInvariant(), l => l.Group[column], l => l.Group[0], before, isNow: false);
        }

        return SpendChange.Of(values.ToList(), onModels.ToList(), Total(before), Total(now));

        void Add(string dimension, Func<SummaryLine, string> value, Func<SummaryLine, string> model, IReadOnlyList<SummaryLine> lines, bool isNow)
        {
            foreach (var line in lines)
            {
                values.Add((dimension, value(line), null), line.Totals, isNow);
                onModels.Add((dimension, value(line), model(line)), line.Totals, isNow);
            }
        }
    }

    /// <summary>The month that runs, and how it will end. No forecast where the tenant has too few days.</summary>
    public async Task<(SpendForecast? Forecast, NanoUsd Spent, int DaysKnown)> ForecastAsync(SummaryQuestion month, PeriodWindow window, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var spent = Total(await DaysAsync(month with { From = window.Start, To = HourEnd < window.End ? HourEnd : window.End }, cancellationToken));
        var history = await hours.ReadAsync(month, cancellationToken);
        return (SpendForecast.Of(history, new PeriodSoFar(window, spent, null, now, month.TimeZone)), spent, SpendForecast.DaysOf(history, now, month.TimeZone));
    }

    public static NanoUsd Total(IEnumerable<SummaryLine> lines) => lines.Aggregate(NanoUsd.Zero, (sum, line) => sum + line.Totals.Cost);

    private Task<IReadOnlyList<SummaryLine>> TagAsync(SummaryQuestion question, string tag, CancellationToken cancellationToken) =>
        question.KeyId is not null || question.ProjectId is not null || question.TeamId is not null
            ? Task.FromResult<IReadOnlyList<SummaryLine>>([]) // no rollup keeps a tag and a key together
            : usage.SummarizeAsync(question with { Grain = TimeGrain.Day, WithDurations = false, GroupBy = [SummaryDimension.Model], GroupByTag = tag }, cancellationToken);

    private sealed class Sums
    {
        private readonly Dictionary<(string Dimension, string Value, string? Model), (NanoUsd Before, NanoUsd Now, long CallsBefore, long CallsNow)> _sums = [];

        public void Add((string, string, string?) key, UsageTotals totals, bool isNow)
        {
            var sum = _sums.GetValueOrDefault(key);
            _sums[key] = isNow
                ? sum with { Now = sum.Now + totals.Cost, CallsNow = sum.CallsNow + totals.Calls }
                : sum with { Before = sum.Before + totals.Cost, CallsBefore = sum.CallsBefore + totals.Calls };
        }

        // In the order in which dimensions came.
        public List<Contribution> ToList() => [.. _sums.Select(s => new Contribution(s.Key.Dimension, s.Key.Value, s.Key.Model, s.Value.Before, s.Value.Now, s.Value.CallsBefore, s.Value.CallsNow))];
    }
}
