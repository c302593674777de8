using System.Text;
using System.Text.Json.Nodes;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>Requests: exact JSON in, exact JSON out.</summary>
public sealed class RequestTranslationTests
{
    // One conversation with everything that all dialects can say, in each dialect.
    private const string Chat = """
        {"model":"gpt-x","messages":[
          {"role":"system","content":"Be brief."},
          {"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0="}},{"type":"image_url","image_url":{"url":"https://example.com/a.jpg"}}]},
          {"role":"assistant","content":"I look it up.","tool_calls":[{"id":"call_a","type":"function","function":{"name":"look","arguments":"{\"at\": \"café\"}"}},{"id":"call_b","type":"function","function":{"name":"look","arguments":""}}]},
          {"role":"tool","tool_call_id":"call_a","content":"a cat"},
          {"role":"tool","tool_call_id":"call_b","content":"{\"n\":2}"},
          {"role":"user","content":"So?"}],
         "tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{"at":{"type":"string"}}}}}],
         "tool_choice":{"type":"function","function":{"name":"look"}},
         "max_completion_tokens":500,"temperature":0.7,"top_p":0.9,"stop":["END","\n\n"],"user":"u-1"}
        """;

    private const string Anthropic = """
        {"model":"target","max_tokens":500,"system":"Be brief.","messages":[
          {"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0="}},{"type":"image","source":{"type":"url","url":"https://example.com/a.jpg"}}]},
          {"role":"assistant","content":[{"type":"text","text":"I look it up."},{"type":"tool_use","id":"call_a","name":"look","input":{"at":"café"}},{"type":"tool_use","id":"call_b","name":"look","input":{}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"call_a","content":"a cat"},{"type":"tool_result","tool_use_id":"call_b","content":"{\"n\":2}"},{"type":"text","text":"So?"}]}],
         "tools":[{"name":"look","description":"Looks.","input_schema":{"type":"object","properties":{"at":{"type":"string"}}}}],
         "tool_choice":{"type":"tool","name":"look"},
         "temperature":0.7,"top_p":0.9,"stop_sequences":["END","\n\n"],"metadata":{"user_id":"u-1"}}
        """;

    private const string Gemini = """
        {"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[
          {"role":"user","parts":[{"text":"What is this?"},{"inlineData":{"mimeType":"image/png","data":"iVBORw0="}},{"fileData":{"mimeType":"image/jpeg","fileUri":"https://example.com/a.jpg"}}]},
          {"role":"model","parts":[{"text":"I look it up."},{"functionCall":{"id":"call_a","name":"look","args":{"at":"café"}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"call_b","name":"look","args":{}}}]},
          {"role":"user","parts":[{"functionResponse":{"id":"call_a","name":"look","response":{"output":"a cat"}}},{"functionResponse":{"id":"call_b","name":"look","response":{"n":2}}},{"text":"So?"}]}],
         "tools":[{"functionDeclarations":[{"name":"look","description":"Looks.","parametersJsonSchema":{"type":"object","properties":{"at":{"type":"string"}}}}]}],
         "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["look"]}},
         "generationConfig":{"maxOutputTokens":500,"temperature":0.7,"topP":0.9,"stopSequences":["END","\n\n"]}}
        """;

    private const string Responses = """
        {"model":"gpt-x","instructions":"Be brief.","input":[
          {"role":"user","content":[{"type":"input_text","text":"What is this?"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0="},{"type":"input_image","image_url":"https://example.com/a.jpg"}]},
          {"type":"message","role":"assistant","id":"msg_1","status":"completed","content":[{"type":"output_text","text":"I look it up.","annotations":[]}]},
          {"type":"function_call","call_id":"call_a","id":"fc_1","name":"look","arguments":"{\"at\": \"café\"}"},
          {"type":"function_call","call_id":"call_b","name":"look","arguments":"{}"},
          {"type":"function_call_output","call_id":"call_a","output":"a cat"},
          {"type":"function_call_output","call_id":"call_b","output":"{\"n\":2}"},
          {"role":"user","content":"So?"}],
         "tools":[{"type":"function","name":"look","description":"Looks.","parameters":{"type":"object","properties":{"at":{"type":"string"}}}}],
         "tool_choice":{"type":"function","name":"look"},
         "max_output_tokens":500,"temperature":0.7,"top_p":0.9}
        """;

