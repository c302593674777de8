using System.Text;
using Tokonomics.Application.Caching;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Tests.Caching;

public sealed class RepeatableRequestTests
{
    [Theory]
    [InlineData("openai-chat", """{"model":"m","messages":[{"role":"user","content":"x"}]}""", true)]
    [InlineData("openai-chat", """{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f"}}]}""", true)]
    [InlineData("openai-chat", """{"model":"m","messages":[],"store":false}""", true)]
    [InlineData("openai-chat", """{"model":"m","messages":[],"store":true}""", false)]
    [InlineData("openai-chat", """{"model":"m","messages":[],"store":false,"store":true}""", false)]
    [InlineData("openai-chat", """{"model":"m","messages":[],"web_search_options":{}}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"x"}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"x","store":null}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"store","store":false}""", true)]
    [InlineData("openai-responses", """{"model":"m","input":[{"store":false}]}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"x","store":false,"previous_response_id":"resp_1"}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"x","store":false,"conversation":"conv_1"}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"x","store":false,"background":true}""", false)]
    [InlineData("openai-responses", """{"prompt":{"id":"pmpt_1"},"store":false}""", false)]
    [InlineData("openai-responses", """{"model":"m","input":"x","store":false,"tools":[{"type":"web_search"}]}""", false)]
    [InlineData("anthropic-messages", """{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}""", true)]
    [InlineData("anthropic-messages", """{"model":"m","max_tokens":9,"messages":[],"tools":[{"type":"code_execution_20250825","name":"code_execution"}]}""", false)]
    [InlineData("anthropic-messages", """{"model":"m","max_tokens":9,"messages":[],"mcp_servers":[{"type":"url","url":"https://x.example","name":"x"}]}""", false)]
    [InlineData("gemini-generate", """{"contents":[{"parts":[{"text":"x"}]}]}""", true)]
    [InlineData("gemini-generate", """{"contents":[],"cachedContent":"cachedContents/1"}""", false)]
    [InlineData("gemini-generate", """{"contents":[],"tools":[{"google_search":{}}]}""", false)]
    [InlineData("openai-embeddings", """{"model":"m","input":"x"}""", true)]
    [InlineData("openai-images", """{"model":"m","prompt":"x"}""", false)]
    [InlineData("openai-assistants", """{"assistant_id":"asst_1"}""", false)]
    [InlineData("gemini-interactions", """{"model":"m","input":"x"}""", false)]
    public void A_request_is_repeatable_where_it_says_all_that_is_asked_and_leaves_nothing_behind(string dialect, string body, bool repeatable)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        var peek = DialectCatalogue.Find(dialect)!.Peek(new RequestFacts(null, "application/json", false, ProviderQuirks.None, false), bytes);
        RepeatableRequest.Is(dialect, peek, bytes).ShouldBe(repeatable);
    }
}
