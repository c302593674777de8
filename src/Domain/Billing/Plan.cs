using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Billing;

/// <summary>What a plan allows beside its limits.</summary>
[Flags]
public enum PlanFeatures
{
    None = 0,

    /// <summary>Teams and projects.</summary>
    Teams = 1,

    /// <summary>Budgets below the organization: for teams, projects, keys and tags.</summary>
    ScopedCaps = 2,

    /// <summary>Alerts by Slack, e-mail and webhook.</summary>
    Alerts = 4,

    /// <summary>Statements for the tenant's own customers.</summary>
    Rebilling = 8,

    All = Teams | ScopedCaps | Alerts | Rebilling,
}

/// <summary>A row of the price list: what a tenant on it may use, and by which of the payment provider's prices it is sold.</summary>
public sealed record Plan
{
    /// <summary>Stable, for programs: <c>free</c>, <c>pro</c>. Lower case letters, digits and <c>-</c>, 32 at most.</summary>
    public required string Name { get; init; }

    /// <summary>For people: <c>Pro</c>.</summary>
    public required string Title { get; init; }

    /// <summary>What a month costs by the price list, for the pricing page. What is charged is what the price at the payment provider says.</summary>
    public NanoUsd MonthlyPrice { get; init; }

    /// <summary>The lookup key of its price at the payment provider; null where it isn't sold.</summary>
    public string? LookupKey { get; init; }

    /// <summary>Live calls that are forwarded in a calendar month of the tenant's time zone. 0 to 1e12; null for any number.</summary>
    public long? CallsPerMonth { get; init; }

    /// <summary>Members, and invitations that are open. 1 or more; null for any number.</summary>
    public int? Members { get; init; }

    /// <summary>How far back single calls and sums can be looked at, days. 1 or more; null for ever.</summary>
    public int? HistoryDays { get; init; }

    public PlanFeatures Features { get; init; }

    /// <summary>Of an installation that sells nothing: everything.</summary>
    public static Plan SelfHosted { get; } = new() { Name = "self-hosted", Title = "Self-hosted", Features = PlanFeatures.All };

    public bool Has(PlanFeatures feature) => (Features & feature) == feature;
}

/// <summary>The price list: plans in the order of what they give, the one that costs nothing first.</summary>
public sealed class PlanBook
{
    private const long MostCalls = 1_000_000_000_000;

    private readonly Dictionary<string, int> _rank;

    /// <exception cref="ArgumentException">The list can't be one; the message says why, plan by plan.</exception>
    public PlanBook(IReadOnlyList<Plan> plans)
    {
        if (Problems(plans) is { Count: > 0 } problems)
            throw new ArgumentException(string.Join("; ", problems), nameof(plans));
        Plans = plans;
        _rank = plans.Select((p, i) => (p.Name, i)).ToDictionary(p => p.Name, p => p.i, StringComparer.Ordinal);
    }

    public IReadOnlyList<Plan> Plans { get; }

    /// <summary>Of a tenant that pays for none.</summary>
    public Plan Free => Plans[0];

    /// <summary>Null where the list doesn't have it.</summary>
    public Plan? Find(string? name) => name is not null && _rank.TryGetValue(name, out var rank) ? Plans[rank] : null;

    /// <summary>Null where no plan is sold by it.</summary>
    public Plan? FindByLookupKey(string? key) => key is null ? null : Plans.FirstOrDefault(p => p.LookupKey == key);

    /// <summary>Below zero where the first gives less than the second, by their places in the list.</summary>
    public int Compare(Plan a, Plan b) => _rank[a.Name].CompareTo(_rank[b.Name]);

    /// <summary>The dearer of the two by their places in the list.</summary>
    public Plan Better(Plan a, Plan b) => Compare(a, b) >= 0 ? a : b;

    /// <summary>What is wrong with a list; empty where nothing is.</summary>
    public static IReadOnlyList<string> Problems(IReadOnlyList<Plan> plans)
    {
        var problems = new List<string>();
        if (plans.Count == 0)
            problems.Add("there is no plan: the first is the one that tenants have who pay for none");
        else if (plans[0].LookupKey is not null)
            problems.Add($"the first plan, '{plans[0].Name}', has a lookup key: the first is the one that tenants have who pay for none");
        foreach (var p in plans)
        {
            if (p.Name.Length is 0 or > 32 || p.Name.Any(c => c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '-')))
                problems.Add($"'{p.Name}' is no name of a plan: it is 1 to 32 of a-z, 0-9 and '-'");
            if (string.IsNullOrWhiteSpace(p.Title))
                problems.Add($"{p.Name} has no title");
            if (p.MonthlyPrice < NanoUsd.Zero)
                problems.Add($"{p.Name} costs {p.MonthlyPrice} USD: zero is the least");
            if (p.LookupKey is { Length: 0 or > 200 })
                problems.Add($"{p.Name} has a lookup key of {p.LookupKey.Length} characters: it is 1 to 200");
            if (p.CallsPerMonth is < 0 or > MostCalls)
                problems.Add($"{p.Name} has {p.CallsPerMonth} calls a month: it is 0 to {MostCalls}, or left out for any number");
            if (p.Members is < 1)
                problems.Add($"{p.Name} has {p.Members} members: it is 1 or more, or left out for any number");
            if (p.HistoryDays is < 1)
                problems.Add($"{p.Name} has {p.HistoryDays} days of history: it is 1 or more, or left out for ever");
        }

        foreach (var twice in plans.GroupBy(p => p.Name, StringComparer.Ordinal).Where(g => g.Count() > 1))
            problems.Add($"the plan '{twice.Key}' is there twice");
        foreach (var twice in plans.Where(p => p.LookupKey is not null).GroupBy(p => p.LookupKey, StringComparer.Ordinal).Where(g => g.Count() > 1))
            problems.Add($"the lookup key '{twice.Key}' belongs to {string.Join(" and ", twice.Select(p => p.Name))}: which of them was bought could not be told");
        return problems;
    }
}
