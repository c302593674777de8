using Microsoft.AspNetCore.Http;
using Tokonomics.Application.RateLimits;
using Tokonomics.Web.Proxy.RateLimits;

namespace Tokonomics.Web.Proxy.Tests.RateLimits;

public sealed class RateAnswerTests
{
    private static readonly RateStanding Requests = new(60, 12, 61);

    private static Dictionary<string, string> Written(RateVerdict verdict, params (string Name, string Value)[] theirs)
    {
        var headers = new HeaderDictionary();
        foreach (var (name, value) in theirs)
            headers[name] = value;
        RateAnswers.Write(headers, verdict);
        return headers.Where(h => h.Value.Count > 0).ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
    }

    [Fact]
    public void Ours_have_the_names_that_clients_read_where_the_provider_says_nothing() =>
        Written(new RateVerdict(default, Requests, new RateStanding(1000, 0, 7), null)).ShouldBe(
            new Dictionary<string, string>
            {
                ["x-ratelimit-limit-requests"] = "60",
                ["x-ratelimit-remaining-requests"] = "12",
                ["x-ratelimit-reset-requests"] = "1m1s",
                ["x-ratelimit-limit-tokens"] = "1000",
                ["x-ratelimit-remaining-tokens"] = "0",
                ["x-ratelimit-reset-tokens"] = "7s",
            },
            ignoreOrder: true);

    [Fact]
    public void A_providers_figures_stay_where_they_are_tighter() =>
        Written(new RateVerdict(default, Requests, default, null), ("x-ratelimit-remaining-requests", "11"), ("x-ratelimit-limit-requests", "500"), ("x-ratelimit-remaining-tokens", "5")).ShouldBe(
            new Dictionary<string, string> { ["x-ratelimit-remaining-requests"] = "11", ["x-ratelimit-limit-requests"] = "500", ["x-ratelimit-remaining-tokens"] = "5" }, ignoreOrder: true);

    [Theory]
    [InlineData("499")]
    [InlineData("many")]
    public void A_providers_figures_make_room_where_ours_are_tighter_and_are_not_lost(string theirs)
    {
        var headers = Written(
            new RateVerdict(default, Requests, default, null),
            ("X-RateLimit-Remaining-Requests", theirs), ("X-RateLimit-Limit-Requests", "500"), ("X-RateLimit-Reset-Requests", "120ms"), ("anthropic-ratelimit-requests-remaining", "3"));
        headers["x-ratelimit-remaining-requests"].ShouldBe("12");
        headers["x-ratelimit-limit-requests"].ShouldBe("60");
        headers["x-tokonomics-provider-ratelimit-remaining-requests"].ShouldBe(theirs);
        headers["x-tokonomics-provider-ratelimit-limit-requests"].ShouldBe("500");
        headers["x-tokonomics-provider-ratelimit-reset-requests"].ShouldBe("120ms");
        headers["anthropic-ratelimit-requests-remaining"].ShouldBe("3");
    }

    [Fact]
    public void Without_a_limit_of_ours_nothing_is_touched() =>
        Written(default, ("x-ratelimit-remaining-requests", "499")).ShouldBe(new Dictionary<string, string> { ["x-ratelimit-remaining-requests"] = "499" });

    [Fact]
    public void A_refusal_is_a_429_that_says_which_limit_and_when()
    {
        var refused = RateAnswers.Refuse(new RateRefusal(RateScope.Key, RateKind.Requests, 60, TimeSpan.FromSeconds(17)));
        (refused.Status, refused.Code, refused.RetryAfter).ShouldBe((429, "rate_limited", TimeSpan.FromSeconds(17)));
        refused.Message.ShouldBe("the key's 60 requests a minute are used; try again in 17 s");
        RateAnswers.Refuse(new RateRefusal(RateScope.Tenant, RateKind.Tokens, 1000, null)).RetryAfter.ShouldBeNull();
        new RateRefusal(RateScope.Tenant, RateKind.Tokens, 1000, null).ToString().ShouldBe("this request alone may use more than the account's 1,000 tokens a minute: ask for less output, or raise the limit");
        new RateRefusal(RateScope.Key, RateKind.Concurrency, 1, TimeSpan.FromSeconds(1)).ToString().ShouldBe("the key's 1 concurrent requests are all running; try again when one has ended");
    }
}
