using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Telemetry;

/// <summary>The hosts as processes: what they answer at <c>/metrics</c>, how they log, and what they load.</summary>
public sealed partial class ProcessTests
{
    private static readonly KeyValuePair<string, string>[] On = [new("Telemetry__Prometheus", "true"), new("Telemetry__PrometheusToken", Exposition.Token)];

    [Fact]
    public async Task Each_host_by_itself_is_scraped()
    {
        using var folder = new TestFolder();
        await using var proxy = await ProductProcess.ProxyAsync(folder.Path, "a", On);
        await using var portal = await ProductProcess.PortalAsync(folder.Path, On);
        await using var workers = await ProductProcess.WorkersAsync(folder.Path, On);
        foreach (var (host, service, names) in new[]
        {
            (proxy, "tokonomics-proxy", (string[])["tokonomics_journal_writable", "tokonomics_budgets_leased_nano_usd", "tokonomics_proxy_shedding"]),
            (portal, "tokonomics-portal", []),
            (workers, "tokonomics-workers", ["tokonomics_jobs_interval_seconds", "tokonomics_alerts_waiting"]),
        })
        {
            (await ScrapeAsync(host, null)).StatusCode.ShouldBe(System.Net.HttpStatusCode.Unauthorized);
            var scraped = await WhenAsync(host, "tokonomics_store_up");
            scraped.Sum("tokonomics_store_up").ShouldBe(1);
            scraped.Has("target_info", ("service_name", service)).ShouldBeTrue(scraped.Text);
            foreach (var name in (string[])[.. names, "dotnet_process_memory_working_set_bytes", "kestrel_active_connections", "http_server_active_requests"])
                scraped.Has(name).ShouldBeTrue($"{service}: {name}");
        }
    }

    [Fact]
    public async Task A_process_that_sends_nothing_has_loaded_nothing_of_OpenTelemetry_and_logs_a_line_for_people()
    {
        using var folder = new TestFolder();
        await using var product = await ProductProcess.ServeAsync(folder.Path, [new("Providers__openai__BaseUrl", "http://127.0.0.1:9")]);
        var id = await FailedCallAsync(product);
        (await WhenLoggedAsync(product, id)).ShouldContain($"{id}: openai can't be reached: it refuses connections");
        (await Loaded(product)).ShouldNotContain("OpenTelemetry");
        (await Loaded(product)).ShouldContain("Tokonomics.Infrastructure.dll");
    }

    [Fact]
    public async Task A_process_logs_in_JSON_where_a_setting_says_so_with_the_requests_id_as_a_field()
    {
        using var folder = new TestFolder();
        await using var product = await ProductProcess.ServeAsync(folder.Path, [.. On, new("Logging__Console__FormatterName", "json"), new("Providers__openai__BaseUrl", "http://127.0.0.1:9")]);
        var id = await FailedCallAsync(product);
        var line = JsonDocument.Parse(await WhenLoggedAsync(product, id)).RootElement;
        line.GetProperty("LogLevel").GetString().ShouldBe("Warning");
        line.GetProperty("Category").GetString().ShouldBe("Tokonomics.Web.Proxy.Forwarding.Forwarder");
        line.GetProperty("State").GetProperty("RequestId").GetString().ShouldBe(id);
        line.GetProperty("State").GetProperty("Provider").GetString().ShouldBe("openai");
        // The other test's search finds what is there.
        (await Loaded(product)).ShouldContain("OpenTelemetry");
    }

    // A call of a client with a provider key of its own, to a provider that isn't there.
    private static async Task<string> FailedCallAsync(ProductProcess product)
    {
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(product.Url, "/proxy/openai/v1/chat/completions")) { Content = new StringContent(ProxyCalls.Chat("gpt-4o-mini"), Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "sk-own");
        request.Headers.Add("X-Tokonomics-Key", LiveKey().Match(product.Output).Value);
        using var answer = await client.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(502, await answer.Content.ReadAsStringAsync());
        return answer.RequestId();
    }

    // The console is written by a thread of its own.
    private static async Task<string> WhenLoggedAsync(ProductProcess product, string id)
    {
        for (var tries = 0; ; tries++)
        {
            if (Array.Find(product.Output.Split('\n'), l => l.Contains(id, StringComparison.Ordinal)) is { } line)
                return line;
            tries.ShouldBeLessThan(600, product.Output);
            await Task.Delay(50);
        }
    }

    private static Task<string> Loaded(ProductProcess product) => File.ReadAllTextAsync($"/proc/{product.Id}/maps");

    private static async Task<Exposition> WhenAsync(ProductProcess host, string name)
    {
        for (var tries = 0; ; tries++)
        {
            using var answer = await ScrapeAsync(host, Exposition.Token);
            var scraped = new Exposition(await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
            if (scraped.Has(name))
                return scraped;
            tries.ShouldBeLessThan(300, scraped.Text);
            await Task.Delay(100);
        }
    }

    private static async Task<HttpResponseMessage> ScrapeAsync(ProductProcess host, string? token)
    {
        using var client = new HttpClient();
        client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return await client.GetAsync(new Uri(host.Url, "/metrics"));
    }

    [GeneratedRegex("mk_live_[A-Za-z0-9]+")]
    private static partial Regex LiveKey();
}
