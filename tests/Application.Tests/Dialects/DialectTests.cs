using Tokonomics.Domain.Ledger;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;
using static Tokonomics.Application.Tests.Dialects.Wire;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>The quirks of each dialect, one small exchange each.</summary>
public sealed class DialectTests
{
    private const string Ask = """{"model":"m","messages":[{"role":"user","content":"12345678"}]}""";
    private const string AskStream = """{"model":"m","stream":true,"messages":[{"role":"user","content":"12345678"}]}""";
    private const string Sse = "text/event-stream";

    [Fact]
    public void Chat_splits_cached_audio_and_reasoning_out_of_the_totals()
    {
        var m = Meter("openai-chat", Ask, """
            {"model":"gpt-x","choices":[{"finish_reason":"stop","message":{"content":"hi"}}],
             "usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                      "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},"completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":5}}}
            """);
        m.Source.ShouldBe(UsageSource.Reported);
        m.Usage.ToString().ShouldBe("Input=30,InputAudio=10,CacheRead=60,Output=15,Reasoning=30,OutputAudio=5"); // 100-60-10, 50-30-5
        (m.Model, m.FinishReason).ShouldBe(("gpt-x", "stop"));
    }

    [Theory]
    [InlineData("""{"prompt_tokens":635,"completion_tokens":42,"total_tokens":720,"completion_tokens_details":{"reasoning_tokens":43}}""", ProviderQuirks.None, 635, 85)] // xAI: 635+42+43=720
    [InlineData("""{"prompt_tokens":635,"completion_tokens":42,"completion_tokens_details":{"reasoning_tokens":43}}""", ProviderQuirks.ReasoningOutsideCompletion, 635, 85)]
    [InlineData("""{"prompt_tokens":635,"completion_tokens":42,"completion_tokens_details":{"reasoning_tokens":43}}""", ProviderQuirks.None, 635, 42)]
    [InlineData("""{"prompt_tokens":9,"completion_tokens":201,"total_tokens":585,"prompt_tokens_details":{"audio_tokens":375}}""", ProviderQuirks.None, 384, 201)] // Mistral: 9+375+201=585
    [InlineData("""{"prompt_tokens":35,"completion_tokens":12,"total_tokens":109}""", ProviderQuirks.ThinkingOnlyInTotal, 35, 74)] // Gemini: 109-35
    [InlineData("""{"prompt_tokens":12,"completion_tokens":0,"total_tokens":73}""", ProviderQuirks.None, 12, 0)] // Mistral's moderation: the gap is not ours to explain
    [InlineData("""{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4}""", ProviderQuirks.None, 10, 5)]
    public void Chat_counts_what_providers_leave_out(string usage, ProviderQuirks quirks, long input, long output)
    {
        var m = Meter("openai-chat", Ask, $$"""{"choices":[],"usage":{{usage}}}""", quirks: quirks);
        (m.Usage.InputTokens, m.Usage.OutputTokens).ShouldBe((input, output));
    }

    [Fact]
    public void Google_models_behind_Vercel_have_their_reasoning_added()
    {
        const string Usage = """{"prompt_tokens":40,"completion_tokens":14,"total_tokens":54,"cost":0.001592,"completion_tokens_details":{"reasoning_tokens":112}}""";
        var google = Meter("openai-chat", Ask, $$"""{"model":"google/gemini-3-pro","usage":{{Usage}}}""", quirks: ProviderQuirks.GoogleReasoningOutsideTotal);
        google.Usage.OutputTokens.ShouldBe(126); // 14+112
        google.ProviderCost!.Value.Value.ShouldBe(1_592_000);
        var other = Meter("openai-chat", Ask, $$"""{"model":"openai/gpt-5","usage":{{Usage}}}""", quirks: ProviderQuirks.GoogleReasoningOutsideTotal);
        other.Usage.OutputTokens.ShouldBe(14);
    }

    [Theory]
    [InlineData("\"cost\":6.9E-7", 690)]
    [InlineData("\"cost\":{\"total_cost\":0.00519}", 5_190_000)]
    [InlineData("\"cost_in_usd_ticks\":760500", 76_050)]
    [InlineData("\"cost\":0.0004970133333333333", 497_013)]
    [InlineData("\"cost\":-1", null)]
    [InlineData("\"cost\":1e308", null)]
    [InlineData("\"cost\":\"a lot\"", null)]
    public void A_stated_cost_is_kept_exactly(string cost, int? nano) =>
        (Meter("openai-chat", Ask, $$$"""{"usage":{"prompt_tokens":1,"completion_tokens":1,{{{cost}}}}}""").ProviderCost?.Value).ShouldBe(nano);

