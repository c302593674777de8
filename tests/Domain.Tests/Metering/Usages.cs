using FsCheck;
using FsCheck.Fluent;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Domain.Tests.Metering;

/// <summary>Generated usages: any units, counts up to two million, some units not reported.</summary>
internal static class Usages
{
    public static Arbitrary<TokenUsage> Any { get; } = Of(Enum.GetValues<UsageUnit>()).ToArbitrary();

    public static Gen<TokenUsage> Of(params UsageUnit[] units) =>
        Gen.Choose(-500_000, 2_000_000).ArrayOf(units.Length).Select(counts =>
        {
            var usage = new TokenUsage();
            for (var i = 0; i < units.Length; i++)
                if (counts[i] >= 0)
                    usage[units[i]] = counts[i];
            return usage;
        });

    public static TokenUsage Sum(in TokenUsage a, in TokenUsage b)
    {
        var sum = a;
        foreach (var unit in Enum.GetValues<UsageUnit>())
            if (b[unit] is { } count)
                sum.Add(unit, count);
        return sum;
    }
}
