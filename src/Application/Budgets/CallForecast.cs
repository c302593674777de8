using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Budgets;

/// <summary>A request that an estimate is asked of, as its client would send it.</summary>
/// <param name="PathProvider">The provider that the path names; null under <c>/v1</c>.</param>
internal sealed record ForeseenCall(string? PathProvider, RouteMatch Match, RequestPeek Peek, string? Model, ReadOnlyMemory<byte> Body)
{
    public bool Streams => Peek.Stream || Match.PathStreams;
}

/// <summary>
/// What would become of a call, by the code that decides it when it is made: its rule, its targets in order, what its key may use, what its budgets say, where a spent one sends it. What each
/// proxy finds out for itself isn't known here: it is as if no target failed, none had been timed, and no conversation were under way.
/// </summary>
internal sealed class CallForecast(
    KeySnapshot key, ProviderCatalogue catalogue, PriceBook book, Upstreams upstreams, RecentOutputs outputs, ForeseenCall asked, DateTimeOffset now, Func<IReadOnlyList<Tag>, Task<IReadOnlyList<BudgetRoom>>> roomsOf,
    Func<GroupQuestion, Task<GroupForesight>> groups)
{
    /// <param name="itself">Where the model is that the call names; asked for where no route takes the call.</param>
    public async Task<CallEstimate> EstimateAsync(IReadOnlyList<Tag> tags, Func<(ReachedTarget? Target, CallRefusal? Refusal)> itself)
    {
        if (asked.Model is { } name && key.Tenant.Routes.TryGetValue(name, out var route) && await RouteAsync(route, tags, null) is { } routed)
            return routed;
        var rooms = await roomsOf(tags);
        var (target, refusal) = itself();
        return target is null ? Refused(asked.PathProvider, null, refusal!, rooms) : await WeighAsync(target, tags, rooms, null);
    }

    public CallEstimate Refused(string? provider, string? model, CallRefusal refusal, IReadOnlyList<BudgetRoom> rooms) =>
        new(provider, model, key.Environment, book.Version, refusal, null, null, null, false, null, null, rooms);

    /// <param name="from">The model that it was to be, where a spent budget sends it here.</param>
    /// <returns>Null where no rule applies and the name is a real model's: then the call goes there.</returns>
    private async Task<CallEstimate?> RouteAsync(ModelRoute route, IReadOnlyList<Tag> tags, string? from)
    {
        var outline = RequestOutline.Of(asked.Body.Span, $"{key.Id} {route.Name}");
        var rooms = await roomsOf(tags);
        if (RuleSearch.Find(route, key, tags, asked.Peek, outline, asked.Streams, now, () => MostUsed(rooms)) is not var (rule, number))
            return upstreams.ByModelName(route.Name, asked.Match.Route.Method, null, key, passThrough: false) is not null ? null : Refused(null, null, RuleSearch.NoRule(route.Name), rooms);

        if (RuleSearch.Tagged(tags, route.Name) is var tagged && tagged.Count > tags.Count)
            (tags, rooms) = (tagged, await roomsOf(tagged));
        var (targets, problems) = Reach(rule.Targets);
        if (targets.Count == 0)
            return Refused(null, null, RuleSearch.NoTarget(route.Name, number, problems), rooms) with { Route = new RouteEstimate(route.Name, number, rule.Choose, [], problems) };
        var reached = rule with { Targets = [.. targets.Select(t => rule.Targets.First(r => r.Model == t.Written))] };
        var order = RouteOrder.Of(reached, Draw(reached, outline), i => targets[i].ExpectedCost(key, book, asked.Peek, outputs, now), _ => null, pinned: -1, _ => false);
        var planned = order.Select(i => targets[i]).ToList();
        var group = rule.Quality is { } quality && targets[0].Written == rule.Targets[0].Model ? await GroupAsync(route, quality, targets[0], outline.Conversation) : null;
        if (group?.Candidate is { } candidate)
            planned.Insert(0, candidate);
        var estimates = new List<TargetEstimate>(planned.Count);
        foreach (var target in planned)
            estimates.Add(new TargetEstimate(target.Written, target.Translator?.ProviderDialect, await WeighAsync(target, tags, rooms, from)));
        // What can't be called is passed over; where that is all, the first says why.
        var takes = estimates.Find(e => e.Estimate.Refusal is null) ?? estimates[0];
        var foretold = group is null ? null : new GroupEstimate(targets[0].Written, group.Candidate?.Written, group.Reason, group.MayStay, group.Candidate is not null && group.IsChecked, key.Id.Length > 0);
        return Bounded(takes, foretold, estimates) with { Route = new RouteEstimate(route.Name, number, rule.Choose, estimates, problems) { Group = foretold } };
    }

    private Task<GroupForesight> GroupAsync(ModelRoute route, RouteQuality group, ReachedTarget strong, ulong conversation) =>
        groups(new GroupQuestion(key, book, route, group, strong, Reach([.. group.Candidates.Select(c => new RouteTarget(c))]).Targets, asked.Peek, asked.Body, conversation, now));

    // Of a call that a candidate takes: the strong model may answer it instead, or as well.
    private static CallEstimate Bounded(TargetEstimate takes, GroupEstimate? group, List<TargetEstimate> all)
    {
        if (group is not { Candidate: { } candidate } || takes.Target != candidate || takes.Estimate.Figures is not { } figures || !(group.MayStay || group.IsChecked))
            return takes.Estimate;
        NanoUsd? most = figures.Most is { } its && all.Find(e => e.Target == group.Strong)?.Estimate.Figures?.Most is { } strong ? group.IsChecked ? its + strong : its > strong ? its : strong : null;
        return takes.Estimate with { Figures = figures with { Most = most } };
    }

    /// <summary>What its key, its tenant and its budgets say of a call to one target.</summary>
    private async Task<CallEstimate> WeighAsync(ReachedTarget target, IReadOnlyList<Tag> tags, IReadOnlyList<BudgetRoom> rooms, string? from)
    {
        var (provider, model) = (target.Provider, target.Model);
        var (match, translated, refusal) = target.Request(asked.Body, asked.Streams);
        if (refusal is not null)
            return Refused(provider.Name, model, refusal, rooms);
        var peek = PeekOf(match, provider, translated?.Body ?? asked.Body);
        if (peek.Problem is { } problem)
            return Refused(provider.Name, model, new CallRefusal(400, "bad_request_body", problem), rooms);

        // 1. What its key and its tenant say.
        if (key.Allowance is { } allowance && KeyPermit.Refusal(key, allowance, book, provider.Name, model, match.Route.Kind, peek.Extent) is { } notAllowed)
            return Refused(provider.Name, model, notAllowed, rooms);
        if (key.Tenant.RefusesUnpriced && CallRating.Model(book, provider.Name, model, match.Head, key.Environment, now) is null)
            return Refused(provider.Name, model, KeyPermit.Unpriced(model, provider.Name), rooms);

        // 2. What its budgets say: of the model that is asked for, then of the one to which a spent budget sends it.
        var holding = rooms.Where(r => r.Budget.TakesHolds && (from is null || r.Budget.Action != BudgetAction.Downgrade)).ToList();
        while (true)
        {
            var call = new MeteredCall(book, provider, DialectCatalogue.Find(match.Route.Dialect)!, peek, model, peek.Stream || match.PathStreams, match.Head, key.Id, key.Environment, now);
            var plan = HoldPlan.Of(call, outputs);
            var estimate = new CallEstimate(provider.Name, model, key.Environment, book.Version, null, Figures(call, plan), null, null, false, from, null, rooms);
            if (holding.Count == 0)
                return estimate;
            if (plan.Unbounded && holding.Find(r => r.Budget.Mode == BudgetMode.Strict) is { } strict)
                return estimate with { Refusal = CallRefusal.Unbounded(plan.Bound.Why, model, provider.Name), Binding = strict.Budget.Id };
            var forecast = HoldForecast.Of(holding, plan.Request);
            if (forecast.Verdict == HoldVerdict.Held)
            {
                var (limit, paid) = plan.With(forecast.Held);
                return estimate with { Held = forecast.Held, ClampedTo = limit, InSlices = paid > 0, Binding = forecast.Binding!.Budget.Id };
            }

            var binding = forecast.Binding!;
            var refused = estimate with { Refusal = CallRefusal.Of(forecast.Verdict, binding.Refusal), Binding = binding.Budget.Id };
            if (from is not null || Downgrading.To(binding.Budget, catalogue, book, key, provider, peek, match, now) is not { } cheaper)
                return refused;
            if (cheaper.Match is not { } there)
                return await ElsewhereAsync(cheaper.Model, model, tags, refused);
            if (key.Allowance?.AllowsModel(book, provider.Name, cheaper.Model) == false || (key.Tenant.RefusesUnpriced && CallRating.Model(book, provider.Name, cheaper.Model, there.Head, key.Environment, now) is null))
                return refused;
            (from, model, match) = (model, cheaper.Model, there);
            holding.RemoveAll(r => r.Budget.Action == BudgetAction.Downgrade);
        }
    }

    private async Task<CallEstimate> ElsewhereAsync(string to, string from, IReadOnlyList<Tag> tags, CallEstimate refused)
    {
        var there = key.Tenant.Routes.TryGetValue(to, out var route) ? await RouteAsync(route, tags, from) : null;
        var why = there?.Refusal?.Message;
        if (there is null)
        {
            var (targets, problems) = Reach([new RouteTarget(to)]);
            there = targets is [var target] ? await WeighAsync(target, tags, refused.Budgets, from) : null;
            why = there is null ? string.Join("; ", problems) : there.Refusal?.Message;
        }

        return there is not null && why is null ? there : refused with { Refusal = refused.Refusal! with { Message = Downgrading.Unmade(refused.Refusal.Message, to, why!) } };
    }

    private (List<ReachedTarget> Targets, List<string> Problems) Reach(IReadOnlyList<RouteTarget> wanted) =>
        ReachedTarget.Of(upstreams, wanted, new TargetQuestion(key, book, asked.Match, asked.Peek, asked.PathProvider, PassThrough: false, now));

    // A call of no conversation draws by chance: what is most likely is foretold.
    private static double Draw(RouteRule rule, in RequestOutline outline)
    {
        if (rule.Sticky && outline.Conversation != 0)
            return outline.Draw;
        var heaviest = rule.Targets.MaxBy(t => t.Weight);
        return rule.Targets.TakeWhile(t => t != heaviest).Sum(t => t.Weight) / (double)rule.Targets.Sum(t => t.Weight);
    }

    private static int? MostUsed(IReadOnlyList<BudgetRoom> rooms) => rooms.Where(r => r.Budget.TakesHolds).Max(r => (int?)r.UsedPercent);

    public static RequestPeek PeekOf(RouteMatch match, Provider? provider, ReadOnlyMemory<byte> body) =>
        DialectCatalogue.Find(match.Route.Dialect)!.Peek(RequestFacts.Of(match, provider, "application/json"), body.Span);

    private EstimateFigures Figures(in MeteredCall call, in HoldPlan plan)
    {
        var (bound, peek) = (plan.Bound, call.Peek);
        var output = bound is { Why: NoBound.None, OutputTokens: 0 } ? 0 : outputs.AtPercentile(call.KeyId, call.Model, 95);
        if (bound.Limit > 0)
            output = Math.Min(output, bound.Limit);
        var usage = peek.Units;
        if (usage.IsEmpty)
            usage[UsageUnit.Input] = peek.PromptTokens;
        if (output > 0)
            usage[UsageUnit.Output] = usage.Count(UsageUnit.Output) + output;
        var likely = CallRating.Rate(call.Prices, new RatedUse(call.Provider.Name, call.Model, null, usage, [], CallRating.Hints(peek.PricingHints, call.Head), call.Environment, call.At)).Cost;
        var bounded = bound.Most is not null;
        // Where they are known, the bound is above: a guess that is not would only confuse.
        if (likely > bound.Most)
            likely = bound.Most;
        return new EstimateFigures(call.Priced?.Name, usage.InputTokens, usage.OutputTokens, likely, bounded || bound.Why == NoBound.Output ? bound.InputTokens : null, bounded ? bound.OutputTokens : null, bound.Most);
    }
}
