using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>A store that takes nothing for a while: calls go on while there is room, then none is forwarded, and nothing is lost.</summary>
public sealed class LedgerPressureTests(LedgerPressureTests.Small upstream) : IClassFixture<LedgerPressureTests.Small>
{
    public sealed class Small : Upstream
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings => [new("Recorder:MaxWaiting", "1000"), new("Store:BusyTimeout", "00:00:00.1")];
    }

    [Fact]
    public async Task While_the_store_is_locked_calls_go_on_until_the_queue_is_full_and_all_of_them_are_in_the_ledger_afterwards()
    {
        var ids = new List<string>();
        async Task<HttpResponseMessage> CallAsync() => await upstream.CallAsync(ClientCall.Chat(), (_, socket) => FakeProvider.SendAsync(socket, StreamSample.Plain()));
        var sample = await upstream.SeeAsync(ClientCall.Chat(), StreamSample.Plain());
        var recorder = upstream.Product.Services.GetRequiredService<UsageRecorder>();
        var path = Path.Combine(upstream.Product.DataFolder, "tokonomics.db");

        await using (var other = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString()))
        {
            await other.OpenAsync();
            await using var command = other.CreateCommand();
            command.CommandText = "BEGIN EXCLUSIVE";
            await command.ExecuteNonQueryAsync();

            // 1. The store refuses; the calls don't notice.
            for (var i = 0; i < 20; i++)
            {
                using var answer = await CallAsync();
                ((int)answer.StatusCode).ShouldBe(200);
                await answer.Content.ReadAsByteArrayAsync();
                ids.Add(answer.RequestId());
            }

            // 2. The queue fills up: nothing more is forwarded, since it could not be recorded.
            var template = new UsageEvent
            {
                RequestId = "", TenantId = upstream.Product.TenantId, KeyId = sample["key_id"]!, Provider = "openai", Dialect = "openai-chat", Operation = "POST chat/completions",
                PriceVersion = sample["price_version"]!, At = TimeProvider.System.GetUtcNow(), Cost = Domain.Money.NanoUsd.Zero, PriceStatus = PriceStatus.Free,
            };
            while (recorder.Accepting)
            {
                ids.Add(SortableId.New("req", TimeProvider.System.GetUtcNow()));
                recorder.Record(template with { RequestId = ids[^1] });
            }

            using (var ready = await upstream.Product.Client.GetAsync("/readyz"))
            {
                ((int)ready.StatusCode).ShouldBe(503);
                (await ready.Content.ReadAsStringAsync()).ShouldContain("""{"check":"ledger","detail":"the ledger is behind"}""");
            }

            var forwarded = upstream.Provider.Requests.Count;
            foreach (var call in (ClientCall[])[ClientCall.Chat(), ClientCall.Messages(true), ClientCall.Gemini(false)])
            {
                using var request = upstream.Request(call, (_, socket) => FakeProvider.SendAsync(socket, StreamSample.Plain()));
                using var refused = await upstream.Product.Client.SendAsync(request);
                ((int)refused.StatusCode).ShouldBe(503);
                refused.Headers.RetryAfter!.ToString().ShouldBe("2");
                var error = JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
                error.GetProperty("message").GetString()!.ShouldContain("the ledger can't keep up");
                if (call.Path.Contains("openai", StringComparison.Ordinal))
                    error.GetProperty("code").GetString().ShouldBe("ledger_behind");
            }

            upstream.Provider.Requests.Count.ShouldBe(forwarded);
            command.CommandText = "ROLLBACK";
            await command.ExecuteNonQueryAsync();
        }

        // 3. The store is back: everything is written, and calls are forwarded again.
        using (var patience = new CancellationTokenSource(Upstream.Patience))
            await recorder.FlushAsync(patience.Token);
        using var again = await CallAsync();
        ((int)again.StatusCode).ShouldBe(200);
        await using var reader = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        await reader.OpenAsync();
        await using var count = reader.CreateCommand();
        count.CommandText = "SELECT request_id FROM usage_events";
        var stored = new List<string>();
        await using (var rows = await count.ExecuteReaderAsync())
            while (await rows.ReadAsync())
                stored.Add(rows.GetString(0));
        ids.Except(stored).ShouldBeEmpty();
        stored.ShouldBeUnique();
    }
}
