using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Money;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Alerts;

/// <summary>What a rule or a mute is about, as a form has it.</summary>
public sealed class SubjectForm
{
    /// <summary><c>tenant</c>, <c>team:…</c>, <c>project:…</c>, <c>key</c>, <c>tag</c>, <c>provider</c>.</summary>
    public string Scope { get; set; } = "tenant";

    public string? KeyId { get; set; }

    public string? TagName { get; set; }

    public string? TagValue { get; set; }

    public string? Provider { get; set; }

    [BindNever]
    public IReadOnlyList<SelectListItem> Choices { get; set; } = [];

    public static SubjectForm Of(AlertSubject s) => s.Scope switch
    {
        "team" or "project" => new SubjectForm { Scope = $"{s.Scope}:{s.Value}" },
        "key" => new SubjectForm { Scope = s.Scope, KeyId = s.Value },
        "tag" => new SubjectForm { Scope = s.Scope, TagName = s.Name, TagValue = s.Value },
        "provider" => new SubjectForm { Scope = s.Scope, Provider = s.Value },
        "model" when s.Name.Length > 0 => new SubjectForm { Scope = "provider", Provider = s.Name }, // which contains it
        _ => new SubjectForm(),
    };

    /// <summary>Null where it can't be read: then <paramref name="problem"/> says at which field, and what.</summary>
    public AlertSubject? Read(out (string Field, string Message) problem)
    {
        problem = default;
        var (team, project) = Places.Read(Scope);
        if (project is not null)
            return new AlertSubject("project", "", project);
        if (team is not null)
            return new AlertSubject("team", "", team);
        switch (Scope)
        {
            case "key" when !string.IsNullOrWhiteSpace(KeyId):
                return AlertSubject.Key(KeyId.Trim());
            case "key":
                problem = (nameof(KeyId), "Say which key.");
                return null;
            case "provider" when !string.IsNullOrWhiteSpace(Provider):
                return new AlertSubject("provider", "", Provider.Trim());
            case "provider":
                problem = (nameof(Provider), "Say which provider.");
                return null;
            case "tag" when KeyTags.NormalName(TagName?.Trim()) is { } name && !string.IsNullOrWhiteSpace(TagValue):
                return new AlertSubject("tag", name, TagValue.Trim());
            case "tag":
                problem = (nameof(TagName), "A tag's name is a letter followed by letters, digits, '_', '.' or '-'; it needs a value.");
                return null;
            default:
                return AlertSubject.Tenant;
        }
    }
}

/// <summary>From when on is what told, when are people left alone, and what isn't told for now?</summary>
public sealed class RulesModel(TimeProvider time) : PortalPage
{
    private const string Clock = "HH:mm";

    [BindProperty]
    public AlertKind Kind { get; set; } = AlertKind.SpendSpike;

    [BindProperty]
    public SubjectForm Of { get; set; } = new();

    [BindProperty]
    public bool On { get; set; }

    [BindProperty]
    public string? Floor { get; set; }

    [BindProperty]
    public decimal Ratio { get; set; }

    [BindProperty]
    public int Hours { get; set; }

    [BindProperty]
    public int FailingPercent { get; set; }

    [BindProperty]
    public int LeastCalls { get; set; }

    [BindProperty]
    public int UnusedDays { get; set; }

    /// <summary>The rule that is changed, the one that is removed, or the mute that is ended.</summary>
    [BindProperty]
    public string? Target { get; set; }

    /// <summary>The days on which quiet time begins.</summary>
    [BindProperty]
    public IList<DayOfWeek> Days { get; } = [];

    [BindProperty]
    public string? From { get; set; }

    [BindProperty]
    public string? Until { get; set; }

    [BindProperty]
    public bool PagerWaits { get; set; }

    /// <summary>Null: every kind.</summary>
    [BindProperty]
    public AlertKind? MuteKind { get; set; }

    [BindProperty]
    public SubjectForm MuteOf { get; set; } = new();

    /// <summary>For how long.</summary>
    [BindProperty]
    public string For { get; set; } = "1d";

    [BindProperty]
    public string? Why { get; set; }

    /// <summary>What the rule that is changed is about; null where a new one is made.</summary>
    public AlertRuleLine? Changed { get; private set; }

    public IReadOnlyList<AlertRuleLine> Rules { get; private set; } = [];

