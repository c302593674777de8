using System.Buffers;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>Streams: exact bytes in, exact bytes out, however the network cuts them.</summary>
public sealed class StreamTranslationTests
{
    private static readonly string Chat = Events(
        """{"id":"","choices":[],"prompt_filter_results":[]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"reasoning_content":"Hm."}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"Grüße, "}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"世界 👋"}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]}}]}""",
        """{"id":"c1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}""",
        """{"id":"c1","model":"m","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":30,"total_tokens":130,"prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":12}}}""") + "data: [DONE]\n\n";

    private const string Anthropic = """
        event: message_start
        data: {"type":"message_start","message":{"id":"c1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

        event: content_block_start
        data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße, "}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"世界 👋"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":0}

        event: content_block_start
        data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_1","name":"f","input":{}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":1}

        event: content_block_start
        data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_2","name":"g","input":{}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}

        event: content_block_stop
        data: {"type":"content_block_stop","index":2}

        event: message_delta
        data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":60,"cache_creation_input_tokens":0,"cache_read_input_tokens":40,"output_tokens":30,"output_tokens_details":{"thinking_tokens":12}}}

        event: message_stop
        data: {"type":"message_stop"}


        """;

    private static readonly string Gemini = Events(
        """{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":40},"modelVersion":"m","responseId":"c1"}""",
        """{"candidates":[{"content":{"parts":[{"text":"Grüße, "}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"c1"}""",
        """{"candidates":[{"content":{"parts":[{"text":"世界 👋"}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"c1"}""",
        """{"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_1","name":"f","args":{"a":1}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"call_2","name":"g","args":{}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":18,"thoughtsTokenCount":12,"totalTokenCount":130},"modelVersion":"m","responseId":"c1"}""");

    internal static readonly Dictionary<string, string> Streams = new() { ["openai-chat"] = Chat, ["anthropic-messages"] = Anthropic, ["gemini-generate"] = Gemini };

    private static string Events(params string[] data) => string.Concat(data.Select(d => $"data: {d}\n\n"));

    [Fact]
    public void Chat_becomes_Anthropic_s_events() => Spoken.Stream("anthropic-messages", "openai-chat", Encoding.UTF8.GetBytes(Chat)).ShouldBe(Escaped(Anthropic));

    // .NET writes what lies beyond the basic plane in escapes; the text is the same.
    private static string Escaped(string json) => json.Replace("👋", "\\uD83D\\uDC4B", StringComparison.Ordinal);

    [Fact]
    public void Anthropic_s_events_become_chat()
    {
        Spoken.Stream("openai-chat", "anthropic-messages", Encoding.UTF8.GetBytes(Anthropic)).ShouldBe(Escaped(Events(
            Chunk("""{"role":"assistant","content":"","refusal":null}"""),
            Chunk("""{"content":"Grüße, "}"""),
            Chunk("""{"content":"世界 👋"}"""),
            Chunk("""{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"""),
            Chunk("""{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"""),
            Chunk("""{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"""),
            Chunk("""{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":""}}]}"""),
            Chunk("""{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"""),
            Chunk("{}", "\"tool_calls\""),
            """{"id":"c1","object":"chat.completion.chunk","created":1790000000,"model":"m","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":30,"total_tokens":130,"prompt_tokens_details":{"cached_tokens":40,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":12}}}""")) + "data: [DONE]\n\n");

        static string Chunk(string delta, string finish = "null") =>
            $$"""{"id":"c1","object":"chat.completion.chunk","created":1790000000,"model":"m","choices":[{"index":0,"delta":{{delta}},"logprobs":null,"finish_reason":{{finish}}}],"usage":null}""";
    }

    [Fact]
    public void Usage_is_told_to_a_chat_client_only_if_it_asked()
    {
        var told = Spoken.Stream("openai-chat", "gemini-generate", Encoding.UTF8.GetBytes(Gemini), new AnswerWishes("asked", Spoken.At, UsageInStream: false));
        told.ShouldNotContain("usage");
        told.ShouldContain("\"model\":\"asked\"");
        told.ShouldContain("""{"reasoning_content":"Hm."}""");
        told.ShouldEndWith("data: [DONE]\n\n");
    }

    [Fact]
    public void Chat_becomes_Gemini_s_events_with_each_call_whole()
    {
        var events = Spoken.Stream("gemini-generate", "openai-chat", Encoding.UTF8.GetBytes(Chat), new AnswerWishes(null, Spoken.At, Thoughts: true)).Split("\r\n\r\n", StringSplitOptions.RemoveEmptyEntries);
        events.Length.ShouldBe(6);
        Spoken.Same(events[0][6..], """{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"c1"}""");
        Spoken.Same(events[3][6..], """{"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_1","name":"f","args":{"a":1}}}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"c1"}""");
        Spoken.Same(events[5][6..], """{"candidates":[{"content":{"parts":[],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":18,"totalTokenCount":130,"cachedContentTokenCount":40,"thoughtsTokenCount":12},"modelVersion":"m","responseId":"c1"}""");
    }

