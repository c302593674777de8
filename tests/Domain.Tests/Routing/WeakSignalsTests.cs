using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class WeakSignalsTests
{
    private static WeakSignal? Demotes(long candidate, long of, long strong, long ofStrong, WeakSignal signal = WeakSignal.ToolError)
    {
        var signals = new WeakSignals();
        signals.AddCalls(true, of);
        signals.AddCalls(false, ofStrong);
        signals.Add(true, signal, candidate);
        signals.Add(false, signal, strong);
        return signals.Demotes();
    }

    [Fact]
    public void Only_a_clear_difference_demotes()
    {
        Demotes(60, 1000, 10, 1000).ShouldBe(WeakSignal.ToolError); // 6 % to 1 %
        Demotes(60, 1000, 58, 1000).ShouldBeNull(); // what is wrong with both is not the candidate's fault
        Demotes(14, 1000, 0, 1000).ShouldBeNull(); // 1.4 %: something is always wrong
        Demotes(40, 1000, 0, 0, WeakSignal.Refusal).ShouldBe(WeakSignal.Refusal); // against the floor where the strong model has no calls
        Demotes(4, 49, 0, 1000).ShouldBeNull(); // too few calls
        Demotes(4, 60, 0, 1000).ShouldBeNull(); // too few signals
        Demotes(12, 60, 0, 1000).ShouldBe(WeakSignal.ToolError);
    }

    [Theory]
    [InlineData("stop", 5L, null)] // OpenAI
    [InlineData("length", 5L, WeakSignal.CutShort)]
    [InlineData("content_filter", 5L, WeakSignal.Refusal)]
    [InlineData("tool_calls", 5L, null)]
    [InlineData("max_output_tokens", 5L, WeakSignal.CutShort)] // its Responses
    [InlineData("model_length", 5L, WeakSignal.CutShort)] // Mistral
    [InlineData("end_turn", 5L, null)] // Anthropic
    [InlineData("max_tokens", 5L, WeakSignal.CutShort)]
    [InlineData("model_context_window_exceeded", 5L, WeakSignal.CutShort)]
    [InlineData("refusal", 5L, WeakSignal.Refusal)]
    [InlineData("tool_use", 5L, null)]
    [InlineData("STOP", 5L, null)] // Gemini
    [InlineData("MAX_TOKENS", 5L, WeakSignal.CutShort)]
    [InlineData("SAFETY", 5L, WeakSignal.Refusal)]
    [InlineData("RECITATION", 0L, WeakSignal.Refusal)]
    [InlineData("stop", 0L, WeakSignal.Refusal)] // it said nothing
    [InlineData(null, null, null)] // nobody counted: an embedding
    public void How_an_answer_ends_may_speak_against_it(string? reason, long? output, WeakSignal? expected) => WeakSignals.OfEnd(reason, output).ShouldBe(expected);

    [Fact]
    public void A_candidate_that_fails_less_is_not_promoted_by_it() => Demotes(0, 1000, 100, 1000).ShouldBeNull();

    [Fact]
    public void Counters_of_two_nodes_add_up()
    {
        var (one, other) = (new WeakSignals(), new WeakSignals());
        one.AddCalls(true, 30);
        other.AddCalls(true, 40);
        other.Add(true, WeakSignal.ThumbsDown, 20);
        one.Add(other);
        (one.Calls(true), one.Signals(true, WeakSignal.ThumbsDown), one.Demotes()).ShouldBe((70L, 20L, WeakSignal.ThumbsDown));
    }

    [Fact]
    public void Chance_seldom_demotes_what_is_as_good()
    {
        var demoted = 0;
        for (var draw = 0; draw < 500; draw++)
        {
            var random = new Random(draw);
            demoted += Demotes(Chance.Poisson(random, 30), 1000, Chance.Poisson(random, 30), 1000) is null ? 0 : 1;
        }

        demoted.ShouldBeLessThanOrEqualTo(5); // three deviations: 1.35 in a thousand
    }
}
