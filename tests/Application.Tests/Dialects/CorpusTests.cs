using System.Globalization;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Tests.Dialects;

/// <summary>Every recorded exchange through its dialect, compared with the corpus's own reading of it.</summary>
public sealed class CorpusTests(ITestOutputHelper output)
{
    private static long Norm(Exchange e, string name) =>
        e.Norm is { } n && n.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : 0;

    [Fact]
    public void Usage_agrees_with_the_recorded_exchanges()
    {
        var tally = new SortedDictionary<string, (int Ok, int Bad)>(StringComparer.Ordinal);
        foreach (var e in Corpus.All)
        {
            if (e.Norm is not { } norm || e.Billable != true || e.Status >= 400 || norm.TryGetProperty("anomalies", out _) || Corpus.DialectOf(e) is null)
                continue;
            var m = Corpus.Meter(e);
            var u = m.Usage;
            var got = (u.InputTokens, u.CacheReadTokens, u.CacheWriteTokens, u.OutputTokens);
            var want = (Norm(e, "input_tokens_total"), Norm(e, "cache_read"), Norm(e, "cache_write"), Norm(e, "output_tokens"));
            var ok = got == want && m.Source == UsageSource.Reported && !m.NotBillable;
            var (good, bad) = tally.GetValueOrDefault(e.Provider);
            tally[e.Provider] = ok ? (good + 1, bad) : (good, bad + 1);
            if (!ok)
                output.WriteLine($"{e.Id} {Corpus.DialectOf(e)}{(e.Stream ? " stream" : "")}: {got} want {want}; {Corpus.Tell(m)}");
        }

        foreach (var (provider, (ok, bad)) in tally)
            output.WriteLine($"{provider}: {ok} of {ok + bad}");
        var (all, missed) = (tally.Values.Sum(t => t.Ok + t.Bad), tally.Values.Sum(t => t.Bad));
        output.WriteLine($"all: {all - missed} of {all}");
        all.ShouldBeGreaterThan(500);
        (missed * 1000).ShouldBeLessThanOrEqualTo(all * 5); // 99.5 %
    }

    [Fact]
    public void The_parts_of_the_usage_agree_too()
    {
        var tally = new SortedDictionary<string, (int Ok, int Bad)>(StringComparer.Ordinal);
        foreach (var e in Corpus.All)
        {
            if (e.Norm is not { } norm || e.Billable != true || e.Status >= 400 || norm.TryGetProperty("anomalies", out _) || Corpus.DialectOf(e) is null)
                continue;
            var m = Corpus.Meter(e);
            var u = m.Usage;
            Part("reasoning_tokens", u.Count(UsageUnit.Reasoning));
            Part("cache_write_1h", u.Count(UsageUnit.CacheWrite1h));
            Part("audio_in", u.Count(UsageUnit.InputAudio) + u.Count(UsageUnit.CacheReadAudio));
            Part("image_in", u.Count(UsageUnit.InputImage) + u.Count(UsageUnit.CacheReadImage));
            Part("audio_out", u.Count(UsageUnit.OutputAudio));
            Part("image_out", u.Count(UsageUnit.OutputImage));
            Part("web_search_requests", u.Count(UsageUnit.WebSearch));
            Part("grounded_prompts", u.Count(UsageUnit.GroundedPrompt));
            Part("search_units", u.Count(UsageUnit.SearchUnit));
            Part("code_interpreter_calls", u.Count(UsageUnit.CodeExecution));
            if (norm.TryGetProperty("provider_reported_cost_usd", out var cost))
            {
                var usd = decimal.Parse(cost.GetString()!, NumberStyles.Float, CultureInfo.InvariantCulture);
                Same("provider_reported_cost_usd", m.ProviderCost?.Usd == decimal.Round(usd, 9, MidpointRounding.ToEven), $"{m.ProviderCost} want {usd}");
            }

            if (e.ModelReturned is not null)
                Same("model_returned", m.Model == e.ModelReturned, $"{m.Model} want {e.ModelReturned}");

            void Part(string name, long got)
            {
                if (Norm(e, name) != 0 || got != 0)
                    Same(name, got == Norm(e, name), $"{got} want {Norm(e, name)}");
            }

            void Same(string name, bool ok, string why)
            {
                var (good, bad) = tally.GetValueOrDefault(name);
                tally[name] = ok ? (good + 1, bad) : (good, bad + 1);
                if (!ok)
                    output.WriteLine($"{name}: {e.Id} {Corpus.DialectOf(e)}: {why}; {u}");
            }
        }

        foreach (var (name, (ok, bad)) in tally)
            output.WriteLine($"{name}: {ok} of {ok + bad}");
        (tally.Values.Sum(t => t.Bad) * 100).ShouldBeLessThanOrEqualTo(tally.Values.Sum(t => t.Ok + t.Bad) * 2); // 98 %
    }

    [Fact]
    public void What_is_not_billable_has_no_billable_usage()
    {
        foreach (var e in Corpus.All.Where(e => e.Billable == false && Corpus.DialectOf(e) is not null))
        {
            var m = Corpus.Meter(e);
            if (!m.NotBillable)
                m.Source.ShouldBe(UsageSource.None, $"{e.Id} {e.Method} {e.Path} {e.Status}: {Corpus.Tell(m)}");
        }
    }

    [Fact]
    public void No_request_that_a_provider_accepted_is_refused()
    {
        // A recorder may lose a request's body, and a provider would have refused an empty one.
        foreach (var e in Corpus.All.Where(e => Corpus.DialectOf(e) is not null && e.Request.Length > 0))
        {
            var problem = Corpus.Open(e).Peek.Problem;
            if (problem is not null)
                output.WriteLine($"{e.Status} {e.Id} {e.Path}: {problem}");
            if (e.Status < 400)
                problem.ShouldBeNull($"{e.Id} {e.Path} {e.RequestType}");
        }
    }

    [Fact]
    public void Whatever_was_answered_without_usage_is_estimated_or_none()
    {
        foreach (var e in Corpus.All.Where(e => e.Billable is null && Corpus.DialectOf(e) is not null))
        {
            var m = Corpus.Meter(e);
            output.WriteLine($"{e.Id} {Corpus.DialectOf(e)}{(e.Stream ? " stream" : "")}: {Corpus.Tell(m)}");
            m.ProviderCost.ShouldBeNull();
        }
    }
}
