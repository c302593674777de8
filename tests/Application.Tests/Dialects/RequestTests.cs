using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tokonomics.Application.Dialects;
using static Tokonomics.Application.Tests.Dialects.Wire;

namespace Tokonomics.Application.Tests.Dialects;

public sealed class RequestTests
{
    [Fact]
    public void A_chat_request_tells_model_limits_choices_and_prompt()
    {
        const string Body = """{ "model" : "gpt-x", "messages":[{"role":"user","content":[{"type":"text","text":"12345"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"max_tokens":10,"max_completion_tokens":20,"n":3,"stream":true,"service_tier":"flex","web_search_options":{"search_context_size":"low"}}""";
        var p = Peek("openai-chat", Body);
        p.Problem.ShouldBeNull();
        (p.Model, p.Stream, p.MaxOutputTokens, p.Choices, p.PromptBytes).ShouldBe(("gpt-x", true, 20L, 3, 5L + 3L)); // the text, and "low"
        Body.Substring(p.ModelAt.Offset, p.ModelAt.Length).ShouldBe("\"gpt-x\"");
        p.PricingHints.ShouldBe("search_context=low;service_tier=flex");
        p.UsageSplice.ShouldBeNull();
    }

    [Theory]
    [InlineData("gemini-generate", """{"generationConfig":{"maxOutputTokens":7,"candidateCount":2}}""", 7, 2)]
    [InlineData("gemini-generate", """{"generation_config":{"max_output_tokens":7}}""", 7, 1)]
    [InlineData("openai-responses", """{"max_output_tokens":9.0}""", 9, 1)]
    [InlineData("anthropic-complete", """{"max_tokens_to_sample":5}""", 5, 1)]
    [InlineData("openai-completions", """{"prompt":["a","b"],"n":2,"best_of":3,"max_tokens":4}""", 4, 6)] // two prompts, three tries each
    [InlineData("openai-completions", """{"prompt":[1,2,3],"max_tokens":4}""", 4, 1)]
    [InlineData("openai-completions", """{"prompt":[[1,2],[3]]}""", null, 2)]
    [InlineData("ollama", """{"options":{"num_predict":-1}}""", null, 1)]
    [InlineData("openai-chat", """{"max_tokens":null,"stream":null,"n":null,"model":null,"stream_options":null}""", null, 1)]
    public void Limits_and_choices_stand_where_the_dialect_keeps_them(string dialect, string body, int? limit, int choices)
    {
        var p = Peek(dialect, body);
        p.Problem.ShouldBeNull();
        (p.MaxOutputTokens, p.Choices).ShouldBe(((long?)limit, choices));
    }

    [Theory]
    [InlineData("")]
    [InlineData("  \r\n")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("{")]
    [InlineData("""{"model":"m" """)]
    [InlineData("""{"model":"m"} {}""")]
    [InlineData("""{"model":'m'}""")]
    [InlineData("""{"model":"m","model":"n"}""")]
    [InlineData("""{"model":"m","\u006dodel":"n"}""")]
    [InlineData("""{"stream":true,"stream":false}""")]
    [InlineData("""{"n":1,"n":100}""")]
    [InlineData("""{"max_tokens":1,"max_tokens":100}""")]
    [InlineData("""{"service_tier":"flex","service_tier":"priority"}""")]
    [InlineData("""{"stream_options":{},"stream_options":{}}""")]
    [InlineData("""{"stream_options":{"include_usage":true,"include_usage":false}}""")]
    [InlineData("""{"model":5}""")]
    [InlineData("""{"model":"\ud800"}""")]
    [InlineData("""{"stream":"true"}""")]
    [InlineData("""{"stream":1}""")]
    [InlineData("""{"max_tokens":-1}""")]
    [InlineData("""{"max_tokens":1.5}""")]
    [InlineData("""{"max_tokens":"5"}""")]
    [InlineData("""{"max_tokens":1e300}""")]
    [InlineData("""{"max_tokens":[5]}""")]
    [InlineData("""{"n":{}}""")]
    [InlineData("""{"stream_options":5}""")]
    public void What_could_be_read_in_two_ways_or_not_at_all_is_a_problem(string body) =>
        Peek("openai-chat", body).Problem.ShouldNotBeNullOrEmpty();

    [Theory]
    [InlineData("""{"generationConfig":{"maxOutputTokens":7,"max_output_tokens":70}}""")]
    [InlineData("""{"generationConfig":{"maxOutputTokens":7},"generation_config":{"max_output_tokens":70}}""")]
    [InlineData("""{"generationConfig":{"maxOutputTokens":7},"generationConfig":{}}""")]
    public void Geminis_two_spellings_of_one_limit_are_a_problem(string body) => Peek("gemini-generate", body).Problem.ShouldNotBeNullOrEmpty();

