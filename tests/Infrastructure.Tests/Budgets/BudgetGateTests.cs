using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Budgets;

namespace Tokonomics.Tests.Budgets;

/// <summary>The gate on SQLite.</summary>
public sealed class BudgetGateTests : IAsyncLifetime
{
    private static readonly KeySnapshot Key = new() { Id = "key_1", Tenant = new TenantSnapshot { Id = "ten_a" }, TeamId = "team_1", ProjectId = "prj_1" };

    private readonly ITestOutputHelper _output;
    private readonly TempStore _store = new(withDirectory: false);
    private readonly List<BudgetGate> _gates = [];
    private readonly SqlBudgetTruth _second;

    public BudgetGateTests(ITestOutputHelper output)
    {
        _output = output;
        _second = new SqlBudgetTruth(_store.Database, _store.Clock);
        BudgetStore.AddTenant(_store, "ten_a");
    }

    public ValueTask InitializeAsync() => default;

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static NanoUsd N(long value) => new(value);

    private static Budget Of(BudgetScope scope, long limit, BudgetPeriod period = BudgetPeriod.Month, string id = "bud_1") =>
        new() { TenantId = "ten_a", Id = id, Scope = scope, Period = period, Limit = N(limit), Wait = TimeSpan.Zero, CreatedAt = DateTimeOffset.UnixEpoch };

    private async Task<BudgetGate> GateAsync(params Budget[] budgets)
    {
        foreach (var budget in budgets)
            BudgetStore.Put(_store, budget);
        var gate = new BudgetGate(
            _gates.Count == 0 ? _store.Get<IBudgetTruth>() : _second, $"n{_gates.Count}", new BudgetGateOptions { IdleAfter = TimeSpan.FromMilliseconds(100) }, _store.Clock, NullLogger<BudgetGate>.Instance);
        await gate.RefreshAsync(Cancel);
        _gates.Add(gate);
        return gate;
    }

    private async Task<(Hold Hold, HoldOutcome Outcome)> HoldAsync(BudgetGate gate, HoldRequest request, params Tag[] tags)
    {
        var hold = new Hold();
        gate.Resolve(hold, Key, tags, _store.Clock.GetUtcNow());
        return (hold, await gate.HoldAsync(hold, request, Cancel));
    }

    private Task<(Hold Hold, HoldOutcome Outcome)> HoldAsync(BudgetGate gate, long bound, params Tag[] tags) => HoldAsync(gate, new HoldRequest(N(bound)), tags);

    private async Task ShipAsync(BudgetGate gate, Hold hold, string id, long cost)
    {
        gate.Settle(hold, N(cost)).ShouldBeTrue();
        UsageEvent[] events = [Some.Event(id, at: _store.Clock.GetUtcNow()) with { Cost = N(cost), UpperBound = hold.UpperBound, Charges = hold.Charges(), Tags = [] }];
        await _store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        gate.Posted(events);
    }

