using System.Data.Common;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Budgets;

namespace Tokonomics.Tests.Budgets;

/// <summary>What every store of the truth must do, in the same words for each.</summary>
public abstract class BudgetTruthTests
{
    protected static readonly DateTimeOffset MonthStart = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected static NanoUsd N(long value) => new(value);

    protected static LeaseOwner Node(string name, long serial = 1) => new(name, serial);

    /// <summary>One way to the store; two of them are two connections.</summary>
    protected abstract IBudgetTruth Truth(int connection = 0);

    protected abstract IUsageLedger Ledger { get; }

    protected abstract void Put(Budget budget);

    protected abstract int Alerts(string kind = "threshold");

    protected static Budget Tenant(long limit, BudgetPeriod period = BudgetPeriod.Month) =>
        new() { TenantId = "ten_a", Id = "bud_1", Scope = BudgetScope.Tenant, Period = period, Limit = N(limit), CreatedAt = MonthStart };

    protected static AccountOpening Of(Budget budget, string subject = "", DateTimeOffset? at = null)
    {
        var window = BudgetPeriods.Containing(budget.Period, TimeZoneInfo.Utc, at ?? Some.Noon, budget.CreatedAt);
        return new AccountOpening(new AccountKey(budget.TenantId, budget.Id, subject, window.StartMicros), window.EndMicros);
    }

    protected static LeaseCall Ask(Budget budget, LeaseOwner owner, long least, long want = 0, long granted = 0, long returned = 0, long epoch = 0, string subject = "") =>
        new(Of(budget, subject), owner) { Least = N(least), Want = N(want), Granted = N(granted), Returned = N(returned), Epoch = epoch };

    protected static UsageEvent Cost(string id, long cost, DateTimeOffset? at = null, params BudgetCharge[] charges) =>
        Some.Event(id, at: at) with { Cost = N(cost), Charges = charges, Tags = [new Tag("customer", "acme")] };

    protected async Task<(long Posted, long Leased, long Excess)> StateAsync(Budget budget, string subject = "", DateTimeOffset? at = null)
    {
        var state = (await Truth().ReadAsync([Of(budget, subject, at)], Cancel)).Single();
        return (state.Posted.Value, state.Leased.Value, state.Excess.Value);
    }

    [Fact]
    public async Task A_lease_is_granted_within_the_limit_and_refused_above_it()
    {
        var budget = Tenant(100);
        Put(budget);
        var first = await Truth().LeaseAsync(Ask(budget, Node("a"), least: 30, want: 90), Cancel);
        (first.Verdict, first.Granted, first.Limit, first.Leased).ShouldBe((LeaseVerdict.Granted, N(50), N(100), N(50))); // half of what remains
        (await Truth().LeaseAsync(Ask(budget, Node("b"), least: 50, want: 90), Cancel)).Granted.ShouldBe(N(50)); // exactly what it needs
        var third = await Truth().LeaseAsync(Ask(budget, Node("c"), least: 1), Cancel);
        (third.Verdict, third.Granted, third.Remaining).ShouldBe((LeaseVerdict.Refused, N(0), N(0)));
        (await StateAsync(budget)).ShouldBe((0, 100, 0));
    }

