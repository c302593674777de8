using System.Collections.Concurrent;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Application.Alerts.Watching;

/// <summary>What one tenant did lately, as it is looked at once a minute.</summary>
/// <param name="Now">A whole minute: what is later isn't looked at.</param>
/// <param name="Minutes">How many <paramref name="Cells"/> reach back.</param>
/// <param name="Recent">Where the rest of the hour is.</param>
internal sealed record WatchedMinute(string TenantId, SpendNames Names, DateTimeOffset Now, int Minutes, IReadOnlyList<SpendCell> Cells, TenantRules Rules, RecentCells Recent)
{
    private readonly ConcurrentDictionary<string, IReadOnlyList<Tag>> _tags = new(StringComparer.Ordinal);
    private readonly Lock _turn = new();
    private Task<IReadOnlyList<SpendCell>>? _hour;

    public DateTimeOffset Hour => new(Now.UtcTicks - (Now.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    /// <summary>The cells of the last hour, read for whoever asks first.</summary>
    public Task<IReadOnlyList<SpendCell>> LastHourAsync(CancellationToken cancellationToken)
    {
        lock (_turn)
            return _hour ??= Minutes >= SpendSpike.LongestWindow ? Task.FromResult(Cells) : Recent.LastAsync(TenantId, SpendSpike.LongestWindow, Now, cancellationToken);
    }

    public string? Tag(in SpendCell cell, string name)
    {
        foreach (var tag in _tags.GetOrAdd(cell.Tags, static text => [.. KeyTags.Read(text)]))
            if (tag.Name == name)
                return tag.Value;
        return null;
    }

    public bool Is(in SpendCell cell, AlertSubject subject) => subject.Scope switch
    {
        "tenant" => true,
        "key" => cell.Key == subject.Value,
        "project" => cell.Project == subject.Value,
        "team" => cell.Team == subject.Value,
        "tag" => Tag(cell, subject.Name) == subject.Value,
        "provider" => cell.Provider == subject.Value,
        _ => cell.Provider == subject.Name && cell.Model == subject.Value,
    };

    /// <summary>From when on it is told of something, by the narrowest rule about it or what contains it.</summary>
    public AlertTerms Terms(AlertKind kind, AlertSubject subject) => Rules.IsEmpty ? AlertTerms.Default : Rules.For(kind, Around(subject));

    private IReadOnlyList<AlertSubject> Around(AlertSubject subject)
    {
        if (subject.Scope is "key" or "project")
            foreach (var cell in Cells)
                if (Is(cell, subject))
                    return [subject, .. AlertSubject.Containing(subject.Scope == "key" ? cell.Project : null, cell.Team)];
        return [subject];
    }
}
