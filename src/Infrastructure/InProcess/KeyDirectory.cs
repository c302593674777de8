using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Keys;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>
/// All tenants and keys in memory. Entries are immutable and replaced one by one, so that a look-up takes no lock; the store is asked five
/// times a second whether anything changed, and at once when this process changed it.
/// </summary>
/// <remarks>While the store can't be read the last known state serves on; <see cref="ReadAt"/> says how old it is, for the health check.</remarks>
public sealed partial class KeyDirectory : BackgroundService, IKeyDirectory, IDirectoryRefresh
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(200);
    private const int SayEveryFailures = 25;

    // Neither can be presented: '!' is in no key.
    private const string DecoyLookupId = "!decoydeco";
    private const string NobodysLookupId = "!nobodynob";

    private readonly ConcurrentDictionary<string, Entry> _byLookupId = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Entry>.AlternateLookup<ReadOnlySpan<char>> _find;
    private readonly Dictionary<string, string[]> _lookupIdsOfTenant = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _reading = new(1, 1);
    private readonly IDirectorySource _source;
    private readonly IKeyHasher _hasher;
    private readonly TimeProvider _time;
    private readonly PriceOverrideLookup? _overrides;
    private readonly ILogger<KeyDirectory> _log;
    private long _seq;
    private long _readAtTicks;

    internal KeyDirectory(IDirectorySource source, IKeyHasher hasher, TimeProvider time, ILogger<KeyDirectory> log, PriceOverrideLookup? overrides = null)
    {
        (_source, _hasher, _time, _log, _overrides) = (source, hasher, time, log, overrides);
        _find = _byLookupId.GetAlternateLookup<ReadOnlySpan<char>>();
        var decoy = new KeySnapshot { Id = "key_decoy", Tenant = new TenantSnapshot { Id = "ten_decoy" } };
        _byLookupId[DecoyLookupId] = new Entry(new byte[32], decoy, Revoked: true, KeyStatus.Suspended, 0);
    }

    private sealed record Entry(byte[] Hash, KeySnapshot Key, bool Revoked, KeyStatus Status, long ExpiresAtTicks);

    /// <summary>When the store was last asked with success.</summary>
    public DateTimeOffset ReadAt => new(Interlocked.Read(ref _readAtTicks), TimeSpan.Zero);

    public int KeyCount => _byLookupId.Count - 1; // the decoy

    public KeyLookup Find(ReadOnlySpan<char> presented)
    {
        // A text that isn't a key is refused sooner than one that is: whoever sent it can compute the checksum as well, and learns nothing.
        if (!MeteringKey.IsWellFormed(presented))
            return default;
        Span<byte> hash = stackalloc byte[32];
        _hasher.Hash(presented, hash);
        var known = _find.TryGetValue(MeteringKey.LookupIdOf(presented), out var entry);
        // Finding an entry takes some 30 ns longer than finding none. The second search has the opposite end, so that every key pays for both.
        _find.TryGetValue(known ? NobodysLookupId : DecoyLookupId, out var decoy);
        // Hash and comparison are done for unknown keys too, and the comparison doesn't stop at the first difference.
        if (!CryptographicOperations.FixedTimeEquals(hash, (entry ?? decoy)!.Hash) || !known)
            return default;
        if (entry!.Revoked)
            return new KeyLookup(KeyStatus.Revoked, null);
        if (entry.ExpiresAtTicks <= _time.GetUtcNow().UtcTicks)
            return new KeyLookup(KeyStatus.Expired, null);
        return new KeyLookup(entry.Status, entry.Status == KeyStatus.Active ? entry.Key : null);
    }

    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _reading.WaitAsync(cancellationToken);
        try
        {
            await Task.Run(Apply, cancellationToken);
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <summary>Reads everything once before the host takes requests, then polls.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(PollEvery);
        var (behind, failures) = (false, 0);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await _reading.WaitAsync(stoppingToken);
                try
                {
                    // Asking takes the change's mark away; where the reading behind it failed, it is still to be done.
                    behind |= _source.MayHaveChanged();
                    if (behind)
                        Apply();
                    (behind, failures) = (false, 0);
                    Interlocked.Exchange(ref _readAtTicks, _time.GetUtcNow().UtcTicks);
                }
                finally
                {
                    _reading.Release();
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Whatever it was, the next tick tries again; ending the loop would let revoked keys live on.
                if (failures++ % SayEveryFailures == 0)
                    NotRead(e);
            }
        }
    }

    private void Apply()
    {
        var changes = _source.Read(_seq);
        foreach (var tenant in changes.Tenants)
            Replace(tenant);
        foreach (var gone in changes.Gone)
            Forget(gone);
        if (changes.All)
        {
            var present = changes.Tenants.Select(t => t.Id).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _lookupIdsOfTenant.Keys.Where(id => !present.Contains(id)).ToList())
                Forget(gone);
        }

        _seq = changes.Seq;
        Interlocked.Exchange(ref _readAtTicks, _time.GetUtcNow().UtcTicks);
    }

    private void Forget(string tenantId)
    {
        if (!_lookupIdsOfTenant.Remove(tenantId, out var lookupIds))
            return;
        foreach (var lookupId in lookupIds)
            _byLookupId.TryRemove(lookupId, out _);
    }

    private void Replace(TenantRow row)
    {
        var tenant = new TenantSnapshot
        {
            Id = row.Id,
            Credentials = row.Credentials.ToFrozenDictionary(c => c.Provider, StringComparer.Ordinal),
            Endpoints = row.Endpoints.ToFrozenDictionary(e => e.Name, StringComparer.Ordinal),
            Prices = _overrides?.Invoke(row.Id),
            Limits = row.Limits,
            ReadsOn = row.ReadsOn,
            RefusesUnpriced = row.RefusesUnpriced,
            Routes = (row.Routes ?? []).ToFrozenDictionary(r => r.Name, StringComparer.Ordinal),
            Zone = row.Zone ?? TimeZoneInfo.Utc,
            CacheEpoch = row.CacheEpoch,
        };
        foreach (var key in row.Keys)
            _byLookupId[key.LookupId] = new Entry(
                key.Hash,
                new KeySnapshot
                {
                    Id = key.Id,
                    Name = key.Name,
                    Tenant = tenant,
                    Environment = key.Environment,
                    TeamId = key.TeamId,
                    ProjectId = key.ProjectId,
                    Tags = key.Tags,
                    ExpiresAt = key.ExpiresAt,
                    Limits = key.Limits,
                    Allowance = key.Allowance,
                    CacheFor = key.CacheFor,
                },
                key.Revoked,
                row.Status,
                key.ExpiresAt?.UtcTicks ?? long.MaxValue);
        var now = row.Keys.Select(k => k.LookupId).ToArray();
        if (_lookupIdsOfTenant.TryGetValue(row.Id, out var before))
            foreach (var gone in before.Except(now, StringComparer.Ordinal))
                _byLookupId.TryRemove(gone, out _);
        _lookupIdsOfTenant[row.Id] = now;
    }

    public override void Dispose()
    {
        base.Dispose();
        _source.Dispose();
        _reading.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The key directory could not read the store; it serves what it knows and tries again")]
    private partial void NotRead(Exception e);
}
