using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>A tool of the request, and the JSON schema of its arguments.</summary>
internal sealed record SandboxTool(string Name, JsonElement Schema);

/// <summary>What a request asks the answer to be; each dialect says it in its own words.</summary>
internal sealed record SandboxAsk
{
    /// <summary>Output limit for each choice; null where there is none.</summary>
    public long? Limit { get; init; }

    /// <summary>The tool to call; null for text.</summary>
    public SandboxTool? Tool { get; init; }

    public bool Json { get; init; }

    public JsonElement JsonSchema { get; init; }

    /// <summary>What a judge says of the two answers in the prompt; null where there are none.</summary>
    public string? Grades { get; init; }
}

/// <summary>One answer, cut into the pieces that it is streamed in. The same request gets the same answer.</summary>
internal sealed class SandboxReply
{
    private const int ReasoningTokens = 32;
    private const int LongTokens = 2_000;
    private const int HugePieceBytes = 64 * 1024;
    private const int HugePieces = 128; // x 64 KB = 8 MB

    private SandboxReply(List<Piece> reasoning, List<Piece> pieces, string? tool, bool limited)
    {
        (Reasoning, Pieces, Tool, Limited) = (reasoning, pieces, tool, limited);
        Text = string.Concat(pieces.Select(p => p.Text));
        ReasoningText = string.Concat(reasoning.Select(p => p.Text));
    }

    public IReadOnlyList<Piece> Reasoning { get; }

    /// <summary>Of the text, or of the tool's arguments.</summary>
    public IReadOnlyList<Piece> Pieces { get; }

    /// <summary>The tool that is called; null for text.</summary>
    public string? Tool { get; }

    /// <summary>The output limit ended it.</summary>
    public bool Limited { get; }

    public string Text { get; }

    public string ReasoningText { get; }

    /// <summary>The arguments of a tool call, as an object also where the limit cut them.</summary>
    public JsonNode Arguments => Limited ? new JsonObject() : JsonNode.Parse(Text)!;

    /// <summary>What is left to generate once the reasoning has been.</summary>
    public SandboxReply WithoutReasoning() => new([], [.. Pieces], Tool, Limited);

    public static SandboxReply Make(SandboxModel model, SandboxAsk ask, long promptBytes, int choice = 0)
    {
        var ignores = model.Is(SandboxBehaviour.IgnoresMaxTokens) && ask.Limit is not null;
        var limit = ignores ? long.MaxValue : ask.Limit ?? long.MaxValue;
        List<Piece> reasoning = model.Is(SandboxBehaviour.Reason) ? SandboxTokens.Cut(Repeat("Thinking it over. ", ReasoningTokens), Math.Min(limit, ReasoningTokens)) : [];
        limit -= reasoning.Count;

        var text = choice == 0 ? "" : $"Choice {choice + 1}. ";
        text += $"This is the sandbox answering in place of a provider: no model was called, and your prompt of {promptBytes} bytes was counted but not kept ✓";
        long? exactly = ignores ? Math.Min(ask.Limit!.Value * 10, 1_000_000) : model.Tokens ?? (model.Is(SandboxBehaviour.Long) ? LongTokens : null);

        List<Piece> pieces;
        if (model.Is(SandboxBehaviour.Wrong) && (ask.Tool is not null || ask.Json)) pieces = SandboxTokens.Cut("{\"wrong\":true}", long.MaxValue);
        else if (model.Is(SandboxBehaviour.Grades) && ask.Grades is { } grades) pieces = SandboxTokens.Cut(grades, long.MaxValue);
        else if (ask.Tool is { } tool) pieces = SandboxTokens.Cut(Example(tool.Schema).ToJsonString(), long.MaxValue);
        else if (ask.Json) pieces = SandboxTokens.Cut((ask.JsonSchema.ValueKind == JsonValueKind.Object ? Example(ask.JsonSchema) : new JsonObject { ["answer"] = "sandbox" }).ToJsonString(), long.MaxValue);
        else if (model.Is(SandboxBehaviour.Huge) && limit > HugePieces * HugePieceBytes / 4)
            pieces = [.. Enumerable.Repeat(new Piece(Repeat("sandbox ", HugePieceBytes / 4), HugePieceBytes / 4), HugePieces)];
        else if (model.Is(SandboxBehaviour.Huge)) pieces = SandboxTokens.Cut(Repeat("sandbox ", (int)limit + 1), long.MaxValue);
        else if (exactly is { } tokens) pieces = SandboxTokens.Cut(Repeat(text + " ", (int)Math.Min(tokens - 1, limit) + 1), tokens);
        else if (model.Words is { } words) pieces = SandboxTokens.Cut(Words(text, words), long.MaxValue);
        else pieces = SandboxTokens.Cut(text, long.MaxValue);

        var limited = pieces.Sum(p => (long)p.Tokens) > limit || (limit <= 0 && pieces.Count > 0);
        if (limited) pieces.RemoveRange((int)Math.Max(limit, 0), pieces.Count - (int)Math.Max(limit, 0));
        return new SandboxReply(reasoning, pieces, ask.Tool?.Name, limited);
    }

    /// <summary>At least so many tokens of the text, over and over.</summary>
    private static string Repeat(string text, int tokens)
    {
        var repeated = new StringBuilder();
        while (repeated.Length < tokens * 4) repeated.Append(text);
        repeated.Length = text is "sandbox " ? tokens * 4 : repeated.Length;
        return repeated.ToString();
    }

    private static string Words(string text, int count)
    {
        var words = text.Split(' ');
        return string.Join(' ', Enumerable.Range(0, count).Select(i => words[i % words.Length]));
    }

    /// <summary>The simplest value that fits a JSON schema: of an object its required properties, of an enumeration the first value.</summary>
    internal static JsonNode Example(JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object) return new JsonObject();
        if (schema.TryGetProperty("const", out var fixedValue)) return Node(fixedValue);
        if (schema.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array && values.GetArrayLength() > 0) return Node(values[0]);

        var type = schema.TryGetProperty("type", out var t) ? t : default;
        if (type.ValueKind == JsonValueKind.Array) type = type.EnumerateArray().FirstOrDefault(x => !x.ValueEquals("null"));
        switch (type.ValueKind == JsonValueKind.String ? type.GetString()!.ToUpperInvariant() : "OBJECT")
        {
            case "STRING": return JsonValue.Create("sandbox");
            case "INTEGER" or "NUMBER": return schema.TryGetProperty("minimum", out var least) && least.ValueKind == JsonValueKind.Number ? Node(least) : JsonValue.Create(1);
            case "BOOLEAN": return JsonValue.Create(true);
            case "ARRAY": return new JsonArray();
        }

        var example = new JsonObject();
        if (!schema.TryGetProperty("properties", out var properties) || properties.ValueKind != JsonValueKind.Object) return example;
        if (!schema.TryGetProperty("required", out var required) || required.ValueKind != JsonValueKind.Array) return example;
        foreach (var name in required.EnumerateArray())
            if (name.ValueKind == JsonValueKind.String && properties.TryGetProperty(name.GetString()!, out var property))
                example[name.GetString()!] = Example(property);
        return example;

        static JsonNode Node(JsonElement value) => JsonNode.Parse(value.GetRawText()) ?? JsonValue.Create("null");
    }
}
