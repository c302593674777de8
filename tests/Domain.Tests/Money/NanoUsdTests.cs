using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Money;

public sealed class NanoUsdTests
{
    [Theory]
    [InlineData("0.0000000005", 0)] // half a nano-dollar: to the even zero
    [InlineData("0.0000000015", 2)] // one and a half: to the even two
    [InlineData("0.0000000025", 2)] // two and a half: to the even two
    [InlineData("0.00000000250000001", 3)] // a hair above the half
    [InlineData("-0.0000000015", -2)]
    public void Costs_are_rounded_half_to_even(string usd, long nano) => NanoUsd.Round(decimal.Parse(usd)).Value.ShouldBe(nano);

    [Theory]
    [InlineData("0.0000000001", 1)]
    [InlineData("0.000000001", 1)]
    [InlineData("0.0000000011", 2)]
    public void Holds_are_rounded_up(string usd, long nano) => NanoUsd.Ceiling(decimal.Parse(usd)).Value.ShouldBe(nano);

    [Fact]
    public void What_is_written_is_read_back() =>
        Prop.ForAll(Gen.Choose(int.MinValue, int.MaxValue).SelectMany(high => Gen.Choose(0, int.MaxValue).Select(low => high * 4_000_000L + low)).ToArbitrary(), value =>
            NanoUsd.Parse(new NanoUsd(value).ToString()) == new NanoUsd(value)).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(125_000, "0.000125")]
    [InlineData(1_000_000_000, "1")]
    [InlineData(-1_500_000_000, "-1.5")]
    [InlineData(0, "0")]
    public void Dollars_are_written_plainly(long value, string text) => new NanoUsd(value).ToString().ShouldBe(text);

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("1e3")]
    [InlineData("1,000")]
    [InlineData("0.0000000001")] // ten places
    [InlineData("9223372037")] // beyond the range
    public void What_is_no_amount_is_read_as_none(string? text) => NanoUsd.Parse(text).ShouldBeNull();

    [Fact]
    public void Sums_beyond_the_range_throw() =>
        Should.Throw<OverflowException>(() => new NanoUsd(long.MaxValue) + new NanoUsd(1));
}
