using Tokonomics.Application.Alerts;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Tests.Alerts;

/// <summary>Budgets that won't last, and the week in numbers, on a store with eight weeks of calls: four dollars a day.</summary>
public abstract class ForecastTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    // A Wednesday; in Berlin it is eleven. Of March 16.4 days have passed: 66 dollars.
    private static readonly DateTimeOffset Now = new(2027, 3, 17, 10, 0, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static void Set(TempStore store, DateTimeOffset now) => store.Clock.Ahead = now - TimeProvider.System.GetUtcNow();

    private static async Task<(TempStore Store, string Tenant)> NewAsync(string zone = "Europe/Berlin")
    {
        var store = await Kind.NewAsync();
        Set(store, Now.AddDays(-61));
        var tenant = (await store.SendAsync(new ProvisionTenant(Caller.Operator, "Acme", "owner@example.com", [], zone))).Value.TenantId;
        Set(store, Now);
        await SpendAsync(store, tenant, Now.AddDays(-60), Now);
        return (store, tenant);
    }

    // A dollar at eight, eleven, fourteen and seventeen by UTC; of acme the first two are of the feature search.
    private static async Task SpendAsync(TempStore store, string tenant, DateTimeOffset from, DateTimeOffset to, decimal usd = 1, string customer = "acme")
    {
        var events = new List<UsageEvent>();
        for (var day = from.Date; day <= to.Date; day = day.AddDays(1))
            foreach (var hour in (int[])[8, 11, 14, 17])
                if (new DateTimeOffset(day.AddHours(hour), TimeSpan.Zero) is var at && at >= from && at < to)
                    events.Add(Some.Event($"req_{customer}_{at:yyyyMMddHH}", tenant, at: at) with { Cost = NanoUsd.Round(usd), Tags = [new Tag("customer", customer), new Tag("feature", customer != "acme" ? "other" : hour < 12 ? "search" : "draft")] });
        await store.Get<IUsageLedger>().AppendAsync(events, Cancel);
    }

    private static async Task<string> BudgetAsync(TempStore store, string tenant, decimal usd, BudgetScope? scope = null, BudgetPeriod period = BudgetPeriod.Month, BudgetAction action = BudgetAction.Block)
    {
        var id = (await store.SendAsync(new CreateBudget(Caller.Operator, tenant, scope ?? BudgetScope.Tenant, period, new BudgetTerms { Limit = NanoUsd.Round(usd), Action = action, Thresholds = [] }))).Value.Id;
        await store.SendAsync(new ListBudgets(Caller.Operator, tenant)); // opens its account, with what is spent already
        return id;
    }

    private static async Task<IReadOnlyList<AlertLine>> AlertsAsync(TempStore store, string tenant) =>
        [.. (await store.SendAsync(new ListAlerts(Caller.Operator, tenant))).Value.Alerts.Where(a => a.Kind is AlertKind.BudgetForecast or AlertKind.WeeklyDigest)];

    private static async Task<string> LookAsync(TempStore store) => (await store.Get<ForecastBudgets>().RunAsync(Cancel)).ToString();

    [Fact]
    public async Task A_budget_that_will_not_last_is_told_once_in_its_period_however_many_look_and_is_over_when_the_cap_is_raised()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        var id = await BudgetAsync(store, tenant, 90);
        await using var second = await Kind.NewAsync(store);
        Set(second, Now);
        await Task.WhenAll(LookAsync(store), LookAsync(second), Task.Run(() => LookAsync(store)), Task.Run(() => LookAsync(second)));
        var alert = (await AlertsAsync(store, tenant)).ShouldHaveSingleItem();
        (alert.Severity, alert.Path).ShouldBe((AlertSeverity.Warning, "/budgets/" + id));
        // 65 are spent, and from tomorrow on four more each day: 90 are reached on the sixth day.
        alert.Title.ShouldMatch("^The monthly budget will not last, used up about 2[23] March: the whole organization$");
        alert.Text.ShouldContain("$65.00 of $90.00 are spent this month");
        alert.Text.ShouldContain("calls that it counts are refused (status 429), until 1 April 2027, 00:00 (Europe/Berlin)");
        alert.Facts.Select(f => f.Name).ShouldBe(["Budget of", "Spent", "Cap", "Cap reached", "Expected at the end", "New period", "What drives it"]);
        alert.Facts[^1].Link.ShouldBe("/explore?by=model&range=month");

        Set(store, Now.AddHours(1));
        await LookAsync(store);
        (await AlertsAsync(store, tenant)).Count.ShouldBe(1);

        await store.SendAsync(new UpdateBudget(Caller.Operator, tenant, id, new BudgetTerms { Limit = NanoUsd.Round(200), Thresholds = [] }));
        await Task.WhenAll(LookAsync(store), LookAsync(second));
        var alerts = await AlertsAsync(store, tenant);
        alerts.Count.ShouldBe(2);
        alerts.ShouldContain(a => a.Title.StartsWith("Over: The monthly budget will not last", StringComparison.Ordinal) && a.Text.StartsWith("The cap was raised to $200.00", StringComparison.Ordinal));
        // Lowered again: in this period it was told.
        await store.SendAsync(new UpdateBudget(Caller.Operator, tenant, id, new BudgetTerms { Limit = NanoUsd.Round(91), Thresholds = [] }));
        await LookAsync(store);
        (await AlertsAsync(store, tenant)).Count.ShouldBe(2);
    }

    [Fact]
    public async Task What_was_told_is_over_with_its_period_and_the_next_tells_anew()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        await BudgetAsync(store, tenant, 90, action: BudgetAction.Alert);
        await LookAsync(store);
        (await AlertsAsync(store, tenant)).ShouldHaveSingleItem().Text.ShouldContain("this budget only tells");
        var later = new DateTimeOffset(2027, 4, 12, 10, 0, 0, TimeSpan.Zero);
        Set(store, later);
        await SpendAsync(store, tenant, Now, later);
        await LookAsync(store);
        (await AlertsAsync(store, tenant)).Select(a => a.Title.StartsWith("Over: ", StringComparison.Ordinal)).ShouldBe([true, false, false], ignoreOrder: true);
    }

    [Fact]
    public async Task One_that_lasts_one_that_is_used_up_one_that_is_young_and_one_that_nobody_wants_to_hear_of_are_not_told()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        await BudgetAsync(store, tenant, 2000);                                           // far more than is expected
        await BudgetAsync(store, tenant, 40, BudgetScope.Tag("customer", "acme"));        // used up
        await BudgetAsync(store, tenant, 300, BudgetScope.Tag("customer", "acme"), BudgetPeriod.Total);
        await SpendAsync(store, tenant, Now.AddDays(-2), Now, 5, "young");                // two days of history
        await BudgetAsync(store, tenant, 50, BudgetScope.Tag("customer", "young"));
        await BudgetAsync(store, tenant, 20, BudgetScope.Tag("feature", "search"), BudgetPeriod.Week); // of 14, two days are gone
        (await LookAsync(store)).ShouldStartWith("4 budgets were looked at, 0 told of");
        store.Execute($"INSERT INTO alert_rules VALUES ('{tenant}', 'rule_1', 'budget.forecast', 'tag', 'feature', 'search', {(store.Sql.GetType().Name.StartsWith("Postgres", StringComparison.Ordinal) ? "false" : "0")}, 1, 200, 1, 1, 1, 1, 1, 'me')");
        var budgets = (await store.SendAsync(new ListBudgets(Caller.Operator, tenant) { WithForecasts = true })).Value.Budgets;
        await store.SendAsync(new UpdateBudget(Caller.Operator, tenant, budgets[^1].Budget.Id, new BudgetTerms { Limit = NanoUsd.Round(8), Thresholds = [] }));
        (await LookAsync(store)).ShouldStartWith("4 budgets were looked at, 0 told of");
        store.Execute("DELETE FROM alert_rules");
        (await LookAsync(store)).ShouldStartWith("4 budgets were looked at, 1 told of");
        await store.SendAsync(new SetTenantStatus(Caller.Operator, tenant, TenantStatus.Suspended));
        (await LookAsync(store)).ShouldBe("0 budgets were looked at, 0 told of, 1 over");
        // Two days say nothing, and a total has no end.
        budgets.Select(b => b.Accounts[0].Forecast is not null).ShouldBe([true, true, false, false, true]);
    }

    [Fact]
    public async Task Each_value_of_a_tag_is_told_by_itself_and_a_day_by_its_hour()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        await SpendAsync(store, tenant, Now.AddDays(-60), Now, 0.5m, "globex");
        var id = await BudgetAsync(store, tenant, 2.5m, BudgetScope.Tag("customer", null), BudgetPeriod.Day);
        var day = BudgetPeriods.Containing(BudgetPeriod.Day, TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"), Now, Now);
        foreach (var customer in (string[])["acme", "globex"])
            await store.Get<IBudgetTruth>().ReadAsync([new AccountOpening(new AccountKey(tenant, id, customer, day.StartMicros), day.EndMicros)], Cancel); // as its first call would
        await LookAsync(store);
        // Four calls of a dollar, the third at fourteen by UTC, fifteen in Berlin; globex spends two.
        var alert = (await AlertsAsync(store, tenant)).ShouldHaveSingleItem();
        alert.Title.ShouldMatch("^The daily budget will not last, used up about 1[56]:..: customer acme$");
        alert.Facts[^1].Link.ShouldBe("/explore?tag=customer%3Dacme&by=model&range=today");
        var accounts = (await store.SendAsync(new ListBudgets(Caller.Operator, tenant) { WithForecasts = true })).Value.Budgets[0].Accounts;
        accounts.Select(a => (a.Subject, a.Forecast!.ReachedAt is null, decimal.Round(a.Forecast.Expected.Usd, 1))).ShouldBe([("acme", false, 4.0m), ("globex", true, 2.0m)]);
    }

    [Fact]
    public async Task An_increase_that_ends_within_the_period_takes_its_room_with_it()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        var id = await BudgetAsync(store, tenant, 80);
        await store.SendAsync(new UpdateBudget(Caller.Operator, tenant, id, new BudgetTerms { Limit = NanoUsd.Round(80), Thresholds = [], Increase = new TemporaryIncrease(NanoUsd.Round(60), Now.AddDays(10)) }));
        // 124 would fit 140; on the 27th, when more than 80 are spent, the plain cap holds again.
        (await store.SendAsync(new ListBudgets(Caller.Operator, tenant) { WithForecasts = true })).Value.Budgets[0].Accounts[0].Forecast!.ReachedAt!.Value.ShouldBe(Now.AddDays(10), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Hours_that_are_known_are_what_reading_all_gives_also_when_something_came_late()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        await SpendAsync(store, tenant, Now.AddDays(-30), Now, 0.25m, "globex");
        var (known, scope) = (store.Get<ISpendHours>(), new SummaryQuestion(tenant, Now, Now.AddHours(1)) { Environment = KeyEnvironment.Live });
        for (var step = 0; step < 3; step++)
        {
            Set(store, Now.AddHours(step * 7));
            foreach (var narrowed in (SummaryQuestion[])[scope, scope with { KeyId = "key_1" }, scope with { KeyId = "none" }, scope with { Tag = new Tag("customer", "globex") }])
            {
                var hours = await known.ReadAsync(narrowed, Cancel);
                hours.Hours.ShouldBe((await new SpendHours(store.Sql, store.Clock).ReadAsync(narrowed, Cancel)).Hours, $"{step} {narrowed}");
                hours.Hours.Aggregate(NanoUsd.Zero, (a, b) => a + b).ShouldBe((await store.Get<IUsageQueries>().SummarizeAsync(narrowed with { From = hours.First, To = hours.First.AddHours(hours.Hours.Count) }, Cancel)).Aggregate(NanoUsd.Zero, (a, l) => a + l.Totals.Cost));
            }

            var values = await known.ReadAsync(scope, "customer", ["globex", "none", "acme"], Cancel);
            values[0].Hours.ShouldBe((await known.ReadAsync(scope with { Tag = new Tag("customer", "globex") }, Cancel)).Hours);
            values[1].Hours.ShouldAllBe(h => h == NanoUsd.Zero);
            values[2].Hours.ShouldBe((await known.ReadAsync(scope with { Tag = new Tag("customer", "acme") }, Cancel)).Hours);
            // Now, and one of ten days ago.
            await store.Get<IUsageLedger>().AppendAsync([Some.Event($"late_{step}", tenant, at: Now.AddDays(-10)), Some.Event($"new_{step}", tenant, at: Now.AddHours((step * 7) + 6))], Cancel);
        }
    }

    [Fact]
    public async Task A_week_is_told_on_Monday_at_eight_once_by_two_workers_and_where_nothing_was_called_not_at_all()
    {
        var (store, tenant) = await NewAsync();
        await using var _ = store;
        await store.ProvisionAsync("Silent");
        var monday = new DateTimeOffset(2027, 3, 22, 0, 0, 0, TimeSpan.Zero);
        await SpendAsync(store, tenant, Now, monday, 2); // from Wednesday on twice as much
        await BudgetAsync(store, tenant, 90);
        await store.Get<IRefusals>().WriteAsync("run", [new RefusalCount(tenant, KeyEnvironment.Live, Now, "budget_exhausted", "key_1", 12)], Cancel);
        await using var second = await Kind.NewAsync(store);
        async Task<string> AtAsync(TempStore of, DateTimeOffset at)
        {
            Set(of, at);
            return (await of.Get<WeeklyDigest>().RunAsync(Cancel)).ToString();
        }

        (await AtAsync(store, monday.AddHours(6.9))).ShouldBe("0 of 0 digests that were due were told"); // 7:54 in Berlin
        var told = await Task.WhenAll(AtAsync(store, monday.AddHours(7.1)), AtAsync(second, monday.AddHours(7.1)), Task.Run(() => AtAsync(store, monday.AddHours(7.1))));
        told.Count(t => t.StartsWith("1 of", StringComparison.Ordinal)).ShouldBe(1);
        (await AtAsync(second, monday.AddHours(9))).ShouldBe("0 of 0 digests that were due were told");
        var digest = (await AlertsAsync(store, tenant)).ShouldHaveSingleItem();
        // 2 days and one call of Wednesday at 1, 4 days and three calls at 2: 9 + 38 = 47, against 28.
        digest.Title.ShouldBe("Your week: $47.00, 68 % more than the week before");
        digest.Text.ShouldStartWith("From 15 to 21 March you spent $47.00, $19.00 (68 %) more than the week before.");
        digest.Facts.Select(f => f.Name).ShouldBe(["Spent", "Calls", "Grew: feature draft", "Grew: feature search", "Grew: customer acme", "Budget (monthly): the whole organization", "Refused"], ignoreOrder: true);
        digest.Facts.ShouldAllBe(f => f.Link!.StartsWith('/'));
        digest.Facts.First(f => f.Name == "Refused").Value.ShouldBe("12 calls, most of them as budget_exhausted");
        digest.Facts[0].Link.ShouldBe("/explore?by=model&from=2027-03-15&to=2027-03-21");
        store.Count("SELECT count(*) FROM alerts WHERE cause = 'digest:2027-W11'").ShouldBe(1);
        store.Count("SELECT count(*) FROM alerts WHERE kind = 'digest.weekly'").ShouldBe(1);
    }
}

public sealed class SqliteForecastTests : ForecastTests<OnSqlite>;

public sealed class PostgresForecastTests : ForecastTests<OnPostgres>;
