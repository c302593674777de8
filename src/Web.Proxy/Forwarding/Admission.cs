using Tokonomics.Application.Budgets;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Sets aside what a call can cost, on every budget that applies to it, before anything is sent. Where the room is short, its output limit is lowered
/// to what the room pays for; a stream without a limit is paid for in slices as it passes.
/// </summary>
internal sealed class Admission(IBudgetGate gate, PriceBook prices, RecentOutputs outputs)
{
    /// <summary>What a stream may be ahead of what has been seen of it, tokens: on its way, or generated before the provider notices that the connection has closed.</summary>
    public const long Margin = 256;

    private const long LeastSlice = 512;

    /// <returns>Null where the call may go; then <see cref="ProxyCall.Hold"/> is held, or no budget applies.</returns>
    public async ValueTask<Refusal?> AdmitAsync(ProxyCall call, CancellationToken cancellationToken)
    {
        var hold = call.Hold;
        gate.Resolve(hold, call.Key!, call.Tags, call.At);
        if (hold.Count == 0)
            return null;
        if (call.Match!.Route.Kind != RouteKind.Metered)
        {
            var refused = call.Match.Route.Kind == RouteKind.Deferred && gate.IsStrict(hold);
            hold.Clear();
            return refused
                ? new Refusal(400, "unbounded_deferred", "a strict budget applies, and what this request starts is charged later and outside of it: no cap could hold. Send it with a key that has no strict budget, or give the budget the mode 'expected'")
                : null;
        }

        while (true)
        {
            if (Ask(call, out var request) is { } unbounded)
                return unbounded;
            var outcome = gate.TryHold(hold, request.UpperBound, request.Expected) ? default : await gate.HoldAsync(hold, request, cancellationToken);
            if (outcome.Verdict == HoldVerdict.Held)
            {
                Limit(call, request);
                return null;
            }

            if (outcome.Verdict == HoldVerdict.Unverifiable || !Downgrade(call, outcome.Refusal!.Budget))
                return Refused(outcome);
            gate.Downgraded(hold);
            if (hold.Count == 0)
                return null;
        }
    }

    // What to ask the gate for; a refusal where there is no telling what the call could cost.
    private Refusal? Ask(ProxyCall call, out HoldRequest request)
    {
        var (provider, dialect, peek, name) = (call.Provider!, call.Dialect!, call.Peek, call.RequestModel ?? "");
        var model = CallRating.Model(call.Key!.Tenant.Prices ?? prices, provider.Name, name, call.Match!.Head, call.Key.Environment, call.At);
        var bound = call.Bound = UpperBound.Of(model, call.At, Bounds.Of(dialect.Name, provider.Name, name, peek));
        var onlyOutput = bound.Most is null && bound.Why == NoBound.Output && bound.MostLimit > 0;

        // 1. A stream whose output can be counted as it passes: the likely part, and more when it comes to that.
        var slices = (peek.Stream || call.Facts.PathStreams) && peek.MaxOutputTokens is null && (onlyOutput || bound.Limit > LeastSlice) && Bounds.CountsAsItPasses(dialect.Name, provider, name, peek);
        if (slices)
        {
            var slice = Math.Max(LeastSlice, outputs.AtPercentile(call.Key.Id, name, 99) + Margin);
            if (bound.Limit > 0)
                slice = Math.Min(slice, bound.Limit);
            call.PaidTokens = slice;
            request = new HoldRequest(bound.MostWith(slice), Expected(call, bound, slice), bound.MostWith(Math.Min(slice, Margin + UpperBound.LeastLimit)));
            return null;
        }

        // 2. The whole; less where a lower limit can be put into the request.
        call.PaidTokens = 0;
        var least = Bounds.LeastLimit(dialect.Name, peek);
        var limitable = BoundsClamp.CanLimit(dialect, provider.Name, peek) && bound.MostLimit >= least;
        if (bound.Most is { } whole)
        {
            request = new HoldRequest(whole, Expected(call, bound, bound.Limit), limitable ? bound.MostWith(least) : whole);
            return null;
        }

        if (onlyOutput && limitable)
        {
            request = new HoldRequest(bound.MostWith(bound.MostLimit), Expected(call, bound, bound.MostLimit), bound.MostWith(least));
            return null;
        }

        // 3. No bound. A budget that isn't strict counts it afterwards.
        request = new HoldRequest(NanoUsd.Zero);
        return gate.IsStrict(call.Hold)
            ? new Refusal(400, UpperBound.Code(bound.Why), $"a strict budget applies, and {Unbounded(bound.Why, name, provider.Name)}. {Mend(bound.Why)}, or give the budget the mode 'expected'")
            : null;
    }

