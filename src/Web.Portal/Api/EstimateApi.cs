using System.Text;
using System.Text.Json;
using MediatR;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What a call would cost and hold, before it is made.</summary>
internal static class EstimateApi
{
    public static void Map(RouteGroupBuilder api) => api.MapPost("/estimate", async (HttpContext http, IMediator mediator, EstimateRequest body) =>
    {
        if (body.Body.ValueKind != JsonValueKind.Object)
            return ApiHost.Problem(422, "invalid", "The body is the request that would be sent, a JSON object.", new Dictionary<string, string[]> { ["body"] = ["The body is the request that would be sent, a JSON object."] });
        var tags = (body.Tags ?? new Dictionary<string, string>()).Select(t => new Tag(KeyTags.NormalName(t.Key) ?? t.Key, t.Value)).ToList();
        var request = new EstimateCall(http.Caller(), http.Tenant(), body.Provider, body.Path, Encoding.UTF8.GetBytes(body.Body.GetRawText()), body.KeyId, tags, body.Environment);
        return (await mediator.Send(request, http.RequestAborted)).Answer(EstimateShape.Of);
    }).WithTags("Budgets").Produces<EstimateShape>().WithSummary("What a call would hold, what it would likely cost, and whether its budgets would let it pass; nothing is sent, held or kept");

    /// <param name="Body">The request as it would be sent to the proxy.</param>
    /// <param name="Provider">As in /proxy/{provider}; without it the model decides, as on /v1.</param>
    /// <param name="Path">As behind the base URL; without it the first route of the provider: /v1/chat/completions, /v1/messages.</param>
    /// <param name="KeyId">Whose budgets and tags apply; without it those of the tenant and of the tags.</param>
    /// <param name="Tags">As in X-Tokonomics-Tags.</param>
    /// <param name="Environment">live or test; the key's where one is named.</param>
    internal sealed record EstimateRequest(JsonElement Body, string? Provider = null, string? Path = null, string? KeyId = null, IReadOnlyDictionary<string, string>? Tags = null, KeyEnvironment? Environment = null);

    /// <param name="Retry">Whether the same call may pass in a moment.</param>
    internal sealed record RefusalShape(int Status, string Code, string Message, bool Retry)
    {
        public static RefusalShape? Of(CallRefusal? r) => r is null ? null : new(r.Status, r.Code, r.Message, r.RetryAfter is not null);
    }

    /// <param name="Rule">Its number, from 1.</param>
    /// <param name="Targets">In the order in which they would be tried.</param>
    /// <param name="NotReached">Why other targets of the rule can't be called.</param>
    /// <param name="AsIf">What was taken for granted: each proxy finds it out for itself.</param>
    /// <param name="Quality">What the rule's quality group would decide; null where it has none.</param>
    internal sealed record RouteShape(string Name, int Rule, TargetChoice Choose, IReadOnlyList<TargetShape> Targets, IReadOnlyList<string> NotReached, string AsIf, QualityShape? Quality)
    {
        public static RouteShape Of(RouteEstimate r) => new(
            r.Name, r.Rule, r.Choose, [.. r.Targets.Select(TargetShape.Of)], r.NotReached, "no target were failing, none had been timed, and no conversation were under way", r.Group is { } group ? QualityShape.Of(group) : null);
    }

    /// <param name="GoesTo">The strong model, or the candidate that takes the call.</param>
    /// <param name="Why">As in x-tokonomics-route: NotActive, NoLabels, BelowBound, NotCheaper, Holdout, ClassProven, PromptProven.</param>
    /// <param name="Certain">False: two in a hundred such calls stay on the strong model, and which is known when they are made.</param>
    /// <param name="Notes">What upper_bound_usd covers, and what is missing to say more.</param>
    internal sealed record QualityShape(string Strong, string GoesTo, string Why, bool Certain, IReadOnlyList<string> Notes)
    {
        public static QualityShape Of(GroupEstimate g)
        {
            var notes = new List<string>();
            if (!g.HasKey && g.Reason == RouteReason.BelowBound)
                notes.Add("Classes of calls are told by their key too: without key_id none is known.");
            if (g.IsChecked)
                notes.Add($"The answer of {g.Candidate} is checked; where it fails {g.Strong} is asked as well, and both are billed: upper_bound_usd is for both.");
            if (g.MayStay)
                notes.Add($"Two in a hundred calls stay on {g.Strong} for ever. This one has no message by which its conversation is known, so that its lot is drawn when it is made: upper_bound_usd holds wherever it goes.");
            return new(g.Strong, g.Candidate ?? g.Strong, g.Reason.ToString(), !g.MayStay, notes);
        }
    }

