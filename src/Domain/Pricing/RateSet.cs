using Tokonomics.Domain.Metering;

namespace Tokonomics.Domain.Pricing;

/// <summary>Rates in USD by unit. A unit that is absent has no rate here, which is not a rate of zero.</summary>
/// <remarks>How many of a unit one rate buys is <see cref="Per"/>, as vendors print it: a million tokens, a thousand calls, an hour.</remarks>
public sealed class RateSet
{
    /// <summary>The dearest rate that is believed, USD. With it no sum of products leaves the range of <see cref="decimal"/>.</summary>
    public const decimal Highest = 1_000_000m;

    public static readonly RateSet Empty = new([]);

    private const int Units = (int)UsageUnit.Request + 1;

    private readonly decimal[] _rates = new decimal[Units];
    private readonly uint _listed;

    /// <exception cref="ArgumentOutOfRangeException">A rate is negative or above <see cref="Highest"/>.</exception>
    public RateSet(IEnumerable<KeyValuePair<UsageUnit, decimal>> rates)
    {
        foreach (var (unit, rate) in rates)
        {
            if (rate is < 0 or > Highest)
                throw new ArgumentOutOfRangeException(nameof(rates), rate, $"the rate of {unit} must be between 0 and {Highest} USD");
            _rates[(int)unit] = rate;
            _listed |= 1u << (int)unit;
        }
    }

    public decimal? this[UsageUnit unit] => (_listed & (1u << (int)unit)) != 0 ? _rates[(int)unit] : null;

    public bool IsEmpty => _listed == 0;

    /// <summary>The units that have a rate, in the order of the enum.</summary>
    public IEnumerable<UsageUnit> Listed
    {
        get
        {
            for (var i = 0; i < Units; i++)
                if ((_listed & (1u << i)) != 0)
                    yield return (UsageUnit)i;
        }
    }

    /// <summary>How many of a unit one rate buys.</summary>
    public static int Per(UsageUnit unit) => unit switch
    {
        <= UsageUnit.Citation or UsageUnit.Character => 1_000_000,
        UsageUnit.AudioMilliseconds => 3_600_000, // rates are per hour
        UsageUnit.Image => 1,
        _ => 1_000,
    };

    public static bool IsToken(UsageUnit unit) => unit <= UsageUnit.Citation;
}
