using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>Gemini's usage objects: <c>usageMetadata</c> and that of the interactions API, which says the same in other words.</summary>
internal static class GeminiUsage
{
    /// <summary>False where the object holds no count, and nothing is changed.</summary>
    public static bool Read(ReadOnlySpan<byte> json, ref Figures figures, ref Hints hints)
    {
        var f = new Figures();
        long? tools = null, thoughts = null, count = null;
        var modality = "";
        var walk = new UsageWalker(json);
        while (walk.Next())
        {
            switch (walk.Path)
            {
                case "promptTokenCount" or "total_input_tokens":
                    f.Input = walk.Count ?? f.Input;
                    break;
                case "toolUsePromptTokenCount" or "total_tool_use_tokens":
                    tools = walk.Count;
                    break;
                case "cachedContentTokenCount" or "total_cached_tokens":
                    f.CacheRead = walk.Count;
                    break;
                case "candidatesTokenCount" or "responseTokenCount" or "total_output_tokens":
                    f.Output = walk.Count ?? f.Output;
                    break;
                case "thoughtsTokenCount" or "total_thought_tokens":
                    thoughts = walk.Count;
                    break;
                case "serviceTier" or "trafficType" when !walk.Text.IsEmpty: // Q6
                    hints.Tier = Hints.PlainTier(walk.Text);
                    break;

                case "grounding_tool_count[].type":
                    modality = Hints.Lower(walk.Text);
                    break;
                case "grounding_tool_count[].count":
                    count = walk.Count;
                    break;
                case "grounding_tool_count[]":
                    if (modality == "google_search" && count > 0)
                    {
                        f.Other[UsageUnit.GroundedPrompt] = 1;
                        f.Other[UsageUnit.WebSearch] = count;
                    }

                    (modality, count) = ("", null);
                    break;

                // Of each list the elements come as modality and count, in either order, and then the element's end.
                case var path when path.EndsWith("[].modality"):
                    modality = Hints.Lower(walk.Text);
                    break;
                case var path when path.EndsWith("[].tokenCount") || path.EndsWith("[].tokens"):
                    count = walk.Count;
                    break;
                case "promptTokensDetails[]" or "promptTokenDetails[]" or "toolUsePromptTokensDetails[]" or "input_tokens_by_modality[]" or "tool_use_tokens_by_modality[]":
                    Add(modality, ref count, ref f.AudioIn, ref f.ImageIn, ref f.VideoIn);
                    break;
                case "cacheTokensDetails[]" or "cached_tokens_by_modality[]":
                    Add(modality, ref count, ref f.CacheReadAudio, ref f.CacheReadImage, ref f.CacheReadVideo);
                    break;
                case "candidatesTokensDetails[]" or "responseTokensDetails[]" or "output_tokens_by_modality[]":
                    Add(modality, ref count, ref f.AudioOut, ref f.ImageOut, ref f.VideoOut);
                    break;
            }
        }

        f.Input = Figures.Sum(f.Input, tools); // Q3
        f.Output = Figures.Sum(f.Output, thoughts);
        f.Reasoning = thoughts;
        if (f.IsEmpty)
            return false;
        figures = f;
        return true;
    }

    private static void Add(string modality, ref long? count, ref long? audio, ref long? image, ref long? video) // Q4
    {
        switch (modality)
        {
            case "audio":
                audio = Figures.Sum(audio, count);
                break;
            case "image":
                image = Figures.Sum(image, count);
                break;
            case "video":
                video = Figures.Sum(video, count);
                break;
        }

        count = null;
    }
}
