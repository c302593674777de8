using System.Text.RegularExpressions;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Tests.Dialects;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Application.Tests.Budgets;

/// <summary>
/// The central promise over every recorded call that was billed: the bound, computed from the request alone, is never below what the call
/// then cost.
/// </summary>
public sealed partial class BoundsCorpusTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset At = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    private static readonly Lazy<PriceBook> Book = new(() => PriceSheetReader.ReadAll().ToBook());

    private sealed record Case(Exchange Exchange, string Dialect, string Model, RequestPeek Peek, UpperBound Bound, NanoUsd Cost, MeteredResponse Metered);

    private static string ProviderOf(Exchange e) => e.Provider switch
    {
        "azure" => e.Api == "messages" ? "anthropic" : "azure-openai",
        "vertex" => e.Api == "messages" ? "anthropic" : "gemini",
        var name => name,
    };

    [GeneratedRegex(@"/(?:models|deployments)/([^/:]+)")]
    private static partial Regex PathModel();

    private static List<Case> Cases()
    {
        var cases = new List<Case>();
        foreach (var e in Corpus.All)
        {
            // A recorder that lost the request leaves nothing to be bounded.
            if (e.Billable != true || e.Status >= 400 || e.Request.Length == 0 || Corpus.DialectOf(e) is not { } dialect || dialect == "free")
                continue;
            var (_, _, peek, _) = Corpus.Open(e);
            if ((peek.Model ?? (PathModel().Match(e.Path) is { Success: true } path ? path.Groups[1].Value : null)) is not { } model)
                continue;
            var provider = ProviderOf(e);
            var metered = Corpus.Meter(e);
            var prices = Book.Value.FindModel(provider, model);
            var card = (metered.Model is { } answered ? Book.Value.Find(provider, answered, At) : null) ?? prices?.At(At);
            if (prices is null || metered.Usage.IsEmpty || Rating.Rate(card, metered.Usage, metered.PricingHints).Cost is not { } cost)
                continue;
            foreach (var other in metered.OtherModels ?? [])
                cost += Rating.Rate(Book.Value.Find(provider, other.Model, At), other.Usage, metered.PricingHints).Cost ?? NanoUsd.Zero;
            cases.Add(new Case(e, dialect, model, peek, UpperBound.Of(prices, At, Bounds.Of(dialect, provider, model, peek)), cost, metered));
        }

        return cases;
    }

    [Fact]
    public void No_recorded_call_cost_more_than_the_bound_of_its_request()
    {
        var cases = Cases();
        var violations = 0;
        foreach (var c in cases)
        {
            if (c.Bound.Most is not { } most || c.Cost <= most)
                continue;
            violations++;
            output.WriteLine($"VIOLATION {c.Exchange.Id} {c.Dialect} {c.Exchange.Provider} {c.Model} -> {c.Metered.Model}: cost {c.Cost} > bound {most}; {c.Metered.Usage} {c.Metered.PricingHints}; bound in {c.Bound.InputTokens} out {c.Bound.OutputTokens}");
        }

        // Stronger: the tokens are bounded one by one, and by the body's bytes alone not always, so that the comparison can fail.
        var tokens = cases.Where(c => c.Bound.Most is { Value: > 0 }).ToList();
        foreach (var c in tokens.Where(c => c.Bound.InputTokens < c.Metered.Usage.InputTokens || (c.Bound.OutputTokens > 0 && c.Bound.OutputTokens < c.Metered.Usage.OutputTokens)))
        {
            violations++;
            output.WriteLine($"TOO FEW TOKENS {c.Exchange.Id} {c.Dialect} {c.Model}: {c.Metered.Usage} against {c.Bound.InputTokens} and {c.Bound.OutputTokens}");
        }

        tokens.Count(c => c.Exchange.Request.Length < c.Metered.Usage.InputTokens).ShouldBeGreaterThan(20);
        tokens.Count(c => c.Peek.MaxOutputTokens < c.Metered.Usage.OutputTokens).ShouldBeGreaterThan(2);
        var stated = cases.Where(c => c.Bound.Most is { Value: > 0 } && c.Metered.ProviderCost is not null).ToList();
        var dearer = stated.Where(c => c.Metered.ProviderCost!.Value > c.Bound.Most!.Value).ToList();
        output.WriteLine($"costs that the provider states itself: {stated.Count}, above the bound: {dearer.Count} {string.Join(", ", dearer.Select(c => $"{c.Exchange.Id} {c.Model} {c.Metered.ProviderCost} > {c.Bound.Most}"))}");

        foreach (var group in cases.GroupBy(c => c.Dialect).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var bounded = group.Where(c => c.Bound.Most is not null && c.Cost.Value > 0).Select(c => (decimal)c.Bound.Most!.Value.Value / c.Cost.Value).Order().ToList();
            var limited = group.Where(c => c.Bound.Most is not null && c.Cost.Value > 0 && c.Peek.MaxOutputTokens > 0).Select(c => (decimal)c.Bound.Most!.Value.Value / c.Cost.Value).Order().ToList();
            output.WriteLine($"{group.Key}: {group.Count()} calls, {group.Count(c => c.Bound.Most is null)} unbounded, median ratio {Median(bounded):0.#}, of those with a limit in the request {Median(limited):0.#} ({limited.Count})");
        }

        foreach (var group in cases.Where(c => c.Bound.Most is null).GroupBy(c => c.Bound.Why).OrderByDescending(g => g.Count()))
            output.WriteLine($"unbounded {group.Key}: {group.Count()} of {cases.Count} = {100m * group.Count() / cases.Count:0.#} %: {string.Join(", ", group.GroupBy(c => $"{c.Dialect} {c.Exchange.Provider} {c.Model}").OrderByDescending(g => g.Count()).Take(12).Select(g => $"{g.Key} x{g.Count()}"))}");
        output.WriteLine($"all: {cases.Count} calls, {violations} violations");
        cases.Count.ShouldBeGreaterThan(1000);
        violations.ShouldBe(0);
    }

    [Fact]
    public void What_has_passed_of_a_recorded_stream_is_never_counted_too_low()
    {
        var (tried, loose) = (0, new List<decimal>());
        var low = 0;
        foreach (var e in Corpus.All)
        {
            if (e.Billable != true || e.Status != 200 || Corpus.DialectOf(e) is not ("openai-chat" or "openai-responses" or "anthropic-messages" or "cohere-chat") || e.ResponseType?.Contains("event-stream", StringComparison.Ordinal) != true)
                continue;
            // Without the provider's own figures; reasoning that is not shown can't be seen in passing.
            var text = System.Text.Encoding.Latin1.GetString(e.Response);
            var unsaid = System.Text.Encoding.Latin1.GetBytes(text.Replace("\"usage\"", "\"usagX\"", StringComparison.Ordinal));
            var whole = Corpus.Meter(e);
            var visible = whole.Usage.OutputTokens - whole.Usage.Count(Domain.Metering.UsageUnit.Reasoning);
            if (whole.Usage.Count(Domain.Metering.UsageUnit.OutputAudio) > 0 || text.Contains("thinking", StringComparison.Ordinal) || text.Contains("server_tool_use\"", StringComparison.Ordinal))
                continue;
            var (dialect, facts, peek, response) = Corpus.Open(e);
            var reader = dialect.Read(facts, peek, response);
            reader.Feed(unsaid);
            tried++;
            if (reader.OutputTokensAtMost < visible)
            {
                low++;
                output.WriteLine($"{e.Id} {dialect.Name} {whole.Model}: {reader.OutputTokensAtMost} < {visible}; {whole.Usage}");
            }

            if (visible > 200)
                loose.Add((decimal)reader.OutputTokensAtMost / visible);
        }

        loose.Sort();
        output.WriteLine($"{tried} streams, {low} too low; median ratio of those above 200 tokens {Median(loose):0.#}");
        tried.ShouldBeGreaterThan(300);
        low.ShouldBe(0);
    }

    private static decimal Median(List<decimal> sorted) => sorted.Count == 0 ? 0 : sorted[sorted.Count / 2];
}
