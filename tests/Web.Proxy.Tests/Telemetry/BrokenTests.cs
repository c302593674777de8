using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Faults;
using Tokonomics.Web.Proxy.Tests.Ingress;

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

    [Fact]
    public async Task A_journal_that_nobody_empties_is_seen_filling_and_empty_again()
    {
        await using var postgres = await PostgresServer.StartAsync();
        await using var product = await TestProduct.StartAsync(
        [
            new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token), new("ConnectionStrings:Postgres", await postgres.CreateDatabaseAsync()),
            new("Journal:SegmentBytes", "65536"), new("Journal:MaxBytes", "262144"),
        ]);
        await CallAsync(product);
        await product.FlushAsync();

        await postgres.StopImmediateAsync();
        // The alert's own condition.
        static bool Fills(Exposition s) => s.Sum("tokonomics_journal_size_bytes") / s.Sum("tokonomics_journal_limit_bytes") > 0.5;
        for (var calls = 0; !Fills(await Exposition.OfAsync(product)); calls += 20)
        {
            calls.ShouldBeLessThan(2000);
            for (var i = 0; i < 20; i++)
                await CallAsync(product);
        }

        await postgres.StartAgainAsync();
        var empty = await Exposition.WhenAsync(product, s => !Fills(s) && s.Sum("tokonomics_ledger_waiting") == 0);
        empty.Sum("tokonomics_journal_writable").ShouldBe(1);
    }

    [Fact]
    public async Task Calls_that_wait_for_a_locked_store_are_seen_in_the_overhead()
    {
        await using var postgres = await PostgresServer.StartAsync();
        var database = await postgres.CreateDatabaseAsync();
        await using var provider = new FakeProvider((r, socket) => FakeProvider.SendAsync(socket, IngressProduct.Answer(r)));
        await using var product = await TestProduct.StartAsync(
            [new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token), new("ConnectionStrings:Postgres", database), new("Providers:openai:BaseUrl", provider.Url.ToString())],
            new Dictionary<string, string> { ["openai"] = IngressProduct.ProviderKey });
        using var made = await product.ApiAsync(HttpMethod.Post, "budgets", new StringContent("""{"scope":{"type":"tag","key":"customer"},"period":"month","limit_usd":"1"}""", System.Text.Encoding.UTF8, "application/json"));
        ((int)made.StatusCode).ShouldBe(201);

        // A customer never seen before needs a lease; whoever grants it waits for whoever has the table.
        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync();
        Task call;
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var hold = new NpgsqlCommand("LOCK TABLE budget_accounts", connection, transaction);
            await hold.ExecuteNonQueryAsync();
            call = CallAsync(product, product.LiveKey, ("X-Tokonomics-Tags", "customer=acme"));
            await Task.Delay(500);
        }

        await call;
        static double Slower(Exposition s) => s.Sum("tokonomics_proxy_overhead_seconds_count") - s.Sum("tokonomics_proxy_overhead_seconds_bucket", ("le", "0.25"));
        Slower(await Exposition.WhenAsync(product, s => Slower(s) > 0)).ShouldBe(1);
    }

    [Fact]
    public async Task An_alert_that_no_worker_takes_is_seen_waiting_until_one_does()
    {
        await using var postgres = await PostgresServer.StartAsync();
        await using var receiver = FakeProvider.Always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        KeyValuePair<string, string?>[] settings =
        [
            new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token), new("ConnectionStrings:Postgres", await postgres.CreateDatabaseAsync()), new("Endpoints:AllowPrivate", "true"),
            new("Secrets:MasterKey", Convert.ToBase64String(new byte[32])), new("Secrets:Pepper", Convert.ToBase64String(new byte[32])),
        ];
        await using var portal = await TestProduct.StartAsync(settings, services: s => s.Remove(s.Single(d => d.ImplementationType?.Name == "AlertDeliveries")));
        using var made = await portal.ApiAsync(HttpMethod.Post, "alert-channels", new StringContent($$"""{"kind":"webhook","name":"ours","address":"{{receiver.Url}}hook"}""", System.Text.Encoding.UTF8, "application/json"));
        ((int)made.StatusCode).ShouldBe(201, await made.Content.ReadAsStringAsync());
        (await portal.Services.GetRequiredService<IAlertBook>().TellAsync(
            new AlertDraft(portal.TenantId, "broken:1", AlertKind.SpendSpike, AlertSeverity.Warning, new AlertSubject("tag", "customer", "acme"), "Spending rose", "Look.", "/explore", [new("Spent", "$3.00")], DateTimeOffset.UtcNow, null), CancellationToken.None)).ShouldBeTrue();
        var waiting = await Exposition.WhenAsync(portal, s => s.Sum("tokonomics_alerts_overdue_seconds") > 0);
        waiting.Sum("tokonomics_alerts_waiting").ShouldBe(1);
        receiver.Requests.ShouldBeEmpty();

        await using var worker = await TestProduct.StartAsync([.. settings, new("Journal:Node", "worker")]);
        var taken = await Exposition.WhenAsync(portal, s => s.Sum("tokonomics_alerts_waiting") == 0);
        taken.Sum("tokonomics_alerts_overdue_seconds").ShouldBe(0);
        receiver.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_job_that_somebody_keeps_from_running_is_seen_late_also_by_a_worker_that_starts_and_one_that_fails_is_counted()
    {
        const string Job = "verify-ledger";
        const string Operator = "operator-token-0123456789abcdef012345";
        await using var postgres = await PostgresServer.StartAsync();
        var database = await postgres.CreateDatabaseAsync();
        KeyValuePair<string, string?>[] settings =
        [
            new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token), new("ConnectionStrings:Postgres", database), new("Portal:OperatorTokens", Operator),
            new("Secrets:MasterKey", Convert.ToBase64String(new byte[32])), new("Secrets:Pepper", Convert.ToBase64String(new byte[32])),
        ];
        // The alert's own condition.
        static bool Late(Exposition s) =>
            DateTimeOffset.UtcNow.ToUnixTimeSeconds() - s.Sum("tokonomics_jobs_last_success_time_seconds", ("tokonomics_job", Job)) > 3 * s.Sum("tokonomics_jobs_interval_seconds", ("tokonomics_job", Job));
        async Task AskAsync(TestProduct worker)
        {
            using var run = new HttpRequestMessage(HttpMethod.Post, new Uri(worker.Url, $"/api/v1/operator/jobs/{Job}/run"));
            run.Headers.Authorization = new("Bearer", Operator);
            using var asked = await worker.Client.SendAsync(run);
            asked.IsSuccessStatusCode.ShouldBeTrue(await asked.Content.ReadAsStringAsync());
        }

        // 1. It ended well, four hours ago; it is due each hour.
        await using (var worker = await TestProduct.StartAsync(settings))
        {
            await AskAsync(worker);
            Late(await Exposition.WhenAsync(worker, s => s.Sum("tokonomics_jobs_runs_total", ("tokonomics_job", Job), ("tokonomics_job_outcome", "done")) > 0)).ShouldBeFalse();
        }

        await using var connection = new NpgsqlConnection(database + ";Pooling=false");
        await connection.OpenAsync();
        await using (var past = new NpgsqlCommand("UPDATE job_runs SET started_at = started_at - 14400000000, seen_at = seen_at - 14400000000, ended_at = ended_at - 14400000000", connection))
            (await past.ExecuteNonQueryAsync()).ShouldBeGreaterThan(0);

        // 2. Whoever would begin it waits for whoever has its lock.
        await using var again = await TestProduct.StartAsync([.. settings, new("Journal:Node", "again")]);
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using (var hold = new NpgsqlCommand($"SELECT pg_advisory_xact_lock(hashtextextended('job {Job}', 0))", connection, transaction))
                await hold.ExecuteNonQueryAsync();
            await Exposition.WhenAsync(again, Late);
            await AskAsync(again);
            await using var waits = new NpgsqlCommand("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", connection, transaction);
            for (var tries = 0; (long)(await waits.ExecuteScalarAsync())! == 0; tries++)
            {
                tries.ShouldBeLessThan(600);
                await Task.Delay(50);
            }

            Late(await Exposition.OfAsync(again)).ShouldBeTrue();
        }

        // 3. It is free.
        await Exposition.WhenAsync(again, s => !Late(s));

        // 4. A run that fails is counted as one, and the next as well again.
        await using (var broken = new NpgsqlCommand("ALTER TABLE invariant_checks RENAME TO away", connection))
            await broken.ExecuteNonQueryAsync();
        await AskAsync(again);
        await Exposition.WhenAsync(again, s => s.Sum("tokonomics_jobs_runs_total", ("tokonomics_job", Job), ("tokonomics_job_outcome", "failed")) > 0);
        await using (var mended = new NpgsqlCommand("ALTER TABLE away RENAME TO invariant_checks", connection))
            await mended.ExecuteNonQueryAsync();
        await AskAsync(again);
        await Exposition.WhenAsync(again, s => s.Sum("tokonomics_jobs_runs_total", ("tokonomics_job", Job), ("tokonomics_job_outcome", "done")) > 1);
    }

    private static async Task CallAsync(TestProduct product, string? key = null, params (string Name, string Value)[] headers)
    {
        using var answer = await product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat(key is null ? "sandbox-small" : "gpt-4o-mini"), key, headers);
        ((int)answer.StatusCode).ShouldBe(200);
        await answer.Content.ReadAsStringAsync();
    }
}
