using System.Globalization;
using System.Text.Json;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Infrastructure.Tests.Pricing;

/// <summary>
/// Every recorded exchange that a second, independent computation priced is priced again from our sheets. docs/prices.md explains each
/// difference that is left.
/// </summary>
public sealed class OracleTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset At = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    private static readonly Dictionary<string, string> Providers = new()
    {
        ["openai"] = "openai", ["azure"] = "azure-openai", ["anthropic"] = "anthropic", ["gemini"] = "gemini", ["groq"] = "groq", ["mistral"] = "mistral",
        ["xai"] = "xai", ["openrouter"] = "openrouter", ["cohere"] = "cohere", ["deepseek"] = "deepseek", ["cerebras"] = "cerebras",
        ["together"] = "together", ["fireworks"] = "fireworks", ["perplexity"] = "perplexity", ["voyage"] = "voyage", ["zai"] = "zai",
        ["huggingface"] = "huggingface",
    };

    [Fact]
    public void Agreed_costs_of_recorded_exchanges_are_met_to_the_nano_dollar()
    {
        var corpus = CorpusFolder();
        if (corpus is null)
            Assert.Skip("needs ../shared/corpus, which is not part of the project");
        var book = PriceSheetReader.ReadAll().ToBook();
        var exchanges = Lines(Path.Combine(corpus, "exchanges-dev.jsonl")).ToDictionary(line => line.GetProperty("id").GetString()!);
        var scores = new SortedDictionary<string, (int Equal, int All)>(StringComparer.Ordinal);
        foreach (var line in Lines(Path.Combine(corpus, "oracle-dev.jsonl")))
        {
            var exchange = exchanges[line.GetProperty("id").GetString()!];
            if (!Providers.TryGetValue(exchange.GetProperty("provider").GetString()!, out var provider))
                continue;
            if (line.TryGetProperty("caveats", out var caveats) && caveats.EnumerateArray().Any(caveat => caveat.GetString()!.StartsWith("service tier", StringComparison.Ordinal)))
                continue;
            var agreement = line.GetProperty("agreement").GetString()!;
            var onlyTokens = provider == "perplexity";
            var expected = decimal.Parse(line.GetProperty(onlyTokens ? "tokens_usd" : "cost_usd").GetString()!, NumberStyles.Float, CultureInfo.InvariantCulture);
            var (actual, model) = Cost(book, provider, exchange, onlyTokens);
            var equal = actual is { } usd && Math.Abs(usd - expected) <= 0.000000001m;
            var group = $"{agreement} {provider}";
            var score = scores.GetValueOrDefault(group);
            scores[group] = (score.Equal + (equal ? 1 : 0), score.All + 1);
            if (!equal)
                output.WriteLine($"{group}: {line.GetProperty("id").GetString()} {model}: oracle {expected} ({line.GetProperty("table_entry").GetString()}), ours {actual?.ToString(CultureInfo.InvariantCulture) ?? "unpriced"}");
        }

        foreach (var (group, score) in scores)
            output.WriteLine($"{group}: {score.Equal} of {score.All}");
        var agreed = scores.Where(entry => entry.Key.StartsWith("agreed ", StringComparison.Ordinal)).ToList();
        var (all, equals) = (agreed.Sum(entry => entry.Value.All), agreed.Sum(entry => entry.Value.Equal));
        output.WriteLine($"agreed: {equals} of {all}");
        all.ShouldBeGreaterThan(800);
        ((double)equals / all).ShouldBeGreaterThanOrEqualTo(0.99);
    }

    private static (decimal? Usd, string Model) Cost(PriceBook book, string provider, JsonElement exchange, bool onlyTokens)
    {
        var usage = exchange.GetProperty("usage_norm");
        var card = FindCard(book, provider, exchange, out var model);
        var units = UnitsOf(usage);
        if (Searches(exchange) is > 0 and var searches)
            units[UsageUnit.WebSearch] = searches;
        var total = Total(card, units, onlyTokens);
        if (usage.TryGetProperty("other_model_usage", out var others))
            foreach (var other in others.EnumerateArray())
                total += Total(book.Find(provider, other.GetProperty("model").GetString()!, At), UnitsOf(other), onlyTokens);
        return (total, model);
    }

    private static decimal? Total(RateCard? card, in TokenUsage usage, bool onlyTokens)
    {
        if (!onlyTokens)
            return Rating.Exact(card, usage, "");
        return Rating.Explain(card, usage, "").Where(line => line.Unit <= UsageUnit.Citation).Aggregate((decimal?)0m, (sum, line) => sum + line.Usd);
    }

    /// <summary>The model that answered decides; the requested name only where it plainly names the same model.</summary>
    private static RateCard? FindCard(PriceBook book, string provider, JsonElement exchange, out string model)
    {
        var returned = Strip(Text(exchange, "model_returned"));
        var requested = Strip(Text(exchange, "model_requested"));
        model = returned ?? requested ?? "";
        var names = new List<string>();
        if (returned is not null)
            names.Add(returned);
        if (requested is not null && (returned is null || returned.StartsWith(requested, StringComparison.OrdinalIgnoreCase) || requested.StartsWith(returned, StringComparison.OrdinalIgnoreCase)
            || (provider == "openrouter" && returned.Split('/')[0] == requested.Split('/')[0])))
            names.Add(requested);
        foreach (var name in names)
        {
            var full = name;
            if (provider == "huggingface" && exchange.GetProperty("request").GetProperty("url_path").GetString()!.Split('/')[1] is var route and not ("v1" or "models"))
                full = $"{route}/{name}";
            if (book.Find(provider, full, At) is { } card)
                return card;
        }

        return null;
    }

    private static string? Strip(string? name) =>
        name is not null && name.StartsWith("models/", StringComparison.Ordinal) ? name["models/".Length..] : name;

    /// <summary>The corpus counts parts of totals; our units are disjoint.</summary>
    private static TokenUsage UnitsOf(JsonElement norm)
    {
        var usage = new TokenUsage();
        var read = Number(norm, "cache_read");
        var readAudio = Number(norm, "cache_read_audio");
        var write = Number(norm, "cache_write");
        var write1h = Number(norm, "cache_write_1h");
        var left = Number(norm, "input_tokens_total") - read - write;

        // Cached tokens of a modality are counted in it too; what does not fit beside the cache is taken from the modality.
        var audio = Take(Number(norm, "audio_in") - readAudio, ref left);
        var image = Take(Number(norm, "image_in"), ref left);
        var video = Take(Number(norm, "video_in"), ref left);
        usage[UsageUnit.Input] = left;
        usage[UsageUnit.InputAudio] = audio;
        usage[UsageUnit.InputImage] = image;
        usage[UsageUnit.InputVideo] = video;
        usage[UsageUnit.CacheRead] = read - readAudio;
        usage[UsageUnit.CacheReadAudio] = readAudio;
        usage[UsageUnit.CacheWrite] = write - write1h;
        usage[UsageUnit.CacheWrite1h] = write1h;

        left = Number(norm, "output_tokens");
        usage[UsageUnit.OutputAudio] = Take(Number(norm, "audio_out"), ref left);
        usage[UsageUnit.OutputImage] = Take(Number(norm, "image_out"), ref left);
        usage[UsageUnit.OutputVideo] = Take(Number(norm, "video_out"), ref left);
        usage[UsageUnit.Citation] = Take(Number(norm, "citation_tokens"), ref left);
        usage[UsageUnit.Reasoning] = Take(Number(norm, "reasoning_tokens"), ref left);
        usage[UsageUnit.Output] = left;
        usage[UsageUnit.AudioMilliseconds] = (long)(Fraction(norm, "audio_in_seconds") * 1000);
        usage[UsageUnit.SearchUnit] = Number(norm, "search_units");
        return usage;
    }

    private static long Take(long count, ref long left)
    {
        var taken = Math.Clamp(count, 0, Math.Max(0, left));
        left -= taken;
        return taken;
    }

    /// <summary>Web searches count here only where the provider reports them in the usage object itself.</summary>
    private static long Searches(JsonElement exchange)
    {
        if (!exchange.TryGetProperty("usage_raw", out var raw) || raw.ValueKind != JsonValueKind.Object)
            return 0;
        foreach (var tools in new[] { "server_tool_use", "server_tool_use_details" })
            if (raw.TryGetProperty(tools, out var use) && use.ValueKind == JsonValueKind.Object && Number(use, "web_search_requests") is > 0 and var count)
                return count;
        return Number(raw, "num_search_queries");
    }

    private static long Number(JsonElement element, string property) => (long)Fraction(element, property);

    private static decimal Fraction(JsonElement element, string property)
    {
        if (!element.TryGetProperty(property, out var value))
            return 0;
        return value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDecimal(),
            JsonValueKind.String => decimal.Parse(value.GetString()!, NumberStyles.Float, CultureInfo.InvariantCulture),
            _ => 0,
        };
    }

    private static string? Text(JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static IEnumerable<JsonElement> Lines(string file)
    {
        foreach (var line in File.ReadLines(file))
            if (line.Length > 0)
                yield return JsonDocument.Parse(line).RootElement;
    }

    private static string? CorpusFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (!File.Exists(Path.Combine(folder.FullName, "Tokonomics.sln")))
                continue;
            var corpus = Path.Combine(folder.FullName, "..", "shared", "corpus");
            return Directory.Exists(corpus) ? corpus : null;
        }

        return null;
    }
}
