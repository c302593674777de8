using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// The usage object of OpenAI's APIs and of all that copy them, with either set of names (<c>prompt_tokens</c>, <c>input_tokens</c>).
/// Prompt tokens include cached, cache-written and audio tokens; completion tokens include reasoning. Exceptions, each seen on the wire:
/// </summary>
/// <remarks>
/// Q1 xAI chat: completion leaves reasoning out. Proven by the total where there is one (Azure serves xAI models too), by the provider's flag where not.
/// Q2 Mistral: prompt leaves audio out. Proven the same way.
/// Q3 Gemini's OpenAI endpoint: hidden thinking shows in the total alone. By flag only: Mistral's moderation has an unexplained gap there.
/// Q4 Vercel AI Gateway, Google models: reasoning stands in neither completion nor total, its cost shows that it is billed.
/// Q5 DeepSeek: <c>prompt_cache_hit_tokens</c>, also where the details are absent.
/// Q6 Perplexity's deep research: <c>citation_tokens</c> and, beside them, top-level <c>reasoning_tokens</c> are billed besides the completion.
/// Q7 Voyage: only <c>total_tokens</c>.
/// Q8 Stated costs: <c>cost</c> (OpenRouter, Vercel), <c>cost.total_cost</c> (Perplexity), <c>cost_in_usd_ticks</c> of 1e-10 USD (xAI), <c>estimated_cost</c> (DeepInfra).
/// Q9 Transcription: seconds of audio instead of tokens, or besides (Mistral).
/// </remarks>
internal static class OpenAiUsage
{
    private const decimal UsdPerTick = 0.0000000001m;