    internal static readonly Dictionary<string, string> Requests = new() { ["openai-chat"] = Chat, ["anthropic-messages"] = Anthropic, ["gemini-generate"] = Gemini, ["openai-responses"] = Responses };

    [Theory]
    [InlineData("anthropic-messages", Anthropic)]
    [InlineData("gemini-generate", Gemini)]
    public void A_chat_request_is_said_in_each_dialect(string provider, string expected) => Spoken.Same(Spoken.Request("openai-chat", provider, Chat), expected);

    [Theory]
    [InlineData("openai-chat")]
    [InlineData("gemini-generate")]
    public void An_Anthropic_request_is_said_in_each_dialect(string provider) => Spoken.Same(Spoken.Request("anthropic-messages", provider, Anthropic), provider == "gemini-generate" ? Gemini : Whole(Chat));

    [Theory]
    [InlineData("openai-chat")]
    [InlineData("anthropic-messages")]
    public void A_Gemini_request_is_said_in_each_dialect(string provider) =>
        // Gemini has no user; all else is the same.
        Spoken.Same(Spoken.Request("gemini-generate", provider, Gemini), provider == "openai-chat" ? Without(Whole(Chat), "user") : Without(Anthropic, "metadata"));

    [Theory]
    [InlineData("openai-chat")]
    [InlineData("anthropic-messages")]
    [InlineData("gemini-generate")]
    public void A_Responses_request_is_said_in_each_dialect(string provider) =>
        Spoken.Same(Spoken.Request("openai-responses", provider, Responses), provider switch
        {
            // Responses has no stop sequences. The arguments' text is the client's own here.
            "openai-chat" => Without(Whole(Chat), "user", "stop").Replace("{\\u0022at\\u0022:\\u0022", "{\\u0022at\\u0022: \\u0022", StringComparison.Ordinal),
            "anthropic-messages" => Without(Anthropic, "metadata", "stop_sequences"),
            _ => Without(Gemini, "stopSequences"),
        });

    private static string Without(string json, params string[] names)
    {
        var all = JsonNode.Parse(json)!.AsObject();
        foreach (var name in names)
            if (!all.Remove(name))
                all["generationConfig"]!.AsObject().Remove(name).ShouldBeTrue();
        return all.ToJsonString();
    }

    // As another dialect says it: arguments are text of their own making, and an empty text is an empty object.
    private static string Whole(string chat) => chat
        .Replace("\"model\":\"gpt-x\"", "\"model\":\"target\"", StringComparison.Ordinal)
        .Replace("{\\\"at\\\": \\\"", "{\\\"at\\\":\\\"", StringComparison.Ordinal)
        .Replace("\"arguments\":\"\"", "\"arguments\":\"{}\"", StringComparison.Ordinal);

