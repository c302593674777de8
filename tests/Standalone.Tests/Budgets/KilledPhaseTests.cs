using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Budgets;

/// <summary>F01, F02, F03 at their very moments: the provider kills the product when a request has come, between two events, and after the last byte.</summary>
public sealed class KilledPhaseTests(ITestOutputHelper output)
{
    private const int Calls = 6;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private enum Phase { BeforeAnyAnswer, MidStream, AfterTheLastByte }

    [Fact]
    public async Task Killed_at_each_phase_a_call_counts_once_with_all_that_was_held_or_with_its_cost()
    {
        using var folder = new TestFolder();
        var reached = new SemaphoreSlim(0);
        var phase = Phase.BeforeAnyAnswer;
        var dead = new TaskCompletionSource();
        await using var provider = new FakeProvider(async (_, socket) =>
        {
            const string usage = """{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}""";
            static string Event(string text) => $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"{{{text}}}"},"finish_reason":null}]}""" + "\n\n";
            if (phase != Phase.BeforeAnyAnswer)
            {
                await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
                await FakeProvider.ChunkAsync(socket, Event(new string('x', 2000))); // more than the first slice pays for
            }

            if (phase == Phase.AfterTheLastByte)
            {
                await FakeProvider.ChunkAsync(socket, $$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o-mini","choices":[],"usage":{{usage}}}""" + "\n\ndata: [DONE]\n\n");
                await FakeProvider.ChunkAsync(socket, "");
            }

            reached.Release();
            if (phase != Phase.AfterTheLastByte) // then the connection is the next call's
                await dead.Task;
        });
        var (exit, made, errors) = await ProductProcess.RunAsync(folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        var said = JsonDocument.Parse(made).RootElement;
        var settings = new Dictionary<string, string> { ["Providers__openai__BaseUrl"] = provider.Url.ToString().TrimEnd('/') };
        using var client = new HttpClient(new SocketsHttpHandler());
        var product = await ProductProcess.ServeAsync(folder.Path, settings);
        using (var budget = new HttpRequestMessage(HttpMethod.Post, new Uri(product.Url, "/api/v1/budgets")) { Content = JsonContent.Create(new { scope = new { type = "tenant" }, period = "total", limit_usd = "5", environment = "live" }) })
        {
            budget.Headers.Authorization = new AuthenticationHeaderValue("Bearer", said.GetProperty("api_token").GetString());
            using var answer = await client.SendAsync(budget, Cancel);
            answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync(Cancel));
        }

        try
        {
            var posted = 0L;
            foreach (var (next, round) in Enum.GetValues<Phase>().SelectMany(p => Enumerable.Range(0, 2).Select(r => (p, r))))
            {
                (phase, dead) = (next, new TaskCompletionSource());
                var before = Rows(folder.Path).Count;
                var calls = Enumerable.Range(0, Calls).Select(async i =>
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product.Url, "/proxy/openai/v1/chat/completions"))
                    {
                        Content = new StringContent(ProxyCalls.Chat("gpt-4o-mini", stream: true, more: ",\"stream_options\":{\"include_usage\":true}"), Encoding.UTF8, "application/json"),
                    };
                    request.Headers.Add("Authorization", $"Bearer {said.GetProperty("metering_key").GetString()}");
                    try
                    {
                        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
                        await answer.Content.ReadAsByteArrayAsync(Cancel);
                    }
                    catch (Exception e) when (e is HttpRequestException or IOException)
                    {
                        // Killed.
                    }
                }).ToList();
                for (var i = 0; i < Calls; i++)
                    await reached.WaitAsync(Cancel);
                if (phase == Phase.MidStream)
                    await Task.Delay(200, Cancel); // time enough to extend
                await product.KillAsync();
                dead.SetResult();
                await Task.WhenAll(calls);
                await product.DisposeAsync();
                product = await ProductProcess.ServeAsync(folder.Path, settings);
                var why = $"{phase} {round}: {product.Output}";
                for (var tries = 0; Rows(folder.Path).Count < before + Calls || Scalar(folder.Path, "SELECT count(DISTINCT node) FROM budget_leases") > 1; tries++)
                {
                    tries.ShouldBeLessThan(600, why);
                    await Task.Delay(50, Cancel);
                }

                var rows = Rows(folder.Path);
                rows.Count.ShouldBe(before + Calls, why);
                foreach (var (outcome, counted, bound) in rows.Skip(before))
                {
                    if (outcome == "Abandoned")
                        counted.ShouldBe(bound, why);
                    else if (phase == Phase.AfterTheLastByte && outcome == "Completed")
                        counted.ShouldBe((11 * 150) + (7 * 600), why); // 0.15 and 0.60 USD a million
                    else
                        outcome.ShouldBe(phase == Phase.AfterTheLastByte ? "Completed" : "Abandoned", why);
                    // 2,000 bytes have been passed on: they may be as many tokens, and were paid for before.
                    if (phase == Phase.MidStream)
                        counted.ShouldBeGreaterThan(2000 * 600, why);
                }

                // Each counts once, and nothing of the dead run's leases is left.
                posted += rows.Skip(before).Sum(r => r.Counted);
                Scalar(folder.Path, "SELECT posted_nano FROM budget_accounts").ShouldBe(posted, why);
                output.WriteLine($"{phase}: {string.Join(' ', rows.Skip(before).Select(r => $"{r.Outcome}={r.Counted}"))}");
            }

            (await product.TerminateAsync()).ShouldBe(0, product.Output);
        }
        finally
        {
            await product.DisposeAsync();
        }

        Scalar(folder.Path, "SELECT leased_nano FROM budget_accounts").ShouldBe(0);
        (await ProductProcess.RunAsync(folder.Path, ["verify"])).ExitCode.ShouldBe(0);
    }

    private static List<(string Outcome, long Counted, long Bound)> Rows(string folder)
    {
        using var connection = Open(folder);
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT outcome, coalesce(budget_nano, cost_nano, 0), coalesce(upper_bound_nano, -1) FROM usage_events ORDER BY rowid";
        using var row = command.ExecuteReader();
        var rows = new List<(string, long, long)>();
        while (row.Read())
            rows.Add((row.GetString(0), row.GetInt64(1), row.GetInt64(2)));
        return rows;
    }

    private static long Scalar(string folder, string sql)
    {
        using var connection = Open(folder);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    private static SqliteConnection Open(string folder)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(folder, "tokonomics.db")};Pooling=False;Default Timeout=30");
        connection.Open();
        return connection;
    }
}
