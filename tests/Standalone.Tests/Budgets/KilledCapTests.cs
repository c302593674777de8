using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Data.Sqlite;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Budgets;

/// <summary>
/// F01, F02, F03: the product under five strict budgets, killed with SIGKILL at random moments under load and started again on what it left. The
/// provider outlives it and keeps its own bill. The limits follow what is spent, so that the caps are met again and again. <c>TOKONOMICS_CAP_KILLS</c> sets how
/// many kills.
/// </summary>
public sealed partial class KilledCapTests(ITestOutputHelper output)
{
    private const int Clients = 10;
    private const int Lanes = 3;

    private static int Kills => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_CAP_KILLS"), out var kills) ? kills : 15;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly string[] Levels = ["tenant", "team", "project", "key", "tag"];

    [Fact]
    public async Task No_kill_makes_a_cap_overshoot_or_a_call_count_twice_or_not_at_all()
    {
        var watch = Stopwatch.StartNew();
        // Side by side, each on its own folder: starting takes longer than anything else here.
        var told = await Task.WhenAll(Enumerable.Range(0, Lanes).Select(i => RunAsync(Kills / Lanes, seed: Environment.TickCount + i)));
        output.WriteLine($"{string.Join("\n", told)}\n{watch.Elapsed.TotalSeconds:f0} s");
    }

