using System.Text.Json;

namespace Tokonomics.Application.Routing;

/// <summary>Where in a request's body stands what routing looks at. Of a body of any dialect whose messages are <c>messages</c>, <c>contents</c> or <c>input</c>; whatever it holds, reading it throws nothing.</summary>
public ref struct RequestParts
{
    /// <summary>It offers tools: at least one.</summary>
    public bool HasTools { get; private set; }

    /// <summary>Its last message is a tool's result.</summary>
    public bool ToolLast { get; private set; }

    /// <summary>More than its first message has been said.</summary>
    public bool GoesOn { get; private set; }

    /// <summary>The value of what instructs the model, as JSON; or the first message that does.</summary>
    public ReadOnlySpan<byte> Instructions { get; private set; }

    /// <summary>The first message that instructs nothing, as JSON.</summary>
    public ReadOnlySpan<byte> First { get; private set; }

    /// <summary>The user's last message, as JSON.</summary>
    public ReadOnlySpan<byte> Asked { get; private set; }

    /// <summary>The last message with a tool's result, as JSON.</summary>
    public ReadOnlySpan<byte> ToolResult { get; private set; }

    /// <summary>The list of tools, as JSON.</summary>
    public ReadOnlySpan<byte> Tools { get; private set; }

    /// <summary>What says in which form the answer is to be, as JSON: <c>response_format</c>, <c>text</c>, <c>output_config</c>, <c>generationConfig</c>.</summary>
    public ReadOnlySpan<byte> Format { get; private set; }

    /// <summary>The id of the answer that it goes on from, which its provider keeps: what <c>previous_response_id</c> says, as JSON.</summary>
    public ReadOnlySpan<byte> Previous { get; private set; }

    public static RequestParts Of(ReadOnlySpan<byte> body)
    {
        var parts = default(RequestParts);
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return default;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("tools"u8) || reader.ValueTextEquals("functions"u8))
                {
                    reader.Read();
                    var array = reader.TokenType == JsonTokenType.StartArray;
                    var tools = Value(ref reader, body);
                    // More than the brackets and white space: an empty list offers none.
                    if (array && tools[1..^1].ContainsAnyExcept(" \t\r\n"u8))
                    {
                        parts.HasTools = true;
                        parts.Tools = tools;
                    }
                }
                else if (reader.ValueTextEquals("system"u8) || reader.ValueTextEquals("systemInstruction"u8) || reader.ValueTextEquals("system_instruction"u8) || reader.ValueTextEquals("instructions"u8))
                {
                    reader.Read();
                    parts.Instructions = Value(ref reader, body);
                }
                else if (reader.ValueTextEquals("response_format"u8) || reader.ValueTextEquals("text"u8) || reader.ValueTextEquals("output_config"u8) || reader.ValueTextEquals("output_format"u8) || reader.ValueTextEquals("generationConfig"u8) || reader.ValueTextEquals("generation_config"u8))
                {
                    reader.Read();
                    parts.Format = Value(ref reader, body);
                }
                else if (reader.ValueTextEquals("previous_response_id"u8))
                {
                    reader.Read();
                    parts.Previous = reader.TokenType == JsonTokenType.String ? Value(ref reader, body) : default;
                }
                else if (reader.ValueTextEquals("messages"u8) || reader.ValueTextEquals("contents"u8) || reader.ValueTextEquals("input"u8))
                {
                    reader.Read();
                    if (reader.TokenType == JsonTokenType.StartArray)
                        Messages(ref reader, body, ref parts);
                    else
                        parts.First = parts.Asked = Value(ref reader, body);
                }
                else
                {
                    reader.Skip();
                }
            }
        }
        catch (JsonException)
        {
            // What was read until then is what is known; the provider says what is wrong with it.
        }

        return parts;
    }

    private static void Messages(scoped ref Utf8JsonReader reader, ReadOnlySpan<byte> body, ref RequestParts parts)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var message = Value(ref reader, body);
            var instructs = IsInstruction(message);
            parts.ToolLast = !instructs && IsToolResult(message);
            if (parts.ToolLast)
                parts.ToolResult = message;
            else if (RoleIs(message, "user"u8) || !HasRole(message))
                parts.Asked = message;
            parts.GoesOn |= !parts.First.IsEmpty;
            if (parts.GoesOn)
                continue;
            if (instructs && parts.Instructions.IsEmpty)
                parts.Instructions = message;
            else if (!instructs)
                parts.First = message;
        }
    }

    private static ReadOnlySpan<byte> Value(scoped ref Utf8JsonReader reader, ReadOnlySpan<byte> body)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return body[start..(int)reader.BytesConsumed];
    }

    private static bool IsInstruction(ReadOnlySpan<byte> message) => RoleIs(message, "system"u8) || RoleIs(message, "developer"u8);

    private static bool RoleIs(ReadOnlySpan<byte> message, ReadOnlySpan<byte> role)
    {
        var reader = new Utf8JsonReader(message);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isRole = reader.ValueTextEquals("role"u8);
            reader.Read();
            if (isRole)
                return reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(role);
            reader.Skip();
        }

        return false;
    }

    private static bool HasRole(ReadOnlySpan<byte> message)
    {
        var reader = new Utf8JsonReader(message);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("role"u8) || reader.ValueTextEquals("type"u8))
                return true;
            reader.Read();
            reader.Skip();
        }

        return false;
    }

    // Chat: role "tool" or "function". Responses: an item of type function_call_output. Messages: a block of type tool_result. Gemini: a part functionResponse.
    private static bool IsToolResult(ReadOnlySpan<byte> message)
    {
        var reader = new Utf8JsonReader(message);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
                continue;
            if (reader.CurrentDepth <= 3 && (reader.ValueTextEquals("functionResponse"u8) || reader.ValueTextEquals("function_response"u8)))
                return true;
            var (isRole, isType) = (reader.CurrentDepth == 1 && reader.ValueTextEquals("role"u8), reader.CurrentDepth <= 3 && reader.ValueTextEquals("type"u8));
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
            {
                // What a tool answered may look like anything: it is not looked into.
                if (reader.CurrentDepth > 3)
                    reader.Skip();
                continue;
            }

            if (isRole && (reader.ValueTextEquals("tool"u8) || reader.ValueTextEquals("function"u8)))
                return true;
            if (isType && (reader.ValueTextEquals("tool_result"u8) || reader.ValueTextEquals("function_call_output"u8)))
                return true;
        }

        return false;
    }
}
