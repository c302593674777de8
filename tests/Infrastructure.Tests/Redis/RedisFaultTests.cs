using System.Diagnostics;
using System.Net.Sockets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.RateLimits;
using Tokonomics.Testing;
using Tokonomics.Tests.RateLimits;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Redis;

/// <summary>What calls see while Redis fails, and after. Each test has a Redis and nodes of its own.</summary>
public sealed class RedisFaultTests(ITestOutputHelper output) : IAsyncLifetime
{
    private RedisServer _redis = null!;

    public async ValueTask InitializeAsync() => _redis = await RedisServer.StartAsync(appendOnly: true);

    public ValueTask DisposeAsync() => _redis.DisposeAsync();

    private static readonly TimeSpan AsSet = new Infrastructure.Redis.RedisOptions().Timeout; // 50 ms

    // By default they wait two seconds: a busy machine must not be taken for a fault where the test counts to the last call.
    private async Task<RateNode[]> NodesAsync(int count, int? port = null, TimeSpan? timeout = null)
    {
        var nodes = new List<RateNode>();
        for (var i = 0; i < count; i++)
            nodes.Add(await RateNode.StartAsync($"127.0.0.1:{port ?? _redis.Port}", "f:", timeout ?? TimeSpan.FromSeconds(2), new RateLimitOptions { Nodes = count }));
        foreach (var node in nodes)
            await node.UsableAsync();
        return [.. nodes];
    }

    private static async Task EndAsync(RateNode[] nodes)
    {
        foreach (var node in nodes)
            await node.DisposeAsync();
    }

    // Calls until nothing is admitted any more; how many were.
    private static async Task<int> ExhaustAsync(RateNode[] nodes, KeySnapshot key, int tries = 60)
    {
        var admitted = 0;
        for (var i = 0; i < tries; i++)
            foreach (var node in nodes)
                if ((await node.EnterAsync(key)).IsAllowed)
                    admitted++;
        return admitted;
    }

    private static async Task AwayAsync(RateNode[] nodes, KeySnapshot other)
    {
        foreach (var node in nodes)
        {
            await node.EnterAsync(other);
            await UntilAsync(() => !node.Connection.IsUsable, "nobody noticed that Redis is away");
        }
    }

    [Fact]
    public async Task Killed_and_restarted_with_its_file_it_goes_on_from_where_it_was()
    {
        // F11
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(20));
        (await nodes[0].EnterManyAsync(key, 6)).Count.ShouldBe(6);
        (await nodes[1].EnterManyAsync(key, 2)).Count.ShouldBe(2);
        await _redis.KillAsync();

        // Each node goes by its share: 10, of which one has used 6 and the other 2.
        (await ExhaustAsync([nodes[0]], key)).ShouldBe(4);
        (await ExhaustAsync([nodes[1]], key)).ShouldBe(8);
        (await nodes[0].EnterAsync(key)).Refusal!.RetryAfter!.Value.TotalSeconds.ShouldBeInRange(30, 61);

