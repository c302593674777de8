using System.Security.Cryptography;
using System.Text;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Routing;

/// <summary>
/// Finds where a call goes whose model's name is a route of its tenant: the rule that applies, its targets that the key can reach, and the order in which they are tried. From memory alone, and
/// of the request's text nothing is kept.
/// </summary>
internal sealed class Router(Upstreams upstreams, IBudgetGate gate, PriceBook prices, RecentOutputs outputs, TargetHealth health, Conversations conversations, QualityGroups groups, TimeProvider time)
{
    /// <param name="pathProvider">The provider that the path names; null under <c>/v1</c>.</param>
    /// <param name="sse">The query asks for server-sent events, where the dialect leaves it to that.</param>
    /// <param name="passThrough">The client sends a provider key of its own: it goes to no other provider than the path's.</param>
    /// <returns>Neither where the model's name is no route, or a real model's whose rules all leave it alone.</returns>
    public (RoutedCall? Routed, Refusal? Refusal) Plan(ProxyCall call, ReadOnlySpan<byte> body, string? pathProvider, bool sse, bool passThrough)
    {
        var key = call.Key!;
        if (call.RequestModel is not { } name || !key.Tenant.Routes.TryGetValue(name, out var route))
            return default;
        var parts = RequestParts.Of(body);
        var outline = RequestOutline.Of(parts, $"{key.Id} {name}");
        var streams = call.Peek.Stream || call.Facts.PathStreams;
        if (RuleSearch.Find(route, key, call.Tags, call.Peek, outline, streams, call.At, () => BudgetUsed(call)) is not var (rule, number))
            return upstreams.ByModelName(name, call.Match!.Route.Method, null, key, passThrough) is not null
                ? default
                : (null, Refusal.Of(RuleSearch.NoRule(name)));

        // The first message of one is no reason to stay anywhere: it is where calls that have nothing to do with each other may look alike.
        // A request that goes on from an answer that its provider keeps goes there: nobody else has it.
        var kept = outline.Previous != 0 ? conversations.Find(outline.Previous) : null;
        var pinned = kept ?? (outline.GoesOn ? conversations.Find(outline.Conversation) : null);
        var (targets, problems) = Reach(rule.Targets, call, pathProvider, passThrough);
        if (targets.Count == 0)
            return (null, Refusal.Of(RuleSearch.NoTarget(name, number, problems)));
        var reached = rule with { Targets = [.. targets.Select(t => rule.Targets.First(r => r.Model == t.Written))] };
        var now = time.GetUtcNow();
        var at = rule.Sticky && pinned is not null ? targets.FindIndex(t => t.Written == pinned) : -1;
        var quality = rule.Quality is { } group && !passThrough && targets[0].Written == rule.Targets[0].Model ? Decide(call, route, group, parts, targets[0], rule.Sticky || kept is not null ? pinned : null, kept is not null, outline, pathProvider) : null;
        var order = RouteOrder.Of(
            reached, Share(rule, outline), i => targets[i].ExpectedCost(key, Book(call), call.Peek, outputs, call.At), i => targets[i].Health.Latency, at, i => targets[i].Health.Breaker.IsOpen(now));
        var planned = order.Select(i => targets[i]).ToList();
        var why = at >= 0 && order[0] == at ? "conversation" : rule.Choose.ToString().ToLowerInvariant();
        if (quality is { Chosen: { } chosen } && (quality.Reason == RouteReason.Conversation || !chosen.Candidate.Health.Breaker.IsOpen(now)))
            planned.Insert(0, chosen.Candidate);
        if (quality is not null)
            why = $"quality {quality.Reason}";

        // In the middle of a tool loop another model would meet calls that it never made: where the conversation is stays first, whatever the rule is by now.
        if ((kept is not null || (outline.InToolLoop && rule.Sticky)) && pinned is not null && planned[0].Written != pinned && Reach([new RouteTarget(pinned)], call, pathProvider, passThrough).Targets is [var there])
        {
            planned.RemoveAll(t => t.Written == pinned);
            planned.Insert(0, there);
            why = kept is null ? "tool loop" : "stored conversation";
        }

        call.Tags = RuleSearch.Tagged(call.Tags, name);
        return (new RoutedCall(route, rule, number, planned, why, rule.Sticky ? outline.Conversation : 0, new ClientForm(call.Match!.Surface.Errors, streams, call.Facts.PathStreams && !sse, call.Match.Route.Dialect), quality, time), null);
    }

    private QualityCall Decide(ProxyCall call, ModelRoute route, RouteQuality group, in RequestParts parts, PlannedTarget strong, string? pinned, bool stays, in RequestOutline outline, string? pathProvider)
    {
        var candidates = Reach([.. group.Candidates.Select(c => new RouteTarget(c))], call, pathProvider, passThrough: false).Targets;
        var decided = groups.Decide(
            call, route, group, parts, strong, candidates, outline.Conversation, outline.InToolLoop || stays ? pinned : null,
            target => GroupDecision.Cost(target, strong, candidates.FirstOrDefault(), call.Key!, Book(call), call.Peek, outputs, call.At, pinned),
            () => BudgetUsed(call) is not >= MostUsedForSamples);
        if (pinned is not null && parts.ToolLast && ToolErrors.IsOne(parts.ToolResult))
            groups.Seen(decided, pinned, call.Key!, WeakSignal.ToolError);
        return decided;
    }

