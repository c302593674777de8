using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Ingress;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

public sealed class CrowdingTests
{
    private static readonly long Start = Stopwatch.GetTimestamp();

    private static long At(double seconds) => Start + (long)(seconds * Stopwatch.Frequency);

    private static Crowding New() => new(Options.Create(new ProxyOptions { ShedAfter = TimeSpan.FromMilliseconds(100) }));

    [Fact]
    public void A_queue_that_moves_refuses_nothing()
    {
        using var crowding = New();
        for (var t = 1.0; t < 10; t += 0.05)
        {
            crowding.Look(At(t));
            crowding.Through(At(t + 0.09));
            crowding.TooMany.ShouldBeFalse();
        }
    }

    [Fact]
    public void A_standstill_of_less_than_a_second_refuses_nothing()
    {
        using var crowding = New();
        crowding.Look(At(0.85));
        crowding.Through(At(0.9));
        for (var t = 1.0; t < 1.9; t += 0.05)
        {
            crowding.Look(At(t));
            crowding.TooMany.ShouldBeFalse();
        }
    }

    [Fact]
    public void A_queue_through_which_nothing_gets_in_time_for_a_second_refuses_until_something_does()
    {
        using var crowding = New();
        var queued = 0;
        queued += crowding.Look(At(0.1)) ? 1 : 0;
        crowding.Through(At(0.15));
        for (var t = 0.2; t < 3; t += 0.3) // each waits 250 ms
        {
            queued += crowding.Look(At(t)) ? 1 : 0;
            crowding.TooMany.ShouldBe(t > 1.25);
            crowding.Through(At(t + 0.25));
        }

        queued.ShouldBe(11);
        queued += crowding.Look(At(3.2)) ? 1 : 0;
        crowding.TooMany.ShouldBeTrue();
        crowding.Through(At(3.21));
        queued += crowding.Look(At(3.25)) ? 1 : 0;
        crowding.TooMany.ShouldBeFalse();
    }

    [Fact]
    public void One_probe_waits_at_a_time_and_a_queue_that_stands_still_is_seen_without_it()
    {
        using var crowding = New();
        var queued = 0;
        queued += crowding.Look(At(0.1)) ? 1 : 0;
        crowding.Through(At(0.11));
        for (var t = 0.2; t < 5; t += 0.05)
            queued += crowding.Look(At(t)) ? 1 : 0;
        queued.ShouldBe(2);
        crowding.TooMany.ShouldBeTrue();
    }

    [Fact]
    public async Task While_it_is_crowded_a_call_gets_503_in_its_clients_language_and_reaches_no_provider()
    {
        await using var product = await TestProduct.StartAsync();
        var crowding = product.Services.GetRequiredService<Crowding>();
        await crowding.StopAsync(CancellationToken.None); // from here on the test looks
        (await CallAsync(product)).StatusCode.ShouldBe(HttpStatusCode.OK);
        crowding.Look(Stopwatch.GetTimestamp() + (100 * Stopwatch.Frequency));
        using var refused = await CallAsync(product);
        refused.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        refused.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
        JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("code").GetString().ShouldBe("overloaded");
        crowding.Through(Stopwatch.GetTimestamp());
        crowding.Look(Stopwatch.GetTimestamp());
        (await CallAsync(product)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await product.EventsAsync()).Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_byte_goes_the_way_of_calls_and_comes_through_once()
    {
        var arrived = new SemaphoreSlim(0);
        using (var path = new CallPath(() => arrived.Release()))
        {
            for (var i = 0; i < 100; i++)
            {
                path.Send();
                (await arrived.WaitAsync(TimeSpan.FromSeconds(30))).ShouldBeTrue();
            }

            arrived.CurrentCount.ShouldBe(0);
        }
    }

    [Fact]
    public async Task A_probe_whose_connection_breaks_refuses_nobody_and_is_made_anew()
    {
        using var crowding = New();
        await crowding.StartAsync(CancellationToken.None);
        await UntilAsync(() => crowding.Path is not null);
        var first = crowding.Path!;
        first.Dispose();
        await UntilAsync(() => crowding.Path is { } path && path != first);
        crowding.Look(Stopwatch.GetTimestamp() + (100 * Stopwatch.Frequency));
        await UntilAsync(() => !crowding.TooMany);
        await crowding.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Where_calls_get_through_nothing_is_refused_for_long()
    {
        using var crowding = New();
        await crowding.StartAsync(CancellationToken.None);
        crowding.Look(Stopwatch.GetTimestamp() + (100 * Stopwatch.Frequency));
        await UntilAsync(() => !crowding.TooMany);
        await crowding.StopAsync(CancellationToken.None);
    }

    private static async Task<HttpResponseMessage> CallAsync(TestProduct product)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent("""{"model":"sandbox-small","max_tokens":5,"messages":[{"role":"user","content":"Hello"}]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", product.TestKey);
        return await product.Client.SendAsync(request);
    }
}