    private NanoUsd Expected(ProxyCall call, in UpperBound bound, long limit) =>
        bound.MostWith(Math.Min(limit, outputs.AtPercentile(call.Key!.Id, call.RequestModel ?? "", 95)));

    // What was held may be less than asked for: then the request must not be able to cost more.
    private static void Limit(ProxyCall call, in HoldRequest request)
    {
        var (hold, bound) = (call.Hold, call.Bound);
        if (call.PaidTokens > 0)
        {
            if (hold.UpperBound < request.UpperBound)
                call.PaidTokens = bound.LimitFor(hold.UpperBound, 1) ?? 0;
        }
        else if ((bound.Most is { } most && hold.UpperBound < most) || (bound.Most is null && bound.MostLimit > 0))
        {
            call.OutputLimit = bound.LimitFor(hold.UpperBound, Bounds.LeastLimit(call.Dialect!.Name, call.Peek));
        }
    }

    private static bool Downgrade(ProxyCall call, Budget budget)
    {
        if (budget.Action != BudgetAction.Downgrade || call.DowngradedFrom is not null)
            return false;
        var model = budget.DowngradeTo!;
        if (model.StartsWith(call.Provider!.Name + "/", StringComparison.OrdinalIgnoreCase))
            model = model[(call.Provider.Name.Length + 1)..];
        var (match, from) = (call.Match!, call.RequestModel);
        if (call.Peek.Model is not null && call.Peek.ModelAt.Length > 0)
            call.RequestModel = model;
        else if (match.PathModel is { Length: > 0 } && match.WithModel(model) is { } other)
            (call.Match, call.RequestModel) = (other, model);
        else
            return false;
        call.DowngradedFrom = from ?? "";
        return true;
    }

    private static Refusal Refused(HoldOutcome outcome)
    {
        var budget = outcome.Refusal!;
        var period = budget.Budget.Period.ToString().ToLowerInvariant();
        var figures = $"limit {budget.Limit} USD, spent {budget.Spent} USD, held {budget.Held} USD; "
            + (budget.ResetsAt is { } at ? $"it resets at {at.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}" : "it does not reset");
        return outcome.Verdict switch
        {
            HoldVerdict.Exhausted => new Refusal(429, "budget_exhausted", $"the {period} budget of {budget.Scope} has too little left for this request: {figures}"),
            HoldVerdict.FullyHeld => new Refusal(429, "budget_held", $"the {period} budget of {budget.Scope} is held by calls that run, and not spent: {figures}; try again in a moment", TimeSpan.FromSeconds(1)),
            _ => new Refusal(503, "budget_unverifiable", $"the {period} budget of {budget.Scope} can't be verified at the moment: what this proxy has of it is used up, and the database doesn't answer; try again in a moment", TimeSpan.FromSeconds(2)),
        };
    }

    private static string Unbounded(NoBound why, string model, string provider) => why switch
    {
        NoBound.Unpriced => $"'{(model.Length <= 80 ? model : model[..80])}' has no price at {provider}, so that no cap could hold",
        NoBound.Input => "some of the input is not in the request, and how long this model's input may be is not known",
        NoBound.Pieces => "what is charged for can't be told from the request: how long a recording is, or how many tokens an image takes",
        NoBound.Output => "nothing limits the output",
        NoBound.ServerTools => "it lets the provider run tools that are charged for, as often as the model likes",
        NoBound.OtherModels => "other models than the one that is named may answer, or be asked in between",
        NoBound.StoredRequest => "the rest of the request is stored at the provider, out of sight",
        NoBound.Background => "it runs in the background, where its usage comes after this call and outside of it",
        NoBound.Compaction => "the provider may read and sum up the context as often as it finds need to",
        _ => "the model works on it several times over, nobody says how often",
    };

    private static string Mend(NoBound why) => why switch
    {
        NoBound.Unpriced => "Set a price for it (POST /api/v1/prices/overrides), use a model that has one",
        NoBound.Output => "Set the output limit (max_tokens or its like)",
        NoBound.ServerTools => "Limit the tools (max_uses, max_tool_calls) or leave them out",
        NoBound.Input or NoBound.Pieces => "Send it in a form that can be measured",
        _ => "Leave that out",
    };
}
