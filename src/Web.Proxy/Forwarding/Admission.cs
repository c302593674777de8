using Tokonomics.Application.Billing;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Sets aside what a call can cost, on every budget that applies to it, before anything is sent: by its <see cref="HoldPlan"/>. Where the room is short,
/// its output limit is lowered to what the room pays for; a stream without a limit is paid for in slices as it passes.
/// </summary>
internal sealed class Admission(IBudgetGate gate, ProviderCatalogue catalogue, PriceBook prices, RecentOutputs outputs, BillingOptions billing)
{
    /// <summary>What its key may use, and what its tenant says of models without a price. Before anything is set aside.</summary>
    /// <returns>Null where the call may go on.</returns>
    public Refusal? Permit(ProxyCall call)
    {
        var (key, route) = (call.Key!, call.Match!.Route.Kind);
        if (key.Allowance is { } allowance && KeyPermit.Refusal(key, allowance, Book(call), call.Provider!.Name, call.RequestModel, route, call.Peek.Extent) is { } refused)
            return Refusal.Of(refused);
        return key.Tenant.RefusesUnpriced && route == RouteKind.Metered && !IsPriced(call, call.RequestModel ?? "", call.Match)
            ? Refusal.Of(KeyPermit.Unpriced(call.RequestModel ?? "", call.Provider!.Name))
            : null;
    }

    /// <summary>Sets one call of the plan's quota aside, whatever its route: what is forwarded counts.</summary>
    /// <returns>Null where there is one left, or the plan has no quota.</returns>
    public async ValueTask<Refusal?> CountAsync(ProxyCall call, CancellationToken cancellationToken)
    {
        var quota = call.Quota;
        gate.ResolveQuota(quota, call.Key!, call.At);
        if (quota.Count == 0 || gate.TryHold(quota, CallQuota.One, CallQuota.One))
            return null;
        var outcome = await gate.HoldAsync(quota, new HoldRequest(CallQuota.One), cancellationToken);
        return outcome.Verdict == HoldVerdict.Held ? null : Refusal.Of(CallRefusal.Quota(outcome.Verdict, outcome.Refusal!, billing.Upgrade));
    }

    /// <returns>Null where the call may go; then <see cref="ProxyCall.Hold"/> is held, or no budget applies.</returns>
    public async ValueTask<Refusal?> AdmitAsync(ProxyCall call, CancellationToken cancellationToken)
    {
        var hold = call.Hold;
        gate.Resolve(hold, call.Key!, call.Tags, call.At);
        // It is where a spent budget sent it: such budgets let it pass.
        if (call.DowngradedFrom is not null)
            gate.Downgraded(hold);
        if (hold.Count == 0)
            return null;
        if (call.Match!.Route.Kind != RouteKind.Metered)
        {
            var refused = call.Match.Route.Kind == RouteKind.Deferred && gate.IsStrict(hold);
            hold.Clear();
            return refused ? Refusal.Of(CallRefusal.Deferred) : null;
        }

        while (true)
        {
            var plan = HoldPlan.Of(Metered(call), outputs);
            call.Bound = plan.Bound;
            if (plan.Unbounded && gate.IsStrict(hold))
                return Refusal.Of(CallRefusal.Unbounded(plan.Bound.Why, call.RequestModel ?? "", call.Provider!.Name));
            var outcome = gate.TryHold(hold, plan.Request.UpperBound, plan.Request.Expected) ? default : await gate.HoldAsync(hold, plan.Request, cancellationToken);
            if (outcome.Verdict == HoldVerdict.Held)
            {
                (call.OutputLimit, call.PaidTokens) = plan.With(hold.UpperBound);
                return null;
            }

            if (outcome.Verdict == HoldVerdict.Unverifiable || !Downgrade(call, outcome.Refusal!.Budget))
                return Refusal.Of(CallRefusal.Of(outcome.Verdict, outcome.Refusal!));
            gate.Downgraded(hold);
            if (hold.Count == 0)
                return null;
        }
    }

    /// <summary>It isn't sent after all: what is set aside for it goes back, and it may be admitted anew, as another.</summary>
    public void Leave(ProxyCall call)
    {
        foreach (var hold in (ReadOnlySpan<Hold>)[call.Hold, call.Quota])
        {
            if (hold.State == HoldState.Held)
                gate.Void(hold);
            hold.Clear();
        }

        (call.DowngradedFrom, call.OutputLimit, call.PaidTokens, call.Bound) = (null, null, 0, default);
    }

    private PriceBook Book(ProxyCall call) => call.Key!.Tenant.Prices ?? prices;

    private bool IsPriced(ProxyCall call, string model, RouteMatch match) =>
        CallRating.Model(Book(call), call.Provider!.Name, model, match.Head, call.Key!.Environment, call.At) is not null;

    private MeteredCall Metered(ProxyCall call) => new(
        Book(call), call.Provider!, call.Dialect!, call.Peek, call.RequestModel ?? "", (call.Peek.Stream || call.Facts.PathStreams) && !call.HoldsWhole, call.Match!.Head, call.Key!.Id, call.Key.Environment, call.At);

    // Where it is at the call's own provider: elsewhere it is another call, which is planned and permitted anew.
    private bool Downgrade(ProxyCall call, Budget budget)
    {
        var key = call.Key!;
        if (call.DowngradedFrom is not null || Downgrading.To(budget, catalogue, Book(call), key, call.Provider!, call.Peek, call.Match!, call.At) is not { } cheaper)
            return false;
        if (cheaper.Match is not { } match)
        {
            call.SentElsewhere = cheaper;
            return false;
        }

        // A model that the key may not use, or one without a price where those are refused, is no way out.
        if ((key.Allowance is { } allowance && !allowance.AllowsModel(Book(call), call.Provider!.Name, cheaper.Model)) || (key.Tenant.RefusesUnpriced && !IsPriced(call, cheaper.Model, match)))
            return false;
        (call.DowngradedFrom, call.RequestModel, call.Match) = (call.RequestModel ?? "", cheaper.Model, match);
        return true;
    }
}
