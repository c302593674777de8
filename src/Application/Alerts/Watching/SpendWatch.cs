using Microsoft.Extensions.Logging;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Alerts.Watching;

/// <param name="Told">Alerts that began.</param>
/// <param name="Failed">Tenants that couldn't be looked at.</param>
public sealed record WatchReport(int Tenants, int Told, int Failed);

/// <summary>
/// Looks once a minute at what every tenant that calls has spent: for spikes, budgets that burn, providers that fail, models without a price and keys that awake. Any number of workers may look,
/// at the same time too: the alert book lets each through once. What is kept between two looks is only memory of what the ledger says.
/// </summary>
public sealed partial class SpendWatch
{
    private const int ShortMinutes = 10;
    private const int LongMinutes = SpendSpike.LongestWindow;
    private const int AtOnce = 2;

    // Longer windows grow slowly: they aren't looked at each time.
    private static readonly TimeSpan LongEvery = TimeSpan.FromMinutes(5);

    // A call comes to the ledger within a second of its end; the last minute is looked at when it is there.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(2);

    private readonly IWatchQueries _queries;
    private readonly ISpendQueries _spend;
    private readonly IAlertRules _rules;
    private readonly IAlertBook _book;
    private readonly IStoreClock _clock;
    private readonly ILogger<SpendWatch> _log;
    private readonly RecentCells _recent;
    private readonly SpikeWatch _spikes;
    private readonly BurnWatch _burns;
    private readonly CallWatch _calls;

    private DateTimeOffset _longAt;

    public SpendWatch(IWatchQueries queries, ISpendQueries spend, IAlertRules rules, IAlertBook book, IStoreClock clock, ILogger<SpendWatch> log)
    {
        (_queries, _spend, _rules, _book, _clock, _log) = (queries, spend, rules, book, clock, log);
        _recent = new RecentCells(queries);
        var usuals = new UsualSpend(queries);
        _spikes = new SpikeWatch(queries, usuals, book);
        _burns = new BurnWatch(queries, usuals, book);
        _calls = new CallWatch(queries, book);
    }

    /// <exception cref="InvalidOperationException">No tenant could be looked at.</exception>
    public async Task<WatchReport> RunAsync(CancellationToken cancellationToken)
    {
        var now = await _clock.NowAsync(cancellationToken) - Settled;
        now = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerMinute), TimeSpan.Zero);
        var minutes = now - _longAt >= LongEvery ? LongMinutes : ShortMinutes;
        if (minutes == LongMinutes)
            _longAt = now;
        var spikes = (await _book.OpenAsync(AlertKind.SpendSpike, cancellationToken)).ToLookup(a => a.TenantId, StringComparer.Ordinal);
        var burns = (await _book.OpenAsync(AlertKind.BudgetBurn, cancellationToken)).ToLookup(a => a.TenantId, StringComparer.Ordinal);
        var failing = (await _book.OpenAsync(AlertKind.ProviderFailing, cancellationToken)).ToLookup(a => a.TenantId, StringComparer.Ordinal);
        var tenants = (await _queries.ActiveAsync(now.AddMinutes(-minutes), cancellationToken)).Concat(spikes.Concat(burns).Concat(failing).Select(g => g.Key)).ToHashSet(StringComparer.Ordinal);
        _recent.KeepOnly(tenants);
        var (told, failed, last) = (0, 0, default(Exception));
        await Parallel.ForEachAsync(tenants, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (tenant, cancel) =>
        {
            try
            {
                var minute = new WatchedMinute(tenant, await _spend.NamesAsync(tenant, cancel), now, minutes, await _recent.LastAsync(tenant, minutes, now, cancel), await _rules.OfAsync(tenant, cancel), _recent);
                // A budget that burns is told also where spikes can't be looked for.
                var looks = new[] { _burns.LookAsync(minute, [.. burns[tenant]], cancel), _calls.LookAsync(minute, [.. failing[tenant]], cancel), _spikes.LookAsync(minute, [.. spikes[tenant]], cancel) };
                await ((Task)Task.WhenAll(looks)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                Interlocked.Add(ref told, looks.Where(l => l.IsCompletedSuccessfully).Sum(l => l.Result));
                await Task.WhenAll(looks);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One tenant's trouble is no other's.
                NotLooked(_log, e, tenant);
                Interlocked.Increment(ref failed);
                last = e;
            }
        });
        return failed > 0 && failed == tenants.Count ? throw new InvalidOperationException($"Spending of none of {failed} tenants could be looked at: {last!.Message}", last) : new WatchReport(tenants.Count, told, failed);
    }

    [LoggerMessage(1, LogLevel.Error, "Spending of tenant {Tenant} could not be looked at")]
    private static partial void NotLooked(ILogger logger, Exception e, string tenant);
}
