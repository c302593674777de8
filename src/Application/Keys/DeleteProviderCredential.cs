using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>Ends a provider credential and deletes its sealed text; the row stays as history.</summary>
public sealed record DeleteProviderCredential(Caller Caller, string TenantId, string CredentialId) : IUseCase<CredentialDeleted>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => "";
}

public sealed record CredentialDeleted(string CredentialId) : IAuditSubject
{
    public string AuditSubject => CredentialId;
}

internal sealed class DeleteProviderCredentialHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<DeleteProviderCredential, Outcome<CredentialDeleted>>
{
    public async Task<Outcome<CredentialDeleted>> Handle(DeleteProviderCredential request, CancellationToken cancellationToken)
    {
        var row = await db.Credentials.FirstOrDefaultAsync(
            c => c.TenantId == request.TenantId && c.Id == request.CredentialId && c.EndedAt == null, cancellationToken);
        if (row is null)
            return Refusal.NotFound("credential");
        var secretId = row.End(time.GetUtcNow(), request.Caller.Actor);
        await db.SaveChangesAsync(cancellationToken);
        await db.Secrets.Where(s => s.TenantId == request.TenantId && s.Id == secretId).ExecuteDeleteAsync(cancellationToken);
        return new CredentialDeleted(row.Id);
    }
}