    private static async Task<string> RunAsync(int kills, int seed)
    {
        using var folder = new TestFolder();
        var random = new Random(seed);
        var why = $"seed {seed}";
        await using var sandbox = await SandboxServer.StartNewAsync(new SandboxOptions { BillPath = Path.Combine(folder.Path, "provider", "bill.jsonl"), RememberRequests = 1_000_000 }, Cancel);
        var settings = new Dictionary<string, string>
        {
            ["Providers__openai__BaseUrl"] = sandbox.BaseUrl.ToString().TrimEnd('/'),
            ["Journal__SegmentBytes"] = "65536", // a file every few hundred calls
            ["DOTNET_TieredPGO"] = "0",
        };
        using var client = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(2) });
        var (exit, made, errors) = await ProductProcess.RunAsync(folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        var said = JsonDocument.Parse(made).RootElement;
        var (tenant, token) = (said.GetProperty("tenant_id").GetString()!, said.GetProperty("api_token").GetString()!);
        string key;
        List<string> budgets;
        await using (var first = await ProductProcess.ServeAsync(folder.Path, settings))
            (key, budgets) = await PrepareAsync(client, first, tenant, token);

        var calls = new ConcurrentDictionary<string, int>(); // name → status, 0 where none came
        var (refused, restarts) = (0, new List<double>());
        await using var witness = new CapWitness(folder.Path, () => sandbox.Bill.TotalNanoUsd, [.. budgets]);
        for (var round = 0; round < kills; round++)
        {
            var start = Stopwatch.StartNew();
            await using var product = await ProductProcess.ServeAsync(folder.Path, settings);
            restarts.Add(start.Elapsed.TotalSeconds);
            // A little more than what is out: it will be met within this round or the next.
            if (round % 3 == 0)
                await LimitAsync(client, product, token, budgets, witness.Accounts().Select(a => a.Posted + a.Leased).DefaultIfEmpty().Max() + 12_000_000);
            using var over = new CancellationTokenSource();
            var load = Enumerable.Range(0, Clients).Select(async c =>
            {
                for (var i = 0; !over.IsCancellationRequested; i++)
                {
                    var name = $"call-{round}-{c}-{i}";
                    var status = await CallAsync(client, product.Url, key, name, random: new Random(seed + name.GetHashCode(StringComparison.Ordinal)), over.Token);
                    calls[name] = status;
                    if (status == 429)
                        Interlocked.Increment(ref refused);
                    if (status != 200)
                        await Task.Delay(20, Cancel);
                }
            }).ToList();
            // After some calls, so that a busy machine is killed in the middle of work as well, and a moment.
            var (target, patience) = (calls.Count + random.Next(0, 40), Stopwatch.StartNew());
            while (calls.Count < target && patience.Elapsed < TimeSpan.FromSeconds(5))
                await Task.Delay(2, Cancel);
            await Task.Delay(random.Next(0, 60), Cancel);
            await product.KillAsync();
            await over.CancelAsync();
            await Task.WhenAll(load);
            product.Output.ShouldNotContain("count as spent", Case.Insensitive, why);
        }

        // The last start: what earlier runs had leased comes back, and what is left of the caps can be used.
        await using var last = await ProductProcess.ServeAsync(folder.Path, settings);
        var recovering = Stopwatch.StartNew();
        while (Scalar(folder.Path, "SELECT count(DISTINCT node) FROM budget_leases") > 1)
        {
            recovering.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30), $"{why}: {last.Output}");
            await Task.Delay(50, Cancel);
        }

        var limit = witness.Accounts().Max(a => a.Posted + a.Leased) + 50_000_000;
        await LimitAsync(client, last, token, budgets, limit);
        for (var i = 0; ; i++)
        {
            var status = calls[$"call-end-0-{i}"] = await CallAsync(client, last.Url, key, $"call-end-0-{i}", new Random(1), Cancel);
            if (status == 429)
                break;
            status.ShouldBe(200, why);
        }

        await sandbox.WhenIdleAsync(Cancel);
        (await last.TerminateAsync()).ShouldBe(0, last.Output);
        await witness.StopAsync();

        // 1. No overshoot, at no level and at no moment.
        witness.Violations.ShouldBeEmpty($"{why}, {witness.MostOver} nano-dollars over");
        witness.Looks.ShouldBeGreaterThan(kills);

        // 2. Nothing lost, nothing doubled: each request that reached the provider has one row.
        var rows = Rows(folder.Path);
        var bill = sandbox.Bill.Lines.ToDictionary(l => l.Id);
        rows.Where(r => r.Id is not null).Select(r => r.Id).ShouldBeUnique(why);
        rows.Select(r => r.Name).ShouldBeUnique(why);
        var byName = rows.ToDictionary(r => r.Name);
        var (lost, short_, exact, abandoned) = (0, 0L, 0, 0);
        foreach (var request in sandbox.Requests)
        {
            var (line, name) = (bill[request.Id], Name().Match(Encoding.UTF8.GetString(request.Body.Span)).Value);
            if (!byName.TryGetValue(name, out var row))
            {
                lost++;
                continue;
            }

            if (row.Id is not null)
                row.Id.ShouldBe(request.Id, $"{why} {name}");
            else
                row.Outcome.ShouldBeOneOf("Abandoned", "ClientGone", "Unreachable", "TimedOut");
            // What budgets count for it is never less than what the provider charges, and the same where it told all.
            short_ = Math.Max(short_, line.CostNanoUsd!.Value - row.Counted);
            if (row.Outcome == "Completed" && line.UsageDelivered)
            {
                row.Counted.ShouldBe(line.CostNanoUsd.Value, $"{why} {name}");
                exact++;
            }
        }

        lost.ShouldBe(0, why);
        short_.ShouldBeLessThanOrEqualTo(0, why);
        // 3. What nobody knows the end of counts whole.
        foreach (var row in rows.Where(r => r.Outcome == "Abandoned"))
        {
            abandoned++;
            row.Bound.ShouldNotBeNull($"{why} {row.Name}");
            row.Counted.ShouldBe(row.Bound.Value, $"{why} {row.Name}");
        }

        // 4. At the end nothing is set aside any more, and the caps were usable to nearly their ends.
        var accounts = witness.Accounts().Where(a => budgets.Contains(a.Budget)).ToList();
        accounts.Count.ShouldBe(Levels.Length);
        accounts.ShouldAllBe(a => a.Leased == 0 && a.Excess == 0 && a.Posted <= limit);
        var used = accounts.Min(a => a.Posted) / (double)limit;
        used.ShouldBeGreaterThan(0.9, why);
        File.Exists(Path.Combine(folder.Path, "journal", "records-lost")).ShouldBeFalse();
        var verified = await ProductProcess.RunAsync(folder.Path, ["verify"]);
        verified.ExitCode.ShouldBe(0, $"{why}: {verified.Output}");
        restarts.Sort();
        return $"seed {seed}: {kills} kills, {calls.Count} calls, {sandbox.Requests.Count} reached the provider, {exact} exact, {refused} refused, {rows.Count} rows, {abandoned} abandoned, {lost} lost, "
            + $"bill {sandbox.Bill.TotalNanoUsd}, posted {accounts.Max(a => a.Posted)} of {limit} ({used:p1}), overshoot {witness.MostOver}, {witness.Looks} looks, ready after {restarts[restarts.Count / 2]:f1} s";
    }

    // A key in a team and a project, with a tag; a price for the provider's models; a budget on each level.
    private static async Task<(string Key, List<string> Budgets)> PrepareAsync(HttpClient client, ProductProcess product, string tenant, string token)
    {
        using (var connection = new SqliteConnection($"Data Source={Path.Combine(product.Data, "tokonomics.db")};Pooling=False;Default Timeout=30"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "INSERT INTO teams (tenant_id, id, name, created_at) VALUES ($t, 'team_1', 'a', 1); INSERT INTO projects (tenant_id, id, team_id, name, created_at) VALUES ($t, 'prj_1', 'team_1', 'a', 1)";
            command.Parameters.AddWithValue("$t", tenant);
            command.ExecuteNonQuery();
        }

        await ApiAsync(client, product, token, HttpMethod.Post, "prices/overrides", new { provider = "openai", model = "sandbox*", rates = new { max_input = 128000, max_output = 4096, input = "1", cache_read = "0.1", output = "2" } });
        var made = await ApiAsync(client, product, token, HttpMethod.Post, "keys", new { name = "k", environment = "live", team_id = "team_1", project_id = "prj_1", tags = new Dictionary<string, string> { ["customer"] = "acme" } });
        var budgets = new List<string>();
        foreach (var level in Levels)
        {
            object scope = level switch
            {
                "tenant" => new { type = level },
                "team" => new { type = level, id = "team_1" },
                "project" => new { type = level, id = "prj_1" },
                "key" => new { type = level, id = made.GetProperty("id").GetString() },
                _ => new { type = level, key = "customer", value = "acme" },
            };
            var budget = await ApiAsync(client, product, token, HttpMethod.Post, "budgets", new { scope, period = "total", limit_usd = "0.05", environment = "live", wait_seconds = 0.2 });
            budgets.Add(budget.GetProperty("id").GetString()!);
        }

        return (made.GetProperty("key").GetString()!, budgets);
    }

    private static async Task LimitAsync(HttpClient client, ProductProcess product, string token, List<string> budgets, long nano)
    {
        var usd = (nano / 1_000_000_000m).ToString(System.Globalization.CultureInfo.InvariantCulture);
        foreach (var budget in budgets)
            await ApiAsync(client, product, token, HttpMethod.Put, $"budgets/{budget}", new { limit_usd = usd, wait_seconds = 0.2 });
    }

    internal static async Task<JsonElement> ApiAsync(HttpClient client, ProductProcess product, string token, HttpMethod method, string path, object body)
    {
        using var request = new HttpRequestMessage(method, new Uri(product.Url, $"/api/v1/{path}")) { Content = JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await client.SendAsync(request, Cancel);
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        answer.IsSuccessStatusCode.ShouldBeTrue($"{method} {path}: {text}");
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    private static async Task<int> CallAsync(HttpClient client, Uri product, string key, string name, Random random, CancellationToken cancellationToken)
    {
        var (path, body) = random.Next(6) switch
        {
            0 => ("chat/completions", $$"""{"model":"sandbox-small","messages":[{"role":"user","content":"{{name}}"}],"max_tokens":100}"""),
            1 => ("chat/completions", $$"""{"model":"sandbox-small-tokens-250","messages":[{"role":"user","content":"{{name}}"}],"stream":true}"""),
            2 => ("chat/completions", $$"""{"model":"sandbox-small-tokens-120","messages":[{"role":"user","content":"{{name}}"}],"stream":true,"max_tokens":150}"""),
            3 => ("responses", $$"""{"model":"sandbox-small-tokens-200","input":"{{name}}","stream":true}"""),
            4 => ("responses", $$"""{"model":"sandbox-small-tokens-300","input":"{{name}}","max_output_tokens":300}"""),
            _ => ("completions", $$"""{"model":"sandbox-small-tokens-80","prompt":"{{name}}","stream":true,"max_tokens":100}"""),
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product, $"/proxy/openai/v1/{path}")) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("Authorization", $"Bearer {key}");
        request.Headers.Add("X-Tokonomics-Tags", $"call={name}");
        try
        {
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            await answer.Content.ReadAsByteArrayAsync(cancellationToken);
            return (int)answer.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            return 0; // killed in the middle
        }
    }

    private sealed record Row(string Name, string Outcome, string? Id, long Counted, long? Bound);

    private static List<Row> Rows(string folder)
    {
        using var connection = Open(folder);
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT json_extract(tags, '$.call'), outcome, provider_request_id, coalesce(budget_nano, cost_nano, 0), upper_bound_nano FROM usage_events";
        using var row = command.ExecuteReader();
        var rows = new List<Row>();
        while (row.Read())
            rows.Add(new Row(row.GetString(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetInt64(3), row.IsDBNull(4) ? null : row.GetInt64(4)));
        return rows;
    }

    private static long Scalar(string folder, string sql)
    {
        using var connection = Open(folder);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    internal static SqliteConnection Open(string folder)
    {
        var connection = new SqliteConnection($"Data Source={Path.Combine(folder, "tokonomics.db")};Pooling=False;Default Timeout=30");
        connection.Open();
        return connection;
    }

    [GeneratedRegex("call-[0-9a-z-]+")]
    private static partial Regex Name();
}
