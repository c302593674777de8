namespace Tokonomics.Domain.Alerts;

/// <summary>What an alert is about. The names are on the wire and in the store: never renamed.</summary>
public enum AlertKind
{
    /// <summary>A budget has reached one of its thresholds.</summary>
    BudgetThreshold,

    /// <summary>A budget is used up: what it counts is refused.</summary>
    BudgetExhausted,

    /// <summary>A call cost more than the most that was held for it.</summary>
    BudgetOverrun,

    /// <summary>Somebody tries a channel.</summary>
    Test,
}

public enum AlertSeverity
{
    /// <summary>Can wait for the morning.</summary>
    Info,
    Warning,

    /// <summary>Something is refused, or money is lost, now.</summary>
    Critical,
}

/// <summary>A name and a value beside an alert's sentence.</summary>
public readonly record struct AlertFact(string Name, string Value);

/// <summary>Something that people are to be told, as it stands in every message.</summary>
/// <param name="Id">Stable: each message about it, the second of the same too, has it.</param>
/// <param name="Tenant">The organization's name, for people.</param>
/// <param name="Title">One line.</param>
/// <param name="Text">What happened and what to do, in sentences.</param>
/// <param name="Link">The page that shows it.</param>
public sealed record Alert(string Id, string TenantId, string Tenant, AlertKind Kind, AlertSeverity Severity, string Title, string Text, Uri Link, IReadOnlyList<AlertFact> Facts, DateTimeOffset At);

/// <summary>The words of <see cref="AlertKind"/> for programs.</summary>
public static class AlertKinds
{
    /// <summary>Those that a channel may be asked to leave out; a test is told always.</summary>
    public static IReadOnlyList<AlertKind> Chosen { get; } = [AlertKind.BudgetThreshold, AlertKind.BudgetExhausted, AlertKind.BudgetOverrun];

    /// <summary><c>budget.threshold</c></summary>
    public static string Word(this AlertKind kind) => kind switch
    {
        AlertKind.BudgetThreshold => "budget.threshold",
        AlertKind.BudgetExhausted => "budget.exhausted",
        AlertKind.BudgetOverrun => "budget.overrun",
        _ => "test",
    };

    /// <summary>Null where no kind has that word.</summary>
    public static AlertKind? Parse(string? word)
    {
        foreach (var kind in Enum.GetValues<AlertKind>())
            if (kind.Word() == word)
                return kind;
        return null;
    }

    /// <summary>For people: what a channel is told of.</summary>
    public static string Title(this AlertKind kind) => kind switch
    {
        AlertKind.BudgetThreshold => "A budget reaches a threshold",
        AlertKind.BudgetExhausted => "A budget is used up",
        AlertKind.BudgetOverrun => "A call cost more than was held for it",
        _ => "Test",
    };
}
