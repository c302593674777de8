using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Journal;

/// <summary>
/// F43 through kill -9: clients that send each call again with its Idempotency-Key until they are told what became of it, while the product is killed under them. The provider
/// lives in the test, and sees each call once.
/// </summary>
public sealed partial class IdempotencyKillTests(ITestOutputHelper output)
{
    private const int Kills = 6;
    private const int Clients = 8;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_call_that_is_sent_again_after_a_crash_reaches_the_provider_once()
    {
        using var folder = new TestFolder();
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var arrived = new ConcurrentDictionary<string, int>();
        await using var provider = new FakeProvider(async (request, socket) =>
        {
            arrived.AddOrUpdate(Name().Match(request.Text).Value, 1, (_, n) => n + 1);
            await Task.Delay(Random.Shared.Next(60), Cancel);
            await FakeProvider.SendAsync(socket, FakeProvider.Json("""{"id":"c","object":"chat.completion","model":"gpt-5.1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}"""));
        });
        var (exit, made, errors) = await ProductProcess.RunAsync(folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--provider", "openai=sk-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        var key = JsonDocument.Parse(made).RootElement.GetProperty("metering_key").GetString()!;
        var settings = new Dictionary<string, string> { ["Providers__openai__BaseUrl"] = provider.Url.ToString().TrimEnd('/'), ["DOTNET_TieredPGO"] = "0" };
        var port = ProductProcess.FreePort();

        using var client = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(2) });
        using var over = new CancellationTokenSource();
        var (answered, told) = (0, 0);
        var load = Enumerable.Range(0, Clients).Select(async c =>
        {
            for (var i = 0; !over.IsCancellationRequested; i++)
            {
                // Until its end is known: the answer, or that it was made.
                for (var name = $"call-{c}-{i}"; ;)
                {
                    var (status, code) = await CallAsync(client, new Uri($"http://127.0.0.1:{port}"), key, name);
                    if (status == 200 || code == "idempotency_done")
                    {
                        Interlocked.Increment(ref status == 200 ? ref answered : ref told);
                        break;
                    }

                    code.ShouldBeOneOf("", "idempotency_in_progress", "provider_unreachable");
                    await Task.Delay(50, Cancel);
                }
            }
        }).ToList();
        for (var round = 0; round < Kills; round++)
        {
            var product = await ProductProcess.ServeAsync(folder.Path, settings, port);
            await Task.Delay(random.Next(200, 900), Cancel);
            await product.KillAsync();
            await product.DisposeAsync();
        }

        await using var last = await ProductProcess.ServeAsync(folder.Path, settings, port);
        await over.CancelAsync();
        await Task.WhenAll(load).WaitAsync(TimeSpan.FromMinutes(2), Cancel);

        output.WriteLine($"seed {seed}: {Kills} kills, {arrived.Count} calls reached the provider, {answered} were answered, {told} were told that they had been made");
        arrived.Where(a => a.Value != 1).ShouldBeEmpty($"seed {seed}");
        answered.ShouldBeGreaterThan(Kills);
        // Of a call that was made, and of none but such, a client was told.
        (answered + told).ShouldBeGreaterThanOrEqualTo(arrived.Count);
        told.ShouldBeGreaterThan(0, $"seed {seed}: no kill met a running call");
    }

    private static async Task<(int Status, string Code)> CallAsync(HttpClient client, Uri product, string key, string name)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product, "/proxy/openai/v1/chat/completions"))
        {
            Content = new StringContent($$"""{"model":"gpt-5.1","messages":[{"role":"user","content":"{{name}}"}]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Authorization", $"Bearer {key}");
        request.Headers.Add("Idempotency-Key", name);
        try
        {
            using var answer = await client.SendAsync(request, Cancel);
            await answer.Content.ReadAsByteArrayAsync(Cancel);
            return ((int)answer.StatusCode, answer.Headers.TryGetValues("x-tokonomics-error", out var code) ? code.Single() : answer.StatusCode == HttpStatusCode.OK ? "" : $"{answer.StatusCode}");
        }
        catch (HttpRequestException)
        {
            return (0, ""); // killed in the middle, or not there yet
        }
    }

    [GeneratedRegex("call-[0-9-]+")]
    private static partial Regex Name();
}
