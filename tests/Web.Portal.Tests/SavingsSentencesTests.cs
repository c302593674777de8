using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Portal.Tests;

public sealed class SavingsSentencesTests
{
    private static ClassFacts Facts(int tools, string format = "text", bool hasSystem = true) => new("route_1", KeyEnvironment.Live, new TrafficClass(1), "key_1", tools, format, hasSystem, default);

    [Fact]
    public void A_suggestion_says_whose_calls_what_is_kept_and_what_it_saves()
    {
        var s = new SavingSuggestion("route_1", "smart", 1, "openai/gpt-5", "groq/llama", new QualityTarget(0.95), "checkout-prod", Facts(3), 0.98, 0.96789, NanoUsd.Round(412.08m), NanoUsd.Round(380), NanoUsd.Round(440.6m));
        SavingsSentences.Suggestion(s).ShouldBe("Calls of key checkout-prod with 3 tools: groq/llama kept 98.0\u00a0% (at least 96.7\u00a0%) of openai/gpt-5, saves about $412 a month ($380 to $441)");
        SavingsSentences.Suggestion(s with { Facts = Facts(0, "json_schema"), KeyName = null, Saving = NanoUsd.Round(4.128m) }).ShouldStartWith("Calls of a key that is gone with no tools, answers by a JSON schema: groq/llama kept");
        SavingsSentences.Suggestion(s with { Facts = null, KeyName = null }).ShouldStartWith("Further calls of smart: groq/llama kept");
    }

    [Fact]
    public void Quality_is_never_rounded_up()
    {
        SavingsSentences.Kept(0.9499).Text.ShouldBe("94.9\u00a0%");
        SavingsSentences.Kept(0.95).Text.ShouldBe("95.0\u00a0%");
        SavingsSentences.Kept(1).Text.ShouldBe("100.0\u00a0%");
        SavingsSentences.Kept(-0.02).Text.ShouldBe("−2.0\u00a0%");
        SavingsSentences.Kept(null).Text.ShouldBe("–");
        SavingsSentences.Keep(new QualityTarget(0.975)).ShouldBe("97.5\u00a0%");
    }

    [Fact]
    public void A_class_is_said_by_what_may_be_known_of_it()
    {
        SavingsSentences.Class("checkout-prod", Facts(1, "json", hasSystem: false)).ShouldBe("checkout-prod, no system prompt, 1 tool, answers as JSON");
        SavingsSentences.Class(null, Facts(0)).ShouldBe("a key that is gone, with instructions, no tools");
        SavingsSentences.Class(null, null).ShouldBe("all further classes");
    }

    [Fact]
    public void A_call_says_what_its_group_did_with_it_for_every_reason_and_nothing_where_there_was_none()
    {
        UsageEvent Call(RouteReason? reason, long saved) => new()
        {
            RequestId = "req_1", Attempt = 1, TenantId = "ten_1", KeyId = "key_1", Provider = "openai", Dialect = "openai-chat", Operation = "POST /chat/completions", PriceVersion = "", Usage = default, UsageSource = UsageSource.None, At = default,
            Routed = reason is { } r ? new RoutedMark("route_1", new TrafficClass(1), r).ToString() : null, Saved = new NanoUsd(saved),
        };
        foreach (var reason in Enum.GetValues<RouteReason>())
            SavingsSentences.Call(Call(reason, 0)).ShouldNotBeNull().ShouldEndWith(".");
        Enum.GetValues<RouteReason>().Select(r => SavingsSentences.Call(Call(r, 0))).ShouldBeUnique();
        SavingsSentences.Call(Call(RouteReason.PromptProven, 500_000_000)).ShouldEndWith("That saved $0.5.");
        SavingsSentences.Call(Call(RouteReason.ClassProven, -1_000_000)).ShouldEndWith("That cost $0.001 more: its answer was of no use, or longer than thought.");
        SavingsSentences.Call(Call(null, 0)).ShouldBeNull();
        SavingsSentences.Call(Call(null, 0) with { Routed = "cache", Saved = new NanoUsd(5) }).ShouldBeNull(); // told by the cache
        SavingsSentences.Mark(Call(RouteReason.ClassProven, 0)).ShouldBe("routed");
        SavingsSentences.Mark(Call(RouteReason.NotActive, 0)).ShouldBeNull();
    }
}
