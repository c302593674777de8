using Tokonomics.Application.Dialects;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// The most that a request can use, from what its dialect has read of it: the one place where a dialect's ways become figures for
/// <see cref="UpperBound"/>. Nothing is guessed: what no document bounds is bounded by the model's window, or by nothing.
/// </summary>
public static class Bounds
{
    /// <param name="dialect">The dialect's name.</param>
    /// <param name="provider">The provider's name, as in the providers' data.</param>
    /// <param name="model">The model as it will be sent.</param>
    /// <param name="peek">The request.</param>
    public static MostUse Of(string dialect, string provider, string model, RequestPeek peek)
    {
        if (peek.Extent is not { } extent)
            return new MostUse { Unbounded = NoBound.Unpriced };
        if ((extent.Beyond & BeyondBody.Background) != 0 && (dialect is "openai-responses" or "gemini-interactions"))
            return new MostUse { Unbounded = NoBound.Background };
        if ((extent.Beyond & BeyondBody.StoredRequest) != 0)
            return new MostUse { Unbounded = NoBound.StoredRequest };
        if ((extent.Beyond & BeyondBody.OtherModels) != 0 || (provider == "openrouter" && model.StartsWith("openrouter/", StringComparison.OrdinalIgnoreCase)))
            return new MostUse { Unbounded = NoBound.OtherModels };
        if ((extent.Beyond & BeyondBody.Compaction) != 0)
            return new MostUse { Unbounded = NoBound.Compaction };
        // Recorded: 1,522 input tokens of a body of 217 bytes in OpenAI's pro mode, of which no document says how often it reads the input.
        if ((extent.Beyond & BeyondBody.ManyRuns) != 0 || BoundsFacts.Has(model, "multi-agent"))
            return new MostUse { Unbounded = NoBound.ManyRuns };

        var use = new MostUse
        {
            InputTokens = Text(provider, extent),
            OutputLimit = peek.MaxOutputTokens is > 0 and var limit ? limit : null, // some take 0 for none
            Choices = Math.Max(1, peek.Choices),
            ReasonsBeyondLimit = BoundsFacts.ReasonsBeyondLimit(model),
            WritesCacheFor1h = extent.CacheLifetimeSaid,
            Hints = peek.PricingHints,
            Settled = Settled(extent),
        };
        use = Media(use, model, extent);
        return dialect switch
        {
            "openai-chat" or "openai-completions" => Chat(use, provider, model, extent),
            "openai-responses" => Responses(use, provider, extent),
            "anthropic-messages" => Anthropic(use, extent),
            "anthropic-complete" or "ollama" => use,
            "gemini-generate" or "gemini-interactions" => extent.ServerTools == ServerTools.None ? use : new MostUse { Unbounded = NoBound.ServerTools },
            "cohere-chat" or "cohere-generate" => extent.ServerTools == ServerTools.None ? use with { OutputBesides = extent.ThinkingBudget ?? 0 } : new MostUse { Unbounded = NoBound.ServerTools },
            "openai-embeddings" or "cohere-embed" or "gemini-embed" or "openai-moderations" => use with
            {
                NoOutput = true,
                Pieces = Pieces(UsageUnit.Image, extent.Images),
            },
            "openai-images" => Images(use, model, peek),
            "openai-speech" => use with { Pieces = peek.Units },
            "openai-transcription" => Transcription(use, extent),
            "rerank" or "cohere-rerank" => Rerank(use, extent),
            "gemini-predict" => use with { NoOutput = true, Pieces = Pieces(UsageUnit.Image, Math.Max(BoundsFacts.ImagenDefault, peek.Choices)) },
            "openai-assistants" => new MostUse { Unbounded = NoBound.StoredRequest },
            _ => new MostUse { Unbounded = NoBound.Unpriced },
        };
    }

    /// <summary>
    /// Whether the output of a stream can be counted as it passes, so that it may be paid for in slices: the model thinks in the open, the provider
    /// stops billing when the connection closes, one run makes one answer, and the dialect has an ending for it.
    /// </summary>
    public static bool CountsAsItPasses(string dialect, Provider provider, string model, RequestPeek peek) =>
        !provider.BillsAfterDisconnect && peek.Choices <= 1 && peek.Extent is { ServerTools: ServerTools.None, ThinkingBudget: null } && StreamCut.Knows(dialect) && !BoundsFacts.ReasonsUnseen(model);

    /// <summary>The lowest limit to which a request may be clamped: Anthropic takes no thinking budget below 1,024, and wants the limit above it.</summary>
    public static long LeastLimit(string dialect, RequestPeek peek) =>
        dialect == "anthropic-messages" && peek.Extent?.ThinkingBudget is not null ? BoundsClamp.LeastThinkingBudget + 1 : UpperBound.LeastLimit;

    // Every byte of the body may be a token, its structure included: what templates put around a message is less than the JSON around it.
    private static long Text(string provider, RequestExtent extent) =>
        extent.TextBytes
        + (provider == "venice" ? BoundsFacts.VenicePreamble : BoundsFacts.Preamble)
        + (extent.ClientTools > 0 || extent.ServerTools != ServerTools.None ? BoundsFacts.ToolsPreamble : 0)
        + (extent.ProvidersOwnTools * BoundsFacts.ProvidersOwnTool)
        + (extent.ToolValues * BoundsFacts.TokensPerToolValue);

    private static PriceHints Settled(RequestExtent extent) =>
        PriceHints.Speed // nobody works faster, and dearer, unasked
        | (extent.TierSettled ? PriceHints.ServiceTier : 0)
        | (extent.GeoSettled ? PriceHints.InferenceGeo : 0)
        | (extent.SearchContextSettled ? PriceHints.SearchContext : 0)
        | (extent.ImageSettled ? PriceHints.Image : 0);

