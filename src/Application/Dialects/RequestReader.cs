using System.Text;
using System.Text.Json;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// One pass over a request's body. What decides money (the model, the limits, whether it streams) must be readable in one way only: a
/// duplicated key, of which the provider may take the other one, is refused; everything else is the provider's business.
/// </summary>
internal static class RequestReader
{
    private const int MaxDepth = 128;

    // What stands around a field of a tool's declaration, however it is written: quotes, a colon, a brace.
    private const int BytesPerToolValue = 4;

    // Bytes that an id of a token (a prompt may be sent as numbers) stands for in the estimate.
    private const int BytesPerTokenId = 4;

    private static readonly byte[] UsageAsked = """{"include_usage":true}"""u8.ToArray();
    private static readonly byte[] OptionsFirst = """ "stream_options":{"include_usage":true},"""u8[1..].ToArray();
    private static readonly byte[] IncludeFirst = """ "include_usage":true,"""u8[1..].ToArray();
    private static readonly byte[] IncludeOnly = """ "include_usage":true"""u8[1..].ToArray();
    private static readonly byte[] True = "true"u8.ToArray();

    // Strings under these names are no prompt: media, links, labels, opaque state.
    private static readonly byte[][] Asides = Array.ConvertAll(
    [
        "data", "url", "image_url", "b64_json", "file_data", "file_id", "file_uri", "fileUri", "id", "type", "role", "model",
        "format", "detail", "signature", "thoughtSignature", "thought_signature", "encrypted_content", "mimeType", "mime_type",
        "media_type", "tool_call_id", "tool_use_id", "call_id", "previous_response_id", "images", "voice", "user", "service_tier",
        "response_format", "size", "quality",
    ],
    Encoding.UTF8.GetBytes);