    [Fact]
    public async Task A_call_that_is_repeated_changes_nothing_and_learns_what_the_first_did()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 30), Cancel); // its answer is lost
        var again = await Truth().LeaseAsync(Ask(budget, Node("a"), least: 30), Cancel);
        (again.Verdict, again.Granted).ShouldBe((LeaseVerdict.Granted, N(30)));
        for (var i = 0; i < 3; i++)
            (await Truth().LeaseAsync(Ask(budget, Node("a"), 0, granted: 30, returned: 10, epoch: again.Epoch), Cancel)).Granted.ShouldBe(N(30));
        (await StateAsync(budget)).ShouldBe((0, 20, 0));
    }

    [Fact]
    public async Task A_cost_is_posted_once_however_often_it_comes_and_is_taken_off_its_lease()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 40), Cancel);
        var usage = Cost("req_1", 25, null, new BudgetCharge(Of(budget).Key, "a#1", N(25)));
        (await Ledger.AppendAsync([usage, usage], Cancel)).ShouldBe(1);
        (await Ledger.AppendAsync([usage], Cancel)).ShouldBe(0);
        (await StateAsync(budget)).ShouldBe((25, 15, 0));
    }

    [Fact]
    public async Task A_cost_that_nothing_was_held_for_counts_all_the_same()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 90), Cancel);
        await Ledger.AppendAsync([Cost("req_1", 30)], Cancel); // admitted before the budget was made, or with the truth away
        (await StateAsync(budget)).ShouldBe((30, 90, 20)); // 30 + 90 - 100
        (await Truth().LeaseAsync(Ask(budget, Node("b"), least: 1), Cancel)).Verdict.ShouldBe(LeaseVerdict.Refused);
        await Truth().LeaseAsync(Ask(budget, Node("a"), 0, granted: 90, returned: 90, epoch: 1), Cancel);
        (await StateAsync(budget)).ShouldBe((30, 0, 0));
    }

    [Fact]
    public async Task A_budget_made_in_the_middle_of_a_month_counts_what_the_month_has_cost()
    {
        var month = Tenant(1000);
        var total = Tenant(1000, BudgetPeriod.Total) with { Id = "bud_total", CreatedAt = Some.Noon };
        var each = month with { Id = "bud_each", Scope = BudgetScope.Tag("customer", null) };
        var other = month with { Id = "bud_team", Scope = BudgetScope.Team("team_9") };
        await Ledger.AppendAsync(
            [
                Cost("req_1", 10, MonthStart), Cost("req_2", 20, MonthStart.AddTicks(-10)), Cost("req_3", 40, Some.Noon.AddMinutes(1)), Cost("req_4", 80, Some.Noon.AddMinutes(-1)),
                Cost("req_5", 160, MonthStart.AddMonths(1)), Cost("req_6", 320) with { TenantId = "ten_b" }, Cost("req_7", 640) with { Environment = KeyEnvironment.Test }, Cost("req_8", 7) with { BudgetCost = N(9) },
            ],
            Cancel);
        foreach (var budget in new[] { month, total, each, other })
            Put(budget);
        (await StateAsync(month)).Posted.ShouldBe(10 + 40 + 80 + 9);
        (await StateAsync(total)).Posted.ShouldBe(40 + 160 + 9);
        (await StateAsync(each, "acme")).Posted.ShouldBe(10 + 40 + 80 + 9);
        (await StateAsync(each, "globex")).Posted.ShouldBe(0);
        (await StateAsync(other)).Posted.ShouldBe(0);
        await Ledger.AppendAsync([Cost("req_9", 1), Cost("req_10", 2) with { TeamId = "team_9", Tags = [new Tag("customer", "globex")] }], Cancel);
        (await StateAsync(month)).Posted.ShouldBe(139 + 3);
        (await StateAsync(total)).Posted.ShouldBe(209 + 3);
        (await StateAsync(each, "acme")).Posted.ShouldBe(139 + 1);
        (await StateAsync(each, "globex")).Posted.ShouldBe(2);
        (await StateAsync(other)).Posted.ShouldBe(2);
    }

    [Fact]
    public async Task Every_call_counts_in_the_period_of_its_admission_whatever_the_order_in_which_it_comes()
    {
        var budget = Tenant(1_000_000);
        Put(budget);
        var next = MonthStart.AddMonths(1);
        var random = new Random(7);
        var events = Enumerable.Range(0, 200).Select(i => Cost($"req_{i}", 1 + i, next.AddSeconds(i - 100))).OrderBy(_ => random.Next()).ToList();
        await StateAsync(budget);
        foreach (var batch in events.Chunk(17))
            await Ledger.AppendAsync(batch, Cancel);
        (await StateAsync(budget)).Posted.ShouldBe(5050); // 1 + … + 100
        (await StateAsync(budget, at: next)).Posted.ShouldBe(15050); // 101 + … + 200
    }

    [Fact]
    public async Task A_lease_of_a_dead_node_counts_as_spent_and_its_journal_takes_that_back()
    {
        var budget = Tenant(100);
        Put(budget);
        var lease = await Truth().LeaseAsync(Ask(budget, Node("a"), least: 40), Cancel);
        (await Truth().NodesAsync(Cancel)).Single().ShouldBe(new NodeLeases("a", N(40), 1));
        (await Truth().CloseNodeAsync("a", asSpent: true, Cancel)).ShouldBe(N(40));
        (await StateAsync(budget)).ShouldBe((40, 0, 0));
        (await Truth().LeaseAsync(Ask(budget, Node("a"), 5, granted: 40, epoch: lease.Epoch), Cancel)).Verdict.ShouldBe(LeaseVerdict.Fenced);
        (await Truth().LeaseAsync(Ask(budget, Node("a", 2), 5), Cancel)).Verdict.ShouldBe(LeaseVerdict.Fenced); // what it asked before it died arrives after
        await Ledger.AppendAsync([Cost("req_1", 25, null, new BudgetCharge(Of(budget).Key, "a#1", N(25)))], Cancel);
        (await StateAsync(budget)).ShouldBe((40, 0, 0)); // 25 of the 40 are explained now, not 65
    }

    [Fact]
    public async Task A_dead_node_whose_journal_told_all_leaves_nothing_behind()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 40), Cancel);
        await Ledger.AppendAsync([Cost("req_1", 10, null, new BudgetCharge(Of(budget).Key, "a#1", N(30))) with { UpperBound = N(30), BudgetCost = N(30), Outcome = CallOutcome.Abandoned }], Cancel);
        (await StateAsync(budget)).ShouldBe((30, 10, 0)); // the cap counts the upper bound
        (await Truth().CloseNodeAsync("a", asSpent: false, Cancel)).ShouldBe(N(10));
        (await StateAsync(budget)).ShouldBe((30, 0, 0));
        (await Truth().CloseNodeAsync("a", asSpent: false, Cancel)).ShouldBe(N(0));
    }

    [Fact]
    public async Task A_lowered_limit_grants_nothing_and_a_raised_one_does_at_once()
    {
        var budget = Tenant(100);
        Put(budget);
        var lease = await Truth().LeaseAsync(Ask(budget, Node("a"), least: 60), Cancel);
        Put(budget with { Limit = N(50) });
        (await StateAsync(budget)).ShouldBe((0, 60, 10));
        (await Truth().LeaseAsync(Ask(budget, Node("b"), least: 1), Cancel)).Verdict.ShouldBe(LeaseVerdict.Refused);
        (await Truth().LeaseAsync(Ask(budget, Node("a"), 0, granted: 60, returned: 20, epoch: lease.Epoch), Cancel)).Remaining.ShouldBe(N(10)); // 50 - 40
        Put(budget with { Limit = N(500) });
        (await Truth().LeaseAsync(Ask(budget, Node("b"), least: 400), Cancel)).Verdict.ShouldBe(LeaseVerdict.Granted);
    }

    [Fact]
    public async Task Each_threshold_is_recorded_once()
    {
        var budget = Tenant(100);
        Put(budget);
        await StateAsync(budget);
        for (var i = 0; i < 12; i++)
        {
            await Ledger.AppendAsync([Cost($"req_{i}", 10)], Cancel);
            Alerts().ShouldBe(i < 4 ? 0 : i < 7 ? 1 : i < 9 ? 2 : 3); // 50, 80, 100
        }

        Put(budget with { Limit = N(1000) });
        await Ledger.AppendAsync([Cost("req_more", 800)], Cancel);
        Alerts().ShouldBe(3); // 50 and 80 percent again, in the same period
    }

    [Fact]
    public async Task A_period_that_no_call_opened_is_opened_by_the_first_cost_in_it_and_alerts()
    {
        var budget = Tenant(100);
        Put(budget);
        Put(budget with { Id = "bud_each", Scope = BudgetScope.Tag("customer", null), Period = BudgetPeriod.Day });
        await Ledger.AppendAsync([Cost("req_0", 500, MonthStart.AddDays(-1))], Cancel); // over when the budget was made
        Alerts().ShouldBe(0);
        await Ledger.AppendAsync([Cost("req_1", 30), Cost("req_2", 25), Cost("req_3", 10, Some.Noon.AddDays(1))], Cancel);
        Alerts().ShouldBe(2); // 65 of the tenant's 100, 55 of acme's on the first day, 10 on the second
        (await StateAsync(budget)).ShouldBe((65, 0, 0));
        await Ledger.AppendAsync([Cost("req_4", 20)], Cancel);
        Alerts().ShouldBe(3); // 85
        (await StateAsync(budget)).ShouldBe((85, 0, 0));
    }

    [Fact]
    public async Task V14_Many_at_once_never_get_more_than_there_is()
    {
        var budget = Tenant(1000);
        Put(budget);
        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Run(() => Truth(i % 2).LeaseAsync(Ask(budget, Node($"n{i}"), least: 30, want: 30), Cancel))));
        answers.Count(a => a.Verdict == LeaseVerdict.Granted).ShouldBe(33); // floor(1000 / 30)
        (await StateAsync(budget)).ShouldBe((0, 990, 0));
    }
}

