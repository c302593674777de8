using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Tests.Budgets;

namespace Tokonomics.Tests.Ledger;

/// <summary>Each check is shown a ledger with exactly its fault in it, and names the row.</summary>
public abstract class VerificationTests<TKind> : IAsyncLifetime
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();
    private static readonly Budget Budget = new() { TenantId = "ten_a", Id = "bud_1", Scope = BudgetScope.Tenant, Period = BudgetPeriod.Month, Limit = new NanoUsd(1_000_000), CreatedAt = DateTimeOffset.UnixEpoch };

    private TempStore _store = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _store = await Kind.NewAsync(withDirectory: false);
        BudgetStore.AddTenant(_store, "ten_a");
        BudgetStore.Put(_store, Budget);
        var window = BudgetPeriods.Containing(Budget.Period, TimeZoneInfo.Utc, Some.Noon, Budget.CreatedAt);
        var opening = new AccountOpening(new AccountKey("ten_a", "bud_1", "", window.StartMicros), window.EndMicros);
        await _store.Get<IUsageLedger>().AppendAsync([Some.Event("req_1"), Some.Event("req_1", attempt: 2), Some.Event("req_2") with { BudgetCost = new NanoUsd(200_000), UpperBound = new NanoUsd(200_000), Outcome = CallOutcome.Abandoned }], Cancel);
        foreach (var node in new[] { "alive", "dead" })
            (await _store.Get<IBudgetTruth>().LeaseAsync(new LeaseCall(opening, new LeaseOwner(node, 1)) { Least = new NanoUsd(100) }, Cancel)).Verdict.ShouldBe(LeaseVerdict.Granted);
        await _store.Get<IBudgetTruth>().CloseNodeAsync("dead", asSpent: true, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private Task<VerificationReport> VerifyAsync(string? tenantId = null) => _store.Get<ILedgerVerification>().RunAsync(tenantId, Cancel);

    /// <summary>Takes constraints and triggers away, as a table that was dumped and restored by hand may have lost them.</summary>
    private void Bare(string table)
    {
        var referring = table == "budget_accounts" ? "DROP TABLE IF EXISTS bare_leases; CREATE TABLE bare_leases AS SELECT * FROM budget_leases; DROP TABLE budget_leases; ALTER TABLE bare_leases RENAME TO budget_leases; " : "";
        _store.Execute($"{referring}CREATE TABLE bare AS SELECT * FROM {table}; DROP TABLE {table}; ALTER TABLE bare RENAME TO {table}");
    }

    [Fact]
    public async Task An_intact_ledger_has_no_findings_and_lists_what_budgets_count_beyond_costs()
    {
        var report = await VerifyAsync();
        report.Findings.ShouldBeEmpty();
        report.Notes.Select(n => n.ToString()).ShouldBe(
        [
            "posted_at_upper_bound: tenant_id=ten_a request_id=req_2 attempt=1 outcome=Abandoned budget_nano=200000 cost_nano=123456",
            $"lease_counted_as_spent: tenant_id=ten_a budget_id=bud_1 subject= period_start=1772323200000000 owner=dead#1 amount_nano=100", // 1 March 2026
        ]);
        _store.Count("SELECT posted_nano FROM budget_accounts").ShouldBe(123_456 + 123_456 + 200_000 + 100);
    }

    [Theory]
    [InlineData("usage_events", "UPDATE usage_events SET attempt = 1 WHERE attempt = 2", "one_row_per_attempt", "request_id=req_1 attempt=1 rows=2")]
    [InlineData("usage_events", "UPDATE usage_events SET tenant_id = 'ten_b' WHERE attempt = 2", "one_tenant_per_request", "request_id=req_1 tenant=ten_a other_tenant=ten_b")]
    [InlineData("usage_events", "UPDATE usage_events SET attempt = 3 WHERE attempt = 2", "attempts_contiguous", "tenant_id=ten_a request_id=req_1 first=1 last=3 rows=2")]
    [InlineData("usage_events", "UPDATE usage_events SET price_status = 'Free' WHERE attempt = 2", "cost_where_priced", "tenant_id=ten_a request_id=req_1 attempt=2 price_status=Free cost_nano=123456")]
    [InlineData("usage_events", "UPDATE usage_events SET reasoning_tokens = 38 WHERE attempt = 2", "totals_match_usage", "tenant_id=ten_a request_id=req_1 attempt=2 usage=Input=100,CacheRead=20,CacheWrite1h=5,Output=30,Reasoning=7")]
    [InlineData("usage_events", "UPDATE usage_events SET latency_us = -1 WHERE attempt = 2", "nothing_negative", "latency_us=-1")]
    [InlineData("usage_events", "DELETE FROM usage_events WHERE attempt = 2", "hourly_equals_events", "calls_too_many=1")]
    [InlineData("usage_hourly_tags", "DELETE FROM usage_hourly_tags WHERE tag = 'customer'", "hourly_tags_equal_events", "tag=customer hour=1773144000000000 tag_value=acme")]
    [InlineData("usage_events", "UPDATE usage_events SET routed = 'cache' WHERE attempt = 2", "repeats_cost_nothing", "request_id=req_1 attempt=2 cost_nano=123456 price_status=Priced")]
    [InlineData("usage_events", "UPDATE usage_events SET routed = 'cache', saved_nano = 7 WHERE attempt = 2", "repeats_equal_events", "repeats_too_many=-1 saved_nano_too_many=-7")]
    [InlineData("usage_hourly_pairs", "DELETE FROM usage_hourly_pairs", "hourly_pairs_equal_events", "customer=acme feature=search calls_too_many=-")]
    [InlineData("usage_hourly", "UPDATE usage_hourly SET dearest_nano = dearest_nano + 1", "hourly_dearest_are_dearest", "in_rollup=123457 in_events=123456")]
    [InlineData("usage_hourly_tags", "UPDATE usage_hourly_tags SET dearest_nano = 0", "hourly_tags_dearest_are_dearest", "in_rollup=0 in_events=123456")]
    [InlineData("budget_accounts", "UPDATE budget_accounts SET posted_nano = posted_nano - 1", "budget_posted_equals_events", "posted_nano=447011 events=446912 forfeited=100")]
    [InlineData("budget_accounts", "UPDATE budget_accounts SET leased_nano = leased_nano + 1", "budget_leased_equals_leases", "leased_nano=101 leases=100")]
    [InlineData("budget_accounts", "DELETE FROM budget_accounts", "leases_have_accounts", "owner=alive#1 outstanding=100")]
    [InlineData("budget_accounts", "UPDATE budget_accounts SET limit_nano = 400000", "budgets_within_limits", "limit_nano=400000 posted_nano=447012 leased_nano=100 excess_nano=0")]
    [InlineData("budget_leases", "UPDATE budget_leases SET consumed_nano = 101", "leases_not_overdrawn", "owner=alive#1 granted_nano=100 returned_nano=0 consumed_nano=101")]
    [InlineData("audit_log", "UPDATE audit_log SET actor = 'nobody'", "audit_chain_intact", "was changed after it was written")]
    public async Task A_fault_is_found_by_its_check(string table, string fault, string check, string row)
    {
        if (table == "audit_log")
            await _store.ProvisionAsync();
        (await VerifyAsync()).Findings.ShouldBeEmpty();
        Bare(table);
        _store.Execute(fault);
        var report = await VerifyAsync();
        report.Checks.ShouldContain(check);
        report.Findings.Where(f => f.Check == check).ShouldContain(f => f.Row.Contains(row), string.Join('\n', report.Findings));
        report.Findings.Where(f => f.Check == "partitions_ahead").Count().ShouldBe(_store.Sql is Infrastructure.Postgres.PostgresDatabase && table == "usage_events" ? 3 : 0); // a bare table has none
        (await VerifyAsync("ten_z")).Findings.Where(f => f.Check == check).ShouldBeEmpty();
        _store.Count($"SELECT count(*) FROM invariant_checks WHERE check_name = '{check}' AND findings > 0").ShouldBe(1);
    }
}

public sealed class SqliteVerificationTests : VerificationTests<OnSqlite>;

public sealed class PostgresVerificationTests : VerificationTests<OnPostgres>;
