using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Architecture.Tests;

/// <summary>
/// A product in which everything that is measured has happened, beside the page, the dashboard and the alert rules that speak of it: names, units, types and attributes are the same, and Prometheus's
/// own checks pass.
/// </summary>
public sealed partial class TelemetryTests(TelemetryTests.Lived lived) : IClassFixture<TelemetryTests.Lived>
{
    private const string Operator = "operator-token-0123456789abcdef012345";

    // Prometheus's own of each scrape.
    private static readonly string[] OfPrometheus = ["up"];

    private readonly Exposition _scraped = lived.Scraped;
    private readonly Dictionary<string, Instrument> _instruments = lived.Instruments;

    [Fact]
    public async Task What_is_scraped_passes_Prometheus_own_check()
    {
        var (code, said) = await Promtool.RunAsync(["check", "metrics"], _scraped.Text);
        code.ShouldBe(0, said);
        (await Promtool.RunAsync(["check", "metrics"], "# TYPE calls counter\ncalls 1\n")).ExitCode.ShouldNotBe(0);
    }

    [Fact]
    public void The_page_has_every_instrument_as_it_is_and_no_other()
    {
        var rows = Rows();
        rows.Keys.Order().ShouldBe(_instruments.Keys.Order());
        foreach (var (name, instrument) in _instruments)
        {
            var row = rows[name];
            row.Unit.ShouldBe(instrument.Unit ?? "", name);
            row.Type.ShouldBe(TypeOf(instrument), name);
            row.Meaning.ShouldBe(instrument.Description, name);
            // What no scrape of this product has shown can't be compared by its attributes.
            if (!_scraped.Types.ContainsKey(row.Prometheus))
            {
                NotHere.ShouldContain(name);
                continue;
            }

            var labels = _scraped.LabelsOf(row.Prometheus + (row.Type == "histogram" ? "_count" : "")).Where(l => !l.StartsWith("otel_", StringComparison.Ordinal)).ToList();
            foreach (var label in labels)
                row.Attributes.Select(a => a.Replace('.', '_')).ShouldContain(label, name);
            foreach (var attribute in row.Attributes)
                labels.ShouldContain(attribute.Replace('.', '_'), name);
        }
    }

    // Nothing was delivered, the store took everything, and there was room for all connections.
    private static readonly string[] NotHere = ["tokonomics.alerts.attempts", "tokonomics.connections.closed_for_room", "tokonomics.ledger.failures"];

    [Theory]
    [InlineData("deploy/grafana/tokonomics.json")]
    [InlineData("deploy/prometheus/alerts.yml")]
    public void Every_metric_and_label_that_is_asked_for_is_scraped(string file)
    {
        var expressions = file.EndsWith(".json", StringComparison.Ordinal) ? DashboardExpressions() : RuleExpressions();
        expressions.Count.ShouldBeGreaterThan(15);
        var labels = Labels(_scraped);
        foreach (var expression in expressions)
        {
            var names = Metric().Matches(Quoted().Replace(expression, "\"\"")).Select(m => m.Value).Where(n => n.Contains('_', StringComparison.Ordinal) || n == "up").ToList();
            names.ShouldNotBeEmpty(expression);
            foreach (var name in names.Where(n => !Words.Contains(n) && !labels.Contains(n) && !OfPrometheus.Contains(n)))
                _scraped.Names.ShouldContain(name, expression);
            foreach (Match label in Matcher().Matches(expression))
                (labels.Contains(label.Groups[1].Value) || label.Groups[1].Value is "job" or "instance").ShouldBeTrue($"{label.Groups[1].Value} in {expression}");
        }

        Labels(_scraped).ShouldNotContain("tenant");
    }

