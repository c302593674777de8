using System.Security.Cryptography;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
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
        var local = TimeZoneInfo.ConvertTime(call.At, key.Tenant.Zone).DateTime;
        if (route.Find(new RouteQuestion(key.Id, call.Tags, call.Peek.PromptTokens, outline.HasTools, streams, local, () => BudgetUsed(call))) is not var (rule, number))
            return upstreams.ByModelName(name, call.Match!.Route.Method, null, key, passThrough) is not null
                ? default
                : (null, new Refusal(404, "no_rule_applies", $"none of the rules of the route '{name}' applies to this call: give it a last rule without conditions"));

        // The first message of one is no reason to stay anywhere: it is where calls that have nothing to do with each other may look alike.
        var pinned = outline.GoesOn ? conversations.Find(outline.Conversation) : null;
        var (targets, problems) = Reach(rule.Targets, call, pathProvider, passThrough);
        if (targets.Count == 0)
            return (null, new Refusal(404, "no_target", $"no target of rule {number} of the route '{name}' can be reached: {string.Join("; ", problems)}"));
        var reached = rule with { Targets = [.. targets.Select(t => rule.Targets.First(r => r.Model == t.Written))] };
        var now = time.GetUtcNow();
        var at = rule.Sticky && pinned is not null ? targets.FindIndex(t => t.Written == pinned) : -1;
        var quality = rule.Quality is { } group && !passThrough && targets[0].Written == rule.Targets[0].Model ? Decide(call, route, group, parts, targets[0], rule.Sticky ? pinned : null, outline, pathProvider) : null;
        var order = RouteOrder.Of(
            reached, Share(rule, outline.Conversation), i => ExpectedCost(call, targets[i]), i => targets[i].Health.Latency, at, i => targets[i].Health.Breaker.IsOpen(now));
        var planned = order.Select(i => targets[i]).ToList();
        var why = at >= 0 && order[0] == at ? "conversation" : rule.Choose.ToString().ToLowerInvariant();
        if (quality is { Chosen: { } chosen } && !chosen.Candidate.Health.Breaker.IsOpen(now))
            planned.Insert(0, chosen.Candidate);
        if (quality is not null)
            why = $"quality {quality.Reason}";

        // In the middle of a tool loop another model would meet calls that it never made: where the conversation is stays first, whatever the rule is by now.
        if (outline.InToolLoop && rule.Sticky && pinned is not null && planned[0].Written != pinned && Reach([new RouteTarget(pinned)], call, pathProvider, passThrough).Targets is [var there])
        {
            planned.RemoveAll(t => t.Written == pinned);
            planned.Insert(0, there);
            why = "tool loop";
        }

        if (!call.Tags.Any(t => t.Name == RoutedCall.Tag))
            call.Tags = [.. call.Tags, new Tag(RoutedCall.Tag, name)];
        return (new RoutedCall(route, rule, number, planned, why, rule.Sticky ? outline.Conversation : 0, new ClientForm(call.Match!.Surface.Errors, streams, call.Facts.PathStreams && !sse, call.Match.Route.Dialect), quality, time), null);
    }

    // Where the conversation is its prompt is cached: staying is cheaper by that, and a switch pays for it.
    private QualityCall Decide(ProxyCall call, ModelRoute route, RouteQuality group, in RequestParts parts, PlannedTarget strong, string? pinned, in RequestOutline outline, string? pathProvider)
    {
        var candidates = Reach([.. group.Candidates.Select(c => new RouteTarget(c))], call, pathProvider, passThrough: false).Targets;
        var decided = groups.Decide(
            call, route, group, parts, strong, candidates, outline.Conversation, outline.InToolLoop && pinned is not null,
            target => ExpectedCost(call, target, target.Written == pinned, target == strong ? candidates.FirstOrDefault() : strong) is { } usd ? NanoUsd.Round(usd) : null, () => BudgetUsed(call) is not >= MostUsedForSamples);
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

    /// <summary>The conversation is at that target now.</summary>
    public void Pin(RoutedCall routed) => conversations.Set(routed.Conversation, routed.Target.Written);

    private (List<PlannedTarget> Targets, List<string> Problems) Reach(IReadOnlyList<RouteTarget> wanted, ProxyCall call, string? pathProvider, bool passThrough)
    {
        var (key, targets, problems) = (call.Key!, new List<PlannedTarget>(wanted.Count), new List<string>());
        foreach (var target in wanted)
        {
            // The client's own key opens the provider that its path names, and must not be shown to any other.
            var itsOwn = passThrough && pathProvider is not null && target.Model.StartsWith(pathProvider + "/", StringComparison.OrdinalIgnoreCase);
            if (upstreams.ByModelName(target.Model, call.Match!.Route.Method, null, key, itsOwn) is not var (provider, model))
                problems.Add($"{target.Model}: no provider that this key can reach has it");
            else if (provider.BaseUrl is null)
                problems.Add($"{target.Model}: {provider.Name} has no base URL");
            else if (RouteAt(provider, model, call) is not var (match, translator))
                problems.Add($"{target.Model}: {provider.Name} doesn't speak {call.Match.Route.Dialect}, nor another dialect that it is translated into");
            else
                targets.Add(new PlannedTarget(
                    target.Model, provider, model, match, translator, translator is null ? null : CallRating.Model(Book(call), provider.Name, model, null, key.Environment, call.At)?.MaxOutput, itsOwn ? null : key.Tenant.Credentials.GetValueOrDefault(provider.Name), itsOwn, health.Of(key.Tenant.Id, key.Environment, provider.Name, model)));
        }

        return (targets, problems);
    }

    // Where both speak one dialect its bytes go through as they are. A provider with a dialect of its own is called in that: what Anthropic and Google offer of OpenAI's leaves out in silence what it can't do.
    private static (RouteMatch Match, Translator? Translator)? RouteAt(Provider provider, string model, ProxyCall call)
    {
        var route = call.Match!.Route;
        var own = provider.Routes.Surfaces[0].Surface.Name;
        foreach (var (surface, dialect, tail) in Spoken)
            if (own == surface && Translated(dialect, tail) is { } best)
                return best;
        if (route.PathFor(model) is { } path && provider.Routes.Find(route.Method, path) is { } same && same.Route.Dialect == route.Dialect)
            return (same, null);
        foreach (var (_, dialect, tail) in Spoken)
            if (Translated(dialect, tail) is { } other)
                return other;
        return Translated("openai-chat", "chat/completions");

        (RouteMatch, Translator?)? Translated(string dialect, string tail) =>
            Translator.Between(route.Dialect, dialect) is { } translator && provider.Routes.Find("POST", tail.Replace("{model}", Uri.EscapeDataString(model), StringComparison.Ordinal)) is { } match && match.Route.Dialect == dialect
                ? (match, translator)
                : null;
    }

    private static readonly (string Surface, string Dialect, string Tail)[] Spoken = [("anthropic", "anthropic-messages", "messages"), ("gemini", "gemini-generate", "models/{model}:generateContent")];

    private PriceBook Book(ProxyCall call) => call.Key!.Tenant.Prices ?? prices;

    // All calls of a conversation draw alike, on every node.
    private static double Share(RouteRule rule, ulong conversation) =>
        (rule.Sticky && conversation != 0 ? conversation >> 11 : (ulong)RandomNumberGenerator.GetInt32(int.MaxValue) << 22) / (double)(1UL << 53);

    // At our estimate of the prompt and as long an answer as the model's are to this key.
    // Of a model that has hardly answered yet, as long as those of the one that it is compared with.
    private decimal? ExpectedCost(ProxyCall call, PlannedTarget target, bool cached = false, PlannedTarget? like = null)
    {
        var model = like is not null && !outputs.Knows(call.Key!.Id, target.Model) ? like.Model : target.Model;
        var usage = new TokenUsage { [cached ? UsageUnit.CacheRead : UsageUnit.Input] = call.Peek.PromptTokens, [UsageUnit.Output] = Math.Min(call.Peek.MaxOutputTokens ?? long.MaxValue, outputs.AtPercentile(call.Key!.Id, model, 50)) };
        var cost = CallRating.Rate(Book(call), new UsageEvent
        {
            RequestId = call.RequestId, TenantId = call.Key.Tenant.Id, KeyId = call.Key.Id, Environment = call.Key.Environment, Provider = target.Provider.Name, Dialect = target.Match.Route.Dialect,
            Operation = target.Match.Route.Template, RequestModel = target.Model, Usage = usage, PricingHints = call.Peek.PricingHints ?? "", PriceVersion = "", At = call.At,
        }).Cost?.Usd;
        return cost is null && cached ? ExpectedCost(call, target, like: like) : cost; // no rate for what is cached: it costs as much as the rest
    }

    // A call that nobody waits for must not take the room of one that somebody does.
    private const int MostUsedForSamples = 80;

    private int? BudgetUsed(ProxyCall call)
    {
        var budgets = new Hold();
        gate.Resolve(budgets, call.Key!, call.Tags, call.At);
        return gate.MostUsed(budgets);
    }
}
