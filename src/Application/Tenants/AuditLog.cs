using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;

namespace Tokonomics.Application.Tenants;

public enum AuditResult
{
    Done,
    Denied,
}

/// <summary>One line of the audit log: chained by hash to the line before it, per tenant.</summary>
public sealed class AuditEntry
{
    /// <summary>Where acts are recorded that belong to no tenant.</summary>
    public const string SystemTenant = "system";

    public required string TenantId { get; init; }

    /// <summary>1, 2, 3 … within the tenant, without gaps.</summary>
    public required long Seq { get; init; }

    public required DateTimeOffset At { get; init; }

    public required string Actor { get; init; }

    /// <summary>The use case: <c>create_key</c>.</summary>
    public required string Action { get; init; }

    public required string Subject { get; init; }

    public required AuditResult Result { get; init; }

    public required string Detail { get; init; }

    /// <summary>From where: the address of whoever asked, empty for the machine itself. Null in lines from before it was kept.</summary>
    public string? Remote { get; init; }

    /// <summary>The hash of the line before; 32 zero bytes for the first.</summary>
    public required byte[] PreviousHash { get; init; }

    public required byte[] Hash { get; init; }

    /// <summary>SHA-256 over the hash before and every field, each with its length before it, so that no text can pass from one field to the next.</summary>
    /// <param name="remote">Null in lines from before it was kept: it is then no part of the hash, and a line can't lose it or be given one unnoticed.</param>
    public static byte[] ComputeHash(byte[] previousHash, string tenantId, long seq, DateTimeOffset at, string actor, string action, string subject, AuditResult result, string detail, string? remote)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[8];
        sha.AppendData(previousHash);
        Add(sha, tenantId);
        BinaryPrimitives.WriteInt64BigEndian(number, seq);
        sha.AppendData(number);
        BinaryPrimitives.WriteInt64BigEndian(number, (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond);
        sha.AppendData(number);
        Add(sha, actor);
        Add(sha, action);
        Add(sha, subject);
        Add(sha, result.ToString());
        Add(sha, detail);
        if (remote is not null)
            Add(sha, remote);
        return sha.GetHashAndReset();

        static void Add(IncrementalHash sha, string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            Span<byte> length = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
            sha.AppendData(length);
            sha.AppendData(bytes);
        }
    }
}

/// <summary>From where the requests of this scope come; set by the host before anything is appended.</summary>
public sealed class AuditOrigin
{
    /// <summary>An IP address; empty for the machine itself.</summary>
    public string Remote { get; set; } = "";
}

/// <summary>Appends to the audit log, inside the caller's transaction: the store lets one writer in at a time, so that no two lines take the same place.</summary>
public sealed class AuditLog(TokonomicsDbContext db, AuditOrigin origin, TimeProvider time)
{
    public async Task AppendAsync(string tenantId, string actor, string action, string subject, AuditResult result, string detail, CancellationToken cancellationToken)
    {
        var last = await db.Audit.AsNoTracking().Where(a => a.TenantId == tenantId).OrderByDescending(a => a.Seq).FirstOrDefaultAsync(cancellationToken);
        var previous = last?.Hash ?? new byte[32];
        var seq = (last?.Seq ?? 0) + 1;
        var at = time.GetUtcNow();
        db.Audit.Add(new AuditEntry
        {
            TenantId = tenantId,
            Seq = seq,
            At = at,
            Actor = actor,
            Action = action,
            Subject = subject,
            Result = result,
            Detail = detail,
            Remote = origin.Remote,
            PreviousHash = previous,
            Hash = AuditEntry.ComputeHash(previous, tenantId, seq, at, actor, action, subject, result, detail, origin.Remote),
        });
        await db.SaveChangesAsync(cancellationToken);
    }
}
