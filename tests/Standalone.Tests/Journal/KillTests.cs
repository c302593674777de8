using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Data.Sqlite;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Journal;

/// <summary>
/// The product under load, killed with SIGKILL at random moments and started again on what it left. The provider lives in the test and keeps its own count:
/// every request that reached it must have its row, whatever was killed when. <c>TOKONOMICS_KILLS</c> sets how many kills.
/// </summary>
public sealed partial class KillTests(ITestOutputHelper output)
{
    private const int Clients = 12;

    private static int Kills => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_KILLS"), out var kills) ? kills : 30;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_request_that_reached_the_provider_has_its_row_however_often_the_product_is_killed()
    {
        var watch = Stopwatch.StartNew();
        // Two products side by side, each on its own folder: starting takes longer than anything else here.
        var rounds = await Task.WhenAll(Enumerable.Range(0, 2).Select(i => RunAsync(Kills / 2, seed: Environment.TickCount + i)));
        output.WriteLine($"{string.Join("\n", rounds)}\n{watch.Elapsed.TotalSeconds:f0} s");
    }

    private static async Task<string> RunAsync(int kills, int seed)
    {
        using var folder = new TestFolder();
        var random = new Random(seed);
        var why = $"seed {seed}";
        var arrived = new ConcurrentDictionary<string, int>();
        await using var provider = new FakeProvider(async (request, socket) =>
        {
            arrived.AddOrUpdate(Name().Match(request.Text).Value, 1, (_, n) => n + 1);
            await AnswerAsync(request.Text.Contains("\"stream\":true", StringComparison.Ordinal), socket);
        });
        var (exit, made, errors) = await ProductProcess.RunAsync(folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--provider", "openai=sk-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        var key = JsonDocument.Parse(made).RootElement.GetProperty("metering_key").GetString()!;
        var settings = new Dictionary<string, string>
        {
            ["Providers__openai__BaseUrl"] = provider.Url.ToString().TrimEnd('/'),
            ["Journal__SegmentBytes"] = "65536", // a file every few hundred calls
            ["DOTNET_TieredPGO"] = "0",
        };

        var (sent, whole) = (new ConcurrentBag<string>(), 0);
        using var client = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(2) });
        for (var round = 0; round < kills; round++)
        {
            var product = await ProductProcess.ServeAsync(folder.Path, settings);
            using var over = new CancellationTokenSource();
            var load = Enumerable.Range(0, Clients).Select(async c =>
            {
                for (var i = 0; !over.IsCancellationRequested; i++)
                {
                    var name = $"call-{round}-{c}-{i}";
                    sent.Add(name);
                    if (await CallAsync(client, product.Url, key, name, stream: i % 2 == 0, over.Token))
                        Interlocked.Increment(ref whole);
                    else
                        await Task.Delay(20, Cancel); // nobody listens any more
                }
            }).ToList();
            // Every other one is killed when it has answered, however long a busy machine takes to that; the others at any moment after their start.
            for (var (before, waited) = (whole, Stopwatch.StartNew()); round % 2 == 0 && Volatile.Read(ref whole) == before && waited.Elapsed < TimeSpan.FromSeconds(30);)
                await Task.Delay(5, Cancel);
            await Task.Delay(random.Next(5, 350), Cancel);
            await product.KillAsync();
            await over.CancelAsync();
            await Task.WhenAll(load);
            await product.DisposeAsync();
        }

        // The last start reads what the last kill left; its orderly end writes everything.
        await using (var last = await ProductProcess.ServeAsync(folder.Path, settings))
        {
            (await CallAsync(client, last.Url, key, "call-last", stream: false, Cancel)).ShouldBeTrue();
            sent.Add("call-last");
            (await last.TerminateAsync()).ShouldBe(0, last.Output);
            Directory.GetFiles(Path.Combine(folder.Path, "journal"), "*.seg").ShouldBeEmpty();
        }