    public QuietHoursSet Quiet { get; private set; } = null!;

    public IReadOnlyList<MuteLine> Mutes { get; private set; } = [];

    public static IReadOnlyList<DayOfWeek> Week { get; } = [DayOfWeek.Monday, DayOfWeek.Tuesday, DayOfWeek.Wednesday, DayOfWeek.Thursday, DayOfWeek.Friday, DayOfWeek.Saturday, DayOfWeek.Sunday];

    public static IReadOnlyList<SelectListItem> Times { get; } =
    [
        new("for 1 hour", "1h"), new("for 8 hours", "8h"), new("for a day", "1d"), new("until Monday 08:00", "monday"), new("for 7 days", "7d"), new("for 30 days", "30d"), new("until it is ended", "ever"),
    ];

    /// <summary>The numbers of a kind in words.</summary>
    public static string Words(AlertKind kind, AlertTerms t) => !t.On ? "not told" : kind switch
    {
        AlertKind.SpendSpike => FormattableString.Invariant($"${t.FloorPerHour} an hour beyond the usual, and {t.Ratio} times the usual"),
        AlertKind.BudgetBurn => $"gone within {t.Hours} hours at the pace of the last minutes",
        AlertKind.ProviderFailing => $"{t.FailingPercent} % of {t.LeastCalls} calls or more within five minutes",
        AlertKind.KeyAwake => $"unused for {t.UnusedDays} days",
        _ => "told",
    };

    /// <param name="rule">A rule to change.</param>
    /// <param name="kind">A kind to make a rule for, or to mute; with what an alert is about the latter.</param>
    public async Task<IActionResult> OnGetAsync(string? rule, AlertKind? kind, string? scope, string? name, string? value)
    {
        var shown = await ShowAsync();
        Changed = Rules.FirstOrDefault(r => r.Id == rule);
        if (Changed is not null)
            (Kind, Target) = (Changed.Kind, Changed.Id);
        else if (scope is null && kind is { } one && AlertRule.Kinds.Contains(one))
            Kind = one;
        Fill(Changed?.Terms ?? AlertTerms.Default);
        if (scope is not null)
            (MuteKind, MuteOf) = (kind, WithChoices(SubjectForm.Of(new AlertSubject(scope, name ?? "", value ?? ""))));
        return shown;
    }

    public async Task<IActionResult> OnPostSaveAsync()
    {
        Only(nameof(Floor), nameof(Ratio), nameof(Hours), nameof(FailingPercent), nameof(LeastCalls), nameof(UnusedDays));
        var (floor, subject) = (NanoUsd.Parse(Floor?.Trim()), Of.Read(out var problem));
        if (floor is null)
            ModelState.AddModelError(nameof(Floor), "Dollars, such as 2.50.");
        if (Target is null && subject is null)
            ModelState.AddModelError($"{nameof(Of)}.{problem.Field}", problem.Message);
        if (!ModelState.IsValid && May(Domain.Tenants.Right.ManageBudgets))
            return await ShowAgainAsync();
        if (!await FirstTimeAsync())
            return Redirect(To("/alerts/rules"));
        var terms = new AlertTerms { On = On, FloorPerHour = floor ?? default, Ratio = Ratio, Hours = Hours, FailingPercent = FailingPercent, LeastCalls = LeastCalls, UnusedDays = UnusedDays };
        if (await AskAsync(Target is not null ? new ChangeAlertRule(Caller, TenantId, Target, terms) : (IUseCase<AlertRuleChanged>)new AddAlertRule(Caller, TenantId, Kind, subject ?? AlertSubject.Tenant, terms)) is null)
            return Refused ?? await ShowAgainAsync();
        Said = "The rule holds from now on.";
        return Redirect(To("/alerts/rules"));
    }

