using System.Text;
using System.Text.Json;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>Answers and errors: exact JSON in, exact JSON out. Usage is the provider's, counted in the client's way.</summary>
public sealed class AnswerTranslationTests
{
    // 100 of input of which 40 were read from a cache; 30 of output of which 12 were thought.
    private const string Chat = """
        {"id":"a1","object":"chat.completion","created":1790000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Two calls.","refusal":null,"reasoning_content":"Hm.","tool_calls":[
          {"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":[1,null]}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],
         "usage":{"prompt_tokens":100,"completion_tokens":30,"total_tokens":130,"prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":12}}}
        """;

    private const string Anthropic = """
        {"id":"a1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Two calls."},{"type":"tool_use","id":"call_1","name":"f","input":{"a":[1,null]}},{"type":"tool_use","id":"call_2","name":"g","input":{}}],
         "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":60,"cache_creation_input_tokens":0,"cache_read_input_tokens":40,"output_tokens":30,"output_tokens_details":{"thinking_tokens":12}}}
        """;

    private const string Gemini = """
        {"candidates":[{"content":{"role":"model","parts":[{"text":"Two calls."},{"functionCall":{"id":"call_1","name":"f","args":{"a":[1,null]}}},{"functionCall":{"id":"call_2","name":"g","args":{}}}]},"finishReason":"STOP","index":0}],
         "usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":18,"thoughtsTokenCount":12,"totalTokenCount":130},"modelVersion":"m","responseId":"a1"}
        """;

    internal static readonly Dictionary<string, string> Answers = new() { ["openai-chat"] = Chat, ["anthropic-messages"] = Anthropic, ["gemini-generate"] = Gemini };

    [Fact]
    public void An_answer_is_said_in_each_dialect()
    {
        var withoutThought = Chat.Replace(",\"reasoning_content\":\"Hm.\"", "", StringComparison.Ordinal);
        Spoken.Same(Spoken.Answer("anthropic-messages", "openai-chat", Chat), Anthropic);
        Spoken.Same(Spoken.Answer("gemini-generate", "openai-chat", Chat), Gemini);
        Spoken.Same(Spoken.Answer("gemini-generate", "anthropic-messages", Anthropic), Gemini);
        Spoken.Same(Spoken.Answer("anthropic-messages", "gemini-generate", Gemini), Anthropic);
        Spoken.Same(Spoken.Answer("openai-chat", "gemini-generate", Gemini), withoutThought);
        // Anthropic says how much was written to its cache, also when that is nothing.
        Spoken.Same(Spoken.Answer("openai-chat", "anthropic-messages", Anthropic), withoutThought.Replace("\"cached_tokens\":40", "\"cached_tokens\":40,\"cache_write_tokens\":0", StringComparison.Ordinal));
    }

    [Fact]
    public void A_Responses_client_gets_items()
    {
        using var answer = JsonDocument.Parse(Spoken.Answer("openai-responses", "anthropic-messages", Anthropic, model: "asked"));
        var response = answer.RootElement;
        response.GetProperty("status").GetString().ShouldBe("completed");
        response.GetProperty("model").GetString().ShouldBe("asked");
        response.GetProperty("created_at").GetInt64().ShouldBe(1_790_000_000);
        var output = response.GetProperty("output").EnumerateArray().ToList();
        output.Select(i => i.GetProperty("type").GetString()).ShouldBe(["message", "function_call", "function_call"]);
        output[0].GetProperty("content")[0].GetProperty("text").GetString().ShouldBe("Two calls.");
        output[1].GetProperty("call_id").GetString().ShouldBe("call_1");
        output[1].GetProperty("arguments").GetString().ShouldBe("""{"a":[1,null]}""");
        Spoken.Same(response.GetProperty("usage").GetRawText(), """{"input_tokens":100,"output_tokens":30,"total_tokens":130,"input_tokens_details":{"cached_tokens":40,"cache_write_tokens":0},"output_tokens_details":{"reasoning_tokens":12}}""");
    }

