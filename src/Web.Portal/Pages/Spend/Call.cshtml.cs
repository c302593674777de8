using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;
using Tokonomics.Web.Portal.Api;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>One call's receipt: what it used, how its cost comes about to the nano-dollar, and which budgets it counted on.</summary>
public sealed class CallModel(TimeProvider time) : PortalPage
{
    public CallReceipt Receipt { get; private set; } = null!;

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public async Task<IActionResult> OnGetAsync(string id, string? format)
    {
        if (await AskAsync(new GetCall(Caller, TenantId, id)) is not { } receipt)
            return Refused ?? NotFound();
        Receipt = receipt;
        return format == "csv" ? Lines().File($"tokonomics-{id}.csv") : Page();
    }

    public string Name(string? id) => id is null ? "–" : Receipt.Names.Of(id);

    public string Sentence()
    {
        var c = Receipt.Call;
        var what = $"{c.ResponseModel ?? c.RequestModel ?? c.Operation} of {c.Provider}";
        if (c.IsRepeat)
            return $"This call to {what} repeated an earlier one and got its kept answer within {Figures.Time(c.Latency).Text}{(c.Saved is { } saved ? $": it saved {Figures.ExactDollars(saved)}" : "")}.";
        if (c.IsDirect)
            what += ", which the application made past the proxy and reported afterwards,";
        var cost = c.Cost is { } known ? $"cost {Figures.ExactDollars(known)}" : "has no known cost: the model, or a unit that it used, has no price";
        return $"This call to {what} {cost}, took {Figures.Time(c.Latency).Text} and {(c.Usage.IsEmpty ? "used nothing" : $"used {Figures.Count(c.Usage.InputTokens).Text} input and {Figures.Count(c.Usage.OutputTokens).Text} output tokens")}.";
    }

    /// <summary>A unit's name for people: <c>cache read</c>.</summary>
    public static string UnitName(UsageUnit unit) => UsageShape.NameOf(unit).Replace('_', ' ');

    /// <summary>What a rate buys: <c>a million</c>.</summary>
    public static string Per(int per) => per switch { 1 => "each", 1000 => "a thousand", 1_000_000 => "a million", 3_600_000 => "an hour", _ => "per " + per.ToString("#,0", CultureInfo.InvariantCulture) };

    /// <summary>All digits: what is added up must be seen to add up.</summary>
    public static string Exactly(decimal usd) => "$" + PriceBookText.Number(usd);

    public string ScopeOf(Budget budget) => budget.Scope.Kind switch
    {
        BudgetScopeKind.Tenant => "everything",
        BudgetScopeKind.Tag => budget.Scope.IsEachValue ? $"each {budget.Scope.Name}: {Receipt.Call.Tags.FirstOrDefault(t => t.Name == budget.Scope.Name).Value}" : $"{budget.Scope.Name} {budget.Scope.Value}",
        var kind => $"{kind.ToString().ToLowerInvariant()} {Name(budget.Scope.Value)}",
    };

    private Csv Lines()
    {
        var csv = new Csv().Row("attempt", "model", "unit", "count", "rated_as", "rate_usd", "per", "usd");
        foreach (var attempt in Receipt.Attempts)
            foreach (var (model, line) in attempt.Lines)
                csv.Row(attempt.Event.Attempt, model, UsageShape.NameOf(line.Unit), line.Count, line.RatedAs == line.Unit ? null : UsageShape.NameOf(line.RatedAs), line.Rate, line.Per, line.Usd);
        return csv;
    }
}
