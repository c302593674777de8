using System.Globalization;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Keys, budgets, routes, teams, projects and calls of a tenant by what somebody remembers of them: a part of a name, an id, the beginning of a key. Kinds that the caller may not see are left out.</summary>
/// <param name="Text">Nothing is found by an empty one. At most 200 characters.</param>
public sealed record Search(Caller Caller, string TenantId, string Text) : IUseCase<SearchHits>
{
    /// <summary>Of each kind.</summary>
    public const int Most = 8;

    public Right Needs => Right.ReadUsage;
}

/// <param name="Keys">Live and test ones that are accepted, the newest first; ended ones behind them.</param>
/// <param name="Teams">Without archived ones, by name.</param>
/// <param name="Projects">The same.</param>
/// <param name="Calls">Of that id: one or none.</param>
public sealed record SearchHits(IReadOnlyList<KeyLine> Keys, IReadOnlyList<Budget> Budgets, IReadOnlyList<FoundPlace> Teams, IReadOnlyList<FoundPlace> Projects, IReadOnlyList<UsageEvent> Calls)
{
    public static SearchHits None { get; } = new([], [], [], [], []);

    /// <summary>By name.</summary>
    public IReadOnlyList<FoundPlace> Routes { get; init; } = [];
}

public sealed record FoundPlace(string Id, string Name);

internal sealed class SearchRules : AbstractValidator<Search>
{
    public SearchRules() => RuleFor(s => s.Text).Must(t => t is null || t.Length <= 200).WithMessage("At most 200 characters.");
}

internal sealed class SearchHandler(TokonomicsDbContext db, IUsageQueries usage, IMediator mediator) : IRequestHandler<Search, Outcome<SearchHits>>
{
    public async Task<Outcome<SearchHits>> Handle(Search request, CancellationToken cancellationToken)
    {
        var (tenant, text) = (request.TenantId, request.Text.Trim());
        if (text.Length == 0)
            return SearchHits.None;
        var lower = text.ToLower(CultureInfo.InvariantCulture);
        IReadOnlyList<KeyLine> keys = [];
        if (request.Caller.May(Right.ReadKeys))
        {
            var found = await mediator.Send(new ListKeys(request.Caller, tenant) { Search = text, Status = KeyStatus.Active, Limit = Search.Most }, cancellationToken);
            var ended = found is { Succeeded: true } && found.Value.Keys.Count < Search.Most
                ? await mediator.Send(new ListKeys(request.Caller, tenant) { Search = text, Status = KeyStatus.Revoked, Limit = Search.Most - found.Value.Keys.Count }, cancellationToken) : null;
            keys = [.. found.Succeeded ? found.Value.Keys : [], .. ended is { Succeeded: true } ? ended.Value.Keys : []];
        }

#pragma warning disable CA1862 // SQL, where there is no comparison to choose
        var teams = await db.Teams.AsNoTracking().Where(t => t.TenantId == tenant && t.ArchivedAt == null && (t.Name.ToLower().Contains(lower) || t.Id == text))
            .OrderBy(t => t.Name).Take(Search.Most).Select(t => new FoundPlace(t.Id, t.Name)).ToListAsync(cancellationToken);
        var projects = await db.Projects.AsNoTracking().Where(p => p.TenantId == tenant && p.ArchivedAt == null && (p.Name.ToLower().Contains(lower) || p.Id == text))
            .OrderBy(p => p.Name).Take(Search.Most).Select(p => new FoundPlace(p.Id, p.Name)).ToListAsync(cancellationToken);
        // A budget is called by whose calls it counts; the organization's own by the organization.
        var all = await db.Tenants.AsNoTracking().AnyAsync(t => t.Id == tenant && t.Name.ToLower().Contains(lower), cancellationToken);
        var scopes = (string[])[.. teams.Select(t => t.Id), .. projects.Select(p => p.Id), .. keys.Select(k => k.Id)];
        var budgets = await db.Budgets.AsNoTracking()
            .Where(b => b.TenantId == tenant && b.EndedAt == null
                && (b.Id == text || (all && b.Scope == "tenant") || scopes.Contains(b.ScopeValue) || ((b.Scope == "tag" || b.Scope == "each") && (b.ScopeName.ToLower().Contains(lower) || b.ScopeValue.ToLower().Contains(lower)))))
            .OrderBy(b => b.Id).Take(Search.Most).ToListAsync(cancellationToken);
        var routes = request.Caller.May(Right.ReadKeys)
            ? await db.Routes.AsNoTracking().Where(r => r.TenantId == tenant && (r.Name.ToLower().Contains(lower) || r.Id == text)).OrderBy(r => r.Name).Take(Search.Most).Select(r => new FoundPlace(r.Id, r.Name)).ToListAsync(cancellationToken)
            : [];
#pragma warning restore CA1862
        IReadOnlyList<UsageEvent> calls = text.StartsWith("req_", StringComparison.Ordinal) ? await usage.FindAsync(tenant, text, cancellationToken) : [];
        return new SearchHits(keys, budgets.ConvertAll(b => b.ToBudget()), teams, projects, calls.Count == 0 ? [] : [calls[^1]]) { Routes = routes };
    }
}
