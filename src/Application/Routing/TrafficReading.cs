using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>What a quality group asks of a request: its class, its counted features, and what may be said of the class. No text of it is kept.</summary>
/// <param name="Tools">How many it offers.</param>
/// <param name="Format"><c>text</c>, <c>json</c> or <c>json_schema</c>.</param>
/// <param name="HasSystem">It brings instructions of its own.</param>
public sealed record TrafficReading(TrafficClass Class, double[] Features, int Tools, string Format, bool HasSystem)
{
    /// <summary>A program can find fault with its answer: tools or JSON are asked for.</summary>
    public bool IsHeldToForm => Tools > 0 || Format != "text";

    // Of longer instructions so much is hashed: what differs after that is mostly what differs from call to call.
    private const int MostInstructionBytes = 64 * 1024;

    // A longer message is read at its two ends, where it stands.
    private const int MostMessageBytes = 48 * 1024;

    // Of what stands within each other; deeper than any dialect's.
    private const int MostLevels = 4;

    /// <param name="secret">The tenant's, 16 bytes or more.</param>
    public static TrafficReading Of(in RequestParts parts, ReadOnlySpan<byte> secret, string keyId)
    {
        var tools = ToolNames(parts.Tools);
        var (format, schema) = FormatOf(parts.Format);
        var instructions = parts.Instructions.Length <= MostInstructionBytes ? parts.Instructions : parts.Instructions[..MostInstructionBytes];
        var name = TrafficClass.Of(secret, keyId, Encoding.UTF8.GetString(instructions), tools, $"{format}:{Encoding.UTF8.GetString(schema)}");
        return new TrafficReading(name, FeaturesOf(parts.Asked), tools.Count, format, !parts.Instructions.IsEmpty);
    }

    private static double[] FeaturesOf(ReadOnlySpan<byte> message)
    {
        var features = new double[PromptFeatures.Count];
        var buffer = ArrayPool<char>.Shared.Rent(Math.Min(message.Length, MostMessageBytes) + 1);
        try
        {
            PromptFeatures.Read(buffer.AsSpan(0, message.Length <= MostMessageBytes ? Text(message, buffer) : Ends(message, buffer)), features);
        }
        finally
        {
            // The pool is the whole process's: a prompt must not be found in it.
            ArrayPool<char>.Shared.Return(buffer, clearArray: true);
        }

        return features;
    }

    // Its strings that are text: content itself, or the parts' text.
    private static int Text(ReadOnlySpan<byte> message, Span<char> buffer)
    {
        if (message is [(byte)'"', ..])
            return Unescaped(message, buffer);
        var json = new JsonWalk(message);
        var length = 0;
        if (!json.Enter((byte)'{'))
            return 0;
        while (json.Property(out var name))
        {
            var value = json.Value();
            if (name.SequenceEqual("text"u8) || name.SequenceEqual("content"u8) || name.SequenceEqual("parts"u8))
                length += Any(value, buffer[length..], length > 0, MostLevels);
        }

        return length;
    }

    private static int Any(ReadOnlySpan<byte> value, Span<char> buffer, bool more, int levels)
    {
        if (value is [(byte)'"', ..])
        {
            if (!more || buffer.IsEmpty)
                return Unescaped(value, buffer);
            buffer[0] = '\n';
            return 1 + Unescaped(value, buffer[1..]);
        }

        var list = new JsonWalk(value);
        var length = 0;
        if (levels == 0 || !list.Enter((byte)'['))
            return 0;
        while (list.Item())
        {
            var part = new JsonWalk(list.Value());
            if (!part.Enter((byte)'{'))
                continue;
            while (part.Property(out var name))
            {
                var inner = part.Value();
                if (name.SequenceEqual("text"u8) || name.SequenceEqual("content"u8))
                    length += Any(inner, buffer[length..], more || length > 0, levels - 1);
            }
        }

        return length;
    }

