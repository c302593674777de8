using System.Text;
using System.Text.Json.Nodes;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Tests.Dialects;

namespace Tokonomics.Application.Tests.Budgets;

public sealed class BoundsClampTests(ITestOutputHelper output)
{
    private static string Clamp(string dialect, string provider, string body, long limit)
    {
        var peek = Wire.Peek(dialect, body);
        peek.Problem.ShouldBeNull();
        return Encoding.UTF8.GetString(Apply(Encoding.UTF8.GetBytes(body), BoundsClamp.Splices(DialectCatalogue.Find(dialect)!, provider, peek, limit)));
    }

    private static byte[] Apply(byte[] body, IReadOnlyList<Splice> splices)
    {
        var at = 0;
        var made = new List<byte>();
        foreach (var splice in splices)
        {
            splice.Offset.ShouldBeGreaterThanOrEqualTo(at); // in order, not overlapping
            made.AddRange(body[at..splice.Offset]);
            made.AddRange(splice.Replacement.ToArray());
            at = splice.Offset + splice.Length;
        }

        made.AddRange(body[at..]);
        return [.. made];
    }

    [Theory]
    [InlineData("openai-chat", "openai", """{ "max_tokens" : 5000 , "n":1}""", """{ "max_tokens" : 100 , "n":1}""")]
    [InlineData("openai-chat", "openai", """{"model":"m","messages":[]}""", """{"max_completion_tokens":100,"model":"m","messages":[]}""")]
    [InlineData("openai-chat", "azure-openai", """{"messages":[]}""", """{"max_completion_tokens":100,"messages":[]}""")]
    [InlineData("openai-chat", "groq", """{"model":"m","messages":[]}""", """{"max_tokens":100,"model":"m","messages":[]}""")]
    [InlineData("openai-chat", "openai", """{"max_tokens":900,"max_completion_tokens":800}""", """{"max_tokens":100,"max_completion_tokens":100}""")]
    [InlineData("openai-chat", "openai", """{"max_completion_tokens":null,"n":2}""", """{"max_completion_tokens":100,"n":2}""")]
    [InlineData("openai-chat", "openai", "{}", """{"max_completion_tokens":100}""")]
    [InlineData("openai-chat", "openai", " \n{ }", " \n{\"max_completion_tokens\":100 }")]
    [InlineData("openai-completions", "openai", """{"prompt":"x"}""", """{"max_tokens":100,"prompt":"x"}""")]
    [InlineData("openai-responses", "openai", """{"input":"x","max_output_tokens":1e3}""", """{"input":"x","max_output_tokens":100}""")]
    [InlineData("openai-responses", "openai", """{"input":"x"}""", """{"max_output_tokens":100,"input":"x"}""")]
    [InlineData("anthropic-messages", "anthropic", """{"max_tokens":4096,"messages":[]}""", """{"max_tokens":100,"messages":[]}""")]
    [InlineData("anthropic-complete", "anthropic", """{"prompt":"x","max_tokens_to_sample":500}""", """{"prompt":"x","max_tokens_to_sample":100}""")]
    [InlineData("gemini-generate", "gemini", """{"contents":[]}""", """{"generationConfig":{"maxOutputTokens":100},"contents":[]}""")]
    [InlineData("gemini-generate", "gemini", """{"contents":[],"generationConfig":{"temperature":0}}""", """{"contents":[],"generationConfig":{"maxOutputTokens":100,"temperature":0}}""")]
    [InlineData("gemini-generate", "gemini", """{"contents":[],"generation_config":{}}""", """{"contents":[],"generation_config":{"maxOutputTokens":100}}""")]
    [InlineData("gemini-generate", "gemini", """{"generationConfig":null}""", """{"generationConfig":{"maxOutputTokens":100}}""")]
    [InlineData("gemini-generate", "gemini", """{"generationConfig":{"maxOutputTokens":9999}}""", """{"generationConfig":{"maxOutputTokens":100}}""")]
    [InlineData("gemini-interactions", "gemini", """{"model":"m","input":"x"}""", """{"generation_config":{"max_output_tokens":100},"model":"m","input":"x"}""")]
    [InlineData("cohere-chat", "cohere", """{"messages":[]}""", """{"max_tokens":100,"messages":[]}""")]
    [InlineData("ollama", "ollama", """{"model":"m","options":{"num_predict":-1}}""", """{"model":"m","options":{"num_predict":100}}""")]
    [InlineData("ollama", "ollama", """{"model":"m"}""", """{"options":{"num_predict":100},"model":"m"}""")]
    [InlineData("openai-embeddings", "openai", """{"input":"x"}""", """{"input":"x"}""")]
    public void The_limit_is_replaced_or_put_in(string dialect, string provider, string body, string expected) =>
        Clamp(dialect, provider, body, 100).ShouldBe(expected);

