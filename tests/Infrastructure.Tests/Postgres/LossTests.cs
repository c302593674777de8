using Npgsql;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Tests.Postgres;

/// <summary>Connections and servers that end in the middle of things.</summary>
public sealed class LossTests(ITestOutputHelper output) : PostgresTests
{
    [Fact]
    public async Task Connections_ended_at_any_moment_lose_and_double_nothing()
    {
        await using var second = await Kind.NewAsync(Store, withDirectory: false);
        var events = Costs(2000, hours: 3);
        using var stop = new CancellationTokenSource();
        var ended = 0L;
        var ending = Task.Run(async () =>
        {
            var random = new Random(1);
            var text = OnPostgres.ConnectionString(Store) + ";Application Name=the one who ends them";
            await using var source = NpgsqlDataSource.Create(text);
            // A number of them and no longer, so that a slow machine comes to an end too.
            while (!stop.IsCancellationRequested && ended < 60)
            {
                // Among others also right after the commit, before its answer is sent.
                await using var command = source.CreateCommand("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tokonomics' AND state <> 'idle' AND random() < 0.5");
                ended += (long)(await command.ExecuteScalarAsync(Cancel))!;
                await Task.Delay(random.Next(1, 25), Cancel);
            }
        });
        await Task.WhenAll(new[] { Store, second }.Select((node, n) => Task.Run(async () =>
        {
            var owner = new LeaseOwner($"n{n}", 1);
            for (var from = n * 1000; from < (n + 1) * 1000; from += 100)
            {
                var batch = events.GetRange(from, 100);
                await AppendUntilTakenAsync(node.Get<IUsageLedger>(), batch);
                await LeaseUntilAnsweredAsync(node.Get<IBudgetTruth>(), owner, from - (n * 1000) + 100);
            }
        })));
        await stop.CancelAsync();
        await ending;
        output.WriteLine($"{ended} connections ended");
        ended.ShouldBeGreaterThan(5);
        await ShouldHaveAsync(Store, events);
        // 10 times 100 for each node: named as totals, so that an answer that was lost changes nothing.
        (await Store.Get<IBudgetTruth>().NodesAsync(Cancel)).Select(n => (n.Node, n.Outstanding.Value)).ShouldBe([("n0", 1000), ("n1", 1000)]);
    }

    private static async Task LeaseUntilAnsweredAsync(IBudgetTruth truth, LeaseOwner owner, long upTo)
    {
        while (true)
        {
            try
            {
                var answer = await truth.LeaseAsync(new LeaseCall(Opening(Budgets[0], Some.Noon), owner) { Epoch = upTo == 100 ? 0 : 1, Granted = new NanoUsd(upTo - 100), Least = new NanoUsd(100) }, Cancel);
                answer.Verdict.ShouldBe(LeaseVerdict.Granted);
                answer.Granted.Value.ShouldBe(upTo);
                return;
            }
            catch (NpgsqlException)
            {
                await Task.Delay(20, Cancel);
            }
        }
    }

    [Fact]
    public async Task A_server_that_crashes_under_load_comes_back_with_all_that_it_acknowledged()
    {
        await using var server = await PostgresServer.StartAsync(durable: true);
        await using var store = OnPostgres.On(await server.CreateDatabaseAsync(), withDirectory: false);
        await using var second = OnPostgres.On(OnPostgres.ConnectionString(store), store.Folder, withDirectory: false);
        Prepare(store);
        var events = Costs(4000, hours: 2);
        var taken = 0;
        var load = new[] { store, second }.Select((node, n) => Task.Run(async () =>
        {
            for (var from = n * 2000; from < (n + 1) * 2000; from += 100)
            {
                await AppendUntilTakenAsync(node.Get<IUsageLedger>(), events.GetRange(from, 100));
                Interlocked.Add(ref taken, 100);
            }
        })).ToList();
        for (var crash = 1; crash <= 3; crash++)
        {
            while (Volatile.Read(ref taken) < crash * 800)
            {
                if (load.Find(t => t.IsFaulted) is { } failed)
                    await failed;
                await Task.Delay(5, Cancel);
            }

            await server.StopImmediateAsync();
            var acknowledged = Volatile.Read(ref taken);
            await server.StartAgainAsync();
            await using var source = NpgsqlDataSource.Create(OnPostgres.ConnectionString(store));
            await using var command = source.CreateCommand("SELECT count(*) FROM usage_events");
            ((long)(await command.ExecuteScalarAsync(Cancel))!).ShouldBeGreaterThanOrEqualTo(acknowledged);
        }

        await Task.WhenAll(load);
        await ShouldHaveAsync(store, events);
    }

    [Fact]
    public async Task A_server_that_is_away_is_said_to_be_so_soon_and_found_again_when_it_is_back()
    {
        await using var server = await PostgresServer.StartAsync();
        await using var store = OnPostgres.On(await server.CreateDatabaseAsync(), withDirectory: false);
        Prepare(store);
        await server.StopImmediateAsync();
        var call = new LeaseCall(Opening(Budgets[0], Some.Noon), new LeaseOwner("n", 1)) { Least = new NanoUsd(1) };
        await Should.ThrowAsync<NpgsqlException>(() => store.Get<IBudgetTruth>().LeaseAsync(call, Cancel));
        await Should.ThrowAsync<NpgsqlException>(() => store.Get<IUsageLedger>().AppendAsync(Costs(1), Cancel));
        await server.StartAgainAsync();
        (await store.Get<IBudgetTruth>().LeaseAsync(call, Cancel)).Verdict.ShouldBe(LeaseVerdict.Granted);
        (await store.Get<IUsageLedger>().AppendAsync(Costs(1), Cancel)).ShouldBe(1);
    }
}
