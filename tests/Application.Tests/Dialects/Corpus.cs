using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>One recorded exchange, as far as these tests need it.</summary>
public sealed record Exchange(
    string Id, string Provider, string Api, bool Stream, string Method, string Path, string? RequestType, byte[] Request,
    int Status, string? ResponseType, byte[] Response, bool? Billable, JsonElement? Norm, string? ModelReturned);

/// <summary>The recorded exchanges beside the project, and which dialect and quirks each call has.</summary>
internal static class Corpus
{
    private static readonly Lazy<IReadOnlyList<Exchange>?> Loaded = new(Load);

    public static IReadOnlyList<Exchange> All
    {
        get
        {
            if (Loaded.Value is null)
                Assert.Skip("needs ../shared/corpus, which is not part of the project");
            return Loaded.Value!;
        }
    }

    private static IReadOnlyList<Exchange>? Load()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Tokonomics.sln")))
            folder = folder.Parent;
        var file = folder is null ? null : Path.Combine(folder.FullName, "..", "shared", "corpus", Environment.GetEnvironmentVariable("TOKONOMICS_CORPUS") ?? "exchanges-dev.jsonl");
        if (file is null || !File.Exists(file))
            return null;
        return [.. File.ReadLines(file).Where(line => line.Length > 0).Select(Parse)];
    }

    private static Exchange Parse(string line)
    {
        using var document = JsonDocument.Parse(line);
        var e = document.RootElement;
        var request = e.GetProperty("request");
        var response = e.GetProperty("response");
        return new Exchange(
            e.GetProperty("id").GetString()!, e.GetProperty("provider").GetString()!, e.GetProperty("api").GetString()!,
            e.GetProperty("stream").ValueKind == JsonValueKind.True,
            request.GetProperty("method").GetString()!, request.GetProperty("url_path").GetString()!,
            request.TryGetProperty("headers", out var headers) && headers.ValueKind == JsonValueKind.Object && headers.TryGetProperty("content-type", out var type) ? type.GetString() : null,
            Body(request), response.GetProperty("status").GetInt32(),
            response.TryGetProperty("content_type", out var answerType) ? answerType.GetString() : null, Body(response),
            e.GetProperty("billable").ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => null },
            e.TryGetProperty("usage_norm", out var norm) && norm.ValueKind == JsonValueKind.Object ? norm.Clone() : null,
            e.TryGetProperty("model_returned", out var model) && model.ValueKind == JsonValueKind.String ? model.GetString() : null);
    }

    private static byte[] Body(JsonElement side)
    {
        if (!side.TryGetProperty("body", out var body) || body.ValueKind != JsonValueKind.String)
            return [];
        return side.TryGetProperty("body_encoding", out var encoding) && encoding.GetString() == "base64"
            ? Convert.FromBase64String(body.GetString()!)
            : Encoding.UTF8.GetBytes(body.GetString()!);
    }

    /// <summary>What the routes of the product decide; null for calls of a kind that isn't tested here (AWS event streams and the like).</summary>
    public static string? DialectOf(Exchange e)
    {
        var path = e.Path;
        if (e.Provider is "bedrock" or "replicate" or "sagemaker" || e.Api is "hf.inference" or "videos")
            return null;
        if (e.Method != "POST")
            return "free";
        return e.Api switch
        {
            "chat.completions" => "openai-chat",
            "completions" when e.Provider == "anthropic" => "anthropic-complete",
            "completions" when e.Provider == "cohere" => "cohere-generate",
            "completions" when path.Contains("/fim/", StringComparison.Ordinal) => "openai-chat",
            "completions" => "openai-completions",
            "responses" => "openai-responses",
            "messages" => "anthropic-messages",
            "embeddings" when e.Provider == "cohere" => "cohere-embed",
            "embeddings" when e.Provider is "gemini" or "vertex" => "gemini-embed",
            "embeddings" when path.StartsWith("/api/embed", StringComparison.Ordinal) => "ollama",
            "embeddings" => "openai-embeddings",
            "rerank" when e.Provider == "cohere" => "cohere-rerank",
            "rerank" => "rerank",
            "moderations" => "openai-moderations",
            "images" when e.Provider is "gemini" or "vertex" => "gemini-predict",
            "images" => "openai-images",
            "audio" when path.EndsWith("speech", StringComparison.Ordinal) => "openai-speech",
            "audio" => "openai-transcription",
            "assistants" when path.EndsWith("/runs", StringComparison.Ordinal) => "openai-assistants",
            "generateContent" or "streamGenerateContent" => "gemini-generate",
            "interactions" when path.EndsWith("/interactions", StringComparison.Ordinal) => "gemini-interactions",
            "cohere.chat" => "cohere-chat",
            "ollama.chat" or "ollama.generate" => "ollama",
            _ => "free",
        };
    }

    public static ProviderQuirks QuirksOf(Exchange e) => e.Provider switch
    {
        "xai" => ProviderQuirks.ReasoningOutsideCompletion,
        "mistral" => ProviderQuirks.AudioOutsidePrompt,
        "gemini" when e.Path.Contains("/openai/", StringComparison.Ordinal) => ProviderQuirks.ThinkingOnlyInTotal,
        "vercel-gateway" => ProviderQuirks.GoogleReasoningOutsideTotal,
        _ => ProviderQuirks.None,
    };

    public static RequestFacts FactsOf(Exchange e) =>
        new(null, e.RequestType, e.Api == "streamGenerateContent", QuirksOf(e), InjectUsage: false);

    public static (Dialect Dialect, RequestFacts Facts, RequestPeek Peek, ResponseFacts Response) Open(Exchange e)
    {
        var dialect = DialectCatalogue.Find(DialectOf(e)!)!;
        var facts = FactsOf(e);
        return (dialect, facts, dialect.Peek(facts, e.Request), new ResponseFacts(e.Status, e.ResponseType));
    }

    public static MeteredResponse Meter(Exchange e, params ReadOnlySpan<int> cuts)
    {
        var (dialect, facts, peek, response) = Open(e);
        var reader = dialect.Read(facts, peek, response);
        var start = 0;
        foreach (var cut in cuts)
        {
            reader.Feed(e.Response.AsSpan(start, cut - start));
            start = cut;
        }

        reader.Feed(e.Response.AsSpan(start));
        return reader.Finish(whole: true);
    }

    /// <summary>Two results as texts, to compare and to print.</summary>
    public static string Tell(in MeteredResponse m) =>
        $"{m.Source} {m.Usage} model={m.Model} finish={m.FinishReason} cost={m.ProviderCost} hints={m.PricingHints} free={m.NotBillable} "
        + string.Join('|', m.OtherModels?.Select(o => o.Model + ":" + o.Usage) ?? []);
}