    public static RequestPeek Read(in RequestFacts facts, ReadOnlySpan<byte> body, RequestShape shape)
    {
        if (facts.ContentType is { } type && type.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase))
            return MultipartReader.Read(facts, body, shape);
        var bom = body.StartsWith("\uFEFF"u8) ? 3 : 0;
        var json = body[bom..];
        if (json.Trim(" \t\r\n"u8).IsEmpty)
            return Refuse("The request has no body. Send a JSON object.");
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        var extent = new RequestExtent();
        var found = new Found { Extent = extent, Choices = 1, BestOf = 1, Stream = facts.PathStreams || shape.StreamsByDefault, Offset = bom };
        try
        {
            return Scan(ref reader, shape, ref found, json.Length) is { } problem ? Refuse(problem) : found.ToPeek(facts, shape);
        }
        catch (JsonException) when (reader.CurrentDepth >= MaxDepth - 1)
        {
            return Refuse($"The request body is nested more than {MaxDepth} levels deep. Flatten it.");
        }
        catch (JsonException e)
        {
            return Refuse($"The request body is not valid JSON (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1} of it). Send one whole JSON object.");
        }
        catch (InvalidOperationException)
        {
            return Refuse("'model' is not valid Unicode. Send valid UTF-8 without lone surrogates in it.");
        }
    }

    private static RequestPeek Refuse(string problem) => new() { Problem = problem, Choices = 1, PricingHints = "" };

    private struct Found
    {
        public int Offset;
        public RequestExtent Extent;
        public string? Model;
        public (int, int) ModelAt;
        public bool Stream;
        public long? Limit;
        public int Choices;
        public int BestOf;
        public int Prompts;
        public long Text;
        public long Spoken;
        public int Messages;
        public long ToolBytes;
        public Hints Hints;
        public string? Size;
        public string? Quality;
        public int Brace;
        public int OptionsStart;
        public int OptionsLength;
        public bool OptionsEmpty;
        public int IncludeStart;
        public int IncludeLength;
        public bool Asked;

        public readonly RequestPeek ToPeek(in RequestFacts facts, RequestShape shape)
        {
            var units = new TokenUsage();
            var hints = Hints;
            var choices = (int)Math.Min(int.MaxValue, (long)Math.Max(Choices, BestOf) * Math.Max(1, Prompts));
            if (shape.Units == FixedUnits.Characters)
                units[UsageUnit.Character] = Spoken;
            if (shape.Units == FixedUnits.Images)
            {
                units[UsageUnit.Image] = choices;
                Extent.ImageSettled = !string.IsNullOrEmpty(Size) && Size != "auto" && !string.IsNullOrEmpty(Quality) && Quality != "auto";
                hints.Image = $"{(string.IsNullOrEmpty(Size) ? "1024x1024" : Size)}/{(string.IsNullOrEmpty(Quality) ? "standard" : Quality)}";
            }

            return new RequestPeek
            {
                Model = Model ?? facts.PathModel,
                ModelAt = ModelAt,
                Stream = Stream,
                UsageSplice = shape.AsksForUsage && Stream && facts.InjectUsage && !Asked ? Splice() : null,
                MaxOutputTokens = Limit,
                Choices = choices,
                PromptBytes = Text,
                Messages = Messages,
                ToolBytes = ToolBytes,
                Units = units,
                PricingHints = hints.ToString(),
                Extent = Extent,
            };
        }

        private readonly Splice Splice() =>
            IncludeLength > 0 ? new(IncludeStart, IncludeLength, True)
            : OptionsLength == 0 ? new(Brace + 1, 0, OptionsFirst) // never the only member: "stream" is one
            : OptionsStart < 0 ? new(-OptionsStart, OptionsLength, UsageAsked)
            : new(OptionsStart + 1, 0, OptionsEmpty ? IncludeOnly : IncludeFirst);
    }

    // The steps: 1. one object; 2. its members, each known field at most once; 3. all text on the way is counted. Returns what is wrong.
    private static string? Scan(ref Utf8JsonReader reader, RequestShape shape, ref Found found, int bytes)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return "The request body is not a JSON object. Send one, such as {\"model\": \"...\", ...}.";
        found.Brace = (int)reader.TokenStartIndex + found.Offset;
        found.Extent.Brace = found.Brace;
        found.Extent.IsEmptyObject = true;
        var scan = new ExtentScan(found.Extent);
        var seen = 0u;
        var parents = 0u;
        byte[]? parent = null;
        var field = Field.None;
        var top = Field.None;
        var aside = false;
        var tools = false;
        while (reader.Read())
        {
            scan.Token(ref reader);
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    found.Extent.IsEmptyObject = false;
                    field = Field.None;
                    var depth = reader.CurrentDepth;
                    if (depth == 1)
                        parent = null;
                    for (var i = 0; depth <= 2 && i < shape.Count; i++)
                    {
                        var (under, key, is_) = shape[i];
                        if (depth == 1 && under is not null && parent is null && Is(ref reader, under))
                        {
                            parent = under;
                            if ((parents & (1u << i)) != 0)
                                return Twice(under);
                            parents |= 1u << i;
                        }

                        var here = depth == 1 ? under is null : under is not null && under.AsSpan().SequenceEqual(parent);
                        if (!here || !Is(ref reader, key))
                            continue;
                        field = is_;
                        if ((seen & (1u << (int)field)) != 0)
                            return Twice(key);
                        seen |= 1u << (int)field;
                    }

                    if (depth == 1)
                        (top, tools) = (field, reader.ValueSpan.SequenceEqual("tools"u8) || reader.ValueSpan.SequenceEqual("functions"u8));
                    aside = IsAside(ref reader);
                    if (aside && reader.ValueSpan.SequenceEqual("role"u8))
                        found.Messages++;
                    if (tools && depth > 1)
                        found.ToolBytes += reader.ValueSpan.Length + BytesPerToolValue;
                    if (field == Field.None && reader.ValueSpan.SequenceEqual("search_context_size"u8))
                        field = Field.SearchContext;
                    break;

                case JsonTokenType.String:
                    if (field == Field.Prompt && reader.CurrentDepth <= 1)
                        found.Prompts = 1;
                    else if (top == Field.Prompt && reader.CurrentDepth == 2)
                        found.Prompts++;
                    if (!aside && !(reader.ValueSpan.Length > 64 && reader.ValueSpan.StartsWith("data:"u8)))
                        found.Text += reader.ValueSpan.Length;
                    goto default;

                case JsonTokenType.Number when top is Field.Prompt or Field.Input && reader.CurrentDepth >= 2:
                    found.Text += BytesPerTokenId;
                    break;

                case JsonTokenType.StartArray when top == Field.Prompt && reader.CurrentDepth == 2:
                    found.Prompts++;
                    break;

                case JsonTokenType.EndObject when reader.CurrentDepth == 1 && top == Field.StreamOptions:
                    found.OptionsLength = (int)reader.TokenStartIndex + 1 + found.Offset - found.OptionsStart;
                    break;

                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    break;

                default:
                    if (field != Field.None && Value(ref reader, field, shape, ref found) is { } problem)
                        return problem;
                    field = Field.None;
                    break;
            }
        }

        scan.End(bytes);
        return null;
    }

    // A name may be written with escapes. One with a lone surrogate in it equals nothing of ours, and is none of our business.
    private static bool Is(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        if (!reader.ValueIsEscaped)
            return reader.ValueSpan.SequenceEqual(name);
        try
        {
            return reader.ValueTextEquals(name);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string Twice(ReadOnlySpan<byte> key) =>
        $"The request body has '{Encoding.UTF8.GetString(key)}' more than once. Send it once: which of them the provider takes can't be known.";

    private static bool IsAside(ref Utf8JsonReader reader)
    {
        foreach (var name in Asides)
            if (reader.ValueSpan.SequenceEqual(name))
                return true;
        return false;
    }

    // A null counts as absent everywhere: OpenAI's own SDKs send them.
    private static string? Value(ref Utf8JsonReader reader, Field field, RequestShape shape, ref Found found)
    {
        var token = reader.TokenType;
        var start = (int)reader.TokenStartIndex + found.Offset;
        switch (field)
        {
            case Field.Model when token == JsonTokenType.String:
                found.Model = reader.GetString();
                found.ModelAt = (start, reader.ValueSpan.Length + 2);
                return null;
            case Field.Model when token != JsonTokenType.Null:
                return "'model' must be a string.";

            case Field.Stream when token is JsonTokenType.True or JsonTokenType.False:
                found.Stream = token == JsonTokenType.True;
                return null;
            case Field.Stream when token != JsonTokenType.Null:
                return "'stream' must be true or false.";

            case Field.StreamOptions when token == JsonTokenType.StartObject:
                found.OptionsStart = start;
                var ahead = reader;
                found.OptionsEmpty = ahead.Read() && ahead.TokenType == JsonTokenType.EndObject;
                return null;
            case Field.StreamOptions when token == JsonTokenType.Null:
                found.OptionsStart = -start;
                found.OptionsLength = reader.ValueSpan.Length;
                return null;
            case Field.StreamOptions:
                return "'stream_options' must be an object.";

            case Field.IncludeUsage when token is JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null:
                found.Asked = token == JsonTokenType.True;
                found.IncludeStart = start;
                found.IncludeLength = reader.ValueSpan.Length;
                return null;
            case Field.IncludeUsage:
                return "'stream_options.include_usage' must be true or false.";

            case Field.Limit or Field.OtherLimit when token == JsonTokenType.Null:
                found.Extent.LimitsAt.Add((start, reader.ValueSpan.Length));
                return null;
            case Field.Limit or Field.OtherLimit:
                if (Whole(ref reader) is not { } limit || (limit < 0 && !shape.NegativeLimitIsNone))
                    return "The output limit must be a whole number that is not negative.";
                found.Extent.LimitsAt.Add((start, reader.ValueSpan.Length));
                if (limit >= 0)
                    found.Limit = Math.Max(found.Limit ?? 0, limit);
                return null;

            case Field.Choices or Field.BestOf when token != JsonTokenType.Null:
                if (Whole(ref reader) is not (>= 0 and <= int.MaxValue and var choices))
                    return "The number of answers asked for must be a whole number that is not negative.";
                if (field == Field.Choices)
                    found.Choices = (int)Math.Max(1, choices);
                else
                    found.BestOf = (int)Math.Max(1, choices);
                return null;

            case Field.LimitHolder when token == JsonTokenType.StartObject:
                found.Extent.HolderAt = start;
                var inside = reader;
                found.Extent.HolderIsEmpty = inside.Read() && inside.TokenType == JsonTokenType.EndObject;
                return null;
            case Field.LimitHolder when token == JsonTokenType.Null:
                (found.Extent.HolderAt, found.Extent.HolderIsNull) = (start, true);
                return null;

            case Field.ThinkingBudget when token == JsonTokenType.Number && Whole(ref reader) is { } budget:
                found.Extent.ThinkingBudget = Math.Max(0, budget);
                found.Extent.ThinkingBudgetAt = (start, reader.ValueSpan.Length);
                return null;

            case Field.Tier when token == JsonTokenType.String:
                found.Extent.TierSettled = !reader.ValueIsEscaped && !reader.ValueSpan.SequenceEqual("auto"u8);
                found.Hints.Tier = Hints.PlainTier(reader.ValueSpan);
                return null;
            case Field.Tier when token != JsonTokenType.Null:
                return "'service_tier' must be a string.";
            case Field.Geo when token == JsonTokenType.String:
                found.Extent.GeoSettled = true;
                found.Hints.Geo = Hints.PlainGeo(reader.ValueSpan);
                return null;
            case Field.Speed when token == JsonTokenType.String:
                found.Hints.Speed = Hints.PlainSpeed(reader.ValueSpan);
                return null;
            case Field.SearchContext when token == JsonTokenType.String:
                found.Extent.SearchContextSettled = true;
                found.Hints.Search = Hints.PlainSearch(reader.ValueSpan);
                return null;
            case Field.Size when token == JsonTokenType.String:
                found.Size = Hints.Lower(reader.ValueSpan);
                return null;
            case Field.Quality when token == JsonTokenType.String:
                found.Quality = Hints.Lower(reader.ValueSpan);
                return null;
            case Field.Spoken when token == JsonTokenType.String:
                found.Spoken = Characters(ref reader);
                return null;
            default:
                return null;
        }
    }

    private static long? Whole(ref Utf8JsonReader reader) =>
        reader.TokenType != JsonTokenType.Number ? null
        : reader.TryGetInt64(out var whole) ? whole
        : reader.TryGetDecimal(out var exact) && exact == decimal.Truncate(exact) && Math.Abs(exact) <= long.MaxValue ? (long)exact
        : null;

    // Unicode code points, which is what a speaker would count. Escapes are resolved; a lone surrogate counts as one.
    private static long Characters(ref Utf8JsonReader reader)
    {
        long count = 0;
        var text = reader.ValueSpan;
        for (var i = 0; i < text.Length; i++)
        {
            if ((text[i] & 0xC0) == 0x80)
                continue;
            count++;
            if (text[i] != '\\' || ++i >= text.Length || text[i] != 'u')
                continue;
            // The second half of a surrogate pair, \uDC00 to \uDFFF, is no character of its own.
            if (i + 2 < text.Length && text[i + 1] is (byte)'d' or (byte)'D' && text[i + 2] is (>= (byte)'c' and <= (byte)'f') or (>= (byte)'C' and <= (byte)'F'))
                count--;
            i += 4;
        }

        return count;
    }
}