    /// <summary>A model that is asked in OpenAI's chat dialect, whoever has it; null where the key reaches none.</summary>
    public PlannedTarget? ReachForChat(string model, ProxyCall call)
    {
        call.Match = upstreams.ByModel.Find("POST", "chat/completions");
        return Reach([new RouteTarget(model)], call, null, passThrough: false).Targets is [var target] ? target : null;
    }

    /// <summary>
    /// A call to the target at hand may not be made. Where a spent budget sends it elsewhere, it goes on along what that names, once; else to the next target; and back to what was left, with the
    /// budget's refusal, where none of the downgrade's targets can be had.
    /// </summary>
    /// <param name="asked">The request as its client sent it.</param>
    /// <returns>Along which route the call goes on; or the refusal that the client gets.</returns>
    public (RoutedCall? Routed, Refusal? Refusal) Instead(ProxyCall call, RoutedCall? routed, Refusal denied, in AskedCall asked, ReadOnlySpan<byte> body, string? pathProvider, bool sse, bool passThrough)
    {
        if (call.SentElsewhere is { } cheaper)
        {
            var from = call.RequestModel ?? "";
            (call.SentElsewhere, call.Match, call.Facts, call.Peek, call.RequestModel, call.Translation) = (null, asked.Match, asked.Facts, asked.Peek, cheaper.Model, null);
            var (there, why) = Plan(call, body, pathProvider, sse, passThrough);
            if (there is null && why is null)
                (there, why) = PlanOne(call, cheaper, pathProvider, sse, passThrough);
            if (there is not null)
            {
                routed?.Forget();
                there.Downgrade = new Downgrade(from, cheaper.Model, denied, routed);
                return (there, null);
            }

            denied = denied with { Message = Downgrading.Unmade(denied.Message, cheaper.Model, why!.Message) };
        }

        while (routed is not null)
        {
            if (routed.PassOver(denied) is not { } last)
                return (routed, null);
            if (routed.Downgrade is not var (_, to, first, before))
                return (routed, last);
            (routed, denied) = (before, first with { Message = Downgrading.Unmade(first.Message, to, last.Message) });
        }

        return (null, denied);
    }

    // One model, named by a budget: nothing is tried again, and there is nowhere else to go.
    private (RoutedCall? Routed, Refusal? Refusal) PlanOne(ProxyCall call, CheaperModel cheaper, string? pathProvider, bool sse, bool passThrough)
    {
        var rule = new RouteRule { Targets = [new RouteTarget(cheaper.Model)], Retries = 0, FallBackOn = RouteFaults.None, Sticky = false };
        var (targets, problems) = Reach(rule.Targets, call, pathProvider, passThrough);
        if (targets.Count == 0)
            return (null, new Refusal(404, "no_target", string.Join("; ", problems)));
        var client = new ClientForm(call.Match!.Surface.Errors, call.Peek.Stream || call.Facts.PathStreams, call.Facts.PathStreams && !sse, call.Match.Route.Dialect);
        return (new RoutedCall(new ModelRoute { Id = "", Name = cheaper.BudgetId, Rules = [rule] }, rule, 0, targets, "", 0, client, null, time), null);
    }

    /// <summary>The conversation is at that target now.</summary>
    public void Pin(RoutedCall routed) => conversations.Set(routed.Conversation, routed.Target.Written);

    /// <summary>An answer has an id by which a request may go on from it: where it came from.</summary>
    public void PinAnswer(RoutedCall routed, PlannedTarget target, ProxyCall call)
    {
        if (call.AnswerId is { } id)
            conversations.Set(RequestOutline.OfAnswer($"{call.Key!.Id} {routed.RouteName}", Encoding.UTF8.GetBytes(id)), target.Written);
    }

    private (List<PlannedTarget> Targets, List<string> Problems) Reach(IReadOnlyList<RouteTarget> wanted, ProxyCall call, string? pathProvider, bool passThrough)
    {
        var key = call.Key!;
        var (reached, problems) = ReachedTarget.Of(upstreams, wanted, new TargetQuestion(key, Book(call), call.Match!, call.Peek, pathProvider, passThrough, call.At));
        return (reached.ConvertAll(t => new PlannedTarget(t, health.Of(key.Tenant.Id, key.Environment, t.Provider.Name, t.Model))), problems);
    }

    private PriceBook Book(ProxyCall call) => call.Key!.Tenant.Prices ?? prices;

    private static double Share(RouteRule rule, in RequestOutline outline) =>
        rule.Sticky && outline.Conversation != 0 ? outline.Draw : ((ulong)RandomNumberGenerator.GetInt32(int.MaxValue) << 22) / (double)(1UL << 53);

    // A call that nobody waits for must not take the room of one that somebody does.
    private const int MostUsedForSamples = 80;

    private int? BudgetUsed(ProxyCall call)
    {
        var budgets = new Hold();
        gate.Resolve(budgets, call.Key!, call.Tags, call.At);
        return gate.MostUsed(budgets);
    }
}
