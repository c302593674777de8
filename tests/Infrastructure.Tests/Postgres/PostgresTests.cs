using System.Diagnostics;
using Npgsql;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Tests.Budgets;

namespace Tokonomics.Tests.Postgres;

/// <summary>What the tests of several nodes on one database have in common: five budgets that every event counts on, and what must be true in the end.</summary>
public abstract class PostgresTests : IAsyncLifetime
{
    protected static readonly OnPostgres Kind = new();

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected static readonly Budget[] Budgets =
    [
        Budget("bud_1", BudgetScope.Tenant, BudgetPeriod.Month),
        Budget("bud_2", BudgetScope.Tenant, BudgetPeriod.Day),
        Budget("bud_3", BudgetScope.Key("key_1"), BudgetPeriod.Total),
        Budget("bud_4", BudgetScope.Tag("customer", null), BudgetPeriod.Month),
        Budget("bud_5", BudgetScope.Tag("feature", "search"), BudgetPeriod.Week),
    ];

    protected TempStore Store { get; private set; } = null!;

    public virtual async ValueTask InitializeAsync()
    {
        Store = await Kind.NewAsync(withDirectory: false);
        Prepare(Store);
    }

    public virtual async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected static void Prepare(TempStore store)
    {
        BudgetStore.AddTenant(store, "ten_a");
        foreach (var budget in Budgets)
            BudgetStore.Put(store, budget);
    }

    protected static Budget Budget(string id, BudgetScope scope, BudgetPeriod period, long limit = 1_000_000_000_000) =>
        new() { TenantId = "ten_a", Id = id, Scope = scope, Period = period, Limit = new NanoUsd(limit), CreatedAt = DateTimeOffset.UnixEpoch };

    protected static AccountOpening Opening(Budget budget, DateTimeOffset at, string subject = "")
    {
        var window = BudgetPeriods.Containing(budget.Period, TimeZoneInfo.Utc, at, budget.CreatedAt);
        return new AccountOpening(new AccountKey(budget.TenantId, budget.Id, subject, window.StartMicros), window.EndMicros);
    }

    /// <summary>Each costs one nano-dollar more than the one before: 1, 2, 3 …</summary>
    protected static List<UsageEvent> Costs(int count, int hours = 1) =>
        [.. Enumerable.Range(0, count).Select(i => Some.Event($"req_{i:d6}", at: Some.Noon.AddHours(-(i % hours))) with { Cost = new NanoUsd(i + 1), Tags = [new Tag("customer", $"c{i % 7}"), new Tag("feature", "search")] })];

    /// <summary>The rows are there once, rollups and budgets are exactly their sums.</summary>
    protected static async Task ShouldHaveAsync(TempStore store, IReadOnlyCollection<UsageEvent> events)
    {
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(events.Count);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        store.Count("SELECT count(*) FROM budget_accounts WHERE budget_id = 'bud_1'").ShouldBe(1);
        var sum = events.Sum(e => e.Cost!.Value.Value);
        foreach (var budget in Budgets)
            store.Count($"SELECT CAST(sum(posted_nano) AS bigint) FROM budget_accounts WHERE budget_id = '{budget.Id}'").ShouldBe(sum, budget.Id);
        store.Count("SELECT CAST(sum(cost_nano) AS bigint) FROM usage_hourly").ShouldBe(sum);
    }

    /// <summary>Sends every batch until it is taken, as the recorder does.</summary>
    protected static async Task AppendUntilTakenAsync(IUsageLedger ledger, IReadOnlyList<UsageEvent> batch)
    {
        for (var waited = Stopwatch.StartNew(); ;)
        {
            try
            {
                await ledger.AppendAsync(batch, Cancel);
                return;
            }
            catch (NpgsqlException) when (waited.Elapsed < TimeSpan.FromMinutes(4)) // a safety net
            {
                await Task.Delay(50, Cancel);
            }
        }
    }

    /// <summary>Waits until so many sessions of this database wait for a lock.</summary>
    protected static async Task BlockedAsync(TempStore store, int sessions)
    {
        while (store.Count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") < sessions)
            await Task.Delay(10, Cancel);
    }
}
