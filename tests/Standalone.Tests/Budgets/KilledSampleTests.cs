using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Budgets;

/// <summary>
/// A quality group whose every call is sampled and judged, on a product that is killed with SIGKILL under load and started again on what it left: samples are calls like any other, and never cost more than
/// their limit, whatever dies.
/// </summary>
public sealed class KilledSampleTests(ITestOutputHelper output)
{
    private const int Kills = 5;
    private const int Clients = 6;
    private const long LimitNano = 20_000_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_kill_makes_samples_cost_more_than_their_limit_or_lose_one()
    {
        using var folder = new TestFolder();
        var random = new Random(Environment.TickCount);
        await using var sandbox = await SandboxServer.StartNewAsync(new SandboxOptions { BillPath = Path.Combine(folder.Path, "provider", "bill.jsonl"), RememberRequests = 100_000 }, Cancel);
        var settings = new Dictionary<string, string> { ["Providers__openai__BaseUrl"] = sandbox.BaseUrl.ToString().TrimEnd('/') };
        using var client = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(2) });
        var (exit, made, errors) = await ProductProcess.RunAsync(folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        var said = JsonDocument.Parse(made).RootElement;
        var (key, token) = (said.GetProperty("metering_key").GetString()!, said.GetProperty("api_token").GetString()!);
        string route;
        await using (var first = await ProductProcess.ServeAsync(folder.Path, settings))
        {
            await KilledCapTests.ApiAsync(client, first, token, HttpMethod.Post, "prices/overrides", new { provider = "openai", model = "sandbox*", rates = new { max_input = 128000, max_output = 4096, input = "1", cache_read = "0.1", output = "2" } });
            var quality = new { candidates = new[] { "openai/sandbox-small-words-30" }, sample_percent = 100, sample_limit_usd = "0.02", judge = "openai/sandbox-grades" };
            var saved = await KilledCapTests.ApiAsync(client, first, token, HttpMethod.Post, "routes", new { name = "smart", rules = new[] { new { targets = new[] { new { model = "openai/sandbox-small" } }, quality } } });
            route = saved.GetProperty("id").GetString()!;
        }

        for (var round = 0; round <= Kills; round++)
        {
            await using var product = await ProductProcess.ServeAsync(folder.Path, settings);
            using var over = new CancellationTokenSource();
            var load = Enumerable.Range(0, Clients).Select(async c =>
            {
                for (var i = 0; !over.IsCancellationRequested; i++)
                    await CallAsync(client, product.Url, key, $"call-{round}-{c}-{i}", stream: i % 2 == 0, over.Token);
            }).ToList();
            // After some calls, so that a busy machine is killed in the middle of work as well, and a moment.
            var (target, patience) = (sandbox.Requests.Count + random.Next(40, 90), Stopwatch.StartNew());
            while (sandbox.Requests.Count < target && patience.Elapsed < TimeSpan.FromSeconds(8))
                await Task.Delay(5, Cancel);
            await Task.Delay(random.Next(0, 60), Cancel);
            if (round < Kills)
                await product.KillAsync();
            await over.CancelAsync();
            await Task.WhenAll(load);
            if (round < Kills)
                continue;
            await sandbox.WhenIdleAsync(Cancel);
            (await product.TerminateAsync()).ShouldBe(0, product.Output);
        }

        // 1. What the provider charged for samples and judges, and what their budget counts, is within the limit.
        var bill = sandbox.Bill.Lines.ToDictionary(l => l.Id);
        var samples = sandbox.Bill.Lines.Where(l => l.Model is "sandbox-small-words-30" or "sandbox-grades").Sum(l => l.CostNanoUsd ?? 0);
        samples.ShouldBeInRange(1, LimitNano);
        using var store = KilledCapTests.Open(folder.Path);
        long Number(string sql)
        {
            using var command = store.CreateCommand();
            command.CommandText = sql;
            return (long)command.ExecuteScalar()!;
        }

        var account = $"FROM budget_accounts WHERE budget_id = 'bud_samples_live_{route}'";
        Number($"SELECT posted_nano {account}").ShouldBeInRange(samples, LimitNano);
        Number($"SELECT leased_nano + excess_nano {account}").ShouldBe(0);

        // 2. Nothing lost, nothing doubled: who reached the provider has one row; of those whose end nobody saw, there are as many rows without the provider's id at least.
        var seen = new HashSet<string>();
        using (var command = store.CreateCommand())
        {
            command.CommandText = "SELECT provider_request_id FROM usage_events WHERE provider_request_id IS NOT NULL";
            using var row = command.ExecuteReader();
            while (row.Read())
                seen.Add(row.GetString(0)).ShouldBeTrue(row.GetString(0));
        }

        var unseen = sandbox.Requests.Count(r => !seen.Contains(r.Id));
        var open = Number("SELECT count(*) FROM usage_events WHERE provider_request_id IS NULL");
        unseen.ShouldBeLessThanOrEqualTo((int)open);
        Number("SELECT CAST(sum(coalesce(budget_nano, cost_nano, 0)) AS integer) FROM usage_events").ShouldBeGreaterThanOrEqualTo(sandbox.Bill.TotalNanoUsd);
        (await ProductProcess.RunAsync(folder.Path, ["verify"])).ShouldSatisfyAllConditions(v => v.ExitCode.ShouldBe(0, v.Output));
        Number("SELECT count(*) FROM usage_events WHERE routed LIKE '% Judge'").ShouldBeGreaterThan(0);
        output.WriteLine($"{Kills} kills, {sandbox.Requests.Count} reached the provider, {unseen} of them with nobody to see their end, samples {samples} of {LimitNano}, judged {Number("SELECT count(*) FROM usage_events WHERE routed LIKE '% Judge'")}");
        bill.Count.ShouldBeGreaterThan(0);
    }

    private static async Task CallAsync(HttpClient client, Uri product, string key, string name, bool stream, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product, "/v1/chat/completions"))
        {
            Content = new StringContent($$"""{"model":"smart","messages":[{"role":"user","content":"{{name}}"}],"max_tokens":100,"stream":{{(stream ? "true" : "false")}}}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Authorization", $"Bearer {key}");
        try
        {
            using var answer = await client.SendAsync(request, cancellationToken);
            ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync(cancellationToken));
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            // killed in the middle
        }
    }
}