        await _redis.RestartAsync();
        foreach (var node in nodes)
            await node.UsableAsync();
        // 6 + 2 charged before, 4 + 8 owed and charged since: nothing is left.
        await UntilAsync(() => _redis.CommandAsync("HGET f:rate:{ten_1}:live:key_1:r total").Result == "$2", "what was owed was not charged");
        (await ExhaustAsync(nodes, key)).ShouldBe(0);
        // Another key finds Redis working for it, over both nodes.
        (await ExhaustAsync(nodes, Callers.Key(new CallLimits(5), null, "key_2"))).ShouldBe(5);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task Restarted_empty_it_is_told_what_the_nodes_remember()
    {
        // F12
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(40));
        var slots = Callers.Key(new CallLimits(null, null, 4), null, "key_2");
        (await nodes[0].EnterManyAsync(key, 15)).Count.ShouldBe(15);
        (await nodes[1].EnterManyAsync(key, 15)).Count.ShouldBe(15);
        (await nodes[0].EnterManyAsync(slots, 3)).Count.ShouldBe(3);
        await _redis.KillAsync();
        await _redis.RestartAsync(empty: true);
        await AwayAsync(nodes, Callers.Key(new CallLimits(1000), null, "key_3"));
        foreach (var node in nodes)
            await node.UsableAsync();
        // Redis is told of 30 again. For five seconds each node has its share, of which each has 5 left: that is all that is left.
        (await ExhaustAsync(nodes, key)).ShouldBe(10);
        await UntilAsync(() => _redis.CommandAsync("ZCARD f:rate:{ten_1}:live:key_2:c").Result == ":3", "the places that are taken were not told");
        (await ExhaustAsync(nodes, slots)).ShouldBe(1);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task Emptied_while_it_runs_it_is_told_by_each_nodes_next_call()
    {
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(40, 4000, 35));
        (await nodes[0].EnterManyAsync(key, 15)).Count.ShouldBe(15);
        (await nodes[1].EnterManyAsync(key, 15)).Count.ShouldBe(15);
        await _redis.FlushAsync();
        // The first call of each tells what it used. For five seconds each has its share, 17 places of 35, then whoever comes first.
        (await ExhaustAsync(nodes, key)).ShouldBe(4);
        var watch = Stopwatch.StartNew();
        var after = 0;
        while ((after += await ExhaustAsync(nodes, key, 1)) == 0)
        {
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20));
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        (after + await ExhaustAsync(nodes, key)).ShouldBe(1); // 35 run
        await EndAsync(nodes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_replica_that_takes_over_is_told_what_it_lacks_and_what_it_has_counts_once(bool behind)
    {
        // F13
        await using var following = new FaultyLink(_redis.Port);
        await using var replica = await _redis.StartReplicaAsync(following);
        await using var link = new FaultyLink(_redis.Port);
        var nodes = await NodesAsync(3, link.Port);
        var key = Callers.Key(new CallLimits(60));
        foreach (var node in nodes)
            (await node.EnterManyAsync(key, 5)).Count.ShouldBe(5);
        (await _redis.IsFollowedAsync()).ShouldBeTrue();
        following.Silent = behind;
        foreach (var node in nodes)
            (await node.EnterManyAsync(key, 10)).Count.ShouldBe(10);
        (await _redis.IsFollowedAsync()).ShouldBe(!behind);

        link.Refusing = true; // nobody finds the other before it was seen that this one is away
        await _redis.KillAsync();
        following.Reset();
        await replica.PromoteAsync();
        link.To = replica.Port;
        await AwayAsync(nodes, Callers.Key(new CallLimits(1000), null, "key_2"));
        link.Refusing = false;
        foreach (var node in nodes)
            await node.UsableAsync();
        await UntilAsync(() => nodes.All(n => n.Logs.Text.Contains("has taken over", StringComparison.Ordinal)), "nobody noticed that it is another Redis");
        // 45 of 60 were admitted, 15 by each node, whose share is 20; the replica knew of 15 or of all.
        (await ExhaustAsync(nodes, key)).ShouldBe(15);
        await Task.Delay(TimeSpan.FromSeconds(6), TestContext.Current.CancellationToken); // no longer by shares
        (await ExhaustAsync(nodes, key)).ShouldBe(0);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task What_a_node_used_that_is_gone_is_not_forgotten_by_a_replica_that_knew_it()
    {
        await using var following = new FaultyLink(_redis.Port);
        await using var replica = await _redis.StartReplicaAsync(following);
        await using var link = new FaultyLink(_redis.Port);
        var nodes = await NodesAsync(2, link.Port);
        var key = Callers.Key(new CallLimits(40));
        foreach (var node in nodes)
            (await node.EnterManyAsync(key, 15)).Count.ShouldBe(15);
        (await _redis.IsFollowedAsync()).ShouldBeTrue();
        await nodes[1].DisposeAsync();

        link.Refusing = true;
        await _redis.KillAsync();
        await replica.PromoteAsync();
        link.To = replica.Port;
        await AwayAsync(nodes[..1], Callers.Key(new CallLimits(1000), null, "key_2"));
        link.Refusing = false;
        await nodes[0].UsableAsync();
        // Its share of 20 for five seconds; then what is left of 40.
        (await ExhaustAsync(nodes[..1], key)).ShouldBe(5);
        var after = 0;
        for (var watch = Stopwatch.StartNew(); after == 0; await Task.Delay(50, TestContext.Current.CancellationToken))
        {
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20));
            after += await ExhaustAsync(nodes[..1], key, 1);
        }

        (after + await ExhaustAsync(nodes[..1], key)).ShouldBe(5);
        await EndAsync(nodes[..1]);
    }

    [Fact]
    public async Task Hanging_it_costs_calls_fifty_milliseconds_once_and_no_threads()
    {
        // F14
        var nodes = await NodesAsync(1, timeout: AsSet);
        var key = Callers.Key(new CallLimits(100, null, 50));
        (await nodes[0].EnterManyAsync(key, 10)).Count.ShouldBe(10);
        await _redis.PauseAsync();
        var threads = ThreadPool.ThreadCount;
        // All at once: each waits its 50 ms, on no thread.
        var watch = Stopwatch.StartNew();
        var admitted = (await Task.WhenAll(Enumerable.Range(0, 300).Select(_ => nodes[0].EnterAsync(key).AsTask()))).Count(v => v.IsAllowed);
        output.WriteLine($"300 calls into a hanging Redis: {watch.ElapsedMilliseconds} ms; threads {threads} before, {ThreadPool.ThreadCount} after");
        admitted.ShouldBe(40); // 50 places, 10 taken
        nodes[0].Connection.IsUsable.ShouldBeFalse();
        var asked = nodes[0].Limiter.Asked;
        watch.Restart();
        for (var i = 0; i < 10_000; i++)
            (await nodes[0].EnterAsync(key)).IsAllowed.ShouldBeFalse();
        output.WriteLine($"10,000 more: {watch.ElapsedMilliseconds} ms");
        nodes[0].Limiter.Asked.ShouldBe(asked); // the circuit is open: none of them asked
        ThreadPool.ThreadCount.ShouldBeLessThanOrEqualTo(threads + 8);

        await _redis.ContinueAsync();
        await nodes[0].UsableAsync();
        // The 300 questions are answered now, to nobody: what they took goes back, and what was admitted meanwhile is charged.
        await UntilAsync(() => Held() == 50, "the places of late answers were not given back");
        (await ExhaustAsync(nodes, key)).ShouldBe(0);
        await EndAsync(nodes);

        int Held() => int.Parse(_redis.CommandAsync("ZCARD f:rate:{ten_1}:live:key_1:c").Result[1..], null);
    }

    [Fact]
    public async Task Late_answers_leave_nothing_charged_twice()
    {
        var nodes = await NodesAsync(1, timeout: TimeSpan.FromSeconds(1)); // so that none is late but those that are meant to be
        var key = Callers.Key(new CallLimits(100));
        await _redis.PauseAsync();
        (await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => nodes[0].EnterAsync(key).AsTask()))).Count(v => v.IsAllowed).ShouldBe(30);
        await _redis.ContinueAsync();
        await nodes[0].UsableAsync();
        // 30 by the answers that nobody waited for, 30 that are owed, less the 30 that go back: in any order, and then it stays.
        var since = Stopwatch.StartNew();
        await UntilAsync(
            () =>
            {
                if (Total() != 30)
                    since.Restart();
                return since.Elapsed > TimeSpan.FromSeconds(1);
            },
            "not 30 but something else is charged");
        await EndAsync(nodes);

        int Total() => int.TryParse(CommandResult("HGET f:rate:{ten_1}:live:key_1:r total"), out var total) ? total : -1;
    }

    // A bulk string's text.
    private string CommandResult(string command)
    {
        using var socket = new TcpClient("127.0.0.1", _redis.Port);
        using var stream = socket.GetStream();
        stream.Write(System.Text.Encoding.ASCII.GetBytes(command + "\r\n"));
        using var reader = new StreamReader(stream);
        return reader.ReadLine()!.StartsWith("$-1", StringComparison.Ordinal) ? "" : reader.ReadLine()!;
    }

    public static TheoryData<string> Errors => ["OOM", "READONLY", "BUSY", "MISCONF"];

    [Theory]
    [MemberData(nameof(Errors))]
    public async Task Each_error_means_the_nodes_share_until_it_is_over(string error)
    {
        // F15
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(20));
        (await nodes[0].EnterManyAsync(key, 4)).Count.ShouldBe(4);
        var busy = Task.CompletedTask;
        switch (error)
        {
            case "OOM":
                await _redis.CommandAsync("CONFIG SET maxmemory 1");
                break;
            case "READONLY":
                await _redis.CommandAsync("REPLICAOF 127.0.0.1 1");
                break;
            case "BUSY":
                await _redis.CommandAsync("CONFIG SET busy-reply-threshold 1");
                busy = _redis.CommandAsync("EVAL", "while true do end", "0");
                await UntilAsync(() => _redis.CommandAsync("GET x").Result.StartsWith("-BUSY", StringComparison.Ordinal), "no script runs");
                break;
            case "MISCONF":
                await _redis.BreakSavingAsync();
                await UntilAsync(() => _redis.CommandAsync("SET x 1").Result.StartsWith("-MISCONF", StringComparison.Ordinal), "saving does not fail");
                break;
        }

        (await ExhaustAsync([nodes[0]], key)).ShouldBe(6); // its share of 10, 4 used
        (await ExhaustAsync([nodes[1]], key)).ShouldBe(10);
        nodes[0].Logs.Text.ShouldContain("Redis is away");
        output.WriteLine(nodes[0].Logs.Text);
        var asked = nodes[0].Limiter.Asked;
        await ExhaustAsync(nodes, key);
        nodes[0].Limiter.Asked.ShouldBe(asked);

        switch (error)
        {
            case "OOM":
                await _redis.CommandAsync("CONFIG SET maxmemory 0");
                break;
            case "READONLY":
                await _redis.CommandAsync("REPLICAOF NO ONE");
                break;
            case "BUSY":
                await _redis.CommandAsync("SCRIPT KILL");
                break;
            case "MISCONF":
                await _redis.MendSavingAsync();
                break;
        }

        await busy;
        foreach (var node in nodes)
            await node.UsableAsync();
        (await ExhaustAsync(nodes, Callers.Key(new CallLimits(5), null, "key_2"))).ShouldBe(5);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_Redis_that_is_loading_is_away_until_it_has_loaded()
    {
        var nodes = await NodesAsync(1);
        var key = Callers.Key(new CallLimits(10));
        (await nodes[0].EnterAsync(key)).IsAllowed.ShouldBeTrue();
        for (var i = 0; i < 200; i++)
            await _redis.CommandAsync($"SET filler{i} {new string('x', 200)}");
        await _redis.RewriteAsync();
        await _redis.KillAsync();
        await _redis.RestartAsync(slowly: true);
        (await _redis.CommandAsync("GET x")).ShouldStartWith("-LOADING");
        (await ExhaustAsync(nodes, key)).ShouldBe(9);
        nodes[0].Connection.IsUsable.ShouldBeFalse();
        await _redis.CommandAsync("CONFIG SET key-load-delay 0"); // the rest of the twenty seconds
        await nodes[0].UsableAsync();
        (await ExhaustAsync(nodes, key)).ShouldBe(0);
        await EndAsync(nodes);
    }

    [Theory]
    [InlineData("silent")]
    [InlineData("reset")]
    [InlineData("sockets killed")]
    public async Task A_partition_is_a_hanging_Redis_and_ends_by_itself(string kind)
    {
        // F16
        await using var link = new FaultyLink(_redis.Port);
        var nodes = await NodesAsync(1, link.Port);
        var beyond = await NodesAsync(1); // reaches Redis all the time
        var key = Callers.Key(new CallLimits(20));
        (await nodes[0].EnterManyAsync(key, 4)).Count.ShouldBe(4);
        nodes[0].Limiter.Nodes.ShouldBe(1);
        await UntilAsync(() => nodes[0].Limiter.Nodes == 2, "the second node was not seen");
        (link.Silent, link.Refusing) = (kind == "silent", kind == "reset");
        var reconnected = 0;
        nodes[0].Connection.Reconnected += () => Interlocked.Increment(ref reconnected);
        if (kind != "silent")
            link.Reset();
        var watch = Stopwatch.StartNew();
        if (kind == "sockets killed")
        {
            // Nothing is gone but the connections: that of questions, and that of notices.
            await nodes[0].EnterAsync(Callers.Key(new CallLimits(10), null, "key_9"));
            await UntilAsync(() => Volatile.Read(ref reconnected) >= 2, "the connections were not made again");
        }
        else
        {
            (await ExhaustAsync(nodes, key)).ShouldBe(6); // its share of 10, 4 used
            (await ExhaustAsync(beyond, key)).ShouldBe(16); // what Redis knows: 4 of 20
            await Task.Delay(7000, TestContext.Current.CancellationToken); // long enough for a connection that says nothing to be given up
        }

        (link.Silent, link.Refusing) = (false, false);
        await nodes[0].UsableAsync();
        output.WriteLine($"back after {watch.ElapsedMilliseconds} ms; {link.Accepted} connections");
        (await ExhaustAsync(nodes, Callers.Key(new CallLimits(5), null, "key_2"))).ShouldBe(5);
        if (kind != "sockets killed")
            (await ExhaustAsync(beyond, key)).ShouldBe(0); // 26 were admitted and are charged
        await EndAsync([.. nodes, .. beyond]);
    }

    [Fact]
    public async Task A_node_that_starts_while_Redis_is_away_serves_by_its_share_and_finds_it_later()
    {
        await _redis.KillAsync();
        var node = await RateNode.StartAsync(_redis.ConnectionString, "f:", TimeSpan.FromSeconds(5), new RateLimitOptions { Nodes = 4 });
        var key = Callers.Key(new CallLimits(20, 1000, 3));
        var admitted = await node.EnterManyAsync(key, 50);
        admitted.Count.ShouldBe(1); // 3 places of 4 nodes: at least one
        node.Limiter.Leave(admitted[0].Ticket, 1);
        for (var i = 0; i < 4; i++)
        {
            var verdict = await node.EnterAsync(key);
            verdict.IsAllowed.ShouldBeTrue();
            node.Limiter.Leave(verdict.Ticket, 1);
        }

        (await node.EnterAsync(key)).Refusal!.Kind.ShouldBe(RateKind.Requests); // 5 of 20
        await _redis.RestartAsync();
        await node.UsableAsync();
        var found = await node.EnterAsync(key);
        found.Requests.Remaining.ShouldBe(14); // of 20, with 5 that were admitted by the share, and this
        await node.DisposeAsync();
    }

    [Fact]
    public async Task Going_to_and_fro_all_the_time_it_never_admits_more_than_two_windows()
    {
        var nodes = await NodesAsync(3, timeout: AsSet);
        var key = Callers.Key(new CallLimits(30));
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(8));
        var admitted = 0;
        var calling = nodes.SelectMany(n => Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                if ((await n.EnterAsync(key)).IsAllowed)
                    Interlocked.Increment(ref admitted);
                await Task.Delay(1);
            }
        }))).ToList();
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            await Task.Delay(200);
            if (i % 3 == 0)
                await _redis.FlushAsync();
            else if (i % 3 == 1)
            {
                await _redis.PauseAsync();
                await Task.Delay(200);
                await _redis.ContinueAsync();
            }
            else
            {
                await _redis.KillAsync();
                await _redis.RestartAsync(empty: true);
            }
        }

        await Task.WhenAll(calling);
        output.WriteLine($"{admitted} admitted, limit 30, in less than a minute");
        admitted.ShouldBeInRange(30, 60);
        await EndAsync(nodes);
    }
}
