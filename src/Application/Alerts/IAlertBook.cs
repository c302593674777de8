using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Alerts;

/// <summary>That something which lasted is over.</summary>
/// <param name="Condition">As it stood in the <see cref="AlertDraft"/>.</param>
/// <param name="Text">What is usual again, in a sentence or two.</param>
public sealed record AlertEnd(string TenantId, string Condition, string Text, IReadOnlyList<AlertFact> Facts, DateTimeOffset At);

/// <summary>An alert whose condition is open.</summary>
public sealed record OpenAlert(string TenantId, string Id, string Condition, DateTimeOffset At);

/// <summary>
/// Where those who find something write it down: an alert with one delivery for each channel that is told, in one transaction. Any number of workers may find the same: it is told once.
/// </summary>
public interface IAlertBook
{
    /// <returns>False where this cause was told before, or its condition is open.</returns>
    Task<bool> TellAsync(AlertDraft draft, CancellationToken cancellationToken);

    /// <summary>Closes a condition, and tells those who were told of its beginning.</summary>
    /// <returns>False where it wasn't open.</returns>
    Task<bool> ResolveAsync(AlertEnd ending, CancellationToken cancellationToken);

    /// <summary>Of a kind, what is open, in all tenants.</summary>
    Task<IReadOnlyList<OpenAlert>> OpenAsync(AlertKind kind, CancellationToken cancellationToken);

    /// <summary>What the last alert of a kind about that came from; null where there is none.</summary>
    Task<string?> LastCauseAsync(string tenantId, AlertKind kind, AlertSubject subject, CancellationToken cancellationToken);
}
