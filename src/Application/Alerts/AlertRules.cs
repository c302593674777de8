using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Alerts;

/// <summary>A rule as it is stored: all numbers, of which its kind reads its own.</summary>
public sealed class StoredAlertRule
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>The kind's word.</summary>
    public required string Kind { get; init; }

    public required string Scope { get; init; }

    public required string ScopeName { get; init; }

    public required string ScopeValue { get; init; }

    public bool IsOn { get; set; }

    public long FloorNano { get; set; }

    public int RatioPercent { get; set; }

    public int Hours { get; set; }

    public int FailingPercent { get; set; }

    public int LeastCalls { get; set; }

    public int UnusedDays { get; set; }

    public required DateTimeOffset ChangedAt { get; set; }

    public required string ChangedBy { get; set; }

    public AlertSubject Subject => new(Scope, ScopeName, ScopeValue);

    public AlertTerms Terms
    {
        get => ReadTerms(IsOn, FloorNano, RatioPercent, Hours, FailingPercent, LeastCalls, UnusedDays);
        set => (IsOn, FloorNano, RatioPercent, Hours, FailingPercent, LeastCalls, UnusedDays) =
            (value.On, value.FloorPerHour.Value, (int)(value.Ratio * 100), value.Hours, value.FailingPercent, value.LeastCalls, value.UnusedDays);
    }

    /// <summary>From the columns, in their order.</summary>
    public static AlertTerms ReadTerms(bool on, long floorNano, int ratioPercent, int hours, int failingPercent, int leastCalls, int unusedDays) =>
        new() { On = on, FloorPerHour = new NanoUsd(floorNano), Ratio = ratioPercent / 100m, Hours = hours, FailingPercent = failingPercent, LeastCalls = leastCalls, UnusedDays = unusedDays };
}

/// <summary>Says from when on a kind is told, in all of the tenant or in a part. Who looks for it reads this the next time.</summary>
public sealed record AddAlertRule(Caller Caller, string TenantId, AlertKind Kind, AlertSubject Subject, AlertTerms Terms) : IUseCase<AlertRuleChanged>, IChange
{
    // As for a budget, whose thresholds are such rules too.
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => $"{Kind.Word()} of {AlertSubjects.Detail(Subject)}: {AlertRuleChecks.Describe(Kind, Terms)}";
}

public sealed record AlertRuleChanged(string RuleId) : IAuditSubject
{
    public string AuditSubject => RuleId;
}

/// <summary>The rules of the numbers, for a new rule and a changed one alike.</summary>
internal sealed class AlertRuleChecks : AbstractValidator<AlertTerms>
{
    public AlertRuleChecks() => RuleFor(t => t).Custom((terms, context) =>
    {
        if (terms.Problem() is var (field, message))
            context.AddFailure(new FluentValidation.Results.ValidationFailure(field, message));
    });

    public static string Describe(AlertKind kind, AlertTerms t) => !t.On ? "off" : kind switch
    {
        AlertKind.SpendSpike => $"{t.FloorPerHour} USD an hour beyond the usual, {t.Ratio} times",
        AlertKind.BudgetBurn => $"gone within {t.Hours} h",
        AlertKind.ProviderFailing => $"{t.FailingPercent} % of {t.LeastCalls} calls",
        AlertKind.KeyAwake => $"unused for {t.UnusedDays} days",
        _ => "on",
    };
}

internal sealed class AddAlertRuleRules : AbstractValidator<AddAlertRule>
{
    public AddAlertRuleRules()
    {
        RuleFor(r => r.Kind).Must(k => AlertRule.Kinds.Contains(k)).WithMessage($"Rules are made for {string.Join(", ", AlertRule.Kinds.Select(k => k.Word()))}; a budget's thresholds are set at the budget.");
        RuleFor(r => r.Subject).Must((r, s) => AlertRule.IsFor(r.Kind, s.Scope) && AlertSubjects.IsWellFormed(s)).When(r => AlertRule.Kinds.Contains(r.Kind)).WithMessage("There is no such rule for that kind: a spike or a budget's pace is told of the organization, a team, a project, a key or a tag; a provider's failing of a provider; a digest of the organization.");
        RuleFor(r => r.Terms).SetValidator(new AlertRuleChecks());
    }
}

internal sealed class AddAlertRuleHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<AddAlertRule, Outcome<AlertRuleChanged>>
{
    private const int MaxRules = 200;

