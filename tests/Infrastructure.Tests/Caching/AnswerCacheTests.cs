using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using Tokonomics.Application.Caching;
using Tokonomics.Infrastructure.Caching;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;
using Tokonomics.Testing;
using Tokonomics.Tests.Redis;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Caching;

/// <summary>Answers in memory and in Redis.</summary>
public sealed class AnswerCacheTests : IAsyncLifetime
{
    private readonly TempStore _store = new();

    private static AnswerName Name(string of) => new("ten_a", "epoch", SHA256.HashData(Encoding.UTF8.GetBytes(of)));

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private AnswerCache Node(MemoryAnswers memory, RedisServer? redis, TimeSpan? timeout = null)
    {
        var options = new RedisOptions { Timeout = timeout ?? TimeSpan.FromSeconds(1) };
        return new AnswerCache(
            new AnswerSeal(_store.Get<MasterKeyRing>()), memory,
            redis is null ? null : new RedisAnswers(new RedisConnection(redis.ConnectionString, options, _store.Clock, NullLogger<RedisConnection>.Instance), options.Prefix), _store.Clock);
    }

    private KeptAnswer Now(string body, double seconds = 60) => Answers.Of(body, _store.Clock.GetUtcNow(), TimeSpan.FromSeconds(seconds));

    [Fact]
    public async Task Memory_keeps_within_its_bytes_and_what_was_used_least_lately_leaves()
    {
        using var memory = new MemoryAnswers(10_000, _store.Clock);
        await using var cache = Node(memory, null);
        for (var i = 0; i < 5; i++)
        {
            cache.Keep(Name($"{i}"), Now(new string('x', 2_000)));
            (await cache.FindAsync(Name("0"))).ShouldNotBeNull($"{i}");
            memory.Bytes.ShouldBeInRange(2_000, 10_000);
        }

        (await cache.FindAsync(Name("1"))).ShouldBeNull();
        (await cache.FindAsync(Name("4")))!.Body.Length.ShouldBe(2_000);
        // One that is larger than all of it isn't kept, and moves nothing out.
        cache.Keep(Name("large"), Now(new string('x', 20_000)));
        (await cache.FindAsync(Name("large"))).ShouldBeNull();
        (await cache.FindAsync(Name("0"))).ShouldNotBeNull();
        // Another in the place of one that is there.
        cache.Keep(Name("0"), Now("other"));
        Encoding.UTF8.GetString((await cache.FindAsync(Name("0")))!.Body).ShouldBe("other");
        memory.Find(Convert.ToHexStringLower(Name("0").Hash)).ShouldNotBeNull().Length.ShouldBe(AnswerSeal.Overhead + AnswerFormat.Write(Now("other")).Length);
        _store.Clock.Ahead += TimeSpan.FromSeconds(61);
        (await cache.FindAsync(Name("0"))).ShouldBeNull();
    }

    [Fact]
    public async Task What_one_node_keeps_another_finds_and_Redis_has_no_word_of_it()
    {
        await using var redis = await RedisServer.StartAsync();
        using var memory = new MemoryAnswers(1_000_000, _store.Clock);
        await using var one = Node(new MemoryAnswers(1_000_000, _store.Clock), redis);
        await using var other = Node(memory, redis);
        await KeptInRedisAsync(one, redis, Now("the CANARY7Q of an answer"));
        await FoundAsync(other);
        (await other.FindAsync(Name("a")))!.ShouldSatisfyAllConditions(a => Encoding.UTF8.GetString(a.Body).ShouldBe("the CANARY7Q of an answer"), a => a.Cost!.Value.Value.ShouldBe(1234));
        memory.Bytes.ShouldBeGreaterThan(0); // from there on without Redis

        using var open = await OpenRedis.AsAsync(redis.ConnectionString);
        var connection = open.Connection;
        var keys = connection.GetServer(connection.GetEndPoints()[0]).Keys().Select(k => (string)k!).Where(k => !k.EndsWith("probe", StringComparison.Ordinal)).ToList();
        keys.ShouldBe([$"tokonomics:answer:{{ten_a}}:{Convert.ToHexStringLower(Name("a").Hash)}"]);
        var database = connection.GetDatabase();
        Encoding.Latin1.GetString((byte[])(await database.StringGetAsync(keys[0]))!).ShouldNotContain("CANARY7Q");
        (await database.KeyTimeToLiveAsync(keys[0]))!.Value.TotalSeconds.ShouldBeInRange(1, 60);

        // What Redis has of another tenant, name or time is no answer, however it got there.
        await using var third = Node(new MemoryAnswers(1_000_000, _store.Clock), redis);
        await database.StringSetAsync($"tokonomics:answer:{{ten_a}}:{Convert.ToHexStringLower(Name("b").Hash)}", await database.StringGetAsync(keys[0]));
        await database.StringSetAsync($"tokonomics:answer:{{ten_a}}:{Convert.ToHexStringLower(Name("c").Hash)}", "nonsense");
        await FoundAsync(third);
        (await third.FindAsync(Name("b"))).ShouldBeNull();
        (await third.FindAsync(Name("c"))).ShouldBeNull();
        await database.KeyPersistAsync(keys[0]);
        _store.Clock.Ahead += TimeSpan.FromSeconds(61);
        (await third.FindAsync(Name("a"))).ShouldBeNull();
    }

    [Fact]
    public async Task A_Redis_that_is_away_stands_still_or_comes_back_makes_no_call_fail()
    {
        await using var redis = await RedisServer.StartAsync();
        using var memory = new MemoryAnswers(1_000_000, _store.Clock);
        await using var cache = Node(memory, redis, TimeSpan.FromMilliseconds(50));
        await using var reader = Node(new MemoryAnswers(0, _store.Clock), redis, TimeSpan.FromMilliseconds(50));
        await KeptInRedisAsync(cache, redis, Now("an answer", 3600));
        await FoundAsync(reader);

        await redis.PauseAsync();
        (await reader.FindAsync(Name("a"))).ShouldBeNull(); // after the time that a question has
        (await cache.FindAsync(Name("a"))).ShouldNotBeNull();
        cache.Keep(Name("b"), Now("another"));
        (await cache.FindAsync(Name("b"))).ShouldNotBeNull();
        await redis.ContinueAsync();
        await FoundAsync(reader);

        await redis.KillAsync();
        await UntilAsync(() => reader.FindAsync(Name("a")).AsTask().Result is null, "a dead Redis answers");
        (await cache.FindAsync(Name("a"))).ShouldNotBeNull();
        cache.Keep(Name("c"), Now("a third"));
        await redis.RestartAsync(empty: true);
        // Where it has nothing any more, the next answer is kept there again.
        await KeptInRedisAsync(cache, redis, Now("an answer", 3600));
        await FoundAsync(reader);
    }

    // A connection is made when it is first needed: until then nothing is kept in Redis.
    private static Task KeptInRedisAsync(AnswerCache cache, RedisServer redis, KeptAnswer answer) => UntilAsync(
        () =>
        {
            cache.Keep(Name("a"), answer);
            return redis.CommandAsync("EXISTS", $"tokonomics:answer:{{ten_a}}:{Convert.ToHexStringLower(Name("a").Hash)}").Result == ":1";
        },
        "the answer is not kept in Redis");

    private static Task FoundAsync(AnswerCache cache) => UntilAsync(() => cache.FindAsync(Name("a")).AsTask().Result is not null, "the answer is not found in Redis");
}
