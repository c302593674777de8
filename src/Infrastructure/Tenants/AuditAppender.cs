using System.Data.Common;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Tenants;

/// <summary>Appends to the audit log beside work in SQL, in its transaction: for what jobs do, which have no use case.</summary>
public sealed class AuditAppender(ISqlStore store, TimeProvider time)
{
    /// <param name="work">Returns the line's detail; null where nothing was done, and then nothing stands, the work neither.</param>
    public async Task<bool> InTransactionAsync(string tenantId, string actor, string action, string subject, Func<DbTransaction, string?> work, CancellationToken cancellationToken)
    {
        try
        {
            return await store.WriteAsync(
                transaction =>
                {
                    store.OneWriter(transaction);
                    Append(transaction, tenantId, actor, action, subject, work(transaction) ?? throw new NothingDone());
                    return true;
                },
                cancellationToken);
        }
        catch (NothingDone)
        {
            return false;
        }
    }

    private void Append(DbTransaction transaction, string tenantId, string actor, string action, string subject, string detail)
    {
        var last = transaction.Command("SELECT seq, hash FROM audit_log WHERE tenant_id = @tenant ORDER BY seq DESC LIMIT 1", ("@tenant", tenantId)).Rows(row => (Seq: row.GetInt64(0), Hash: (byte[])row.GetValue(1)));
        var (seq, previous) = last.Count == 0 ? (1, new byte[32]) : (last[0].Seq + 1, last[0].Hash);
        var at = UsageRow.Time(UsageRow.Micros(time.GetUtcNow()));
        transaction.Execute(
            "INSERT INTO audit_log (tenant_id, seq, at, actor, action, subject, result, detail, remote, previous_hash, hash) VALUES (@tenant, @seq, @at, @actor, @action, @subject, 'done', @detail, '', @previous, @hash)",
            ("@tenant", tenantId), ("@seq", seq), ("@at", UsageRow.Micros(at)), ("@actor", actor), ("@action", action), ("@subject", subject), ("@detail", detail), ("@previous", previous),
            ("@hash", AuditEntry.ComputeHash(previous, tenantId, seq, at, actor, action, subject, AuditResult.Done, detail, "")));
    }

    private sealed class NothingDone : Exception;
}
