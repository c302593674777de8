using Tokonomics.Application.Alerts.Watching;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Tests.Alerts;

/// <summary>What is kept of the last hour is what the ledger would say, and a minute is read again only where calls came to it.</summary>
public sealed class RecentCellsTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 30, 23, 10, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, 500_000)]
    [InlineData(2, 500_000)]
    [InlineData(3, 40)] // hardly any is kept
    [InlineData(4, 0)]
    public async Task What_is_kept_is_what_a_new_reading_says(int seed, int most)
    {
        var random = new Random(seed);
        var ledger = new Ledger();
        var recent = new RecentCells(ledger, most);
        var now = Start;
        for (var look = 0; look < 300; look++)
        {
            // Most calls are of the last minutes, some come late, and some are of a minute that isn't over yet. Now and then nobody looks for a while, or a clock goes back.
            for (var calls = random.Next(6); calls > 0; calls--)
                ledger.Add(random.Next(2) == 0 ? "ten_a" : "ten_b", now.AddSeconds(random.Next(10) == 0 ? -random.Next(4200) : random.Next(-120, 60)), "key_" + random.Next(3), random.Next(1, 100) / 100d);
            now = now.AddMinutes(random.Next(20) switch { 0 => random.Next(90), 1 => -random.Next(5), 2 => 0, _ => 1 });
            foreach (var tenant in (string[])["ten_a", "ten_b"])
            {
                var minutes = random.Next(3) == 0 ? SpendSpike.LongestWindow : 10;
                var kept = await recent.LastAsync(tenant, minutes, now, Cancel);
                kept.Order(Cells).ShouldBe((await ledger.CellsAsync(tenant, now.AddMinutes(-minutes), now, byMinute: true, Cancel)).Order(Cells), $"at look {look}");
            }

            if (random.Next(30) == 0)
                recent.KeepOnly(new HashSet<string> { "ten_b" });
        }
    }

    [Fact]
    public async Task A_minute_is_read_again_only_where_calls_came_to_it()
    {
        var ledger = new Ledger();
        for (var minute = 0; minute < 60; minute++)
            ledger.Add("ten_a", Start.AddMinutes(-minute).AddSeconds(-30), "key_a", 1);
        var recent = new RecentCells(ledger);
        (await recent.LastAsync("ten_a", 60, Start, Cancel)).Count.ShouldBe(60);
        ledger.Read.ShouldBe([(60, 0)]);

        ledger.Read.Clear();
        (await recent.LastAsync("ten_a", 60, Start, Cancel)).Count.ShouldBe(60);
        ledger.Read.ShouldBeEmpty();

        ledger.Add("ten_a", Start.AddSeconds(10), "key_a", 1);
        ledger.Add("ten_a", Start.AddMinutes(-7).AddSeconds(-10), "key_b", 2);
        ledger.Add("ten_a", Start.AddMinutes(-8).AddSeconds(-10), "key_b", 2);
        ledger.Add("ten_a", Start.AddMinutes(-30).AddSeconds(-10), "key_b", 2);
        (await recent.LastAsync("ten_a", 10, Start.AddMinutes(1), Cancel)).Count.ShouldBe(12);
        ledger.Read.ShouldBe([(1, 0), (10, 8)]);

        ledger.Read.Clear();
        (await recent.LastAsync("ten_a", 60, Start.AddMinutes(1), Cancel)).Count.ShouldBe(63);
        ledger.Read.ShouldBe([(32, 31)]); // what ten minutes didn't reach

        // Whoever is forgotten is read anew.
        ledger.Read.Clear();
        recent.KeepOnly(new HashSet<string> { "ten_b" });
        (await recent.LastAsync("ten_a", 10, Start.AddMinutes(1), Cancel)).Count.ShouldBe(12);
        ledger.Read.ShouldBe([(10, 0)]);
    }

    private static readonly Comparer<SpendCell> Cells = Comparer<SpendCell>.Create((a, b) => (a.Minute, a.Key).CompareTo((b.Minute, b.Key)));

    private sealed class Ledger : IWatchQueries
    {
        private readonly List<(string Tenant, DateTimeOffset At, string Key, double Usd)> _events = [];

        /// <summary>Minutes back from what was asked last: from and until.</summary>
        public List<(int From, int Until)> Read { get; } = [];

        private DateTimeOffset _asked;

        public void Add(string tenant, DateTimeOffset at, string key, double usd) => _events.Add((tenant, at, key, usd));

        public Task<IReadOnlyList<long>> CallsAsync(string tenantId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken)
        {
            _asked = until;
            var calls = new long[(int)(until - from).TotalMinutes];
            foreach (var e in _events.Where(e => e.Tenant == tenantId && e.At >= from && e.At < until))
                calls[Back(e.At, until)]++;
            return Task.FromResult<IReadOnlyList<long>>(calls);
        }

        public Task<IReadOnlyList<SpendCell>> CellsAsync(string tenantId, DateTimeOffset from, DateTimeOffset until, bool byMinute, CancellationToken cancellationToken)
        {
            Read.Add(((int)(_asked - from).TotalMinutes, (int)(_asked - until).TotalMinutes));
            return Task.FromResult<IReadOnlyList<SpendCell>>([.. _events.Where(e => e.Tenant == tenantId && e.At >= from && e.At < until).GroupBy(e => (Minute: Back(e.At, until), e.Key))
                .Select(g => new SpendCell(g.Key.Minute, g.Key.Key, "", "", "openai", "gpt-5.1", "{}", g.Count(), g.Sum(e => e.Usd), g.Max(e => e.Usd), 0, 0, 0, 0))]);
        }

        private static int Back(DateTimeOffset at, DateTimeOffset until) => (int)(((until - at).Ticks - 1) / TimeSpan.TicksPerMinute);

        public Task<IReadOnlyList<string>> ActiveAsync(DateTimeOffset since, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<HourSeries> HoursAsync(string tenantId, AlertSubject subject, DateTimeOffset hour, int hours, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<MinuteSeries> MinutesAsync(string tenantId, AlertSubject subject, DateTimeOffset from, DateTimeOffset until, double most, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<RunningBudget>> BudgetsAsync(string tenantId, DateTimeOffset now, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<(DateTimeOffset? LastUse, DateTimeOffset Made)?> KeyAsync(string tenantId, string keyId, DateTimeOffset before, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