    [Fact]
    public void Anthropic_s_input_is_what_was_not_cached_and_everybody_else_s_is_all()
    {
        // 7 + 20 read + 30 written = 57.
        const string anthropic = """{"type":"message","id":"i","model":"m","content":[],"stop_reason":"end_turn","usage":{"input_tokens":7,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"output_tokens":5}}""";
        Usage(Spoken.Answer("openai-chat", "anthropic-messages", anthropic), "usage").ShouldBe(Meaning.Canonical("""{"prompt_tokens":57,"completion_tokens":5,"total_tokens":62,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":30},"completion_tokens_details":{"reasoning_tokens":0}}"""));
        Usage(Spoken.Answer("gemini-generate", "anthropic-messages", anthropic), "usageMetadata").ShouldBe(Meaning.Canonical("""{"promptTokenCount":57,"candidatesTokenCount":5,"totalTokenCount":62,"cachedContentTokenCount":20}"""));
    }

    [Fact]
    public void Gemini_s_output_is_candidates_and_thoughts_and_its_input_has_the_tools_prompt()
    {
        // 10 + 5 of a tool's prompt; 3 + 4 of thought.
        const string gemini = """{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":5,"candidatesTokenCount":3,"thoughtsTokenCount":4,"totalTokenCount":22}}""";
        Usage(Spoken.Answer("anthropic-messages", "gemini-generate", gemini), "usage").ShouldBe(Meaning.Canonical("""{"input_tokens":15,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":7,"output_tokens_details":{"thinking_tokens":4}}"""));
    }

    [Theory]
    // xAI and Gemini's own chat leave reasoning out of completion_tokens; the total tells.
    [InlineData("""{"prompt_tokens":10,"completion_tokens":2,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":5}}""", 7)]
    [InlineData("""{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}""", 2)]
    public void Reasoning_that_only_the_total_counts_is_output(string usage, int output) =>
        Spoken.Answer("anthropic-messages", "openai-chat", $$"""{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{{usage}}}""").ShouldContain($"\"output_tokens\":{output}");

    [Theory]
    [InlineData("stop", "end_turn", "STOP", "completed")]
    [InlineData("length", "max_tokens", "MAX_TOKENS", "max_output_tokens")]
    [InlineData("content_filter", "refusal", "SAFETY", "content_filter")]
    [InlineData("insufficient_system_resource", "end_turn", "OTHER", "completed")]
    public void Chat_s_ends_are_each_dialect_s(string chat, string anthropic, string gemini, string responses)
    {
        var body = $$"""{"choices":[{"message":{"content":"x"},"finish_reason":"{{chat}}"}]}""";
        Spoken.Answer("anthropic-messages", "openai-chat", body).ShouldContain($"\"stop_reason\":\"{anthropic}\"");
        Spoken.Answer("gemini-generate", "openai-chat", body).ShouldContain($"\"finishReason\":\"{gemini}\"");
        Spoken.Answer("openai-responses", "openai-chat", body).ShouldContain($"\"{responses}\"");
    }

    [Theory]
    [InlineData("end_turn", "stop")]
    [InlineData("stop_sequence", "stop")]
    [InlineData("max_tokens", "length")]
    [InlineData("model_context_window_exceeded", "length")]
    [InlineData("refusal", "content_filter")]
    [InlineData("pause_turn", "stop")]
    public void Anthropic_s_ends_are_chat_s(string anthropic, string chat) =>
        Spoken.Answer("openai-chat", "anthropic-messages", $$"""{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"{{anthropic}}"}""").ShouldContain($"\"finish_reason\":\"{chat}\"");

    [Theory]
    [InlineData("STOP", "end_turn")]
    [InlineData("MAX_TOKENS", "max_tokens")]
    [InlineData("PROHIBITED_CONTENT", "refusal")]
    [InlineData("MALFORMED_FUNCTION_CALL", "end_turn")]
    public void Gemini_s_ends_are_Anthropic_s(string gemini, string anthropic) =>
        Spoken.Answer("anthropic-messages", "gemini-generate", $$"""{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"{{gemini}}"}]}""").ShouldContain($"\"stop_reason\":\"{anthropic}\"");

    [Fact]
    public void A_prompt_that_Gemini_blocks_is_an_answer_that_was_filtered() =>
        Spoken.Answer("openai-chat", "gemini-generate", """{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":4}}""").ShouldContain("\"finish_reason\":\"content_filter\"");

    [Fact]
    public void A_call_that_OpenAI_was_told_to_make_ends_in_a_call_though_it_says_stop() =>
        Spoken.Answer("anthropic-messages", "openai-chat", """{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}""")
            .ShouldContain("\"stop_reason\":\"tool_use\"");

