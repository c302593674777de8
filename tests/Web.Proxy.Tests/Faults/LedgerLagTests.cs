using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Caching;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>A store that can be read and takes nothing: the proxy serves on, and says so.</summary>
public sealed class LedgerLagTests
{
    [Fact]
    public async Task Calls_that_wait_for_the_ledger_for_a_minute_are_told_by_readyz_until_it_takes_them()
    {
        var clock = new AheadClock();
        await using var product = await TestProduct.StartAsync(services: s => s.AddSingleton<TimeProvider>(clock));
        await using var somebody = new SqliteConnection($"Data Source={Path.Combine(product.DataFolder, "tokonomics.db")};Pooling=False");
        await somebody.OpenAsync();
        await using (somebody.BeginTransaction(deferred: false))
        {
            using (var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat()))
                (await answer.Content.ReadAsStringAsync()).ShouldContain("choices");
            (await ReadyAsync()).Body.ShouldNotContain("ledger_lag");
            clock.Ahead = TimeSpan.FromSeconds(61);
            var (status, body) = await UntilAsync(b => b.Contains("ledger_lag", StringComparison.Ordinal));
            status.ShouldBe(200);
            body.ShouldContain("\"status\":\"degraded\"");
            body.ShouldMatch("1 calls wait for the ledger, the oldest for 6\\d s");
        }

        (await UntilAsync(b => !b.Contains("ledger_lag", StringComparison.Ordinal))).Status.ShouldBe(200);

        async Task<(int Status, string Body)> ReadyAsync()
        {
            using var answer = await product.Client.GetAsync("/readyz");
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }

        async Task<(int Status, string Body)> UntilAsync(Func<string, bool> holds)
        {
            for (var tries = 0; ; tries++)
            {
                var said = await ReadyAsync();
                if (holds(said.Body))
                    return said;
                tries.ShouldBeLessThan(600, said.Body);
                await Task.Delay(50);
            }
        }
    }
}