    [Fact]
    public async Task What_is_posted_counts_once_while_the_ledgers_word_of_it_is_on_its_way_and_still_counts_when_that_has_come()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100));
        var (settled, _) = await HoldAsync(gate, 40);
        gate.Settle(settled, N(40)).ShouldBeTrue();
        var (held, _) = await HoldAsync(gate, 30);

        // In the ledger, and the gate has not been told yet: a call that comes now asks the truth, which knows it already.
        UsageEvent[] posted = [Some.Event("req_1", at: _store.Clock.GetUtcNow()) with { Cost = N(40), UpperBound = N(40), Charges = settled.Charges(), Tags = [] }];
        await _store.Get<IUsageLedger>().AppendAsync(posted, Cancel);
        var (_, outcome) = await HoldAsync(gate, 40);
        outcome.Verdict.ShouldBe(HoldVerdict.FullyHeld); // 60 are unspent, 30 of them held: not spent, come again
        outcome.Refusal!.Spent.ShouldBe(N(40));

        // Told, and asked nothing since: what it was told of is no less spent.
        gate.Posted(posted);
        gate.Tightest(held)!.Spent.ShouldBe(N(40));
        await ShipAsync(gate, held, "req_2", 25);
        gate.Tightest(held)!.Spent.ShouldBe(N(65));
        (await HoldAsync(gate, 36)).Outcome.Verdict.ShouldBe(HoldVerdict.Exhausted); // 35 are left
        (await HoldAsync(gate, 35)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
    }

    [Fact]
    public async Task A_hold_whose_account_was_tidied_away_after_it_was_found_is_taken_from_the_one_in_its_place()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100), Of(BudgetScope.Tag("customer", null), 60, id: "bud_2"));
        for (var seed = 0; seed < 20; seed++)
        {
            var (first, _) = await HoldAsync(gate, 20, new Tag("customer", "acme"));
            gate.Void(first);
            var hold = new Hold();
            gate.Resolve(hold, Key, [new Tag("customer", "acme")], _store.Clock.GetUtcNow());
            hold.Count.ShouldBe(2);
            await Task.Delay(120, Cancel); // idle
            await gate.TidyAsync(Cancel);
            await gate.TidyAsync(Cancel);
            gate.TryHold(hold, N(50), N(50)).ShouldBeFalse();
            (await gate.HoldAsync(hold, new HoldRequest(N(50)), Cancel)).Verdict.ShouldBe(HoldVerdict.Held);
            hold.Count.ShouldBe(2);
            gate.Sums().Held.ShouldBe(N(100)); // 50 on each
            (await HoldAsync(gate, 20, new Tag("customer", "acme"))).Outcome.Verdict.ShouldBe(HoldVerdict.FullyHeld);
            gate.Void(hold).ShouldBeTrue();
        }

        await gate.DrainAsync();
        gate.Sums().ShouldBe((N(0), N(0), N(0)));
        _store.Count("SELECT sum(leased_nano) FROM budget_accounts").ShouldBe(0);
    }

    [Fact]
    public async Task Sixty_four_first_calls_of_a_value_never_seen_before_are_admitted_as_far_as_its_budget_goes()
    {
        var gate = await GateAsync(Of(BudgetScope.Tag("customer", null), 100));
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(() => HoldAsync(gate, 7, new Tag("customer", "brand-new")))));
        outcomes.Count(o => o.Outcome.Verdict == HoldVerdict.Held).ShouldBe(14); // floor(100 / 7)
        outcomes.Where(o => o.Outcome.Verdict != HoldVerdict.Held).ShouldAllBe(o => o.Outcome.Verdict == HoldVerdict.FullyHeld && o.Outcome.Refusal!.Subject == "brand-new");
        (await HoldAsync(gate, 7, new Tag("customer", "other"))).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
        (await HoldAsync(gate, 7)).Hold.Count.ShouldBe(0); // carries no such tag
    }

    [Fact]
    public async Task Many_threads_over_two_connections_admit_exactly_what_fits_under_every_budget_or_nothing()
    {
        var budgets = new[] { Of(BudgetScope.Tenant, 1000), Of(BudgetScope.Project("prj_1"), 499, id: "bud_2"), Of(BudgetScope.Key("key_1"), 800, BudgetPeriod.Day, "bud_3") };
        var gates = new[] { await GateAsync(budgets), await GateAsync() };
        var admitted = 0;
        // Each asks until the other node's unused lease has come back as well.
        await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(async () =>
        {
            for (var miss = 0; miss < 5;)
            {
                if ((await HoldAsync(gates[i % 2], 10)).Outcome.Verdict == HoldVerdict.Held)
                    Interlocked.Increment(ref admitted);
                else
                {
                    miss++;
                    await Task.Delay(120, Cancel);
                    await gates[i % 2].TidyAsync(Cancel);
                }
            }
        })));
        admitted.ShouldBe(49); // floor(499 / 10)
        foreach (var gate in gates)
            await gate.DrainAsync();
        var states = await _store.Get<IBudgetTruth>().ReadAsync([.. budgets.Select(b => Opening(b))], Cancel);
        states.ShouldAllBe(s => s.Leased == N(490)); // what is held, on all three alike
    }

    private AccountOpening Opening(Budget budget)
    {
        var window = BudgetPeriods.Containing(budget.Period, TimeZoneInfo.Utc, _store.Clock.GetUtcNow(), budget.CreatedAt);
        return new AccountOpening(new AccountKey("ten_a", budget.Id, "", window.StartMicros), window.EndMicros);
    }

    [Fact]
    public async Task Spent_is_told_apart_from_held()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100));
        var (hold, outcome) = await HoldAsync(gate, 90);
        outcome.Verdict.ShouldBe(HoldVerdict.Held);
        var held = (await HoldAsync(gate, 20)).Outcome;
        (held.Verdict, held.Refusal!.Spent, held.Refusal.Held, held.Refusal.Limit).ShouldBe((HoldVerdict.FullyHeld, N(0), N(90), N(100)));
        gate.Settle(hold, N(85)).ShouldBeTrue(); // not in the ledger yet, and spent all the same
        var spent = (await HoldAsync(gate, 20)).Outcome;
        (spent.Verdict, spent.Refusal!.Spent).ShouldBe((HoldVerdict.Exhausted, N(85)));
        spent.Refusal.ResetsAt!.Value.ShouldBeGreaterThan(_store.Clock.GetUtcNow());
        (await HoldAsync(gate, 15)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
    }

    [Fact]
    public async Task A_call_waits_for_a_hold_to_shrink()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100) with { Wait = TimeSpan.FromSeconds(30) });
        var (first, _) = await HoldAsync(gate, 100);
        var waiting = HoldAsync(gate, 50);
        await Task.Delay(150, Cancel);
        waiting.IsCompleted.ShouldBeFalse();
        gate.Settle(first, N(10));
        (await waiting).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
        using var leaving = new CancellationTokenSource();
        var hold = new Hold();
        gate.Resolve(hold, Key, [], _store.Clock.GetUtcNow());
        var left = gate.HoldAsync(hold, new HoldRequest(N(80)), leaving.Token).AsTask();
        await leaving.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => left);
    }

    [Fact]
    public async Task What_is_left_is_held_where_the_output_can_be_limited_to_it()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100));
        var (first, _) = await HoldAsync(gate, 70);
        gate.Settle(first, N(70));
        var (hold, outcome) = await HoldAsync(gate, new HoldRequest(N(50), N(50), N(20)));
        (outcome.Verdict, hold.UpperBound).ShouldBe((HoldVerdict.Held, N(30)));
        gate.Settle(hold, N(15));
        (await HoldAsync(gate, new HoldRequest(N(50), N(50), N(20)))).Outcome.Verdict.ShouldBe(HoldVerdict.Exhausted); // 15 left, 20 is the least
    }

    [Fact]
    public async Task An_open_hold_is_extended_until_there_is_no_more()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100), Of(BudgetScope.Team("team_1"), 60, id: "bud_2"));
        var (hold, _) = await HoldAsync(gate, 30);
        (await gate.ExtendAsync(hold, N(30), Cancel)).ShouldBeTrue();
        (await gate.ExtendAsync(hold, N(1), Cancel)).ShouldBeFalse();
        hold.UpperBound.ShouldBe(N(60));
        hold.Charges().ShouldAllBe(c => c.Covered == N(60));
        await ShipAsync(gate, hold, "req_1", 45);
        gate.Sums().Held.ShouldBe(N(0));
        gate.Sums().Unposted.ShouldBe(N(0));
        (await _store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_lowered_limit_admits_nothing_more_once_it_was_read_and_what_is_in_flight_settles()
    {
        var budget = Of(BudgetScope.Tenant, 1000);
        var gate = await GateAsync(budget);
        var open = new List<Hold>();
        for (var i = 0; i < 32; i++)
            open.Add((await HoldAsync(gate, 10)).Hold);
        BudgetStore.Put(_store, budget with { Limit = N(100) });
        await gate.RefreshAsync(Cancel);
        (await HoldAsync(gate, 1)).Outcome.Verdict.ShouldBe(HoldVerdict.FullyHeld); // 320 are held, nothing is spent
        for (var i = 0; i < 32; i++)
            await ShipAsync(gate, open[i], $"req_{i}", 3);
        (await HoldAsync(gate, 5)).Outcome.Verdict.ShouldBe(HoldVerdict.Exhausted); // 100 - 96
        (await HoldAsync(gate, 4)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
        BudgetStore.Put(_store, budget with { Limit = N(200) });
        await gate.RefreshAsync(Cancel);
        (await HoldAsync(gate, 100)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
    }

    [Fact]
    public async Task A_value_with_a_budget_of_its_own_is_not_held_to_the_one_for_each()
    {
        var gate = await GateAsync(Of(BudgetScope.Tag("customer", null), 10), Of(BudgetScope.Tag("customer", "acme"), 100, id: "bud_acme"), Of(BudgetScope.Tag("customer", null), 50, BudgetPeriod.Day, "bud_day"));
        (await HoldAsync(gate, 40, new Tag("customer", "acme"))).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
        (await HoldAsync(gate, 11, new Tag("customer", "acme"))).Outcome.Refusal!.Budget.Id.ShouldBe("bud_day"); // another period: that one applies as well
        (await HoldAsync(gate, 11, new Tag("customer", "globex"))).Outcome.Refusal!.Budget.Id.ShouldBe("bud_1");
    }

    [Fact]
    public async Task With_the_truth_away_leases_serve_on_then_calls_can_not_be_verified_unless_their_budget_lets_them_pass()
    {
        BudgetStore.Put(_store, Of(BudgetScope.Tenant, 1000));
        var truth = new Breakable(_store.Get<IBudgetTruth>());
        var gate = new BudgetGate(truth, "n", new BudgetGateOptions(), _store.Clock, NullLogger<BudgetGate>.Instance);
        await gate.RefreshAsync(Cancel);
        (await HoldAsync(gate, 10)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
        truth.Broken = true;
        var served = 0;
        HoldOutcome outcome;
        while ((outcome = (await HoldAsync(gate, 10)).Outcome).Verdict == HoldVerdict.Held)
            served++;
        served.ShouldBe(3); // four calls are leased at least
        outcome.Verdict.ShouldBe(HoldVerdict.Unverifiable);
        truth.Broken = false;
        (await HoldAsync(gate, 10)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);

        _store.Execute("UPDATE budgets SET fail_open = 1");
        await gate.RefreshAsync(Cancel);
        truth.Broken = true;
        var (hold, passed) = await HoldAsync(gate, 500);
        (passed.Verdict, hold.Unverified, hold.Charges().Count).ShouldBe((HoldVerdict.Held, true, 0));
        gate.Settle(hold, N(400)).ShouldBeTrue();
    }

    [Fact]
    public async Task Calls_that_wait_behind_one_that_found_the_truth_hanging_do_not_each_wait_for_its_timeout()
    {
        BudgetStore.Put(_store, Of(BudgetScope.Tenant, 1000));
        var truth = new Hanging(_store.Get<IBudgetTruth>());
        var gate = new BudgetGate(truth, "n", new BudgetGateOptions(), _store.Clock, NullLogger<BudgetGate>.Instance);
        await gate.RefreshAsync(Cancel);
        var calls = Enumerable.Range(0, 20).Select(_ => HoldAsync(gate, 10)).ToList(); // the first asks, the others wait for their turn
        truth.Asked.ShouldBe(1);
        truth.Answer.SetException(new TimeoutException());
        (await Task.WhenAll(calls)).ShouldAllBe(c => c.Outcome.Verdict == HoldVerdict.Unverifiable);
        truth.Asked.ShouldBe(1);
        truth.Answer = new();
        var later = HoldAsync(gate, 10); // who comes later asks again
        truth.Asked.ShouldBe(2);
        truth.Answer.SetResult();
        (await later).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
    }

    private sealed class Hanging(IBudgetTruth inner) : IBudgetTruth
    {
        public TaskCompletionSource Answer { get; set; } = new();

        public int Asked { get; private set; }

        public async Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken)
        {
            Asked++;
            await Answer.Task;
            return await inner.LeaseAsync(request, cancellationToken);
        }

        public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => inner.ChangesAsync(since, cancellationToken);

        public Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
    }

    [Fact]
    public async Task A_node_whose_lease_was_taken_goes_on_under_another_name_and_its_late_costs_are_accepted()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 1000));
        var (hold, _) = await HoldAsync(gate, 100);
        await _store.Get<IBudgetTruth>().CloseNodeAsync("n0", asSpent: true, Cancel); // it was silent for a while
        (await HoldAsync(gate, 500)).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
        gate.NodeNames.ShouldBe(["n0", "n0.2"]);
        await ShipAsync(gate, hold, "req_1", 70);
        (await _store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Unused_leases_go_back_and_accounts_that_nobody_uses_are_forgotten()
    {
        var budget = Of(BudgetScope.Tag("customer", null), 1000);
        var gate = await GateAsync(budget);
        for (var i = 0; i < 20; i++)
            await ShipAsync(gate, (await HoldAsync(gate, 10, new Tag("customer", $"c{i}"))).Hold, $"req_{i}", 0);
        gate.AccountCount.ShouldBe(20);
        _store.Count("SELECT sum(leased_nano) FROM budget_accounts").ShouldBe(20 * 40);
        await Task.Delay(150, Cancel);
        await gate.TidyAsync(Cancel);
        await gate.TidyAsync(Cancel);
        gate.AccountCount.ShouldBe(0);
        _store.Count("SELECT sum(leased_nano) FROM budget_accounts").ShouldBe(0);
        _store.Count("SELECT count(*) FROM budget_leases").ShouldBe(0);
        (await HoldAsync(gate, 10, new Tag("customer", "c3"))).Outcome.Verdict.ShouldBe(HoldVerdict.Held);
    }

    [Fact]
    public async Task Expected_mode_holds_what_a_call_likely_costs()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 100) with { Mode = BudgetMode.Expected }, Of(BudgetScope.Team("team_1"), 1000, id: "bud_2"));
        var (hold, outcome) = await HoldAsync(gate, new HoldRequest(N(300), N(20), N(300)));
        outcome.Verdict.ShouldBe(HoldVerdict.Held);
        hold.Charges().Select(c => (c.Account.BudgetId, c.Covered.Value)).ShouldBe([("bud_1", 20), ("bud_2", 300)], ignoreOrder: true);
    }

    [Fact]
    public async Task A_hold_and_its_settlement_take_no_memory()
    {
        var gate = await GateAsync(Of(BudgetScope.Tenant, 1_000_000_000_000), Of(BudgetScope.Project("prj_1"), 1_000_000_000_000, id: "bud_2"), Of(BudgetScope.Tag("customer", null), 1_000_000_000_000, BudgetPeriod.Day, "bud_3"));
        Tag[] tags = [new("customer", "acme")];
        var hold = new Hold();
        var now = _store.Clock.GetUtcNow();
        gate.Resolve(hold, Key, tags, now);
        (await gate.HoldAsync(hold, new HoldRequest(N(10_000_000)), Cancel)).Verdict.ShouldBe(HoldVerdict.Held);
        gate.Void(hold);

        const int Calls = 20_000, Rounds = 15;
        var nanoseconds = new List<double>();
        var allocated = 0L;
        for (var round = 0; round < Rounds; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var since = Stopwatch.GetTimestamp();
            for (var i = 0; i < Calls; i++)
            {
                hold.Clear();
                gate.Resolve(hold, Key, tags, now);
                if (!gate.TryHold(hold, N(1000), N(1000)))
                    throw new InvalidOperationException("The lease ran out.");
                gate.Settle(hold, N(0));
            }

            nanoseconds.Add(Stopwatch.GetElapsedTime(since).TotalNanoseconds / Calls);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        allocated.ShouldBe(0);
        nanoseconds.Sort();
        _output.WriteLine($"Resolve, TryHold and Settle on three budgets: median of {Rounds} rounds {nanoseconds[Rounds / 2]:f0} ns, best {nanoseconds[0]:f0} ns, {allocated} bytes");
    }

    private sealed class Breakable(IBudgetTruth truth) : IBudgetTruth
    {
        public bool Broken { get; set; }

        private IBudgetTruth There => Broken ? throw new TimeoutException("The store is away.") : truth;

        public Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken) => There.LeaseAsync(request, cancellationToken);

        public Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken) => There.ReadAsync(accounts, cancellationToken);

        public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) => There.ListAsync(tenantId, budgetId, periodStart, limit, cancellationToken);

        public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken) => There.CloseNodeAsync(node, asSpent, cancellationToken);

        public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => There.NodesAsync(cancellationToken);

        public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => There.ChangesAsync(since, cancellationToken);
    }
}