    [Fact]
    public void Of_several_usages_in_a_stream_the_last_wins_and_none_are_added()
    {
        var m = Meter("openai-chat", AskStream, Events(
            """{"choices":[{"delta":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":1}}""",
            """{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":2}}}""",
            """{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}}""", "[DONE]"), Sse);
        (m.Source, m.Usage.InputTokens, m.Usage.OutputTokens).ShouldBe((UsageSource.Reported, 5, 3));
    }

    [Fact]
    public void A_stream_without_usage_is_estimated_from_its_text_alone()
    {
        // 8 bytes asked in one message: 2 tokens, and 4 for it and 3 for the beginning of the answer. 9 bytes answered (text 5, reasoning 2, arguments 2; the padding doesn't count): 3 tokens.
        var m = Meter("openai-chat", AskStream, Events(
            """{"choices":[{"delta":{"content":"h\u00e9\"l"}}],"obfuscation":"xxxxxxxxxxxxxxxxxxxxxxx"}""",
            """{"choices":[{"delta":{"reasoning_content":"ab","tool_calls":[{"function":{"arguments":"{}"}}]},"finish_reason":"stop"}]}""", "[DONE]"), Sse);
        m.Source.ShouldBe(UsageSource.Estimated);
        m.Usage.ToString().ShouldBe("Input=9,Output=3");
    }

