using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>F37: many streams at once that take their time, and the memory that they hold.</summary>
[Collection(nameof(Alone))]
public sealed class SlowStreamsTests(Upstream upstream) : IClassFixture<Upstream>
{
    [Fact]
    public async Task Three_hundred_slow_streams_at_once_each_get_every_event_as_it_is_sent()
    {
        const int Streams = 300;
        var samples = StreamSample.All.Where(s => s.Seen is null).ToArray();
        var rounds = samples.Max(s => s.Events.Count);
        var gates = Enumerable.Range(0, rounds + 1).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).ToArray();
        using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = Streams }) { Timeout = TimeSpan.FromMinutes(2) };

        var responses = new ConcurrentDictionary<int, (HttpResponseMessage Response, Stream Body, StreamSample Sample)>();
        await Parallel.ForEachAsync(Enumerable.Range(0, Streams), new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (i, ct) =>
        {
            var sample = samples[i % samples.Length];
            using var request = upstream.Request(sample.Call, async (_, socket) =>
            {
                await FakeProvider.SendAsync(socket, sample.Head);
                for (var k = 0; k < sample.Events.Count; k++)
                {
                    await gates[k].Task;
                    foreach (var b in Encoding.UTF8.GetBytes(sample.Events[k]).Chunk(50))
                        await FakeProvider.ChunkAsync(socket, b);
                }

                await gates[rounds].Task;
                await FakeProvider.ChunkAsync(socket, "");
            });
            var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
            responses[i] = (response, await response.Content.ReadAsStreamAsync(ct), sample);
        });
        // The requests themselves are not kept while their answers come.
        upstream.Product.Services.GetRequiredService<BufferBudget>().Taken.ShouldBe(0);
        var memory = GC.GetTotalMemory(forceFullCollection: true);

        // Event k is sent to all only after all have event k - 1.
        for (var k = 0; k < rounds; k++)
        {
            gates[k].SetResult();
            await Task.WhenAll(responses.Values.Where(r => k < r.Sample.Events.Count).Select(async r =>
            {
                var expected = Encoding.UTF8.GetBytes(r.Sample.Events[k]);
                var got = new byte[expected.Length];
                await r.Body.ReadExactlyAsync(got).AsTask().WaitAsync(Upstream.Patience);
                got.ShouldBe(expected);
            }));
        }

        // Each event made client, proxy and fake provider together hold no more than some 4 KB a stream.
        (GC.GetTotalMemory(forceFullCollection: true) - memory).ShouldBeLessThan(Streams * 24L * 1024);
        gates[rounds].SetResult();
        foreach (var (response, body, _) in responses.Values)
        {
            (await body.ReadAsync(new byte[1])).ShouldBe(0);
            var row = await upstream.RowAsync(response.RequestId());
            row.GetProperty("outcome").GetString().ShouldBe("completed");
            (row.GetProperty("usage").GetProperty("input_tokens").GetInt64(), row.GetProperty("usage").GetProperty("output_tokens").GetInt64()).ShouldBe((12, 7));
            response.Dispose();
        }
    }
}
