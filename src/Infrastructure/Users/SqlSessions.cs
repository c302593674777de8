using System.Security.Cryptography;
using System.Text;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Users;

/// <summary>Sessions as rows of the store.</summary>
internal sealed class SqlSessions(ISqlStore store, TimeProvider time) : ISessions
{
    // Rows of sessions that have run out go with the next sign-in of anybody.
    public Task BeginAsync(string key, string userId, byte[] ticket, string address, string userAgent, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return store.WriteAsync(
            transaction =>
            {
                transaction.Execute("DELETE FROM sessions WHERE expires_at < @now", ("@now", UsageRow.Micros(now)));
                return transaction.Execute(
                    """
                    INSERT INTO sessions (id, key_hash, user_id, ticket, created_at, seen_at, proved_at, expires_at, address, user_agent)
                    VALUES (@id, @key, @user, @ticket, @now, @now, @now, @expires, @address, @agent)
                    """,
                    ("@id", SortableId.New("ses", now)),
                    ("@key", Hash(key)),
                    ("@user", userId),
                    ("@ticket", ticket),
                    ("@now", UsageRow.Micros(now)),
                    ("@expires", UsageRow.Micros(now + ISessions.Longest)),
                    ("@address", address),
                    ("@agent", userAgent.Length > 300 ? userAgent[..300] : userAgent));
            },
            cancellationToken);
    }

    public Task<OpenSession?> FindAsync(string key, CancellationToken cancellationToken) => Task.Run(
        async () =>
        {
            var now = time.GetUtcNow();
            var hash = Hash(key);
            List<(OpenSession Session, long Seen)> rows;
            using (var connection = store.Open())
                rows = connection.Command(
                    null,
                    "SELECT s.id, s.user_id, s.tenant_id, s.ticket, s.proved_at, s.seen_at, u.security_stamp FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.key_hash = @key AND s.expires_at > @now AND s.seen_at > @idle",
                    ("@key", hash),
                    ("@now", UsageRow.Micros(now)),
                    ("@idle", UsageRow.Micros(now - ISessions.Idle)))
                    .Rows(r => (new OpenSession(r.GetString(0), r.GetString(1), r.IsDBNull(2) ? null : r.GetString(2), (byte[])r.GetValue(3), UsageRow.Time(r.GetInt64(4)), r.GetString(6)), r.GetInt64(5)));
            if (rows.Count == 0)
                return null;
            if (now - UsageRow.Time(rows[0].Seen) > TimeSpan.FromMinutes(1))
                await store.WriteAsync(t => t.Execute("UPDATE sessions SET seen_at = @now WHERE key_hash = @key", ("@now", UsageRow.Micros(now)), ("@key", hash)), cancellationToken);
            return rows[0].Session;
        },
        cancellationToken);

    public Task RenewAsync(string key, byte[] ticket, CancellationToken cancellationToken) =>
        store.WriteAsync(t => t.Execute("UPDATE sessions SET ticket = @ticket WHERE key_hash = @key", ("@ticket", ticket), ("@key", Hash(key))), cancellationToken);

    public Task ShowAsync(string sessionId, string tenantId, CancellationToken cancellationToken) =>
        store.WriteAsync(t => t.Execute("UPDATE sessions SET tenant_id = @tenant WHERE id = @id", ("@tenant", tenantId), ("@id", sessionId)), cancellationToken);

    public Task ProveAsync(string sessionId, string newKey, byte[] ticket, CancellationToken cancellationToken) =>
        store.WriteAsync(
            t => t.Execute(
                "UPDATE sessions SET proved_at = @now, key_hash = @key, ticket = @ticket WHERE id = @id",
                ("@now", UsageRow.Micros(time.GetUtcNow())),
                ("@key", Hash(newKey)),
                ("@ticket", ticket),
                ("@id", sessionId)),
            cancellationToken);

    public Task<IReadOnlyList<SessionLine>> ListAsync(string userId, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<SessionLine>>(
        () =>
        {
            var now = time.GetUtcNow();
            using var connection = store.Open();
            return connection.Command(
                null,
                "SELECT id, created_at, seen_at, address, user_agent FROM sessions WHERE user_id = @user AND expires_at > @now AND seen_at > @idle ORDER BY seen_at DESC",
                ("@user", userId),
                ("@now", UsageRow.Micros(now)),
                ("@idle", UsageRow.Micros(now - ISessions.Idle)))
                .Rows(r => new SessionLine(r.GetString(0), UsageRow.Time(r.GetInt64(1)), UsageRow.Time(r.GetInt64(2)), r.GetString(3), r.GetString(4)));
        },
        cancellationToken);

    public Task<int> EndAsync(string userId, string? sessionId, string? keep, CancellationToken cancellationToken) => store.WriteAsync(
        t => sessionId is not null
            ? t.Execute("DELETE FROM sessions WHERE user_id = @user AND id = @id", ("@user", userId), ("@id", sessionId))
            : t.Execute("DELETE FROM sessions WHERE user_id = @user AND id <> @keep", ("@user", userId), ("@keep", keep ?? "")),
        cancellationToken);

    public Task EndAsync(string key, CancellationToken cancellationToken) =>
        store.WriteAsync(t => t.Execute("DELETE FROM sessions WHERE key_hash = @key", ("@key", Hash(key))), cancellationToken);

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
