using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;

namespace Tokonomics.Tests.Billing;

/// <summary>A plan's calls over several nodes, on every store: never one too many, and none lost.</summary>
public abstract class QuotaTests : IAsyncLifetime
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected abstract Task<BillingStore> NewAsync();

    private BillingStore _billing = null!;
    private string _tenant = "";
    private int _calls;

    public async ValueTask InitializeAsync()
    {
        _billing = await NewAsync();
        _billing.Stripe.AddPrice("tokonomics_pro_monthly", 4900);
        (_tenant, _) = await _billing.TenantAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _billing.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private KeySnapshot Key(KeyEnvironment environment = KeyEnvironment.Live) => new() { Id = "key_1", Tenant = new TenantSnapshot { Id = _tenant }, Environment = environment };

    private async Task<BudgetGate> GateAsync(string node)
    {
        var gate = new BudgetGate(_billing.Store.Get<IBudgetTruth>(), node, new BudgetGateOptions { Nodes = 3, IdleAfter = TimeSpan.FromMilliseconds(200) }, _billing.Store.Clock, NullLogger<BudgetGate>.Instance);
        await gate.RefreshAsync(Cancel);
        return gate;
    }

    // A call as the proxy makes it: held, sent, settled, and in the ledger.
    private async Task<HoldVerdict> CallAsync(BudgetGate gate, CallOutcome outcome = CallOutcome.Completed, KeyEnvironment environment = KeyEnvironment.Live)
    {
        var (hold, at) = (new Hold(), _billing.Store.Clock.GetUtcNow());
        gate.ResolveQuota(hold, Key(environment), at);
        if (hold.Count > 0 && !gate.TryHold(hold, CallQuota.One, CallQuota.One) && await gate.HoldAsync(hold, new HoldRequest(CallQuota.One), Cancel) is { Verdict: not HoldVerdict.Held } refused)
            return refused.Verdict;
        gate.Settle(hold, CallQuota.Counts(outcome) ? CallQuota.One : NanoUsd.Zero);
        UsageEvent[] events = [Some.Event($"req_{Interlocked.Increment(ref _calls):d8}", _tenant, at: at) with { Outcome = outcome, Environment = environment, Cost = NanoUsd.Zero, Charges = hold.Charges(), Tags = [] }];
        await _billing.Store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        gate.Posted(events);
        return HoldVerdict.Held;
    }

    private (long Posted, long Leased, long Excess) Account() =>
        (_billing.Store.Count($"SELECT coalesce(sum(posted_nano), 0) FROM budget_accounts WHERE budget_id = 'quota_{_tenant}'"), _billing.Store.Count($"SELECT coalesce(sum(leased_nano), 0) FROM budget_accounts WHERE budget_id = 'quota_{_tenant}'"), _billing.Store.Count($"SELECT coalesce(sum(excess_nano), 0) FROM budget_accounts WHERE budget_id = 'quota_{_tenant}'"));

    [Fact]
    public async Task Three_nodes_forward_a_hundred_calls_between_them_and_not_one_more()
    {
        var gates = new[] { await GateAsync("a"), await GateAsync("b"), await GateAsync("c") };
        var (passed, exhausted) = (0, 0);
        await Parallel.ForEachAsync(Enumerable.Range(0, 160), new ParallelOptions { MaxDegreeOfParallelism = 12 }, async (i, _) =>
        {
            var verdict = await CallAsync(gates[i % 3]);
            Interlocked.Increment(ref verdict == HoldVerdict.Held ? ref passed : ref exhausted);
        });
        passed.ShouldBeLessThanOrEqualTo(100);
        // What one node had set aside and nobody asked it for goes back, and is there for the others.
        for (var tries = 0; passed < 100 && tries < 100; tries++)
        {
            await Task.Delay(50, Cancel);
            foreach (var gate in gates)
                await gate.TidyAsync(Cancel);
            if (await CallAsync(gates[tries % 3]) == HoldVerdict.Held)
                passed++;
        }

        passed.ShouldBe(100);
        foreach (var gate in gates)
            (await CallAsync(gate)).ShouldBe(HoldVerdict.Exhausted);
        foreach (var gate in gates)
            (await gate.DrainAsync()).ShouldBeTrue();
        Account().ShouldBe((100, 0, 0));
        exhausted.ShouldBeGreaterThan(0);
        (await _billing.Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Calls_that_reached_nobody_and_the_sandbox_s_don_t_count()
    {
        var gate = await GateAsync("a");
        for (var i = 0; i < 150; i++)
        {
            (await CallAsync(gate, CallOutcome.Unreachable)).ShouldBe(HoldVerdict.Held);
            (await CallAsync(gate, environment: KeyEnvironment.Test)).ShouldBe(HoldVerdict.Held);
        }

        // A repeat that was answered from the cache asked nobody for a place in the quota.
        UsageEvent[] repeats = [Some.Event("req_repeat", _tenant, at: _billing.Store.Clock.GetUtcNow()) with { Environment = KeyEnvironment.Live, Usage = default, PriceStatus = PriceStatus.Free, Cost = NanoUsd.Zero, Routed = UsageEvent.FromCache }];
        await _billing.Store.Get<IUsageLedger>().AppendAsync(repeats, Cancel);
        await CallAsync(gate, CallOutcome.TimedOut);
        await CallAsync(gate, CallOutcome.Abandoned);
        Account().Posted.ShouldBe(2);
        await gate.DrainAsync();
        Account().ShouldBe((2, 0, 0));
        (await _billing.Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_bigger_plan_holds_at_once_and_a_smaller_one_counts_what_was_used()
    {
        var owner = new Tokonomics.Application.Tenants.Caller(_tenant, "mem_1", Domain.Tenants.Role.Owner);
        var gate = await GateAsync("a");
        for (var i = 0; i < 100; i++)
            (await CallAsync(gate)).ShouldBe(HoldVerdict.Held);
        (await CallAsync(gate)).ShouldBe(HoldVerdict.Exhausted);

        var id = _billing.Stripe.Complete(await _billing.CheckoutAsync(owner));
        await _billing.SettleAsync();
        await gate.RefreshAsync(Cancel); // five times a second
        for (var i = 0; i < 30; i++)
            (await CallAsync(gate)).ShouldBe(HoldVerdict.Held);
        Account().Posted.ShouldBe(130);

        // Back to free in the same month: no second allowance.
        _billing.Stripe.CancelNow(id);
        await _billing.SettleAsync();
        await gate.RefreshAsync(Cancel);
        (await CallAsync(gate)).ShouldBe(HoldVerdict.Exhausted);
        (await _billing.Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();

        // The next month.
        _billing.Store.Clock.Ahead = TimeSpan.FromDays(32);
        (await CallAsync(gate)).ShouldBe(HoldVerdict.Held);
    }

    [Fact]
    public async Task At_80_and_at_100_percent_owners_and_payers_are_told_once()
    {
        _billing.Store.Execute($"INSERT INTO members (tenant_id, id, email, role, created_at) VALUES ('{_tenant}', 'mem_b', 'pays@example.com', 'billing', 1), ('{_tenant}', 'mem_d', 'dev@example.com', 'developer', 1)");
        var (gate, warnings) = (await GateAsync("a"), _billing.Store.Get<IQuotaWarnings>());
        for (var i = 0; i < 79; i++)
            await CallAsync(gate);
        (await warnings.TakeAsync(Cancel)).ShouldBeEmpty();
        await CallAsync(gate);
        var first = (await warnings.TakeAsync(Cancel)).Single();
        (first.Threshold, first.Limit).ShouldBe((80, 100));
        first.To.ShouldBe(["owner@example.com", "pays@example.com"]);
        (await warnings.TakeAsync(Cancel)).ShouldBeEmpty();
        for (var i = 0; i < 20; i++)
            await CallAsync(gate);
        (await warnings.TakeAsync(Cancel)).Single().Threshold.ShouldBe(100);
        (await warnings.TakeAsync(Cancel)).ShouldBeEmpty();

        var mail = first.Mails(_billing.Store.Get<Tokonomics.Application.Mails.IPortalLinks>()).First();
        mail.Subject.ShouldBe("Acme has used 80 % of its calls of this month");
        mail.Text.ShouldContain("https://t.example/billing");

        var alerts = (await _billing.Store.SendAsync(new ListAlerts(Caller.Operator, _tenant))).Value.Alerts;
        alerts.Select(a => (a.Title, a.Severity)).ShouldBe([("All calls of the plan are used this month", AlertSeverity.Critical), ("80 % of the plan's calls of this month are used", AlertSeverity.Warning)]);
        alerts[0].Text.ShouldStartWith("Live calls are refused with status 429 (quota_exhausted) until 1 ");
    }

    [Fact]
    public async Task Who_does_not_want_the_quota_told_by_channels_is_mailed_all_the_same()
    {
        await _billing.Store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.PlanQuota, AlertSubject.Tenant, AlertTerms.Default with { On = false }));
        var gate = await GateAsync("a");
        for (var i = 0; i < 80; i++)
            await CallAsync(gate);
        (await _billing.Store.Get<IQuotaWarnings>().TakeAsync(Cancel)).Single().To.ShouldNotBeEmpty();
        (await _billing.Store.SendAsync(new ListAlerts(Caller.Operator, _tenant))).Value.Alerts.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_quota_that_is_made_in_mid_month_counts_what_the_month_had_already()
    {
        var gate = await GateAsync("a");
        _billing.Store.Execute($"DELETE FROM budgets WHERE id = 'quota_{_tenant}'");
        await gate.RefreshAsync(Cancel);
        for (var i = 0; i < 3; i++)
            await CallAsync(gate);
        _billing.Store.Execute($"DELETE FROM billing_accounts WHERE tenant_id = '{_tenant}'");
        await _billing.ReconcileAsync();
        await gate.RefreshAsync(Cancel);
        await CallAsync(gate);
        Account().Posted.ShouldBe(4);
    }
}

public sealed class QuotaOnSqlite : QuotaTests
{
    private protected override Task<BillingStore> NewAsync() => Task.FromResult(new BillingStore());
}

public sealed class QuotaOnPostgres : QuotaTests
{
    private protected override async Task<BillingStore> NewAsync()
    {
        var server = await Tokonomics.Testing.PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync();
        var billing = new BillingStore(postgres: database);
        billing.Store.Gone = () => server.DropAsync(database);
        return billing;
    }
}
