using System.Globalization;
using System.Text;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Estimates;

/// <summary>A call of a seeded plan: what is asked, in which dialect and language, and after how many bytes its client leaves.</summary>
/// <param name="LeaveAfter">Null where it reads to the end.</param>
internal sealed record PlannedCall(string Name, string Kind, string Path, string Body, int? LeaveAfter);

/// <summary>Streams of many kinds to the sandbox, from a seed.</summary>
internal static class CutStreams
{
    private static readonly string[] Prompts =
    [
        "Hello",
        "Tell me about the history of the city of Nuremberg and of its trade routes in the fifteenth century, in about a hundred words.",
        "Bitte fasse den folgenden Bericht zusammen: Die Gerätehäuser wurden im Frühjahr geprüft, die Mängel größtenteils behoben.",
        "请用三句话解释光合作用的基本原理,并举一个例子。",
        "日本の四季について、短い詩を書いてください。できれば俳句の形式で。",
        "اكتب فقرة قصيرة عن أهمية القراءة للأطفال في المدارس.",
        "Напиши короткий рассказ о почтальоне, который потерял последнее письмо.",
        "def fib(n):\\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\\n# make this iterative, and add type hints",
        "{\\\"rows\\\": [[1, 2.5, \\\"a\\\"], [2, 3.75, \\\"b\\\"], [3, 4.125, \\\"c\\\"]], \\\"total\\\": 10.375}",
        "👋 Was kostet die Überfahrt? 💶🚢",
    ];

    private static readonly string[] Models =
        ["sandbox-small", "sandbox-tokens-40", "sandbox-tokens-120", "sandbox-tokens-300", "sandbox-words-90", "sandbox-reason-tokens-100", "sandbox-reset", "sandbox-cut", "sandbox-small-reason"];

    /// <param name="count">How many; a fifth of them reads to the end.</param>
    public static List<PlannedCall> Plan(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => Call(random, $"cut-{seed}-{i}"))];
    }

    private static PlannedCall Call(Random random, string name)
    {
        var model = Models[random.Next(Models.Length)];
        var prompts = Enumerable.Range(0, 1 + random.Next(4)).Select(_ => string.Join(' ', Enumerable.Repeat(Prompts[random.Next(Prompts.Length)], 1 + random.Next(4)))).ToList();
        var tools = random.Next(6) == 0;
        var (kind, path, body) = random.Next(8) switch
        {
            0 or 1 => ("chat", "/proxy/openai/v1/chat/completions", $$"""{"model":"{{model}}","messages":[{{Messages(prompts)}}],"stream":true{{(tools ? ",\"tools\":[{\"type\":\"function\",\"function\":" + Tool + "}]" : "")}}}"""),
            2 => ("responses", "/proxy/openai/v1/responses", $$"""{"model":"{{model}}","input":[{{Messages(prompts)}}],"stream":true}"""),
            3 => ("anthropic", "/proxy/anthropic/v1/messages", $$"""{"model":"{{model}}","max_tokens":4000,"messages":[{{Messages(prompts)}}],"stream":true}"""),
            4 => ("gemini", $"/proxy/gemini/v1beta/models/{model}:streamGenerateContent?alt=sse", $$"""{"contents":[{{Contents(prompts)}}]}"""),
            5 => ("cohere", "/proxy/cohere/v2/chat", $$"""{"model":"{{model}}","messages":[{{Messages(prompts)}}],"stream":true}"""),
            6 => ("deepseek", "/proxy/deepseek/chat/completions", $$"""{"model":"{{model}}","messages":[{{Messages(prompts)}}],"stream":true}"""),
            _ => ("gemini-array", $"/proxy/gemini/v1beta/models/{model}:streamGenerateContent", $$"""{"contents":[{{Contents(prompts)}}]}"""),
        };
        // A fifth reads to the end. The others leave anywhere in the first 30 kB, half of them early: as often below 200 bytes as above.
        int? leave = random.Next(5) == 0 ? null : random.Next(2) == 0 ? random.Next(1, 30_000) : (int)Math.Exp(random.NextDouble() * 10.5);
        return new PlannedCall(name, kind, path, body, leave);
    }

    private const string Tool = """{"name":"find_train","description":"Finds a train between two stations","parameters":{"type":"object","properties":{"from":{"type":"string","description":"where it leaves"},"to":{"type":"string"},"changes":{"type":"integer","minimum":0}},"required":["from","to"]}}""";

    private static string Messages(List<string> prompts) => string.Join(',', prompts.Select((p, i) => $$"""{"role":"{{(i % 2 == 0 ? "user" : "assistant")}}","content":"{{p}}"}"""));

    private static string Contents(List<string> prompts) => string.Join(',', prompts.Select((p, i) => $$"""{"role":"{{(i % 2 == 0 ? "user" : "model")}}","parts":[{"text":"{{p}}"}]}"""));

    /// <summary>Makes the call as a client that leaves where the plan says so: by closing its connection, in the middle of reading.</summary>
    public static async Task RunAsync(HttpClient client, Uri proxy, string key, PlannedCall call, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(proxy, call.Path)) { Content = new StringContent(call.Body, Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        request.Headers.TryAddWithoutValidation("X-Client-Request-Id", call.Name);
        request.Headers.TryAddWithoutValidation("X-Tokonomics-Tags", $"call={call.Name}");
        try
        {
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            var buffer = new byte[512];
            for (var left = call.LeaveAfter ?? int.MaxValue; left > 0;)
            {
                var read = await body.ReadAsync(buffer.AsMemory(0, Math.Min(left, buffer.Length)), cancellationToken);
                if (read == 0)
                    return;
                left -= read;
            }
        }
        catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException)
        {
            // Broken off by the provider, or by a process that was killed.
        }
    }

    /// <summary>Nano-dollars.</summary>
    public static decimal Cost(JsonElement row) => row.GetProperty("cost_usd").GetString() is { } usd ? decimal.Parse(usd, CultureInfo.InvariantCulture) * 1_000_000_000m : 0;
}