    [Theory]
    [InlineData(401, """{"error":{"message":"no"}}""", "application/json")]
    [InlineData(200, """{"error":{"code":502,"message":"upstream"}}""", "application/json")]
    [InlineData(200, """{"error":{"code":502,"message":"upstream"}}""", Sse)]
    [InlineData(200, """[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]""", "application/json")]
    [InlineData(200, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n", Sse)]
    [InlineData(503, "<html>busy</html>", "text/html")]
    public void An_error_costs_nothing(int status, string body, string type)
    {
        var m = Meter("openai-chat", AskStream, body, type, status);
        (m.Source, m.Usage.IsEmpty).ShouldBe((UsageSource.None, true));
    }

    [Fact]
    public void An_error_after_output_is_estimated_because_the_output_was_made()
    {
        var m = Meter("openai-chat", AskStream, Events("""{"choices":[{"delta":{"content":"12345678"}}]}""", """{"error":{"message":"lost"}}"""), Sse);
        (m.Source, m.Usage.OutputTokens).ShouldBe((UsageSource.Estimated, 2)); // 8/4
    }

    [Fact]
    public void Contradicting_figures_are_cut_to_the_totals()
    {
        var m = Meter("openai-chat", Ask, """
            {"usage":{"prompt_tokens":235,"completion_tokens":90,"total_tokens":325,"prompt_tokens_details":{"cached_tokens":373,"cache_write_tokens":9},"completion_tokens_details":{"reasoning_tokens":120}}}
            """);
        m.Usage.ToString().ShouldBe("Input=0,CacheRead=235,CacheWrite=0,Output=0,Reasoning=90");
    }

    [Theory]
    [InlineData("-5", 0)]
    [InlineData("12.0", 12)]
    [InlineData("1e2", 100)]
    [InlineData("null", null)]
    [InlineData("\"7\"", null)]
    [InlineData("NaN", null)]
    [InlineData("1e308", null)]
    [InlineData("99999999999999999999999999999999999", null)]
    [InlineData("9223372036854775807", null)]
    [InlineData("{}", null)]
    [InlineData("[1]", null)]
    public void A_count_that_is_none_is_ignored(string count, int? want)
    {
        var m = Meter("openai-chat", Ask, $$$"""{"usage":{"completion_tokens":1,"prompt_tokens":{{{count}}}}}""");
        m.Usage[UsageUnit.Input].ShouldBe(want);
        m.Usage.OutputTokens.ShouldBe(1);
    }

    [Fact]
    public void Responses_count_searches_that_searched_and_take_the_usage_of_the_terminal_event()
    {
        var m = Meter("openai-responses", """{"model":"m","input":"hello","stream":true,"service_tier":"auto"}""", Events(
            """{"type":"response.created","response":{"status":"in_progress","usage":null,"model":"m-1"}}""",
            """{"type":"response.output_item.done","item":{"type":"web_search_call","action":{"type":"search"}}}""",
            """{"type":"response.output_text.delta","delta":"abcd"}""",
            """{"type":"response.completed","response":{"status":"completed","model":"m-1","service_tier":"flex","output":[{"action":{"type":"search"},"type":"web_search_call"},{"type":"web_search_call","action":{"type":"open_page"}},{"type":"file_search_call"},{"type":"code_interpreter_call"}],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":6,"output_tokens_details":{"reasoning_tokens":2}}}}"""), Sse);
        m.Source.ShouldBe(UsageSource.Reported);
        m.Usage.ToString().ShouldBe("Input=6,CacheRead=4,Output=4,Reasoning=2,WebSearch=1,FileSearch=1,CodeExecution=1");
        m.PricingHints.ShouldBe("service_tier=flex");
    }

    [Fact]
    public void A_queued_background_response_costs_nothing_yet()
    {
        var m = Meter("openai-responses", """{"model":"m","background":true,"input":"x"}""", """{"status":"queued","background":true,"usage":null,"error":null,"output":[]}""");
        (m.Source, m.NotBillable, m.Usage.IsEmpty).ShouldBe((UsageSource.None, true, true));
    }

    [Fact]
    public void Messages_take_the_last_value_of_each_field_and_add_the_caches_to_the_input()
    {
        const string Start = """{"type":"message_start","message":{"model":"claude-x","stop_reason":null,"usage":{"input_tokens":6,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1,"service_tier":"priority","inference_geo":"us"}}}""";
        const string Delta = """{"type":"content_block_delta","delta":{"type":"text_delta","text":"123456789"}}""";
        const string End = """{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":40,"cache_read_input_tokens":null,"server_tool_use":{"web_search_requests":2}}}""";
        var m = Meter("anthropic-messages", AskStream, Events(Start, Delta, End), Sse);
        m.Source.ShouldBe(UsageSource.Reported);
        m.Usage.ToString().ShouldBe("Input=6,CacheRead=100,CacheWrite=10,CacheWrite1h=20,Output=40,WebSearch=2");
        m.PricingHints.ShouldBe("inference_geo=us;service_tier=priority");

        // Cut before the end: the input is the provider's, the output an estimate: 9 bytes are 3 tokens.
        var cut = Meter("anthropic-messages", AskStream, Events(Start, Delta), Sse, whole: false);
        (cut.Source, cut.Usage.InputTokens, cut.Usage.OutputTokens).ShouldBe((UsageSource.Partial, 136, 3));
        Meter("anthropic-messages", AskStream, Events(Start, Delta), Sse, whole: true).Source.ShouldBe(UsageSource.Partial);
    }

    [Fact]
    public void Compaction_is_added_and_an_advisors_passes_are_told_apart()
    {
        var m = Meter("anthropic-messages", Ask, """
            {"model":"claude-a","stop_reason":"end_turn","usage":{"input_tokens":181,"output_tokens":8,"iterations":[
              {"type":"compaction","input_tokens":100,"output_tokens":83,"cache_read_input_tokens":55096},
              {"input_tokens":2529,"output_tokens":38,"model":"claude-b","type":"advisor_message"},
              {"type":"message","input_tokens":181,"output_tokens":8}]}}
            """);
        (m.Usage.InputTokens, m.Usage.CacheReadTokens, m.Usage.OutputTokens).ShouldBe((55377, 55096, 91)); // 181+100+55096, 8+83
        m.OtherModels!.Single().ShouldBe(new ModelUsage("claude-b", TokenUsage.Parse("Input=2529,Output=38")));
    }

    [Fact]
    public void Legacy_completions_of_Anthropic_are_estimated() =>
        Meter("anthropic-complete", """{"model":"claude-2","prompt":"12345","max_tokens_to_sample":5}""", """{"completion":" Paris","model":"claude-2.1","stop_reason":"x"}""")
            .Usage.ToString().ShouldBe("Input=2,Output=2"); // 5/4 and 6/4, rounded up

    [Fact]
    public void Gemini_counts_tool_prompts_thoughts_and_modalities()
    {
        const string Usage = """{"promptTokenCount":1518,"toolUsePromptTokenCount":69,"candidatesTokenCount":202,"thoughtsTokenCount":185,"cachedContentTokenCount":1122,"promptTokensDetails":[{"modality":"TEXT","tokenCount":43},{"tokenCount":1315,"modality":"VIDEO"},{"modality":"AUDIO","tokenCount":160}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":118},{"modality":"TEXT","tokenCount":31},{"modality":"VIDEO","tokenCount":973}],"trafficType":"ON_DEMAND_FLEX"}""";
        var body = $$$"""{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["a","b"]}}],"usageMetadata":{{{Usage}}},"modelVersion":"gemini-x"}""";
        var m = Meter("gemini-generate", "{}", body);
        // Video: 1315 of which 973 cached; audio: 160 of which 118 cached; input: 1518+69; cached 1122-118; output 202.
        m.Usage.ToString().ShouldBe("Input=81,InputAudio=42,InputVideo=342,CacheRead=1004,CacheReadAudio=118,Output=202,Reasoning=185,WebSearch=2,GroundedPrompt=1");
        (m.PricingHints, m.Model, m.FinishReason).ShouldBe(("service_tier=flex", "gemini-x", "STOP"));

        // The same as a JSON array and as events, an earlier and higher count before it.
        var before = """{"usageMetadata":{"promptTokenCount":9999,"candidatesTokenCount":9}}""";
        Meter("gemini-generate", "{}", $"[{before}\n,\r\n{body}]", pathStreams: true).Usage.ShouldBe(m.Usage);
        Meter("gemini-generate", "{}", $"data: {before}\r\n\r\ndata: {body}\r\n\r\n", Sse, pathStreams: true).Usage.ShouldBe(m.Usage);
        var cut = Meter("gemini-generate", "{}", $"[{before}\n,", pathStreams: true, whole: false);
        (cut.Source, cut.Usage.InputTokens, cut.Usage.OutputTokens).ShouldBe((UsageSource.Partial, 9999, 9));
    }

    [Theory]
    [InlineData("gemini-embed", """{"embedding":{"values":[0.1]},"usageMetadata":{"promptTokenCount":4,"promptTokenDetails":[{"modality":"TEXT","tokenCount":4}]}}""", "Input=4")]
    [InlineData("gemini-embed", """{"predictions":[{"embeddings":{"statistics":{"token_count":3}}},{"embeddings":{"statistics":{"token_count":4.0}}}]}""", "Input=7")]
    [InlineData("gemini-interactions", """{"status":"completed","usage":{"total_input_tokens":12,"total_output_tokens":1,"total_thought_tokens":136,"total_cached_tokens":0,"total_tool_use_tokens":3}}""", "Input=15,CacheRead=0,Output=1,Reasoning=136")]
    [InlineData("gemini-predict", """{"predictions":[{"bytesBase64Encoded":"AAAA"}]}""", "")]
    [InlineData("cohere-chat", """{"usage":{"billed_units":{"input_tokens":84,"output_tokens":314},"tokens":{"input_tokens":1501,"output_tokens":346}}}""", "Input=84,Output=314")]
    [InlineData("cohere-chat", """{"text":"x","meta":{"tokens":{"input_tokens":15,"output_tokens":3}}}""", "Input=15,Output=3")]
    [InlineData("cohere-embed", """{"meta":{"billed_units":{"images":2}}}""", "Image=2")]
    [InlineData("cohere-rerank", """{"meta":{"billed_units":{"search_units":1}}}""", "SearchUnit=1")]
    [InlineData("rerank", """{"usage":{"total_tokens":57}}""", "Input=57")]
    [InlineData("rerank", """{"usage":{"cost":0.001,"search_units":1}}""", "SearchUnit=1")]
    [InlineData("ollama", """{"model":"l","done":true,"prompt_eval_count":17,"eval_count":66}""", "Input=17,Output=66")]
    [InlineData("ollama", """{"model":"l","done":true,"eval_count":66}""", "Input=0,Output=66")]
    [InlineData("openai-embeddings", """{"data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":8,"total_tokens":8}}""", "Input=8")]
    [InlineData("openai-images", """{"data":[{"b64_json":"AA=="},{"b64_json":"AA=="}]}""", "Image=2")]
    [InlineData("openai-images", """{"data":[{"b64_json":"AA=="}],"usage":{"input_tokens":14,"input_tokens_details":{"image_tokens":4,"text_tokens":10},"output_tokens":272}}""", "Input=10,InputImage=4,Output=0,OutputImage=272")]
    [InlineData("openai-transcription", """{"text":"hi","usage":{"type":"duration","seconds":6}}""", "AudioMilliseconds=6000")]
    [InlineData("openai-transcription", """{"text":"hi","duration":"5.4959"}""", "AudioMilliseconds=5496")]
    [InlineData("openai-transcription", """{"text":"hi","usage":{"type":"tokens","input_tokens":54,"input_token_details":{"audio_tokens":50,"text_tokens":4},"output_tokens":16}}""", "Input=4,InputAudio=50,Output=16")]
    [InlineData("openai-moderations", """{"results":[]}""", "")]
    [InlineData("openai-assistants", """{"object":"thread.run","status":"completed","usage":{"prompt_tokens":381,"completion_tokens":89}}""", "")]
    [InlineData("opaque", """{"usage":{"prompt_tokens":381}}""", "")]
    [InlineData("free", """{"usage":{"prompt_tokens":381}}""", "")]
    public void Each_dialect_reads_its_own_usage(string dialect, string response, string usage) =>
        Meter(dialect, """{"model":"m"}""", response).Usage.ToString().ShouldBe(usage);

    [Fact]
    public void A_runs_stream_counts_the_run_and_not_its_steps() =>
        Meter("openai-assistants", """{"assistant_id":"a","stream":true}""", Events(
            """{"object":"thread.run","status":"queued","usage":null}""",
            """{"object":"thread.run.step","usage":{"prompt_tokens":20,"completion_tokens":10}}""",
            """{"object":"thread.run","status":"completed","usage":{"prompt_tokens":27,"completion_tokens":16}}""", "[DONE]"), Sse).Usage.ToString().ShouldBe("Input=27,Output=16");

    [Fact]
    public void Json_lines_are_read_line_by_line_and_a_broken_line_harms_no_other()
    {
        var m = Meter("ollama", """{"model":"l","prompt":"x"}""",
            "{\"response\":\"ab\",\"done\":false}\n{\"response\":]]\n{\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":4}\n", "application/x-ndjson");
        (m.Source, m.Usage.ToString(), m.FinishReason).ShouldBe((UsageSource.Reported, "Input=3,Output=4", "stop"));
    }

    [Fact]
    public void Speech_and_images_are_counted_from_the_request()
    {
        var speech = Meter("openai-speech", """{"model":"tts","input":"h\u00e9llo \ud83d\ude00"}""", "\0\u0001RIFF", "audio/mpeg");
        (speech.Usage.ToString(), speech.Source).ShouldBe(("Character=7", UsageSource.Estimated)); // h é l l o space 😀
        var images = Meter("openai-images", """{"model":"dall-e-3","prompt":"cat","n":3,"size":"1024x1792","quality":"hd"}""", "", whole: false);
        (images.Usage.ToString(), images.PricingHints).ShouldBe(("Image=3", "image=1024x1792/hd"));
    }

    [Fact]
    public void The_catalogue_has_every_dialect_by_its_name()
    {
        DialectCatalogue.Names.Order().ShouldBe(
        [
            "anthropic-complete", "anthropic-messages", "cohere-chat", "cohere-embed", "cohere-generate", "cohere-rerank", "free", "gemini-embed",
            "gemini-generate", "gemini-interactions", "gemini-predict", "ollama", "opaque", "openai-assistants", "openai-chat", "openai-completions",
            "openai-embeddings", "openai-images", "openai-moderations", "openai-responses", "openai-speech", "openai-transcription", "rerank",
        ]);
        DialectCatalogue.Find("openai").ShouldBeNull();
    }

    [Fact]
    public void An_opaque_call_tells_its_model_where_it_can_and_is_never_refused()
    {
        Peek("opaque", """{"model":"m"}""").Model.ShouldBe("m");
        Peek("opaque", """{"model":""").Problem.ShouldBeNull();
        Peek("free", "\0\u0001").Problem.ShouldBeNull();
    }

    [Fact]
    public void The_output_so_far_is_estimated_while_it_streams()
    {
        var d = DialectCatalogue.Find("openai-chat")!;
        var reader = d.Read(new(null, null, false, 0, false), Peek("openai-chat", AskStream), new(200, Sse));
        reader.Feed("data: {\"choices\":[{\"delta\":{\"content\":\"123456"u8);
        reader.EstimatedOutputTokens.ShouldBe(2); // 6/4
    }

    [Fact]
    public void Hints_are_canonical_and_the_answer_wins()
    {
        const string Flex = """{"model":"m","service_tier":"flex","speed":"fast","messages":[]}""";
        Meter("openai-chat", Flex, """{"usage":{"prompt_tokens":1,"completion_tokens":1}}""").PricingHints.ShouldBe("service_tier=flex;speed=fast");
        Meter("openai-chat", Flex, """{"service_tier":"default","usage":{"prompt_tokens":1,"completion_tokens":1}}""").PricingHints.ShouldBe("speed=fast");
        Meter("openai-chat", Flex, """{"service_tier":"priority","usage":{"prompt_tokens":1,"completion_tokens":1}}""").PricingHints.ShouldBe("service_tier=priority;speed=fast");
        Meter("openai-chat", """{"service_tier":"a;b=c"}""", """{"usage":{"prompt_tokens":1,"completion_tokens":1,"search_context_size":"high"}}""").PricingHints.ShouldBe("search_context=high");
    }
}
