using System.Collections.Frozen;

namespace Tokonomics.Application.Dialects;

/// <summary>All dialects, by the names that providers' data and the ledger use.</summary>
public static class DialectCatalogue
{
    private static readonly FrozenDictionary<string, Dialect> ByName = new Dialect[]
    {
        new OpenAiChat("openai-chat"),
        new OpenAiChat("openai-completions"),
        new OpenAiResponses(),
        new OpenAiAssistants(),
        OpenAiOther.Embeddings,
        OpenAiOther.Images,
        OpenAiOther.Speech,
        OpenAiOther.Transcription,
        OpenAiOther.Moderations,
        OpenAiOther.Rerank,
        new AnthropicMessages(),
        new AnthropicComplete(),
        new GeminiGenerate(),
        GeminiOther.Embed,
        GeminiOther.Interactions,
        GeminiOther.Predict,
        Cohere.Chat,
        Cohere.Embed,
        Cohere.Rerank,
        Cohere.Generate,
        new Ollama(),
        new Opaque("opaque"),
        new Opaque("free"),
    }.ToFrozenDictionary(d => d.Name, StringComparer.Ordinal);

    public static IReadOnlyList<string> Names => ByName.Keys;

    /// <summary>The dialect of that name; null where there is none.</summary>
    public static Dialect? Find(string name) => ByName.GetValueOrDefault(name);
}
