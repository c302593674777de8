namespace Tokonomics.Domain.Alerts;

/// <summary>What is not told for a while. It stands on the page all the same.</summary>
/// <param name="Kind">Null: all.</param>
/// <param name="Subject">What it is about, and all that this contains: of a team its projects and keys, of a project its keys, of the tenant everything.</param>
/// <param name="At">Since when.</param>
/// <param name="Until">Null: until somebody ends it.</param>
public sealed record AlertMute(string Id, AlertKind? Kind, AlertSubject Subject, DateTimeOffset At, DateTimeOffset? Until)
{
    /// <summary>For how long something critical may be muted: nobody forgets for ever that calls are refused.</summary>
    public static readonly TimeSpan LongestOfCritical = TimeSpan.FromDays(7);

    // A snooze that was chosen in one second and stored in the next.
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    private static readonly AlertKind[] CriticalAtTimes = [AlertKind.BudgetExhausted, AlertKind.BudgetBurn, AlertKind.SpendSpike, AlertKind.ProviderFailing];

    /// <summary>Whether alerts of that kind may be critical; null asks for all kinds.</summary>
    public static bool MayBeCritical(AlertKind? kind) => kind is not { } one || CriticalAtTimes.Contains(one);

    /// <summary>Null where it may be muted for so long; otherwise the sentence that says what is wrong.</summary>
    public static string? Problem(AlertKind? kind, DateTimeOffset? until, DateTimeOffset now) =>
        until <= now ? "The end must lie in the future."
        : MayBeCritical(kind) && (until is not { } end || end > now + LongestOfCritical + Grace) ? "What may be critical is muted for seven days at most: it may be that calls are refused."
        : null;

    /// <summary>Whether it keeps an alert from being told while it lasts. A critical one only where it lasts no longer than such may be muted, whatever its kind.</summary>
    /// <param name="narrowestFirst">What the alert is about, and what contains that.</param>
    public bool Covers(AlertKind kind, AlertSeverity severity, IReadOnlyList<AlertSubject> narrowestFirst) =>
        (Kind is null || Kind == kind)
        && (Subject == AlertSubject.Tenant || narrowestFirst.Contains(Subject))
        && (severity != AlertSeverity.Critical || Until <= At + LongestOfCritical + Grace);
}
