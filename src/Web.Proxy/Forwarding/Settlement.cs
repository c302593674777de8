using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Puts a call on file before it is sent, and turns it into its event when it has ended: reads the meter, finds the price, rates, and leaves it with
/// the recorder.
/// </summary>
internal sealed class Settlement(PriceBook prices, IUsageRecorder recorder, IBudgetGate gate, RecentOutputs outputs, Corrections corrections, CallMetrics metrics)
{
    /// <summary>Puts on file that the call is sent, with what is known of it: its row, should the process not live to settle it.</summary>
    /// <returns>False where it can't be written: it must not be sent.</returns>
    public bool Open(ProxyCall call)
    {
        var kind = call.Match!.Route.Kind;
        var estimate = call.Peek.Units;
        call.Correction = corrections.Of(call.Key!.Id, call.Provider!.Name, call.RequestModel ?? "");
        if (kind == RouteKind.Metered && estimate.IsEmpty)
            estimate = Prompt(call);
        call.Ticket = recorder.Admit(
            new CallAdmission
            {
                RequestId = call.RequestId,
                Attempt = call.Attempt,
                TenantId = call.Key.Tenant.Id,
                KeyId = call.Key.Id,
                TeamId = call.Key.TeamId,
                ProjectId = call.Key.ProjectId,
                Environment = call.Key.Environment,
                Provider = call.Provider!.Name,
                Dialect = call.Match.Route.Dialect,
                Operation = call.Match.Route.Template,
                RequestModel = Bounded(call.RequestModel),
                PricingHints = CallRating.Hints(call.Peek.PricingHints, call.Match.Head),
                PriceVersion = (call.Key.Tenant.Prices ?? prices).Version,
                Rated = kind switch { RouteKind.Metered => PriceStatus.Priced, RouteKind.Deferred => PriceStatus.Deferred, _ => PriceStatus.Free },
                Streamed = call.Peek.Stream || call.Facts.PathStreams,
                At = call.At,
                RequestBytes = call.RequestBytes,
                Estimate = estimate,
                UpperBound = call.Hold.Count > 0 ? call.Hold.UpperBound : null,
                Charges = call.Charges(),
                Tags = call.Tags,
                Routed = call.Routed,
            },
            sent: true);
        return !call.Ticket.IsNone;
    }

    /// <summary>Makes the call's event and leaves it with the recorder. Once: whoever needs the cost before the answer has left settles earlier.</summary>
    public void Settle(ProxyCall call)
    {
        if (call.Event is not null)
            return;
        var metered = Read(call);
        var book = call.Key!.Tenant.Prices ?? prices;
        var use = new RatedUse(
            call.Provider!.Name, Bounded(call.RequestModel), Bounded(metered.Model), metered.Usage, metered.OtherModels ?? [], CallRating.Hints(metered.PricingHints, call.Match!.Head), call.Key.Environment, call.At);
        var (cost, status) = Rate(book, call, metered, use);
        var (bound, counted) = (default(NanoUsd?), cost);
        if (call.Hold.State == HoldState.Held)
        {
            (bound, counted) = (call.Hold.UpperBound, Counted(call, metered, cost));
            gate.Settle(call.Hold, counted.Value);
        }

        if (call.Quota.State == HoldState.Held)
            gate.Settle(call.Quota, CallQuota.Counts(call.Outcome) ? CallQuota.One : NanoUsd.Zero);
        var usage = Event(call, metered, use, book.Version, cost, status, Saved(call, book, use, cost), bound, counted == cost ? null : counted);
        call.Event = usage;
        call.FreeOfCharge = call.NeverLeft || (usage is { Outcome: CallOutcome.Completed, Status: >= 300 } && cost == NanoUsd.Zero);
        recorder.Record(usage, call.Ticket, last: true);
        metrics.Ended(call, usage);
        if (metered.Source == UsageSource.Reported && call.RequestModel is { } model)
        {
            outputs.Add(call.Key.Id, model, metered.Usage.OutputTokens);
            if (call.Reader is { } reader)
                corrections.Add(call.Key.Id, call.Provider!.Name, model, call.Peek, reader.Passed, metered.Usage);
        }
    }

    /// <summary>
    /// What budgets count: the cost where the provider has told what was used. Where it hasn't, an estimate may be below its bill, and a cap has to hold
    /// for the bill: then the most that it can be, as far as anything shows it.
    /// </summary>
    private static NanoUsd Counted(ProxyCall call, in MeteredResponse metered, NanoUsd? cost)
    {
        if (call.NeverLeft || (metered.Source == UsageSource.Reported && cost is not null))
            return cost ?? NanoUsd.Zero;
        var (most, whole) = (call.Hold.UpperBound, call.Outcome == CallOutcome.Completed);
        // The provider answered, and charges nothing for this answer.
        if (cost == NanoUsd.Zero && whole && (metered.NotBillable || call.Status >= 300))
            return NanoUsd.Zero;
        // What passed is all there was, or the provider was at most so far ahead of it.
        if (call.Reader is { } reader && call.Streamed && !call.Behind && Bounds.CountsAsItPasses(call.Dialect!.Name, call.Provider!, call.RequestModel ?? "", call.Peek) && reader.OutputTokensAtMost is var seen && seen < long.MaxValue / 2)
        {
            var passed = call.Bound.MostWith(seen + (whole ? 0 : HoldPlan.Margin));
            most = call.Overran == (passed > most) ? passed : most; // a provider that keeps no limit isn't held to its bound
        }

        return cost is { } known && known > most ? known : most;
    }

