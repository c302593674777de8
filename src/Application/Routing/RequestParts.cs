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
        var json = new JsonWalk(body);
        if (!json.Enter((byte)'{'))
            return parts;
        while (json.Property(out var name))
        {
            if ((name.SequenceEqual("messages"u8) || name.SequenceEqual("contents"u8) || name.SequenceEqual("input"u8)) && json.Enter((byte)'['))
            {
                Messages(ref json, ref parts);
                json.Leave((byte)']');
                continue;
            }

            var value = json.Value();
            switch (name)
            {
                case var _ when name.SequenceEqual("tools"u8) || name.SequenceEqual("functions"u8):
                    // More than the brackets and white space: an empty list offers none.
                    if (value is [(byte)'[', .., (byte)']'] && value[1..^1].ContainsAnyExcept(" \t\r\n"u8))
                    {
                        parts.HasTools = true;
                        parts.Tools = value;
                    }

                    break;
                case var _ when name.SequenceEqual("system"u8) || name.SequenceEqual("systemInstruction"u8) || name.SequenceEqual("system_instruction"u8) || name.SequenceEqual("instructions"u8):
                    parts.Instructions = value;
                    break;
                case var _ when name.SequenceEqual("response_format"u8) || name.SequenceEqual("text"u8) || name.SequenceEqual("output_config"u8) || name.SequenceEqual("output_format"u8) || name.SequenceEqual("generationConfig"u8) || name.SequenceEqual("generation_config"u8):
                    parts.Format = value;
                    break;
                case var _ when name.SequenceEqual("previous_response_id"u8):
                    parts.Previous = value is [(byte)'"', .., (byte)'"'] ? value : default;
                    break;
                case var _ when name.SequenceEqual("messages"u8) || name.SequenceEqual("contents"u8) || name.SequenceEqual("input"u8):
                    parts.First = value;
                    parts.Asked = value;
                    break;
            }
        }

        return parts;
    }

    private static void Messages(ref JsonWalk json, ref RequestParts parts)
    {
        while (json.Item())
        {
            var start = json.Here();
            var (speaker, isToolResult) = Look(ref json);
            var message = json.Since(start);
            parts.ToolLast = isToolResult;
            if (isToolResult)
                parts.ToolResult = message;
            else if (speaker == Speaker.User)
                parts.Asked = message;
            parts.GoesOn |= !parts.First.IsEmpty;
            if (parts.GoesOn)
                continue;
            if (speaker == Speaker.Instructor && parts.Instructions.IsEmpty)
                parts.Instructions = message;
            else if (speaker != Speaker.Instructor)
                parts.First = message;
        }
    }

    private enum Speaker
    {
        User, Instructor, Other,
    }

    // Results of tools. Chat: role "tool" or "function". Responses: an item of type function_call_output. Messages: a block of type tool_result. Gemini: a part functionResponse.
    private static (Speaker Speaker, bool IsToolResult) Look(ref JsonWalk json)
    {
        if (!json.Enter((byte)'{'))
        {
            json.Value();
            return (Speaker.Other, false);
        }

        var (speaker, named, result) = (Speaker.User, false, false);
        while (json.Property(out var name))
        {
            var value = json.Value();
            if (name.SequenceEqual("role"u8))
            {
                named = true;
                speaker = value.SequenceEqual("\"user\""u8) ? Speaker.User : value.SequenceEqual("\"system\""u8) || value.SequenceEqual("\"developer\""u8) ? Speaker.Instructor : Speaker.Other;
                result |= value.SequenceEqual("\"tool\""u8) || value.SequenceEqual("\"function\""u8);
            }
            else if (name.SequenceEqual("type"u8))
            {
                // An item of Responses that is no message says nothing of whose it is.
                if (!named && !value.SequenceEqual("\"message\""u8))
                    speaker = Speaker.Other;
                result |= IsResult(value);
            }
            else if ((name.SequenceEqual("content"u8) || name.SequenceEqual("parts"u8)) && value is [(byte)'[', ..])
            {
                result |= HasResult(value);
            }
        }

        json.Leave((byte)'}');
        return (speaker, result && speaker != Speaker.Instructor);
    }

    private static bool HasResult(ReadOnlySpan<byte> parts)
    {
        var json = new JsonWalk(parts);
        json.Enter((byte)'[');
        while (json.Item())
        {
            var part = new JsonWalk(json.Value());
            if (!part.Enter((byte)'{'))
                continue;
            while (part.Property(out var name))
                if ((name.SequenceEqual("type"u8) && IsResult(part.Value())) || name.SequenceEqual("functionResponse"u8) || name.SequenceEqual("function_response"u8))
                    return true;
                else if (!name.SequenceEqual("type"u8))
                    part.Value();
        }

        return false;
    }

    private static bool IsResult(ReadOnlySpan<byte> type) => type.SequenceEqual("\"tool_result\""u8) || type.SequenceEqual("\"function_call_output\""u8);
}