    public async Task<Outcome<AlertRuleChanged>> Handle(AddAlertRule request, CancellationToken cancellationToken)
    {
        var (tenant, kind, subject, now) = (request.TenantId, request.Kind.Word(), request.Subject, time.GetUtcNow());
        if (await AlertSubjects.MissingAsync(db, tenant, subject, cancellationToken) is { } missing)
            return missing;
        if (await db.AlertRules.AnyAsync(r => r.TenantId == tenant && r.Kind == kind && r.Scope == subject.Scope && r.ScopeName == subject.Name && r.ScopeValue == subject.Value, cancellationToken))
            return new Refusal(RefusalKind.Conflict, "rule_exists", "There is a rule of this kind for that already: change that one.");
        if (await db.AlertRules.CountAsync(r => r.TenantId == tenant, cancellationToken) >= MaxRules)
            return new Refusal(RefusalKind.Conflict, "too_many_rules", $"A tenant has {MaxRules} rules at most.");
        var rule = new StoredAlertRule
        {
            TenantId = tenant,
            Id = SortableId.New("rule", now),
            Kind = kind,
            Scope = subject.Scope,
            ScopeName = subject.Name,
            ScopeValue = subject.Value,
            Terms = request.Terms,
            ChangedAt = now,
            ChangedBy = request.Caller.Actor,
        };
        db.AlertRules.Add(rule);
        return new AlertRuleChanged(rule.Id);
    }
}

/// <summary>Sets all numbers of a rule. Its kind and what it is about stay: another of these is another rule.</summary>
public sealed record ChangeAlertRule(Caller Caller, string TenantId, string RuleId, AlertTerms Terms) : IUseCase<AlertRuleChanged>, IChange
{
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => Terms.On ? $"{AlertRuleChecks.Describe(AlertKind.SpendSpike, Terms)}; {AlertRuleChecks.Describe(AlertKind.BudgetBurn, Terms)}; {AlertRuleChecks.Describe(AlertKind.ProviderFailing, Terms)}; {AlertRuleChecks.Describe(AlertKind.KeyAwake, Terms)}" : "off";
}

internal sealed class ChangeAlertRuleRules : AbstractValidator<ChangeAlertRule>
{
    public ChangeAlertRuleRules() => RuleFor(r => r.Terms).SetValidator(new AlertRuleChecks());
}

internal sealed class ChangeAlertRuleHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ChangeAlertRule, Outcome<AlertRuleChanged>>
{
    public async Task<Outcome<AlertRuleChanged>> Handle(ChangeAlertRule request, CancellationToken cancellationToken)
    {
        var rule = await db.AlertRules.FirstOrDefaultAsync(r => r.TenantId == request.TenantId && r.Id == request.RuleId, cancellationToken);
        if (rule is null)
            return Refusal.NotFound("rule");
        (rule.Terms, rule.ChangedAt, rule.ChangedBy) = (request.Terms, time.GetUtcNow(), request.Caller.Actor);
        return new AlertRuleChanged(rule.Id);
    }
}

/// <summary>Takes a rule away: what it was about is told as the next wider rule says, or by the defaults.</summary>
public sealed record RemoveAlertRule(Caller Caller, string TenantId, string RuleId) : IUseCase<AlertRuleChanged>, IChange
{
    public Right Needs => Right.ManageBudgets;

    public string AuditDetail => "";
}

internal sealed class RemoveAlertRuleHandler(TokonomicsDbContext db) : IRequestHandler<RemoveAlertRule, Outcome<AlertRuleChanged>>
{
    public async Task<Outcome<AlertRuleChanged>> Handle(RemoveAlertRule request, CancellationToken cancellationToken)
    {
        var rule = await db.AlertRules.FirstOrDefaultAsync(r => r.TenantId == request.TenantId && r.Id == request.RuleId, cancellationToken);
        if (rule is null)
            return Refusal.NotFound("rule");
        db.AlertRules.Remove(rule);
        return new AlertRuleChanged(rule.Id);
    }
}

/// <summary>The rules of a tenant, by kind. What has none is told at <see cref="AlertTerms.Default"/>.</summary>
public sealed record ListAlertRules(Caller Caller, string TenantId) : IUseCase<AlertRuleList>
{
    public Right Needs => Right.ReadUsage;
}

public sealed record AlertRuleList(IReadOnlyList<AlertRuleLine> Rules);

/// <param name="About">The subject in words: <c>team Search</c>.</param>
public sealed record AlertRuleLine(string Id, AlertKind Kind, AlertSubject Subject, string About, AlertTerms Terms, DateTimeOffset ChangedAt, string ChangedBy);

