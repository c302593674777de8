using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Conformance;

/// <summary>
/// Every recorded exchange of the providers that the product names, through the product as a process: status, bytes, ledger row, usage,
/// cost, and what reached the provider. What differs and why stands in docs/conformance.md.
/// </summary>
public sealed partial class RecordedExchangeTests
{
    private static readonly string[] Providers =
    [
        "openai", "anthropic", "gemini", "deepseek", "mistral", "groq", "xai", "openrouter", "together", "fireworks", "cerebras", "perplexity", "cohere", "azure-openai", "huggingface",
        "vercel-gateway", "zai", "venice", "ollama", "vllm", "llamacpp", "voyage",
    ];

    [Fact]
    public async Task Recorded_exchanges_come_back_byte_for_byte_and_are_metered_as_recorded()
    {
        if (TestFolder.Shared("conformance/check.mjs") is not { } check || TestFolder.Shared("conformance/replay.mjs") is not { } replay)
        {
            Assert.Skip("needs ../shared/conformance and ../shared/corpus, which are not part of the project");
            return;
        }

        using var folder = new TestFolder();
        // Another file of the same kind can be named in its place.
        var corpus = Environment.GetEnvironmentVariable("TOKONOMICS_CORPUS") ?? "exchanges-dev.jsonl";
        var exchanges = TestFolder.Shared($"corpus/{corpus}")!;
        var oracle = TestFolder.Shared($"corpus/{corpus.Replace("exchanges", "oracle", StringComparison.Ordinal)}")!;
        var (port, log) = (ProductProcess.FreePort(), Path.Combine(folder.Path, "replay.log"));
        using var provider = Process.Start(new ProcessStartInfo("node", [replay, "--port", $"{port}", "--corpus", exchanges, "--log", log]) { RedirectStandardOutput = true })!;
        try
        {
            await provider.StandardOutput.ReadLineAsync(); // "replaying … exchanges on …"
            var data = Path.Combine(folder.Path, "data");
            var keys = Providers.Where(p => p != "ollama").SelectMany(p => new[] { "--provider", $"{p}=sk-upstream-{p}" });
            var made = JsonDocument.Parse((await ProductProcess.RunAsync(data, ["provision", "--tenant", "conformance", "--email", "a@b.example", "--plan", "pro", .. keys, "--json"])).Output).RootElement;
            await using var product = await ProductProcess.ServeAsync(data, Providers.Select(p => KeyValuePair.Create($"Providers__{p}__BaseUrl", $"http://127.0.0.1:{port}/{p}")));
            using var checker = Process.Start(new ProcessStartInfo("node",
            [
                check, "--proxy", product.Url.ToString(), "--key", made.GetProperty("metering_key").GetString()!, "--token", made.GetProperty("api_token").GetString()!, "--corpus", exchanges, "--oracle", oracle,
                "--log", log, "--only", string.Join(',', Providers).Replace("azure-openai", "azure", StringComparison.Ordinal), "--map", "azure=azure-openai", "--verbose",
            ]) { RedirectStandardOutput = true })!;
            var output = await checker.StandardOutput.ReadToEndAsync();
            await checker.WaitForExitAsync();
            var measures = Measure().Matches(output).ToDictionary(m => m.Groups[1].Value, m => (Ok: int.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture), All: int.Parse(m.Groups[3].Value, CultureInfo.InvariantCulture)));

            foreach (var whole in new[] { "answered", "bytes", "request id", "ledger row", "not charged twice", "nothing leaks upstream" })
                measures[whole].Ok.ShouldBe(measures[whole].All, $"{whole}\n{output}");
            measures["answered"].All.ShouldBeGreaterThan(1900);
            ((double)measures["usage"].Ok / measures["usage"].All).ShouldBeGreaterThanOrEqualTo(0.995, output);

            // The tables agree on what tokens cost. Where the oracle itself says that a fee or a service tier is not in its figure, or is not
            // right, its figure is no measure: those exchanges are counted apart, and each is explained in docs/conformance.md.
            var apart = Apart(oracle);
            var wrong = CostLine().Matches(CostSection().Match(output).Value).Select(m => m.Groups[1].Value).Where(id => !apart.Contains(id)).ToList();
            (wrong.Count / (double)(measures["cost"].All - apart.Count)).ShouldBeLessThanOrEqualTo(0.01, string.Join('\n', wrong));
            (await ProductProcess.RunAsync(data, ["rerate"])).Output.ShouldContain(", 0 differ");
        }
        finally
        {
            provider.Kill();
        }
    }

    /// <summary>The exchanges of which the oracle says that its own figure leaves something out, or has it wrong.</summary>
    private static HashSet<string> Apart(string oracle) =>
    [
        .. File.ReadLines(oracle).Select(line => JsonDocument.Parse(line).RootElement)
            .Where(o => o.GetProperty("agreement").GetString() == "agreed"
                && (o.TryGetProperty("not_in_usage_object", out _)
                    || (o.TryGetProperty("caveats", out var caveats) && caveats.EnumerateArray().Any(c => c.GetString()!.Contains("service tier", StringComparison.Ordinal) || c.GetString()!.Contains("request fee", StringComparison.Ordinal)))))
            .Select(o => o.GetProperty("id").GetString()!),
    ];

    [GeneratedRegex(@"^([a-z][a-z ]*): (\d+) of (\d+)$", RegexOptions.Multiline)]
    private static partial Regex Measure();

    [GeneratedRegex(@"^cost: .*\n(   .*\n)*", RegexOptions.Multiline)]
    private static partial Regex CostSection();

    [GeneratedRegex(@"^   (\S+) \S+: \S+, oracle", RegexOptions.Multiline)]
    private static partial Regex CostLine();
}