    [Fact]
    public void Streams_are_asked_for_as_each_dialect_does()
    {
        const string hello = """{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}""";
        Spoken.Same(Spoken.Request("openai-chat", "anthropic-messages", hello, stream: true), """{"model":"target","max_tokens":4096,"messages":[{"role":"user","content":"Hi"}],"stream":true}""");
        var gemini = Translator.Between("openai-chat", "gemini-generate")!.Request(Encoding.UTF8.GetBytes(hello), Spoken.Target(stream: true));
        Translator.Between("openai-chat", "anthropic-messages")!.Request(Encoding.UTF8.GetBytes(hello), Spoken.Target(stream: true)).Header.ShouldBe(new KeyValuePair<string, string>("anthropic-version", "2023-06-01"));
        (gemini.Path, gemini.Query, gemini.UsageInStream).ShouldBe(("models/target:streamGenerateContent", "alt=sse", false));
        // Only chat has to ask for usage; clients of the other dialects are always told it.
        Spoken.Same(
            Spoken.Request("gemini-generate", "openai-chat", """{"contents":[{"parts":[{"text":"Hi"}]}]}""", stream: true),
            """{"model":"target","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}""");
        Translator.Between("openai-chat", "gemini-generate")!
            .Request(Encoding.UTF8.GetBytes(hello.Replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}", StringComparison.Ordinal)), Spoken.Target(stream: true)).UsageInStream.ShouldBeTrue();
    }

    [Fact]
    public void The_limit_of_output_has_the_name_that_the_provider_knows()
    {
        var body = Encoding.UTF8.GetBytes("""{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}""");
        var translator = Translator.Between("anthropic-messages", "openai-chat")!;
        Encoding.UTF8.GetString(translator.Request(body, new("m", "openai", false, null)).Body.Span).ShouldContain("\"max_completion_tokens\":9");
        Encoding.UTF8.GetString(translator.Request(body, new("m", "groq", false, null)).Body.Span).ShouldContain("\"max_tokens\":9");
    }

    [Fact]
    public void Anthropic_needs_a_limit_and_gets_the_models_where_the_client_has_none()
    {
        const string hello = """{"messages":[{"role":"user","content":"Hi"}]}""";
        Spoken.Request("openai-chat", "anthropic-messages", hello, limit: 8192).ShouldContain("\"max_tokens\":8192");
        Translator.Between("openai-chat", "anthropic-messages")!.Request(Encoding.UTF8.GetBytes(hello), Spoken.Target(limit: null)).Refusal.ShouldContain("set one");
    }

    [Fact]
    public void Anthropic_s_turns_alternate_and_begin_with_results()
    {
        Spoken.Same(
            Spoken.Request("openai-chat", "anthropic-messages", """{"messages":[{"role":"system","content":"A"},{"role":"developer","content":"B"},{"role":"user","content":"1"},{"role":"user","content":"2"},{"role":"assistant","content":"3"},{"role":"assistant","content":"4"},{"role":"user","content":"5"}]}"""),
            """{"model":"target","max_tokens":4096,"system":[{"type":"text","text":"A"},{"type":"text","text":"B"}],"messages":[{"role":"user","content":[{"type":"text","text":"1"},{"type":"text","text":"2"}]},{"role":"assistant","content":[{"type":"text","text":"3"},{"type":"text","text":"4"}]},{"role":"user","content":"5"}]}""");
    }

    [Fact]
    public void Calls_that_Gemini_gives_no_id_are_named_by_their_place_and_results_find_them_by_name()
    {
        Spoken.Same(
            Spoken.Request("gemini-generate", "openai-chat", """
                {"contents":[
                  {"role":"user","parts":[{"text":"Go"}]},
                  {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"function_call":{"name":"g"}},{"functionCall":{"name":"f","args":{"a":2}}}]},
                  {"role":"function","parts":[{"functionResponse":{"name":"f","response":{"output":"one"}}},{"functionResponse":{"name":"f","response":{"error":"two"}}},{"function_response":{"name":"g","response":{"x":[]}}}]}]}
                """),
            """
            {"model":"target","messages":[
              {"role":"user","content":"Go"},
              {"role":"assistant","content":null,"tool_calls":[{"id":"call_0","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_1","type":"function","function":{"name":"g","arguments":"{}"}},{"id":"call_2","type":"function","function":{"name":"f","arguments":"{\"a\":2}"}}]},
              {"role":"tool","tool_call_id":"call_0","content":"one"},
              {"role":"tool","tool_call_id":"call_2","content":"two"},
              {"role":"tool","tool_call_id":"call_1","content":"{\"x\":[]}"}]}
            """);
    }

    [Fact]
    public void Ids_that_a_dialect_would_not_take_are_replaced_in_the_call_and_in_its_result()
    {
        var said = Spoken.Request("openai-chat", "anthropic-messages", """{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"functions.f:0","content":"y"}]}""");
        var id = Wires.CallId("functions.f:0", 64);
        id.ShouldMatch("^call_[0-9a-f]{24}$");
        said.ShouldContain($"\"id\":\"{id}\"");
        said.ShouldContain($"\"tool_use_id\":\"{id}\"");
    }

    [Theory]
    [InlineData("anthropic-messages", """{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"integer"}}}}}}""")]
    [InlineData("gemini-generate", """{"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"type":"integer"}}}}}""")]
    public void A_schema_for_the_answer_is_carried(string provider, string expected)
    {
        const string chat = """{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"integer"}}}}}}""";
        Contains(Spoken.Request("openai-chat", provider, chat), expected);
    }

    [Fact]
    public void OpenAI_is_held_to_a_schema_where_it_can_be()
    {
        const string open = """{"type":"object","properties":{"a":{"type":"integer"}}}""";
        const string closed = """{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}""";
        foreach (var (schema, strict) in new[] { (open, "false"), (closed, "true") })
        {
            var request = Translator.Between("anthropic-messages", "openai-chat")!.Request(
                Encoding.UTF8.GetBytes("""{"max_tokens":9,"messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"json_schema","schema":S}}}""".Replace("S", schema, StringComparison.Ordinal)), Spoken.Target());
            Contains(Encoding.UTF8.GetString(request.Body.Span), """{"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":B,"schema":S}}}""".Replace("B", strict, StringComparison.Ordinal).Replace("S", schema, StringComparison.Ordinal));
            request.Notes.Count.ShouldBe(strict == "true" ? 0 : 1);
        }
    }

    [Fact]
    public void Gemini_s_older_schemas_become_JSON_schemas()
    {
        Contains(
            Spoken.Request("gemini-generate", "openai-chat", """{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"b":{"type":"ARRAY","items":{"type":"STRING","nullable":true},"maxItems":"3"},"a":{"type":"NUMBER","format":"double","example":1.5}},"propertyOrdering":["a","b"]}}]}]}"""),
            """{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"number","format":"double","examples":[1.5]},"b":{"type":"array","items":{"type":["string","null"]},"maxItems":3}}}}}]}""");
    }

    [Fact]
    public void A_strict_tool_is_strict_everywhere()
    {
        const string chat = """{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object"}}}]}""";
        Contains(Spoken.Request("openai-chat", "anthropic-messages", chat), """{"tools":[{"name":"f","strict":true,"input_schema":{"type":"object"}}]}""");
        Contains(Spoken.Request("openai-chat", "gemini-generate", chat), """{"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}}""");
    }

    [Fact]
    public void One_call_at_a_time_is_carried_to_Anthropic()
    {
        Contains(
            Spoken.Request("openai-chat", "anthropic-messages", """{"messages":[{"role":"user","content":"x"}],"parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"f"}}]}"""),
            """{"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}""");
    }

    [Fact]
    public void Results_may_show_images_where_both_dialects_can()
    {
        const string anthropic = """{"max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","is_error":true,"content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]}""";
        Spoken.Request("anthropic-messages", "gemini-generate", anthropic).ShouldContain("""{"functionResponse":{"id":"t","name":"f","response":{"error":"see"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}""");
        Translator.Between("anthropic-messages", "openai-chat")!.Request(Encoding.UTF8.GetBytes(anthropic), Spoken.Target())
            .Refusal.ShouldBe("messages[2].content[0].content[1].source: OpenAI's chat takes results as text alone");
    }

    [Fact]
    public void A_word_of_effort_and_a_budget_of_thoughts_are_carried_where_both_dialects_have_them()
    {
        Contains(Spoken.Request("openai-chat", "anthropic-messages", """{"messages":[{"role":"user","content":"x"}],"reasoning_effort":"low"}"""), """{"output_config":{"effort":"low"}}""");
        Contains(Spoken.Request("openai-responses", "gemini-generate", """{"input":"x","reasoning":{"effort":"high"}}"""), """{"generationConfig":{"thinkingConfig":{"thinkingLevel":"high"}}}""");
        Contains(Spoken.Request("anthropic-messages", "gemini-generate", """{"max_tokens":4000,"messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","budget_tokens":2000}}"""), """{"generationConfig":{"maxOutputTokens":4000,"thinkingConfig":{"thinkingBudget":2000}}}""");
        Contains(Spoken.Request("gemini-generate", "anthropic-messages", """{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":2000}}}"""), """{"thinking":{"type":"enabled","budget_tokens":2000}}""");
    }

    [Fact]
    public void Documents_and_sounds_are_carried_where_both_dialects_take_them()
    {
        const string chat = """{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}},{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}""";
        Contains(
            Spoken.Request("openai-chat", "gemini-generate", chat),
            """{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERg=="}},{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}]}]}""");
        Translator.Between("openai-chat", "anthropic-messages")!.Request(Encoding.UTF8.GetBytes(chat), Spoken.Target())
            .Refusal.ShouldBe("messages[0].content[1].input_audio.data: Anthropic's messages can't take audio/wav");
    }

    // Each field of the expected object is in the other as it is.
    private static void Contains(string json, string expected)
    {
        var all = JsonNode.Parse(json)!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(expected)!.AsObject())
            Meaning.Canonical(all[name]?.ToJsonString() ?? "").ShouldBe(Meaning.Canonical(value!.ToJsonString()), json);
    }
}
