using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Tests;

public sealed class SpendSentencesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 20, 10, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset End = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);

    private static NanoUsd Usd(decimal usd) => NanoUsd.Round(usd);

    private static string Plain(string text) => text.Replace('\u00a0', ' ');

    private static SpendForecast Forecast(decimal low, decimal expected, decimal high) => new(Usd(expected), Usd(low), Usd(high), [], 40);

    private static string Month(decimal spent, decimal? cap, SpendForecast? forecast, int days = 40) => Plain(SpendSentences.Month(Usd(spent), cap is { } c ? Usd(c) : null, forecast, days, End, TimeZoneInfo.Utc, Now));

    private static Contribution C(string dimension, string value, decimal before, decimal now, long callsBefore = 100, long callsNow = 100, string? model = null) => new(dimension, value, model, Usd(before), Usd(now), callsBefore, callsNow);

    private static string Cause(decimal before, decimal now, Contribution? cause, Contribution? onModel = null) =>
        Plain(SpendSentences.Cause(new SpendChange(Usd(before), Usd(now), cause, onModel, cause is null || now == before ? 0 : (decimal)cause.Change.Value / (Usd(now) - Usd(before)).Value, []), id => id == "key_1" ? "batch-eu" : id));

    [Fact]
    public void The_month_says_spent_share_of_the_cap_and_course()
    {
        Month(412.08m, 500, Forecast(498.2m, 530, 561.4m)).ShouldBe("You spent $412.08 this month, 82 % of your $500.00 cap, on course for $498–$561 by 30 Nov.");
        Month(412.08m, 500, Forecast(510, 530, 561)).ShouldBe("You spent $412.08 this month, 82 % of your $500.00 cap, on course for $510–$561 by 30 Nov, past the cap.");
        Month(412.08m, null, Forecast(498, 530, 561)).ShouldBe("You spent $412.08 this month, on course for $498–$561 by 30 Nov.");
        Month(523.1m, 500, Forecast(560, 600, 640)).ShouldBe("You spent $523.10 this month, $23.10 over your $500.00 cap, on course for $560–$640 by 30 Nov.");
        Month(0.0042m, null, Forecast(0.005m, 0.006m, 0.007m)).ShouldBe("You spent $0.004200 this month, on course for $0.005000–$0.007000 by 30 Nov.");
        Month(10, null, Forecast(12, 12, 12)).ShouldBe("You spent $10.00 this month, on course for $12 by 30 Nov.");
    }

    [Theory]
    [InlineData("Europe/Berlin", "2026-11-20T13:04Z", "14:00")]  // to the quarter of an hour
    [InlineData("Europe/Berlin", "2026-11-20T22:58Z", "21 November")] // midnight there
    [InlineData("UTC", "2026-11-20T22:50Z", "22:45")]
    [InlineData("UTC", "2026-11-23T14:00Z", "23 November")]
    [InlineData("UTC", "2027-01-03T14:00Z", "3 January 2027")]
    public void When_a_cap_is_reached_is_an_hour_today_and_a_day_later(string zone, string at, string words) =>
        SpendSentences.Reached(DateTimeOffset.Parse(at), TimeZoneInfo.FindSystemTimeZoneById(zone), Now).ShouldBe(words);

    [Fact]
    public void A_budgets_end_is_said_with_its_range_and_when_the_cap_is_reached()
    {
        string? Ends(decimal spent, decimal cap, SpendForecast? forecast) => SpendSentences.Ends(forecast, Usd(spent), Usd(cap), TimeZoneInfo.Utc, Now);
        Ends(300, 400, Forecast(380, 412, 450) with { ReachedAt = new DateTimeOffset(2026, 11, 23, 14, 0, 0, TimeSpan.Zero) }).ShouldBe("Will end at about $412 ($380–$450); the cap is reached about 23 November.");
        Ends(300, 400, Forecast(380, 412, 450) with { ReachedAt = Now.AddHours(4) }).ShouldBe("Will end at about $412 ($380–$450); the cap is reached about 14:00.");
        Ends(300, 430, Forecast(380, 412, 450)).ShouldBe("Will end at about $412 ($380–$450); the cap may be reached.");
        Ends(300, 500, Forecast(380, 412, 450)).ShouldBe("Will end at about $412 ($380–$450); the cap is not reached.");
        Ends(400, 400, Forecast(400, 412, 450)).ShouldBeNull(); // used up
        Ends(3, 400, null).ShouldBeNull();
        SpendSentences.EndsBriefly(Forecast(380, 412, 450) with { ReachedAt = Now.AddHours(4) }, Usd(300), Usd(400), TimeZoneInfo.Utc, Now).ShouldBe("about $412 at the end, cap reached about 14:00");
        SpendSentences.EndsBriefly(Forecast(380, 412, 450), Usd(300), Usd(500), TimeZoneInfo.Utc, Now).ShouldBe("about $412 at the end");
        SpendSentences.EndsBriefly(null, Usd(300), Usd(500), TimeZoneInfo.Utc, Now).ShouldBeNull();
    }

    [Fact]
    public void Zero_spend_and_too_little_data_are_said_plainly()
    {
        Month(0, null, null, 0).ShouldBe("You spent $0 this month.");
        Month(0, 500, Forecast(0, 0, 0)).ShouldBe("You spent $0 this month, 0 % of your $500.00 cap.");
        Month(3, null, null, 2).ShouldBe("You spent $3.00 this month; 2 days are too little to say where it ends.");
        Month(3, null, null, 1).ShouldBe("You spent $3.00 this month; 1 day is too little to say where it ends.");
        Month(3, null, null, 0).ShouldBe("You spent $3.00 this month; the first whole day is still to come, so nobody can say yet where it ends.");
        Month(3, 0, null, 0).ShouldStartWith("You spent $3.00 this month, against a cap of $0;");
    }

    [Theory]
    [InlineData("Pacific/Auckland", "2026-11-30T11:00Z", "30 Nov")] // midnight there
    [InlineData("Pacific/Honolulu", "2026-12-01T10:00Z", "30 Nov")]
    public void The_month_ends_on_its_last_day_in_the_tenants_zone(string zone, string end, string day) =>
        SpendSentences.Month(Usd(5), null, Forecast(20, 21, 22), 40, DateTimeOffset.Parse(end), TimeZoneInfo.FindSystemTimeZoneById(zone), Now).ShouldEndWith($"by {day}.");

    [Fact]
    public void The_cause_is_named_with_what_moved_it()
    {
        Cause(100, 160, C("feature", "summarise", 10, 64), C("feature", "summarise", 5, 55, 100, 1100, "gpt-5.1")).ShouldBe("Nearly all of the rise is summarise on gpt-5.1, with 11 times the calls.");
        Cause(100, 160, C("key", "key_1", 10, 50, 100, 101)).ShouldBe("Most of the rise is key batch-eu, whose calls cost 5 times as much.");
        Cause(100, 160, C("key", "key_1", 10, 50, 100, 225)).ShouldBe("Most of the rise is key batch-eu.");
        Cause(100, 110, C("model", "m", 10, 18, 100, 170)).ShouldBe("Most of the rise is m, by 70 % more calls.");
        Cause(100, 110, C("model", "m", 10, 18, 100, 105)).ShouldBe("Most of the rise is m, whose calls cost 71 % more each.");
        Cause(100, 70, C("customer", "acme", 50, 30, 200, 120)).ShouldBe("Most of the fall is customer acme, by 40 % fewer calls.");
        Cause(100, 200, C("model", "gpt-5.1", 5, 35, 10, 26)).ShouldBe("The largest part of the rise is gpt-5.1.");
        Cause(100, 160, C("feature", "new", 0, 60, 0, 10)).ShouldBe("Nearly all of the rise is new, which is new.");
        Cause(100, 60, C("feature", "old", 40, 0, 10, 0)).ShouldBe("Nearly all of the fall is old, which has stopped.");
        Cause(100, 130, C("key", "key_1", 20, 80, 10, 20)).ShouldBe("Nearly all of the rise is key batch-eu. It rose by $60.00; others went the other way.");
        Cause(100, 160, C("customer", "", 10, 60, 10, 22)).ShouldBe("Most of the rise is calls without a customer.");
    }

    [Fact]
    public void Without_a_cause_it_says_so()
    {
        Cause(100, 200, null).ShouldBe("The rise is spread: no one model, key, project, feature or customer explains it.");
        Cause(100, 100, null).ShouldBe("As much as in the comparable time before.");
        Cause(0, 0, null).ShouldBe("Nothing was spent, now or before.");
        Cause(0, 10, C("model", "a", 0, 9)).ShouldBe("Nothing was spent before; nearly all of it is a.");
    }

    [Fact]
    public void Spans_name_their_last_day()
    {
        static DateTimeOffset At(int month, int day) => new(2026, month, day, 0, 0, 0, TimeSpan.Zero);
        SpendSentences.Span(At(10, 1), At(10, 29), TimeZoneInfo.Utc, Now).ShouldBe("1–28 Oct");
        SpendSentences.Span(At(10, 28), At(11, 4), TimeZoneInfo.Utc, Now).ShouldBe("28 Oct – 3 Nov");
        SpendSentences.Span(At(10, 28), At(10, 29), TimeZoneInfo.Utc, Now).ShouldBe("28 Oct");
    }

    [Fact]
    public void Refusals_say_how_many_why_and_whose()
    {
        var hour = new DateTimeOffset(2026, 11, 28, 2, 0, 0, TimeSpan.Zero);
        SpendSentences.Refusals([], id => id, TimeZoneInfo.Utc).ShouldBe("No call was refused.");
        SpendSentences.Refusals([new("budget_exhausted", "key_1", 14, hour)], _ => "batch-eu", TimeZoneInfo.Utc).ShouldBe("14 calls were refused, the last after 02:00 on 28 Nov: because a budget was used up (key batch-eu).");
        SpendSentences.Refusals([new("rate_limited", "key_1", 1200, hour), new("unknown_model", "key_2", 1, hour.AddHours(-3))], _ => "k", TimeZoneInfo.Utc)
            .ShouldBe("1,201 calls were refused, the last after 02:00 on 28 Nov: 1,200 of them by a rate limit (key k).");
    }

    [Fact]
    public void Caching_says_what_it_saved_net_of_what_writing_cost()
    {
        SpendSentences.Caching(new CacheSavings(NanoUsd.Zero, NanoUsd.Zero)).ShouldBe("Nothing was cached.");
        SpendSentences.Caching(new CacheSavings(Usd(5), NanoUsd.Zero)).ShouldBe("Caching saved $5.00.");
        SpendSentences.Caching(new CacheSavings(Usd(5), Usd(2))).ShouldBe("Caching saved $3.00: reads were $5.00 cheaper than plain input, writes $2.00 dearer.");
        SpendSentences.Caching(new CacheSavings(Usd(2), Usd(5))).ShouldStartWith("Caching cost $3.00 more than it saved");
    }
}
