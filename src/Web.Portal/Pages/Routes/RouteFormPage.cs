using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
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

    /// <summary>Cheaper models, one a line; none: the rule has no quality group.</summary>
    public string? Candidates { get; set; }

    /// <summary>What is kept of the quality, percent.</summary>
    public decimal? Keep { get; set; } = 95;

    /// <summary>False: the group only watches.</summary>
    public bool Active { get; set; }

    public int? SamplePercent { get; set; } = 3;

    /// <summary>USD a month.</summary>
    public string? SampleLimit { get; set; } = "10.00";

    public string? Judge { get; set; }

    public bool Check { get; set; }

    public int? CacheSeconds { get; set; }

    public static RuleFields New() => new() { Sticky = true, Check = true, FallBackOn = [.. RouteFormPage.Faults.Select(f => f.Word)] };

    public bool HasConditions => !string.IsNullOrWhiteSpace(Tags) || !string.IsNullOrWhiteSpace(Keys) || AtLeast is not null || AtMost is not null || Tools is not null || Streaming is not null || Days.Count > 0 || BudgetAbove is not null;

    public bool HasGroup => !string.IsNullOrWhiteSpace(Candidates);

    public static RuleFields Of(RouteRule rule)
    {
        var form = RoutePolicy.Form(new ModelRoute { Id = "", Name = "x", Rules = [rule] }).Rules[0];
        var when = rule.When;
        var fields = new RuleFields
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
            Check = true,
            CacheSeconds = form.CacheSeconds,
        };
        if (form.Quality is { } group)
            (fields.Candidates, fields.Keep, fields.Active, fields.SamplePercent, fields.SampleLimit, fields.Judge, fields.Check) =
                (string.Join('\n', group.Candidates), group.KeepPercent, group.Active, group.SamplePercent, group.SampleLimitUsd, group.Judge, group.Check);
        return fields;
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
            var group = r.HasGroup ? Group(r, targets, at) : null;
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
                Quality = group,
                CacheSeconds = r.CacheSeconds,
            });
        }

        return ModelState.IsValid ? new RouteForm(Form.Name?.Trim() ?? "", rules) : null;
    }

    // What is wrong stands at its field; what only the tenant's other things tell, such as a provider that there isn't, is placed by SaveAsync afterwards.
    private QualityForm Group(RuleFields r, List<TargetForm> targets, string at)
    {
        var candidates = Lines.Read(r.Candidates);
        void Wrong(string field, string says) => ModelState.AddModelError(at + field, says);
        if (candidates.Count > RouteQuality.MostCandidates)
            Wrong(nameof(r.Candidates), $"Name {RouteQuality.MostCandidates} cheaper models at most; these are {candidates.Count}.");
        if (candidates.FirstOrDefault(c => !ModelRoute.IsName(c)) is { } odd)
            Wrong(nameof(r.Candidates), $"'{odd}' is no model: write provider/model, or a model's name.");
        if (candidates.Distinct(StringComparer.Ordinal).Count() < candidates.Count)
            Wrong(nameof(r.Candidates), "Name each model once.");
        if (candidates.FirstOrDefault(c => targets.Any(t => t.Model == c)) is { } target)
            Wrong(nameof(r.Candidates), $"'{target}' is among the rule's models already: a cheaper one stands here only.");
        if (r.Choose != TargetChoice.Ordered)
            Wrong(nameof(r.Choose), "With a cheaper model beside it, the first model is the one that it is compared with: choose the first that can be had.");
        if (r.Keep is not (>= 50 and <= 100) && IsReadable(at + nameof(r.Keep)))
            Wrong(nameof(r.Keep), "Say what is kept of the quality, 50 to 100 percent.");
        if (r.SamplePercent is not (>= 0 and <= RouteQuality.MostSamplePercent) && IsReadable(at + nameof(r.SamplePercent)))
            Wrong(nameof(r.SamplePercent), $"Say of how many percent of the calls two answers are compared, 0 to {RouteQuality.MostSamplePercent}.");
        var limit = r.SampleLimit?.Trim().TrimStart('$') ?? "";
        if (NanoUsd.Parse(limit) is not { } usd || usd < NanoUsd.Zero || usd > Budget.MaxLimit)
            Wrong(nameof(r.SampleLimit), "Say what comparing may cost in a month, in USD, such as 10.00; 0 compares nothing.");
        var judge = r.Judge?.Trim();
        if (!string.IsNullOrEmpty(judge) && !ModelRoute.IsName(judge))
            Wrong(nameof(r.Judge), $"'{judge}' is no model: write provider/model, or a model's name.");
        return new QualityForm(candidates, limit) { KeepPercent = r.Keep ?? 95, Active = r.Active, SamplePercent = r.SamplePercent ?? 0, Judge = string.IsNullOrEmpty(judge) ? null : judge, Check = r.Check };
    }

    private bool IsReadable(string field) => ModelState.GetFieldValidationState(field) != ModelValidationState.Invalid;

    /// <summary>Asks a use case that saves the form: where what is wrong is about a model of a quality group, it is said at that field.</summary>
    protected async Task<RouteSaved?> SaveAsync(IUseCase<RouteSaved> request)
    {
        if (await AskAsync(request) is { } saved)
            return saved;
        foreach (var error in ModelState[""]?.Errors.ToList() ?? [])
            for (var i = 0; i < Form.Rules.Count; i++)
                if (error.ErrorMessage.StartsWith($"Rule {i + 1}: ", StringComparison.Ordinal) && FieldOf(Form.Rules[i], error.ErrorMessage) is { } field)
                {
                    ModelState[""]!.Errors.Remove(error);
                    ModelState.AddModelError($"Form.Rules[{i}].{field}", error.ErrorMessage[$"Rule {i + 1}: ".Length..]);
                }

        return null;
    }

    private static string? FieldOf(RuleFields rule, string error)
    {
        bool IsAbout(string model) => error.Contains($"'{model}'", StringComparison.Ordinal);
        return !rule.HasGroup || Lines.Read(rule.Targets).Any(t => IsAbout(t.Split(' ')[0])) ? null
            : Lines.Read(rule.Candidates).Any(IsAbout) ? nameof(rule.Candidates)
            : rule.Judge?.Trim() is { Length: > 0 } judge && IsAbout(judge) ? nameof(rule.Judge) : null;
    }

    /// <summary>What is said after it was saved.</summary>
    protected static string Saving(RouteSaved saved) => string.Join(" ", saved.Warnings.Prepend("The route holds: every proxy knows within a second."));
}
