namespace Tokonomics.Domain.Alerts;

/// <summary>From when on a tenant wants to be told of a kind, in all of it or in a part.</summary>
public sealed record AlertRule(AlertKind Kind, AlertSubject Subject, AlertTerms Terms)
{
    // A budget has its own thresholds: three kinds are its affair.
    private static readonly (AlertKind Kind, string[] Scopes)[] All =
    [
        (AlertKind.SpendSpike, ["tenant", "team", "project", "key", "tag"]),
        (AlertKind.BudgetBurn, ["tenant", "team", "project", "key", "tag"]),
        (AlertKind.BudgetForecast, ["tenant", "team", "project", "key", "tag"]),
        (AlertKind.ProviderFailing, ["tenant", "provider"]),
        (AlertKind.ModelUnpriced, ["tenant", "provider"]),
        (AlertKind.KeyAwake, ["tenant", "team", "project", "key"]),
        (AlertKind.PlanQuota, ["tenant"]),
        (AlertKind.WeeklyDigest, ["tenant"]),
    ];

    /// <summary>Those that rules are made for.</summary>
    public static IReadOnlyList<AlertKind> Kinds { get; } = [.. All.Select(k => k.Kind)];

    /// <summary>Whether a rule of that kind may be about that: <c>tenant</c> always.</summary>
    public static bool IsFor(AlertKind kind, string scope) => All.Any(k => k.Kind == kind && k.Scopes.Contains(scope));
}

/// <summary>All rules of a tenant. Without any, everything is told at the defaults.</summary>
public sealed class TenantRules(IEnumerable<AlertRule> rules)
{
    private readonly Dictionary<(AlertKind, AlertSubject), AlertTerms> _terms = rules.ToDictionary(r => (r.Kind, r.Subject), r => r.Terms);

    public static TenantRules None { get; } = new([]);

    public bool IsEmpty => _terms.Count == 0;

    /// <summary>The narrowest rule says all: its numbers, and whether it is on. Numbers of two rules are not mixed.</summary>
    /// <param name="narrowestFirst">What it is about and what contains that, such as key, project, team. The tenant comes after them, whether it is named or not.</param>
    public AlertTerms For(AlertKind kind, IReadOnlyList<AlertSubject> narrowestFirst)
    {
        if (IsEmpty)
            return AlertTerms.Default;
        foreach (var subject in narrowestFirst)
            if (_terms.TryGetValue((kind, subject), out var terms))
                return terms;
        return _terms.GetValueOrDefault((kind, AlertSubject.Tenant), AlertTerms.Default);
    }
}