    private static NanoUsd Least(NanoUsd a, NanoUsd b) => a < b ? a : b;

    private static MeteredResponse Read(ProxyCall call)
    {
        if (call.Reader is { } reader)
            return reader.Finish(whole: call.Outcome == CallOutcome.Completed || call.WasReadOn);

        var nothing = new MeteredResponse { PricingHints = call.Peek.PricingHints };
        // Nothing came back, but the provider had the prompt: what it charges for reading it is estimated.
        if (call.Dialect is null || call.NeverLeft || call.Outcome is not (CallOutcome.ClientGone or CallOutcome.TimedOut or CallOutcome.Unreachable))
            return nothing;
        return nothing with { Usage = Prompt(call), Source = UsageSource.Estimated };
    }

    private static TokenUsage Prompt(ProxyCall call)
    {
        var (input, cached) = call.Correction.Input(call.Peek.PromptTokens);
        var usage = new TokenUsage { [UsageUnit.Input] = input - (cached ?? 0) };
        if (cached is not null)
            usage[UsageUnit.CacheRead] = cached;
        return usage;
    }

    private static (NanoUsd? Cost, PriceStatus Status) Rate(PriceBook book, ProxyCall call, in MeteredResponse metered, in RatedUse use)
    {
        if (call.Match!.Route.Kind == RouteKind.Free)
            return (NanoUsd.Zero, PriceStatus.Free);
        if (call.Match.Route.Kind == RouteKind.Deferred)
            return (NanoUsd.Zero, call.Status is > 0 and < 400 ? PriceStatus.Deferred : PriceStatus.Free);
        if (metered.NotBillable || (metered.Usage.IsEmpty && (call.Status is 0 or >= 300 || call.Outcome != CallOutcome.Completed)))
            return (NanoUsd.Zero, PriceStatus.Free);
        var rated = CallRating.Rate(book, use);
        return (rated.Cost, rated.Status);
    }

    private static UsageEvent Event(
        ProxyCall call, in MeteredResponse metered, in RatedUse use, string version, NanoUsd? cost, PriceStatus status, NanoUsd? saved, NanoUsd? bound, NanoUsd? counted) => new()
    {
        RequestId = call.RequestId,
        Attempt = call.Attempt,
        TenantId = call.Key!.Tenant.Id,
        KeyId = call.Key.Id,
        TeamId = call.Key.TeamId,
        ProjectId = call.Key.ProjectId,
        Environment = use.Environment,
        Provider = use.Provider,
        Dialect = call.Match!.Route.Dialect,
        Operation = call.Match.Route.Template,
        RequestModel = use.RequestModel,
        ResponseModel = use.ResponseModel,
        Usage = use.Usage,
        UsageSource = metered.Source,
        OtherModels = use.OtherModels,
        PricingHints = use.PricingHints,
        Cost = cost,
        PriceStatus = status,
        PriceVersion = version,
        ProviderCost = metered.ProviderCost,
        Status = call.Status,
        Outcome = call.Outcome,
        FinishReason = call.CutAtBudget ? "length" : Bounded(metered.FinishReason),
        Streamed = call.Streamed,
        At = use.At,
        Latency = call.Elapsed,
        FirstByte = call.FirstByte,
        RequestBytes = call.RequestBytes,
        ResponseBytes = call.ResponseBytes,
        ProviderRequestId = call.ProviderRequestId,
        Tags = call.Tags,
        UpperBound = bound,
        BudgetCost = counted,
        Charges = call.Charges(),
        Routed = call.Routed,
        Saved = saved,
    };

    // Against the model that it took the place of, at the same counts: what that one would have said nobody knows.
    private static NanoUsd? Saved(ProxyCall call, PriceBook book, in RatedUse use, NanoUsd? cost)
    {
        if (call.Routed is null or UsageEvent.Direct || cost is not { } spent)
            return null;
        if (call.IsExtra)
            return NanoUsd.Zero - spent;
        if (call.InsteadOf is not { } strong || use.Usage.IsEmpty)
            return NanoUsd.Zero;
        return CallRating.Rate(book, use with { Provider = strong.Provider.Name, RequestModel = strong.Model, ResponseModel = null, OtherModels = [], PricingHints = "" }).Cost is { } instead ? instead - spent : null;
    }

    // Names come from the wire: what is longer than any name is cut, so that no text of another kind hides in the ledger.
    private static string? Bounded(string? name) => name is { Length: > 200 } ? name[..200] : name;
}
