using System.Text.Json;

namespace Tokonomics.Application.Translation;

/// <summary>A request in no dialect: what all of them can say, each part with its place in the client's request.</summary>
internal sealed record NeutralRequest
{
    public required bool Stream { get; init; }

    /// <summary>The client wants usage told in its stream. Only chat has to ask.</summary>
    public bool UsageInStream { get; set; } = true;

    /// <summary>The client wants to see what the model thinks. Only Gemini's dialect asks; chat shows it anyway.</summary>
    public bool Thoughts { get; set; }

    /// <summary>Instructions before the conversation, one element for each piece of text.</summary>
    public List<Said<string>> System { get; } = [];

    public void AddSystem(IEnumerable<Part> parts, Carriage carriage)
    {
        foreach (var part in parts)
        {
            if (part is TextPart text)
                System.Add(new(text.Text, text.Path));
            else
                carriage.Refuse(part.Path, "instructions are text");
        }
    }

    public List<Turn> Turns { get; } = [];

    public List<ToolDeclaration> Tools { get; } = [];

    public Said<ToolChoice>? Choice { get; set; }

    /// <summary>False: at most one call in an answer.</summary>
    public Said<bool>? ParallelCalls { get; set; }

    public Said<AnswerFormat>? Format { get; set; }

    /// <summary>Tokens of output.</summary>
    public Said<long>? MaxOutputTokens { get; set; }

    public List<Said<string>> Stop { get; } = [];

    public Said<decimal>? Temperature { get; set; }

    public Said<decimal>? TopP { get; set; }

    public Said<long>? TopK { get; set; }

    public Said<long>? Seed { get; set; }

    public Said<decimal>? PresencePenalty { get; set; }

    public Said<decimal>? FrequencyPenalty { get; set; }

    /// <summary>Whom the client serves, as an opaque id.</summary>
    public Said<string>? User { get; set; }

    /// <summary>How much is to be thought: <c>low</c>, <c>medium</c> or <c>high</c>, the words that all three dialects have.</summary>
    public Said<string>? Effort { get; set; }

    /// <summary>Tokens of thought at most; 0 for none. Anthropic's and Gemini's dialects have it.</summary>
    public Said<long>? ThinkingBudget { get; set; }
}

internal enum Speaker
{
    User,
    Assistant,

    /// <summary>An instruction amid the conversation.</summary>
    System,
}

/// <summary>What one side says. Tool results are the user's.</summary>
internal sealed record Turn(Speaker Speaker, List<Part> Parts, string Path);

internal abstract record Part(string Path);

internal sealed record TextPart(string Text, string Path) : Part(Path);

/// <summary>An image, a document or a sound: its bytes in base64, or its address.</summary>
/// <param name="MediaType"><c>image/png</c>, <c>application/pdf</c>, <c>audio/wav</c>; null for an address that doesn't say.</param>
/// <param name="Base64">Null where it is an address.</param>
/// <param name="Url">Null where the bytes are here.</param>
/// <param name="Name">The file's name, where one is said.</param>
internal sealed record MediaPart(string? MediaType, string? Base64, string? Url, string? Name, string Path) : Part(Path)
{
    public bool IsImage => MediaType is null || MediaType.StartsWith("image/", StringComparison.OrdinalIgnoreCase);

    public bool IsPdf => string.Equals(MediaType, "application/pdf", StringComparison.OrdinalIgnoreCase);
}

/// <summary>The model calls a tool.</summary>
/// <param name="Arguments">A JSON object, as text.</param>
internal sealed record ToolCallPart(string Id, string Name, string Arguments, string Path) : Part(Path);

/// <summary>What a call gave.</summary>
/// <param name="Name">The tool's, found by the call's id.</param>
/// <param name="Failed">The client says that the call failed.</param>
internal sealed record ToolResultPart(string CallId, string Name, List<Part> Content, bool Failed, string Path) : Part(Path);

/// <summary>What the model thought aloud. In an answer it is handed on where the client's dialect has a place for it; in a request it isn't carried.</summary>
internal sealed record ThinkingPart(string Text, string Path) : Part(Path);

/// <param name="Schema">A JSON schema; null for a tool without parameters.</param>
/// <param name="Strict">Arguments are promised to follow the schema.</param>
internal sealed record ToolDeclaration(string Name, string? Description, JsonElement? Schema, bool Strict, string Path);

internal enum Choosing
{
    Auto,
    None,

    /// <summary>Some tool must be called.</summary>
    Any,

    /// <summary>The named tool must be called.</summary>
    One,
}

internal sealed record ToolChoice(Choosing Choosing, string? Name = null);

/// <param name="Schema">Null: any JSON object.</param>
internal sealed record AnswerFormat(JsonElement? Schema, string? Name = null, string? Description = null)
{
    /// <summary>Whether the schema must be held to; null where the client's dialect always does.</summary>
    public bool? Strict { get; init; }
}
