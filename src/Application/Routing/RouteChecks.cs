using System.Collections.Frozen;
using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>What a route needs of its tenant: targets that exist, keys that are its own, no route among its targets.</summary>
internal sealed class RouteChecks(TokonomicsDbContext db, ProviderCatalogue catalogue, PriceBook prices, PriceOverrideLookup? overrides = null)
{
    public async Task<RouteSurroundings> FindAsync(string tenantId, CancellationToken cancellationToken) => new(
        catalogue, prices, overrides?.Invoke(tenantId) ?? prices,
        [.. await db.Routes.AsNoTracking().Where(r => r.TenantId == tenantId).OrderBy(r => r.Name).ToListAsync(cancellationToken)],
        (await db.Endpoints.AsNoTracking().Where(e => e.TenantId == tenantId).Select(e => e.Name).ToListAsync(cancellationToken)).ToFrozenSet(StringComparer.Ordinal),
        (await db.Credentials.AsNoTracking().Where(c => c.TenantId == tenantId && c.EndedAt == null).Select(c => c.Provider).ToListAsync(cancellationToken)).ToFrozenSet(StringComparer.Ordinal));

    /// <summary>Null where the route may stand beside the tenant's others.</summary>
    public async Task<Refusal?> ProblemAsync(string tenantId, ModelRoute route, RouteSurroundings around, CancellationToken cancellationToken)
    {
        if (around.Routes.Any(r => r.Name == route.Name && r.Id != route.Id))
            return new Refusal(RefusalKind.Conflict, "route_exists", $"There is a route '{route.Name}' already: change that one.");
        for (var i = 0; i < route.Rules.Count; i++)
        {
            foreach (var model in route.Rules[i].Models.Concat(route.Rules[i].Quality?.Judge is { } judge ? [judge] : []))
                if (around.Problem(route, model) is { } problem)
                    return Refusal.Invalid("rules", $"Rule {i + 1}: {problem}");
            var keys = route.Rules[i].When.Keys;
            if (keys.Count == 0)
                continue;
            var known = await db.Keys.AsNoTracking().Where(k => k.TenantId == tenantId && keys.Contains(k.Id)).Select(k => k.Id).ToListAsync(cancellationToken);
            if (keys.FirstOrDefault(k => !known.Contains(k)) is { } unknown)
                return Refusal.Invalid("rules", $"Rule {i + 1}: there is no key '{(unknown.Length <= 80 ? unknown : unknown[..80])}': name keys by their ids (key_…).");
        }

        // A target is a model, whatever routes there are: what is meant must not change with a route that is made later.
        var user = around.Routes.FirstOrDefault(r => r.Id != route.Id && RoutePolicy.Read(r.Id, r.Name, r.Policy).Route?.Rules.Any(rule => rule.Models.Contains(route.Name)) == true);
        return user is null ? null : new Refusal(RefusalKind.Conflict, "name_is_target", $"'{route.Name}' is a target of the route '{user.Name}', and a route's target is no route: name its provider there first (provider/{route.Name}), or choose another name.");
    }

    /// <summary>Null where a budget can send calls to what it names: one of the tenant's routes, or a model that a target may be.</summary>
    public async Task<Refusal?> DowngradeProblemAsync(string tenantId, string? to, CancellationToken cancellationToken) =>
        to is null || (await FindAsync(tenantId, cancellationToken)).DowngradeProblem(to) is not { } problem ? null : Refusal.Invalid("downgrade_to", problem);

    /// <summary>Null where the route's name may be taken away: where a budget sends calls to it, they would be refused from then on.</summary>
    public async Task<Refusal?> InUseAsync(string tenantId, string name, CancellationToken cancellationToken) =>
        await db.Budgets.AsNoTracking().FirstOrDefaultAsync(b => b.TenantId == tenantId && b.EndedAt == null && b.DowngradeTo == name, cancellationToken) is { } budget
        && (await FindAsync(tenantId, cancellationToken)).IsNothingElse(name)
            ? new Refusal(RefusalKind.Conflict, "route_in_use", $"The budget {budget.Id} sends calls to '{name}' when it is spent: change that budget first.")
            : null;

    // A route of many rules is told whole: who made which model the judge must not be lost behind its targets.
    private const int MostDescribed = 16_000;

    /// <summary>For the audit log: the name, and each rule's targets, how long answers are kept, and its quality group with its judge.</summary>
    public static string Describe(RouteForm route)
    {
        var text = $"{route.Name}: {string.Join("; ", route.Rules.Select((r, i) => $"{i + 1}: {string.Join(", ", r.Targets.Select(t => t.Model))}{Describe(r.CacheSeconds)}{Describe(r.Quality)}"))}";
        return text.Length <= MostDescribed ? text : text[..(MostDescribed - 1)] + "…";
    }

    private static string Describe(int? cacheSeconds) => cacheSeconds is { } seconds ? string.Create(CultureInfo.InvariantCulture, $" (answers kept {seconds} s)") : "";

    private static string Describe(QualityForm? group) => group is null ? "" : string.Create(
        CultureInfo.InvariantCulture,
        $" ({(group.Active ? "active" : "watching")}: {string.Join(", ", group.Candidates)}, keep {group.KeepPercent} %, samples {group.SamplePercent} % up to {group.SampleLimitUsd} USD, {(group.Judge is { } judge ? $"judge {judge}" : "no judge")}{(group.Check ? "" : ", answers unchecked")})");
}

