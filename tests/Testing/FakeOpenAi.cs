using System.Text;

namespace Tokonomics.Testing;

/// <summary>OpenAI as far as a first call goes: it lists its models and answers chats to whoever sends the one key that it takes, and quotes any other key in its refusal.</summary>
public static class FakeOpenAi
{
    public const string Key = "sk-good-key-0123456789abcdef";

    /// <summary>What each chat used: 12 tokens in and 5 out, 5 microdollars by gpt-4o-mini's prices.</summary>
    public const string Chat =
        """{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"Hello to you"},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}""";

    public static FakeProvider Start() => new((request, socket) =>
    {
        var sent = request.Header("Authorization") ?? "";
        if (sent != "Bearer " + Key)
            return FakeProvider.SendAsync(socket, Refusal($$$"""{"error":{"message":"Incorrect API key provided: {{{sent[(sent.IndexOf(' ') + 1)..]}}}. You can find your API key in your account.","type":"invalid_request_error","code":"invalid_api_key"}}"""));
        return FakeProvider.SendAsync(socket, FakeProvider.Json(request.Line.StartsWith("GET ", StringComparison.Ordinal) ? """{"object":"list","data":[{"id":"gpt-4o-mini","object":"model","created":1,"owned_by":"openai"}]}""" : Chat));
    });

    private static string Refusal(string body) => $"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}";
}
