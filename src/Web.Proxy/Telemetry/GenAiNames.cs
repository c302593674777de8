using System.Collections.Frozen;
using System.Globalization;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Proxy.Telemetry;

/// <summary>
/// What OpenTelemetry's conventions for generative AI call what we know, as values of attributes: of each attribute no more values than our own data have, whatever clients send. Read on 2026-11-30:
/// github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/gen-ai-metrics.md and gen-ai-spans.md, status "development".
/// </summary>
internal sealed class GenAiNames(PriceBook prices, ProviderCatalogue catalogue)
{
    /// <summary>The conventions' word for a value that is none of those that are known beforehand.</summary>
    public const string Other = "_OTHER";

    private const string Sandbox = "sandbox";

    // Where the conventions have no word, one of our own, which they allow.
    private static readonly FrozenDictionary<string, string> Operations = new Dictionary<string, string>
    {
        ["openai-chat"] = "chat",
        ["openai-completions"] = "text_completion",
        ["openai-responses"] = "chat",
        ["openai-assistants"] = "invoke_agent",
        ["openai-embeddings"] = "embeddings",
        ["openai-images"] = "image_generation",
        ["openai-speech"] = "speech",
        ["openai-transcription"] = "transcription",
        ["openai-moderations"] = "moderation",
        ["rerank"] = "rerank",
        ["anthropic-messages"] = "chat",
        ["anthropic-complete"] = "text_completion",
        ["gemini-generate"] = "generate_content",
        ["gemini-embed"] = "embeddings",
        ["gemini-interactions"] = "generate_content",
        ["gemini-predict"] = "generate_content",
        ["cohere-chat"] = "chat",
        ["cohere-embed"] = "embeddings",
        ["cohere-rerank"] = "rerank",
        ["cohere-generate"] = "text_completion",
        ["ollama"] = "chat",
        ["opaque"] = "other",
        ["free"] = "other",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> Providers = new Dictionary<string, string>
    {
        ["azure-openai"] = "azure.ai.openai",
        ["gemini"] = "gcp.gemini",
        ["mistral"] = "mistral_ai",
        ["xai"] = "x_ai",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // As text, made once.
    private static readonly string[] Statuses = [.. Enumerable.Range(0, 600).Select(s => s.ToString(CultureInfo.InvariantCulture))];

    /// <summary>Null for a dialect that this list lacks.</summary>
    public static string? OperationOf(string dialect) => Operations.GetValueOrDefault(dialect);

    /// <summary>Of a provider of ours; a tenant's own endpoint has a name that the tenant made up.</summary>
    public string ProviderOf(string provider) => catalogue.Find(provider) is null ? Other : Providers.GetValueOrDefault(provider, provider);

    /// <summary>
    /// The name that a price sheet gives the model. Not the client's: whatever fits a pattern of the sheet (<c>gpt-4o-*</c>) is priced, and there are as many of those as clients care to send.
    /// </summary>
    public string ModelOf(string provider, string model, KeyEnvironment environment)
    {
        var found = prices.FindModel(provider, model) ?? (environment == KeyEnvironment.Test ? prices.FindModel(Sandbox, model) : null);
        return found is null || NamePattern.IsPattern(found.Name) ? Other : found.Name;
    }

    public static string EnvironmentOf(KeyEnvironment environment) => environment == KeyEnvironment.Test ? "test" : "live";

    /// <summary>How the attempt failed; null where it didn't. A stream that ended because its budget was spent ended as it should.</summary>
    public static string? ErrorOf(UsageEvent usage, bool cutAtBudget) => usage.Outcome switch
    {
        CallOutcome.Unreachable => "unreachable",
        CallOutcome.TimedOut => "timeout",
        CallOutcome.Truncated => "truncated",
        CallOutcome.ClientGone => "client_gone",
        CallOutcome.CutByProxy => cutAtBudget ? null : "cut_by_proxy",
        CallOutcome.Abandoned => "abandoned",
        _ => usage.Status < 400 ? null : usage.Status < Statuses.Length ? Statuses[usage.Status] : Other,
    };
}
