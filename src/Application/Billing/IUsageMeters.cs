namespace Tokonomics.Application.Billing;

/// <summary>
/// The meters of a tenant's own account at the payment provider, reached with a key of the tenant's own. What can't be done is a <see cref="PaymentsException"/>.
/// </summary>
public interface IUsageMeters
{
    /// <summary>The meter that takes events of that name; null where there is none that is active.</summary>
    Task<UsageMeter?> FindAsync(string secretKey, string eventName, CancellationToken cancellationToken);

    /// <summary>Whether the account has a customer of that id that was not deleted.</summary>
    Task<bool> HasCustomerAsync(string secretKey, string customerId, CancellationToken cancellationToken);

    /// <summary>Reports an event. One that the provider has already, by its identifier, counts as reported; it knows identifiers for a day at least.</summary>
    /// <param name="onceKey">Of this try.</param>
    Task ReportAsync(string secretKey, UsageMeter meter, MeteredUsage usage, string onceKey, CancellationToken cancellationToken);

    /// <summary>What the meter has of a customer from one whole minute to another; what was sent a moment ago may not be in it yet.</summary>
    Task<decimal> SumAsync(string secretKey, UsageMeter meter, string customerId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken);
}

/// <param name="Sums">It adds values up; one that counts events, or takes the last, would bill something else.</param>
/// <param name="CustomerField">The payload's field that names the customer.</param>
/// <param name="ValueField">The payload's field that has the amount.</param>
public sealed record UsageMeter(string Id, string EventName, bool Sums, string CustomerField, string ValueField);

/// <param name="Value">A whole number; below zero where too much was reported before.</param>
public sealed record MeteredUsage(string Identifier, string CustomerId, long Value, DateTimeOffset At);
