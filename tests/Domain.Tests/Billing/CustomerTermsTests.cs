using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Billing;

public sealed class CustomerTermsTests
{
    private static CustomerUsage Used(string model, long input, long output, long cost, long unpriced = 0) => new("acme", "openai", model, 10, input, output, new NanoUsd(cost), unpriced);

    [Theory]
    [InlineData(0, 1_000_000_001, 1_000_000_001)]
    [InlineData(2_000, 1_000_000_000, 1_200_000_000)] // 20 % on a dollar
    [InlineData(1_250, 3, 3)] // 3.375, rounded half to even once
    [InlineData(5_000, 3, 4)] // 4.5 to the even one
    [InlineData(5_000, 5, 8)] // 7.5 to the even one
    [InlineData(-10_000, 1_000_000_000, 0)]
    public void A_markup_is_exact_and_rounded_once(int basisPoints, long cost, long charge) =>
        new CustomerTerms { MarkupBasisPoints = basisPoints }.Charge(Used("m", 1, 1, cost)).ShouldBe(new NanoUsd(charge));

    [Fact]
    public void A_rate_of_one_s_own_goes_before_the_markup_and_the_closest_counts()
    {
        var terms = new CustomerTerms { MarkupBasisPoints = 10_000, Rates = [new OwnRate("gpt-5.1*", 2.5m, 10m), new OwnRate("gpt-5.1-mini", 0.3m, 1m), new OwnRate("gpt-*", 99m, 99m)] };
        terms.Charge(Used("gpt-5.1", 1_000_000, 500_000, 1)).Usd.ShouldBe(7.5m); // 2.5 + 5
        terms.Charge(Used("gpt-5.1-mini", 1_000_000, 1_000_000, 1)).Usd.ShouldBe(1.3m);
        terms.Charge(Used("gpt-4o", 10, 0, 1)).Value.ShouldBe(990_000);
        terms.Charge(Used("claude", 10, 10, 5)).Value.ShouldBe(10);
        terms.RateOf("claude").ShouldBeNull();
    }

    [Fact]
    public void A_statement_is_its_lines_and_is_rounded_to_cents_once()
    {
        var statement = CustomerStatement.Of("acme", new CustomerTerms(), [Used("b", 1, 1, 4_000_000), Used("a", 1, 1, 4_000_000, unpriced: 2), Used("c", 1, 1, 7_000_000)]);
        (statement.Charge.Value, statement.TotalCents, statement.Calls, statement.Unpriced).ShouldBe((15_000_000, 2, 30, 2)); // 1.5 cents to the even one
        statement.Lines.Select(l => l.Usage.Model).ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public void More_usage_never_costs_less_and_the_total_is_within_half_a_cent_of_the_lines() =>
        Prop.ForAll(
            (from a in Gen.Choose(0, 1_000_000_000) from b in Gen.Choose(0, 1_000_000_000) from m in Gen.Choose(-10_000, 1_000_000) select (A: (long)a, B: (long)b, M: m)).ToArbitrary(),
            c =>
            {
                var terms = new CustomerTerms { MarkupBasisPoints = c.M };
                var s = CustomerStatement.Of("x", terms, [Used("a", 0, 0, c.A), Used("b", 0, 0, c.B)]);
                return terms.Charge(Used("a", 0, 0, c.A + c.B)) >= terms.Charge(Used("a", 0, 0, c.A)) && Math.Abs((s.TotalCents * 10_000_000m) - s.Charge.Value) <= 5_000_000;
            }).QuickCheckThrowOnFailure();
}
