using System.Data.Common;
using Tokonomics.Application.Idempotency;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Idempotency;

/// <summary>
/// The keys in a relational store. A claim is one INSERT that the primary key decides: of two that come at once one inserts, and what it inserted is on the disk when it
/// is told. What became of a call is read from its events and written nowhere a second time.
/// </summary>
public sealed class SqlIdempotencyKeys(ISqlStore store) : IIdempotencyKeys
{
    // A provider's error in full, for which nothing is charged: the one event after which a key is free. Whether a call that broke off was
    // charged, nobody knows.
    private const string Uncharged = "e.outcome = 'Completed' AND e.status >= 300 AND e.cost_nano = 0";
    private const string EventsOf = "usage_events AS e WHERE e.request_id = k.request_id AND e.tenant_id = k.tenant_id AND e.at = k.at";

    private const string Claim = """
        INSERT INTO idempotency_keys AS k (tenant_id, key_id, key_hash, body_hash, request_id, at, node, run, expires_at)
        VALUES (@tenant, @key, @hash, @body, @request, @at, @node, @run, @expires)
        ON CONFLICT (tenant_id, key_id, key_hash) DO UPDATE
        SET body_hash = excluded.body_hash, request_id = excluded.request_id, at = excluded.at, node = excluded.node, run = excluded.run, expires_at = excluded.expires_at
        WHERE k.expires_at <= excluded.at
        """;

    private const string Earlier = "SELECT body_hash, request_id, at FROM idempotency_keys WHERE tenant_id = @tenant AND key_id = @key AND key_hash = @hash";

    private const string Events = "SELECT status, outcome, cost_nano FROM usage_events WHERE request_id = @request AND tenant_id = @tenant AND at = @at ORDER BY attempt";

    private const string Release = "DELETE FROM idempotency_keys WHERE tenant_id = @tenant AND key_id = @key AND key_hash = @hash AND request_id = @request";

    private const string ReleaseUncharged = $"""
        DELETE FROM idempotency_keys AS k WHERE k.node = @node AND k.run <> @run
        AND NOT EXISTS (SELECT 1 FROM {EventsOf} AND NOT ({Uncharged})) AND (@lost = 0 OR EXISTS (SELECT 1 FROM {EventsOf}))
        """;

    public Task<KeyAnswer> ClaimAsync(KeyClaim claim, CancellationToken cancellationToken) => store.WriteAsync(transaction =>
    {
        // Between the two statements the key may be released: then it is free, and the second claim gets it.
        for (var tries = 0; tries < 3; tries++)
        {
            if (Execute(transaction, Claim, [.. Of(claim), ("@body", claim.BodyHash), ("@at", UsageRow.Micros(claim.At)), ("@node", claim.Node), ("@run", claim.Run), ("@expires", UsageRow.Micros(claim.ExpiresAt))]) == 1)
                return new KeyAnswer(KeyVerdict.Claimed, null);
            if (Find(transaction, claim) is { } answer)
                return answer;
        }

        throw new InvalidOperationException($"the Idempotency-Key of {claim.RequestId} is claimed and released again and again");
    }, cancellationToken);

    public Task ReleaseAsync(KeyClaim claim, CancellationToken cancellationToken) => store.WriteAsync(transaction => Execute(transaction, Release, Of(claim)), cancellationToken);

    public Task<int> ReleaseUnchargedAsync(string node, string run, bool lostRecords, CancellationToken cancellationToken) =>
        store.WriteAsync(transaction => Execute(transaction, ReleaseUncharged, ("@node", node), ("@run", run), ("@lost", lostRecords ? 1 : 0)), cancellationToken);

    public Task<int> ForgetExpiredAsync(DateTimeOffset now, CancellationToken cancellationToken) =>
        store.WriteAsync(transaction => Execute(transaction, "DELETE FROM idempotency_keys WHERE expires_at <= @now", ("@now", UsageRow.Micros(now))), cancellationToken);

    private static KeyAnswer? Find(DbTransaction transaction, KeyClaim claim)
    {
        string request;
        long at;
        bool same;
        using (var command = Command(transaction, Earlier, Of(claim)))
        using (var row = command.ExecuteReader())
        {
            if (!row.Read())
                return null;
            (request, at, same) = (row.GetString(1), row.GetInt64(2), row.GetFieldValue<byte[]>(0).AsSpan().SequenceEqual(claim.BodyHash));
        }

        if (same && request == claim.RequestId)
            return new KeyAnswer(KeyVerdict.Claimed, null); // the first answer to this claim was lost
        var attempts = new List<(int Status, CallOutcome Outcome, long? Cost)>();
        using (var command = Command(transaction, Events, ("@request", request), ("@tenant", claim.TenantId), ("@at", at)))
        using (var row = command.ExecuteReader())
            while (row.Read())
                attempts.Add((row.GetInt32(0), Enum.Parse<CallOutcome>(row.GetString(1)), row.IsDBNull(2) ? null : row.GetInt64(2)));
        var last = attempts.LastOrDefault();
        var cost = attempts.All(a => a.Cost is not null) ? new NanoUsd(attempts.Sum(a => a.Cost!.Value)) : default(NanoUsd?);
        var earlier = new EarlierCall(request, UsageRow.Time(at), last.Status, last.Outcome, cost);
        // Where nothing was charged yet, the key is about to be released, or a further attempt runs.
        return new KeyAnswer(!same ? KeyVerdict.Mismatch : attempts.TrueForAll(a => a is { Outcome: CallOutcome.Completed, Status: >= 300, Cost: 0 }) ? KeyVerdict.Running : KeyVerdict.Done, earlier);
    }

    private static (string, object)[] Of(KeyClaim claim) => [("@tenant", claim.TenantId), ("@key", claim.KeyId), ("@hash", claim.KeyHash), ("@request", claim.RequestId)];

    private static DbCommand Command(DbTransaction transaction, string sql, params (string Name, object Value)[] parameters)
    {
        var command = transaction.Connection!.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var (name, value) in parameters)
        {
            var parameter = command.CreateParameter();
            (parameter.ParameterName, parameter.Value) = (name, value);
            command.Parameters.Add(parameter);
        }

        return command;
    }

    private static int Execute(DbTransaction transaction, string sql, params (string Name, object Value)[] parameters)
    {
        using var command = Command(transaction, sql, parameters);
        return command.ExecuteNonQuery();
    }
}