    /// <summary>Reads one usage object. False where it holds no figure at all (null, an empty object), and nothing is changed.</summary>
    public static bool Read(ReadOnlySpan<byte> json, ProviderQuirks quirks, bool google, ref Figures figures, ref decimal? cost, ref Hints hints)
    {
        var f = new Figures();
        decimal? stated = null;
        long? total = null, hits = null, hidden = null, citations = null;
        var walk = new UsageWalker(json);
        while (walk.Next())
        {
            switch (walk.Path)
            {
                case "prompt_tokens" or "input_tokens":
                    f.Input = walk.Count ?? f.Input;
                    break;
                case "completion_tokens" or "output_tokens":
                    f.Output = walk.Count ?? f.Output;
                    break;
                case "total_tokens":
                    total = walk.Count;
                    break;

                case "prompt_tokens_details.cached_tokens" or "input_tokens_details.cached_tokens" or "prompt_token_details.cached_tokens":
                    f.CacheRead = walk.Count ?? f.CacheRead;
                    break;
                case "prompt_cache_hit_tokens" or "cached_tokens" or "cache_read_input_tokens" or "num_cached_tokens": // Q5
                    hits = walk.Count ?? hits;
                    break;
                case "prompt_tokens_details.cache_write_tokens" or "input_tokens_details.cache_write_tokens":
                    f.CacheWrite = walk.Count ?? f.CacheWrite;
                    break;
                case "cache_creation_input_tokens" when f.CacheWrite is null or 0:
                    f.CacheWrite = walk.Count ?? f.CacheWrite;
                    break;
                case "cache_creation.ephemeral_1h_input_tokens":
                    f.CacheWrite1h = walk.Count;
                    break;

                case "prompt_tokens_details.audio_tokens" or "input_tokens_details.audio_tokens" or "input_token_details.audio_tokens":
                    f.AudioIn = walk.Count;
                    break;
                case "prompt_tokens_details.image_tokens" or "input_tokens_details.image_tokens" or "input_token_details.image_tokens":
                    f.ImageIn = walk.Count;
                    break;
                case "prompt_tokens_details.video_tokens":
                    f.VideoIn = walk.Count;
                    break;
                case "prompt_tokens_details.cached_tokens_details.audio_tokens":
                    f.CacheReadAudio = walk.Count;
                    break;
                case "prompt_tokens_details.cached_tokens_details.image_tokens":
                    f.CacheReadImage = walk.Count;
                    break;

                case "completion_tokens_details.reasoning_tokens" or "output_tokens_details.reasoning_tokens" or "completion_token_details.reasoning_tokens":
                    f.Reasoning = walk.Count ?? f.Reasoning;
                    break;
                case "reasoning_tokens":
                    hidden = walk.Count;
                    break;
                case "completion_tokens_details.audio_tokens" or "output_tokens_details.audio_tokens" or "output_token_details.audio_tokens":
                    f.AudioOut = walk.Count;
                    break;
                case "completion_tokens_details.image_tokens" or "output_tokens_details.image_tokens":
                    f.ImageOut = walk.Count;
                    break;
                case "citation_tokens":
                    citations = walk.Count;
                    break;

                case "server_tool_use_details.web_search_requests" or "server_tool_use.web_search_requests"
                    or "server_side_tool_usage_details.web_search_calls" or "num_search_queries":
                    f.Other[UsageUnit.WebSearch] = walk.Count;
                    break;
                case "server_side_tool_usage_details.code_interpreter_calls":
                    f.Other[UsageUnit.CodeExecution] = walk.Count;
                    break;
                case "server_side_tool_usage_details.file_search_calls":
                    f.Other[UsageUnit.FileSearch] = walk.Count;
                    break;
                case "search_units":
                    f.Other[UsageUnit.SearchUnit] = walk.Count;
                    break;
                case "seconds" or "prompt_audio_seconds": // Q9
                    f.Other[UsageUnit.AudioMilliseconds] = walk.Amount is >= 0 and < UsageWalker.MaxCount ? (long)decimal.Ceiling(walk.Amount.Value * 1000) : null;
                    break;
                case "pages_processed":
                    f.Other[UsageUnit.Page] = walk.Count;
                    break;

                case "cost" or "cost.total_cost" or "estimated_cost": // Q8
                    stated = walk.Amount ?? stated;
                    break;
                case "cost_in_usd_ticks": // Q8
                    stated = walk.Amount is { } ticks && Math.Abs(ticks) < UsageWalker.MaxCount * 1000m ? ticks * UsdPerTick : stated;
                    break;
                case "cost.request_cost":
                    f.Other[UsageUnit.Request] = walk.Amount is null ? null : 1;
                    break;
                case "search_context_size":
                    hints.Search = Hints.PlainSearch(walk.Text);
                    break;
                case "service_tier":
                    hints.Tier ??= walk.Text.IsEmpty ? null : Hints.PlainTier(walk.Text);
                    break;
            }
        }

        cost = stated ?? cost;
        f.CacheRead = f.CacheRead is null or 0 && hits is not null ? hits : f.CacheRead;
        if (f.Input is null && f.Output is null)
            f.Input = total; // Q7
        else
            Mend(ref f, quirks, google, total);
        if (citations is not null)
        {
            // Q6
            f.Other[UsageUnit.Citation] = citations;
            if (hidden is not null && f.Reasoning is null)
            {
                f.Reasoning = hidden;
                f.Output = Figures.Sum(f.Output, hidden);
            }
        }
        else if (f.Reasoning is null && hidden <= f.Output)
        {
            f.Reasoning = hidden;
        }

        if (f.IsEmpty && stated is null)
            return false;
        figures = f;
        return true;
    }

    private static void Mend(ref Figures f, ProviderQuirks quirks, bool google, long? total)
    {
        var (input, output) = (f.Input ?? 0, f.Output ?? 0);
        var gap = total - input - output;
        if (f.Reasoning > 0 && (gap == f.Reasoning || (total is null && quirks.HasFlag(ProviderQuirks.ReasoningOutsideCompletion))))
            f.Output = output + f.Reasoning; // Q1
        else if (f.AudioIn > 0 && (gap == f.AudioIn || (total is null && quirks.HasFlag(ProviderQuirks.AudioOutsidePrompt))))
            f.Input = input + f.AudioIn; // Q2
        else if (gap > 0 && quirks.HasFlag(ProviderQuirks.ThinkingOnlyInTotal))
            (f.Output, f.Reasoning) = (output + gap, (f.Reasoning ?? 0) + gap); // Q3
        else if (f.Reasoning > 0 && gap == 0 && google && quirks.HasFlag(ProviderQuirks.GoogleReasoningOutsideTotal))
            f.Output = output + f.Reasoning; // Q4
    }
}
