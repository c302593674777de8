using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tokonomics.Domain.Budgets;

/// <summary>
/// A tenant's periods, through changes of its time zone. A period that runs when the zone changes ends when it always would have; the next begins
/// there, and ends at the new zone's first boundary that is more than half a period away. So windows follow each other without gap or overlap, none is
/// opened twice, and none is so short that its whole limit could be spent in an hour.
/// </summary>
public sealed class BudgetCalendar : IEquatable<BudgetCalendar>
{
    private static readonly BudgetPeriod[] Calendrical = [BudgetPeriod.Day, BudgetPeriod.Week, BudgetPeriod.Month];

    private readonly (TimeZoneInfo Zone, DateTimeOffset Until)[] _earlier;

    // By period: of each change when the running period ended, and when the one after it did, from which on the zone's own boundaries hold.
    private readonly (DateTimeOffset Running, DateTimeOffset First)[][] _changes;

    /// <param name="earlier">Zones that held before, each until when, in the order of time.</param>
    public BudgetCalendar(TimeZoneInfo zone, params (TimeZoneInfo Zone, DateTimeOffset Until)[] earlier)
    {
        (Zone, _earlier) = (zone, earlier);
        _changes = earlier.Length == 0 ? [] : Array.ConvertAll(Calendrical, ChangesOf);
    }

    public TimeZoneInfo Zone { get; }

    public static BudgetCalendar Utc { get; } = new(TimeZoneInfo.Utc);

    public static BudgetCalendar Read(string zone, string earlier) => new(
        TimeZoneInfo.FindSystemTimeZoneById(zone),
        earlier is "" or "[]" ? [] : [.. JsonSerializer.Deserialize<EarlierZone[]>(earlier)!.Select(z => (TimeZoneInfo.FindSystemTimeZoneById(z.Zone), DateTimeOffset.UnixEpoch.AddTicks(z.Until * TimeSpan.TicksPerMicrosecond)))]);

    /// <summary>What to store with the new zone.</summary>
    /// <param name="until">When the zone that held so far ends. A moment ahead, so that every node knows before it matters.</param>
    public static string WriteEarlier(string earlier, string zone, DateTimeOffset until)
    {
        var zones = earlier is "" or "[]" ? [] : JsonSerializer.Deserialize<List<EarlierZone>>(earlier)!;
        zones.Add(new EarlierZone(zone, (until.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond));
        return JsonSerializer.Serialize(zones);
    }

    public int Changes => _earlier.Length;

    /// <summary>When the last change of the zone was, or will be; null where there was none.</summary>
    public DateTimeOffset? LastChange => _earlier.Length == 0 ? null : _earlier[^1].Until;

    public PeriodWindow Containing(BudgetPeriod period, DateTimeOffset at, DateTimeOffset createdAt)
    {
        if (_changes.Length == 0 || period == BudgetPeriod.Total)
            return BudgetPeriods.Containing(period, Zone, at, createdAt);
        return Containing(period, at, _changes[(int)period], _earlier.Length);
    }

    // The calendar as it was after the first so many changes.
    private PeriodWindow Containing(BudgetPeriod period, DateTimeOffset at, (DateTimeOffset Running, DateTimeOffset First)[] changes, int count)
    {
        for (var i = count - 1; i >= 0; i--)
        {
            if (at >= changes[i].First)
                return BudgetPeriods.Containing(period, ZoneAfter(i), at, default);
            if (at >= changes[i].Running)
                return new PeriodWindow(changes[i].Running, changes[i].First);
        }

        // Before the end of the period that ran at the first change: as that zone has it, and no later change cuts it short.
        return BudgetPeriods.Containing(period, _earlier.Length == 0 ? Zone : _earlier[0].Zone, at, default);
    }

    private (DateTimeOffset Running, DateTimeOffset First)[] ChangesOf(BudgetPeriod period)
    {
        var half = period switch { BudgetPeriod.Day => TimeSpan.FromHours(12), BudgetPeriod.Week => TimeSpan.FromDays(3.5), _ => TimeSpan.FromDays(14) };
        var changes = new (DateTimeOffset Running, DateTimeOffset First)[_earlier.Length];
        for (var i = 0; i < changes.Length; i++)
        {
            var running = Containing(period, _earlier[i].Until, changes, i).End;
            var first = BudgetPeriods.Containing(period, ZoneAfter(i), running, default).End;
            if (first - running < half)
                first = BudgetPeriods.Containing(period, ZoneAfter(i), first, default).End;
            changes[i] = (running, first);
        }

        return changes;
    }

    private TimeZoneInfo ZoneAfter(int change) => change + 1 < _earlier.Length ? _earlier[change + 1].Zone : Zone;

    public bool Equals(BudgetCalendar? other) => other is not null && Zone.Equals(other.Zone) && _earlier.SequenceEqual(other._earlier);

    public override bool Equals(object? obj) => Equals(obj as BudgetCalendar);

    public override int GetHashCode() => HashCode.Combine(Zone, _earlier.Length);

    private sealed record EarlierZone([property: JsonPropertyName("zone")] string Zone, [property: JsonPropertyName("until")] long Until);
}
