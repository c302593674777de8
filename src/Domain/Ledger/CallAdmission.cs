using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Ledger;

/// <summary>
/// What is known of a call before it is sent: enough to make its row in the ledger if the process dies before the answer is read. Like the row,
/// it holds no word of a prompt and no key.
/// </summary>
public readonly record struct CallAdmission
{
    public required string RequestId { get; init; }

    private readonly int _earlier;

    /// <summary>Which attempt of its request it is, from 1: a route may try several targets, and each has an admission of its own.</summary>
    public int Attempt
    {
        get => _earlier + 1;
        init => _earlier = value - 1;
    }

    public required string TenantId { get; init; }

    public required string KeyId { get; init; }

    public string? TeamId { get; init; }

    public string? ProjectId { get; init; }

    public KeyEnvironment Environment { get; init; }

    public required string Provider { get; init; }

    public required string Dialect { get; init; }

    public required string Operation { get; init; }

    public string? RequestModel { get; init; }

    public string PricingHints { get; init; }

    /// <summary>The version of the price book at admission: a call that is never settled is rated by it.</summary>
    public required string PriceVersion { get; init; }

    /// <summary><see cref="PriceStatus.Priced"/> where the call is to be rated, <see cref="PriceStatus.Free"/> and <see cref="PriceStatus.Deferred"/> where it isn't.</summary>
    public PriceStatus Rated { get; init; }

    public bool Streamed { get; init; }

    public DateTimeOffset At { get; init; }

    public long RequestBytes { get; init; }

    /// <summary>What the request alone says that will be used: our estimate of its input, units that it fixes.</summary>
    public TokenUsage Estimate { get; init; }

    /// <summary>The most that it can cost, as held on its budgets; null where no budget applies. What budgets count should it never be settled.</summary>
    public NanoUsd? UpperBound { get; init; }

    /// <summary>The leases that the hold was taken from.</summary>
    public IReadOnlyList<BudgetCharge> Charges { get; init; }

    public IReadOnlyList<Tag> Tags { get; init; }

    /// <summary>As <see cref="UsageEvent.Routed"/>.</summary>
    public string? Routed { get; init; }

    /// <summary>The row of an attempt that was sent and of which no more is known.</summary>
    /// <param name="attempt">1 for the first.</param>
    /// <param name="cost">What the estimate comes to; null where it has no price.</param>
    public UsageEvent Abandoned(int attempt, NanoUsd? cost) => Row(attempt) with
    {
        Usage = Rated == PriceStatus.Priced ? Estimate : default,
        UsageSource = Rated == PriceStatus.Priced ? UsageSource.Estimated : UsageSource.None,
        Cost = Rated == PriceStatus.Priced ? cost : NanoUsd.Zero,
        PriceStatus = Rated != PriceStatus.Priced ? Rated : cost is null ? PriceStatus.Unpriced : PriceStatus.Priced,
        Outcome = CallOutcome.Abandoned,
        UpperBound = UpperBound,
        BudgetCost = UpperBound,
        Charges = Charges ?? [],
    };

    /// <summary>The row of an attempt whose connection closed before any answer, and which the connection pool repeated.</summary>
    public UsageEvent Lost(int attempt) => Row(attempt) with { Cost = NanoUsd.Zero, PriceStatus = PriceStatus.Free, Outcome = CallOutcome.Unreachable };

    private UsageEvent Row(int attempt) => new()
    {
        RequestId = RequestId,
        Attempt = attempt,
        TenantId = TenantId,
        KeyId = KeyId,
        TeamId = TeamId,
        ProjectId = ProjectId,
        Environment = Environment,
        Provider = Provider,
        Dialect = Dialect,
        Operation = Operation,
        RequestModel = RequestModel,
        PricingHints = PricingHints ?? "",
        PriceVersion = PriceVersion,
        Streamed = Streamed,
        At = At,
        RequestBytes = RequestBytes,
        Tags = Tags ?? [],
        Routed = Routed,
    };
}