public sealed class MemoryBudgetTruthTests : BudgetTruthTests
{
    private readonly MemoryTruth _truth = new(TimeProvider.System);

    protected override IUsageLedger Ledger => _truth;

    protected override IBudgetTruth Truth(int connection = 0) => new OneAtATime(_truth);

    protected override void Put(Budget budget) => _truth.Put(budget);

    protected override int Alerts(string kind = "threshold") => _truth.AlertCount;

    private sealed class OneAtATime(MemoryTruth truth) : IBudgetTruth
    {
        private T Locked<T>(Func<MemoryTruth, T> call)
        {
            lock (truth)
                return call(truth);
        }

        public Task<LeaseAnswer> LeaseAsync(LeaseCall request, CancellationToken cancellationToken) => Locked(t => t.LeaseAsync(request, cancellationToken));

        public Task<IReadOnlyList<AccountState>> ReadAsync(IReadOnlyList<AccountOpening> accounts, CancellationToken cancellationToken) => Locked(t => t.ReadAsync(accounts, cancellationToken));

        public Task<IReadOnlyList<AccountState>> ListAsync(string tenantId, string budgetId, long periodStart, int limit, CancellationToken cancellationToken) => Locked(t => t.ListAsync(tenantId, budgetId, periodStart, limit, cancellationToken));

