using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace Tokonomics.Application.Routing;

/// <summary>What routing asks of a request's body beyond what every call is peeked for. No text of it is kept.</summary>
/// <param name="HasTools">It offers tools.</param>
/// <param name="InToolLoop">Its last message is a tool's result: the model is in the middle of something.</param>
/// <param name="GoesOn">More than its first message has been said: a provider may have cached it.</param>
/// <param name="Conversation">The same for all requests of a conversation: a hash of its instructions and its first message. 0 where it has none.</param>
public readonly record struct RequestOutline(bool HasTools, bool InToolLoop, bool GoesOn, ulong Conversation)
{
    // Enough to tell conversations apart; a system prompt may have a hundred thousand bytes.
    private const int HashedBytes = 4096;

    /// <summary>Where its conversation falls in a draw by weight, 0 to 1: all its calls draw alike, on every node.</summary>
    public double Draw => (Conversation >> 11) / (double)(1UL << 53);

    /// <summary>Of a body of any dialect whose messages are <c>messages</c>, <c>contents</c> or <c>input</c>. Whatever it holds, it throws nothing.</summary>
    /// <param name="salt">Whose conversation it is: the same words of another key are another.</param>
    public static RequestOutline Of(ReadOnlySpan<byte> body, string salt)
    {
        var (hasTools, toolLast, goesOn) = (false, false, false);
        ReadOnlySpan<byte> instructions = default, first = default;
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
                    var before = reader.BytesConsumed;
                    var array = reader.TokenType == JsonTokenType.StartArray;
                    reader.Skip();
                    // More than the brackets and white space: an empty list offers none.
                    hasTools |= array && body[(int)before..(int)(reader.BytesConsumed - 1)].ContainsAnyExcept(" \t\r\n"u8);
                }
                else if (reader.ValueTextEquals("system"u8) || reader.ValueTextEquals("systemInstruction"u8) || reader.ValueTextEquals("system_instruction"u8) || reader.ValueTextEquals("instructions"u8))
                {
                    reader.Read();
                    instructions = Value(ref reader, body);
                }
                else if (reader.ValueTextEquals("messages"u8) || reader.ValueTextEquals("contents"u8) || reader.ValueTextEquals("input"u8))
                {
                    reader.Read();
                    if (reader.TokenType == JsonTokenType.StartArray)
                        Messages(ref reader, body, ref instructions, ref first, out toolLast, out goesOn);
                    else
                        first = Value(ref reader, body);
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

        return new RequestOutline(hasTools, toolLast, goesOn, first.IsEmpty ? 0 : Hash(salt, instructions, first));
    }

    private static void Messages(scoped ref Utf8JsonReader reader, ReadOnlySpan<byte> body, ref ReadOnlySpan<byte> instructions, ref ReadOnlySpan<byte> first, out bool toolLast, out bool goesOn)
    {
        (toolLast, goesOn) = (false, false);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var message = Value(ref reader, body);
            toolLast = IsToolResult(message);
            goesOn |= !first.IsEmpty;
            if (goesOn)
                continue;
            if (IsInstruction(message) && instructions.IsEmpty)
                instructions = message;
            else if (!IsInstruction(message))
                first = message;
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

    private static ulong Hash(string salt, ReadOnlySpan<byte> instructions, ReadOnlySpan<byte> first)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(salt));
        Span<byte> length = stackalloc byte[4];
        Add(instructions, length);
        Add(first, length);
        Span<byte> digest = stackalloc byte[32];
        hash.GetHashAndReset(digest);
        return BinaryPrimitives.ReadUInt64LittleEndian(digest) | 1; // never 0

        void Add(ReadOnlySpan<byte> text, Span<byte> head)
        {
            BinaryPrimitives.WriteInt32LittleEndian(head, text.Length);
            hash.AppendData(head);
            hash.AppendData(text.Length <= HashedBytes ? text : text[..HashedBytes]);
        }
    }
}
