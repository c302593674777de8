using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Domain.Tests.Metering;

public sealed class TokenUsageTests
{
    [Fact]
    public void What_is_written_is_read_back() =>
        Prop.ForAll(Usages.Any, usage => TokenUsage.Parse(usage.ToString()) == usage).QuickCheckThrowOnFailure();

    [Fact]
    public void Not_reported_is_not_zero()
    {
        var usage = new TokenUsage { [UsageUnit.Input] = 0 };
        usage[UsageUnit.Input].ShouldBe(0);
        usage[UsageUnit.Output].ShouldBeNull();
        usage.Count(UsageUnit.Output).ShouldBe(0);
        usage.ToString().ShouldBe("Input=0");
        (usage == default).ShouldBeFalse();
        usage[UsageUnit.Input] = null;
        usage.IsEmpty.ShouldBeTrue();
        (usage == default).ShouldBeTrue();
    }

    [Fact]
    public void A_negative_count_is_taken_as_zero()
    {
        var usage = new TokenUsage { [UsageUnit.Input] = -5 };
        usage[UsageUnit.Input].ShouldBe(0);
        usage.Add(UsageUnit.Output, 7);
        usage.Add(UsageUnit.Output, -3);
        usage[UsageUnit.Output].ShouldBe(7);
    }

    [Fact]
    public void Sums_stop_at_the_largest_number()
    {
        var usage = new TokenUsage { [UsageUnit.Input] = long.MaxValue };
        usage.Add(UsageUnit.Input, 1);
        usage[UsageUnit.CacheRead] = long.MaxValue;
        usage[UsageUnit.Input].ShouldBe(long.MaxValue);
        usage.InputTokens.ShouldBe(long.MaxValue);
    }

    [Fact]
    public void Totals_are_sums_of_their_units()
    {
        var usage = TokenUsage.Parse("Input=1,InputAudio=2,InputImage=4,InputVideo=8,CacheRead=16,CacheReadAudio=32,CacheReadImage=64,CacheWrite=128,CacheWrite1h=256,Output=3,Reasoning=5,Citation=7,WebSearch=9");
        usage.InputTokens.ShouldBe(511);
        usage.CacheReadTokens.ShouldBe(16 + 32 + 64);
        usage.CacheWriteTokens.ShouldBe(128 + 256);
        usage.OutputTokens.ShouldBe(3 + 5 + 7);
    }

    [Theory]
    [InlineData("Input")]
    [InlineData("Input=-1")]
    [InlineData("Inputs=1")]
    [InlineData("Input=1;Output=2")]
    public void A_broken_text_is_refused(string text) => Should.Throw<FormatException>(() => TokenUsage.Parse(text));
}