        var rows = Rows(folder.Path);
        var names = rows.Select(r => r.Name).ToHashSet();
        foreach (var (name, times) in arrived)
            rows.Count(r => r.Name == name && r.Outcome != "Abandoned").ShouldBeLessThanOrEqualTo(times, $"{why} {name}");
        arrived.Where(a => rows.Count(r => r.Name == a.Key) is var n && n < a.Value).ShouldBeEmpty(why);
        names.Except(sent).ShouldBeEmpty(why);
        // A row without an arrival is only ever a call that was on file as sent when the process was killed, before its first byte had gone out.
        var early = rows.GroupBy(r => r.Name).Where(g => g.Count() > arrived.GetValueOrDefault(g.Key)).ToList();
        early.SelectMany(g => g).Where(r => r.Outcome is not ("Abandoned" or "ClientGone")).ShouldBeEmpty(why);
        early.Count.ShouldBeLessThanOrEqualTo(kills * Clients, why);
        foreach (var row in rows.Where(r => r.Outcome == "Completed" && r.Status == 200))
            row.Usage.ShouldBe("Input=11,Output=7", $"{why} {row.Name}");
        foreach (var row in rows.Where(r => r.Outcome == "Abandoned"))
            row.Source.ShouldBe("Estimated", $"{why} {row.Name}");
        whole.ShouldBeGreaterThanOrEqualTo(kills / 2, why);

        var verified = await ProductProcess.RunAsync(folder.Path, ["verify"]);
        verified.ExitCode.ShouldBe(0, $"{why}: {verified.Output}");
        var rerated = await ProductProcess.RunAsync(folder.Path, ["rerate"]);
        rerated.ExitCode.ShouldBe(0, $"{why}: {rerated.Output}");
        return $"seed {seed}: {kills} kills, {sent.Count} calls, {arrived.Values.Sum()} reached the provider, {whole} answers arrived whole, {rows.Count} rows, {rows.Count(r => r.Outcome == "Abandoned")} of them abandoned, {early.Count} of those before their first byte";
    }

    private static async Task AnswerAsync(bool stream, System.Net.Sockets.Socket socket)
    {
        const string usage = """{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}""";
        if (!stream)
        {
            await Task.Delay(Random.Shared.Next(10), Cancel);
            await FakeProvider.SendAsync(socket, FakeProvider.Json($$"""{"id":"c","object":"chat.completion","model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{{usage}}}"""));
            return;
        }

        await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
        for (var i = 0; i < 5; i++)
        {
            await FakeProvider.ChunkAsync(socket, $$"""data: {"id":"c","object":"chat.completion.chunk","model":"gpt-5.1","choices":[{"index":0,"delta":{"content":"{{i}}"},"finish_reason":{{(i == 4 ? "\"stop\"" : "null")}}}]}""" + "\n\n");
            await Task.Delay(Random.Shared.Next(8), Cancel);
        }

        await FakeProvider.ChunkAsync(socket, $$"""data: {"id":"c","object":"chat.completion.chunk","model":"gpt-5.1","choices":[],"usage":{{usage}}}""" + "\n\n");
        await FakeProvider.ChunkAsync(socket, "data: [DONE]\n\n");
        await FakeProvider.ChunkAsync(socket, "");
    }

    private static async Task<bool> CallAsync(HttpClient client, Uri product, string key, string name, bool stream, CancellationToken cancellationToken)
    {
        var body = $$"""{"model":"gpt-5.1","messages":[{"role":"user","content":"{{name}}"}]{{(stream ? ",\"stream\":true" : "")}}}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product, "/proxy/openai/v1/chat/completions")) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("Authorization", $"Bearer {key}");
        request.Headers.Add("X-Tokonomics-Tags", $"call={name}");
        try
        {
            using var answer = await client.SendAsync(request, cancellationToken);
            return answer.IsSuccessStatusCode && (await answer.Content.ReadAsStringAsync(cancellationToken)).Length > 0;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false; // killed in the middle
        }
    }

    private sealed record Row(string Name, string Outcome, int Status, string Source, string Usage);

    private static List<Row> Rows(string folder)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(folder, "tokonomics.db")};Pooling=False;Mode=ReadOnly");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT json_extract(tags, '$.call'), outcome, status, usage_source, usage FROM usage_events";
        using var row = command.ExecuteReader();
        var rows = new List<Row>();
        while (row.Read())
            rows.Add(new Row(row.GetString(0), row.GetString(1), row.GetInt32(2), row.GetString(3), row.GetString(4)));
        return rows;
    }

    [GeneratedRegex("call-[0-9a-z-]+")]
    private static partial Regex Name();
}
