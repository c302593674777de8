using System.Buffers;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

/// <summary>Errors of any provider, read, and written so that the client's SDK raises its usual exception.</summary>
internal static class Errors
{
    /// <summary>The status of an answer of status 200 that is none and says no other.</summary>
    private const int BadGateway = 502;

    /// <summary>Whatever shape it has: OpenAI's <c>error</c>, Anthropic's, Google's (also in an array), <c>message</c>, <c>detail</c>, or no JSON at all.</summary>
    public static NeutralError Read(int status, ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            using var document = JsonDocument.ParseValue(ref reader);
            return Read(status, document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return new(status == 200 ? BadGateway : status, "provider_error", status == 200 ? Unreadable : $"the provider answered with status {status}", null);
        }
    }

    public static NeutralError Read(int status, JsonElement body)
    {
        if (body.ValueKind == JsonValueKind.Array && body.GetArrayLength() > 0)
            body = body[0];
        var error = Wires.Object(body, "error");
        var message = Wires.Text(error, "message") ?? Wires.Text(body, "error") ?? Wires.Text(body, "message") ?? Wires.Text(body, "detail") ?? (status == 200 ? Unreadable : $"the provider answered with status {status}");
        var type = Wires.Text(error, "type");
        var google = Wires.Text(error, "status");
        if (status == 200)
            status = Wires.Whole(error, "code") is >= 400 and < 600 and var told ? (int)told : OfType(type ?? google);
        // Google says 400 to a key that it doesn't know; everybody else says 401.
        if (status == 400 && Wires.Array(error, "details").Any(d => Wires.Text(d, "reason") == "API_KEY_INVALID"))
            status = 401;
        var code = Wires.Text(error, "code") ?? type ?? google ?? Wires.Text(body, "code") ?? "provider_error";
        // Clients of OpenAI shorten the conversation by this word.
        if (status == 400 && (message.Contains("prompt is too long", StringComparison.Ordinal) || message.Contains("exceeds the maximum number of tokens", StringComparison.Ordinal)))
            code = "context_length_exceeded";
        return new(status, code, message, Wires.Text(body, "request_id"));
    }

    private static int OfType(string? type) => type switch
    {
        "overloaded_error" or "UNAVAILABLE" => 503,
        "rate_limit_error" or "RESOURCE_EXHAUSTED" => 429,
        "invalid_request_error" or "INVALID_ARGUMENT" => 400,
        "authentication_error" or "UNAUTHENTICATED" => 401,
        "permission_error" or "PERMISSION_DENIED" => 403,
        "timeout_error" or "DEADLINE_EXCEEDED" => 504,
        _ => BadGateway,
    };

    private const string Unreadable = "the provider's answer can't be read";

    /// <returns>The status that goes with it.</returns>
    public static int Write(NeutralError error, string dialect, IBufferWriter<byte> output)
    {
        var shape = DialectCatalogue.Find(dialect)!.Errors;
        var status = Status(error, shape);
        ProxyError.Write(output, shape, status, error.Code, error.Message, error.RequestId);
        return status;
    }

    /// <summary>529 is Anthropic's own; the others say 503 to a provider that is overloaded.</summary>
    public static int Status(NeutralError error, ErrorShape shape) => error.Status == 529 && shape != ErrorShape.Anthropic ? 503 : error.Status;
}
