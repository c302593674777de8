using System.Globalization;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>Teams and projects by name, for lists and for choosing one.</summary>
public sealed class Places(TeamList all)
{
    private readonly Dictionary<string, string> _names = all.Teams.Select(t => (t.Id, t.Name)).Concat(all.Projects.Select(p => (p.Id, p.Name))).ToDictionary(p => p.Id, p => p.Name, StringComparer.Ordinal);

    /// <summary>Archived ones too: a name is shown for whatever once belonged to it.</summary>
    public TeamList All { get; } = all;

    public string Name(string? id) => id is null ? "" : _names.GetValueOrDefault(id, id);

    /// <summary>Where a key may belong: <c>""</c>, <c>team:…</c>, <c>project:…</c>.</summary>
    public IReadOnlyList<SelectListItem> Choices(string none) =>
    [
        new SelectListItem(none, ""),
        .. All.Teams.Where(t => t.ArchivedAt is null).Select(t => new SelectListItem($"Team {t.Name}", "team:" + t.Id)),
        .. All.Projects.Where(p => p.ArchivedAt is null).Select(p => new SelectListItem($"Project {p.Name}{(p.TeamId is { } team ? $" (team {Name(team)})" : "")}", "project:" + p.Id)),
    ];

    public static (string? TeamId, string? ProjectId) Read(string? choice) => choice?.Split(':', 2) switch
    {
        ["team", var id] => (id, null),
        ["project", var id] => (null, id),
        _ => (null, null),
    };

    public static string Write(string? teamId, string? projectId) => projectId is not null ? "project:" + projectId : teamId is not null ? "team:" + teamId : "";

    /// <summary>Whose calls a budget counts, in words.</summary>
    public string Scope(BudgetScope scope, IReadOnlyDictionary<string, string> keyNames, string organization) => scope.Kind switch
    {
        BudgetScopeKind.Tenant => organization,
        BudgetScopeKind.Team => $"team {Name(scope.Value)}",
        BudgetScopeKind.Project => $"project {Name(scope.Value)}",
        BudgetScopeKind.Key => $"key {keyNames.GetValueOrDefault(scope.Value!, scope.Value!)}",
        _ when scope.Name == SampleBudgets.Tag && scope.Value is { } route => $"comparing answers, {route}",
        _ => scope.Value is null ? $"each {scope.Name}" : $"{scope.Name}={scope.Value}",
    };
}

/// <summary>What people type into text areas: one thing a line, or separated by commas.</summary>
internal static class Lines
{
    public static List<string> Read(string? text) =>
        [.. (text ?? "").Split(['\n', '\r', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];

    /// <summary>Tags as <c>name=value</c>, one a line; null where a line isn't one.</summary>
    public static List<Tag>? Tags(string? text)
    {
        var tags = new List<Tag>();
        foreach (var line in (text ?? "").Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var at = line.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0)
                return null;
            tags.Add(new Tag(line[..at].Trim().ToLowerInvariant(), line[(at + 1)..].Trim()));
        }

        return tags;
    }

    public static string Tags(IReadOnlyList<Tag> tags) => string.Join('\n', tags.Select(t => $"{t.Name}={t.Value}"));

    /// <summary>The end of a day in the tenant's zone; null for an empty text, or one that is no date.</summary>
    public static DateTimeOffset? EndOfDay(string? date, TimeZoneInfo zone) => DateOnly.TryParseExact(date, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
        ? BudgetPeriods.Containing(BudgetPeriod.Day, zone, new DateTimeOffset(day.ToDateTime(new TimeOnly(12, 0)), zone.GetUtcOffset(day.ToDateTime(new TimeOnly(12, 0)))), default).End
        : null;

    /// <summary>The last day that lies before an instant, in that zone.</summary>
    public static string LastDay(DateTimeOffset? end, TimeZoneInfo zone) => end is { } at ? TimeZoneInfo.ConvertTime(at.AddTicks(-1), zone).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) : "";

    public static string Say(KeyStatus status) => status.ToString().ToLowerInvariant();
}
