using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Caching;

/// <summary>With the cache on and Redis beside it: what was asked and answered stands nowhere in the clear, and a Redis that is away stops no call.</summary>
public sealed class CacheSecrecyTests : IAsyncLifetime
{
    private const string Asked = "PROMPTBIRD7Q";
    private const string Answered = "ANSWERBIRD7Q";

    private RedisServer _redis = null!;
    private FakeProvider _provider = null!;
    private TestProduct _product = null!;
    private string _key = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _redis = await RedisServer.StartAsync();
        _provider = FakeProvider.Always(FakeProvider.Json($$$"""{"id":"c","object":"chat.completion","model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"{{{Answered}}}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16}}"""));
        _product = await TestProduct.StartAsync(
            [new("Providers:openai:BaseUrl", _provider.Url.ToString().TrimEnd('/')), new("ConnectionStrings:Redis", _redis.ConnectionString)], new Dictionary<string, string> { ["openai"] = "sk-0123456789abcdef" });
        using var made = await _product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "repeats", cache_seconds = 600 }));
        _key = JsonDocument.Parse(await made.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("key").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
        await _redis.DisposeAsync();
    }

    private async Task<(int Status, string Cache, string Text)> AskAsync(string prompt)
    {
        using var answer = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1", prompt: $"{Asked} {prompt}"), _key);
        return ((int)answer.StatusCode, answer.Headers.GetValues("x-tokonomics-cache").Single(), await answer.Content.ReadAsStringAsync(Cancel));
    }

    private async Task<List<byte[]>> KeptInRedisAsync()
    {
        using var open = await OpenRedis.AsAsync(_redis.ConnectionString);
        var connection = open.Connection;
        var all = new List<byte[]>();
        foreach (var key in connection.GetServer(connection.GetEndPoints()[0]).Keys().Where(k => ((string)k!).Contains("answer:{", StringComparison.Ordinal)))
        {
            all.Add(Encoding.UTF8.GetBytes((string)key!));
            all.Add((byte[])(await connection.GetDatabase().StringGetAsync(key))!);
        }

        return all;
    }

    // Every key's name and value as Redis writes them down, nothing of it compressed.
    private async Task<List<string>> AllOfRedisAsync()
    {
        using var open = await OpenRedis.AsAsync(_redis.ConnectionString + ",allowAdmin=true");
        var connection = open.Connection;
        var (server, all) = (connection.GetServer(connection.GetEndPoints()[0]), new List<string>());
        await server.ConfigSetAsync("rdbcompression", "no");
        foreach (var key in server.Keys())
            if (await connection.GetDatabase().KeyDumpAsync(key) is { } value)
                all.Add($"{key} {Encoding.Latin1.GetString(value)}");
        return all;
    }

    [Fact]
    public async Task Of_calls_that_do_not_use_the_cache_nothing_is_kept_anywhere()
    {
        using (var made = await _product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "limited", limits = new { requests_per_minute = 1000, tokens_per_minute = 1_000_000 } })))
        {
            var limited = JsonDocument.Parse(await made.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("key").GetString()!;
            for (var i = 0; i < 5; i++)
                using (var answer = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1", prompt: Asked), limited))
                {
                    (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(Answered);
                    answer.Headers.Contains("x-tokonomics-cache").ShouldBeFalse();
                }
        }

        await Task.Delay(200, Cancel); // answers are put there behind the call's back
        var kept = await AllOfRedisAsync();
        kept.ShouldNotBeEmpty(); // its rate limits
        foreach (var word in (string[])[Asked, Answered, "answer:{"])
            kept.ShouldAllBe(k => !k.Contains(word, StringComparison.Ordinal));
        _product.Log.Lines.ShouldAllBe(l => !l.Contains(Asked, StringComparison.Ordinal) && !l.Contains(Answered, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_asked_and_answered_is_nowhere_in_the_clear()
    {
        var kept = new List<byte[]>();
        for (var i = 0; kept.Count == 0; i++)
        {
            i.ShouldBeLessThan(500, "nothing is kept in Redis");
            (await AskAsync($"{i}")).ShouldSatisfyAllConditions(a => a.Status.ShouldBe(200), a => a.Cache.ShouldBe("miss"), a => a.Text.ShouldContain(Answered));
            (await AskAsync($"{i}")).ShouldSatisfyAllConditions(a => a.Cache.ShouldStartWith("hit; "), a => a.Text.ShouldContain(Answered));
            await Task.Delay(20, Cancel);
            kept = await KeptInRedisAsync();
        }

        await _product.FlushAsync();
        (await _product.Services.GetRequiredService<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        var rows = await _product.EventsAsync("&environment=live");
        rows.Count(r => r.GetProperty("from_cache").GetBoolean()).ShouldBe(_provider.Requests.Count);
        rows.Where(r => r.GetProperty("from_cache").GetBoolean()).ShouldAllBe(r => r.GetProperty("cost_usd").GetString() == "0" && NanoUsd.Parse(r.GetProperty("saved_usd").GetString())!.Value > NanoUsd.Zero);
        string[] words = [Asked, Answered];
        foreach (var bytes in kept)
            foreach (var word in words)
                Encoding.Latin1.GetString(bytes).ShouldNotContain(word);
        foreach (var text in await AllOfRedisAsync())
            foreach (var word in words)
                text.ShouldNotContain(word);
        foreach (var line in _product.Log.Lines)
            foreach (var word in words)
                line.ShouldNotContain(word);
        var files = Directory.GetFiles(_product.DataFolder, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)).ToList();
        files.Count.ShouldBeGreaterThan(2); // the database, its log, the journal
        foreach (var file in files)
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new MemoryStream();
            await stream.CopyToAsync(bytes, Cancel);
            foreach (var word in words)
                Encoding.Latin1.GetString(bytes.GetBuffer(), 0, (int)bytes.Length).ShouldNotContain(word, Case.Sensitive, file);
        }
    }

    [Fact]
    public async Task A_Redis_that_hangs_or_dies_stops_no_call()
    {
        (await AskAsync("one")).Cache.ShouldBe("miss");
        await _redis.PauseAsync();
        var watch = Stopwatch.StartNew();
        (await AskAsync("one")).Cache.ShouldStartWith("hit; "); // of this node's memory
        for (var i = 0; i < 20; i++)
            (await AskAsync($"new {i}")).ShouldSatisfyAllConditions(a => a.Status.ShouldBe(200), a => a.Cache.ShouldBe("miss"));
        watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20)); // the time of one question at most, and not of every call
        await _redis.KillAsync();
        for (var i = 0; i < 20; i++)
            (await AskAsync($"new {i}")).ShouldSatisfyAllConditions(a => a.Status.ShouldBe(200), a => a.Cache.ShouldStartWith("hit; "));
        (await AskAsync("another")).Status.ShouldBe(200);
    }
}
