using System.Buffers;
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
    // Of longer instructions so much is hashed: what differs after that is mostly what differs from call to call.
    private const int MostInstructionBytes = 64 * 1024;

    // A longer message is read at its two ends, where it stands.
    private const int MostMessageBytes = 128 * 1024;

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
        var length = 0;
        try
        {
            var reader = new Utf8JsonReader(message);
            var isText = true; // an input that is a string alone
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName)
                {
                    isText = reader.ValueTextEquals("text"u8) || reader.ValueTextEquals("content"u8);
                }
                else if (reader.TokenType == JsonTokenType.String && isText)
                {
                    if (length > 0)
                        buffer[length++] = '\n';
                    length += reader.CopyString(buffer[length..]);
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            // Not UTF-8: what came before is what there is.
        }

        return length;
    }

    private static int Ends(ReadOnlySpan<byte> message, Span<char> buffer)
    {
        var half = MostMessageBytes / 2;
        var length = Encoding.UTF8.GetChars(message[..half], buffer);
        return length + Encoding.UTF8.GetChars(message[^half..], buffer[length..]);
    }

    // Chat: {"type":"function","function":{"name":…}}. Messages: {"name":…}. Gemini: {"functionDeclarations":[{"name":…}]}. What a schema calls name stands deeper than any of them.
    private static List<string> ToolNames(ReadOnlySpan<byte> tools)
    {
        var names = new List<string>();
        if (tools.IsEmpty)
            return names;
        var reader = new Utf8JsonReader(tools);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
                continue;
            var isName = reader.ValueTextEquals("name"u8);
            var isSchema = reader.ValueTextEquals("parameters"u8) || reader.ValueTextEquals("input_schema"u8) || reader.ValueTextEquals("parametersJsonSchema"u8);
            reader.Read();
            if (isSchema)
                reader.Skip();
            else if (isName && reader.TokenType == JsonTokenType.String)
                names.Add(reader.GetString()!);
        }

        return names;
    }

    private static (string Format, byte[] Schema) FormatOf(ReadOnlySpan<byte> json)
    {
        var format = "text";
        if (json.IsEmpty)
            return (format, []);
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

        return (format, []);
    }
}
