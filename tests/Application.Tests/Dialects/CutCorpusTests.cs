using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>
/// Every recorded stream cut after a random event: what is estimated of it, with the rules of thumb alone and with what the other recorded answers of the same provider and
/// model teach. The truth about a part of a stream is its share, by text, of what the provider said of the whole: docs/reliability.md has the figures.
/// </summary>
public sealed class CutCorpusTests(ITestOutputHelper output)
{
    private sealed record Answer(Exchange Of, string Dialect, string Key, RequestPeek Peek, PassedTokens Passed, TokenUsage Usage);

    private struct Sum
    {
        public int Streams;
        public decimal True;
        public decimal ByThumb;
        public decimal Learnt;

        public void Add(decimal truth, decimal thumb, decimal learnt) => (Streams, True, ByThumb, Learnt) = (Streams + 1, True + truth, ByThumb + thumb, Learnt + learnt);

        public override readonly string ToString() => True == 0 ? $"{Streams}" : $"{Streams} streams, {True:f0} tokens; rules of thumb {(ByThumb / True) - 1:+0.0 %;-0.0 %}, learnt {(Learnt / True) - 1:+0.0 %;-0.0 %}";
    }

    [Fact]
    public void Recorded_streams_cut_at_a_random_event_are_estimated_in_sum()
    {
        var answers = Answers();
        var byKey = answers.ToLookup(a => a.Key);
        var (inputs, outputs) = (new SortedDictionary<string, Sum>(StringComparer.Ordinal), new SortedDictionary<string, Sum>(StringComparer.Ordinal));
        var random = new Random(1);
        foreach (var answer in answers.Where(a => a.Of.Stream && a.Passed.Total > 0))
        {
            var body = answer.Of.Response;
            var ends = Ends(body);
            if (ends.Count < 3)
                continue;
            var cut = ends[random.Next(ends.Count - 1)];
            var others = new Corrections();
            foreach (var other in byKey[answer.Key].Where(o => o != answer))
                others.Add("key", "", "", other.Peek, other.Passed, other.Usage);
            var (thumb, _) = Cut(answer, cut, Correction.None);
            var (learnt, passed) = Cut(answer, cut, others.Of("key", "", ""));
            if (thumb.Source == UsageSource.Reported)
                continue; // all that mattered had come

            var reasoning = answer.Usage.Count(UsageUnit.Reasoning);
            var visible = answer.Usage.OutputTokens - reasoning;
            var thought = answer.Passed.Thought > 0 ? (decimal)reasoning * passed.Thought / answer.Passed.Thought : passed.Answer > 0 ? reasoning : 0;
            var truth = thought + (answer.Passed.Answer > 0 ? (decimal)visible * passed.Answer / answer.Passed.Answer : visible * (decimal)passed.Total / answer.Passed.Total);
            var learns = byKey[answer.Key].Count() > 3 ? "learnt from 3 or more" : "learnt from fewer";
            foreach (var kind in (string[])[answer.Dialect, "all", learns])
            {
                Add(outputs, kind, truth, thumb.Usage.OutputTokens, learnt.Usage.OutputTokens);
                // What a server's tools and stored conversations add to a prompt stands in no request.
                if (thumb.Source == UsageSource.Estimated && answer.Peek.Extent is { Images: 0, OtherMedia: 0, ServerTools: ServerTools.None, Beyond: BeyondBody.None })
                    Add(inputs, kind, answer.Usage.InputTokens, thumb.Usage.InputTokens, learnt.Usage.InputTokens);
            }
        }

        foreach (var (kind, sum) in outputs)
            output.WriteLine($"output, {kind}: {sum}");
        foreach (var (kind, sum) in inputs)
            output.WriteLine($"input where it was not told, {kind}: {sum}");
        var (all, taught) = (outputs["all"], outputs["learnt from 3 or more"]);
        all.Streams.ShouldBeGreaterThan(300);
        (all.Learnt / all.True).ShouldBeInRange(0.8m, 1.2m);
        (taught.Learnt / taught.True).ShouldBeInRange(0.9m, 1.1m);
        Math.Abs(all.Learnt - all.True).ShouldBeLessThan(Math.Abs(all.ByThumb - all.True) / 2);
        Math.Abs(inputs["all"].Learnt - inputs["all"].True).ShouldBeLessThan(Math.Abs(inputs["all"].ByThumb - inputs["all"].True));
    }

    private static void Add(SortedDictionary<string, Sum> sums, string kind, decimal truth, long thumb, long learnt)
    {
        var sum = sums.GetValueOrDefault(kind);
        sum.Add(truth, thumb, learnt);
        sums[kind] = sum;
    }

    private static List<Answer> Answers()
    {
        var answers = new List<Answer>();
        foreach (var e in Corpus.All)
        {
            if (e.Norm is not { } norm || e.Billable != true || e.Status >= 400 || norm.TryGetProperty("anomalies", out _) || e.Request.Length == 0
                || Corpus.DialectOf(e) is not (("openai-chat" or "openai-responses" or "anthropic-messages" or "gemini-generate" or "cohere-chat" or "ollama") and var dialect))
                continue;
            var (of, facts, peek, response) = Corpus.Open(e);
            var reader = of.Read(facts, peek, response);
            reader.Feed(e.Response);
            var passed = reader.Passed;
            var metered = reader.Finish(whole: true);
            if (metered.Source == UsageSource.Reported)
                answers.Add(new Answer(e, dialect, $"{e.Provider} {peek.Model ?? e.Path} {dialect}", peek, passed, metered.Usage));
        }

        return answers;
    }

    private static (MeteredResponse Metered, PassedTokens Passed) Cut(Answer answer, int at, Correction correction)
    {
        var (dialect, facts, peek, response) = Corpus.Open(answer.Of);
        var reader = dialect.Read(facts, peek, response);
        reader.Correction = correction;
        reader.Feed(answer.Of.Response.AsSpan(0, at));
        var passed = reader.Passed;
        return (reader.Finish(whole: false), passed);
    }

    // Where an event ends: a blank line, or a line of JSON.
    private static List<int> Ends(byte[] body)
    {
        var lines = body.AsSpan().IndexOf("\n\n"u8) < 0 && body.AsSpan().IndexOf("\r\n\r\n"u8) < 0;
        var ends = new List<int>();
        for (var i = 1; i < body.Length; i++)
            if (body[i] == '\n' && (lines || body[i - 1] == '\n' || (body[i - 1] == '\r' && i > 1 && body[i - 2] == '\n')))
                ends.Add(i + 1);
        return ends;
    }
}