internal sealed class ListAlertRulesHandler(TokonomicsDbContext db) : IRequestHandler<ListAlertRules, Outcome<AlertRuleList>>
{
    public async Task<Outcome<AlertRuleList>> Handle(ListAlertRules request, CancellationToken cancellationToken)
    {
        var rules = await db.AlertRules.AsNoTracking().Where(r => r.TenantId == request.TenantId).ToListAsync(cancellationToken);
        var about = await AlertSubjects.WordsAsync(db, request.TenantId, rules.Select(r => r.Subject), cancellationToken);
        return new AlertRuleList(
        [
            .. from rule in rules
               let kind = AlertKinds.Parse(rule.Kind)
               where kind is not null && AlertRule.Kinds.Contains(kind.Value)
               orderby kind, rule.Scope != "tenant", about(rule.Subject)
               select new AlertRuleLine(rule.Id, kind.Value, rule.Subject, about(rule.Subject), rule.Terms, rule.ChangedAt, rule.ChangedBy),
        ]);
    }
}

/// <summary>What rules, mutes and alerts are about: whether it is there, and how it is called.</summary>
public static class AlertSubjects
{
    /// <summary>For the audit log: <c>team team_…</c>, <c>tag customer=acme</c>.</summary>
    public static string Detail(AlertSubject s) => s.Scope == "tag" ? $"tag {s.Name}={s.Value}" : s.Name.Length > 0 ? $"{s.Scope} {s.Name} {s.Value}" : $"{s.Scope} {s.Value}".TrimEnd();

    internal static bool IsWellFormed(AlertSubject s) => s.Scope switch
    {
        "tenant" => s == AlertSubject.Tenant,
        "team" or "project" or "key" or "provider" => s.Name.Length == 0 && s.Value.Length is >= 1 and <= 100 && !s.Value.Any(char.IsControl),
        "tag" => KeyTags.NormalName(s.Name) == s.Name && KeyTags.IsValue(s.Value),
        "model" => s.Name.Length <= 100 && s.Value.Length is >= 1 and <= 200 && !s.Value.Any(char.IsControl),
        _ => false,
    };

    internal static async Task<Refusal?> MissingAsync(TokonomicsDbContext db, string tenantId, AlertSubject subject, CancellationToken cancellationToken) => subject.Scope switch
    {
        "team" when !await db.Teams.AnyAsync(t => t.TenantId == tenantId && t.Id == subject.Value, cancellationToken) => Refusal.NotFound("team"),
        "project" when !await db.Projects.AnyAsync(p => p.TenantId == tenantId && p.Id == subject.Value, cancellationToken) => Refusal.NotFound("project"),
        "key" when !await db.Keys.AnyAsync(k => k.TenantId == tenantId && k.Id == subject.Value, cancellationToken) => Refusal.NotFound("key"),
        _ => null,
    };

    /// <summary>How some subjects are called. One question for each kind of thing that is among them.</summary>
    internal static async Task<Func<AlertSubject, string>> WordsAsync(TokonomicsDbContext db, string tenantId, IEnumerable<AlertSubject> subjects, CancellationToken cancellationToken)
    {
        var ids = subjects.Where(s => s.Scope is "team" or "project" or "key").Distinct().ToLookup(s => s.Scope, s => s.Value);
        var names = new Dictionary<(string, string), string>();
        foreach (var scope in ids)
        {
            var wanted = scope.ToList();
            var found = scope.Key switch
            {
                "team" => db.Teams.Where(t => t.TenantId == tenantId && wanted.Contains(t.Id)).Select(t => new { t.Id, t.Name }),
                "project" => db.Projects.Where(p => p.TenantId == tenantId && wanted.Contains(p.Id)).Select(p => new { p.Id, p.Name }),
                _ => db.Keys.Where(k => k.TenantId == tenantId && wanted.Contains(k.Id)).Select(k => new { k.Id, k.Name }),
            };
            foreach (var one in await found.ToListAsync(cancellationToken))
                names[(scope.Key, one.Id)] = one.Name;
        }

        return s => s.Scope switch
        {
            "tenant" => "the whole organization",
            "tag" => $"{s.Name} {s.Value}",
            "model" => s.Name.Length > 0 ? $"model {s.Value} of {s.Name}" : $"model {s.Value}",
            _ => $"{s.Scope} {names.GetValueOrDefault((s.Scope, s.Value), s.Value)}",
        };
    }
}
