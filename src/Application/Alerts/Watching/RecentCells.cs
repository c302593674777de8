using System.Collections.Concurrent;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>The last hour's cells of every tenant that calls. A minute is read from the ledger once, and again where calls were added to it since: long ones, and what a node that was away reports late.</summary>
/// <param name="most">Cells that are kept at most, of 100 to 500 bytes each, by their names. Beyond it tenants are read anew each time.</param>
internal sealed class RecentCells(IWatchQueries queries, int most = 200_000)
{
    private readonly ConcurrentDictionary<string, Kept> _kept = new(StringComparer.Ordinal);
    private long _cells;

    /// <param name="Calls">How many there were before the cells were read.</param>
    private sealed record Minute(long Calls, SpendCell[] Cells);

    /// <param name="Until">Exclusive: the first of the minutes is the one before.</param>
    private sealed record Kept(DateTimeOffset Until, Minute?[] Minutes, int Cells);

    /// <param name="minutes">1 to <see cref="SpendSpike.LongestWindow"/>.</param>
    /// <param name="until">A whole minute; what is later isn't looked at.</param>
    public async Task<IReadOnlyList<SpendCell>> LastAsync(string tenantId, int minutes, DateTimeOffset until, CancellationToken cancellationToken)
    {
        // Counted first: what comes between that and the reading makes the next count another one.
        var calls = await queries.CallsAsync(tenantId, until.AddMinutes(-minutes), until, cancellationToken);
        var known = KnownAt(tenantId, until);
        for (var latest = 0; latest < minutes; latest++)
        {
            if (known[latest]?.Calls == calls[latest])
                continue;
            var oldest = latest;
            while (oldest + 1 < minutes && known[oldest + 1]?.Calls != calls[oldest + 1])
                oldest++;
            var read = (await queries.CellsAsync(tenantId, until.AddMinutes(-oldest - 1), until.AddMinutes(-latest), byMinute: true, cancellationToken)).ToLookup(c => c.Minute);
            for (var minute = latest; minute <= oldest; minute++)
                known[minute] = new Minute(calls[minute], [.. read[minute - latest]]);
            latest = oldest;
        }

        Keep(tenantId, until, known);
        var cells = new List<SpendCell>();
        for (var minute = 0; minute < minutes; minute++)
            foreach (var cell in known[minute]!.Cells)
                cells.Add(cell with { Minute = minute });
        return cells;
    }

    /// <summary>Forgets tenants that aren't looked at any more.</summary>
    public void KeepOnly(IReadOnlySet<string> tenants)
    {
        foreach (var tenant in _kept.Keys)
            if (!tenants.Contains(tenant))
                Forget(tenant);
    }

    private Minute?[] KnownAt(string tenantId, DateTimeOffset until)
    {
        var known = new Minute?[SpendSpike.LongestWindow];
        if (_kept.TryGetValue(tenantId, out var kept) && (until - kept.Until).TotalMinutes is >= 0 and < SpendSpike.LongestWindow and var ahead)
            Array.Copy(kept.Minutes, 0, known, (int)ahead, known.Length - (int)ahead);
        return known;
    }

    private void Keep(string tenantId, DateTimeOffset until, Minute?[] minutes)
    {
        Forget(tenantId);
        var kept = new Kept(until, minutes, minutes.Sum(m => m?.Cells.Length ?? 0));
        if (Interlocked.Add(ref _cells, kept.Cells) > most || !_kept.TryAdd(tenantId, kept))
            Interlocked.Add(ref _cells, -kept.Cells);
    }

    private void Forget(string tenantId)
    {
        if (_kept.TryRemove(tenantId, out var kept))
            Interlocked.Add(ref _cells, -kept.Cells);
    }
}
