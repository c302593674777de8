using System.Net.Http.Headers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Providers;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Exchanges;

/// <summary>
/// Constructed exchanges with every built-in provider, in the files beside this one: a request, the provider's answer in the shape that it has
/// on the wire, the units that are to be read from it, and the cost with its arithmetic. Rates are those of Saturday 2026-11-21, noon UTC.
/// </summary>
public sealed class ExchangeTests(ExchangeTests.OnThatDay upstream) : IClassFixture<ExchangeTests.OnThatDay>
{
    // As the wire has it: no needless escapes.
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public sealed class OnThatDay : Upstream
    {
        protected override Action<IServiceCollection> Services => s => s.AddSingleton<TimeProvider>(new Day());

        // Rates depend on the date and, for some, on the hour. Only the date stands still.
        private sealed class Day : TimeProvider
        {
            private readonly DateTimeOffset _noon = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

            public override DateTimeOffset GetUtcNow() => _noon;
        }
    }

    public static TheoryData<string> Files => [.. All().Select(f => f.Provider)];

    private static IEnumerable<(string Provider, JsonElement[] Exchanges)> All() =>
        from file in Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Exchanges"), "*.json").Order(StringComparer.Ordinal)
        select (Path.GetFileNameWithoutExtension(file), JsonDocument.Parse(File.ReadAllText(file)).RootElement.EnumerateArray().ToArray());