    // A character takes a byte at least: there is room for all of them.
    private static int Unescaped(ReadOnlySpan<byte> text, Span<char> buffer)
    {
        if (text is [(byte)'"', .. var between, (byte)'"'])
            text = between;
        var length = 0;
        while (!text.IsEmpty)
        {
            var escape = text.IndexOf((byte)'\\');
            length += Encoding.UTF8.GetChars(escape < 0 ? text : text[..escape], buffer[length..]);
            if (escape < 0 || escape + 1 >= text.Length)
                break;
            var (letter, taken) = text[escape + 1] switch
            {
                (byte)'n' => ('\n', 2),
                (byte)'t' => ('\t', 2),
                (byte)'r' => ('\r', 2),
                (byte)'b' => ('\b', 2),
                (byte)'f' => ('\f', 2),
                (byte)'u' when text.Length >= escape + 6 && ushort.TryParse(text.Slice(escape + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) => ((char)code, 6),
                var other => ((char)other, 2),
            };
            buffer[length++] = letter;
            text = text[Math.Min(text.Length, escape + taken)..];
        }

        return length;
    }

    private static int Ends(ReadOnlySpan<byte> message, Span<char> buffer)
    {
        var half = MostMessageBytes / 2;
        var length = Unescaped(message[..half], buffer);
        return length + Unescaped(message[^half..], buffer[length..]);
    }

    // Chat: {"type":"function","function":{"name":…}}. Messages: {"name":…}. Gemini: {"functionDeclarations":[{"name":…}]}. What a schema calls name stands deeper than any of them.
    private static List<string> ToolNames(ReadOnlySpan<byte> tools)
    {
        var names = new List<string>();
        if (!tools.IsEmpty)
            Names(tools, names, MostLevels);
        return names;
    }

    private static void Names(ReadOnlySpan<byte> list, List<string> names, int levels)
    {
        var json = new JsonWalk(list);
        if (levels == 0 || !json.Enter((byte)'['))
            return;
        while (json.Item())
        {
            var tool = new JsonWalk(json.Value());
            if (!tool.Enter((byte)'{'))
                continue;
            while (tool.Property(out var name))
            {
                var value = tool.Value();
                if (name.SequenceEqual("name"u8))
                    names.Add(Encoding.UTF8.GetString(value));
                else if (name.SequenceEqual("function"u8))
                    Named(value, names);
                else if (name.SequenceEqual("functionDeclarations"u8) || name.SequenceEqual("function_declarations"u8))
                    Names(value, names, levels - 1);
            }
        }
    }

    private static void Named(ReadOnlySpan<byte> function, List<string> names)
    {
        var json = new JsonWalk(function);
        if (!json.Enter((byte)'{'))
            return;
        while (json.Property(out var name))
        {
            var value = json.Value();
            if (name.SequenceEqual("name"u8))
                names.Add(Encoding.UTF8.GetString(value));
        }
    }

    private static (string Format, byte[] Schema) FormatOf(ReadOnlySpan<byte> json)
    {
        var format = "text";
        if (json.IsEmpty)
            return (format, []);
        try
        {
            var reader = new Utf8JsonReader(json);
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                    continue;
                var isSchema = reader.ValueTextEquals("json_schema"u8) || reader.ValueTextEquals("schema"u8) || reader.ValueTextEquals("responseSchema"u8) || reader.ValueTextEquals("response_schema"u8) || reader.ValueTextEquals("responseJsonSchema"u8);
                reader.Read();
                if (isSchema && reader.TokenType == JsonTokenType.StartObject)
                {
                    var start = (int)reader.TokenStartIndex;
                    reader.Skip();
                    return ("json_schema", json[start..(int)reader.BytesConsumed].ToArray());
                }

                if (reader.TokenType == JsonTokenType.String && (reader.ValueTextEquals("json_object"u8) || reader.ValueTextEquals("application/json"u8)))
                    format = "json";
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The provider says what is wrong with it.
        }

        return (format, []);
    }
}
