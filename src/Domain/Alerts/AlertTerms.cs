using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Alerts;

/// <summary>From which numbers on something is told. Each kind reads its own and leaves the others alone; what nobody has set stands at its default.</summary>
public sealed record AlertTerms
{
    public static readonly NanoUsd LeastFloor = NanoUsd.Round(0.01m);
    public static readonly NanoUsd MostFloor = NanoUsd.Round(1_000_000m);

    public const decimal LeastRatio = 1.1m;
    public const decimal MostRatio = 100;
    public const int MostHours = 168;
    public const int MostCalls = 1_000_000;
    public const int MostDays = 365;

    public static AlertTerms Default { get; } = new();

    /// <summary>False: nothing of this kind is told.</summary>
    public bool On { get; init; } = true;

    /// <summary>Of a spike: dollars an hour beyond the usual, 0.01 to 1,000,000.</summary>
    public NanoUsd FloorPerHour { get; init; } = new(NanoUsd.PerUsd);

    /// <summary>Of a spike: how often as much as usual, 1.1 to 100.</summary>
    public decimal Ratio { get; init; } = 2;

    /// <summary>Of a budget that burns: within how many hours it would be gone, 1 to 168.</summary>
    public int Hours { get; init; } = 12;

    /// <summary>Of a provider that fails: how many of a hundred calls do, 1 to 100.</summary>
    public int FailingPercent { get; init; } = 25;

    /// <summary>Of a provider that fails: among how many calls within five minutes at least, 1 to 1,000,000.</summary>
    public int LeastCalls { get; init; } = 20;

    /// <summary>Of a key that awakes: for how many days nobody had used it, 1 to 365.</summary>
    public int UnusedDays { get; init; } = 30;

    public SpikeSensitivity Spike => new((double)FloorPerHour.Usd, (double)Ratio);

    /// <summary>Null where all are within their ranges; otherwise the number's name for programs and the sentence that says what is wrong.</summary>
    public (string Field, string Message)? Problem() =>
        FloorPerHour < LeastFloor || FloorPerHour > MostFloor ? ("floor_usd", "The floor is 0.01 to 1,000,000 dollars an hour.")
        : Ratio is < LeastRatio or > MostRatio || decimal.Round(Ratio, 2) != Ratio ? ("ratio", "The ratio is 1.1 to 100, with two places at most.")
        : Hours is < 1 or > MostHours ? ("hours", "The hours are 1 to 168.")
        : FailingPercent is < 1 or > 100 ? ("failing_percent", "The share of calls that fail is 1 to 100 percent.")
        : LeastCalls is < 1 or > MostCalls ? ("least_calls", "The calls are 1 to 1,000,000.")
        : UnusedDays is < 1 or > MostDays ? ("unused_days", "The days are 1 to 365.")
        : null;
}
