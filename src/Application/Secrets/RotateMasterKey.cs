using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Secrets;

/// <summary>
/// Makes a new key-encryption key (or, where <paramref name="NewKey"/> is false, takes the ring's current one) and wraps every data key by
/// it. Serving goes on: both keys can be read all the while. Run again after a crash, it goes on where it stopped.
/// </summary>
public sealed record RotateMasterKey(Caller Caller, bool NewKey = true) : IUseCase<MasterKeyRotated>
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;
}

public sealed record MasterKeyRotated(string KekId, int Rewrapped);

internal sealed class RotateMasterKeyHandler(TokonomicsDbContext db, IMasterKeys ring, ISecretBox box, AuditLog audit) : IRequestHandler<RotateMasterKey, Outcome<MasterKeyRotated>>
{
    private const int Batch = 200;

    public async Task<Outcome<MasterKeyRotated>> Handle(RotateMasterKey request, CancellationToken cancellationToken)
    {
        var current = request.NewKey ? ring.Add() : ring.CurrentId;
        var total = 0;
        while (true)
        {
            // Short transactions, so that other writers are let in between. The last one carries the audit line.
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
            var secrets = await db.Secrets.Where(s => s.KekId != current).OrderBy(s => s.TenantId).ThenBy(s => s.Id).Take(Batch).ToListAsync(cancellationToken);
            foreach (var secret in secrets)
                box.Rewrap(secret);
            foreach (var key in await db.DataProtectionKeys.Where(k => k.KekId != current).ToListAsync(cancellationToken))
            {
                var secret = key.AsSecret();
                box.Rewrap(secret);
                (key.KekId, key.WrappedKey) = (secret.KekId, secret.WrappedKey);
                total++;
            }

            total += secrets.Count;
            await db.SaveChangesAsync(cancellationToken);
            if (secrets.Count < Batch)
                await audit.AppendAsync(AuditEntry.SystemTenant, request.Caller.Actor, "rotate_master_key", current, AuditResult.Done, $"{total} secrets", cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            db.ChangeTracker.Clear();
            if (secrets.Count < Batch)
                return new MasterKeyRotated(current, total);
        }
    }
}
