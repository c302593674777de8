using System.Globalization;

namespace Tokonomics.Domain.Money;

/// <summary>
/// Whole nano-dollars (1e-9 USD). Range ±9,223,372,036 USD; arithmetic that leaves it throws <see cref="OverflowException"/>.
/// </summary>
/// <remarks>
/// The grain is finer than any published rate times one token, so that a cost is rounded once, here, and every store keeps it exactly.
/// </remarks>
public readonly record struct NanoUsd(long Value) : IComparable<NanoUsd>
{
    public const long PerUsd = 1_000_000_000;

    public static NanoUsd Zero => default;

    /// <summary>What something cost: rounded half to even.</summary>
    public static NanoUsd Round(decimal usd) => new(decimal.ToInt64(decimal.Round(usd * PerUsd, 0, MidpointRounding.ToEven)));

    /// <summary>What is set aside for something: rounded up, so that a hold is never below the cost.</summary>
    public static NanoUsd Ceiling(decimal usd) => new(decimal.ToInt64(decimal.Ceiling(usd * PerUsd)));

    public decimal Usd => (decimal)Value / PerUsd;

    public static NanoUsd operator +(NanoUsd a, NanoUsd b) => new(checked(a.Value + b.Value));

    public static NanoUsd operator -(NanoUsd a, NanoUsd b) => new(checked(a.Value - b.Value));

    public static bool operator <(NanoUsd a, NanoUsd b) => a.Value < b.Value;

    public static bool operator >(NanoUsd a, NanoUsd b) => a.Value > b.Value;

    public static bool operator <=(NanoUsd a, NanoUsd b) => a.Value <= b.Value;

    public static bool operator >=(NanoUsd a, NanoUsd b) => a.Value >= b.Value;

    public int CompareTo(NanoUsd other) => Value.CompareTo(other.Value);

    /// <summary>Dollars as a plain decimal string without exponent or trailing zeros: <c>0.000125</c>.</summary>
    public override string ToString() => Usd.ToString("0.#########", CultureInfo.InvariantCulture);

    /// <summary>Reads what <see cref="ToString"/> writes. Null when the text is no decimal number of at most nine places.</summary>
    public static NanoUsd? Parse(string? text) =>
        decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var usd)
        && Math.Abs(usd) <= long.MaxValue / PerUsd && decimal.Round(usd, 9) == usd
            ? new NanoUsd((long)(usd * PerUsd))
            : null;
}
