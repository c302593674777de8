using System.Text;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>What can't be carried is refused by its name, and hints that are left out are told.</summary>
public sealed class RefusalTests
{
    private const string Chat = "openai-chat";
    private const string Anthropic = "anthropic-messages";
    private const string Gemini = "gemini-generate";
    private const string Responses = "openai-responses";

    [Theory]
    [InlineData(Chat, Anthropic, "\"logprobs\":true", "logprobs: the other dialects have no such figures")]
    [InlineData(Chat, Gemini, "\"n\":2", "n: one answer is translated, not several")]
    [InlineData(Chat, Anthropic, "\"seed\":1", "seed: Anthropic's messages can't say it")]
    [InlineData(Chat, Anthropic, "\"frequency_penalty\":0.5", "frequency_penalty: Anthropic's messages can't say it")]
    [InlineData(Chat, Anthropic, "\"temperature\":1.5", "temperature: Anthropic's messages take 0 to 1")]
    [InlineData(Chat, Anthropic, "\"response_format\":{\"type\":\"json_object\"}", "response_format: Anthropic's messages know no JSON without a schema; give a json_schema")]
    [InlineData(Chat, Gemini, "\"reasoning_effort\":\"xhigh\"", "reasoning_effort: only low, medium and high mean the same elsewhere, not xhigh")]
    [InlineData(Chat, Gemini, "\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\"]", "stop[5]: Gemini takes five stop sequences at most")]
    [InlineData(Chat, Gemini, "\"parallel_tool_calls\":false,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]", "parallel_tool_calls: Gemini can't be held to one call")]
    [InlineData(Chat, Gemini, "\"tools\":[{\"type\":\"web_search\"}]", "tools[0]: a tool of the type web_search is the provider's own")]
    [InlineData(Chat, Gemini, "\"invented_tomorrow\":7", "invented_tomorrow: is not carried to another dialect")]
    [InlineData(Anthropic, Chat, "\"top_k\":5", "top_k: OpenAI's chat can't say it")]
    [InlineData(Anthropic, Chat, "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}", "thinking.budget_tokens: OpenAI's chat knows no budget of thoughts, only an effort: low, medium or high")]
    [InlineData(Anthropic, Gemini, "\"mcp_servers\":[{\"type\":\"url\"}]", "mcp_servers: is not carried to another dialect")]
    [InlineData(Anthropic, Gemini, "\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]", "tools[0]: a tool of the type web_search_20250305 is the provider's own")]
    [InlineData(Gemini, Chat, "\"tools\":[{\"google_search\":{}}]", "tools[0].google_search: is Google's own tool")]
    [InlineData(Gemini, Anthropic, "\"cachedContent\":\"cachedContents/1\"", "cachedContent: is not carried to another dialect")]
    [InlineData(Gemini, Anthropic, "\"generation_config\":{\"candidate_count\":2}", "generation_config.candidate_count: one answer is translated, not several")]
    [InlineData(Gemini, Anthropic, "\"safetySettings\":[{\"category\":\"HARM_CATEGORY_HARASSMENT\",\"threshold\":\"BLOCK_LOW_AND_ABOVE\"}]", "safetySettings[0].threshold: a filter has no counterpart")]
    [InlineData(Gemini, Chat, "\"generationConfig\":{\"responseModalities\":[\"IMAGE\"]}", "generationConfig.responseModalities: text alone is translated")]
    [InlineData(Responses, Chat, "\"previous_response_id\":\"resp_1\"", "previous_response_id: nothing is kept between calls: send the conversation")]
    [InlineData(Responses, Anthropic, "\"background\":true", "background: an answer is waited for")]
    [InlineData(Responses, Gemini, "\"tools\":[{\"type\":\"file_search\"}]", "tools[0]: a tool of the type file_search is the provider's own")]
    public void A_field_that_cannot_be_carried_is_refused_with_its_place_and_the_reason(string client, string provider, string field, string refusal)
    {
        var request = Ask(client, provider, field);
        request.Refusal.ShouldBe(refusal);
        request.Body.Length.ShouldBe(0);
    }

