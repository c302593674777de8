using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Pricing;

/// <summary>What a call costs by one version of the prices.</summary>
/// <param name="Cost">Rounded once, half to even; null where a unit that was used has no price.</param>
/// <param name="Status">Priced or unpriced.</param>
public readonly record struct RatedCost(NanoUsd? Cost, PriceStatus Status);