    [Fact]
    public void Gemini_s_clients_without_alt_sse_get_one_array()
    {
        using var array = JsonDocument.Parse(Spoken.Stream("gemini-generate", "anthropic-messages", Encoding.UTF8.GetBytes(Anthropic), new AnswerWishes(null, Spoken.At, JsonArray: true)));
        array.RootElement.GetArrayLength().ShouldBe(5);
        using var error = JsonDocument.Parse(Spoken.Stream("gemini-generate", "openai-chat", "data: {\"error\":{\"message\":\"no\"}}\n\n"u8, new AnswerWishes(null, Spoken.At, JsonArray: true)));
        error.RootElement[0].GetProperty("error").GetProperty("message").GetString().ShouldBe("no");
    }

    [Fact]
    public void A_Responses_client_gets_numbered_events_and_at_the_end_the_whole()
    {
        var lines = Spoken.Stream("openai-responses", "anthropic-messages", Encoding.UTF8.GetBytes(Anthropic)).Split('\n').Where(l => l.StartsWith("data: ", StringComparison.Ordinal)).Select(l => JsonDocument.Parse(l[6..]).RootElement).ToList();
        lines.Select(l => l.GetProperty("sequence_number").GetInt32()).ShouldBe(Enumerable.Range(0, lines.Count));
        lines.Select(l => l.GetProperty("type").GetString()).ShouldBe(
        [
            "response.created", "response.in_progress",
            "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done",
            "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
            "response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done",
            "response.completed",
        ]);
        lines[^1].GetProperty("response").GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString().ShouldBe("Grüße, 世界 👋");
        lines[^1].GetProperty("response").GetProperty("output")[1].GetProperty("arguments").GetString().ShouldBe("{\"a\":1}");
    }

