using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Routing;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Routes;

/// <summary>A route as people type it.</summary>
public sealed class RouteFields
{
    public string? Name { get; set; }

    public IList<RuleFields> Rules { get; set; } = [];

    public static RouteFields Of(ModelRoute route) => new() { Name = route.Name, Rules = [.. route.Rules.Select(RuleFields.Of)] };
}

/// <summary>One of its rules. Whatever is empty is not asked.</summary>
public sealed class RuleFields
{
    /// <summary>One a line, as name=value.</summary>
    public string? Tags { get; set; }

    /// <summary>Ids, one a line.</summary>
    public string? Keys { get; set; }

    public long? AtLeast { get; set; }

    public long? AtMost { get; set; }

    public bool? Tools { get; set; }

    public bool? Streaming { get; set; }

    public IList<DayOfWeek> Days { get; set; } = [];

    public string? From { get; set; }

    public string? To { get; set; }

    public int? BudgetAbove { get; set; }

    /// <summary>One a line; a weight may stand behind it.</summary>
    public string? Targets { get; set; }

    public TargetChoice Choose { get; set; }

    public int Retries { get; set; } = 1;

    /// <summary>In the words of the API.</summary>
    public IList<string> FallBackOn { get; set; } = [];

    public decimal? TimeoutSeconds { get; set; }

    public bool Sticky { get; set; }

    public int? CacheSeconds { get; set; }

    public static RuleFields New() => new() { Sticky = true, FallBackOn = [.. RouteFormPage.Faults.Select(f => f.Word)] };

    public bool HasConditions => !string.IsNullOrWhiteSpace(Tags) || !string.IsNullOrWhiteSpace(Keys) || AtLeast is not null || AtMost is not null || Tools is not null || Streaming is not null || Days.Count > 0 || BudgetAbove is not null;

    public static RuleFields Of(RouteRule rule)
    {
        var form = RoutePolicy.Form(new ModelRoute { Id = "", Name = "x", Rules = [rule] }).Rules[0];
        var when = rule.When;
        return new RuleFields
        {
            Tags = Lines.Tags(when.Tags),
            Keys = string.Join('\n', when.Keys),
            AtLeast = when.PromptTokensAtLeast,
            AtMost = when.PromptTokensAtMost,
            Tools = when.Tools,
            Streaming = when.Streaming,
            Days = [.. when.Hours?.Days ?? []],
            From = form.When?.Hours?.From,
            To = form.When?.Hours?.To,
            BudgetAbove = when.BudgetUsedAbove,
            Targets = string.Join('\n', rule.Targets.Select(t => t.Weight == 1 ? t.Model : $"{t.Model} {t.Weight}")),
            Choose = rule.Choose,
            Retries = rule.Retries,
            FallBackOn = [.. form.FallBackOn!],
            TimeoutSeconds = form.FirstByteTimeoutMs / 1000m,
            Sticky = rule.Sticky,
            CacheSeconds = form.CacheSeconds,
        };
    }
}

/// <summary>What making and changing a route have in common.</summary>
public abstract class RouteFormPage : PortalPage
{
    [BindProperty]
    public RouteFields Form { get; set; } = new();

    public static IReadOnlyList<(string Word, string Label)> Faults { get; } =
    [
        ("rate_limited", "It is rate limited (429)"), ("server_error", "It fails (500 to 599)"), ("timeout", "No answer begins in time"), ("unreachable", "It can't be reached, or the connection breaks"), ("refused", "It refuses: key, balance, model or size (401, 402, 403, 404, 413)"),
    ];

    public static IReadOnlyList<SelectListItem> Choices { get; } =
    [
        new("The first that can be had", nameof(TargetChoice.Ordered)), new("By weight", nameof(TargetChoice.Weighted)), new("The cheapest for the call", nameof(TargetChoice.Cheapest)), new("The one that answers soonest", nameof(TargetChoice.Fastest)),
    ];

