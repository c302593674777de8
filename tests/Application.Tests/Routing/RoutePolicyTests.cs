using System.Text.Json;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

/// <summary>Routes as JSON.</summary>
public sealed class RoutePolicyTests
{
    private static RouteReading Read(string json)
    {
        var (form, problem) = RoutePolicy.Read(JsonDocument.Parse(json).RootElement);
        return form is null ? new RouteReading(null, problem) : RoutePolicy.Of("route_1", form);
    }

    private const string Full = """
        {"name":"smart","rules":[
          {"when":{"tags":{"Customer":"acme","feature":"*"},"keys":["key_1"],"prompt_tokens_at_least":1000,"prompt_tokens_at_most":5000,"tools":true,"streaming":false,"hours":{"days":["mon","sun"],"from":"22:00","to":"06:30"},"budget_used_above_percent":80},
           "targets":[{"model":"openai/gpt-5-mini","weight":3},{"model":"claude-haiku-4-5"}],"choose":"weighted","retries":2,"fall_back_on":["rate_limited","timeout"],"first_byte_timeout_ms":5000,"sticky":false,"cache_seconds":90},
          {"targets":[{"model":"openai/gpt-5"}]}]}
        """;

    [Fact]
    public void Every_field_is_read()
    {
        var route = Read(Full).Route!;
        (route.Id, route.Name, route.Rules.Count).ShouldBe(("route_1", "smart", 2));
        var (rule, when) = (route.Rules[0], route.Rules[0].When);
        when.Tags.ShouldBe([new Tag("customer", "acme"), new Tag("feature", RouteConditions.AnyValue)]);
        when.Keys.ShouldBe(["key_1"]);
        (when.PromptTokensAtLeast, when.PromptTokensAtMost, when.Tools, when.Streaming, when.BudgetUsedAbove).ShouldBe((1000L, 5000L, (bool?)true, (bool?)false, (int?)80));
        when.Hours!.Days.ShouldBe([DayOfWeek.Monday, DayOfWeek.Sunday]);
        (when.Hours.From, when.Hours.To).ShouldBe((new TimeOnly(22, 0), new TimeOnly(6, 30)));
        rule.Targets.ShouldBe([new RouteTarget("openai/gpt-5-mini", 3), new RouteTarget("claude-haiku-4-5")]);
        (rule.Choose, rule.Retries, rule.FallBackOn, rule.FirstByteTimeout, rule.Sticky).ShouldBe((TargetChoice.Weighted, 2, RouteFaults.RateLimited | RouteFaults.Timeout, (TimeSpan?)TimeSpan.FromSeconds(5), false));
        rule.CacheFor.ShouldBe(TimeSpan.FromSeconds(90));
    }

    [Fact]
    public void What_is_left_out_takes_its_default()
    {
        var rule = Read(Full).Route!.Rules[1];
        rule.When.AreEmpty.ShouldBeTrue();
        (rule.Choose, rule.Retries, rule.FallBackOn, rule.FirstByteTimeout, rule.Sticky).ShouldBe((TargetChoice.Ordered, 1, RouteFaults.All, (TimeSpan?)null, true));
        rule.Targets[0].Weight.ShouldBe(1);
        rule.CacheFor.ShouldBeNull();
        Read("""{"name":"smart","rules":[{"targets":[{"model":"openai/gpt-5"}],"cache_seconds":0}]}""").Route!.Rules[0].CacheFor.ShouldBe(TimeSpan.Zero);
        foreach (var seconds in (int[])[-1, 604801])
            Read($$"""{"name":"smart","rules":[{"targets":[{"model":"openai/gpt-5"}],"cache_seconds":{{seconds}}}]}""").Problem.ShouldBe("Rule 1: Answers are kept 1 to 604800 seconds (7 days), or not at all.");
        Read("""{"name":"smart","rules":[{"targets":[{"model":"openai/gpt-5"}],"fall_back_on":[]}]}""").Route!.Rules[0].FallBackOn.ShouldBe(RouteFaults.None);
    }

