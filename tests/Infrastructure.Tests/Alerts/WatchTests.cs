using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Alerts.Watching;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Alerts;

/// <summary>The minute's look at the ledger, on every store: what rose is named and told once, and its end too.</summary>
public abstract class WatchTests<TStore> : IAsyncLifetime
    where TStore : IStoreKind, new()
{
    private TempStore _store = null!;
    private string _tenant = "";
    private int _calls;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = await new TStore().NewAsync();
        _store.Clock.GoTo(10, 10);
        _tenant = (await _store.ProvisionAsync()).TenantId;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private SpendWatch Watch(AlertKind? off = null) => new(
        _store.Get<IWatchQueries>(), _store.Get<ISpendQueries>(), off is { } kind ? new Off(kind) : _store.Get<IAlertRules>(), _store.Get<IAlertBook>(), new TestClock(_store.Clock), NullLogger<SpendWatch>.Instance);

    private sealed class TestClock(TimeProvider time) : IStoreClock
    {
        public Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken) => Task.FromResult(time.GetUtcNow());
    }

    private sealed class Off(AlertKind kind) : IAlertRules
    {
        public Task<TenantRules> OfAsync(string tenantId, CancellationToken cancellationToken) => Task.FromResult(new TenantRules([new AlertRule(kind, AlertSubject.Tenant, AlertTerms.Default with { On = false })]));
    }

    private async Task<IReadOnlyList<AlertLine>> AlertsAsync() => (await _store.SendAsync(new ListAlerts(Caller.Operator, _tenant))).Value.Alerts;

    private UsageEvent Call(DateTimeOffset at, string key, string customer, string model = "gpt-5.1", decimal usd = 0.05m) => Some.Event($"req_{++_calls:d8}", _tenant, at: at) with
    {
        KeyId = key,
        RequestModel = model,
        ResponseModel = model,
        Cost = NanoUsd.Round(usd),
        Tags = [new Tag("customer", customer)],
    };

    private async Task AppendAsync(IEnumerable<UsageEvent> events) => await _store.Get<IUsageLedger>().AppendAsync([.. events], Cancel);

    // Two keys with a customer each, six calls an hour and thirty cents: for fifteen days, the last hour included.
    private async Task HistoryAsync()
    {
        var now = _store.Clock.GetUtcNow();
        foreach (var day in Enumerable.Range(0, 15))
            await AppendAsync(from tenMinutes in Enumerable.Range(0, 144) from key in (string[])["a", "b"] select Call(now.AddDays(-day).AddMinutes((-10 * tenMinutes) - 3), "key_" + key, key == "a" ? "acme" : "bolt"));
    }

    // Many calls at even distances, up to now.
    private Task BusyAsync(int minutes, int perMinute, string key, string customer, string model = "gpt-5.1", Func<UsageEvent, UsageEvent>? with = null)
    {
        var now = _store.Clock.GetUtcNow();
        return AppendAsync(from i in Enumerable.Range(0, minutes * perMinute) let call = Call(now.AddMinutes(-minutes * (i + 0.5) / (minutes * perMinute)), key, customer, model) select with?.Invoke(call) ?? call);
    }

    [Fact]
    public async Task What_rose_is_told_once_by_its_narrowest_name_a_second_cause_beside_it_too_and_its_end()
    {
        await HistoryAsync();
        var watch = Watch();
        (await watch.RunAsync(Cancel)).ShouldBe(new WatchReport(1, 0, 0));

        await BusyAsync(10, 10, "key_b", "bolt", "gpt-5-pro");
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await Task.WhenAll(watch.RunAsync(Cancel), Watch().RunAsync(Cancel), Watch().RunAsync(Cancel))).Sum(r => r.Told).ShouldBe(1);
        var alert = (await AlertsAsync()).ShouldHaveSingleItem();
        alert.Kind.ShouldBe(AlertKind.SpendSpike);
        alert.Title.ShouldStartWith("Spending of key key_b: ");
        alert.Text.ShouldContain("is usual at this hour of the week");
        alert.Facts.First(f => f.Name == "Explained by").Value.ShouldBe("model gpt-5-pro: all of the rise");
        alert.Path.ShouldBe("/explore?range=today&grain=hour&key=key_b&model=gpt-5-pro&by=key");

        // It goes on: no second word of it. Another key that rises beside it is one.
        await BusyAsync(1, 10, "key_b", "bolt", "gpt-5-pro");
        await BusyAsync(10, 10, "key_a", "acme");
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(1);
        (await AlertsAsync())[0].Title.ShouldStartWith("Spending of key key_a: ");
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await watch.RunAsync(Cancel)).Told.ShouldBe(0);

        _store.Clock.Ahead += TimeSpan.FromMinutes(40); // quiet, but the hour still shows it: its end now would be followed by its beginning
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(0);
        (await _store.Get<IAlertBook>().OpenAsync(AlertKind.SpendSpike, Cancel)).Count.ShouldBe(2);
        _store.Clock.Ahead += TimeSpan.FromMinutes(25);
        await BusyAsync(40, 1, "key_none", "none", with: c => c with { Cost = NanoUsd.Round(0.0001m) });
        (await Task.WhenAll(watch.RunAsync(Cancel), Watch().RunAsync(Cancel))).Sum(r => r.Told).ShouldBe(0);
        (await AlertsAsync()).Select(a => a.Title.StartsWith("Over: ", StringComparison.Ordinal)).ShouldBe([true, true, false, false]);
        (await _store.Get<IAlertBook>().OpenAsync(AlertKind.SpendSpike, Cancel)).ShouldBeEmpty();

        // Within the day only what is twice as much is told again.
        await BusyAsync(10, 10, "key_b", "bolt", "gpt-5-pro");
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(0);
        await BusyAsync(9, 15, "key_b", "bolt", "gpt-5-pro");
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await Task.WhenAll(watch.RunAsync(Cancel), Watch().RunAsync(Cancel))).Sum(r => r.Told).ShouldBe(1);
    }

    [Fact]
    public async Task A_budget_that_burns_says_when_it_is_gone_and_is_over_when_it_lasts_again()
    {
        await HistoryAsync();
        var budget = (await _store.SendAsync(new CreateBudget(Caller.Operator, _tenant, BudgetScope.Tag("customer", "bolt"), BudgetPeriod.Month, new BudgetTerms { Limit = NanoUsd.Round(100) }))).Value.Id;
        var now = _store.Clock.GetUtcNow();
        var month = BudgetPeriods.Containing(BudgetPeriod.Month, TimeZoneInfo.Utc, now, now);
        void Posted(decimal usd) => _store.Execute($"""
            INSERT INTO budget_accounts (tenant_id, budget_id, subject, period_start, period_end, limit_nano, posted_nano, leased_nano, excess_nano, epoch, opened_at)
            VALUES ('{_tenant}', '{budget}', '', {month.StartMicros}, {month.EndMicros}, {NanoUsd.Round(100).Value}, {NanoUsd.Round(usd).Value}, 0, 0, 1, 1)
            ON CONFLICT (tenant_id, budget_id, subject, period_start) DO UPDATE SET posted_nano = excluded.posted_nano
            """);
        Posted(80);
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(0);

        await BusyAsync(20, 10, "key_b", "bolt"); // thirty dollars an hour, and twenty left
        _store.Clock.Ahead += TimeSpan.FromSeconds(10);
        (await Task.WhenAll(Watch(AlertKind.SpendSpike).RunAsync(Cancel), Watch(AlertKind.SpendSpike).RunAsync(Cancel))).Sum(r => r.Told).ShouldBe(1);
        var alert = (await AlertsAsync()).ShouldHaveSingleItem();
        (alert.Kind, alert.Severity, alert.Path).ShouldBe((AlertKind.BudgetBurn, AlertSeverity.Critical, "/budgets/" + budget));
        alert.Title.ShouldMatch(@"^At this rate the monthly budget of customer bolt is gone at \d\d:\d\d$");
        alert.Text.ShouldContain("$90.00 of $100.00 are spent already. Then calls that it counts are refused (status 429), until ");

        _store.Clock.Ahead += TimeSpan.FromMinutes(15);
        await BusyAsync(10, 1, "key_a", "acme");
        (await Watch(AlertKind.SpendSpike).RunAsync(Cancel)).Told.ShouldBe(0);
        (await AlertsAsync())[0].Text.ShouldBe("It lasts again: $10.00 of $100.00 are left.");
        (await _store.Get<IAlertBook>().OpenAsync(AlertKind.BudgetBurn, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_provider_that_fails_is_told_with_how_and_when_it_is_well_again()
    {
        await BusyAsync(5, 10, "key_a", "acme", with: c => c.RequestId[^1] is '0' or '1' or '2' or '3' ? c with { Status = 503 } : c.RequestId[^1] == '4' ? c with { Outcome = CallOutcome.TimedOut, Status = 0 } : c);
        _store.Clock.Ahead += TimeSpan.FromSeconds(10);
        (await Task.WhenAll(Watch().RunAsync(Cancel), Watch().RunAsync(Cancel))).Sum(r => r.Told).ShouldBe(1);
        var alert = (await AlertsAsync()).ShouldHaveSingleItem();
        alert.Kind.ShouldBe(AlertKind.ProviderFailing);
        alert.Title.ShouldMatch(@"^openai fails: (4\d|5\d) % of calls in five minutes$");
        alert.Text.ShouldContain("answered 5xx");
        alert.Text.ShouldContain("not answered or broken off");

        _store.Clock.Ahead += TimeSpan.FromMinutes(12);
        await BusyAsync(8, 10, "key_a", "acme", with: c => c with { Status = c.RequestId[^1] == '0' ? 400 : 200 }); // what callers do wrong is no failure of theirs
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(0);
        (await AlertsAsync())[0].Text.ShouldStartWith("In the last ten minutes 0 of ");
    }

    [Fact]
    public async Task The_time_is_the_stores_whatever_the_workers_clock_says()
    {
        _store.Clock.Ahead = TimeSpan.Zero; // as the store's
        await BusyAsync(2, 2, "key_a", "acme", "new-model", c => c with { Cost = null, PriceStatus = PriceStatus.Unpriced });
        _store.Clock.Ahead += TimeSpan.FromHours(3); // the worker's alone: the store has those calls in its last minutes
        (await _store.Get<SpendWatch>().RunAsync(Cancel)).Told.ShouldBe(1);
    }

    [Fact]
    public async Task Calls_are_counted_minute_by_minute_as_cells_are()
    {
        var until = _store.Clock.GetUtcNow();
        until = new DateTimeOffset(until.UtcTicks - (until.UtcTicks % TimeSpan.TicksPerMinute), TimeSpan.Zero);
        // The first and the last microsecond of a minute, and both sides of the ends of what is asked.
        var (second, micro) = (TimeSpan.FromSeconds(1), TimeSpan.FromMicroseconds(1));
        TimeSpan[] back = [TimeSpan.Zero, micro, second, 60 * second, (60 * second) + micro, 61 * second, 300 * second, 600 * second, (600 * second) + micro];
        await AppendAsync(back.Select(b => Call(until - b, "key_a", "acme")));
        var calls = await _store.Get<IWatchQueries>().CallsAsync(_tenant, until.AddMinutes(-10), until, Cancel);
        var cells = await _store.Get<IWatchQueries>().CellsAsync(_tenant, until.AddMinutes(-10), until, byMinute: true, Cancel);
        calls.ShouldBe(Enumerable.Range(0, 10).Select(m => cells.Where(c => c.Minute == m).Sum(c => c.Calls)));
        calls.ShouldBe([3, 2, 0, 0, 1, 0, 0, 0, 0, 1]);
    }

    [Fact]
    public async Task A_model_without_a_price_is_told_once_and_not_at_all_where_nobody_wants_it()
    {
        await BusyAsync(2, 2, "key_a", "acme", "new-model", c => c with { Cost = null, PriceStatus = PriceStatus.Unpriced });
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(1);
        (await Watch().RunAsync(Cancel)).Told.ShouldBe(0);
        (await AlertsAsync()).Single().Title.ShouldBe("No price is known for new-model at openai");
        await BusyAsync(2, 2, "key_a", "acme", "newer-model", c => c with { Cost = null, PriceStatus = PriceStatus.Unpriced });
        (await Watch(AlertKind.ModelUnpriced).RunAsync(Cancel)).Told.ShouldBe(0);
    }

    [Fact]
    public async Task Models_that_somebody_invents_are_told_together()
    {
        for (var i = 0; i < 30; i++)
            await BusyAsync(1, 1, "key_a", "acme", $"invented-{i}", c => c with { Cost = null, PriceStatus = PriceStatus.Unpriced });
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        var watch = Watch();
        (await watch.RunAsync(Cancel)).Told.ShouldBe(6);
        (await watch.RunAsync(Cancel)).Told.ShouldBe(0);
        (await AlertsAsync()).Count(a => a.Title.EndsWith(" and further models at openai", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public async Task A_key_that_nobody_used_for_a_month_and_is_busy_is_told_once()
    {
        var id = (await _store.SendAsync(new CreateKey(Caller.Operator, _tenant, "old", KeyEnvironment.Live))).Value.Id;
        await AppendAsync([Call(_store.Clock.GetUtcNow(), id, "acme")]);
        _store.Clock.Ahead += TimeSpan.FromDays(29);
        await BusyAsync(5, 6, id, "acme");
        _store.Clock.Ahead += TimeSpan.FromSeconds(10);
        (await Watch(AlertKind.SpendSpike).RunAsync(Cancel)).Told.ShouldBe(0);
        _store.Clock.Ahead += TimeSpan.FromDays(40);
        await BusyAsync(5, 3, id, "acme"); // somebody tries it
        (await Watch(AlertKind.SpendSpike).RunAsync(Cancel)).Told.ShouldBe(0);
        await BusyAsync(5, 6, id, "acme");
        _store.Clock.Ahead += TimeSpan.FromSeconds(10);
        (await Task.WhenAll(Watch(AlertKind.SpendSpike).RunAsync(Cancel), Watch(AlertKind.SpendSpike).RunAsync(Cancel))).Sum(r => r.Told).ShouldBe(1);
        var alert = (await AlertsAsync()).Single();
        (alert.Kind, alert.Path).ShouldBe((AlertKind.KeyAwake, "/keys/" + id));
        alert.Title.ShouldEndWith(" was unused for 40 days and is busy");
    }
}

public sealed class SqliteWatchTests : WatchTests<OnSqlite>;

public sealed class PostgresWatchTests : WatchTests<OnPostgres>;
