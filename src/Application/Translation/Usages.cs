using System.Text.Json;

namespace Tokonomics.Application.Translation;

/// <summary>
/// The same tokens counted in each dialect's way: OpenAI's input includes cached tokens, Anthropic's leaves them out; Gemini's candidates leave thoughts out,
/// which everybody else counts as output.
/// </summary>
internal static class Usages
{
    /// <summary>Chat's. A total that is more than its parts hides reasoning (xAI, Gemini's own chat): it is output.</summary>
    public static NeutralUsage ReadChat(JsonElement usage)
    {
        var details = Wires.Object(usage, "prompt_tokens_details");
        var (input, output, total) = (Wires.Whole(usage, "prompt_tokens"), Wires.Whole(usage, "completion_tokens"), Wires.Whole(usage, "total_tokens"));
        if (total - input > output)
            output = total - input;
        return new(
            input,
            Wires.Whole(details, "cached_tokens") ?? Wires.Whole(usage, "prompt_cache_hit_tokens"),
            Wires.Whole(details, "cache_write_tokens"),
            output,
            Wires.Whole(Wires.Object(usage, "completion_tokens_details"), "reasoning_tokens") ?? Wires.Whole(usage, "reasoning_tokens"));
    }

    public static void WriteChat(Utf8JsonWriter json, NeutralUsage usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", usage.Input ?? 0);
        json.WriteNumber("completion_tokens", usage.Output ?? 0);
        json.WriteNumber("total_tokens", usage.Total);
        WriteDetails(json, "prompt_tokens_details", "completion_tokens_details", usage);
        json.WriteEndObject();
    }

    public static void WriteResponses(Utf8JsonWriter json, NeutralUsage usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", usage.Input ?? 0);
        json.WriteNumber("output_tokens", usage.Output ?? 0);
        json.WriteNumber("total_tokens", usage.Total);
        WriteDetails(json, "input_tokens_details", "output_tokens_details", usage);
        json.WriteEndObject();
    }

    private static void WriteDetails(Utf8JsonWriter json, string input, string output, NeutralUsage usage)
    {
        json.WriteStartObject(input);
        json.WriteNumber("cached_tokens", usage.CacheRead ?? 0);
        if (usage.CacheWrite is { } written)
            json.WriteNumber("cache_write_tokens", written);
        json.WriteEndObject();
        json.WriteStartObject(output);
        json.WriteNumber("reasoning_tokens", usage.Reasoning ?? 0);
        json.WriteEndObject();
    }

    /// <summary>Anthropic's; of a stream's later events each field that is said takes the place of the earlier.</summary>
    /// <param name="before">What the stream said before; null for none.</param>
    public static NeutralUsage ReadAnthropic(JsonElement usage, NeutralUsage? before = null)
    {
        var read = Wires.Whole(usage, "cache_read_input_tokens") ?? before?.CacheRead;
        var write = Wires.Whole(usage, "cache_creation_input_tokens") ?? before?.CacheWrite;
        var plain = Wires.Whole(usage, "input_tokens") ?? before?.Input - (before?.CacheRead ?? 0) - (before?.CacheWrite ?? 0);
        return new(
            plain + (read ?? 0) + (write ?? 0),
            read,
            write,
            Wires.Whole(usage, "output_tokens") ?? before?.Output,
            Wires.Whole(Wires.Object(usage, "output_tokens_details"), "thinking_tokens") ?? before?.Reasoning);
    }

    /// <summary>An Anthropic answer can't be without usage: what the provider didn't say is 0 there.</summary>
    public static void WriteAnthropic(Utf8JsonWriter json, NeutralUsage? usage)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", Math.Max(0, (usage?.Input ?? 0) - (usage?.CacheRead ?? 0) - (usage?.CacheWrite ?? 0)));
        json.WriteNumber("cache_creation_input_tokens", usage?.CacheWrite ?? 0);
        json.WriteNumber("cache_read_input_tokens", usage?.CacheRead ?? 0);
        json.WriteNumber("output_tokens", usage?.Output ?? 0);
        if (usage?.Reasoning is { } reasoning)
        {
            json.WriteStartObject("output_tokens_details");
            json.WriteNumber("thinking_tokens", reasoning);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    public static NeutralUsage ReadGemini(JsonElement usage)
    {
        var (prompt, tools) = (Wires.Whole(usage, "promptTokenCount"), Wires.Whole(usage, "toolUsePromptTokenCount"));
        var (candidates, thoughts) = (Wires.Whole(usage, "candidatesTokenCount"), Wires.Whole(usage, "thoughtsTokenCount"));
        return new(
            prompt is null && tools is null ? null : (prompt ?? 0) + (tools ?? 0),
            Wires.Whole(usage, "cachedContentTokenCount"),
            null,
            candidates is null && thoughts is null ? null : (candidates ?? 0) + (thoughts ?? 0),
            thoughts);
    }

    public static void WriteGemini(Utf8JsonWriter json, NeutralUsage usage)
    {
        // Some report more reasoning than output: the output is what is billed.
        var thoughts = Math.Min(usage.Reasoning ?? 0, usage.Output ?? 0);
        json.WriteStartObject("usageMetadata");
        json.WriteNumber("promptTokenCount", usage.Input ?? 0);
        if (usage.Output is { } output)
            json.WriteNumber("candidatesTokenCount", output - thoughts);
        json.WriteNumber("totalTokenCount", usage.Total);
        if (usage.CacheRead is > 0)
            json.WriteNumber("cachedContentTokenCount", usage.CacheRead.Value);
        if (thoughts > 0)
            json.WriteNumber("thoughtsTokenCount", thoughts);
        json.WriteEndObject();
    }
}
