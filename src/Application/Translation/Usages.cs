using System.Runtime.InteropServices;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

/// <summary>
/// The same tokens counted in each dialect's way: OpenAI's input includes cached tokens, Anthropic's leaves them out; Gemini's candidates leave thoughts out,
/// which everybody else counts as output.
/// </summary>
internal static class Usages
{
    /// <summary>Chat's, with all that its copies count otherwise: the meter's own reading.</summary>
    /// <returns>Null where nothing is counted.</returns>
    public static NeutralUsage? ReadChat(JsonElement usage, ProviderQuirks quirks, bool google)
    {
        var (figures, cost, hints) = (new Figures(), (decimal?)null, new Hints());
        return OpenAiUsage.Read(JsonMarshal.GetRawUtf8Value(usage), quirks, google, ref figures, ref cost, ref hints) ? Fitted(figures) : null;
    }

    // Some report more cached than sent, and more reasoning than output: the total is what is billed, the part is cut to fit, as in the ledger.
    private static NeutralUsage Fitted(in Figures figures)
    {
        var (input, read, write) = (figures.Input ?? 0, figures.CacheRead, figures.CacheWrite);
        read = read is null ? null : Math.Clamp(read.Value, 0, input);
        write = write is null ? null : Math.Clamp(write.Value, 0, input - (read ?? 0));
        return new(figures.Input, read, write, figures.Output, figures.Reasoning is { } reasoning ? Math.Clamp(reasoning, 0, figures.Output ?? 0) : null);
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
        json.WriteNumber("input_tokens", (usage?.Input ?? 0) - (usage?.CacheRead ?? 0) - (usage?.CacheWrite ?? 0));
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

    public static NeutralUsage? ReadGemini(JsonElement usage)
    {
        var (figures, hints) = (new Figures(), new Hints());
        return GeminiUsage.Read(JsonMarshal.GetRawUtf8Value(usage), ref figures, ref hints) ? Fitted(figures) : null;
    }

    public static void WriteGemini(Utf8JsonWriter json, NeutralUsage usage)
    {
        var thoughts = usage.Reasoning ?? 0;
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
