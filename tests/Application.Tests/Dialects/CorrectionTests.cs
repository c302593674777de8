using System.Text;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>How the usage of an answer is estimated that ends without it, and what earlier answers teach about that.</summary>
public sealed class CorrectionTests
{
    private static ResponseReader Reader(string dialect, Correction? correction, string body, string request = """{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}""")
    {
        var facts = new RequestFacts(null, "application/json", dialect == "gemini-generate", ProviderQuirks.None, InjectUsage: false);
        var of = DialectCatalogue.Find(dialect)!;
        var peek = of.Peek(facts, Encoding.UTF8.GetBytes(request));
        var reader = of.Read(facts, peek, new ResponseFacts(200, "text/event-stream"));
        if (correction is { } known)
            reader.Correction = known;
        reader.Feed(Encoding.UTF8.GetBytes(body));
        return reader;
    }

    private static string Delta(string text) => $$$"""data: {"choices":[{"index":0,"delta":{"content":"{{{text}}}"},"finish_reason":null}]}""" + "\n\n";

    private static RequestPeek Prompt(long bytes) => new() { PromptBytes = bytes, PricingHints = "" };

    private static TokenUsage Usage(long input, long output, long reasoning = 0, long cached = 0)
    {
        var usage = new TokenUsage { [UsageUnit.Input] = input - cached, [UsageUnit.Output] = output - reasoning };
        if (reasoning > 0)
            usage[UsageUnit.Reasoning] = reasoning;
        if (cached > 0)
            usage[UsageUnit.CacheRead] = cached;
        return usage;
    }

    [Fact]
    public void Without_experience_a_token_is_four_bytes_and_a_message_four_tokens_more()
    {
        var metered = Reader("openai-chat", null, Delta("Twelve bytes")).Finish(whole: false);
        metered.Source.ShouldBe(UsageSource.Estimated);
        metered.Usage.InputTokens.ShouldBe(2 + 4 + 3); // "Hello" is 5 bytes; one message; the answer's beginning
        metered.Usage.OutputTokens.ShouldBe(3);
    }

    [Fact]
    public void A_tools_declaration_is_more_than_its_texts()
    {
        const string Tools = """{"model":"m","messages":[{"role":"user","content":"Hello"}],"tools":[{"type":"function","function":{"name":"find","parameters":{"type":"object"}}}]}""";
        // "Hello" 5, "find" 4; in the declaration the names type, function, name, parameters, type are 30 bytes and 4 for each of the five
        Reader("openai-chat", null, Delta("Four"), Tools).Finish(whole: false).Usage.InputTokens.ShouldBe(((5 + 4 + 30 + 20 + 3) / 4) + 4 + 3);
    }

    [Theory]
    [InlineData("openai-chat", """data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"find","arguments":""}}]}}]}""", 1 + 10)]
    [InlineData("openai-responses", """data: {"type":"response.output_item.added","item":{"type":"function_call","name":"find","call_id":"c"}}""", 10)]
    [InlineData("anthropic-messages", """data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"find","input":{}}}""", 30)]
    [InlineData("cohere-chat", """data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","type":"function","function":{"name":"find","arguments":""}}}}}""", 10)]
    public void A_call_of_a_tool_costs_more_than_its_arguments(string dialect, string e, long tokens) =>
        Reader(dialect, null, e + "\n\n").Finish(whole: false).Usage.OutputTokens.ShouldBe(tokens);

    [Fact]
    public void What_was_told_on_the_way_is_taken_and_only_what_came_after_is_estimated()
    {
        const string Told = """data: {"candidates":[{"content":{"parts":[{"text":"Hundred bytes of text, say"}]}}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":50,"totalTokenCount":60}}""";
        const string After = """data: {"candidates":[{"content":{"parts":[{"text":"Twelve bytes"}]}}]}""";
        var reader = Reader("gemini-generate", null, Told + "\n\n");
        reader.UsageSoFar.OutputTokens.ShouldBe(53); // and not the 7 that 26 bytes look like
        reader.Feed(Encoding.UTF8.GetBytes(After + "\n\n"));
        var metered = reader.Finish(whole: false);
        (metered.Source, metered.Usage.InputTokens, metered.Usage.OutputTokens).ShouldBe((UsageSource.Partial, 7L, 53L + 3L));
    }

    [Fact]
    public void A_figure_that_came_before_any_text_is_no_count_of_it()
    {
        const string Start = """data: {"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":2}}}""";
        const string Text = """data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Thirty-two bytes of text: thirty2"}}""";
        var reader = Reader("anthropic-messages", null, Start + "\n\n");
        reader.UsageSoFar.OutputTokens.ShouldBe(2);
        reader.Feed(Encoding.UTF8.GetBytes(Text + "\n\n"));
        reader.UsageSoFar.OutputTokens.ShouldBe(11); // 33 bytes of 3.2
    }