    [Fact]
    public void A_thinking_budget_stays_below_the_limit()
    {
        Clamp("anthropic-messages", "anthropic", """{"thinking":{"type":"enabled","budget_tokens":8000},"max_tokens":9000}""", 2000)
            .ShouldBe("""{"thinking":{"type":"enabled","budget_tokens":1999},"max_tokens":2000}""");
        Clamp("anthropic-messages", "anthropic", """{"max_tokens":9000,"thinking":{"budget_tokens":1500}}""", 2000)
            .ShouldBe("""{"max_tokens":2000,"thinking":{"budget_tokens":1500}}""");
        Bounds.LeastLimit("anthropic-messages", Wire.Peek("anthropic-messages", """{"thinking":{"budget_tokens":1500}}""")).ShouldBe(1025);
        Bounds.LeastLimit("anthropic-messages", Wire.Peek("anthropic-messages", "{}")).ShouldBe(64);
    }

    [Fact]
    public void A_byte_order_mark_moves_nothing()
    {
        var body = "\uFEFF{\"max_tokens\":5}";
        Clamp("openai-chat", "groq", body, 3).ShouldBe("\uFEFF{\"max_tokens\":3}");
    }

    [Fact]
    public void Of_every_recorded_request_only_the_limit_changes()
    {
        var tried = 0;
        foreach (var e in Corpus.All)
        {
            if (Corpus.DialectOf(e) is not { } name || DialectCatalogue.Find(name)!.OutputLimit(e.Provider) is not { } field || e.Request.Length == 0)
                continue;
            var (dialect, _, peek, _) = Corpus.Open(e);
            if (peek.Problem is not null || peek.Extent is not { Brace: >= 0 })
                continue;
            tried++;
            var limit = 2048 + (tried % 7);
            var made = Apply(e.Request, BoundsClamp.Splices(dialect, e.Provider, peek, limit));

            // Read again, by our own reader and by an independent one: the limit stands, and without it both bodies are the same.
            dialect.Peek(Corpus.FactsOf(e), made).MaxOutputTokens.ShouldBe(limit, e.Id);
            var before = JsonNode.Parse(e.Request)!.AsObject();
            var after = JsonNode.Parse(made)!.AsObject();
            Strip(before, field);
            Strip(after, field);
            JsonNode.DeepEquals(before, after).ShouldBeTrue(e.Id);
        }

        output.WriteLine($"{tried} requests");
        tried.ShouldBeGreaterThan(1000);
    }

    private static void Strip(JsonObject body, LimitField field)
    {
        string[] names = ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "max_tokens_to_sample", "num_predict"];
        foreach (var name in names)
            body.Remove(name);
        (body["thinking"] as JsonObject)?.Remove("budget_tokens");
        foreach (var holder in (string[])["generationConfig", "generation_config", "options"])
        {
            if (field.Holder is not null && body[holder] is null)
                body.Remove(holder); // null, or absent
            if (field.Holder is null || body[holder] is not JsonObject inside)
                continue;
            foreach (var name in names)
                inside.Remove(name);
            if (inside.Count == 0)
                body.Remove(holder);
        }
    }
}
