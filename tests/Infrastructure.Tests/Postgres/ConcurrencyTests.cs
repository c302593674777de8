using Npgsql;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Tests.Budgets;

namespace Tokonomics.Tests.Postgres;

/// <summary>Several nodes on one database.</summary>
public sealed class ConcurrencyTests : PostgresTests
{
    private static NanoUsd N(long value) => new(value);

    private async Task<List<TempStore>> NodesAsync(int count)
    {
        var nodes = new List<TempStore>();
        for (var i = 0; i < count; i++)
            nodes.Add(await Kind.NewAsync(Store, withDirectory: false));
        return nodes;
    }

    private static async Task EndAsync(IEnumerable<TempStore> nodes)
    {
        foreach (var node in nodes)
            await node.DisposeAsync();
    }

    [Fact]
    public async Task Overlapping_batches_of_four_nodes_count_every_event_once()
    {
        var nodes = await NodesAsync(4);
        var events = Costs(3000, hours: 5);
        var added = await Task.WhenAll(nodes.Select((node, n) => Task.Run(async () =>
        {
            var random = new Random(n);
            var total = 0;
            for (var i = 0; i < 15; i++)
            {
                var from = random.Next(events.Count - 200);
                total += await node.Get<IUsageLedger>().AppendAsync([.. events.GetRange(from, 200).OrderBy(_ => random.Next())], Cancel); // in any order
            }

            for (var from = n * 750; from < (n + 1) * 750; from += 250)
                total += await node.Get<IUsageLedger>().AppendAsync(events.GetRange(from, 250), Cancel);
            return total;
        })));
        added.Sum().ShouldBe(3000);
        await ShouldHaveAsync(Store, events);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task Accounts_opened_under_load_miss_no_event_and_count_none_twice()
    {
        var nodes = await NodesAsync(3);
        var events = Costs(3000);
        var more = Enumerable.Range(0, 12).Select(i => Budget($"bud_more{i:d2}", i % 2 == 0 ? BudgetScope.Team($"team_{i % 4}") : BudgetScope.Tag("customer", $"c{i % 7}"), i % 3 == 0 ? BudgetPeriod.Total : BudgetPeriod.Month)).ToList();
        // One budget for each scope and period: what the first took, the next doesn't get.
        more = [.. more.DistinctBy(b => (b.Scope, b.Period))];
        events = [.. events.Select((e, i) => e with { TeamId = $"team_{i % 4}" })];
        var appending = nodes.Select((node, n) => Task.Run(async () =>
        {
            for (var from = n * 1000; from < (n + 1) * 1000; from += 25)
                await node.Get<IUsageLedger>().AppendAsync(events.GetRange(from, 25), Cancel);
        })).ToList();
        foreach (var budget in more)
        {
            BudgetStore.Put(Store, budget);
            // All nodes at once, some by reading and some by leasing.
            await Task.WhenAll(nodes.Select((node, n) => Task.Run(async () =>
            {
                if (n == 0)
                    await node.Get<IBudgetTruth>().ReadAsync([Opening(budget, Some.Noon)], Cancel);
                else
                    await node.Get<IBudgetTruth>().LeaseAsync(new LeaseCall(Opening(budget, Some.Noon), new LeaseOwner($"n{n}", 1)) { Least = N(5) }, Cancel);
            })));
        }

        await Task.WhenAll(appending);
        await ShouldHaveAsync(Store, events);
        foreach (var budget in more)
            Store.Count($"SELECT posted_nano FROM budget_accounts WHERE budget_id = '{budget.Id}'").ShouldBe(
                events.Where(e => budget.Scope.Kind == BudgetScopeKind.Team ? e.TeamId == budget.Scope.Value : e.Tags[0].Value == budget.Scope.Value).Sum(e => e.Cost!.Value.Value), budget.ToString());
        await EndAsync(nodes);
    }

    [Fact]
    public async Task Eight_nodes_that_lease_spend_and_give_back_never_have_more_than_the_limit()
    {
        const long Limit = 2400;
        var budget = Budget("bud_small", BudgetScope.Project("prj_1"), BudgetPeriod.Month, Limit);
        BudgetStore.Put(Store, budget);
        var opening = Opening(budget, Some.Noon);
        var nodes = await NodesAsync(8);
        using var stop = new CancellationTokenSource();
        var most = 0L;
        var watching = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var state in await Store.Get<IBudgetTruth>().ListAsync("ten_a", "bud_small", opening.Key.PeriodStart, 10, Cancel))
                    most = Math.Max(most, (state.Posted + state.Leased).Value);
            }
        });
        var spent = await Task.WhenAll(nodes.Select((node, n) => Task.Run(async () =>
        {
            var random = new Random(n);
            var truth = node.Get<IBudgetTruth>();
            var lease = new Lease(opening.Key, new LeaseOwner($"n{n}", 1));
            var total = 0L;
            for (var i = 0; i < 20; i++)
            {
                var cost = random.Next(1, 60);
                var answer = await truth.LeaseAsync(new LeaseCall(opening, lease.Owner) { Epoch = lease.Epoch, Granted = lease.Granted, Returned = lease.Returned, Want = N(100), Least = N(Math.Max(0, cost - lease.Free.Value)), Nodes = 8 }, Cancel);
                if (answer.Verdict is LeaseVerdict.Granted or LeaseVerdict.Refused)
                    lease.Adopt(answer.Granted, answer.Epoch, long.MaxValue);
                if (lease.Covers(cost, 0))
                {
                    lease.Take(cost);
                    lease.Settle(cost, cost);
                    var usage = Some.Event($"req_{n}_{i}") with { ProjectId = "prj_1", Cost = N(cost), UpperBound = N(cost), Charges = [new BudgetCharge(opening.Key, lease.Owner.ToString(), N(cost))] };
                    await node.Get<IUsageLedger>().AppendAsync([usage], Cancel);
                    lease.Post(cost);
                    total += cost;
                }

                if (random.Next(5) == 0)
                    lease.ReturnFree();
            }

            return total;
        })));
        await stop.CancelAsync();
        await watching;
        most.ShouldBeLessThanOrEqualTo(Limit);
        most.ShouldBeGreaterThan(Limit / 2); // they did contend
        Store.Count("SELECT posted_nano FROM budget_accounts WHERE budget_id = 'bud_small'").ShouldBe(spent.Sum());
        Store.Count("SELECT count(*) FROM budget_alerts WHERE kind = 'overrun'").ShouldBe(0);
        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_node_that_is_closed_while_it_leases_is_left_with_nothing()
    {
        var nodes = await NodesAsync(2);
        for (var round = 0; round < 12; round++)
        {
            var name = $"dead{round}";
            var leasing = Enumerable.Range(0, 6).Select(i => Task.Run(() => nodes[0].Get<IBudgetTruth>().LeaseAsync(new LeaseCall(Opening(Budgets[i % 3], Some.Noon), new LeaseOwner(name, i)) { Least = N(10) }, Cancel))).ToList();
            var closed = await nodes[1].Get<IBudgetTruth>().CloseNodeAsync(name, asSpent: true, Cancel);
            var answers = await Task.WhenAll(leasing);
            // What was granted before was taken, what came after was refused: nothing is left over, nothing was taken that wasn't given.
            closed.ShouldBe(N(10 * answers.Count(a => a.Verdict == LeaseVerdict.Granted)));
            (await Store.Get<IBudgetTruth>().NodesAsync(Cancel)).ShouldNotContain(n => n.Node == name);
        }

        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_deadlock_with_an_operators_prompt_is_repeated_and_counts_once()
    {
        var events = Costs(20);
        await Store.Get<IUsageLedger>().AppendAsync(events[..10], Cancel); // opens the accounts
        await using var prompt = new NpgsqlConnection(OnPostgres.ConnectionString(Store));
        await prompt.OpenAsync(Cancel);
        await using var transaction = await prompt.BeginTransactionAsync(Cancel);
        await Execute("SELECT 1 FROM budget_accounts WHERE budget_id = 'bud_3' FOR UPDATE");
        var appending = Store.Get<IUsageLedger>().AppendAsync(events[10..], Cancel); // has bud_1 and bud_2, waits for bud_3
        await BlockedAsync(Store, 1);
        try
        {
            await Execute("SELECT 1 FROM budget_accounts WHERE budget_id = 'bud_1' FOR UPDATE"); // the circle is closed: one of the two is sent back
            await transaction.CommitAsync(Cancel);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.DeadlockDetected)
        {
            await transaction.RollbackAsync(Cancel);
        }

        (await appending).ShouldBe(10);
        await ShouldHaveAsync(Store, events);

        async Task Execute(string sql)
        {
            await using var command = new NpgsqlCommand(sql, prompt, transaction);
            await command.ExecuteNonQueryAsync(Cancel);
        }
    }
}
