using System.Text.Json;

namespace Tokonomics.Domain.Routing;

/// <summary>What is wrong with an answer of the cheap model, as far as a program can tell. Each is a reason to ask the strong model.</summary>
public enum CheckFailure
{
    /// <summary>A call was due and none was made.</summary>
    NoCall,

    /// <summary>The arguments, or the answer, are not JSON; or the arguments are no object.</summary>
    NotJson,

    UnknownTool,

    /// <summary>A required property is missing.</summary>
    Missing,

    /// <summary>A property that the schema doesn't know. Of a tool's arguments always; elsewhere where <c>additionalProperties</c> is false.</summary>
    Unexpected,

    WrongType,

    /// <summary>Not one of the <c>enum</c>.</summary>
    NotInEnum,
}

/// <summary>A tool that the request offers.</summary>
/// <param name="Parameters">Its JSON Schema.</param>
public readonly record struct OfferedTool(string Name, JsonElement Parameters);

/// <summary>A call that the answer makes.</summary>
/// <param name="Arguments">JSON, as the model wrote it.</param>
public readonly record struct MadeCall(string Tool, string Arguments);

/// <summary>
/// Looks at a cheap model's tool calls and JSON answers before they are handed on. Of JSON Schema <c>type</c>, <c>properties</c>, <c>required</c>, <c>enum</c>, <c>items</c> and
/// <c>additionalProperties</c> are read; whatever else a schema asks for is not checked, and never a reason to fail.
/// </summary>
public static class CheckAfter
{
    private const int DeepestLevel = 32;

    /// <summary>The first thing that is wrong with the calls; null where nothing is.</summary>
    /// <param name="callIsDue">The request demands a call: with <c>tool_choice: auto</c> an answer without one is as good.</param>
    public static CheckFailure? Calls(IReadOnlyList<MadeCall> calls, IReadOnlyList<OfferedTool> tools, bool callIsDue)
    {
        if (calls.Count == 0)
            return callIsDue ? CheckFailure.NoCall : null;
        foreach (var call in calls)
            if (Call(call, tools) is { } failure)
                return failure;
        return null;
    }

    /// <summary>Whether an answer is JSON, and as its schema says; null where it is.</summary>
    /// <param name="schema">Null: any JSON will do.</param>
    public static CheckFailure? Answer(string text, JsonElement? schema)
    {
        if (Parse(text) is not { } document)
            return CheckFailure.NotJson;
        using (document)
            return schema is { } known ? Value(document.RootElement, known, 0) : null;
    }

    private static CheckFailure? Call(in MadeCall call, IReadOnlyList<OfferedTool> tools)
    {
        foreach (var tool in tools)
        {
            if (tool.Name != call.Tool)
                continue;
            if (Parse(call.Arguments.Length == 0 ? "{}" : call.Arguments) is not { } document)
                return CheckFailure.NotJson;
            using (document)
                return document.RootElement.ValueKind == JsonValueKind.Object ? Object(document.RootElement, tool.Parameters, 0, closed: true) : CheckFailure.NotJson;
        }

        return CheckFailure.UnknownTool;
    }

    private static CheckFailure? Value(JsonElement value, JsonElement schema, int level)
    {
        if (schema.ValueKind != JsonValueKind.Object || level > DeepestLevel)
            return null;
        if (schema.TryGetProperty("enum", out var names) && names.ValueKind == JsonValueKind.Array && !names.EnumerateArray().Any(name => JsonElement.DeepEquals(name, value)))
            return CheckFailure.NotInEnum;
        if (schema.TryGetProperty("type", out var type) && !IsOf(value, type))
            return CheckFailure.WrongType;
        if (value.ValueKind == JsonValueKind.Object)
            return Object(value, schema, level, closed: false);
        if (value.ValueKind != JsonValueKind.Array || !schema.TryGetProperty("items", out var items))
            return null;
        foreach (var item in value.EnumerateArray())
            if (Value(item, items, level + 1) is { } failure)
                return failure;
        return null;
    }

    // Closed: what isn't named is unexpected unless the schema says otherwise. A tool gets no argument that it doesn't know.
    private static CheckFailure? Object(JsonElement value, JsonElement schema, int level, bool closed)
    {
        if (schema.ValueKind != JsonValueKind.Object)
            return null;
        if (schema.TryGetProperty("required", out var required) && required.ValueKind == JsonValueKind.Array)
            foreach (var name in required.EnumerateArray())
                if (name.ValueKind == JsonValueKind.String && !value.TryGetProperty(name.GetString()!, out _))
                    return CheckFailure.Missing;
        var known = schema.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object;
        var more = schema.TryGetProperty("additionalProperties", out var additional) ? additional.ValueKind : JsonValueKind.Undefined;
        foreach (var property in value.EnumerateObject())
        {
            var failure = known && properties.TryGetProperty(property.Name, out var of) ? Value(property.Value, of, level + 1)
                : more == JsonValueKind.Object ? Value(property.Value, additional, level + 1)
                : more == JsonValueKind.False || (closed && known && more != JsonValueKind.True) ? CheckFailure.Unexpected
                : null;
            if (failure is not null)
                return failure;
        }

        return null;
    }

    // A type that JSON Schema doesn't know is no reason to fail.
    private static bool IsOf(JsonElement value, JsonElement type) => type.ValueKind switch
    {
        JsonValueKind.Array => type.GetArrayLength() == 0 || type.EnumerateArray().Any(one => IsOf(value, one)),
        JsonValueKind.String => type.GetString() switch
        {
            "object" => value.ValueKind == JsonValueKind.Object,
            "array" => value.ValueKind == JsonValueKind.Array,
            "string" => value.ValueKind == JsonValueKind.String,
            "number" => value.ValueKind == JsonValueKind.Number,
            "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && Math.Truncate(number) == number,
            "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
            "null" => value.ValueKind == JsonValueKind.Null,
            _ => true,
        },
        _ => true,
    };

    private static JsonDocument? Parse(string text)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