        public Task<NanoUsd> CloseNodeAsync(string node, bool asSpent, CancellationToken cancellationToken) => Locked(t => t.CloseNodeAsync(node, asSpent, cancellationToken));

        public Task<IReadOnlyList<NodeLeases>> NodesAsync(CancellationToken cancellationToken) => Locked(t => t.NodesAsync(cancellationToken));

        public Task<BudgetChanges> ChangesAsync(long since, CancellationToken cancellationToken) => Locked(t => t.ChangesAsync(since, cancellationToken));
    }
}

/// <summary>The same on a database, with what only a database has.</summary>
public abstract class StoredBudgetTruthTests<TKind> : BudgetTruthTests, IAsyncLifetime
    where TKind : IStoreKind, new()
{
    private TempStore _store = null!;
    private SqlBudgetTruth _second = null!;

    public async ValueTask InitializeAsync()
    {
        _store = await new TKind().NewAsync(withDirectory: false);
        _second = new SqlBudgetTruth(_store.Sql, _store.Clock);
        BudgetStore.AddTenant(_store, "ten_a");
    }

    protected override IUsageLedger Ledger => _store.Get<IUsageLedger>();

    protected override IBudgetTruth Truth(int connection = 0) => connection == 0 ? _store.Get<IBudgetTruth>() : _second;

    protected override void Put(Budget budget) => BudgetStore.Put(_store, budget);

    protected override int Alerts(string kind = "threshold") => (int)_store.Count($"SELECT count(*) FROM budget_alerts WHERE kind = '{kind}'");

    [Fact]
    public async Task The_table_itself_refuses_more_than_the_limit()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 60), Cancel);
        Should.Throw<DbException>(() => _store.Execute("UPDATE budget_accounts SET leased_nano = leased_nano + 41")).Message.ShouldContain("check constraint", Case.Insensitive);
        Should.Throw<DbException>(() => _store.Execute("UPDATE budget_leases SET consumed_nano = 61")).Message.ShouldContain("check constraint", Case.Insensitive);
    }

    [Fact]
    public async Task An_overrun_is_recorded_with_the_attempt_that_made_it()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 10), Cancel);
        var usage = Cost("req_1", 130, null, new BudgetCharge(Of(budget).Key, "a#1", N(10))) with { UpperBound = N(10) };
        await Ledger.AppendAsync([usage], Cancel);
        await Ledger.AppendAsync([usage], Cancel);
        (await StateAsync(budget)).ShouldBe((130, 0, 30));
        Alerts("overrun").ShouldBe(1);
        _store.Count("SELECT count(*) FROM budget_alerts WHERE request = 'req_1/1'").ShouldBe(1);
    }

    [Fact]
    public async Task Verification_finds_what_does_not_add_up()
    {
        var budget = Tenant(1_000_000_000_000);
        var each = budget with { Id = "bud_2", Scope = BudgetScope.Tag("customer", null), Period = BudgetPeriod.Day };
        Put(budget);
        Put(each);
        var random = new Random(3);
        var events = Some.Events(5, 400);
        foreach (var batch in events.Chunk(40))
        {
            await Ledger.AppendAsync(batch, Cancel);
            foreach (var subject in new[] { "acme", "globex", "it's \"quoted\"" })
                await StateAsync(each, subject, Some.Noon.AddHours(-random.Next(72)));
            await StateAsync(budget);
        }

        (await Truth().LeaseAsync(Ask(budget, Node("a"), least: 60), Cancel)).Verdict.ShouldBe(LeaseVerdict.Granted);
        await Truth().CloseNodeAsync("a", asSpent: true, Cancel);
        await Truth().LeaseAsync(Ask(budget, Node("b"), least: 60), Cancel);
        _store.Count("SELECT count(*) FROM budget_accounts").ShouldBeGreaterThan(5);
        var verification = _store.Get<ILedgerVerification>();
        (await verification.RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        _store.Execute("UPDATE budget_accounts SET posted_nano = posted_nano + 1 WHERE budget_id = 'bud_1'");
        (await verification.RunAsync("ten_a", Cancel)).Findings.ShouldHaveSingleItem().Check.ShouldBe("budget_posted_equals_events");
        _store.Execute("UPDATE budget_accounts SET posted_nano = posted_nano - 1, leased_nano = leased_nano - 1 WHERE budget_id = 'bud_1'");
        (await verification.RunAsync(null, Cancel)).Findings.ShouldHaveSingleItem().Check.ShouldBe("budget_leased_equals_leases");
    }

    [Fact]
    public async Task What_is_posted_is_what_SQL_counts_of_every_scope_while_budgets_come_and_go()
    {
        BudgetScope[] scopes =
        [
            BudgetScope.Tenant, BudgetScope.Calls, BudgetScope.Team("team_1"), BudgetScope.Project("prj_1"), BudgetScope.Key("key_2"), BudgetScope.Tag("customer", "acme"), BudgetScope.Tag("customer", null),
            BudgetScope.Tag("feature", "chat"), BudgetScope.Tag("feature", null),
        ];
        var budgets = new List<Budget>();
        foreach (var scope in scopes)
            foreach (var (period, environment) in new[] { (BudgetPeriod.Day, KeyEnvironment.Live), (BudgetPeriod.Month, KeyEnvironment.Live), (BudgetPeriod.Week, KeyEnvironment.Test), (BudgetPeriod.Total, KeyEnvironment.Live) })
                budgets.Add(Tenant(1_000_000_000_000, period) with { Id = $"bud_{budgets.Count:d2}", Scope = scope, Environment = environment });
        var random = new Random(17);
        budgets = [.. budgets.OrderBy(_ => random.Next())];
        var events = Some.Events(11, 900).ConvertAll(e => random.Next(6) switch
        {
            0 => e with { BudgetCost = N(random.NextInt64(1_000_000_000)) },
            1 => e with { Routed = UsageEvent.Direct },
            2 => e with { Routed = UsageEvent.FromCache, Cost = N(0), PriceStatus = PriceStatus.Free, Usage = default, Saved = N(5) },
            _ => e,
        });
        events[5] = events[5] with { Cost = N(2_000_000_000_000_000), PriceStatus = PriceStatus.Priced, Outcome = CallOutcome.Completed, Routed = null }; // more than one event counts with

        var made = 0;
        for (var batch = 0; batch < 30; batch++)
        {
            // Of a batch the first third was in the last one.
            await Ledger.AppendAsync(events.GetRange(Math.Max(0, (batch * 30) - 10), batch == 0 ? 30 : 40), Cancel);
            for (var i = 0; i < 2 && made < budgets.Count; i++)
                Put(budgets[made++]);
            if (batch % 5 == 4)
                _store.Execute($"UPDATE budgets SET ended_at = {batch} WHERE id = '{budgets[random.Next(made)].Id}'");
        }

        (await _store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        foreach (var scope in scopes)
        {
            var ids = string.Join(", ", budgets.Where(b => b.Scope == scope).Select(b => $"'{b.Id}'"));
            _store.Count($"SELECT count(*) FROM budget_accounts WHERE budget_id IN ({ids}) AND posted_nano > 0").ShouldBeGreaterThan(1, scope.ToString());
        }
    }

    [Fact]
    public async Task A_temporary_increase_ends_by_itself()
    {
        var budget = Tenant(100) with { Increase = new TemporaryIncrease(N(50), _store.Clock.GetUtcNow().AddHours(1)) };
        Put(budget);
        var answer = await Truth().LeaseAsync(Ask(budget, Node("a"), least: 120), Cancel);
        (answer.Verdict, answer.Limit).ShouldBe((LeaseVerdict.Granted, N(150)));
        answer.LimitHoldsFor!.Value.ShouldBeInRange(TimeSpan.FromMinutes(59), TimeSpan.FromHours(1));
        _store.Clock.Ahead = TimeSpan.FromHours(2);
        (await StateAsync(budget)).ShouldBe((0, 120, 20));
        (await Truth().LeaseAsync(Ask(budget, Node("b"), least: 1), Cancel)).Verdict.ShouldBe(LeaseVerdict.Refused);
    }

    [Fact]
    public async Task A_store_that_was_restored_from_before_the_grant_fences_it()
    {
        var budget = Tenant(100);
        Put(budget);
        await Truth().LeaseAsync(Ask(budget, Node("a"), least: 10), Cancel);
        (await Truth().LeaseAsync(Ask(budget, Node("a"), 5, granted: 40, epoch: 1), Cancel)).Verdict.ShouldBe(LeaseVerdict.Fenced);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}

public sealed class SqliteBudgetTruthTests : StoredBudgetTruthTests<OnSqlite>;

public sealed class PostgresBudgetTruthTests : StoredBudgetTruthTests<OnPostgres>;

/// <summary>Budgets straight into a store, without use cases.</summary>
internal static class BudgetStore
{
    public static void AddTenant(TempStore store, string id) =>
        store.Execute($"INSERT INTO tenants (id, name, plan, time_zone, status, created_at) VALUES ('{id}', 'A', 'free', 'UTC', 'active', 0)");

    public static void Put(TempStore store, Budget b) => store.Execute($"""
        INSERT INTO budgets (tenant_id, id, scope, scope_name, scope_value, environment, period, limit_nano, action, mode, clamp, wait_ms, fail_open, increase_nano, increase_until, thresholds, created_at, created_by)
        VALUES ('{b.TenantId}', '{b.Id}', '{StoredBudget.ScopeText(b.Scope)}', '{b.Scope.Name}', '{b.Scope.Value}', {(int)b.Environment}, '{b.Period.ToString().ToLowerInvariant()}', {b.Limit.Value}, 'block',
                '{b.Mode.ToString().ToLowerInvariant()}', {b.Clamp}, {(int)b.Wait.TotalMilliseconds}, {b.FailOpen}, {b.Increase?.Amount.Value ?? 0},
                {(b.Increase is { } i ? Micros(i.Until).ToString() : "NULL")}, '{string.Join(',', b.Thresholds)}', {Micros(b.CreatedAt)}, 'test')
        ON CONFLICT (tenant_id, id) DO UPDATE SET limit_nano = excluded.limit_nano, increase_nano = excluded.increase_nano, increase_until = excluded.increase_until
        """);

    private static long Micros(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;
}
