using System.Net.Http.Json;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>Clients that leave, of a tenant that wants answers read to their end: every row is exact, and the provider was never broken off.</summary>
public sealed class ReadOnTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync()
    {
        _product = await TestProduct.StartAsync();
        using var answer = await _product.ApiAsync(HttpMethod.Put, "settings", JsonContent.Create(new { on_disconnect = "read_on" }));
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync());
    }

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    [Fact]
    public async Task Whatever_byte_the_client_leaves_at_the_ledger_is_the_providers_bill()
    {
        var budget = await _product.BudgetAsync("1");
        var random = new Random(11);
        var left = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 60).Select(_ => random.Next(0, 5000)).ToArray(), new ParallelOptions { MaxDegreeOfParallelism = 12 }, async (bytes, _) =>
        {
            using var leaves = new CancellationTokenSource();
            if (bytes < 500)
                leaves.CancelAfter(bytes / 100); // before the answer, too
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_product.Url, "/v1/chat/completions")) { Content = new StringContent(ProxyCalls.Chat("sandbox-small-tokens-60", stream: bytes % 4 != 0), System.Text.Encoding.UTF8, "application/json") };
                request.Headers.Authorization = new("Bearer", _product.TestKey);
                using var answer = await _product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leaves.Token);
                await using var body = await answer.Content.ReadAsStreamAsync(leaves.Token);
                var buffer = new byte[128];
                for (var read = 1; bytes > 0 && read > 0; bytes -= read)
                    read = await body.ReadAsync(buffer, leaves.Token);
                if (bytes <= 0)
                    Interlocked.Increment(ref left);
            }
            catch (OperationCanceledException)
            {
                Interlocked.Increment(ref left);
            }
        });
        await _product.DrainAsync();

        left.ShouldBeGreaterThan(20);
        var rows = await _product.EventsAsync();
        // A call that left before its request had been read was never sent; of all others the provider's usage is there.
        var bill = _product.Sandbox.Bill.Lines;
        rows.Count.ShouldBe(bill.Count);
        bill.ShouldAllBe(l => l.Outcome == SandboxOutcome.Ok);
        rows.ShouldAllBe(r => r.GetProperty("usage_source").GetString() == "reported");
        rows.Count(r => r.GetProperty("outcome").GetString() == "client_gone").ShouldBeGreaterThan(10);
        (await _product.StateAsync(budget)).Usd("posted_usd").ShouldBe(new NanoUsd(_product.Sandbox.Bill.TotalNanoUsd));
    }
}