    private static MostUse Media(in MostUse use, string model, RequestExtent extent)
    {
        var image = extent.Images == 0 ? 0 : BoundsFacts.ImageTokens(model);
        var all = extent.Images * (image ?? 0);
        return extent.OtherMedia > 0 || image is null || (extent.Beyond & BeyondBody.Input) != 0
            ? use with { InputTokens = null, ImageTokens = all } // gpt-4o-mini bills images beyond its window
            : use with { ImageTokens = all };
    }

    private static MostUse Chat(in MostUse use, string provider, string model, RequestExtent extent)
    {
        var bounded = use with { OutputBesides = extent.PredictionBytes + (extent.ThinkingBudget ?? 0) };
        var tools = extent.ServerTools;
        if (provider == "perplexity")
            return bounded; // each call searches, for a fee per call, and web_search_options only says how much
        var searches = BoundsFacts.Has(model, "-search");
        if (searches && (provider is "openai" or "azure-openai") && (tools & ~ServerTools.WebSearch) == 0)
        {
            // OpenAI's search models charge one search for each call, whether or not they are told how (not confirmed).
            var once = new TokenUsage { [UsageUnit.WebSearch] = 1 };
            return bounded with { InputTokens = null, Fees = once };
        }

        return tools != ServerTools.None || searches || model.EndsWith(":online", StringComparison.OrdinalIgnoreCase) || BoundsFacts.Has(model, "compound")
            ? new MostUse { Unbounded = NoBound.ServerTools }
            : bounded;
    }

    private static MostUse Responses(in MostUse use, string provider, RequestExtent extent)
    {
        var tools = extent.ServerTools;
        if (tools == ServerTools.None)
            return use;
        if ((tools & (ServerTools.ImageGeneration | ServerTools.Advisor)) != 0)
            return new MostUse { Unbounded = NoBound.OtherModels };
        // max_tool_calls bounds the calls of all built-in tools together (OpenAI's text as Azure's reference repeats it, MaxToolCalls, 2026-11-22). Others may
        // not know the field, or mean something else by it (OpenRouter: steps).
        if (extent.MaxToolCalls is not (<= 1000 and var calls) || (provider is not ("openai" or "azure-openai")) || (tools & ServerTools.Other) != 0)
            return new MostUse { Unbounded = NoBound.ServerTools };
        var fees = new TokenUsage();
        Fee(ref fees, tools, ServerTools.WebSearch, UsageUnit.WebSearch, calls);
        Fee(ref fees, tools, ServerTools.FileSearch, UsageUnit.FileSearch, calls);
        Fee(ref fees, tools, ServerTools.CodeExecution, UsageUnit.CodeExecution, calls);
        return use with { Runs = (int)calls + 1, LimitIsPerRun = true, Fees = fees };
    }

    private static MostUse Anthropic(in MostUse use, RequestExtent extent)
    {
        // thinking.budget_tokens is inside max_tokens (its SDK's reference, ThinkingConfigEnabled, 2026-11-22).
        var tools = extent.ServerTools;
        if (tools == ServerTools.None)
            return use;
        if ((tools & ServerTools.Advisor) != 0)
            return new MostUse { Unbounded = NoBound.OtherModels };
        if ((tools & ServerTools.Other) != 0)
            return new MostUse { Unbounded = NoBound.ServerTools };
        var runs = extent.Unlimited != ServerTools.None ? BoundsFacts.AnthropicRuns : (int)Math.Min(BoundsFacts.AnthropicRuns, extent.ToolUses + 1);
        var fees = new TokenUsage();
        Fee(ref fees, tools, ServerTools.WebSearch, UsageUnit.WebSearch, (extent.Unlimited & ServerTools.WebSearch) != 0 ? long.MaxValue : extent.ToolUses);
        Fee(ref fees, tools, ServerTools.CodeExecution, UsageUnit.CodeExecution, (extent.Unlimited & ServerTools.CodeExecution) != 0 ? long.MaxValue : extent.ToolUses);
        // max_tokens is counted anew in each run: 1,552 tokens came of a limit of 1,024 in a recorded call with two searches.
        return use with { Runs = runs, LimitIsPerRun = true, Fees = fees };
    }

    private static MostUse Images(in MostUse use, string model, RequestPeek peek) => use with
    {
        OutputLimit = BoundsFacts.Has(model, "gpt-image-1") ? BoundsFacts.GptImage1Tokens : null,
        Pieces = peek.Units,
    };

    private static MostUse Transcription(in MostUse use, RequestExtent extent) => use with
    {
        InputTokens = null,
        Pieces = Pieces(UsageUnit.AudioMilliseconds, extent.RecordingMilliseconds == 0 ? long.MaxValue : extent.RecordingMilliseconds),
    };

    private static MostUse Rerank(in MostUse use, RequestExtent extent)
    {
        // By the token: the query is read once for each document (Voyage, Jina). By the search: in pieces, the query in each.
        var room = Math.Max(50, BoundsFacts.RerankPieceTokens - extent.QueryBytes);
        var pieces = extent.Documents + (extent.TextBytes / room) + 1;
        var units = ((pieces - 1) / BoundsFacts.DocumentsPerSearchUnit) + 1;
        return use with
        {
            InputTokens = use.InputTokens is null ? null : use.InputTokens + (extent.QueryBytes * Math.Max(1, extent.Documents)),
            NoOutput = true,
            Pieces = Pieces(UsageUnit.SearchUnit, units),
        };
    }

    private static void Fee(ref TokenUsage fees, ServerTools all, ServerTools tool, UsageUnit unit, long most)
    {
        if ((all & tool) != 0)
            fees[unit] = most;
    }

    private static TokenUsage Pieces(UsageUnit unit, long most) => new() { [unit] = most };
}