    [Fact]
    public void Depth_is_bounded_and_all_else_that_is_legal_is_fine()
    {
        Peek("openai-chat", """{"model":"m","x":""" + new string('[', 127) + new string(']', 127) + "}").Problem.ShouldBeNull();
        Peek("openai-chat", """{"model":"m","x":""" + new string('[', 200) + new string(']', 200) + "}").Problem!.ShouldContain("128");
        Peek("openai-chat", new string('[', 10_000)).Problem.ShouldNotBeNull();
        Peek("openai-chat", """{"model":"m","messages":[{"content":"\ud800 \udc00 \u0000"}],"messages":[]}""").Problem.ShouldBeNull();
        Peek("openai-chat", """{"model":"m","\ud800":1,"x":{"\udc00":{"\ud800":[{"\ud800\ud800":""}]}}}""").Problem.ShouldBeNull();
        Peek("openai-chat", "\uFEFF" + """{"model":"m"}""").ModelAt.ShouldBe((12, 3)); // after the mark's three bytes
        Peek("openai-chat", "{" + string.Join(',', Enumerable.Range(0, 100_000).Select(i => $"\"k{i}\":{i}")) + ",\"model\":\"m\"}").Model.ShouldBe("m");
    }

    [Fact]
    public void A_form_names_its_model_and_bytes_of_files_are_no_fields()
    {
        const string Form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nname=\"model\"\r\n\r\nevil\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n--b--\r\n";
        var p = Peek("openai-transcription", Form, type: "multipart/form-data; boundary=b");
        (p.Problem, p.Model, p.Stream, p.ModelAt.Length).ShouldBe((null, "whisper-1", true, 0));
        Peek("openai-transcription", Form.Replace("stream", "model", StringComparison.Ordinal), type: "multipart/form-data; boundary=b").Problem.ShouldNotBeNull();
        Peek("openai-transcription", Form, type: "multipart/form-data; boundary=b; boundary=c").Problem.ShouldNotBeNull();
        Peek("openai-transcription", Form, type: "multipart/form-data").Problem.ShouldNotBeNull();
    }

    [Theory]
    [InlineData("""{"stream":true}""", """{"stream_options":{"include_usage":true},"stream":true}""")]
    [InlineData(""" { "stream":true , "stream_options" : null}""", """ { "stream":true , "stream_options" : {"include_usage":true}}""")]
    [InlineData("""{"stream":true,"stream_options":{ }}""", """{"stream":true,"stream_options":{"include_usage":true }}""")]
    [InlineData("""{"stream":true,"stream_options":{"a":{"include_usage":true}}}""", """{"stream":true,"stream_options":{"include_usage":true,"a":{"include_usage":true}}}""")]
    [InlineData("""{"stream":true,"stream_options":{"include_usage":false}}""", """{"stream":true,"stream_options":{"include_usage":true}}""")]
    [InlineData("""{"stream":true,"stream_options":{"include_usage":null,"b":1}}""", """{"stream":true,"stream_options":{"include_usage":true,"b":1}}""")]
    public void Usage_is_asked_for_by_a_splice(string body, string spliced) => Apply(body, Peek("openai-chat", body, inject: true).UsageSplice!.Value).ShouldBe(spliced);

    [Theory]
    [InlineData("""{"stream":true,"stream_options":{"include_usage":true}}""")]
    [InlineData("""{"stream":false}""")]
    [InlineData("""{}""")]
    public void Nothing_is_spliced_where_usage_comes_anyway(string body) => Peek("openai-chat", body, inject: true).UsageSplice.ShouldBeNull();

    [Fact]
    public void Whatever_the_body_the_splice_changes_only_include_usage()
    {
        var random = new Random(20_261_121);
        for (var i = 0; i < 2000; i++)
        {
            var members = new List<string> { "\"stream\":true", "\"model\":\"m\\u00e9\\\\\"" };
            if (random.Next(2) == 0)
                members.Add("\"messages\":[{\"content\":\"{\\\"stream_options\\\":{}}\"}]");
            if (random.Next(3) > 0)
                members.Add("\"stream_options\"" + Space() + ":" + Space() + random.Next(4) switch
                {
                    0 => "null",
                    1 => "{" + Space() + "}",
                    2 => "{\"x\":[1,{\"include_usage\":false}]" + Space() + "}",
                    _ => "{\"x\":1,\"include_usage\" :" + Space() + (random.Next(2) == 0 ? "false" : "null") + "}",
                });
            var body = (random.Next(5) == 0 ? "\uFEFF" : "") + Space() + "{" + Space() + string.Join(Space() + "," + Space(), members.OrderBy(_ => random.Next())) + Space() + "}" + Space();
            var peek = Peek("openai-completions", body, inject: true);
            peek.Problem.ShouldBeNull(body);
            var spliced = Apply(body, peek.UsageSplice!.Value);

            var before = JsonNode.Parse(body.TrimStart('\uFEFF'))!.AsObject();
            var after = JsonNode.Parse(spliced.TrimStart('\uFEFF'))!.AsObject();
            after["stream_options"]!["include_usage"]!.GetValue<bool>().ShouldBeTrue();
            var options = before["stream_options"]?.DeepClone().AsObject() ?? [];
            options["include_usage"] = true;
            before["stream_options"] = options;
            JsonNode.DeepEquals(before, after).ShouldBeTrue($"{body} -> {spliced}");
            Peek("openai-completions", spliced, inject: true).UsageSplice.ShouldBeNull();
        }

        string Space() => random.Next(4) switch { 0 => " ", 1 => "\n\t", _ => "" };
    }

    private static string Apply(string body, Splice splice)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        return Encoding.UTF8.GetString([.. bytes[..splice.Offset], .. splice.Replacement.Span, .. bytes[(splice.Offset + splice.Length)..]]);
    }
}
