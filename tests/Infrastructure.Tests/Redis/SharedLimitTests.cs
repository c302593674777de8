using System.Diagnostics;
using StackExchange.Redis;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Testing;
using Tokonomics.Tests.RateLimits;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Redis;

/// <summary>Limits over several nodes while Redis is there.</summary>
public sealed class SharedLimitTests(SharedLimitTests.Server server, ITestOutputHelper output) : IClassFixture<SharedLimitTests.Server>
{
    public sealed class Server : IAsyncLifetime
    {
        private int _prefixes;

        public RedisServer Redis { get; private set; } = null!;

        /// <summary>Each test has keys of its own.</summary>
        public string Prefix => $"t{Interlocked.Increment(ref _prefixes)}:";

        public async ValueTask InitializeAsync() => Redis = await RedisServer.StartAsync();

        public ValueTask DisposeAsync() => Redis.DisposeAsync();
    }

    private async Task<RateNode[]> NodesAsync(int count, string? prefix = null)
    {
        prefix ??= server.Prefix;
        var nodes = new RateNode[count];
        for (var i = 0; i < count; i++)
            nodes[i] = await RateNode.StartAsync(server.Redis.ConnectionString, prefix);
        return nodes;
    }

    private static async Task EndAsync(IEnumerable<RateNode> nodes)
    {
        foreach (var node in nodes)
            await node.DisposeAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(500)]
    [InlineData(3000)]
    public async Task Three_nodes_together_admit_what_one_limit_says(int limit)
    {
        var nodes = await NodesAsync(3);
        foreach (var (limits, key) in new[] { new CallLimits(limit), new CallLimits(null, limit * 10L), new CallLimits(null, null, limit) }.Select((l, i) => (l, Callers.Key(l, null, $"key_{i}"))))
        {
            var watch = Stopwatch.StartNew();
            var admitted = (await Task.WhenAll(nodes.Select(n => n.EnterManyAsync(key, limit, 10)))).Sum(a => a.Count);
            // What is left is what a node took ahead and did not use: it comes back after a second, and is then admitted.
            admitted.ShouldBeInRange(Math.Max(1, limit * 9 / 10), limit, limits.ToString());
            while (admitted < limit)
            {
                watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20));
                admitted += (await nodes[admitted % 3].EnterManyAsync(key, limit - admitted, 10)).Count;
                await Task.Delay(50);
            }

