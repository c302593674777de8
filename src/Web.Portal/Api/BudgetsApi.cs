using MediatR;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Limits on spend, and how they stand.</summary>
internal static class BudgetsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var budgets = api.MapGroup("/budgets").WithTags("Budgets");
        budgets.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListBudgets(http.Caller(), http.Tenant()) { WithForecasts = true }, http.RequestAborted)).Answer(l => new BudgetPage([.. l.Budgets.Select(BudgetShape.Of)])))
            .Produces<BudgetPage>().WithSummary("All budgets, and how they stand in the running period");
        budgets.MapGet("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new ListBudgets(http.Caller(), http.Tenant(), id) { WithForecasts = true }, http.RequestAborted)).Answer(l => BudgetShape.Of(l.Budgets[0])))
            .Produces<BudgetShape>().WithSummary("One budget");
        budgets.MapPost("", async (HttpContext http, IMediator mediator, NewBudget body) =>
        {
            if (ScopeOf(body.Scope) is not { } scope)
                return Refused("scope", "A scope is {\"type\":\"tenant\"}, {\"type\":\"team\",\"id\":…} (or project, key), or {\"type\":\"tag\",\"key\":…,\"value\":…}; a tag without a value gives each value a budget of its own.");
            return TermsOf(body) is not { } terms
                ? Refused("limit_usd", "Amounts are decimal strings in USD, such as \"10.00\", of nine places at most.")
                : (await mediator.Send(new CreateBudget(http.Caller(), http.Tenant(), scope, body.Period, terms, body.Environment), http.RequestAborted)).Answer(b => new BudgetMadeShape(b.Id), 201);
        }).Produces<BudgetMadeShape>(201).WithSummary("Sets a limit; what its scope spent in the running period counts already");
        budgets.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, BudgetChange body) => TermsOf(body) is not { } terms
            ? Refused("limit_usd", "Amounts are decimal strings in USD, such as \"10.00\", of nine places at most.")
            : (await mediator.Send(new UpdateBudget(http.Caller(), http.Tenant(), id, terms), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sets all terms of a budget; what is left out takes its default");
        budgets.MapGet("/{id}/periods", async (HttpContext http, IMediator mediator, string id, string? value = null, int limit = 50, string? cursor = null) =>
            (await mediator.Send(new ListBudgetPeriods(http.Caller(), http.Tenant(), id) { Subject = value, Limit = limit, After = cursor }, http.RequestAborted))
                .Answer(p => new PeriodPage([.. p.Periods.Select(PeriodShape.Of)], p.Next)))
            .Produces<PeriodPage>().WithSummary("A budget's periods, newest first, with the alerts of each: send next_cursor as cursor");
        budgets.MapPost("/what-if", async (HttpContext http, IMediator mediator, WhatIfBody body) =>
        {
            if (ScopeOf(body.Scope) is not { } scope)
                return Refused("scope", "A scope is {\"type\":\"tenant\"}, {\"type\":\"team\",\"id\":…} (or project, key), or {\"type\":\"tag\",\"key\":…,\"value\":…}; a tag without a value asks for each of its values.");
            return NanoUsd.Parse(body.LimitUsd) is not { } limit
                ? Refused("limit_usd", "Amounts are decimal strings in USD, such as \"10.00\", of nine places at most.")
                : (await mediator.Send(new WhatIfBudget(http.Caller(), http.Tenant(), scope, body.Period, limit, body.Environment), http.RequestAborted)).Answer(WhatIfShape.Of);
        }).Produces<WhatIfShape>().WithSummary("What a limit would have done last month: when it would have been used up, how many calls came after, and what they cost");
        budgets.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new DeleteBudget(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes a limit away");
    }

    private static IResult Refused(string field, string message) => ApiHost.Problem(422, "invalid", message, new Dictionary<string, string[]> { [field] = [message] });

    // Null where it names too little or too much.
    private static BudgetScope? ScopeOf(ScopeShape scope) => (scope.Type, scope.Id, scope.Key, scope.Value) switch
    {
        (BudgetScopeKind.Tenant, null, null, null) => BudgetScope.Tenant,
        (BudgetScopeKind.Tag, null, { } name, var value) => BudgetScope.Tag(name, value),
        (BudgetScopeKind.Team or BudgetScopeKind.Project or BudgetScopeKind.Key, { } id, null, null) => new BudgetScope(scope.Type, "", id),
        _ => null,
    };

    // Null where an amount can't be read.
    private static BudgetTerms? TermsOf(BudgetChange body)
    {
        if (NanoUsd.Parse(body.LimitUsd) is not { } limit || (body.Increase is { } more && NanoUsd.Parse(more.AmountUsd) is null))
            return null;
        return new BudgetTerms
        {
            Limit = limit,
            Action = body.Action,
            DowngradeTo = body.DowngradeTo,
            Mode = body.Mode,
            Clamp = body.Clamp,
            Wait = TimeSpan.FromMilliseconds(Math.Clamp((long)(Math.Clamp(body.WaitSeconds, -1, 1000) * 1000), -1, 1_000_000)),
            FailOpen = body.FailOpen,
            Increase = body.Increase is { } i ? new TemporaryIncrease(NanoUsd.Parse(i.AmountUsd)!.Value, i.Until) : null,
            Thresholds = body.Thresholds ?? Budget.DefaultThresholds,
        };
    }

    /// <param name="Type">tenant, team, project, key or tag.</param>
    /// <param name="Id">Of the team, project or key.</param>
    /// <param name="Key">The tag's name.</param>
    /// <param name="Value">The tag's value; without it each value has a budget of its own.</param>
    internal sealed record ScopeShape(BudgetScopeKind Type, string? Id = null, string? Key = null, string? Value = null);

    internal sealed record IncreaseShape(string AmountUsd, DateTimeOffset Until);

    internal record BudgetChange(string LimitUsd)
    {
        public BudgetAction Action { get; init; }

        public string? DowngradeTo { get; init; }

        public BudgetMode Mode { get; init; }

        public bool Clamp { get; init; } = true;

        public decimal WaitSeconds { get; init; } = 2;

        public bool FailOpen { get; init; }

        public IncreaseShape? Increase { get; init; }

        public IReadOnlyList<int>? Thresholds { get; init; }
    }

    internal sealed record NewBudget(ScopeShape Scope, BudgetPeriod Period, string LimitUsd) : BudgetChange(LimitUsd)
    {
        public KeyEnvironment Environment { get; init; }
    }

    internal sealed record WhatIfBody(ScopeShape Scope, BudgetPeriod Period, string LimitUsd)
    {
        public KeyEnvironment Environment { get; init; }
    }

    internal sealed record WhatIfDayShape(DateTimeOffset Start, string SpentUsd);

    /// <param name="UsedUpAt">Null where the limit would have sufficed.</param>
    /// <param name="Exact">False: to the hour, and the whole hour counts as after.</param>
    internal sealed record WhatIfPeriodShape(DateTimeOffset Start, DateTimeOffset End, string SpentUsd, DateTimeOffset? UsedUpAt, bool Exact, long CallsAfter, string CostAfterUsd);

    /// <param name="Value">The tag's, where each value was asked for.</param>
    internal sealed record WhatIfValueShape(string? Value, string SpentUsd, long Calls, long CallsAfter, string CostAfterUsd, IReadOnlyList<WhatIfPeriodShape> Periods, IReadOnlyList<WhatIfDayShape> Days);

    internal sealed record WhatIfShape(DateTimeOffset From, DateTimeOffset To, IReadOnlyList<WhatIfValueShape> Values)
    {
        public static WhatIfShape Of(WhatIf w) => new(w.From, w.To, [.. w.Values.Select(v => new WhatIfValueShape(
            v.Value, v.Spent.ToString(), v.Calls, v.CallsAfter, v.CostAfter.ToString(),
            [.. v.Periods.Select(p => new WhatIfPeriodShape(p.Start, p.End, p.Spent.ToString(), p.UsedUpAt, p.IsExact, p.CallsAfter, p.CostAfter.ToString()))],
            [.. v.Days.Select(d => new WhatIfDayShape(d.Start, d.Spent.ToString()))]))]);
    }

    /// <param name="Threshold">Percent of the limit; 0 where one call cost more than its upper bound.</param>
    internal sealed record AlertShape(int Threshold, DateTimeOffset At, string PostedUsd);

    /// <param name="Value">The tag's, in a budget for each value.</param>
    /// <param name="End">Null for a total.</param>
    internal sealed record PeriodShape(string? Value, DateTimeOffset Start, DateTimeOffset? End, string LimitUsd, string PostedUsd, string LeasedUsd, string ExcessUsd, IReadOnlyList<AlertShape> Alerts)
    {
        public static PeriodShape Of(BudgetPeriodLine p) => new(
            p.Subject.Length == 0 ? null : p.Subject, p.Start, p.End, p.Limit.ToString(), p.Posted.ToString(), p.Leased.ToString(), p.Excess.ToString(), [.. p.Alerts.Select(a => new AlertShape(a.Threshold, a.At, a.Posted.ToString()))]);
    }

    internal sealed record PeriodPage(IReadOnlyList<PeriodShape> Data, string? NextCursor);

    internal sealed record BudgetMadeShape(string Id);

    internal sealed record BudgetPage(IReadOnlyList<BudgetShape> Data);

    /// <param name="LimitUsd">The limit as it is now, an increase included.</param>
    /// <param name="LeasedUsd">Set aside by nodes, open holds included.</param>
    /// <param name="HeldUsd">In open holds of the node that answers.</param>
    /// <param name="Forecast">Null where too little is known, for a total, and in a budget for each value for all but the ten nearest to their limit.</param>
    internal sealed record StandingShape(string? Value, string LimitUsd, string PostedUsd, string LeasedUsd, string? HeldUsd, string RemainingUsd, EndShape? Forecast)
    {
        public static StandingShape Of(BudgetStanding s, bool each) => new(
            each ? s.Subject : null, s.Limit.ToString(), s.Posted.ToString(), s.Leased.ToString(), s.Held?.ToString(), s.Remaining.ToString(),
            s.Forecast is { } f ? new EndShape(f.Expected.ToString(), f.Low.ToString(), f.High.ToString(), f.ReachedAt, f.DaysKnown) : null);
    }

    /// <summary>What the period will have cost at its end, as if no cap stopped it.</summary>
    /// <param name="LowUsd">Four times in five it ends between this and <paramref name="HighUsd"/>.</param>
    /// <param name="LimitReachedAt">When the limit is expected to be reached; null where it isn't within the period, or is reached already.</param>
    internal sealed record EndShape(string ExpectedUsd, string LowUsd, string HighUsd, DateTimeOffset? LimitReachedAt, int DaysKnown);

    /// <param name="State">How it stands; null for a budget for each value, whose values are in <paramref name="Values"/>.</param>
    /// <param name="ResetsAt">Null for a total.</param>
    internal sealed record BudgetShape(
        string Id, ScopeShape Scope, BudgetPeriod Period, KeyEnvironment Environment, string LimitUsd, BudgetAction Action, string? DowngradeTo, BudgetMode Mode, bool Clamp, decimal WaitSeconds, bool FailOpen,
        IncreaseShape? Increase, IReadOnlyList<int> Thresholds, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset PeriodStart, DateTimeOffset? ResetsAt, StandingShape? State, IReadOnlyList<StandingShape>? Values)
    {
        public static BudgetShape Of(BudgetLine line)
        {
            var (b, each) = (line.Budget, line.Budget.Scope.IsEachValue);
            var scope = b.Scope.Kind switch
            {
                BudgetScopeKind.Tenant => new ScopeShape(b.Scope.Kind),
                BudgetScopeKind.Tag => new ScopeShape(b.Scope.Kind, Key: b.Scope.Name, Value: b.Scope.Value),
                _ => new ScopeShape(b.Scope.Kind, Id: b.Scope.Value),
            };
            return new BudgetShape(
                b.Id, scope, b.Period, b.Environment, b.Limit.ToString(), b.Action, b.DowngradeTo, b.Mode, b.Clamp, (decimal)b.Wait.TotalMilliseconds / 1000, b.FailOpen,
                b.Increase is { } more ? new IncreaseShape(more.Amount.ToString(), more.Until) : null, b.Thresholds, b.CreatedAt, line.CreatedBy, line.Window.Start, line.Window.ResetsAt,
                each || line.Accounts.Count == 0 ? null : StandingShape.Of(line.Accounts[0], false), each ? [.. line.Accounts.Select(a => StandingShape.Of(a, true))] : null);
        }
    }
}
