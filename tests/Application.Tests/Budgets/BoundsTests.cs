using System.Text;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Tests.Dialects;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Application.Tests.Budgets;

/// <summary>What each dialect's requests say of the most that they can use, and what that does to the bound.</summary>
public sealed class BoundsTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    private static readonly Lazy<PriceBook> Book = new(() => PriceSheetReader.ReadAll().ToBook());

    private static MostUse Use(string dialect, string provider, string body, string model = "m")
    {
        var peek = Wire.Peek(dialect, body);
        peek.Problem.ShouldBeNull();
        return Bounds.Of(dialect, provider, peek.Model ?? model, peek);
    }

    private static UpperBound Bound(string dialect, string provider, string body)
    {
        var peek = Wire.Peek(dialect, body);
        return UpperBound.Of(Book.Value.FindModel(provider, peek.Model!), At, Bounds.Of(dialect, provider, peek.Model!, peek));
    }

    private static string Chat(string more = "", string model = "gpt-5.4", string content = "\"hi\"") =>
        $$"""{"model":"{{model}}","messages":[{"role":"user","content":{{content}}}]{{more}}}""";

    [Fact]
    public void All_bytes_of_the_body_may_be_tokens_and_a_preamble_comes_before_them()
    {
        var body = Chat();
        Use("openai-chat", "openai", body).InputTokens.ShouldBe(body.Length + BoundsFacts.Preamble);
        var long_ = Chat(content: "\"" + new string('中', 1000) + "\"");
        Use("openai-chat", "openai", long_).InputTokens.ShouldBe(Encoding.UTF8.GetByteCount(long_) + BoundsFacts.Preamble);
    }

    [Fact]
    public void Choices_best_of_and_prompts_multiply_the_output()
    {
        Use("openai-chat", "openai", Chat(""","n":3,"max_completion_tokens":10""")).Choices.ShouldBe(3);
        Use("openai-completions", "openai", """{"model":"m","prompt":["a","b"],"n":2,"best_of":4,"max_tokens":5}""").Choices.ShouldBe(8);
        Use("gemini-generate", "gemini", """{"contents":[],"generationConfig":{"candidateCount":2,"maxOutputTokens":9}}""").ShouldSatisfyAllConditions(
            u => u.Choices.ShouldBe(2), u => u.OutputLimit.ShouldBe(9));
        var one = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1000,"n":1"""));
        var two = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1000,"n":2"""));
        (two.Most!.Value - one.Most!.Value).ShouldBe(new NanoUsd(1000 * 30_000)); // 15 USD a million, doubled by the priority tier that is not ruled out
    }

    [Theory]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:image/png;base64,BASE64"}}""")]
    [InlineData("""{"type":"image_url","image_url":"data:image/png;base64,BASE64"}""")]
    public void The_base64_of_an_image_is_no_text_but_the_makers_maximum(string part)
    {
        var with = Use("openai-chat", "openai", Chat(model: "gpt-4o", content: "[" + part.Replace("BASE64", new string('A', 100_000)) + "]"));
        with.ImageTokens.ShouldBe(3800);
        with.InputTokens!.Value.ShouldBeLessThan(2000);
    }

    [Fact]
    public void Images_in_the_other_dialects_count_too()
    {
        var base64 = new string('A', 5000);
        var anthropic = Use("anthropic-messages", "anthropic", """{"model":"claude-haiku-4-5","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"BASE64"}},{"type":"image","source":{"type":"url","url":"https://x"}}]}]}""".Replace("BASE64", base64));
        anthropic.ImageTokens.ShouldBe(2 * 9000);
        anthropic.InputTokens!.Value.ShouldBeLessThan(2000);
        var gemini = Use("gemini-generate", "gemini", """{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"BASE64"}}]}]}""".Replace("BASE64", base64), "gemini-2.5-flash");
        gemini.ImageTokens.ShouldBe(6192);
        gemini.InputTokens!.Value.ShouldBeLessThan(2000);
        var ollama = Use("ollama", "ollama", """{"model":"claude-like","messages":[{"role":"user","content":"x","images":["BASE64"]}]}""".Replace("BASE64", base64));
        ollama.ImageTokens.ShouldBe(9000);
        // Nobody publishes a maximum for this one: the window.
        Use("openai-chat", "openai", Chat(model: "gpt-5.6-sol", content: """[{"type":"image_url","image_url":{"url":"https://x"}}]""")).InputTokens.ShouldBeNull();
    }

    [Theory]
    [InlineData("openai-chat", """{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGR","format":"wav"}}]}]}""")]
    [InlineData("openai-chat", """{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBER"}}]}]}""")]
    [InlineData("openai-chat", """{"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x"}}]}]}""")]
    [InlineData("openai-responses", """{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}""")]
    [InlineData("openai-responses", """{"input":"x","previous_response_id":"resp_1"}""")]
    [InlineData("openai-responses", """{"input":"x","\u0070revious_response_id":"resp_1"}""")]
    [InlineData("openai-responses", """{"input":"x","conversation":{"id":"conv_1"}}""")]
    [InlineData("anthropic-messages", """{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}""")]
    [InlineData("anthropic-messages", """{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://x"}}]}]}""")]
    [InlineData("gemini-generate", """{"contents":[{"parts":[{"fileData":{"fileUri":"https://x","mimeType":"video/mp4"}}]}]}""")]
    [InlineData("gemini-generate", """{"contents":[{"parts":[{"inline_data":{"data":"AAAA","mime_type":"audio/mp3"}}]}]}""")]
    [InlineData("gemini-generate", """{"contents":[],"cachedContent":"cachedContents/1"}""")]
    [InlineData("gemini-interactions", """{"model":"m","input":"x","previous_interaction_id":"v1_1"}""")]
    public void Input_whose_size_the_body_does_not_tell_fills_the_window(string dialect, string body)
    {
        var use = Use(dialect, "openai", body);
        use.Unbounded.ShouldBe(NoBound.None);
        use.InputTokens.ShouldBeNull();
    }

    [Theory]
    [InlineData("anthropic-messages", """{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"TEXT"}}]}]}""")]
    [InlineData("anthropic-messages", """{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"n","input":{"type":"image","source":{"type":"base64","media_type":"image/png","data":"TEXT"}}}]}]}""")]
    [InlineData("anthropic-messages", """{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"image/png","data":"TEXT","media_type":"text/plain"}}]}]}""")]
    [InlineData("gemini-generate", """{"contents":[{"parts":[{"functionCall":{"name":"n","args":{"mimeType":"image/png","data":"TEXT"}}}]}]}""")]
    [InlineData("gemini-generate", """{"contents":[{"parts":[{"inlineData":{"mimeType":"text/plain","data":"TEXT"}}]}]}""")]
    [InlineData("openai-chat", """{"messages":[{"role":"user","content":"data:image/png;base64,TEXT"}]}""")]
    [InlineData("openai-chat", """{"messages":[{"role":"user","content":[{"type":"text","text":"data:image/png;base64,TEXT"}]}]}""")]
    public void What_only_looks_like_a_medium_is_text(string dialect, string body)
    {
        var text = new string('x', 100_000);
        Use(dialect, "openai", body.Replace("TEXT", text), "claude-haiku-4-5").InputTokens!.Value.ShouldBeGreaterThan(100_000);
    }

    [Fact]
    public void A_value_that_is_null_or_false_asks_for_nothing()
    {
        var use = Use("openai-responses", "openai", """{"model":"m","input":"x","previous_response_id":null,"conversation":null,"prompt":null,"max_tool_calls":null,"max_output_tokens":null}""");
        use.Unbounded.ShouldBe(NoBound.None);
        use.InputTokens.ShouldNotBeNull();
        use.OutputLimit.ShouldBeNull();
    }

    [Theory]
    [InlineData("openai-chat", "openrouter", """{"model":"m","models":["a","b"],"messages":[]}""", NoBound.OtherModels)]
    [InlineData("openai-chat", "openrouter", """{"model":"openrouter/auto","messages":[]}""", NoBound.OtherModels)]
    [InlineData("openai-chat", "openrouter", """{"model":"m:online","messages":[]}""", NoBound.ServerTools)]
    [InlineData("openai-chat", "openrouter", """{"model":"m","plugins":[{"id":"web"}],"messages":[]}""", NoBound.OtherModels)]
    [InlineData("openai-chat", "openrouter", """{"model":"m","tools":[{"type":"openrouter:web_search"}],"messages":[]}""", NoBound.ServerTools)]
    [InlineData("openai-chat", "groq", """{"model":"groq/compound","messages":[]}""", NoBound.ServerTools)]
    [InlineData("openai-chat", "xai", """{"model":"grok-4","search_parameters":{"mode":"on"},"messages":[]}""", NoBound.ServerTools)]
    [InlineData("openai-chat", "venice", """{"model":"m","venice_parameters":{"enable_web_search":"auto"},"messages":[]}""", NoBound.ServerTools)]
    [InlineData("openai-responses", "openai", """{"model":"m","prompt":{"id":"pmpt_1"}}""", NoBound.StoredRequest)]
    [InlineData("openai-responses", "openai", """{"model":"m","input":"x","tools":[{"type":"web_search"}]}""", NoBound.ServerTools)]
    [InlineData("openai-responses", "openai", """{"model":"m","input":"x","reasoning":{"effort":"high","mode":"pro"}}""", NoBound.ManyRuns)]
    [InlineData("openai-responses", "openai", """{"model":"m","input":[{"type":"compaction_trigger"}]}""", NoBound.Compaction)]
    [InlineData("openai-responses", "openrouter", """{"model":"m","input":"x","max_tool_calls":2,"tools":[{"type":"web_search"}]}""", NoBound.ServerTools)]
    [InlineData("openai-responses", "openai", """{"model":"m","input":"x","max_tool_calls":2,"tools":[{"type":"image_generation"}]}""", NoBound.OtherModels)]
    [InlineData("openai-responses", "openai", """{"model":"m","input":"x","max_tool_calls":2,"tools":[{"type":"brand_new"}]}""", NoBound.ServerTools)]
    [InlineData("anthropic-messages", "anthropic", """{"model":"m","tools":[{"type":"advisor_20260301","name":"a"}],"messages":[]}""", NoBound.OtherModels)]
    [InlineData("anthropic-messages", "anthropic", """{"model":"m","tools":[{"\u0074ype":"brand_new_20270101","name":"a"}],"messages":[]}""", NoBound.ServerTools)]
    [InlineData("anthropic-messages", "anthropic", """{"model":"m","context_management":{"edits":[{"type":"compact_20260112"}]},"messages":[]}""", NoBound.Compaction)]
    [InlineData("gemini-generate", "gemini", """{"contents":[],"tools":[{"google_search":{}}]}""", NoBound.ServerTools)]
    [InlineData("gemini-generate", "gemini", """{"contents":[],"tools":[{"functionDeclarations":[{"name":"f"}],"codeExecution":{}}]}""", NoBound.ServerTools)]
    [InlineData("gemini-interactions", "gemini", """{"model":"m","input":"x","tools":[{"type":"google_search"}]}""", NoBound.ServerTools)]
    [InlineData("gemini-interactions", "gemini", """{"agent":"deep-research","input":"x"}""", NoBound.StoredRequest)]
    [InlineData("cohere-chat", "cohere", """{"model":"m","message":"x","connectors":[{"id":"web-search"}]}""", NoBound.ServerTools)]
    [InlineData("openai-assistants", "openai", """{"assistant_id":"asst_1"}""", NoBound.StoredRequest)]
    [InlineData("opaque", "openai", """{"model":"m"}""", NoBound.Unpriced)]
    public void What_nobody_bounds_is_unbounded_and_says_why(string dialect, string provider, string body, NoBound why) =>
        Use(dialect, provider, body).Unbounded.ShouldBe(why);

    [Theory]
    [InlineData("openai-chat", """{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"web_search","parameters":{"type":"object","properties":{"image_url":{"type":"string"}}}}}]}""")]
    [InlineData("openai-chat", """{"model":"m","messages":[],"functions":[{"name":"f","parameters":{}}]}""")]
    [InlineData("anthropic-messages", """{"model":"m","messages":[],"tools":[{"name":"f","input_schema":{"type":"object"}},{"type":"computer_20250124","name":"computer"}]}""")]
    [InlineData("gemini-generate", """{"contents":[],"tools":[{"functionDeclarations":[{"name":"google_search"}]}]}""")]
    [InlineData("openai-responses", """{"model":"m","input":"x","tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]}""")]
    public void The_clients_own_tools_bind_nothing(string dialect, string body)
    {
        var use = Use(dialect, "openai", body);
        use.Unbounded.ShouldBe(NoBound.None);
        use.Runs.ShouldBe(1);
        use.InputTokens!.Value.ShouldBeGreaterThanOrEqualTo(body.Length + BoundsFacts.Preamble + BoundsFacts.ToolsPreamble);
    }

    [Fact]
    public void Server_tools_with_a_limit_are_bounded_by_it()
    {
        var anthropic = Use("anthropic-messages", "anthropic", """{"model":"claude-haiku-4-5","max_tokens":9,"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":3}]}""");
        (anthropic.Runs, anthropic.LimitIsPerRun, anthropic.Fees.Count(UsageUnit.WebSearch)).ShouldBe((4, true, 3));
        var responses = Use("openai-responses", "openai", """{"model":"gpt-5","input":"x","max_tool_calls":2,"tools":[{"type":"web_search"},{"type":"code_interpreter"}]}""");
        (responses.Runs, responses.Fees.Count(UsageUnit.WebSearch), responses.Fees.Count(UsageUnit.CodeExecution)).ShouldBe((3, 2, 2));
        Bound("anthropic-messages", "anthropic", """{"model":"claude-haiku-4-5","max_tokens":9,"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}""").Why.ShouldBe(NoBound.ServerTools);
        // Code runs have no fee in the sheet, and the loop has a documented end.
        Bound("anthropic-messages", "anthropic", """{"model":"claude-haiku-4-5","max_tokens":9,"messages":[],"tools":[{"type":"code_execution_20250522","name":"code_execution"}]}""").Most.ShouldNotBeNull();
    }

    [Fact]
    public void A_limit_that_reasoning_ignores_is_no_bound()
    {
        Use("openai-chat", "xai", Chat(""","max_completion_tokens":10""", "grok-4")).ReasonsBeyondLimit.ShouldBeTrue();
        Use("openai-chat", "xai", Chat(""","max_completion_tokens":10""", "grok-4-fast-non-reasoning")).ReasonsBeyondLimit.ShouldBeFalse();
        Use("openai-chat", "openai", Chat(""","max_completion_tokens":10""")).ReasonsBeyondLimit.ShouldBeFalse();
    }

    [Fact]
    public void Rejected_predictions_are_output_too()
    {
        var use = Use("openai-chat", "openai", Chat(""","prediction":{"type":"content","content":"0123456789"}"""));
        use.OutputBesides.ShouldBe(17); // "content" and ten digits
    }

    [Fact]
    public void The_tier_is_open_unless_the_request_settles_it()
    {
        var open = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1000"""));
        var auto = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1000,"service_tier":"auto" """));
        var plain = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1000,"service_tier":"default" """));
        var priority = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1000,"service_tier":"priority" """));
        auto.Most!.Value.ShouldBeGreaterThan(plain.Most!.Value);
        open.Most!.Value.ShouldBeGreaterThan(plain.Most!.Value);
        priority.Most!.Value.ShouldBeGreaterThan(plain.Most!.Value);
    }

    [Fact]
    public void Input_that_can_reach_the_long_context_is_priced_there()
    {
        var below = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1,"service_tier":"default" """, content: "\"" + new string('x', 260_000) + "\""));
        var above = Bound("openai-chat", "openai", Chat(""","max_completion_tokens":1,"service_tier":"default" """, content: "\"" + new string('x', 275_000) + "\""));
        above.Most!.Value.Usd.ShouldBeGreaterThan(below.Most!.Value.Usd * 2); // 2.5 becomes 5 above 271,999
    }

    [Fact]
    public void A_cache_lifetime_that_is_said_may_be_an_hour()
    {
        string Body(string cache) => """{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"TEXT","cache_control":{"type":"ephemeral"CACHE}}]}]}""".Replace("TEXT", new string('x', 10_000)).Replace("CACHE", cache);
        var hour = Bound("anthropic-messages", "anthropic", Body(",\"ttl\":\"1h\""));
        var minutes = Bound("anthropic-messages", "anthropic", Body(""));
        hour.Most!.Value.Usd.ShouldBeGreaterThan(minutes.Most!.Value.Usd * 1.5m); // 2 against 1.25
    }

    [Theory]
    [InlineData("openai", "gpt-5.4", "gpt-5.4-2026-03-05")]
    [InlineData("openai", "gpt-5.4", "gpt-5-4")]
    [InlineData("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001")]
    [InlineData("gemini", "gemini-2.5-flash", "models/gemini-2.5-flash")]
    public void Aliases_prefixes_and_dated_names_have_the_same_bound(string provider, string name, string other)
    {
        var peek = Wire.Peek("openai-chat", Chat(""","max_tokens":1000""", "x"));
        UpperBound Of(string model) => UpperBound.Of(Book.Value.FindModel(provider, model), At, Bounds.Of("openai-chat", provider, model, peek));
        Of(name).Most.ShouldNotBeNull();
        Of(other).ShouldBe(Of(name));
    }

    [Fact]
    public void Embeddings_put_out_nothing_and_speech_is_counted()
    {
        var embedding = Bound("openai-embeddings", "openai", """{"model":"text-embedding-3-small","input":["a","b"]}""");
        embedding.OutputTokens.ShouldBe(0);
        embedding.Most.ShouldNotBeNull();
        Bound("openai-speech", "openai", """{"model":"tts-1","input":"hello","voice":"alloy"}""").Most!.Value.ShouldBe(new NanoUsd(75_000)); // 5 x 15 USD a million
        Bound("openai-images", "openai", """{"model":"dall-e-3","prompt":"x","n":1}""").Most!.Value.Usd.ShouldBe(0.12m); // unsaid: may be the dearest
        Bound("openai-images", "openai", """{"model":"gpt-image-2","prompt":"x"}""").Why.ShouldBe(NoBound.Output);
    }

    [Fact]
    public void Rerank_counts_documents_and_reads_the_query_for_each()
    {
        var documents = string.Join(',', Enumerable.Repeat("\"d\"", 150));
        var use = Use("cohere-rerank", "cohere", $$"""{"model":"rerank-v3.5","query":"q","documents":[{{documents}}]}""");
        use.Pieces.Count(UsageUnit.SearchUnit).ShouldBe(2); // 150 documents and a remainder by bytes
        use.NoOutput.ShouldBeTrue();
    }

    [Fact]
    public void An_uploaded_recording_is_as_long_as_its_bytes_can_play()
    {
        static byte[] Form(byte[] file) =>
        [
            .. "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"u8,
            .. file, .. "\r\n--B--\r\n"u8,
        ];
        static UpperBound Of(byte[] file)
        {
            var peek = DialectCatalogue.Find("openai-transcription")!.Peek(new(null, "multipart/form-data; boundary=B", false, 0, false), Form(file));
            peek.Model.ShouldBe("whisper-1");
            return UpperBound.Of(Book.Value.FindModel("openai", "whisper-1"), At, Bounds.Of("openai-transcription", "openai", "whisper-1", peek));
        }

        Of([.. "ID3"u8, .. new byte[9997]]).Most!.Value.Usd.ShouldBe(0.0011m); // 10,000 bytes at 8 kbit/s and a second: 11 s of 0.36 USD an hour
        Of([.. "RIFF0000WAVE"u8, .. new byte[1000]]).Most.ShouldNotBeNull();
        Of([.. "fLaC"u8, .. new byte[1000]]).Why.ShouldBe(NoBound.Pieces);
        Of(new byte[1000]).Why.ShouldBe(NoBound.Pieces);
    }

    [Fact]
    public void What_has_passed_of_a_stream_is_never_counted_too_low()
    {
        var dialect = DialectCatalogue.Find("openai-chat")!;
        var facts = new RequestFacts(null, "application/json", false, 0, false);
        var peek = dialect.Peek(facts, Encoding.UTF8.GetBytes(Chat(""","stream":true""")));
        var reader = dialect.Read(facts, peek, new(200, "text/event-stream"));
        reader.Feed(Encoding.UTF8.GetBytes(Wire.Events("""{"choices":[{"index":0,"delta":{"content":"一"}}]}""", """{"choices":[{"index":0,"delta":{"content":"x"}}]}""")));
        reader.OutputTokensAtMost.ShouldBe(3 + 1 + 2 + 64); // bytes, events, what has no text
        reader.Feed(Encoding.UTF8.GetBytes(Wire.Events("""{"choices":[{"index":0,"delta":{"content":"\u4e00\n"}}]}""")));
        reader.OutputTokensAtMost.ShouldBe(4 + 3 + 1 + 3 + 64);
        reader.OutputTokensAtMost.ShouldBeGreaterThanOrEqualTo(reader.EstimatedOutputTokens);
    }
}
