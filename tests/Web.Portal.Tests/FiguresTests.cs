using System.Text.Encodings.Web;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Tests;

public sealed class FiguresTests
{
    private static NanoUsd Usd(decimal usd) => NanoUsd.Round(usd);

    // A space that doesn't break stands between number and unit.
    private static string Plain(string text) => text.Replace('\u00a0', ' ');

    [Theory]
    [InlineData("0", "$0")]
    [InlineData("1", "$1.00")]
    [InlineData("412.084", "$412.08")]
    [InlineData("1234567.895", "$1,234,567.90")] // half to even
    [InlineData("0.999949", "$0.9999")]
    [InlineData("0.123456", "$0.1235")]
    [InlineData("0.00012345678", "$0.0001235")]
    [InlineData("0.000000007", "$0.000000007")] // nine places are all there are
    [InlineData("-3.5", "−$3.50")]
    [InlineData("-0.0421", "−$0.04210")]
    public void Dollars_have_cents_above_one_and_four_significant_digits_below(string usd, string text) =>
        Figures.Money(Usd(decimal.Parse(usd))).Text.ShouldBe(text);

    [Fact]
    public void The_exact_amount_is_on_hover_and_what_is_unknown_says_why()
    {
        Figures.Money(Usd(412.083712345m)).Exact.ShouldBe("$412.083712345");
        Figures.Money(null).ShouldBe(new Figure("–", "the price is not known"));
        using var page = new StringWriter();
        Figures.Money(null, "no <price>").WriteTo(page, HtmlEncoder.Default);
        page.ToString().ShouldBe("<span class=\"figure\" title=\"no &lt;price&gt;\">&#x2013;</span>");
    }

    [Fact]
    public void A_column_has_one_precision_and_what_is_too_small_for_it_is_not_zero()
    {
        var column = Figures.MoneyColumn([Usd(412.08m), Usd(3), Usd(0.0004m), NanoUsd.Zero, null]);
        new NanoUsd?[] { Usd(412.08m), Usd(3), Usd(0.0004m), NanoUsd.Zero, null }.Select(v => column(v).Text).ShouldBe(["$412.08", "$3.00", "<$0.01", "$0", "–"]);
        var small = Figures.MoneyColumn([Usd(0.0123m), Usd(0.000004m)]);
        small(Usd(0.0123m)).Text.ShouldBe("$0.01230"); // four digits of the largest: five places for all
        small(Usd(0.000004m)).Text.ShouldBe("<$0.00001");
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(999, "999")]
    [InlineData(1_000, "1.0 k")]
    [InlineData(1_234_567, "1.2 M")]
    [InlineData(99_949, "99.9 k")]
    [InlineData(999_949, "1000 k")]
    [InlineData(999_950, "1.0 M")]
    [InlineData(3_400_000_000, "3.4 B")]
    [InlineData(-1_500, "−1.5 k")]
    public void Tokens_are_short_with_the_count_on_hover(long count, string text)
    {
        Plain(Figures.Tokens(count).Text).ShouldBe(text);
        Figures.Tokens(1_234_567).Exact.ShouldBe("1,234,567");
    }

    [Theory]
    [InlineData("0", "0 %")]
    [InlineData("0.0004", "<0.1 %")]
    [InlineData("0.0042", "0.4 %")]
    [InlineData("0.0097", "1 %")]
    [InlineData("0.824", "82 %")]
    [InlineData("12.5", "1,250 %")]
    [InlineData("-0.05", "−5 %")]
    public void Shares_are_whole_percents_but_small_ones(string share, string text) => Plain(Figures.Percent(decimal.Parse(share)).Text).ShouldBe(text);

    [Theory]
    [InlineData(0.4, "<1 ms")]
    [InlineData(740, "740 ms")]
    [InlineData(1240, "1.2 s")]
    [InlineData(42_000, "42 s")]
    [InlineData(125_000, "2 min 5 s")]
    [InlineData(7_260_000, "2 h 1 min")]
    public void Times_have_the_unit_that_people_would_say(double ms, string text) => Plain(Figures.Time(TimeSpan.FromMilliseconds(ms)).Text).ShouldBe(text);

    [Theory]
    [InlineData("10", "12.3", "+$2.30 (+23 %), more")]
    [InlineData("10", "4", "−$6.00 (−60 %), less")]
    [InlineData("10", "10", "unchanged")]
    [InlineData("0", "4", "+$4.00, new")]
    [InlineData("4", "0", "−$4.00 (−100 %), less")]
    [InlineData("0", "0", "unchanged")]
    public void A_change_has_sign_and_word(string before, string now, string text) => Plain(Figures.Change(Usd(decimal.Parse(before)), Usd(decimal.Parse(now))).ToString()).ShouldBe(text);

    [Fact]
    public void In_a_column_all_have_one_precision()
    {
        new[] { 0.551m, 0.0002m, 0m, 0.0097m, 12.5m }.Select(s => Plain(Figures.PercentInColumn(s).Text)).ShouldBe(["55.1 %", "<0.1 %", "0 %", "1.0 %", "1,250.0 %"]);
        var money = Figures.MoneyColumn([Usd(412)]);
        Plain(Figures.Change(Usd(3), Usd(2.9996m), money).ToString()).ShouldBe("−<$0.01 (−<0.1 %), less");
        Plain(Figures.Change(Usd(1), Usd(3), money).Brief.Text).ShouldBe("+200 %, more");
        Plain(Figures.Change(Usd(1), Usd(3), money).Brief.Exact).ShouldBe("+$2 (200 %)");
        Figures.Change(NanoUsd.Zero, Usd(3)).Brief.Text.ShouldBe("new");
    }

    [Fact]
    public void A_change_of_a_count_too()
    {
        Plain(Figures.Change(1000, 1500).ToString()).ShouldBe("+500 (+50 %), more");
        Plain(Figures.Change(2_000_000, 500_000).ToString()).ShouldBe("−1.5 M (−75 %), less");
    }

    [Fact]
    public void Days_are_those_of_the_zone()
    {
        var at = new DateTimeOffset(2026, 11, 30, 23, 30, 0, TimeSpan.Zero);
        Figures.Day(at, TimeZoneInfo.Utc, at).ShouldBe("30 Nov");
        Figures.Day(at, TimeZoneInfo.FindSystemTimeZoneById("Pacific/Auckland"), at).ShouldBe("1 Dec");
        Figures.Day(at, TimeZoneInfo.FindSystemTimeZoneById("Pacific/Honolulu"), at.AddYears(1)).ShouldBe("30 Nov 2026");
    }
}