/// <summary>What stands around a tenant's routes.</summary>
/// <param name="Own">The prices with the tenant's own rates laid over them.</param>
/// <param name="Credentials">Providers whose keys are stored.</param>
internal sealed record RouteSurroundings(ProviderCatalogue Catalogue, PriceBook Prices, PriceBook Own, IReadOnlyList<StoredRoute> Routes, FrozenSet<string> Endpoints, FrozenSet<string> Credentials)
{
    private const string Sandbox = "sandbox";

    /// <summary>Null where calls can be sent to that target.</summary>
    public string? Problem(ModelRoute route, string target)
    {
        if (target != route.Name && Routes.Any(r => r.Name == target))
            return $"'{target}' is a route: a target is a model, never another route.";
        if (Resolve(target).Providers.Count > 0)
            return null;
        return target.IndexOf('/', StringComparison.Ordinal) is var slash and > 0
            ? $"'{target[..slash]}' in '{target}' is neither a provider nor an endpoint of this tenant."
            : $"no provider's price list has '{target}': write provider/model, such as openai/{target}.";
    }

    public string? DowngradeProblem(string to) => Routes.Any(r => r.Name == to) || !IsNothingElse(to)
        ? null
        : to.IndexOf('/', StringComparison.Ordinal) is var slash and > 0
            ? $"'{to[..slash]}' in '{to}' is neither a provider nor an endpoint of this tenant, and there is no route '{to}'."
            : $"There is no route '{to}', and no provider's price list has such a model: write provider/model, such as openai/{to}.";

    /// <summary>No model that calls could be sent to has the name.</summary>
    public bool IsNothingElse(string name) => Resolve(name).Providers.Count == 0;

    /// <summary>What is odd about a route, which is kept all the same.</summary>
    public IReadOnlyList<string> Warnings(ModelRoute route)
    {
        var warnings = new List<string>();
        var (locked, sandboxed) = (new List<(string Providers, string Target)>(), new List<string>());
        foreach (var target in route.Rules.SelectMany(r => r.Models).Distinct(StringComparer.Ordinal))
        {
            var (providers, model) = Resolve(target);
            if (Problem(route, target) is { } gone)
                warnings.Add(char.ToUpperInvariant(gone[0]) + gone[1..]);
            else if (IsUnpriced(providers, model) && Own.FindModel(Sandbox, model) is not null)
            {
                // What is tried with a test key has a key and a price there.
                sandboxed.Add(target);
                continue;
            }
            else if (!providers.Any(IsOpen))
                locked.Add((string.Join(" or ", providers), target));
            if (IsUnpriced(providers, model))
                warnings.Add($"{target} has no price: its calls are recorded without a cost, and a strict budget refuses them.");
        }

        foreach (var behind in locked.GroupBy(l => l.Providers, l => l.Target, StringComparer.Ordinal))
            warnings.Add($"No key for {behind.Key} is stored: live calls can't reach {string.Join(", ", behind)} unless they bring their own.");
        if (sandboxed.Count > 0)
            warnings.Add($"{string.Join(", ", sandboxed)} {(sandboxed.Count == 1 ? "is a model" : "are models")} of the sandbox: calls with a test key alone reach {(sandboxed.Count == 1 ? "it" : "them")}.");
        foreach (var judge in route.Rules.Select(r => r.Quality?.Judge).OfType<string>().Distinct(StringComparer.Ordinal))
            if (OfJudge(judge) is { } problem)
                warnings.Add(problem);
        return warnings;
    }

    // Its calls are samples': held on a strict budget, and made with no key but a stored one.
    private string? OfJudge(string judge)
    {
        var (providers, model) = Resolve(judge);
        return providers.Count == 0 ? $"The judge {judge} is gone: answers that need a judge are not compared."
            : Own.FindModel(Sandbox, model) is not null && IsUnpriced(providers, model) ? null
            : IsUnpriced(providers, model) ? $"The judge {judge} has no price, and what samples may cost is a strict budget: it is never asked."
            : providers.Any(IsOpen) ? null : $"No key for {string.Join(" or ", providers)} is stored: the judge {judge} can't be asked, and live answers that need a judge are not compared.";
    }

    private bool IsUnpriced(IReadOnlyList<string> providers, string model) => providers.Count > 0 && providers.All(p => Own.FindModel(p, model) is null);

    /// <summary>The providers that a target may be at, and its model there; none where it names nothing.</summary>
    private (IReadOnlyList<string> Providers, string Model) Resolve(string target)
    {
        // As calls are sent: what stands before a slash names a provider first, and is a part of a listed name otherwise.
        if (target.IndexOf('/', StringComparison.Ordinal) is var slash and > 0 && target.Length > slash + 1 && target[..slash] is var name && (Catalogue.Find(name) is not null || Endpoints.Contains(name)))
            return ([name], target[(slash + 1)..]);
        return (Prices.ProvidersOf(target), target);
    }

    private bool IsOpen(string provider) => Credentials.Contains(provider) || Endpoints.Contains(provider) || Catalogue.Find(provider) is null or { Auth: ProviderAuth.None };
}
