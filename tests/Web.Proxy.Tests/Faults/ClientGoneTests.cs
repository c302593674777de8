using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>F35, F36, F37: clients that leave at any point, and that read slowly.</summary>
public sealed class ClientGoneTests(Upstream upstream) : IClassFixture<Upstream>
{
    [Fact]
    public async Task A_client_that_leaves_before_any_answer_closes_the_providers_connection_and_pays_an_estimate()
    {
        var arrived = new TaskCompletionSource();
        var closed = new TaskCompletionSource();
        using var leave = new CancellationTokenSource();
        // Of a model that no other test of this class calls: nothing has been learned of how its answers differ from the estimate.
        using var request = upstream.Request(ClientCall.Chat(model: "gpt-4.1-nano"), async (_, socket) =>
        {
            arrived.SetResult();
            await Upstream.ClosedAsync(socket);
            closed.SetResult();
        });
        var call = upstream.Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leave.Token);
        await arrived.Task.WaitAsync(Upstream.Patience);
        await leave.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(call);

        await closed.Task.WaitAsync(Upstream.Patience);
        var row = await upstream.RowOfCaseAsync(request.Headers.GetValues("x-case").Single());
        row.GetProperty("outcome").GetString().ShouldBe("client_gone");
        row.GetProperty("usage_source").GetString().ShouldBe("estimated");
        row.GetProperty("status").GetInt32().ShouldBe(0);
        // "Hello" is 5 bytes: 2 tokens, 4 for the message and 3 before the answer, at 0.10 USD per million
        row.GetProperty("cost_usd").GetString().ShouldBe("0.0000009");
    }

    [Theory]
    [MemberData(nameof(StreamSample.Names), MemberType = typeof(StreamSample))]
    public async Task A_client_that_leaves_after_the_headers_or_in_the_stream_closes_the_providers_connection(string name)
    {
        var stream = StreamSample.Named(name);
        foreach (var events in (int[])[0, 1, 2])
        {
            var closed = new TaskCompletionSource();
            using var response = await upstream.CallAsync(stream.Call, async (_, socket) =>
            {
                await FakeProvider.SendAsync(socket, stream.Head);
                foreach (var e in stream.Events.Take(events))
                    await FakeProvider.ChunkAsync(socket, e);
                await Upstream.ClosedAsync(socket);
                closed.SetResult();
            });
            var body = await response.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[Encoding.UTF8.GetByteCount(string.Concat(stream.Events.Take(events)))]);
            var requestId = response.RequestId();
            response.Dispose();

            await closed.Task.WaitAsync(Upstream.Patience);
            var row = await upstream.RowAsync(requestId);
            row.GetProperty("outcome").GetString().ShouldBe("client_gone");
            row.GetProperty("usage_source").GetString().ShouldBeOneOf("estimated", "partial");
            row.GetProperty("status").GetInt32().ShouldBe(200);
        }
    }

    [Fact]
    public async Task A_client_that_leaves_after_the_last_byte_has_completed()
    {
        for (var i = 0; i < 10; i++)
        {
            using var response = await upstream.CallAsync(ClientCall.Chat(), (_, socket) => FakeProvider.SendAsync(socket, StreamSample.Plain()));
            await response.Content.ReadAsByteArrayAsync();
            var requestId = response.RequestId();
            response.Dispose();
            var row = await upstream.RowAsync(requestId);
            row.GetProperty("outcome").GetString().ShouldBe("completed");
            row.GetProperty("usage_source").GetString().ShouldBe("reported");
        }
    }

    [Fact]
    public async Task Clients_that_leave_at_random_points_lose_no_row_and_the_rows_agree_with_the_sandboxs_bill()
    {
        await using var product = await TestProduct.StartAsync();
        var random = new Random(36);
        string[] models = ["sandbox-small", "sandbox-tokens-200", "sandbox-drip", "sandbox-reason", "sandbox-bad-sse"];
        (string Path, Func<string, string> Body)[] ways =
        [
            ("/proxy/openai/v1/chat/completions", m => ProxyCalls.Chat(m, stream: true)),
            ("/proxy/openai/v1/chat/completions", m => ProxyCalls.Chat(m)),
            ("/proxy/openai/v1/responses", m => $$"""{"model":"{{m}}","input":"Hello","stream":true}"""),
            ("/proxy/anthropic/v1/messages", m => $$"""{"model":"{{m}}","max_tokens":500,"messages":[{"role":"user","content":"Hello"}],"stream":true}"""),
        ];
        var plan = Enumerable.Range(0, 120).Select(i => (Way: ways[random.Next(ways.Length)], Model: models[random.Next(models.Length)], Bytes: random.Next(8) switch { 0 => -1, 1 => int.MaxValue, _ => random.Next(4000) })).ToList();

        await Parallel.ForEachAsync(plan, new ParallelOptions { MaxDegreeOfParallelism = 12 }, async (p, _) =>
        {
            using var leave = new CancellationTokenSource();
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product.Url, p.Way.Path)) { Content = new StringContent(p.Way.Body(p.Model), Encoding.UTF8, "application/json") };
                request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {product.TestKey}");
                var sending = product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leave.Token);
                if (p.Bytes < 0)
                    leave.CancelAfter(p.Model.Length % 7);
                using var response = await sending;
                var body = await response.Content.ReadAsStreamAsync(leave.Token);
                var buffer = new byte[256];
                for (var left = (long)p.Bytes; left > 0;)
                {
                    var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), leave.Token);
                    if (read == 0)
                        break;
                    left -= read;
                }
            }
            catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException)
            {
                // Left early.
            }
        });

        using var patience = new CancellationTokenSource(Upstream.Patience);
        await product.Sandbox.WhenIdleAsync(patience.Token);
        var bill = SandboxBill.Read(Path.Combine(product.DataFolder, "sandbox-bill.jsonl"));
        var rows = await product.EventsAsync();
        while (rows.Count < bill.Count && !patience.IsCancellationRequested)
        {
            await Task.Delay(50);
            rows = await product.EventsAsync();
        }

        // Nothing lost, nothing doubled. A client may have left before its request was sent on.
        rows.Select(r => r.GetProperty("id").GetString()).ShouldBeUnique();
        rows.Count.ShouldBeGreaterThanOrEqualTo(bill.Count);
        rows.Count.ShouldBeLessThanOrEqualTo(plan.Count);
        var byId = bill.ToDictionary(b => b.Id);
        var (billed, recorded) = (0m, 0m);
        foreach (var row in rows)
        {
            var outcome = row.GetProperty("outcome").GetString();
            var source = row.GetProperty("usage_source").GetString();
            var cost = decimal.Parse(row.GetProperty("cost_usd").GetString()!, System.Globalization.CultureInfo.InvariantCulture);
            if (outcome != "completed")
                outcome.ShouldBe("client_gone");
            if (row.GetProperty("provider_request_id").GetString() is not { } id)
                continue;
            var line = byId[id];
            (billed, recorded) = (billed + line.CostNanoUsd!.Value, recorded + (cost * 1_000_000_000m));
            if (source == "reported")
                (cost * 1_000_000_000m).ShouldBe(line.CostNanoUsd.Value, $"{id} {outcome}"); // to the nano-dollar
            else
                source.ShouldBeOneOf("estimated", "partial");
            if (outcome == "completed")
                source.ShouldBe("reported");
        }

        // Cut streams are estimates, from what had passed when the client left; the provider was cut off as soon as that was known.
        recorded.ShouldBeInRange(billed * 0.5m, billed * 1.5m);
        TestContext.Current.SendDiagnosticMessage($"billed {billed}, recorded {recorded} nUSD over {rows.Count} rows");
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_the_provider_back()
    {
        const long Total = 128L * 1024 * 1024;
        var chunk = Encoding.ASCII.GetBytes(": " + new string('x', 65_532) + "\n\n");
        var sent = 0L;
        using var request = upstream.Request(ClientCall.ChatStream(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            while (Interlocked.Read(ref sent) < Total)
            {
                await FakeProvider.ChunkAsync(socket, chunk);
                Interlocked.Add(ref sent, chunk.Length);
            }

            await FakeProvider.ChunkAsync(socket, "");
        });
        using var response = await upstream.Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        // Until nothing moves any more.
        for (var (before, since, patience) = (-1L, Stopwatch.StartNew(), Stopwatch.StartNew()); since.ElapsedMilliseconds < 1500 && patience.Elapsed < Upstream.Patience; await Task.Delay(50))
            if (Interlocked.Read(ref sent) is var now && now != before)
                (before, since) = (now, Stopwatch.StartNew());
        var held = Interlocked.Read(ref sent);
        var (body, whole) = await Upstream.ReadAsync(response);

        // What lies between is the sockets' buffers, of some megabytes each; the proxy itself holds 64 KB.
        held.ShouldBeLessThan(Total / 2);
        whole.ShouldBeTrue();
        body.LongLength.ShouldBe(Interlocked.Read(ref sent));
        (await upstream.RowAsync(response.RequestId())).GetProperty("outcome").GetString().ShouldBe("completed");
    }
}
