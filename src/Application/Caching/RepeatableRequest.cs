using System.Collections.Frozen;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Caching;

/// <summary>
/// Which requests have an answer that may stand for their exact repeats: those that say all that is asked in themselves, and leave nothing behind at the provider.
/// </summary>
public static class RepeatableRequest
{
    // Whatever isn't named here has a state (threads, jobs), or is too large or too little told of to be kept: media, files.
    private static readonly FrozenSet<string> Dialects = new[]
    {
        "openai-chat", "openai-completions", "openai-responses", "openai-embeddings", "openai-moderations", "openai-rerank", "anthropic-messages", "anthropic-complete", "gemini-generate", "gemini-embed",
        "cohere-chat", "cohere-embed", "cohere-rerank", "cohere-generate", "ollama",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <param name="dialect">In which the provider is asked.</param>
    /// <param name="body">As it is asked.</param>
    public static bool Is(string dialect, RequestPeek peek, ReadOnlySpan<byte> body)
    {
        if (!Dialects.Contains(dialect) || peek.Extent is not { } extent)
            return false;
        // The provider's own tools look at the world, or change it. An earlier answer, a conversation, a stored prompt, an uploaded file may be another by the next time; a call that runs on in the
        // background has no answer yet.
        if (extent.ServerTools != ServerTools.None || (extent.Beyond & (BeyondBody.Input | BeyondBody.StoredRequest | BeyondBody.Background)) != 0)
            return false;
        // An answer that the provider stores can be gone on with, and deleted: whoever gets it a second time would meet what another made of it.
        return dialect switch
        {
            "openai-responses" => Stores(body) == false,
            "openai-chat" => Stores(body) != true,
            _ => true,
        };
    }

    // What the body says of "store"; null where it doesn't, true where it can't be told.
    private static bool? Stores(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body.StartsWith("\uFEFF"u8) ? body[3..] : body, new JsonReaderOptions { MaxDepth = 256 });
        bool? stores = null;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return true;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var named = reader.ValueTextEquals("store"u8);
                reader.Read();
                if (named && stores is not null)
                    return true; // said twice: a provider may take either
                if (named)
                    stores = reader.TokenType switch { JsonTokenType.False => false, JsonTokenType.Null => null, _ => true };
                reader.Skip();
            }
        }
        catch (JsonException)
        {
            return true;
        }

        return stores;
    }
}