    public async Task<IActionResult> OnPostRemoveAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new RemoveAlertRule(Caller, TenantId, Target ?? "")) is null)
            return Refused ?? await ShowAgainAsync();
        Said = "The rule is gone.";
        return Redirect(To("/alerts/rules"));
    }

    public async Task<IActionResult> OnPostQuietAsync()
    {
        Only();
        if (Time(From) is not { } from || Time(Until) is not { } to)
        {
            ModelState.AddModelError("", "Quiet hours begin and end at a time such as 22:00.");
            return await ShowAgainAsync();
        }

        if (await AskAsync(new SetQuietHours(Caller, TenantId, new QuietHours([.. Days], from, to), PagerWaits)) is not { } set)
            return Refused ?? await ShowAgainAsync();
        Said = set.Quiet.Days.Count == 0 ? "There are no quiet hours." : "The quiet hours hold from now on; what waits already waits as it did.";
        return Redirect(To("/alerts/rules"));
    }

    public async Task<IActionResult> OnPostMuteAsync()
    {
        Only();
        if (MuteOf.Read(out var problem) is not { } subject)
        {
            ModelState.AddModelError($"{nameof(MuteOf)}.{problem.Field}", problem.Message);
            return await ShowAgainAsync();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/alerts/rules"));
        var now = time.GetUtcNow();
        DateTimeOffset? until = For switch
        {
            "1h" => now.AddHours(1),
            "8h" => now.AddHours(8),
            "monday" => IndexModel.SnoozeEnd(now, Zone),
            "7d" => now.AddDays(7),
            "30d" => now.AddDays(30),
            "ever" => null,
            _ => now.AddDays(1),
        };
        if (await AskAsync(new MuteAlerts(Caller, TenantId, MuteKind, subject, until, Why?.Trim() ?? "")) is null)
            return Refused ?? await ShowAgainAsync();
        Said = until is { } end ? $"It is muted until {InZone(end)}. What is still open then is told." : "It is muted until somebody ends it.";
        return Redirect(To("/alerts/rules"));
    }

    public async Task<IActionResult> OnPostEndMuteAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new EndMute(Caller, TenantId, Target ?? "")) is null)
            return Refused ?? await ShowAgainAsync();
        Said = "The mute is over: what is still open is told now.";
        return Redirect(To("/alerts/rules"));
    }

    protected override string FieldName(string field) => field switch
    {
        "floor_usd" => nameof(Floor),
        "ratio" => nameof(Ratio),
        "hours" => nameof(Hours),
        "failing_percent" => nameof(FailingPercent),
        "least_calls" => nameof(LeastCalls),
        "unused_days" => nameof(UnusedDays),
        "Subject" or "Quiet" => "",
        "Until" => nameof(For),
        _ => field,
    };

    private static TimeOnly? Time(string? text) => TimeOnly.TryParseExact(text, Clock, CultureInfo.InvariantCulture, DateTimeStyles.None, out var at) ? at : null;

    private void Fill(AlertTerms t) =>
        (On, Floor, Ratio, Hours, FailingPercent, LeastCalls, UnusedDays) = (t.On, t.FloorPerHour.ToString(), t.Ratio, t.Hours, t.FailingPercent, t.LeastCalls, t.UnusedDays);

    // With what was typed into the form that was sent, and the defaults in the others.
    private async Task<IActionResult> ShowAgainAsync()
    {
        var shown = await ShowAsync();
        if (Floor is null)
            Fill(AlertTerms.Default);
        Changed = Rules.FirstOrDefault(r => r.Id == Target);
        return shown;
    }

    private IReadOnlyList<SelectListItem> _choices = [];

    private SubjectForm WithChoices(SubjectForm form)
    {
        form.Choices = _choices;
        return form;
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListAlertRules(Caller, TenantId)) is not { } rules || await AskAsync(new GetQuietHours(Caller, TenantId)) is not { } quiet || await AskAsync(new ListMutes(Caller, TenantId)) is not { } mutes
            || await AskAsync(new ListTeams(Caller, TenantId)) is not { } teams)
            return Refused ?? NotFound();
        (Rules, Quiet, Mutes) = (rules.Rules, quiet, mutes.Mutes);
        _choices = [new SelectListItem($"All of {Tenant.TenantName}", "tenant"), .. new Places(teams).Choices("").Skip(1), new SelectListItem("One key", "key"), new SelectListItem("One value of a tag", "tag"), new SelectListItem("One provider", "provider")];
        (Of, MuteOf) = (WithChoices(Of), WithChoices(MuteOf));
        if (From is null)
            (From, Until, PagerWaits) = (quiet.Quiet.From.ToString(Clock, CultureInfo.InvariantCulture), quiet.Quiet.To.ToString(Clock, CultureInfo.InvariantCulture), quiet.PagerWaits);
        return Page();
    }
}
