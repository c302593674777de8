using System.Collections.Concurrent;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>What is usual for something that spends at one hour.</summary>
/// <param name="MostOfCall">Dollars that one call counts as, at most.</param>
/// <param name="LastCalls">Of each of the last 168 hours, the latest last.</param>
internal sealed record Usual(HourBaseline Spend, HourBaseline Calls, double MostOfCall, double[] LastCalls);

/// <summary>What is usual, read once an hour for each that is asked for, and how coarse its grains are, read once a day. In memory: another worker reads it for itself.</summary>
internal sealed class UsualSpend(IWatchQueries queries)
{
    private const int HoursBack = 8 * 168;

    // Enough to tell the size of grains, and no more than is read in a moment.
    private const double GrainCalls = 20_000;
    private const int LeastGrainHours = 3;
    private const int MostGrainHours = 168;
    private const int MostKept = 20_000; // of one and a half kilobytes each

    private readonly ConcurrentDictionary<(string Tenant, AlertSubject Subject), (DateTimeOffset Hour, Usual? Usual)> _usual = new();
    private readonly ConcurrentDictionary<(string Tenant, AlertSubject Subject), (DateTimeOffset Hour, double Spend, double Calls)> _grains = new();

    /// <returns>Null where there is too little history to say.</returns>
    public async Task<Usual?> AtAsync(WatchedMinute minute, AlertSubject subject, CancellationToken cancellationToken)
    {
        var key = (minute.TenantId, subject);
        if (_usual.TryGetValue(key, out var known) && known.Hour == minute.Hour)
            return known.Usual;
        var history = await queries.HoursAsync(minute.TenantId, subject, minute.Hour, HoursBack, cancellationToken);
        var (spend, calls) = (HourBaseline.Of(history.Spent, minute.Hour, minute.Names.Zone), HourBaseline.Of(history.Calls, minute.Hour, minute.Names.Zone));
        var usual = spend is null || calls is null ? null : new Usual(spend, calls, Grain.MostOfMean * history.Spent.Sum() / Math.Max(1, history.Calls.Sum()), history.Calls[^MostGrainHours..]);
        if (_usual.Count >= MostKept)
        {
            // Those of earlier hours are of no use any more.
            foreach (var (old, value) in _usual)
                if (value.Hour != minute.Hour)
                    _usual.TryRemove(old, out _);
            if (_usual.Count >= MostKept)
                _usual.Clear();
        }

        _usual[key] = (minute.Hour, usual);
        return usual;
    }

    public async Task<(double Spend, double Calls)> GrainsAsync(WatchedMinute minute, AlertSubject subject, Usual usual, CancellationToken cancellationToken)
    {
        var key = (minute.TenantId, subject);
        if (_grains.TryGetValue(key, out var known) && minute.Hour - known.Hour < TimeSpan.FromDays(1))
            return (known.Spend, known.Calls);
        var (hours, calls) = (0, 0d);
        while (hours < MostGrainHours && (hours < LeastGrainHours || calls < GrainCalls))
            calls += usual.LastCalls[^++hours];
        var minutes = await queries.MinutesAsync(minute.TenantId, subject, minute.Hour.AddHours(-hours), minute.Hour, usual.MostOfCall, cancellationToken);
        var grains = (minute.Hour, Grain.Of(minutes.Spent), Grain.Of(minutes.Calls));
        if (_grains.Count > MostKept)
            _grains.Clear();
        _grains[key] = grains;
        return (grains.Item2, grains.Item3);
    }
}