    [Fact]
    public void Arguments_that_were_cut_off_stay_what_they_are()
    {
        const string chat = """{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\": \"b"}}]},"finish_reason":"length"}]}""";
        Spoken.Answer("openai-responses", "openai-chat", chat).ShouldContain("""{\"a\": \"b""");
        Spoken.Answer("anthropic-messages", "openai-chat", chat).ShouldContain(""""input":{"INVALID_JSON":"{\"a\": \"b"}"""");
    }

    [Fact]
    public void Calls_without_an_id_get_one_that_is_the_same_each_time()
    {
        const string gemini = """{"responseId":"r","candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f","args":{"a":1}}}]},"finishReason":"STOP"}]}""";
        var ids = Spoken.ReadAnswer("openai-chat", Spoken.Answer("openai-chat", "gemini-generate", gemini)).Parts.OfType<ToolCallPart>().Select(c => c.Id).ToList();
        ids.Distinct().Count().ShouldBe(2);
        Spoken.ReadAnswer("openai-chat", Spoken.Answer("openai-chat", "gemini-generate", gemini)).Parts.OfType<ToolCallPart>().Select(c => c.Id).ShouldBe(ids);
    }

    [Fact]
    public void What_of_an_answer_has_no_counterpart_is_told()
    {
        Translator.Between("openai-chat", "gemini-generate")!.Answer("""{"candidates":[{"content":{"parts":[{"text":"x"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]},"finishReason":"STOP"}]}"""u8.ToArray(), new(null, Spoken.At))!
            .Notes.ShouldHaveSingleItem().ToString().ShouldBe("candidates[0].content.parts: inlineData isn't translated");
        Translator.Between("openai-chat", "anthropic-messages")!.Answer("""{"type":"message","content":[{"type":"text","text":"x","citations":[{}]}],"stop_reason":"end_turn"}"""u8.ToArray(), new(null, Spoken.At))!
            .Notes.ShouldHaveSingleItem().ToString().ShouldBe("content[0].citations: sources aren't translated");
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"error":{"code":502,"message":"upstream"}}""")]
    public void What_is_no_answer_is_none(string body)
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            Translator.Between(client, provider)!.Answer(Encoding.UTF8.GetBytes(body), new(null, Spoken.At)).ShouldBeNull();
            Translator.Between(client, provider)!.Error(200, Encoding.UTF8.GetBytes(body)).Status.ShouldBe(502);
        }
    }

    [Fact]
    public void Errors_are_the_client_s_own()
    {
        const string anthropic = """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}""";
        Error("openai-chat", "anthropic-messages", 529, anthropic).ShouldBe((503, """{"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded_error"}}"""));
        Error("gemini-generate", "anthropic-messages", 529, anthropic).ShouldBe((503, """{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}"""));
        const string openAi = """{"error":{"message":"Rate limit","type":"tokens","param":null,"code":"rate_limit_exceeded"}}""";
        Error("anthropic-messages", "openai-chat", 429, openAi).ShouldBe((429, """{"type":"error","error":{"type":"rate_limit_error","message":"Rate limit"},"request_id":null}"""));
        const string google = """[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}]""";
        Error("openai-responses", "gemini-generate", 400, google).ShouldBe((401, """{"error":{"message":"API key not valid.","type":"authentication_error","param":null,"code":"INVALID_ARGUMENT"}}"""));
        Error("openai-chat", "anthropic-messages", 400, """{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}""").Body.ShouldContain("\"code\":\"context_length_exceeded\"");
        Error("anthropic-messages", "openai-chat", 502, "<html>bad gateway</html>").ShouldBe((502, """{"type":"error","error":{"type":"api_error","message":"the provider answered with status 502"},"request_id":null}"""));
    }

    private static (int Status, string Body) Error(string client, string provider, int status, string body)
    {
        var (told, said) = Translator.Between(client, provider)!.Error(status, Encoding.UTF8.GetBytes(body));
        return (told, Encoding.UTF8.GetString(said.Span));
    }

    private static string Usage(string json, string name)
    {
        using var document = JsonDocument.Parse(json);
        return Meaning.Canonical(document.RootElement.GetProperty(name).GetRawText());
    }
}
