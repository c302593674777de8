using System.Text.Json;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>Whose error body an SDK expects.</summary>
internal enum SandboxShape
{
    OpenAi,
    Anthropic,
    Gemini,
    Cohere,
    Ollama,
}

/// <summary>A refusal before any output. Thrown by routes on a request that they can't read, and turned into the dialect's error body.</summary>
internal sealed class SandboxRefusal(int status, string message) : Exception(message)
{
    public int Status { get; } = status;
}

/// <summary>The error bodies and headers that providers send, per status.</summary>
internal static class SandboxErrors
{
    public static byte[] Body(SandboxShape shape, int status, string message, string id) => JsonSerializer.SerializeToUtf8Bytes<object>(shape switch
    {
        SandboxShape.Anthropic => new { type = "error", error = new { type = AnthropicType(status), message }, request_id = id },
        SandboxShape.Gemini => new { error = new { code = status, message, status = GoogleStatus(status) } },
        SandboxShape.Cohere => new { id, message },
        SandboxShape.Ollama => new { error = message },
        _ => new { error = new { message, type = OpenAiType(status), param = (string?)null, code = OpenAiCode(status) } },
    });

    public static void Headers(SandboxShape shape, int status, DateTimeOffset now, IHeaderDictionary headers)
    {
        if (status is 429 or 503) headers.RetryAfter = "1";
        if (status != 429) return;
        if (shape == SandboxShape.Anthropic)
        {
            headers["anthropic-ratelimit-requests-limit"] = "60";
            headers["anthropic-ratelimit-requests-remaining"] = "0";
            headers["anthropic-ratelimit-requests-reset"] = now.AddSeconds(1).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        }
        else
        {
            headers["x-ratelimit-limit-requests"] = "60";
            headers["x-ratelimit-remaining-requests"] = "0";
            headers["x-ratelimit-reset-requests"] = "1s";
        }
    }

    public static string Message(int status) => status switch
    {
        400 => "The sandbox refuses this request, as the model's name asks.",
        401 => "The sandbox refuses this key, as the model's name asks.",
        429 => "The sandbox's rate limit is reached, as the model's name asks. Try again in 1 second.",
        503 => "The sandbox is unavailable, as the model's name asks.",
        529 => "The sandbox is overloaded, as the model's name asks.",
        _ => "The sandbox had an internal error, as the model's name asks.",
    };

    private static string OpenAiType(int status) => status switch
    {
        429 => "requests",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    private static string? OpenAiCode(int status) => status switch
    {
        401 => "invalid_api_key",
        404 => "unknown_url",
        429 => "rate_limit_exceeded",
        _ => null,
    };

    private static string AnthropicType(int status) => status switch
    {
        401 => "authentication_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        >= 500 => "api_error",
        _ => "invalid_request_error",
    };

    private static string GoogleStatus(int status) => status switch
    {
        401 => "UNAUTHENTICATED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 or 529 => "UNAVAILABLE",
        >= 500 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
}
