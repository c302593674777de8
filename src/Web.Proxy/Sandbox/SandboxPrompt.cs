using System.Text;
using System.Text.Json;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Which prompt beginnings this process has seen, as hashes. Forgets all of them when it grows too large.</summary>
internal sealed class SandboxCache
{
    private const int MaxEntries = 200_000;

    private readonly HashSet<(string Model, ulong Hash)> _seen = [];
    private readonly Lock _gate = new();

    /// <summary>Whether it was there already; it is afterwards.</summary>
    public bool SeenOrAdd(string model, ulong hash)
    {
        lock (_gate)
        {
            if (_seen.Count > MaxEntries) _seen.Clear();
            return !_seen.Add((model, hash));
        }
    }
}

/// <summary>
/// Counts a prompt: every string value under it, but for roles, ids and the like, and <see cref="SandboxTokens.PerMessage"/> for each message.
/// Keeps no text.
/// </summary>
internal sealed class SandboxPrompt(string model, SandboxCache cache)
{
    // As OpenAI caches: from 1,024 tokens on in steps of 128, but from 1,024 bytes on, so that tests needn't send 4 KB. 64 steps are enough.
    private const int FirstMark = 1024;
    private const int MarkStep = 512;
    private const int MaxMarks = 64;

    private readonly List<ulong> _marks = [];
    private readonly List<(ulong Hash, long Tokens, bool OneHour)> _breakpoints = [];
    private ulong _hash = 14695981039346656037; // FNV-1a

    public long Tokens { get; private set; }

    public long Bytes { get; private set; }

    public void Message(JsonElement message)
    {
        Tokens += SandboxTokens.PerMessage;
        Walk(message, medium: false);
    }

    /// <summary>Each of an array's elements as a message; a single string or object as one.</summary>
    public void Messages(JsonElement messages)
    {
        if (messages.ValueKind == JsonValueKind.Array)
            foreach (var message in messages.EnumerateArray()) Message(message);
        else if (messages.ValueKind is JsonValueKind.String or JsonValueKind.Object) Message(messages);
    }

    /// <summary>Text that is no message: tools, texts to embed, a query.</summary>
    public void Text(JsonElement element) => Walk(element, medium: false);

    /// <summary>All input is plain.</summary>
    public void Charge(SandboxUnits units) => units.Input = Tokens;

    /// <summary>As OpenAI and Gemini cache: unasked, by the prompt's beginning.</summary>
    public void ChargeWithAutomaticCache(SandboxUnits units)
    {
        for (var i = _marks.Count - 1; i >= 0; i--)
            if (cache.SeenOrAdd(model, _marks[i]) && units.Cached == 0)
                units.Cached = (FirstMark + (i * (long)MarkStep)) / 4;
        units.Input = Tokens - units.Cached;
    }

    /// <summary>As Anthropic caches: up to a block with <c>cache_control</c>, if 1,024 bytes or more stand before it.</summary>
    public void ChargeWithBreakpoints(SandboxUnits units)
    {
        long covered = 0;
        var last = _breakpoints.Count - 1;
        for (; last >= 0; last--)
        {
            if (!cache.SeenOrAdd(model, _breakpoints[last].Hash)) continue;
            units.Cached = covered = _breakpoints[last].Tokens;
            break;
        }

        foreach (var (_, tokens, oneHour) in _breakpoints.Skip(last + 1))
        {
            if (oneHour) units.CacheWrite1h += tokens - covered;
            else units.CacheWrite += tokens - covered;
            covered = tokens;
        }

        units.Input = Tokens - covered;
    }

    private void Walk(JsonElement element, bool medium)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                Add(ReadString(element), medium);
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray()) Walk(item, medium);
                break;
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    if (property.Name is "role" or "type" or "id" or "tool_call_id" or "tool_use_id" or "call_id" or "media_type" or "mimeType"
                        or "mime_type" or "cache_control" or "detail" or "format" or "signature" or "thoughtSignature") continue;
                    Walk(property.Value, property.Name is "data" or "url" or "image_url" or "file_data" or "fileUri" or "images");
                }

                if (element.TryGetProperty("cache_control", out var control) && control.ValueKind == JsonValueKind.Object && Bytes >= FirstMark)
                    _breakpoints.Add((_hash ^ 1, Tokens, control.TryGetProperty("ttl", out var ttl) && ttl.ValueKind == JsonValueKind.String && ttl.ValueEquals("1h")));
                break;
        }
    }

    private void Add(string text, bool medium)
    {
        Tokens += medium ? SandboxTokens.PerMedium : SandboxTokens.Count(text);
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            _hash = (_hash ^ b) * 1099511628211;
            Bytes++;
            if (Bytes >= FirstMark && (Bytes - FirstMark) % MarkStep == 0 && _marks.Count < MaxMarks) _marks.Add(_hash);
        }
    }

    private static string ReadString(JsonElement element)
    {
        try
        {
            return element.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            throw new SandboxRefusal(400, "A string in the request is not valid Unicode: half of a surrogate pair stands alone.");
        }
    }
}
