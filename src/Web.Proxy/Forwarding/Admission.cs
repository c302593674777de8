using Tokonomics.Application.Budgets;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Sets aside what a call can cost, on every budget that applies to it, before anything is sent: by its <see cref="HoldPlan"/>. Where the room is short,
/// its output limit is lowered to what the room pays for; a stream without a limit is paid for in slices as it passes.
/// </summary>
internal sealed class Admission(IBudgetGate gate, PriceBook prices, RecentOutputs outputs)
{
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

    private MeteredCall Metered(ProxyCall call) => new(
        call.Key!.Tenant.Prices ?? prices, call.Provider!, call.Dialect!, call.Peek, call.RequestModel ?? "", call.Peek.Stream || call.Facts.PathStreams, call.Match!.Head, call.Key.Id, call.Key.Environment, call.At);

    private static bool Downgrade(ProxyCall call, Budget budget)
    {
        if (call.DowngradedFrom is not null || Downgrading.To(budget, call.Provider!, call.Peek, call.Match!) is not var (model, match))
            return false;
        (call.DowngradedFrom, call.RequestModel, call.Match) = (call.RequestModel ?? "", model, match);
        return true;
    }
}
