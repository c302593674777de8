namespace Tokonomics.Application.Ledger;

/// <summary>One thing that is not as the ledger promises.</summary>
/// <param name="Check">Which promise: <c>rollups_equal_events</c>.</param>
/// <param name="Row">The exact row: its key, what it has and what it should have.</param>
public sealed record Finding(string Check, string Row)
{
    public override string ToString() => $"{Check}: {Row}";
}

/// <param name="Checks">The names of all checks that ran, those without findings too.</param>
/// <param name="Findings">At most a hundred for each check.</param>
public sealed record VerificationReport(IReadOnlyList<string> Checks, IReadOnlyList<Finding> Findings)
{
    public bool Intact => Findings.Count == 0;

    /// <summary>No faults: what is to be known one by one. Calls that budgets count at their upper bound, leases that count as spent. At most a hundred each, the newest.</summary>
    public IReadOnlyList<Finding> Notes { get; init; } = [];
}

/// <summary>
/// Checks what the ledger promises, against the store as it stands: one row for each request and attempt, attempts without gaps, a cost where
/// and only where there is a price, rollups equal to the sums of their events, budgets equal to what their events and leases make, nothing below zero, an
/// unbroken audit log.
/// </summary>
public interface ILedgerVerification
{
    /// <param name="tenantId">Null for all tenants.</param>
    Task<VerificationReport> RunAsync(string? tenantId, CancellationToken cancellationToken);
}