    public static IReadOnlyList<DayOfWeek> Week { get; } = [DayOfWeek.Monday, DayOfWeek.Tuesday, DayOfWeek.Wednesday, DayOfWeek.Thursday, DayOfWeek.Friday, DayOfWeek.Saturday, DayOfWeek.Sunday];

    protected override string FieldName(string field) => field == "name" ? "Form.Name" : "";

    /// <summary>Adds, moves or takes away a rule of the form as it was typed; nothing is saved.</summary>
    /// <param name="what"><c>add</c>, <c>up:2</c>, <c>remove:2</c>, by places from 0.</param>
    protected void Reshape(string? what)
    {
        ModelState.Clear(); // whose values would be shown in the old places
        var rules = Form.Rules;
        var (verb, at) = what?.Split(':') is [var v, var n] && int.TryParse(n, out var place) && place >= 0 && place < rules.Count ? (v, place) : (what, -1);
        if (verb == "add" && rules.Count < ModelRoute.MostRules)
            rules.Add(RuleFields.New());
        else if (verb == "remove" && at >= 0 && rules.Count > 1)
            rules.RemoveAt(at);
        else if (verb == "up" && at > 0)
            (rules[at - 1], rules[at]) = (rules[at], rules[at - 1]);
    }

    /// <summary>Null where something that was typed can't be meant; the model state says what.</summary>
    protected RouteForm? Read()
    {
        var rules = new List<RuleForm>();
        for (var i = 0; i < Form.Rules.Count; i++)
        {
            var (r, at) = (Form.Rules[i], $"Form.Rules[{i}].");
            var tags = Lines.Tags(r.Tags);
            if (tags is null || tags.DistinctBy(t => t.Name).Count() < tags.Count)
                ModelState.AddModelError(at + nameof(r.Tags), "Write one tag a line, as name=value, each name once.");
            var targets = new List<TargetForm>();
            foreach (var line in Lines.Read(r.Targets))
            {
                var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
                var weight = 1;
                if (words.Length > 2 || (words.Length == 2 && !int.TryParse(words[1], out weight)))
                    ModelState.AddModelError(at + nameof(r.Targets), $"'{line}': write one model a line; its weight, a whole number, may stand behind it.");
                else
                    targets.Add(new TargetForm(words[0], weight));
            }

            if (targets.Count == 0)
                ModelState.AddModelError(at + nameof(r.Targets), "Name at least one model.");
            if (!ModelState.IsValid)
                continue;
            var hasHours = r.Days.Count > 0 || !string.IsNullOrEmpty(r.From) || !string.IsNullOrEmpty(r.To);
            rules.Add(new RuleForm(targets)
            {
                When = new ConditionsForm
                {
                    Tags = tags!.Count == 0 ? null : tags.ToDictionary(t => t.Name, t => t.Value, StringComparer.Ordinal),
                    Keys = Lines.Read(r.Keys),
                    PromptTokensAtLeast = r.AtLeast,
                    PromptTokensAtMost = r.AtMost,
                    Tools = r.Tools,
                    Streaming = r.Streaming,
                    // Days alone are whole days.
                    Hours = hasHours ? new HoursForm([.. r.Days.Select(d => d.ToString()[..3].ToLowerInvariant())], r.From is { Length: > 0 } from ? from : "00:00", r.To is { Length: > 0 } to ? to : "00:00") : null,
                    BudgetUsedAbovePercent = r.BudgetAbove,
                },
                Choose = r.Choose,
                Retries = r.Retries,
                FallBackOn = [.. r.FallBackOn],
                FirstByteTimeoutMs = r.TimeoutSeconds is { } seconds ? (int)(Math.Clamp(seconds, 0, 1000) * 1000) : null,
                Sticky = r.Sticky,
                CacheSeconds = r.CacheSeconds,
            });
        }

        return ModelState.IsValid ? new RouteForm(Form.Name?.Trim() ?? "", rules) : null;
    }

    /// <summary>What is said after it was saved.</summary>
    protected static string Saving(RouteSaved saved) => string.Join(" ", saved.Warnings.Prepend("The route holds: every proxy knows within a second."));
}
