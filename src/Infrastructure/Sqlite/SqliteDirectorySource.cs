using System.Security.Cryptography;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Secrets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.InProcess;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>
/// Reads the key directory from SQLite by a connection of its own. <c>PRAGMA data_version</c> changes when another connection has committed
/// anything, in this process or another; it costs microseconds. Most commits are the ledger's, so the second question is the highest <c>changes.seq</c>.
/// </summary>
internal sealed partial class SqliteDirectorySource(SqliteDatabase database, ISecretBox box, ILogger<SqliteDirectorySource> log) : IDirectorySource
{
    private SqliteConnection? _connection;
    private long _version = -1;

    public bool MayHaveChanged()
    {
        try
        {
            using var command = Connection().CreateCommand();
            command.CommandText = "PRAGMA data_version";
            var version = (long)command.ExecuteScalar()!;
            var changed = version != _version;
            _version = version;
            return changed;
        }
        catch (SqliteException)
        {
            Forget();
            throw;
        }
    }

    public DirectoryChanges Read(long since)
    {
        try
        {
            using var transaction = Connection().BeginTransaction(deferred: true); // one snapshot over all tables
            var reached = (long)Scalar("SELECT coalesce(max(seq), 0) FROM changes");
            var all = since == 0 || reached < since; // the sequence only goes back when another database was put in place
            if (all)
                since = -1;
            else if (reached == since)
                return new DirectoryChanges(reached, false, []);
            const string Changed = "tenant_id IN (SELECT tenant_id FROM changes WHERE seq > $since)";
            var credentials = Rows($"""
                SELECT c.tenant_id, c.id, c.provider, s.id, s.purpose, s.kek_id, s.wrapped_key, s.ciphertext
                FROM provider_credentials AS c JOIN secrets AS s ON s.tenant_id = c.tenant_id AND s.id = c.secret_id
                WHERE c.ended_at IS NULL AND c.{Changed}
                """, since, Credential).ToLookup(r => r.TenantId, r => r.Value);
            var endpoints = Rows($"SELECT tenant_id, name, base_url, surface FROM custom_endpoints WHERE {Changed}", since,
                row => Uri.TryCreate(row.GetString(2), UriKind.Absolute, out var url) ? new CustomEndpoint(row.GetString(1), url, row.GetString(3)) : null)
                .ToLookup(r => r.TenantId, r => r.Value);
            var keys = Rows($"SELECT tenant_id, id, lookup_id, hash, environment, team_id, project_id, tags, expires_at, revoked_at, requests_per_minute, tokens_per_minute, concurrent_requests FROM metering_keys WHERE {Changed}", since,
                row => new KeyRow(
                    row.GetString(1), row.GetString(2), (byte[])row.GetValue(3), (KeyEnvironment)row.GetByte(4),
                    row.IsDBNull(5) ? null : row.GetString(5), row.IsDBNull(6) ? null : row.GetString(6), KeyTags.Read(row.GetString(7)),
                    row.IsDBNull(8) ? null : UsageRow.Time(row.GetInt64(8)), !row.IsDBNull(9), Limits(row, 10))).ToLookup(r => r.TenantId, r => r.Value);
            var tenants = Rows("SELECT id, status, requests_per_minute, tokens_per_minute, concurrent_requests FROM tenants WHERE id IN (SELECT tenant_id FROM changes WHERE seq > $since)", since,
                row => (Status: row.GetString(1), Limits: Limits(row, 2)));
            return new DirectoryChanges(reached, all, tenants.ConvertAll(t => new TenantRow(
                t.TenantId, t.Value.Status == "suspended", [.. credentials[t.TenantId].OfType<ProviderCredential>()], [.. endpoints[t.TenantId].OfType<CustomEndpoint>()], [.. keys[t.TenantId]], t.Value.Limits)));
        }
        catch (SqliteException)
        {
            Forget();
            throw;
        }
    }

    private static CallLimits? Limits(SqliteDataReader row, int first)
    {
        var limits = new CallLimits(
            row.IsDBNull(first) ? null : row.GetInt64(first), row.IsDBNull(first + 1) ? null : row.GetInt64(first + 1), row.IsDBNull(first + 2) ? null : row.GetInt32(first + 2));
        return limits.IsEmpty ? null : limits;
    }

    // One secret that can't be opened leaves its provider without a key; it must not keep every other tenant's changes from being seen.
    private ProviderCredential? Credential(SqliteDataReader row)
    {
        var secret = new SealedSecret
        {
            TenantId = row.GetString(0),
            Id = row.GetString(3),
            Purpose = row.GetString(4),
            KekId = row.GetString(5),
            WrappedKey = (byte[])row.GetValue(6),
            Ciphertext = (byte[])row.GetValue(7),
            CreatedAt = default,
        };
        try
        {
            return new ProviderCredential(row.GetString(1), row.GetString(2), box.Open(secret));
        }
        catch (CryptographicException e)
        {
            CredentialSealed(row.GetString(1), secret.TenantId, e.Message);
            return null;
        }
    }

    private List<(string TenantId, T Value)> Rows<T>(string sql, long since, Func<SqliteDataReader, T> read)
    {
        using var command = Connection().CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$since", since);
        var rows = new List<(string, T)>();
        using var row = command.ExecuteReader();
        while (row.Read())
            rows.Add((row.GetString(0), read(row)));
        return rows;
    }

    private object Scalar(string sql)
    {
        using var command = Connection().CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar()!;
    }

    private SqliteConnection Connection() => _connection ??= database.Open();

    private void Forget()
    {
        _connection?.Dispose();
        _connection = null;
        _version = -1;
    }

    public void Dispose() => _connection?.Dispose();

    [LoggerMessage(Level = LogLevel.Error, Message = "Credential {Credential} of tenant {Tenant} can't be opened and is left out: {Reason}")]
    private partial void CredentialSealed(string credential, string tenant, string reason);
}