    [Fact]
    public void Cut_anywhere_a_stream_gives_the_same_bytes()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var body = Encoding.UTF8.GetBytes(Streams[provider].Replace("\n", "\r\n", StringComparison.Ordinal));
            var whole = Spoken.Stream(client, provider, body);
            whole.ShouldBe(Spoken.Stream(client, provider, Encoding.UTF8.GetBytes(Streams[provider])));
            Spoken.Stream(client, provider, body, null, [.. Enumerable.Range(1, body.Length - 1)]).ShouldBe(whole);
            // What is read is cut, not what is written: one client is enough for every place.
            for (var cut = 0; cut <= body.Length && client == Spoken.Pairs.First(p => p.Provider == provider).Client; cut++)
                Spoken.Stream(client, provider, body, null, cut).ShouldBe(whole, $"{client} {provider} {cut}");
        }
    }

    [Fact]
    public void Broken_off_anywhere_before_its_end_a_stream_has_no_end()
    {
        foreach (var (client, provider) in Spoken.Pairs)
        {
            var body = Encoding.UTF8.GetBytes(Streams[provider]);
            var whole = Spoken.Stream(client, provider, body);
            // Where the model says that it has ended.
            var end = Streams[provider].IndexOf(provider switch { "openai-chat" => "\"tool_calls\"}", "anthropic-messages" => "\"stop_reason\":\"tool_use\"", _ => "\"finishReason\":\"STOP\"" }, StringComparison.Ordinal);
            end = Encoding.UTF8.GetByteCount(Streams[provider].AsSpan(0, end));
            for (var at = 0; at < end; at += 7)
            {
                var output = new ArrayBufferWriter<byte>();
                var stream = Translator.Between(client, provider)!.Stream(new AnswerWishes(null, Spoken.At));
                stream.Push(body.AsSpan(0, at), output);
                stream.Complete(output);
                (stream.Ended, stream.Failed).ShouldBe((false, false));
                var told = Encoding.UTF8.GetString(output.WrittenSpan);
                whole.ShouldStartWith(told, Case.Sensitive, $"{client} {provider} {at}");
                told.Length.ShouldBeLessThan(whole.Length);
                foreach (var mark in new[] { "[DONE]", "message_stop", "response.completed", "\"finish_reason\":\"", "\"finishReason\"", "\"stop_reason\":\"" })
                    told.ShouldNotContain(mark);
            }
        }
    }

    [Fact]
    public void An_event_is_translated_as_soon_as_it_is_whole()
    {
        var output = new ArrayBufferWriter<byte>();
        var stream = Translator.Between("anthropic-messages", "openai-chat")!.Stream(new AnswerWishes(null, Spoken.At));
        stream.Push("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n"u8, output);
        output.WrittenCount.ShouldBe(0);
        stream.Push("\n"u8, output);
        Encoding.UTF8.GetString(output.WrittenSpan).ShouldContain("\"text\":\"Hi\"");
    }

    [Fact]
    public void An_error_inside_a_stream_is_the_client_s_own_and_the_last_that_is_said()
    {
        const string anthropic = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        Spoken.Stream("openai-chat", "anthropic-messages", Encoding.UTF8.GetBytes(anthropic)).Trim().ShouldBe("""data: {"error":{"message":"Overloaded","type":"server_error","param":null,"code":"overloaded_error"}}""");
        Spoken.Stream("gemini-generate", "anthropic-messages", Encoding.UTF8.GetBytes(anthropic)).Trim().ShouldBe("""data: {"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}""");
        Spoken.Stream("anthropic-messages", "gemini-generate", "data: {\"error\":{\"code\":429,\"message\":\"Quota\",\"status\":\"RESOURCE_EXHAUSTED\"}}\n\n"u8).Trim().ShouldBe("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"Quota\"},\"request_id\":null}");
        Spoken.Stream("openai-responses", "openai-chat", "data: {\"error\":{\"message\":\"no\",\"code\":\"server_error\"}}\n\n"u8).ShouldContain("event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"no\"");
    }

    [Fact]
    public void A_hole_in_a_stream_is_an_error()
    {
        Spoken.Stream("anthropic-messages", "openai-chat", "data: {\"id\":\n\ndata: [DONE]\n\n"u8).ShouldContain("an event of the provider's stream can't be read");
        var large = Encoding.UTF8.GetBytes("data: \"" + new string('x', StreamTranslation.MaxEventBytes) + "\"\n\n");
        Spoken.Stream("anthropic-messages", "openai-chat", large).ShouldContain("larger than 16 MiB");
    }

    [Fact]
    public void Damaged_streams_and_answers_never_throw()
    {
        var chance = new Random(21);
        foreach (var (client, provider) in Spoken.Pairs)
        {
            for (var i = 0; i < 200; i++)
            {
                var stream = Encoding.UTF8.GetBytes(Streams[provider]);
                var answer = Encoding.UTF8.GetBytes(AnswerTranslationTests.Answers[provider]);
                for (var n = chance.Next(1, 5); n > 0; n--)
                {
                    Damage(stream, chance);
                    Damage(answer, chance);
                }

                Spoken.Stream(client, provider, stream, null, chance.Next(stream.Length)).ShouldNotBeNull();
                Translator.Between(client, provider)!.Answer(answer, new AnswerWishes(null, Spoken.At));
                Translator.Between(client, provider)!.Error(400 + chance.Next(200), answer).Body.Length.ShouldBeGreaterThan(0);
            }
        }

        // Now a byte, now the kind of a value.
        static void Damage(byte[] bytes, Random chance)
        {
            var at = chance.Next(bytes.Length);
            if (chance.Next(2) == 0)
                bytes[at] = (byte)chance.Next(256);
            else if (bytes.AsSpan(at).IndexOf((byte)':') is >= 0 and var colon && at + colon + 1 < bytes.Length)
                bytes[at + colon + 1] = "{[\"1tn"u8[chance.Next(6)];
        }
    }

    [Fact]
    public void A_whole_answer_in_place_of_a_stream_is_streamed()
    {
        var output = new ArrayBufferWriter<byte>();
        var stream = Translator.Between("anthropic-messages", "gemini-generate")!.Stream(new AnswerWishes(null, Spoken.At));
        stream.Whole("""{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}"""u8.ToArray(), output).ShouldBeTrue();
        stream.Ended.ShouldBeTrue();
        Encoding.UTF8.GetString(output.WrittenSpan).ShouldEndWith("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        Translator.Between("anthropic-messages", "gemini-generate")!.Stream(new AnswerWishes(null, Spoken.At)).Whole("{}"u8.ToArray(), output).ShouldBeFalse();
    }

    [Fact]
    public void Calls_that_a_provider_all_numbers_0_are_still_several()
    {
        var chat = Events(
            """{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}""",
            """{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"stop"}]}""") + "data: [DONE]\n\n";
        var (answer, ended, _) = Spoken.Collect("anthropic-messages", Encoding.UTF8.GetBytes(Spoken.Stream("anthropic-messages", "openai-chat", Encoding.UTF8.GetBytes(chat))));
        ended.ShouldBeTrue();
        answer.Finish.ShouldBe(Finish.ToolCalls);
        answer.Parts.OfType<ToolCallPart>().Select(c => (c.Id, c.Name, c.Arguments)).ShouldBe([("a", "f", "{}"), ("b", "g", "{}")]);
    }
}