    [Theory]
    [MemberData(nameof(Files))]
    public async Task An_exchange_is_relayed_and_costs_what_it_says(string provider)
    {
        foreach (var exchange in All().Single(f => f.Provider == provider).Exchanges)
        {
            var name = $"{provider}: {exchange.GetProperty("name").GetString()}";
            var plain = exchange.TryGetProperty("response", out var response);
            var parts = plain ? [JsonSerializer.Serialize(response, Json)] : exchange.GetProperty("stream").EnumerateArray().Select(e => e.GetString()!).ToList();
            var swallowed = exchange.TryGetProperty("swallowed", out var at) ? at.GetInt32() : -1;
            var type = plain ? "application/json" : exchange.GetProperty("content_type").GetString()!;
            var text = exchange.TryGetProperty("request_text", out var raw) ? raw.GetString()! : JsonSerializer.Serialize(exchange.GetProperty("request"), Json);
            var call = new ClientCall(exchange.GetProperty("path").GetString()!, text);

            using var request = upstream.Request(call, async (_, socket) =>
            {
                if (plain)
                {
                    await FakeProvider.SendAsync(socket, FakeProvider.Json(parts[0]));
                    return;
                }

                await FakeProvider.SendAsync(socket, $"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nTransfer-Encoding: chunked\r\n\r\n");
                foreach (var part in parts.Append(""))
                    await FakeProvider.ChunkAsync(socket, part);
            });
            if (exchange.TryGetProperty("request_type", out var requestType))
                request.Content!.Headers.ContentType = MediaTypeHeaderValue.Parse(requestType.GetString()!);
            using var answer = await upstream.Product.Client.SendAsync(request);

            (await answer.Content.ReadAsStringAsync()).ShouldBe(string.Concat(parts.Where((_, i) => i != swallowed)), name);
            ((int)answer.StatusCode).ShouldBe(200, name);
            Check(await upstream.RowAsync(answer.RequestId()), exchange, name, provider, plain);
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task An_exchange_that_went_past_the_proxy_costs_the_same_when_it_is_reported(string provider)
    {
        var exchanges = All().Single(f => f.Provider == provider).Exchanges;
        var calls = exchanges.Select((exchange, i) => new Dictionary<string, object?>
        {
            ["id"] = $"{provider}-{i}",
            ["at"] = "2026-11-21T11:59:30.25Z",
            ["path"] = exchange.GetProperty("path").GetString(),
            ["request"] = exchange.TryGetProperty("request_text", out var raw) ? raw : exchange.GetProperty("request"),
            ["request_type"] = exchange.TryGetProperty("request_type", out var type) ? type.GetString() : null,
            ["status"] = 200,
            ["response"] = exchange.TryGetProperty("response", out var whole) ? whole : string.Concat(exchange.GetProperty("stream").EnumerateArray().Select(e => e.GetString())),
        });
        using var answer = await upstream.Product.PostAsync("/api/v1/usage/import", JsonSerializer.Serialize(new { calls }, Json), upstream.Product.LiveKey);
        var told = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.ShouldBe(System.Net.HttpStatusCode.OK, told);
        foreach (var (taken, exchange) in JsonDocument.Parse(told).RootElement.GetProperty("calls").EnumerateArray().Zip(exchanges))
        {
            var name = $"{provider}: {exchange.GetProperty("name").GetString()}";
            var row = await upstream.RowAsync(taken.GetProperty("request_id").GetString()!);
            Check(row, exchange, name, provider, exchange.TryGetProperty("response", out _));
            row.GetProperty("direct").GetBoolean().ShouldBeTrue(name);
            taken.GetProperty("cost_usd").GetString().ShouldBe(row.GetProperty("cost_usd").GetString(), name);
        }
    }

    private static void Check(JsonElement row, JsonElement exchange, string name, string provider, bool plain)
    {
        var units = row.GetProperty("usage").GetProperty("units").EnumerateObject().ToDictionary(u => u.Name, u => u.Value.GetInt64());
        var expected = exchange.GetProperty("units").EnumerateObject().ToDictionary(u => u.Name, u => u.Value.GetInt64());
        foreach (var unit in units.Keys.Union(expected.Keys)) // a unit reported as 0 may be left out of a file
            units.GetValueOrDefault(unit).ShouldBe(expected.GetValueOrDefault(unit), $"{name}: {unit}");
        row.GetProperty("cost_usd").GetString().ShouldBe(exchange.GetProperty("cost_usd").GetString(), $"{name}: {exchange.GetProperty("arithmetic").GetString()}");
        row.GetProperty("price_status").GetString().ShouldBe("priced", name);
        row.GetProperty("usage_source").GetString().ShouldBe(exchange.TryGetProperty("usage_source", out var source) ? source.GetString() : "reported", name);
        row.GetProperty("provider").GetString().ShouldBe(provider, name);
        row.GetProperty("streamed").GetBoolean().ShouldBe(!plain, name);
    }

    [Fact]
    public void Every_provider_has_exchanges_and_a_price_sheet()
    {
        var providers = ProviderData.Load(new ConfigurationBuilder().Build());
        var sheets = PriceSheetReader.ReadAll(null).ToBook().Sheets.Select(s => s.Provider).ToHashSet();

        Lacking(providers, [.. All().Select(f => f.Provider)], sheets).ShouldBeEmpty();
        Upstream.Providers.Order().ShouldBe(providers.Providers.Keys.Order()); // the tests beside this one reach them all

        // Negative control: the check sees what is missing.
        Lacking(providers, [.. All().Select(f => f.Provider).Where(p => p != "zai")], [.. sheets.Where(s => s != "groq")]).ShouldBe(["groq has no price sheet", "zai has no exchange"]);
    }

    [Fact]
    public void Every_generating_surface_of_a_provider_has_a_plain_and_a_streamed_exchange()
    {
        var providers = ProviderData.Load(new ConfigurationBuilder().Build());

        Unproven(providers, _ => true).ShouldBeEmpty();
        Unproven(providers, e => e.Provider != "xai" || !e.Route.Template.EndsWith("messages", StringComparison.Ordinal)).ShouldBe(["xai: anthropic plain", "xai: anthropic stream"]);
    }

    private static List<string> Lacking(ProviderCatalogue catalogue, HashSet<string> exchanges, HashSet<string> sheets) =>
        [.. catalogue.Providers.Keys.Where(p => !sheets.Contains(p)).Select(p => $"{p} has no price sheet").Concat(catalogue.Providers.Keys.Where(p => !exchanges.Contains(p)).Select(p => $"{p} has no exchange")).Order(StringComparer.Ordinal)];

    private static List<string> Unproven(ProviderCatalogue catalogue, Func<(string Provider, Route Route), bool> counts)
    {
        var proven = new HashSet<string>();
        foreach (var (provider, exchanges) in All())
            foreach (var exchange in exchanges)
            {
                var path = exchange.GetProperty("path").GetString()!.Split('?')[0][$"/proxy/{provider}/".Length..];
                var match = catalogue.Find(provider)!.Routes.Find("POST", path).ShouldNotBeNull(path);
                if (counts((provider, match.Route)))
                    proven.Add($"{provider}: {match.Surface.Name} {(exchange.TryGetProperty("stream", out _) ? "stream" : "plain")}");
            }

        // Voyage speaks of OpenAI's surface only what never streams; Hugging Face's own surface is opaque.
        return
        [
            .. from provider in catalogue.Providers.Values
               from surface in provider.Routes.Surfaces.Select(s => s.Surface.Name)
               from way in (string[])["plain", "stream"]
               where surface != "huggingface" && !(provider.Name == "voyage" && way == "stream")
               select $"{provider.Name}: {surface} {way}" into needed
               where !proven.Contains(needed)
               select needed,
        ];
    }
}
