using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Faults;

namespace Tokonomics.Web.Proxy.Tests.Telemetry;

/// <summary>What a scrape says while PostgreSQL and Redis are away, and when they are back: what the runbooks say that it does.</summary>
[Collection(nameof(Alone))]
public sealed class BrokenTests
{
    [Fact]
    public async Task A_store_and_a_Redis_that_go_away_are_seen_and_so_is_their_return()
    {
        await using var postgres = await PostgresServer.StartAsync();
        await using var redis = await RedisServer.StartAsync();
        await using var product = await TestProduct.StartAsync(
        [
            new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token),
            new("ConnectionStrings:Postgres", await postgres.CreateDatabaseAsync()), new("ConnectionStrings:Redis", redis.ConnectionString),
        ]);
        await CallAsync(product);
        await product.FlushAsync();
        var before = await Exposition.WhenAsync(product, s => s.Sum("tokonomics_store_up") > 0 && s.Sum("tokonomics_redis_up") > 0);
        before.Sum("tokonomics_ledger_lag_seconds").ShouldBe(0);
        before.Has("tokonomics_ledger_failures_total").ShouldBeFalse();

        await redis.KillAsync();
        await postgres.StopImmediateAsync();
        await CallAsync(product);
        var away = await Exposition.WhenAsync(product, s => s.Sum("tokonomics_store_up") == 0 && s.Sum("tokonomics_redis_up") == 0 && s.Sum("tokonomics_ledger_lag_seconds") >= 1);
        away.Sum("tokonomics_ledger_waiting").ShouldBe(1);
        away.Sum("tokonomics_ledger_failures_total").ShouldBeGreaterThan(0);
        away.Sum("tokonomics_journal_writable").ShouldBe(1);
        away.Has("tokonomics_store_roundtrip_seconds").ShouldBeFalse();

        await postgres.StartAgainAsync();
        await redis.RestartAsync();
        var back = await Exposition.WhenAsync(product, s => s.Sum("tokonomics_store_up") > 0 && s.Sum("tokonomics_redis_up") > 0 && s.Sum("tokonomics_ledger_waiting") == 0);
        back.Sum("tokonomics_ledger_lag_seconds").ShouldBe(0);
        back.Sum("tokonomics_ledger_events_total").ShouldBe(2);
    }

    private static async Task CallAsync(TestProduct product)
    {
        using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat());
        ((int)answer.StatusCode).ShouldBe(200);
        await answer.Content.ReadAsStringAsync();
    }
}
