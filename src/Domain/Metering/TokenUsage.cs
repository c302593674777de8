using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Tokonomics.Domain.Metering;

/// <summary>
/// How much of each <see cref="UsageUnit"/> one call used. Null means "not reported", which is not zero: an average over calls that did
/// not say how much they cached must not count them as uncached.
/// </summary>
/// <remarks>Counts are never negative: what a provider reports below zero is taken as zero, and the event is flagged.</remarks>
public struct TokenUsage : IEquatable<TokenUsage>
{
    private const int Units = (int)UsageUnit.Request + 1;

    private Counts _counts;
    private uint _reported;

    [InlineArray(Units)]
    private struct Counts
    {
        [SuppressMessage("Style", "IDE0044", Justification = "An inline array's element field can't be readonly.")]
        private long _first;
    }

    /// <summary>The count of a unit; null where the provider did not report it.</summary>
    public long? this[UsageUnit unit]
    {
        readonly get => (_reported & (1u << (int)unit)) != 0 ? _counts[(int)unit] : null;
        set
        {
            if (value is { } count)
            {
                _counts[(int)unit] = Math.Max(0, count);
                _reported |= 1u << (int)unit;
            }
            else
            {
                _counts[(int)unit] = 0;
                _reported &= ~(1u << (int)unit);
            }
        }
    }

    /// <summary>The count of a unit; zero where it was not reported. For arithmetic.</summary>
    public readonly long Count(UsageUnit unit) => _counts[(int)unit];

    /// <summary>Adds to a unit, which is reported from then on. Saturates at <see cref="long.MaxValue"/>.</summary>
    public void Add(UsageUnit unit, long count)
    {
        var sum = unchecked(_counts[(int)unit] + Math.Max(0, count));
        this[unit] = sum < 0 ? long.MaxValue : sum;
    }

    /// <summary>Which units were reported: bit n for the unit of the number n.</summary>
    public readonly uint Reported => _reported;

    /// <summary>True where nothing at all was reported.</summary>
    public readonly bool IsEmpty => _reported == 0;

    public readonly long CacheReadTokens => Sum(UsageUnit.CacheRead, UsageUnit.CacheReadImage);

    /// <summary>All cache writes, whatever their lifetime.</summary>
    public readonly long CacheWriteTokens => Sum(UsageUnit.CacheWrite, UsageUnit.CacheWrite1h);

    /// <summary>All input tokens: uncached of every modality, cache reads and cache writes.</summary>
    public readonly long InputTokens => Sum(UsageUnit.Input, UsageUnit.CacheWrite1h);

    /// <summary>All output tokens: text, reasoning, every modality.</summary>
    public readonly long OutputTokens => Sum(UsageUnit.Output, UsageUnit.Citation);

    // Relies on the order of the enum: input units stand together, output units stand together.
    private readonly long Sum(UsageUnit first, UsageUnit last)
    {
        long sum = 0;
        for (var i = (int)first; i <= (int)last; i++)
        {
            sum = unchecked(sum + _counts[i]);
            if (sum < 0)
                return long.MaxValue;
        }

        return sum;
    }

    /// <summary>The reported units in the order of the enum as <c>Input=12,CacheRead=3</c>. The form in which the ledger keeps them.</summary>
    public override readonly string ToString()
    {
        if (_reported == 0)
            return "";
        var text = new DefaultInterpolatedStringHandler(0, 0, CultureInfo.InvariantCulture, stackalloc char[256]);
        var next = "";
        for (var i = 0; i < Units; i++)
        {
            if ((_reported & (1u << i)) == 0)
                continue;
            text.AppendLiteral(next);
            text.AppendLiteral(Names[i]);
            text.AppendLiteral("=");
            text.AppendFormatted(_counts[i]);
            next = ",";
        }

        return text.ToStringAndClear();
    }

    private static readonly string[] Names = Enum.GetNames<UsageUnit>();

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    /// <exception cref="FormatException">The text names an unknown unit or has no whole number behind it.</exception>
    public static TokenUsage Parse(string text)
    {
        var usage = new TokenUsage();
        if (text.Length == 0)
            return usage;
        foreach (var part in text.Split(','))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            if (at < 1 || !Enum.TryParse<UsageUnit>(part[..at], out var unit)
                || !long.TryParse(part.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
                throw new FormatException($"usage '{text}': '{part}' is not UNIT=COUNT with a unit of {string.Join(", ", Names)}");
            usage[unit] = count;
        }

        return usage;
    }

    public readonly bool Equals(TokenUsage other)
    {
        if (_reported != other._reported)
            return false;
        for (var i = 0; i < Units; i++)
            if (_counts[i] != other._counts[i])
                return false;
        return true;
    }

    public override readonly bool Equals(object? obj) => obj is TokenUsage other && Equals(other);

    public override readonly int GetHashCode() => HashCode.Combine(_reported, InputTokens, OutputTokens);

    public static bool operator ==(TokenUsage left, TokenUsage right) => left.Equals(right);

    public static bool operator !=(TokenUsage left, TokenUsage right) => !left.Equals(right);
}
