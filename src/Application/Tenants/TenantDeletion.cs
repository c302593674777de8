using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Settings under <c>Tenants</c>.</summary>
public sealed class TenantOptions
{
    /// <summary>From asking for a tenant's deletion to carrying it out; so long it can be cancelled. 0 to 365 days.</summary>
    public TimeSpan DeletionGrace { get; set; } = TimeSpan.FromDays(30);

    public string? Problem() => DeletionGrace < TimeSpan.Zero || DeletionGrace > TimeSpan.FromDays(365) ? $"Tenants:DeletionGrace is {DeletionGrace}; it must be 0 to 365 days." : null;
}

/// <summary>
/// Asks for the end of a tenant: its keys are refused at once, everywhere within a second; after the grace everything of it is deleted, its ledger too.
/// </summary>
/// <param name="Name">The tenant's name, typed by whoever asks.</param>
public sealed record RequestTenantDeletion(Caller Caller, string TenantId, string Name) : IUseCase<TenantDeletion>, IChange
{
    public Right Needs => Right.ManageTenant;

    public string AuditDetail => "";
}

/// <param name="At">Null where it was cancelled.</param>
public sealed record TenantDeletion(string TenantId, DateTimeOffset? At) : IAuditSubject
{
    public string AuditSubject => TenantId;
}

internal sealed class RequestTenantDeletionHandler(TokonomicsDbContext db, TenantOptions options, TimeProvider time) : IRequestHandler<RequestTenantDeletion, Outcome<TenantDeletion>>
{
    public async Task<Outcome<TenantDeletion>> Handle(RequestTenantDeletion request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        if (!string.Equals(request.Name?.Trim(), tenant.Name, StringComparison.Ordinal))
            return Refusal.Invalid(nameof(request.Name), $"Type the name as it is: {tenant.Name}");
        tenant.DeleteAt = time.GetUtcNow() + options.DeletionGrace;
        return new TenantDeletion(tenant.Id, tenant.DeleteAt);
    }
}

/// <summary>Takes the request back: keys are accepted again, everywhere within a second.</summary>
public sealed record CancelTenantDeletion(Caller Caller, string TenantId) : IUseCase<TenantDeletion>, IChange, IInAnyState
{
    public Right Needs => Right.ManageTenant;

    public string AuditDetail => "";
}

internal sealed class CancelTenantDeletionHandler(TokonomicsDbContext db) : IRequestHandler<CancelTenantDeletion, Outcome<TenantDeletion>>
{
    public async Task<Outcome<TenantDeletion>> Handle(CancelTenantDeletion request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant?.DeleteAt is null)
            return new Refusal(RefusalKind.Conflict, "not_closing", "Nobody has asked for this tenant's deletion.");
        tenant.DeleteAt = null;
        return new TenantDeletion(tenant.Id, null);
    }
}

/// <summary>All of a tenant's data, row by row: keys and tokens without their hashes, no secret.</summary>
public sealed record ExportTenant(Caller Caller, string TenantId) : IUseCase<TenantExport>, IChange, IInAnyState
{
    public Right Needs => Right.ManageTenant;

    public string AuditDetail => "";
}

/// <param name="Lines">Read as they are taken, a page at a time: never whole in memory, and not one moment's state.</param>
public sealed record TenantExport(string TenantId, IAsyncEnumerable<ExportLine> Lines) : IAuditSubject
{
    public string AuditSubject => TenantId;
}

/// <param name="Table">Where the row stands: <c>budgets</c>.</param>
/// <param name="Json">The row as a JSON object.</param>
public sealed record ExportLine(string Table, ReadOnlyMemory<byte> Json);

internal sealed class ExportTenantHandler(ITenantData data) : IRequestHandler<ExportTenant, Outcome<TenantExport>>
{
    public Task<Outcome<TenantExport>> Handle(ExportTenant request, CancellationToken cancellationToken) =>
        Task.FromResult<Outcome<TenantExport>>(new TenantExport(request.TenantId, data.ReadAsync(request.TenantId, cancellationToken)));
}

/// <summary>Everything that the store has of a tenant.</summary>
public interface ITenantData
{
    IAsyncEnumerable<ExportLine> ReadAsync(string tenantId, CancellationToken cancellationToken);

    /// <summary>
    /// Carries out the deletions whose grace is over, and sweeps up what arrived late of tenants deleted before. The audit log's last line is kept as a
    /// line of the installation's own log. May be broken off anywhere and run again.
    /// </summary>
    /// <returns>The tenants that are gone now.</returns>
    Task<IReadOnlyList<string>> EraseDueAsync(CancellationToken cancellationToken);
}