            (await Task.WhenAll(nodes.Select(n => n.EnterManyAsync(key, 20, 10)))).Sum(a => a.Count).ShouldBe(0, limits.ToString());
        }

        foreach (var node in nodes)
            node.Logs.Text.ShouldNotContain("away");
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_tenants_limit_holds_over_its_keys_and_a_refusal_takes_nothing()
    {
        var nodes = await NodesAsync(2);
        var tenant = new CallLimits(10, 1000, 8);
        var one = Callers.Key(new CallLimits(4), tenant, "key_1");
        var other = Callers.Key(null, tenant, "key_2");
        (await nodes[0].EnterManyAsync(one, 20, 50)).Count.ShouldBe(4); // its own limit; 16 refusals
        var more = await nodes[1].EnterManyAsync(other, 20, 50);
        more.Count.ShouldBe(4); // 8 run
        var refused = await nodes[1].EnterAsync(other, 50);
        refused.Refusal.ShouldBe(new RateRefusal(RateScope.Tenant, RateKind.Concurrency, 8, TimeSpan.FromSeconds(1)));
        foreach (var verdict in more)
            nodes[1].Limiter.Leave(verdict.Ticket, 50);
        await AdmittedAsync(nodes[0], other, 50); // the other node hears of the places in a moment
        var last = await nodes[0].EnterManyAsync(other, 20, 50);
        last.Count.ShouldBe(1); // 10 requests
        (await nodes[0].EnterAsync(other, 50)).Refusal.ShouldSatisfyAllConditions(r => r!.Kind.ShouldBe(RateKind.Requests), r => r!.RetryAfter!.Value.ShouldBeInRange(TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(62)));
        // 1000 - 10 * 50 tokens are left, for all the refusals; up to 10 are on their way back from what was taken ahead.
        last.Min(v => v.Tokens.Remaining).ShouldBeInRange(490, 500);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task What_was_not_used_is_there_for_other_nodes_when_the_call_has_ended()
    {
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(10, 1000, 1));
        var first = await nodes[0].EnterAsync(key, 900);
        (await nodes[1].EnterAsync(key, 900)).IsAllowed.ShouldBeFalse();
        nodes[0].Limiter.Leave(first.Ticket, 100);
        await AdmittedAsync(nodes[1], key, 900);
        (await nodes[0].EnterAsync(key, 1)).Refusal.ShouldNotBeNull();
        await EndAsync(nodes);
    }

    [Fact]
    public async Task What_was_used_beyond_the_estimate_counts_on_other_nodes_too()
    {
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(null, 1000));
        nodes[0].Limiter.Leave((await nodes[0].EnterAsync(key, 10)).Ticket, 5000);
        var watch = Stopwatch.StartNew();
        RateVerdict verdict;
        while ((verdict = await nodes[1].EnterAsync(key, 1)).IsAllowed)
        {
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(10));
            await Task.Delay(20);
        }

        verdict.Refusal!.Kind.ShouldBe(RateKind.Tokens);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_call_that_was_never_sent_gives_its_request_back()
    {
        var nodes = await NodesAsync(2);
        var key = Callers.Key(new CallLimits(1, 100));
        nodes[0].Limiter.Cancel((await nodes[0].EnterAsync(key, 100)).Ticket);
        await AdmittedAsync(nodes[1], key, 100);
        await EndAsync(nodes);
    }

    private static async Task AdmittedAsync(RateNode node, Application.Keys.KeySnapshot key, long tokens)
    {
        var watch = Stopwatch.StartNew();
        while (!(await node.EnterAsync(key, tokens)).IsAllowed)
        {
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(10));
            await Task.Delay(20);
        }
    }

    [Fact]
    public async Task A_busy_key_takes_ahead_and_a_quiet_one_does_not()
    {
        var nodes = await NodesAsync(1);
        var busy = Callers.Key(new CallLimits(1_000_000, 100_000_000, 10_000));
        for (var i = 0; i < 20_000; i++)
            nodes[0].Limiter.Leave((await nodes[0].EnterAsync(busy, 20)).Ticket, 20);
        output.WriteLine($"{nodes[0].Limiter.Asked} questions for 20,000 calls");
        nodes[0].Limiter.Asked.ShouldBeLessThan(10_000);
        var asked = nodes[0].Limiter.Asked;
        var quiet = Callers.Key(new CallLimits(100, 100_000, 10), null, "key_2");
        for (var i = 0; i < 10; i++)
            nodes[0].Limiter.Leave((await nodes[0].EnterAsync(quiet, 20)).Ticket, 20);
        (nodes[0].Limiter.Asked - asked).ShouldBe(10);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task Whoever_hammers_at_a_closed_door_does_not_reach_Redis_each_time()
    {
        var nodes = await NodesAsync(1);
        var key = Callers.Key(new CallLimits(1));
        await nodes[0].EnterAsync(key);
        await nodes[0].EnterAsync(key);
        var watch = Stopwatch.StartNew();
        var asked = nodes[0].Limiter.Asked;
        for (var i = 0; i < 1000; i++)
            (await nodes[0].EnterAsync(key)).Refusal!.RetryAfter!.Value.TotalSeconds.ShouldBeInRange(50, 62);
        (nodes[0].Limiter.Asked - asked).ShouldBeLessThanOrEqualTo(1 + (long)(watch.Elapsed.TotalMilliseconds / 250));
        await EndAsync(nodes);
    }

    [Fact]
    public async Task The_places_of_a_node_that_died_come_back_when_its_lease_ends()
    {
        var prefix = server.Prefix;
        var nodes = await NodesAsync(1, prefix);
        var key = Callers.Key(new CallLimits(null, null, 2));
        // A node that is no more: one lease that ends soon, one that ended.
        var soon = DateTimeOffset.UtcNow.AddMilliseconds(1500).ToUnixTimeMilliseconds();
        await server.Redis.CommandAsync($"ZADD {prefix}rate:{{ten_1}}:live:key_1:c {soon} dead:1 {soon} dead:2");
        (await nodes[0].EnterAsync(key)).Refusal!.Kind.ShouldBe(RateKind.Concurrency);
        await UntilAsync(() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() >= soon, "time passes");
        (await nodes[0].EnterManyAsync(key, 5)).Count.ShouldBe(2);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_call_that_runs_long_keeps_its_place()
    {
        var prefix = server.Prefix;
        var nodes = await NodesAsync(2, prefix);
        var key = Callers.Key(new CallLimits(null, null, 1));
        var set = $"{prefix}rate:{{ten_1}}:live:key_1:c";
        await nodes[0].EnterAsync(key);
        await server.Redis.CommandAsync($"DEL {set}"); // as if its lease had ended
        var watch = Stopwatch.StartNew();
        while (await server.Redis.CommandAsync($"ZCARD {set}") != ":1")
        {
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(10));
            await Task.Delay(50);
        }

        (await nodes[1].EnterAsync(key)).Refusal!.Kind.ShouldBe(RateKind.Concurrency);
        await EndAsync(nodes);
    }

    [Fact]
    public async Task A_stopping_node_gives_its_places_back()
    {
        var prefix = server.Prefix;
        var nodes = await NodesAsync(2, prefix);
        var key = Callers.Key(new CallLimits(null, null, 1));
        await nodes[0].EnterAsync(key);
        nodes[1].Limiter.Nodes.ShouldBe(2);
        await nodes[0].DisposeAsync();
        await AdmittedAsync(nodes[1], key, 1);
        await UntilAsync(() => server.Redis.CommandAsync($"ZCARD {prefix}rate:{{nodes}}:all").Result == ":1", "the node did not say that it goes");
        await nodes[1].DisposeAsync();
    }

    [Fact]
    public async Task A_script_that_Redis_has_forgotten_is_loaded_again()
    {
        var nodes = await NodesAsync(1);
        var key = Callers.Key(new CallLimits(10, null, 5));
        for (var i = 0; i < 5; i++)
        {
            (await server.Redis.CommandAsync("SCRIPT FLUSH")).ShouldBe("+OK");
            (await nodes[0].EnterAsync(key)).Requests.Remaining.ShouldBe(9 - i);
        }

        nodes[0].Logs.Text.ShouldNotContain("away");
        await EndAsync(nodes);
    }

    [Fact]
    public async Task All_keys_of_a_question_have_the_tenants_hash_tag()
    {
        var prefix = server.Prefix;
        var nodes = await NodesAsync(1, prefix);
        var limits = new CallLimits(10, 1000, 5);
        (await nodes[0].EnterAsync(Callers.Key(limits, limits))).IsAllowed.ShouldBeTrue();
        using var open = await OpenRedis.AsAsync($"{server.Redis.ConnectionString},syncTimeout=60000");
        var redis = open.Connection;
        var keys = redis.GetServer(server.Redis.ConnectionString).Keys(pattern: $"{prefix}rate:*").Select(k => k.ToString()).Where(k => !k.Contains("{nodes}", StringComparison.Ordinal)).ToList();
        keys.Count.ShouldBe(6);
        keys.ShouldAllBe(k => k.StartsWith($"{prefix}rate:{{ten_1}}:live:", StringComparison.Ordinal));
        await EndAsync(nodes);
    }

    [Fact]
    public async Task In_no_sixty_seconds_of_Rediss_clock_is_more_charged_than_the_limit()
    {
        // The script with a clock that the test sets: the last two arguments.
        var script = RedisScript.Enter.Text.Replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}", StringComparison.Ordinal);
        script.ShouldNotBe(RedisScript.Enter.Text);
        using var open = await OpenRedis.AsAsync(server.Redis.ConnectionString);
        var redis = open.Connection;
        var database = redis.GetDatabase();
        await Parallel.ForEachAsync(Enumerable.Range(0, 1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (seed, _) =>
        {
            var random = new Random(seed);
            RedisKey[] keys = [$"v{seed}:r", $"v{seed}:k", $"v{seed}:c"];
            var (requests, tokens, running) = (random.Next(1, 12), random.Next(20, 400), random.Next(1, 5));
            var charges = new List<(double At, long Second, long Tokens)>();
            var (now, slot) = (1_800_000_000.0 + random.NextDouble(), 0L);
            var stamps = new long[2];
            var from = 0L;
            for (var step = 0; step < 60; step++)
            {
                now += random.Next(4) switch { 0 => random.NextDouble() * 30, 1 => 0, _ => random.NextDouble() * 2 };
                var held = charges.Count(c => c.At > now - 10); // a lease of ten seconds that nobody renews
                var need = random.Next(1, 60);
                var (back, second) = (0L, 0L);
                if (charges.Count > 0 && random.Next(3) == 0)
                {
                    var at = random.Next(charges.Count);
                    (second, back) = (charges[at].Second, random.NextInt64(charges[at].Tokens + 1));
                    charges[at] = charges[at] with { Tokens = charges[at].Tokens - back };
                }

                var whole = Math.Floor(now);
                // Another Redis takes over that has all the charges: none is forgotten.
                if (back == 0 && random.Next(20) == 0)
                    from = ((long)whole * 1_000_000) + (long)((now - whole) * 1_000_000);
                var answer = (long[])(await database.ExecuteAsync("EVAL", script, 3, keys[0], keys[1], keys[2],
                    2, "n", 10_000, 1, from,
                    requests, 1, 0, stamps[0], 0, 0, 0,
                    tokens, need, 0, stamps[1], 0, 0, 1, second, back,
                    running, 0, ++slot, 0,
                    (long)whole, (long)((now - whole) * 1_000_000)))!;
                (stamps[0], stamps[1]) = (answer[5], answer[9]);
                var recent = charges.Where(c => c.At > now - 60).ToList();
                if (answer[0] == 0)
                {
                    (recent.Count + 1).ShouldBeLessThanOrEqualTo(requests, $"seed {seed}, step {step}");
                    (recent.Sum(c => c.Tokens) + need).ShouldBeLessThanOrEqualTo(tokens, $"seed {seed}, step {step}");
                    (held + 1).ShouldBeLessThanOrEqualTo(running, $"seed {seed}, step {step}");
                    charges.Add((now, answer[4], need));
                }
                else
                {
                    var counted = charges.Where(c => c.At > now - 62).ToList();
                    (counted.Count + 1 > requests || counted.Sum(c => c.Tokens) + need > tokens || charges.Count(c => c.At > now - 10.01) + 1 > running).ShouldBeTrue($"seed {seed}, step {step}: refused with room");
                }
            }

            await database.KeyDeleteAsync(keys);
        });
    }

    [Fact]
    public async Task A_clock_that_is_set_back_or_forth_frees_nothing_early_and_blocks_nothing_for_good()
    {
        var script = RedisScript.Enter.Text.Replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}", StringComparison.Ordinal);
        using var open = await OpenRedis.AsAsync(server.Redis.ConnectionString);
        var redis = open.Connection;
        var database = redis.GetDatabase();
        async Task<bool> TakeAsync(long second) =>
            ((long[])(await database.ExecuteAsync("EVAL", script, 1, (RedisKey)"back:r", 1, "n", 10_000, 1, 0, 3, 1, 0, 0, 0, 0, 0, second, 0))!)[0] == 0;
        const long Start = 1_800_000_000;
        (await TakeAsync(Start)).ShouldBeTrue();
        (await TakeAsync(Start)).ShouldBeTrue();
        (await TakeAsync(Start)).ShouldBeTrue();
        (await TakeAsync(Start - 3)).ShouldBeFalse(); // a little
        (await TakeAsync(Start - 3600)).ShouldBeFalse(); // an hour
        (await TakeAsync(Start - 3600 + 61)).ShouldBeFalse();
        (await TakeAsync(Start - 3600 + 62)).ShouldBeTrue();
        (await TakeAsync(Start + 40 * 86_400)).ShouldBeTrue(); // 40 days ahead, by mistake
        (await TakeAsync(Start)).ShouldBeTrue(); // and back: one of then, one now
        (await TakeAsync(Start)).ShouldBeTrue();
        (await TakeAsync(Start)).ShouldBeFalse();
        (await TakeAsync(Start + 62)).ShouldBeTrue();
    }
}
