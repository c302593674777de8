using System.Text;
using System.Text.Json;
using Tokonomics.Application.Tests.Dialects;
using Tokonomics.Application.Translation;
using Tokonomics.Testing;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>The providers' own libraries read translated answers, streams and errors (tests/clients/translated.mjs).</summary>
public sealed class SdkTests(ITestOutputHelper output)
{
    private const int PerPairAndKind = 12;

    private sealed record Served(string Name, string Dialect, bool Stream, int Status, string Body, NeutralAnswer? Expected);

    private sealed record Told(string? Text, JsonElement? Calls, string? Finish, long[]? Usage, string? Error, int? Status, string? Message);

    private static readonly (string Provider, int Status, string Body)[] SaidErrors =
    [
        ("anthropic-messages", 529, """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"""),
        ("openai-chat", 429, """{"error":{"message":"Rate limit","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"""),
        ("gemini-generate", 400, """{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"""),
        ("openai-chat", 404, """{"error":{"message":"no such model","type":"invalid_request_error","code":"model_not_found"}}"""),
    ];

    // Asked for in one go, since starting the libraries takes longer than all they do.
    private static readonly Lazy<Task<(List<Served> Served, List<Told> Told)>> Constructed = new(async () =>
    {
        var served = new List<Served>();
        foreach (var (client, provider) in Spoken.Pairs)
        {
            served.Add(Whole(client, provider, "constructed", AnswerTranslationTests.Answers[provider]));
            var stream = StreamTranslationTests.Streams[provider];
            served.Add(Streamed(client, provider, "constructed", Encoding.UTF8.GetBytes(stream)));
            served.Add(new($"broken {provider} → {client}", client, true, 200, Spoken.Stream(client, provider, Encoding.UTF8.GetBytes(stream[..(stream.IndexOf("Grüße", StringComparison.Ordinal) + 40)])), null));
            var error = provider == "anthropic-messages"
                ? "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
                : "data: {\"error\":{\"message\":\"Overloaded\",\"code\":503}}\n\n";
            served.Add(new($"error inside {provider} → {client}", client, true, 200, Spoken.Stream(client, provider, Encoding.UTF8.GetBytes(error)), null));
            foreach (var (_, status, body) in SaidErrors.Where(e => e.Provider == provider))
            {
                var (told, bytes) = Translator.Between(client, provider)!.Error(status, Encoding.UTF8.GetBytes(body));
                served.Add(new($"{status} {provider} → {client}", client, false, told, Encoding.UTF8.GetString(bytes.Span), null));
            }
        }

        return (served, await AskAsync(served));
    });

    private static async Task<List<(Served Served, Told Told)>> ConstructedAsync(Func<Served, bool> those)
    {
        var (served, told) = await Constructed.Value;
        return [.. served.Zip(told).Where(p => those(p.First))];
    }

    [Fact]
    public async Task Answers_and_streams_are_what_the_provider_said() => Compare(await ConstructedAsync(s => s.Expected is not null));

    [Fact]
    public async Task Recorded_answers_and_streams_are_what_the_provider_said()
    {
        var served = new List<Served>();
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var (whole, streams) = (new List<Served>(), new List<Served>());
            foreach (var e in Corpus.All.Where(e => e.Method == "POST" && e.Status == 200 && Corpus.DialectOf(e) == provider && e.Response.Length < 30_000))
            {
                if (e.Response.AsSpan().TrimStart("\r\n"u8).StartsWith("{"u8) && Translator.Between(client, provider)!.Answer(e.Response, new(null, Spoken.At)) is not null)
                    whole.Add(Whole(client, provider, e.Id, Encoding.UTF8.GetString(e.Response)));
                else if (e.ResponseType?.Contains("event-stream", StringComparison.Ordinal) == true && Spoken.Collect(provider, e.Response) is { Ended: true, Error: null })
                    streams.Add(Streamed(client, provider, e.Id, e.Response));
            }

            served.AddRange(Mixed(whole));
            served.AddRange(Mixed(streams));
        }