    /// <param name="Target">As the route writes it.</param>
    /// <param name="TranslatedTo">The dialect into which the request would be translated; null where its bytes go through as they are.</param>
    internal sealed record TargetShape(
        string Target, string? Provider, string? Model, string? TranslatedTo, string? DowngradedFrom, string? LikelyUsd, string? UpperBoundUsd, string? HeldUsd, long? ClampedTo, RefusalShape? Refusal, string? BindingBudget)
    {
        public static TargetShape Of(TargetEstimate t) => new(
            t.Target, t.Estimate.Provider, t.Estimate.Model, t.Dialect, t.Estimate.DowngradedFrom, t.Estimate.Figures?.Likely?.ToString(), t.Estimate.Figures?.Most?.ToString(), t.Estimate.Held?.ToString(), t.Estimate.ClampedTo,
            RefusalShape.Of(t.Estimate.Refusal), t.Estimate.Binding);
    }

    /// <param name="SpentUsd">In the ledger, or on its way there.</param>
    /// <param name="LeasedUsd">Set aside by nodes, open holds included.</param>
    /// <param name="HeldUsd">In open holds of the node that answers; null where it serves no calls.</param>
    /// <param name="RemainingUsd">What this call could hold.</param>
    internal sealed record RoomShape(
        string Id, string Scope, BudgetPeriod Period, BudgetAction Action, BudgetMode Mode, string LimitUsd, string SpentUsd, string LeasedUsd, string? HeldUsd, string RemainingUsd, DateTimeOffset? ResetsAt)
    {
        public static RoomShape Of(BudgetRoom r) => new(
            r.Budget.Id, r.Refusal.Scope, r.Budget.Period, r.Budget.Action, r.Budget.Mode, r.Limit.ToString(), r.Spent.ToString(), r.Leased.ToString(), r.HeldHere?.ToString(), r.Free.ToString(), r.Window.ResetsAt);
    }

    /// <param name="PricedAs">The entry of the price book; null where nothing prices it.</param>
    /// <param name="OutputTokens">What sufficed for 95 of 100 recent answers of this key and model.</param>
    /// <param name="LikelyUsd">What these tokens cost; null where the price is unknown.</param>
    /// <param name="UpperBoundUsd">The most that the call can cost; null where nothing bounds it.</param>
    /// <param name="HeldUsd">What would be set aside; null where no budget takes holds, or the call would be refused.</param>
    /// <param name="ClampedTo">The output limit that would be put into the request for want of room, tokens.</param>
    /// <param name="InSlices">What is held covers the first slice of a stream and grows as it passes.</param>
    /// <param name="Refusal">What the proxy would answer; null where the call would pass.</param>
    /// <param name="BindingBudget">The id of the budget that refuses, lowers, or comes nearest to it.</param>
    /// <param name="Route">By which rule of which route, and what each target of that says; null where the call goes along no route. The figures beside it are those of the first that would take the call.</param>
    internal sealed record EstimateShape(
        string? Provider, string? Model, string? DowngradedFrom, KeyEnvironment Environment, string PriceVersion, string? PricedAs,
        long? InputTokens, long? OutputTokens, string? LikelyUsd, long? InputTokensAtMost, long? OutputTokensAtMost, string? UpperBoundUsd,
        string? HeldUsd, long? ClampedTo, bool InSlices, RefusalShape? Refusal, string? BindingBudget, RouteShape? Route, IReadOnlyList<RoomShape> Budgets)
    {
        public static EstimateShape Of(CallEstimate e) => new(
            e.Provider, e.Model, e.DowngradedFrom, e.Environment, e.PriceVersion, e.Figures?.PricedAs,
            e.Figures?.LikelyInput, e.Figures?.LikelyOutput, e.Figures?.Likely?.ToString(), e.Figures?.MostInput, e.Figures?.MostOutput, e.Figures?.Most?.ToString(),
            e.Held?.ToString(), e.ClampedTo, e.InSlices, RefusalShape.Of(e.Refusal), e.Binding, e.Route is { } route ? RouteShape.Of(route) : null, [.. e.Budgets.Select(RoomShape.Of)]);
    }
}