    [Fact]
    public void Answers_whose_usage_was_reported_teach_how_to_estimate_those_whose_was_not()
    {
        var corrections = new Corrections();
        corrections.Of("key", "openai", "m").ShouldBe(Correction.None);
        for (var i = 0; i < 98; i++) // a script of which a token is one byte; half the prompt is read from the cache
            corrections.Add("key", "openai", "m", Prompt(400), new PassedTokens(100, 0), Usage(input: 400, output: 400, cached: 200));
        var learnt = corrections.Of("key", "openai", "m");
        // The rule of thumb counts as much as two answers: (98 × 400 + 2 × 100) / (100 × 100)
        learnt.ShouldBe(new Correction(3.94m, 0.5m, 3.94m, 1, 0));
        var usage = Reader("openai-chat", learnt, Delta(new string('x', 400))).Finish(whole: false).Usage;
        usage.OutputTokens.ShouldBe(394);
        (usage.InputTokens, usage.CacheReadTokens).ShouldBe((35L, 18L)); // 9 × 3.94, and half of it
        corrections.Of("other", "openai", "m").ShouldBe(Correction.None);
        corrections.Of("key", "azure-openai", "m").ShouldBe(Correction.None);
    }

    [Theory]
    [InlineData("""{"model":"m","input":"Hello","tools":[{"type":"web_search"}]}""", false)]
    [InlineData("""{"model":"m","input":"Hello","previous_response_id":"resp_1"}""", false)]
    [InlineData("""{"model":"m","input":"Hello","tools":[{"type":"function","name":"find","parameters":{"type":"object"}}]}""", true)]
    public void A_prompt_of_which_the_request_shows_a_part_teaches_nothing_of_input(string request, bool teaches)
    {
        var peek = DialectCatalogue.Find("openai-responses")!.Peek(new RequestFacts(null, "application/json", false, ProviderQuirks.None, InjectUsage: false), Encoding.UTF8.GetBytes(request));
        var corrections = new Corrections();
        for (var i = 0; i < 20; i++)
            corrections.Add("key", "openai", "m", peek, new PassedTokens(10, 0), Usage(input: 9000, output: 10));
        var learnt = corrections.Of("key", "openai", "m");
        learnt.InputRatio.ShouldBe(teaches ? 8 : 1);
        learnt.AnswerRatio.ShouldBe(1);
    }

    [Fact]
    public void Thinking_out_of_sight_is_added_as_it_was_of_late_and_half_of_it_before_the_answer_begins()
    {
        var corrections = new Corrections();
        for (var i = 0; i < 10; i++)
            corrections.Add("key", "openai", "m", Prompt(40), new PassedTokens(10, 0), Usage(10, output: 310, reasoning: 300));
        var learnt = corrections.Of("key", "openai", "m");
        (learnt.AnswerRatio, learnt.Hidden).ShouldBe((1, 300));
        Reader("openai-chat", learnt, ": waiting\n\n").Finish(whole: false).Usage.OutputTokens.ShouldBe(150);
        Reader("openai-chat", learnt, Delta("Four")).Finish(whole: false).Usage.OutputTokens.ShouldBe(301);
    }

    [Fact]
    public void Thinking_that_is_shown_in_part_is_scaled_and_no_longer_taken_for_hidden()
    {
        var corrections = new Corrections();
        for (var i = 0; i < 18; i++)
            corrections.Add("key", "deepseek", "m", Prompt(40), new PassedTokens(10, 20), Usage(10, output: 110, reasoning: 100));
        var learnt = corrections.Of("key", "deepseek", "m");
        (learnt.AnswerRatio, learnt.ThoughtRatio, learnt.Hidden).ShouldBe((1, 4.6m, 0)); // (18 × 100 + 2 × 20) / (20 × 20)
        const string Thought = """data: {"choices":[{"index":0,"delta":{"reasoning_content":"Forty bytes of thinking, more or less so"}}]}""";
        Reader("openai-chat", learnt, Thought + "\n\n").Finish(whole: false).Usage.OutputTokens.ShouldBe(46); // 10 × 4.6
    }

    [Fact]
    public void What_no_answer_can_have_taught_is_kept_within_bounds()
    {
        var corrections = new Corrections();
        for (var i = 0; i < 2000; i++)
            corrections.Add("key", "own", "m", Prompt(4), new PassedTokens(1, 0), Usage(input: 1_000_000_000, output: 1_000_000_000));
        var learnt = corrections.Of("key", "own", "m");
        (learnt.InputRatio, learnt.AnswerRatio).ShouldBe((8, 8));
        for (var i = 0; i < 10_000; i++) // what was long ago is forgotten
            corrections.Add("key", "own", "m", Prompt(400), new PassedTokens(100, 0), Usage(input: 100, output: 100));
        corrections.Of("key", "own", "m").AnswerRatio.ShouldBeInRange(1, 1.01m);
    }

    [Fact]
    public void To_ask_how_far_it_is_changes_nothing()
    {
        var (asked, unasked) = (Reader("openai-chat", null, ""), Reader("openai-chat", null, ""));
        for (var i = 0; i < 5; i++)
        {
            asked.Feed(Encoding.UTF8.GetBytes(Delta($"Part {i} of it")));
            unasked.Feed(Encoding.UTF8.GetBytes(Delta($"Part {i} of it")));
            asked.UsageSoFar.OutputTokens.ShouldBe(((12 * (i + 1)) + 3) / 4); // "Part 0 of it" is 12 bytes
        }

        Corpus.Tell(asked.Finish(whole: false)).ShouldBe(Corpus.Tell(unasked.Finish(whole: false)));
    }
}