    [Fact]
    public async Task The_rules_and_the_configuration_are_what_Prometheus_takes_and_fire_when_they_should()
    {
        using var folder = new TestFolder();
        foreach (var file in (string[])["prometheus.yml", "alerts.yml", "alerts.test.yml"])
            File.Copy(Path.Combine(TestFolder.Root, "deploy/prometheus", file), Path.Combine(folder.Path, file));
        File.WriteAllText(Path.Combine(folder.Path, "token"), Exposition.Token);
        foreach (var arguments in (string[][])[["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]])
        {
            var (code, said) = await Promtool.RunAsync([.. arguments[..2], Path.Combine(folder.Path, arguments[2])]);
            code.ShouldBe(0, said);
        }

        // Each is tried, and none is tried that isn't there.
        var tried = Named().Matches(File.ReadAllText(Path.Combine(folder.Path, "alerts.test.yml"))).Select(m => m.Groups[1].Value).Distinct();
        tried.Order().ShouldBe(Alerts().Order());
    }

    [Fact]
    public void Each_alert_has_its_section_in_the_runbooks_and_each_section_its_alert()
    {
        var rules = Read("deploy/prometheus/alerts.yml");
        var sections = Section().Matches(Read("docs/operations/runbooks.md")).Select(m => m.Groups[1].Value).Where(s => s.StartsWith("Tokonomics", StringComparison.Ordinal)).ToList();
        sections.Order().ShouldBe(Alerts().Order());
        foreach (var alert in Alerts())
            rules.ShouldContain($"runbook_url: docs/operations/runbooks.md#{alert.ToLowerInvariant()}\n");
        var page = Read("docs/operations/runbooks.md").Split("\n## ");
        foreach (var alert in Alerts())
            foreach (var part in (string[])["**Means.**", "**Look.**", "**Do.**", "**Tried.** By promtool. By breaking it:"])
                page.Single(p => p.StartsWith(alert + "\n", StringComparison.Ordinal)).ShouldContain(part, customMessage: alert);
        var tests = TestFile().Matches(Read("docs/operations/runbooks.md")).Select(m => m.Value).ToList();
        tests.Count.ShouldBeGreaterThan(8);
        tests.Where(t => !File.Exists(Path.Combine(TestFolder.Root, t))).ShouldBeEmpty();
    }

    [Fact]
    public void Every_metric_that_a_runbook_looks_at_is_one()
    {
        var known = Labels(_scraped);
        known.UnionWith(_scraped.Names);
        known.UnionWith(NotHere.Select(n => n.Replace('.', '_') + "_total"));
        var named = Mentioned().Matches(Read("docs/operations/runbooks.md")).Select(m => m.Value).Distinct().ToList();
        named.Count.ShouldBeGreaterThan(10);
        named.Where(n => !known.Contains(n)).ShouldBeEmpty();
    }

    private static async Task AnswerAsync(FakeRequest request, System.Net.Sockets.Socket socket)
    {
        if (!request.Text.Contains("\"stream\":true", StringComparison.Ordinal))
        {
            await FakeProvider.SendAsync(socket, Answer(request));
            return;
        }

        await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
        await FakeProvider.ChunkAsync(socket, "data: {\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n");
        await FakeProvider.ChunkAsync(socket, "");
    }

    private static string Answer(FakeRequest request) =>
        request.Text.Contains("\"busy\"", StringComparison.Ordinal) ? "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}"
        : request.Text.Contains("\"silent\"", StringComparison.Ordinal) ? FakeProvider.Json("""{"model":"gpt-4o-mini","choices":[{"message":{"content":"no usage"}}]}""")
        : FakeProvider.Json($$$"""{"model":"{{{(request.Text.Contains("no-such-model", StringComparison.Ordinal) ? "no-such-model" : "gpt-4o-mini")}}}","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}""");

    private static async Task CallAsync(TestProduct product, string path, string body, params (string, string)[] headers)
    {
        using var answer = await product.PostAsync(path, body, product.LiveKey, headers);
        await answer.Content.ReadAsStringAsync();
    }

    private static async Task CreateAsync(TestProduct product, string what, string json)
    {
        using var made = await product.ApiAsync(HttpMethod.Post, what, new StringContent(json, Encoding.UTF8, "application/json"));
        ((int)made.StatusCode).ShouldBe(201, await made.Content.ReadAsStringAsync());
    }

    private static string TypeOf(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        "Counter" or "ObservableCounter" => "counter",
        "Histogram" => "histogram",
        _ => "gauge", // as Prometheus has it; of up-down counters too
    };

    private static Dictionary<string, (string Prometheus, string Unit, string Type, string[] Attributes, string Meaning)> Rows() =>
        Row().Matches(Read("docs/operations/telemetry.md")).ToDictionary(
            m => m.Groups[1].Value,
            m => (m.Groups[2].Value, m.Groups[3].Value, m.Groups[4].Value, m.Groups[5].Value.Split(", ", StringSplitOptions.RemoveEmptyEntries).Select(a => a.Trim('`')).ToArray(), m.Groups[6].Value));

    private static HashSet<string> Labels(Exposition scraped) => [.. scraped.Names.SelectMany(scraped.LabelsOf)];

    private static List<string> RuleExpressions() => [.. Expression().Matches(Read("deploy/prometheus/alerts.yml")).Select(m => m.Groups[1].Value)];

    private static List<string> DashboardExpressions()
    {
        var found = new List<string>();
        Find(JsonDocument.Parse(Read("deploy/grafana/tokonomics.json")).RootElement);
        return found;

        void Find(JsonElement element)
        {
            if (element.ValueKind == JsonValueKind.Array)
                foreach (var item in element.EnumerateArray())
                    Find(item);
            if (element.ValueKind != JsonValueKind.Object)
                return;
            foreach (var property in element.EnumerateObject())
            {
                if (property.Name == "expr")
                    found.Add(property.Value.GetString()!.Replace("$__rate_interval", "5m", StringComparison.Ordinal));
                Find(property.Value);
            }
        }
    }

    private static List<string> Alerts() => [.. Alert().Matches(Read("deploy/prometheus/alerts.yml")).Select(m => m.Groups[1].Value)];

    private static string Read(string file) => File.ReadAllText(Path.Combine(TestFolder.Root, file));

    // PromQL's own words that have the look of a name.
    private static readonly string[] Words = ["histogram_quantile", "label_values", "group_left"];

    [GeneratedRegex("[a-z][a-z0-9_]*")]
    private static partial Regex Metric();

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Quoted();

    [GeneratedRegex("([a-z_]+)(?:=|!=|=~|!~)\"")]
    private static partial Regex Matcher();

    [GeneratedRegex("(?:tokonomics|dotnet|gen_ai)_[a-z_]+")]
    private static partial Regex Mentioned();

    [GeneratedRegex("tests/[A-Za-z./]+\\.cs")]
    private static partial Regex TestFile();

    [GeneratedRegex("- alert: (\\w+)")]
    private static partial Regex Alert();

    [GeneratedRegex("alertname: (\\w+)")]
    private static partial Regex Named();

    [GeneratedRegex("expr: '(.*)'")]
    private static partial Regex Expression();

    [GeneratedRegex("^## (\\w+)$", RegexOptions.Multiline)]
    private static partial Regex Section();

    [GeneratedRegex(@"^\| `([a-z_.]+)` \| `([a-z_]+)` \| `?([^|`]*)`? \| (\w+) \| ([^|]*) \| ([^|]+) \|$", RegexOptions.Multiline)]
    private static partial Regex Row();

    /// <summary>A product in which everything that is measured has happened, and its last scrape.</summary>
    public sealed class Lived : IAsyncLifetime
    {
        public Dictionary<string, Instrument> Instruments { get; } = [];

        public Exposition Scraped { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            using var listener = new MeterListener();
            listener.InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name.StartsWith("Tokonomics.", StringComparison.Ordinal))
                    lock (Instruments)
                        Instruments[instrument.Name] = instrument;
            };
            listener.Start();
            await using var redis = await RedisServer.StartAsync();
            await using var provider = new FakeProvider(AnswerAsync);
            await using var product = await TestProduct.StartAsync(
                [
                    new("Telemetry:Prometheus", "true"), new("Telemetry:PrometheusToken", Exposition.Token), new("ConnectionStrings:Redis", redis.ConnectionString), new("Portal:OperatorTokens", Operator),
                    new("Providers:openai:BaseUrl", provider.Url.ToString()), new("Providers:groq:BaseUrl", "http://127.0.0.1:9"),
                ],
                new Dictionary<string, string> { ["openai"] = "sk-1", ["groq"] = "sk-2" });
            await CreateAsync(product, "routes", """{"name":"careful","rules":[{"targets":[{"model":"groq/llama-3.3-70b-versatile"},{"model":"openai/gpt-4o-mini"}],"cache_seconds":60}]}""");
            await CreateAsync(product, "budgets", """{"scope":{"type":"tag","key":"customer"},"period":"month","limit_usd":"0.000000001"}""");
            foreach (var (model, stream) in new[] { ("gpt-4o-mini", false), ("gpt-4o-mini", true), ("no-such-model", false), ("busy", false), ("silent", false) })
                await CallAsync(product, "/proxy/openai/v1/chat/completions", ProxyCalls.Chat(model, stream));
            for (var i = 0; i < 12; i++) // each a second time, which is answered from the cache; five failures open a breaker
                await CallAsync(product, "/v1/chat/completions", ProxyCalls.Chat("careful", prompt: $"{i / 2}"));
            await CallAsync(product, "/v1/chat/completions", ProxyCalls.Chat("gpt-4o-mini"), ("X-Tokonomics-Tags", "customer=acme"));
            await CallAsync(product, "/v1/nothing/here", "{}");
            await CallAsync(product, "/api/v1/usage/import", $$$"""{"calls":[{"id":"a","at":"{{{DateTimeOffset.UtcNow:O}}}","path":"/proxy/openai/v1/chat/completions","status":200,"response":{"model":"gpt-4o-mini","usage":{"prompt_tokens":3,"completion_tokens":5} } }]}""");
            using (var run = new HttpRequestMessage(HttpMethod.Post, new Uri(product.Url, "/api/v1/operator/jobs/check-price-sheets/run")))
            {
                run.Headers.Authorization = new("Bearer", Operator);
                using var asked = await product.Client.SendAsync(run);
                asked.IsSuccessStatusCode.ShouldBeTrue(await asked.Content.ReadAsStringAsync());
            }

            await product.FlushAsync();
            // What comes by and by: the job's end, what is asked every few seconds, and Redis.
            Scraped = await Exposition.WhenAsync(product, s => new[] { "tokonomics_jobs_runs_total", "tokonomics_store_up", "tokonomics_alerts_waiting" }.All(n => s.Has(n)) && s.Sum("tokonomics_redis_up") > 0);
        }

        public ValueTask DisposeAsync() => default;
    }
}