        output.WriteLine($"{served.Count} recorded answers");
        served.Count.ShouldBeGreaterThan(100);
        Compare([.. served.Zip(await AskAsync(served))]);
    }

    // Half of them with calls, and all kinds of ends.
    private static IEnumerable<Served> Mixed(List<Served> all) =>
        all.GroupBy(s => (s.Expected!.Finish, s.Expected.Parts.Exists(p => p is ToolCallPart))).SelectMany(g => g.Take(PerPairAndKind / 4));

    private static Served Whole(string client, string provider, string name, string body) =>
        new($"{name} {provider} → {client}", client, false, 200, Spoken.Answer(client, provider, body), Spoken.ReadAnswer(provider, body));

    private static Served Streamed(string client, string provider, string name, byte[] body) =>
        new($"{name} {provider} → {client}, streamed", client, true, 200, Spoken.Stream(client, provider, body), Spoken.Collect(provider, body).Answer);

    private static void Compare(List<(Served Served, Told Told)> all)
    {
        foreach (var (one, got) in all)
        {
            var expected = one.Expected!;
            got.Error.ShouldBeNull($"{one.Name}: {got.Message}");
            got.Text.ShouldBe(Wires.Joined(expected.Parts), one.Name);
            var calls = expected.Parts.OfType<ToolCallPart>().Select(c => $"{c.Name} {Meaning.Canonical(Object(c.Arguments))}");
            (got.Calls?.EnumerateArray().Select(c => $"{c[0]} {Meaning.Canonical(c[1].GetRawText())}") ?? []).ShouldBe(calls, one.Name);
            got.Finish.ShouldBe(Finished(one.Dialect, expected), one.Name);
            if (expected.Usage is { } usage)
                got.Usage.ShouldBe([usage.Input ?? 0, usage.CacheRead ?? 0, usage.Output ?? 0], one.Name);
        }
    }

    // Cut off by the limit: half an object is no object anywhere, and is told as text where one is due.
    private static string Object(string arguments) => arguments.Length == 0 ? "{}" : arguments;

    private static string Finished(string dialect, NeutralAnswer answer) => (dialect, answer.Finish) switch
    {
        ("openai-chat", Finish.Length) => "length",
        ("openai-chat", Finish.ToolCalls) => "tool_calls",
        ("openai-chat", Finish.Filtered) => "content_filter",
        ("openai-chat", _) => "stop",
        ("openai-responses", Finish.Length) => "max_output_tokens",
        ("openai-responses", Finish.Filtered) => "content_filter",
        ("openai-responses", _) => "completed",
        ("anthropic-messages", Finish.Length) => "max_tokens",
        ("anthropic-messages", Finish.ToolCalls) => "tool_use",
        ("anthropic-messages", Finish.Filtered) => "refusal",
        ("anthropic-messages", _) => "end_turn",
        (_, Finish.Length) => "MAX_TOKENS",
        (_, Finish.Filtered) => "SAFETY",
        (_, Finish.Other) => "OTHER",
        _ => "STOP",
    };

    [Fact]
    public async Task Errors_raise_each_library_s_own_exception()
    {
        var raised = await ConstructedAsync(s => s is { Expected: null, Stream: false });
        raised.Select(r => $"{r.Served.Name}: {r.Told.Status} {r.Told.Error}").ShouldBe(
        [
            "529 anthropic-messages → openai-chat: 503 InternalServerError",
            "400 gemini-generate → openai-chat: 401 AuthenticationError",
            "429 openai-chat → anthropic-messages: 429 RateLimitError",
            "404 openai-chat → anthropic-messages: 404 NotFoundError",
            "400 gemini-generate → anthropic-messages: 401 AuthenticationError",
            "429 openai-chat → gemini-generate: 429 ApiError",
            "404 openai-chat → gemini-generate: 404 ApiError",
            "529 anthropic-messages → gemini-generate: 503 ApiError",
            "429 openai-chat → openai-responses: 429 RateLimitError",
            "404 openai-chat → openai-responses: 404 NotFoundError",
            "529 anthropic-messages → openai-responses: 503 InternalServerError",
            "400 gemini-generate → openai-responses: 401 AuthenticationError",
        ]);
        raised.ShouldAllBe(r => SaidErrors.Any(e => r.Told.Message!.Contains(Errors.Read(e.Status, Encoding.UTF8.GetBytes(e.Body)).Message)));
    }

    [Fact]
    public async Task An_error_inside_a_stream_raises_too()
    {
        foreach (var (one, told) in await ConstructedAsync(s => s.Name.StartsWith("error inside", StringComparison.Ordinal)))
        {
            told.Error.ShouldNotBeNull(one.Name);
            // OpenAI's library wants an answer to have begun before the Responses API's own error event, and says that instead.
            if (one.Dialect != "openai-responses")
                told.Message!.ShouldContain("Overloaded", Case.Sensitive, one.Name);
        }
    }

    [Fact]
    public async Task A_stream_that_breaks_off_has_no_reason_to_end()
    {
        foreach (var (one, told) in await ConstructedAsync(s => s.Name.StartsWith("broken", StringComparison.Ordinal)))
            // Gemini's library takes a stream without a reason to end for one that just ends, OpenAI's leaves a response in progress.
            (told.Error is not null || told.Finish is null or "in_progress").ShouldBeTrue(one.Name);
    }

    private static async Task<List<Told>> AskAsync(List<Served> served)
    {
        var input = JsonSerializer.Serialize(served.Select(s => new { dialect = s.Dialect, stream = s.Stream, status = s.Status, body = Convert.ToBase64String(Encoding.UTF8.GetBytes(s.Body)) }));
        var told = JsonSerializer.Deserialize<List<Told>>(await NodeScript.RunAsync("translated.mjs", input), JsonSerializerOptions.Web)!;
        told.Count.ShouldBe(served.Count);
        return told;
    }
}