    [Fact]
    public void What_is_written_is_read_again_as_it_was()
    {
        var route = Read(Full).Route!;
        var text = RoutePolicy.Write(route);
        var again = RoutePolicy.Read("route_1", "smart", text);
        again.Problem.ShouldBeNull();
        RoutePolicy.Write(again.Route!).ShouldBe(text);
        text.ShouldStartWith("""{"rules":[{"targets":[{"model":"openai/gpt-5-mini","weight":3},{"model":"claude-haiku-4-5","weight":1}],"when":{"tags":{"customer":"acme","feature":"*"},"keys":["key_1"],"prompt_tokens_at_least":1000,""");
        text.ShouldNotContain("null");
    }

    [Theory]
    [InlineData("""[]""", "A route is an object")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}]}],"id":"x"}""", "A route has no field 'id', but name, rules.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}]},{"targets":[{"model":"a/b"}],"mirror":1}]}""", "Rule 2: a rule has no field 'mirror', but targets, when, choose,")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b","share":1}]}]}""", "Rule 1: a target has no field 'share', but model, weight.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"tag":{}}}]}""", "Rule 1: when has no field 'tag', but tags, keys, prompt_tokens_at_least,")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"hours":{"days":[],"from":"","to":"","zone":"UTC"}}}]}""", "Rule 1: hours has no field 'zone', but days, from, to.")]
    [InlineData("""{"rules":[{"targets":[{"model":"a/b"}]}]}""", "name is missing: a text")]
    [InlineData("""{"name":"smart"}""", "rules is missing: a list of 1 to 20 rules.")]
    [InlineData("""{"name":null,"rules":[]}""", "name is a text")]
    [InlineData("""{"name":"smart","rules":[null]}""", "Rule 1: null is no rule.")]
    [InlineData("""{"name":"smart","rules":[{}]}""", "Rule 1: targets is missing: a list of targets")]
    [InlineData("""{"name":"smart","rules":[{"targets":[null]}]}""", "Rule 1: targets is a list of targets")]
    [InlineData("""{"name":"smart","rules":[{"targets":["a/b"]}]}""", "Rule 1: targets is a list of targets")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}]},{"targets":[{"model":"a/b","weight":"3"}]}]}""", "Rule 2: weight is a whole number, 1 to 1000.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"choose":"dearest"}]}""", "Rule 1: choose is \"ordered\", \"weighted\", \"cheapest\" or \"fastest\".")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"choose":1}]}""", "Rule 1: choose is")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"retries":1.5}]}""", "Rule 1: retries is a whole number, 0 to 5.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"retries":6}]}""", "Rule 1: Retries are 0 to 5; this says 6.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"retries":1,"retries":2}]}""", "Rule 1: retries is said twice.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"fall_back_on":["bad_luck"]}]}""", "Rule 1: 'bad_luck' is nothing to fall back on")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"fall_back_on":[null]}]}""", "Rule 1: '' is nothing to fall back on")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"first_byte_timeout_ms":99}]}""", "Rule 1: The time until an answer begins is 100 ms to 10 minutes.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"first_byte_timeout_ms":99999999999}]}""", "Rule 1: first_byte_timeout_ms is milliseconds")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"tags":{"no tag":"x"}}}]}""", "Rule 1: Tag 'no tag'")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"tags":{"customer":""}}}]}""", "Rule 1: Tag 'customer': a value is")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"tags":{"customer":null}}}]}""", "Rule 1: ")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"keys":["k","k"]}}]}""", "Rule 1: Conditions name at most 50 keys by their ids, each once.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"hours":{"days":["monday"],"from":"09:00","to":"17:00"}}}]}""", "Rule 1: 'monday' is no day")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"hours":{"days":["mon"],"from":"9","to":"17:00"}}}]}""", "Rule 1: Hours are from and to")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}],"when":{"budget_used_above_percent":101}}]}""", "Rule 1: A budget's use is 0 to 100 percent.")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"a/b"}]},{"targets":[{"model":"c/d"}]}]}""", "Rule 1 applies to every call")]
    [InlineData("""{"name":"no name","rules":[{"targets":[{"model":"a/b"}]}]}""", "A route's name is what clients send")]
    [InlineData("""{"name":"smart","rules":[]}""", "A route has 1 to 20 rules; this has 0.")]
    public void What_is_wrong_is_said_with_its_rule_and_its_field(string json, string problem)
    {
        var reading = Read(json);
        reading.Route.ShouldBeNull();
        reading.Problem.ShouldNotBeNull().ShouldStartWith(problem);
        reading.Problem.ShouldNotContain("Tokonomics");
        reading.Problem.ShouldNotContain("System.");
    }
}