    [Theory]
    [InlineData(Chat, Anthropic, "\"n\":1,\"logprobs\":false,\"top_logprobs\":0,\"presence_penalty\":0,\"store\":false,\"service_tier\":\"auto\",\"parallel_tool_calls\":true,\"logit_bias\":{},\"metadata\":null,\"seed\":null,\"response_format\":{\"type\":\"text\"}")]
    [InlineData(Anthropic, Gemini, "\"service_tier\":\"auto\",\"tools\":[],\"cache_control\":null,\"speed\":\"standard\"")]
    [InlineData(Gemini, Anthropic, "\"safetySettings\":[{\"category\":\"HARM_CATEGORY_HARASSMENT\",\"threshold\":\"BLOCK_NONE\"}],\"generationConfig\":{\"candidateCount\":1,\"responseModalities\":[\"TEXT\"],\"responseMimeType\":\"text/plain\"}")]
    [InlineData(Responses, Anthropic, "\"background\":false,\"truncation\":\"disabled\",\"top_logprobs\":0,\"text\":{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"},\"store\":false,\"include\":[]")]
    public void What_only_says_what_is_so_anyway_is_neither_refused_nor_told(string client, string provider, string fields)
    {
        var request = Ask(client, provider, fields);
        request.Refusal.ShouldBe("");
        request.Notes.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(Chat, Gemini, "\"user\":\"u\"", "user: Gemini has no place for whom a client serves")]
    [InlineData(Chat, Anthropic, "\"store\":true", "store: nothing is kept at the provider")]
    [InlineData(Chat, Anthropic, "\"prompt_cache_key\":\"k\"", "prompt_cache_key: a hint for OpenAI's cache")]
    [InlineData(Anthropic, Chat, "\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":\"ephemeral\"}}]", "system[0].cache_control: a hint for the cache of a provider that takes such")]
    [InlineData(Anthropic, Chat, "\"thinking\":{\"type\":\"adaptive\"}", "thinking.type: whether and how it thinks is left to the model")]
    [InlineData(Responses, Gemini, "\"include\":[\"reasoning.encrypted_content\"]", "include: nothing more is known than the answer")]
    public void A_hint_that_is_left_out_is_told(string client, string provider, string field, string note)
    {
        var request = Ask(client, provider, field);
        request.Refusal.ShouldBe("");
        request.Notes.ShouldHaveSingleItem().ToString().ShouldBe(note);
    }

    [Fact]
    public void Thoughts_of_one_model_are_left_out_for_another_and_that_is_told()
    {
        var anthropic = Translator.Between(Anthropic, Gemini)!.Request(
            """{"max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"eA=="},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"y"}]}]}"""u8.ToArray(), Spoken.Target());
        anthropic.Refusal.ShouldBe("");
        anthropic.Notes.Select(n => n.Path).ShouldBe(["messages[1].content[0]", "messages[1].content[1]"]);

        var responses = Translator.Between(Responses, Chat)!.Request("""{"input":[{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"eA=="},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"y"}]}"""u8.ToArray(), Spoken.Target());
        responses.Notes.ShouldHaveSingleItem().Path.ShouldBe("input[1]");

        var gemini = Translator.Between(Gemini, Chat)!.Request("""{"contents":[{"parts":[{"text":"x"}]},{"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"name":"f","args":{}},"thoughtSignature":"c2ln"}]},{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"""u8.ToArray(), Spoken.Target());
        gemini.Notes.Select(n => n.Path).ShouldBe(["contents[1].parts[0].text", "contents[1].parts[1].thoughtSignature"]);
    }

    [Fact]
    public void An_instruction_amid_the_conversation_is_carried_where_it_may_stand_there()
    {
        const string between = """{"messages":[{"role":"user","content":"a"},{"role":"system","content":"s"}]}""";
        const string before = """{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"system","content":"s"},{"role":"user","content":"c"}]}""";
        Spoken.Request(Chat, Anthropic, between).ShouldContain("""{"role":"system","content":"s"}""");
        Refusal(Chat, Anthropic, before).ShouldBe("messages[2]: amid a conversation Anthropic's messages take an instruction only between a user's turn and the answer");
        Refusal(Chat, Gemini, between).ShouldBe("messages[1]: Gemini takes no instruction amid a conversation");
        Spoken.Request(Responses, Chat, before.Replace("messages", "input", StringComparison.Ordinal)).ShouldContain("""{"role":"system","content":"s"}""");
    }

    [Fact]
    public void A_begun_answer_is_not_continued_by_another_model() =>
        Refusal(Anthropic, Chat, """{"max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"The answer is"}]}""")
            .ShouldBe("messages[1]: an answer that is begun can't be continued by another model: end with the user's turn");

    [Fact]
    public void Arguments_that_are_no_object_and_results_without_a_call_are_refused()
    {
        Refusal(Chat, Anthropic, """{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]},{"role":"tool","tool_call_id":"a","content":"y"}]}""")
            .ShouldBe("messages[1].tool_calls[0].function.arguments: the arguments must be a JSON object");
        Refusal(Chat, Gemini, """{"messages":[{"role":"tool","tool_call_id":"a","content":"y"}]}""").ShouldBe("messages[0].tool_call_id: no call of that id stands before it");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"messages\":{}}")]
    [InlineData("{\"messages\":[1]}")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}],\"tools\":{},\"stop\":1,\"temperature\":\"hot\",\"max_tokens\":1.5,\"stream_options\":3}")]
    public void A_body_that_is_no_request_is_refused_and_never_throws(string body)
    {
        foreach (var (client, provider) in Spoken.Pairs)
            Translator.Between(client, provider)!.Request(Encoding.UTF8.GetBytes(body), Spoken.Target(limit: null)).ShouldNotBeNull();
        Refusal(Chat, Anthropic, body).ShouldNotBe("");
    }

    [Fact]
    public void Instructions_are_text()
    {
        Refusal(Anthropic, Chat, """{"max_tokens":9,"system":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}],"messages":[{"role":"user","content":"x"}]}""").ShouldBe("system[0].source.url: instructions are text");
        Refusal(Gemini, Chat, """{"systemInstruction":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"contents":[{"parts":[{"text":"x"}]}]}""").ShouldBe("systemInstruction.parts[0].inlineData.data: instructions are text");
    }

    [Fact]
    public void Damaged_requests_never_throw()
    {
        var chance = new Random(21);
        foreach (var (client, provider) in Spoken.Pairs)
        {
            for (var i = 0; i < 200; i++)
            {
                var body = Encoding.UTF8.GetBytes(RequestTranslationTests.Requests[client]);
                for (var n = chance.Next(1, 4); n > 0; n--)
                    body[chance.Next(body.Length)] = "{}[]\":,0tn\\\u0080"u8[chance.Next(12)];
                var request = Translator.Between(client, provider)!.Request(body, Spoken.Target());
                (request.IsRefused || request.Body.Length > 0).ShouldBeTrue();
            }
        }
    }

    [Fact]
    public void Only_pairs_of_different_dialects_that_are_known_have_a_translation()
    {
        Translator.Between(Chat, Chat).ShouldBeNull();
        Translator.Between(Chat, Responses).ShouldBeNull();
        Translator.Between("cohere-chat", Chat).ShouldBeNull();
        Spoken.Pairs.Count(p => Translator.Between(p.Client, p.Provider) is not null).ShouldBe(9);
    }

    private static string Refusal(string client, string provider, string body) => Translator.Between(client, provider)!.Request(Encoding.UTF8.GetBytes(body), Spoken.Target()).Refusal;

    private static TranslatedRequest Ask(string client, string provider, string fields)
    {
        var question = client switch
        {
            Anthropic => "\"max_tokens\":4000,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]",
            Gemini => "\"contents\":[{\"parts\":[{\"text\":\"x\"}]}]",
            Responses => "\"input\":\"x\"",
            _ => "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]",
        };
        return Translator.Between(client, provider)!.Request(Encoding.UTF8.GetBytes($"{{{question},{fields}}}"), Spoken.Target());
    }
}
