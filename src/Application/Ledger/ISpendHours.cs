using Tokonomics.Domain.Ledger;

namespace Tokonomics.Application.Ledger;

/// <summary>What a scope spent hour by hour, as far back as a forecast looks, the running hour included. From the hourly sums; hours that are over are read once and then known.</summary>
public interface ISpendHours
{
    /// <param name="scope">Whose calls: tenant, environment (live where it is null) and filters. Its times and what it groups by are not looked at. A tag together with another filter but provider and model has no sums by the hour: an <see cref="ArgumentException"/>.</param>
    Task<HourlySpend> ReadAsync(SummaryQuestion scope, CancellationToken cancellationToken);

    /// <summary>The same for several values of one tag, each by itself, in the order asked.</summary>
    Task<IReadOnlyList<HourlySpend>> ReadAsync(SummaryQuestion scope, string tag, IReadOnlyList<string> values, CancellationToken cancellationToken);
}
