using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// What a limit would have done in the last whole calendar month, from the ledger: when it would have been used up, and what came after. What happened
/// counts as it happened: nobody can know how callers would have gone on after a refusal.
/// </summary>
/// <param name="Scope">A tag without a value: the values that spent most, each by itself.</param>
public sealed record WhatIfBudget(Caller Caller, string TenantId, BudgetScope Scope, BudgetPeriod Period, NanoUsd Limit, KeyEnvironment Environment = KeyEnvironment.Live) : IUseCase<WhatIf>
{
    public Right Needs => Right.ReadUsage;
}

/// <param name="Values">One without a name; of a budget for each value of a tag the ten that spent most.</param>
public sealed record WhatIf(DateTimeOffset From, DateTimeOffset To, IReadOnlyList<WhatIfValue> Values);

/// <param name="Days">Spend of each day of the month.</param>
/// <param name="Periods">Those of the month, cut at its edges.</param>
public sealed record WhatIfValue(string? Value, NanoUsd Spent, long Calls, IReadOnlyList<WhatIfDay> Days, IReadOnlyList<WhatIfPeriod> Periods)
{
    public long CallsAfter => Periods.Sum(p => p.CallsAfter);

    public NanoUsd CostAfter => new(Periods.Sum(p => p.CostAfter.Value));
}

public sealed record WhatIfDay(DateTimeOffset Start, NanoUsd Spent);

/// <param name="UsedUpAt">When the spend first reached the limit; null where it didn't.</param>
/// <param name="IsExact">False where the hour's events are deleted, or too many to be read: then it is the beginning of the hour, and all of it counts as after.</param>
/// <param name="CallsAfter">How many calls came after that, which would have been refused.</param>
public sealed record WhatIfPeriod(DateTimeOffset Start, DateTimeOffset End, NanoUsd Spent, DateTimeOffset? UsedUpAt, bool IsExact, long CallsAfter, NanoUsd CostAfter);

internal sealed class WhatIfBudgetRules : AbstractValidator<WhatIfBudget>
{
    public WhatIfBudgetRules()
    {
        RuleFor(b => b.Period).IsInEnum();
        RuleFor(b => b.Environment).IsInEnum();
        RuleFor(b => b.Limit).Must(l => l >= NanoUsd.Zero && l <= Budget.MaxLimit).WithMessage($"The limit is 0 to {Budget.MaxLimit} USD.").OverridePropertyName("limit_usd");
        RuleFor(b => b.Scope).Must(s => s.Kind != BudgetScopeKind.Tag || (KeyTags.NormalName(s.Name) == s.Name && (s.Value is null || KeyTags.IsValue(s.Value))))
            .WithMessage("A tag's name is a small letter followed by small letters, digits, '_', '.' or '-'; its value 1 to 256 printable characters.");
    }
}

internal sealed class WhatIfBudgetHandler(TokonomicsDbContext db, IUsageQueries usage, TimeProvider time) : IRequestHandler<WhatIfBudget, Outcome<WhatIf>>
{
    private const int ValuesShown = 10;
    private const int EventPages = 50;

