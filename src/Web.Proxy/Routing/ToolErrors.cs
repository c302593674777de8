using System.Text.Json;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>Whether a tool's result says that it failed. Only what says so itself counts: <c>is_error</c> in Anthropic's dialect, a result that begins as an error does in the others.</summary>
internal static class ToolErrors
{
    /// <param name="message">With the result, as JSON.</param>
    public static bool IsOne(ReadOnlySpan<byte> message)
    {
        try
        {
            var reader = new Utf8JsonReader(message);
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                    continue;
                var (flag, text) = (reader.ValueTextEquals("is_error"u8), reader.ValueTextEquals("content"u8) || reader.ValueTextEquals("output"u8));
                var answer = reader.ValueTextEquals("response"u8);
                reader.Read();
                if (flag && reader.TokenType == JsonTokenType.True)
                    return true;
                if (text && reader.TokenType == JsonTokenType.String && BeginsAsError(reader.GetString()!))
                    return true;
                if (answer && reader.TokenType == JsonTokenType.StartObject && reader.Read() && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("error"u8))
                    return true;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Unreadable is not an error of the tool.
        }

        return false;
    }

    private static bool BeginsAsError(string text)
    {
        var start = text.AsSpan().TrimStart();
        return start.StartsWith("error:", StringComparison.OrdinalIgnoreCase) || start.StartsWith("{\"error\"", StringComparison.OrdinalIgnoreCase) || start.StartsWith("Traceback (most recent call last)", StringComparison.Ordinal);
    }
}
