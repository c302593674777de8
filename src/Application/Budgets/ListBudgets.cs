using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Budgets;

/// <summary>The budgets of a tenant and how they stand in the running period, oldest first.</summary>
public sealed record ListBudgets(Caller Caller, string TenantId, string? BudgetId = null) : IUseCase<BudgetList>
{
    /// <summary>Also how each will end.</summary>
    public bool WithForecasts { get; init; }

    public Right Needs => Right.ReadUsage;
}

public sealed record BudgetList(IReadOnlyList<BudgetLine> Budgets);

/// <param name="Accounts">One, of the running period; of a budget for each value the hundred values that spent most.</param>
public sealed record BudgetLine(Budget Budget, string CreatedBy, PeriodWindow Window, IReadOnlyList<BudgetStanding> Accounts);

/// <param name="Subject">The tag's value in a budget for each value.</param>
/// <param name="Leased">Set aside for nodes, open holds included.</param>
/// <param name="Held">In open holds of this node; null where it serves no calls.</param>
public sealed record BudgetStanding(string Subject, NanoUsd Limit, NanoUsd Posted, NanoUsd Leased, NanoUsd? Held, NanoUsd Remaining)
{
    /// <summary>Null where it wasn't asked for or too little is known; for a total; and in a budget for each value for all but the <see cref="BudgetForecasts.MostValues"/> nearest to their limit.</summary>
    public SpendForecast? Forecast { get; init; }
}

internal sealed class ListBudgetsHandler(TokonomicsDbContext db, IBudgetTruth truth, IEnumerable<IBudgetGate> gates, BudgetForecasts forecasts, TimeProvider time) : IRequestHandler<ListBudgets, Outcome<BudgetList>>
{
    private const int ValuesShown = 100;

    public async Task<Outcome<BudgetList>> Handle(ListBudgets request, CancellationToken cancellationToken)
    {
        var rows = await db.Budgets.AsNoTracking()
            .Where(b => b.TenantId == request.TenantId && b.EndedAt == null && (request.BudgetId == null || b.Id == request.BudgetId))
            .OrderBy(b => b.Id).ToListAsync(cancellationToken);
        if (request.BudgetId is not null && rows.Count == 0)
            return Refusal.NotFound("budget");
        var calendar = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken)).Calendar;
        var now = time.GetUtcNow();
        var windows = rows.ConvertAll(r => calendar.Containing(r.Period, now, r.CreatedAt));
        var openings = rows.Select((r, i) => new AccountOpening(new AccountKey(r.TenantId, r.Id, "", windows[i].StartMicros), windows[i].EndMicros));
        var states = (await truth.ReadAsync([.. openings.Where((_, i) => rows[i].Scope != "each")], cancellationToken)).ToDictionary(s => s.Key.BudgetId);
        var lines = new List<BudgetLine>(rows.Count);
        for (var i = 0; i < rows.Count; i++)
        {
            IReadOnlyList<AccountState> accounts = rows[i].Scope == "each"
                ? await truth.ListAsync(request.TenantId, rows[i].Id, windows[i].StartMicros, ValuesShown, cancellationToken)
                : states.TryGetValue(rows[i].Id, out var state) ? [state] : [];
            var budget = rows[i].ToBudget();
            var ends = request.WithForecasts ? await forecasts.OfAsync(budget, windows[i], calendar.Zone, [.. accounts.Select(a => (a.Key.Subject, a.Limit, a.Posted))], cancellationToken) : null;
            lines.Add(new BudgetLine(budget, rows[i].CreatedBy, windows[i], [.. accounts.Select(a => Standing(a) with { Forecast = ends?.GetValueOrDefault(a.Key.Subject) })]));
        }

        return new BudgetList(lines);

        BudgetStanding Standing(AccountState s) => new(s.Key.Subject, s.Limit, s.Posted, s.Leased, gates.FirstOrDefault()?.HeldHere(s.Key), s.Remaining);
    }
}
