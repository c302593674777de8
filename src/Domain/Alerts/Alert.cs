using Tokonomics.Domain.Budgets;

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

    /// <summary>A budget will be used up before its period ends, as things go.</summary>
    BudgetForecast,

    /// <summary>At the pace of the last minutes a budget is used up within hours.</summary>
    BudgetBurn,

    /// <summary>Far more is spent than is usual at this hour of the week.</summary>
    SpendSpike,

    /// <summary>Calls are forwarded whose model has no price.</summary>
    ModelUnpriced,

    /// <summary>A provider fails far more often than it should.</summary>
    ProviderFailing,

    /// <summary>A key that nobody had used for long is busy.</summary>
    KeyAwake,

    /// <summary>The plan's calls of the month are nearly, or all, used.</summary>
    PlanQuota,

    /// <summary>What last week was.</summary>
    WeeklyDigest,

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
/// <param name="Link">The page that shows it, where there is one: of a draft and in the store its path, in a message its whole address.</param>
public readonly record struct AlertFact(string Name, string Value, string? Link = null);

/// <summary>What of a tenant an alert is about.</summary>
/// <param name="Scope"><c>tenant</c>, <c>team</c>, <c>project</c>, <c>key</c>, <c>tag</c>, <c>provider</c>, <c>model</c>.</param>
/// <param name="Name">The tag's name; of a model its provider; otherwise empty.</param>
/// <param name="Value">The id, the tag's value, the name; of a tenant empty.</param>
public readonly record struct AlertSubject(string Scope, string Name, string Value)
{
    public static AlertSubject Tenant { get; } = new("tenant", "", "");

    public static AlertSubject Key(string id) => new("key", "", id);

    /// <summary>What a budget's account counts.</summary>
    /// <param name="subject">Of a budget for each value of a tag, the value.</param>
    public static AlertSubject Of(BudgetScope scope, string subject) => new(scope.Kind.ToString().ToLowerInvariant(), scope.Name, scope.Value ?? subject);

    /// <summary>What contains a key or a project, the narrowest first.</summary>
    /// <param name="project">Its id; null or empty where there is none.</param>
    /// <param name="team">Likewise.</param>
    public static IEnumerable<AlertSubject> Containing(string? project, string? team)
    {
        if (!string.IsNullOrEmpty(project))
            yield return new AlertSubject("project", "", project);
        if (!string.IsNullOrEmpty(team))
            yield return new AlertSubject("team", "", team);
    }
}

/// <summary>Something that people are to be told, as whoever found it puts it.</summary>
/// <param name="Cause">What it comes from: of the same cause a tenant is told once, ever.</param>
/// <param name="Title">One line.</param>
/// <param name="Text">What happened and what to do, in sentences.</param>
/// <param name="Path">The portal's page that shows it, beginning with <c>/</c>.</param>
/// <param name="Condition">What lasts, where something does: while it is open, nothing further is told of it. Null for what is over as soon as it has happened.</param>
public sealed record AlertDraft(
    string TenantId, string Cause, AlertKind Kind, AlertSeverity Severity, AlertSubject Subject, string Title, string Text, string Path, IReadOnlyList<AlertFact> Facts, DateTimeOffset At, string? Condition = null);

/// <summary>Something that people are to be told, as it stands in every message.</summary>
/// <param name="Id">Stable: each message about it, the second of the same too, has it.</param>
/// <param name="Tenant">The organization's name, for people.</param>
/// <param name="Title">One line.</param>
/// <param name="Text">What happened and what to do, in sentences.</param>
/// <param name="Link">The page that shows it.</param>
/// <param name="Resolves">The alert whose end this tells; null where it tells of something new.</param>
public sealed record Alert(
    string Id, string TenantId, string Tenant, AlertKind Kind, AlertSeverity Severity, string Title, string Text, Uri Link, IReadOnlyList<AlertFact> Facts, DateTimeOffset At, string? Resolves = null);

/// <summary>The words of <see cref="AlertKind"/> for programs and for people.</summary>
public static class AlertKinds
{
    private static readonly (AlertKind Kind, string Word, string Title)[] All =
    [
        (AlertKind.BudgetThreshold, "budget.threshold", "A budget reaches a threshold"),
        (AlertKind.BudgetExhausted, "budget.exhausted", "A budget is used up"),
        (AlertKind.BudgetOverrun, "budget.overrun", "A call cost more than was held for it"),
        (AlertKind.BudgetForecast, "budget.forecast", "A budget will not last for its period"),
        (AlertKind.BudgetBurn, "budget.burn", "A budget is burning fast"),
        (AlertKind.SpendSpike, "spend.spike", "Far more is spent than usual"),
        (AlertKind.ModelUnpriced, "model.unpriced", "A model without a price is called"),
        (AlertKind.ProviderFailing, "provider.failing", "A provider fails"),
        (AlertKind.KeyAwake, "key.awake", "A key that was unused is busy"),
        (AlertKind.PlanQuota, "plan.quota", "The plan's calls run out"),
        (AlertKind.WeeklyDigest, "digest.weekly", "The week in numbers, each Monday"),
        (AlertKind.Test, "test", "Test"),
    ];

    /// <summary>Those that a channel may be asked to leave out; a test is told always.</summary>
    public static IReadOnlyList<AlertKind> Chosen { get; } = [.. All.Select(k => k.Kind).Where(k => k != AlertKind.Test)];

    /// <summary><c>budget.threshold</c></summary>
    public static string Word(this AlertKind kind) => All.First(k => k.Kind == kind).Word;

    /// <summary>Null where no kind has that word.</summary>
    public static AlertKind? Parse(string? word) => All.Where(k => k.Word == word).Select(k => (AlertKind?)k.Kind).FirstOrDefault();

    /// <summary>For people: what a channel is told of.</summary>
    public static string Title(this AlertKind kind) => All.First(k => k.Kind == kind).Title;

    /// <summary>What its link leads to, for people: <c>Look at the budget</c>.</summary>
    public static string Look(this AlertKind kind) => "Look at the " + kind switch
    {
        AlertKind.SpendSpike => "spend",
        AlertKind.ModelUnpriced => "calls",
        AlertKind.ProviderFailing => "provider",
        AlertKind.KeyAwake => "key",
        AlertKind.PlanQuota => "plan",
        AlertKind.WeeklyDigest => "week",
        AlertKind.Test => "alerts",
        _ => "budget",
    };

    /// <summary>Whether channels of that kind are told of it at all: nobody is woken by a digest.</summary>
    public static bool GoesTo(this AlertKind kind, ChannelKind channel) => kind != AlertKind.WeeklyDigest || channel != ChannelKind.PagerDuty;
}
