using System.Buffers;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>How a stream frames the error that has to be told inside it.</summary>
public enum StreamForm
{
    /// <summary><c>data: {…}</c>: chat and completions, Gemini with <c>alt=sse</c>.</summary>
    Data,

    /// <summary>A named event <c>error</c>: Responses, Anthropic.</summary>
    ErrorEvent,

    /// <summary>A line of JSON lines: Ollama, Cohere v1.</summary>
    Line,

    /// <summary>A further element of the JSON array that Gemini streams without <c>alt=sse</c>, and the array's end.</summary>
    ArrayElement,
}

/// <summary>
/// Writes the proxy's own errors in the shape of the client's dialect, so that each official SDK raises its own typed exception.
/// </summary>
public static class ProxyError
{
    // Text stays readable in logs and terminals; no browser renders these bodies as HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The body of an error answer, <c>application/json</c>.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="shape">The dialect's shape.</param>
    /// <param name="status">The HTTP status, which decides the types and names in the body.</param>
    /// <param name="code">Ours, stable: <c>budget_exceeded</c>.</param>
    /// <param name="message">A sentence for a person.</param>
    /// <param name="requestId">The proxy's id of the request; Anthropic's shape has a field for it.</param>
    public static void Write(IBufferWriter<byte> output, ErrorShape shape, int status, string code, string message, string? requestId = null)
    {
        using var json = new Utf8JsonWriter(output, Options);
        json.WriteStartObject();
        switch (shape)
        {
            case ErrorShape.Anthropic:
                json.WriteString("type", "error");
                json.WriteStartObject("error");
                json.WriteString("type", AnthropicType(status));
                json.WriteString("message", message);
                json.WriteEndObject();
                json.WriteString("request_id", requestId);
                break;

            case ErrorShape.Gemini:
                json.WriteStartObject("error");
                json.WriteNumber("code", status);
                json.WriteString("message", message);
                json.WriteString("status", GoogleStatus(status));
                json.WriteEndObject();
                break;

            case ErrorShape.Cohere:
                json.WriteString("message", message);
                break;

            case ErrorShape.Ollama:
                json.WriteString("error", message);
                break;

            default:
                json.WriteStartObject("error");
                json.WriteString("message", message);
                json.WriteString("type", OpenAiType(status));
                json.WriteNull("param");
                json.WriteString("code", code);
                json.WriteEndObject();
                break;
        }

        json.WriteEndObject();
    }

    /// <summary>
    /// The same error inside an answer of status 200 that has begun. What the client has of an unfinished event is closed by a blank line first.
    /// </summary>
    public static void WriteStreamEvent(
        IBufferWriter<byte> output, ErrorShape shape, StreamForm form, int status, string code, string message, string? requestId = null)
    {
        switch (form)
        {
            case StreamForm.ErrorEvent when shape == ErrorShape.OpenAi:
                // The Responses API's own error event is flat and numbered; the number is past any that the stream could have used.
                output.Write("\n\nevent: error\ndata: "u8);
                using (var json = new Utf8JsonWriter(output, Options))
                {
                    json.WriteStartObject();
                    json.WriteString("type", "error");
                    json.WriteString("code", code);
                    json.WriteString("message", message);
                    json.WriteNull("param");
                    json.WriteNumber("sequence_number", int.MaxValue);
                    json.WriteEndObject();
                }

                output.Write("\n\n"u8);
                break;

            case StreamForm.ErrorEvent:
                output.Write("\n\nevent: error\ndata: "u8);
                Write(output, shape, status, code, message, requestId);
                output.Write("\n\n"u8);
                break;

            case StreamForm.Line:
                output.Write("\n"u8);
                Write(output, shape, status, code, message, requestId);
                output.Write("\n"u8);
                break;

            case StreamForm.ArrayElement:
                output.Write(",\n"u8);
                Write(output, shape, status, code, message, requestId);
                output.Write("\n]"u8);
                break;

            default:
                output.Write("\n\ndata: "u8);
                Write(output, shape, status, code, message, requestId);
                output.Write("\n\n"u8);
                break;
        }
    }

    /// <summary>The form in which a dialect's stream tells an error.</summary>
    /// <param name="dialect">The dialect.</param>
    /// <param name="contentType">The running answer's; it tells events from JSON lines and from Gemini's array.</param>
    public static StreamForm FormOf(Dialect dialect, string? contentType)
    {
        var type = contentType ?? "";
        if (!type.Contains("event-stream", StringComparison.OrdinalIgnoreCase))
        {
            return dialect.Errors == ErrorShape.Gemini ? StreamForm.ArrayElement
                : dialect.Errors is ErrorShape.Ollama or ErrorShape.Cohere ? StreamForm.Line
                : StreamForm.Data;
        }

        return dialect.Errors == ErrorShape.Anthropic || dialect.Name is "openai-responses" or "openai-assistants" ? StreamForm.ErrorEvent : StreamForm.Data;
    }

    private static string OpenAiType(int status) => status switch
    {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        402 => "insufficient_quota",
        429 => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    private static string AnthropicType(int status) => status switch
    {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 or 529 => "overloaded_error",
        504 => "timeout_error",
        >= 500 => "api_error",
        _ => "invalid_request_error",
    };

    // google.rpc.Code, as the HTTP mapping of google/rpc/code.proto has it.
    private static string GoogleStatus(int status) => status switch
    {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        402 or 429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        >= 500 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
}
