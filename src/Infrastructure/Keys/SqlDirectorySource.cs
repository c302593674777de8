using System.Data.Common;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Secrets;
using Tokonomics.Domain.Caching;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Routing;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Keys;

/// <summary>
/// Reads the key directory by a connection of its own. <c>changes.seq</c> is given out by one writer at a time, so that whoever has read up to a
/// number has seen every lower one. On SQLite the first question is cheaper and less exact: most of the commits that it sees are the ledger's.
/// </summary>
internal sealed partial class SqlDirectorySource(ISqlStore store, ISecretBox box, ILogger<SqlDirectorySource> log) : IDirectorySource
{
    private DbConnection? _connection;
    private long _version = -1;

    public bool MayHaveChanged()
    {
        try
        {
            var version = (long)Connection().Scalar(store.ChangeMark)!;
            var changed = version != _version;
            _version = version;
            return changed;
        }
        catch
        {
            Forget();
            throw;
        }
    }

    public DirectoryChanges Read(long since)
    {
        try
        {
            using var transaction = store.BeginReading(Connection()); // one snapshot over all tables
            var reached = Rows(transaction, "SELECT '', coalesce(max(seq), 0) FROM changes", since, row => row.GetInt64(1))[0].Value;
            var all = since == 0 || reached < since; // the sequence only goes back when another database was put in place
            if (all)
                since = -1;
            else if (reached == since)
                return new DirectoryChanges(reached, false, [], []);
            const string Changed = "tenant_id IN (SELECT tenant_id FROM changes WHERE seq > @since)";
            var credentials = Rows(transaction, $"""
                SELECT c.tenant_id, c.id, c.provider, s.id, s.purpose, s.kek_id, s.wrapped_key, s.ciphertext
                FROM provider_credentials AS c JOIN secrets AS s ON s.tenant_id = c.tenant_id AND s.id = c.secret_id
                WHERE c.ended_at IS NULL AND c.{Changed}
                """, since, Credential).ToLookup(r => r.TenantId, r => r.Value);
            var endpoints = Rows(transaction, $"SELECT tenant_id, name, base_url, surface FROM custom_endpoints WHERE {Changed}", since,
                row => Uri.TryCreate(row.GetString(2), UriKind.Absolute, out var url) ? new CustomEndpoint(row.GetString(1), url, row.GetString(3)) : null)
                .ToLookup(r => r.TenantId, r => r.Value);
            var keys = Rows(transaction, $"SELECT tenant_id, id, lookup_id, hash, environment, team_id, project_id, tags, expires_at, revoked_at, requests_per_minute, tokens_per_minute, concurrent_requests, name, allowed_providers, allowed_models, cache_seconds FROM metering_keys WHERE {Changed}", since,
                row => new KeyRow(
                    row.GetString(1), row.GetString(13), row.GetString(2), (byte[])row.GetValue(3), (KeyEnvironment)row.GetByte(4),
                    row.IsDBNull(5) ? null : row.GetString(5), row.IsDBNull(6) ? null : row.GetString(6), KeyTags.Read(row.GetString(7)),
                    row.IsDBNull(8) ? null : UsageRow.Time(row.GetInt64(8)), !row.IsDBNull(9), Limits(row, 10), KeyAllowance.Read(row.GetString(14), row.GetString(15)), row.IsDBNull(16) ? null : CacheTime.Of(row.GetInt32(16)))).ToLookup(r => r.TenantId, r => r.Value);
            var routes = Rows(transaction, $"SELECT tenant_id, id, name, policy FROM model_routes WHERE {Changed}", since, Route).ToLookup(r => r.TenantId, r => r.Value);
            var tenants = Rows(transaction, "SELECT id, status, requests_per_minute, tokens_per_minute, concurrent_requests, on_disconnect, unpriced, delete_at, time_zone, cache_epoch FROM tenants WHERE id IN (SELECT tenant_id FROM changes WHERE seq > @since)", since,
                row => (
                    Status: !row.IsDBNull(7) ? KeyStatus.Closing : row.GetString(1) == "suspended" ? KeyStatus.Suspended : KeyStatus.Active,
                    Limits: Limits(row, 2), ReadsOn: row.GetString(5) == "readon", RefusesUnpriced: row.GetString(6) == "refuse", Zone: TimeZoneInfo.TryFindSystemTimeZoneById(row.GetString(8), out var zone) ? zone : TimeZoneInfo.Utc, CacheEpoch: row.GetString(9)));
            var gone = Rows(transaction, "SELECT tenant_id FROM changes WHERE seq > @since AND tenant_id NOT IN (SELECT id FROM tenants)", since, _ => true).ConvertAll(r => r.TenantId);
            return new DirectoryChanges(reached, all, tenants.ConvertAll(t => new TenantRow(
                t.TenantId, t.Value.Status, [.. credentials[t.TenantId].OfType<ProviderCredential>()], [.. endpoints[t.TenantId].OfType<CustomEndpoint>()], [.. keys[t.TenantId]], t.Value.Limits, t.Value.ReadsOn, t.Value.RefusesUnpriced,
                [.. routes[t.TenantId].OfType<ModelRoute>()], t.Value.Zone, t.Value.CacheEpoch)), gone);
        }
        catch
        {
            Forget();
            throw;
        }
    }

    private static CallLimits? Limits(DbDataReader row, int first)
    {
        var limits = new CallLimits(
            row.IsDBNull(first) ? null : row.GetInt64(first), row.IsDBNull(first + 1) ? null : row.GetInt64(first + 1), row.IsDBNull(first + 2) ? null : row.GetInt32(first + 2));
        return limits.IsEmpty ? null : limits;
    }

    // One secret that can't be opened leaves its provider without a key; it must not keep every other tenant's changes from being seen.
    private ProviderCredential? Credential(DbDataReader row)
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

    // As with a secret: one route that a newer version wrote must not keep the rest from being seen.
    private ModelRoute? Route(DbDataReader row)
    {
        var (route, problem) = RoutePolicy.Read(row.GetString(1), row.GetString(2), row.GetString(3));
        if (route is null)
            RouteUnreadable(row.GetString(2), row.GetString(1), row.GetString(0), problem!);
        return route;
    }

    private static List<(string TenantId, T Value)> Rows<T>(DbTransaction transaction, string sql, long since, Func<DbDataReader, T> read) =>
        transaction.Command(sql, ("@since", since)).Rows(row => (row.GetString(0), read(row)));

    private DbConnection Connection() => _connection ??= store.Open();

    private void Forget()
    {
        _connection?.Dispose();
        _connection = null;
        _version = -1;
    }

    public void Dispose() => _connection?.Dispose();

    [LoggerMessage(Level = LogLevel.Error, Message = "Credential {Credential} of tenant {Tenant} can't be opened and is left out: {Reason}")]
    private partial void CredentialSealed(string credential, string tenant, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The route '{Name}' ({Route}) of tenant {Tenant} can't be read and is left out: {Reason}")]
    private partial void RouteUnreadable(string name, string route, string tenant, string reason);
}