    public async Task<Outcome<WhatIf>> Handle(WhatIfBudget request, CancellationToken cancellationToken)
    {
        var zone = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken)).Calendar.Zone;
        var to = BudgetPeriods.Containing(BudgetPeriod.Month, zone, time.GetUtcNow(), default).Start;
        var from = BudgetPeriods.Containing(BudgetPeriod.Month, zone, to.AddTicks(-10), default).Start;
        var environment = request.Environment;
        if (request.Scope.Kind == BudgetScopeKind.Key)
        {
            var of = await db.Keys.Where(k => k.TenantId == request.TenantId && k.Id == request.Scope.Value).Select(k => (KeyEnvironment?)k.Environment).FirstOrDefaultAsync(cancellationToken);
            if (of is null)
                return Refusal.NotFound("key");
            environment = of.Value;
        }

        var values = new List<WhatIfValue>();
        if (request.Scope is { IsEachValue: true, Name: var tag })
        {
            var sums = await usage.SummarizeAsync(new SummaryQuestion(request.TenantId, from, to) { Environment = environment, GroupByTag = tag }, cancellationToken);
            foreach (var value in sums.Where(s => s.TagValue is not null).OrderByDescending(s => s.Totals.Cost).Take(ValuesShown))
                values.Add(await OfAsync(request, BudgetScope.Tag(tag, value.TagValue), environment, zone, from, to, cancellationToken) with { Value = value.TagValue });
        }
        else
            values.Add(await OfAsync(request, request.Scope, environment, zone, from, to, cancellationToken));
        return new WhatIf(from, to, values);
    }

    private async Task<WhatIfValue> OfAsync(WhatIfBudget request, BudgetScope scope, KeyEnvironment environment, TimeZoneInfo zone, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        var (team, project, key) = (Of(BudgetScopeKind.Team), Of(BudgetScopeKind.Project), Of(BudgetScopeKind.Key));
        Tag? tag = scope.Kind == BudgetScopeKind.Tag ? new Tag(scope.Name, scope.Value!) : null;
        var hours = await usage.SummarizeAsync(
            new SummaryQuestion(request.TenantId, from, to) { Grain = TimeGrain.Hour, TimeZone = zone, Environment = environment, TeamId = team, ProjectId = project, KeyId = key, Tag = tag }, cancellationToken);

        var days = new List<WhatIfDay>();
        for (var day = from; day < to;)
        {
            var next = BudgetPeriods.Containing(BudgetPeriod.Day, zone, day, default).End;
            days.Add(new WhatIfDay(day, Sum(hours.Where(h => h.BucketStart >= day && h.BucketStart < next))));
            day = next;
        }

        var periods = new List<WhatIfPeriod>();
        for (var start = from; start < to;)
        {
            var window = request.Period == BudgetPeriod.Total ? new PeriodWindow(from, to) : BudgetPeriods.Containing(request.Period, zone, start, default);
            var end = window.End < to ? window.End : to;
            periods.Add(await PeriodAsync([.. hours.Where(h => h.BucketStart >= start && h.BucketStart < end)], start, end));
            start = end;
        }

        return new WhatIfValue(null, Sum(hours), hours.Sum(h => h.Totals.Calls), days, periods);

        string? Of(BudgetScopeKind kind) => scope.Kind == kind ? scope.Value : null;

        async Task<WhatIfPeriod> PeriodAsync(List<SummaryLine> lines, DateTimeOffset start, DateTimeOffset end)
        {
            var spent = NanoUsd.Zero;
            for (var i = 0; i < lines.Count; i++)
            {
                var before = spent;
                spent += lines[i].Totals.Cost;
                if (spent < request.Limit || lines[i].Totals.Calls == 0)
                    continue;
                var (calls, cost) = (lines.Skip(i + 1).Sum(l => l.Totals.Calls), Sum(lines.Skip(i + 1)));
                if (await WithinAsync(lines[i], before) is var (at, callsOfHour, costOfHour))
                    return new WhatIfPeriod(start, end, Sum(lines), at, true, calls + callsOfHour, cost + costOfHour);
                return new WhatIfPeriod(start, end, Sum(lines), lines[i].BucketStart, false, calls + lines[i].Totals.Calls, cost + lines[i].Totals.Cost);
            }

            return new WhatIfPeriod(start, end, spent, null, true, 0, NanoUsd.Zero);
        }

        // The hour in which it happens, event by event. Null where its events are gone, or too many.
        async Task<(DateTimeOffset At, long Calls, NanoUsd Cost)?> WithinAsync(SummaryLine hour, NanoUsd before)
        {
            var events = new List<UsageEvent>();
            EventCursor? after = null;
            for (var page = 0; page < EventPages; page++)
            {
                var read = await usage.ListAsync(
                    new EventFilter(request.TenantId) { From = hour.BucketStart, To = hour.BucketEnd, Environment = environment, TeamId = team, ProjectId = project, KeyId = key, Tag = tag, Limit = EventFilter.MaxLimit, After = after }, cancellationToken);
                events.AddRange(read.Events);
                after = read.Next;
                if (after is null)
                    break;
            }

            if (after is not null || events.Count != hour.Totals.Calls)
                return null;
            events.Reverse(); // they come newest first
            var spent = before;
            for (var i = 0; i < events.Count; i++)
            {
                if (spent >= request.Limit)
                    return (events[i].At, events.Count - i, new NanoUsd(events.Skip(i).Sum(e => (e.Cost ?? NanoUsd.Zero).Value)));
                spent += events[i].Cost ?? NanoUsd.Zero;
            }

            return (events[^1].At, 0, NanoUsd.Zero);
        }
    }

    private static NanoUsd Sum(IEnumerable<SummaryLine> lines) => new(lines.Sum(l => l.Totals.Cost.Value));
}
