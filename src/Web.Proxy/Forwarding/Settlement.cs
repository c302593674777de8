using Tokonomics.Application.Dialects;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>Turns a finished call into its event: reads the meter, finds the price, rates, and leaves it with the recorder.</summary>
internal sealed class Settlement(PriceBook prices, IUsageRecorder recorder)
{
    public void Settle(ProxyCall call)
    {
        var metered = Read(call);
        var book = call.Key!.Tenant.Overrides ?? prices;
        var model = metered.Model ?? call.RequestModel;
        var (cost, status) = Rate(book, call, metered, model);
        // Attempts of the connection pool that got no answer have rows of their own: the provider may have seen them.
        for (var lost = 1; lost < call.Sends; lost++)
            recorder.Record(Event(call, metered with { Usage = default, Source = UsageSource.None, Model = null, FinishReason = null, ProviderCost = null }, book, NanoUsd.Zero, PriceStatus.Free) with
            {
                Attempt = lost,
                Status = 0,
                Outcome = CallOutcome.Unreachable,
                ProviderRequestId = null,
                ResponseBytes = 0,
                FirstByte = null,
            });
        recorder.Record(Event(call, metered, book, cost, status) with { Attempt = Math.Max(1, call.Sends) });
    }

    private static MeteredResponse Read(ProxyCall call)
    {
        if (call.Reader is { } reader)
            return reader.Finish(whole: call.Outcome == CallOutcome.Completed);

        var nothing = new MeteredResponse { PricingHints = call.Peek.PricingHints ?? "" };
        // Nothing came back, but the provider had the prompt: what it charges for reading it is estimated.
        if (call.Dialect is null || call.Outcome is not (CallOutcome.ClientGone or CallOutcome.TimedOut))
            return nothing;
        var usage = new TokenUsage { [UsageUnit.Input] = (call.Peek.PromptBytes + 3) / 4 };
        return nothing with { Usage = usage, Source = UsageSource.Estimated };
    }

    private static (NanoUsd? Cost, PriceStatus Status) Rate(PriceBook book, ProxyCall call, in MeteredResponse metered, string? model)
    {
        if (call.Match!.Route.Kind != RouteKind.Metered)
            return (NanoUsd.Zero, call.Match.Route.Kind == RouteKind.Deferred && call.Status < 400 ? PriceStatus.Deferred : PriceStatus.Free);
        if (metered.NotBillable || (metered.Usage.IsEmpty && (call.Status is 0 or >= 400 || call.Outcome != CallOutcome.Completed)))
            return (NanoUsd.Zero, PriceStatus.Free);
        if (metered.Usage.IsEmpty)
            return (null, PriceStatus.Unpriced); // an answer that says nothing of what it used
        var rated = Rating.Rate(Card(book, call, model), metered.Usage, metered.PricingHints);
        return (rated.Cost, rated.Status);
    }

    // The model that answered decides; the one that was asked for where the answer names none, or one that has no price of its own.
    private static RateCard? Card(PriceBook book, ProxyCall call, string? model)
    {
        var provider = call.Provider!.Name;
        if (model is null)
            return null;
        var card = book.Find(provider, model, call.At);
        if (card is null && call.RequestModel is { } asked && asked != model)
            card = book.Find(provider, asked, call.At);
        return card ?? (call.Key!.Environment == KeyEnvironment.Test ? book.Find("sandbox", model, call.At) : null);
    }

    private static UsageEvent Event(ProxyCall call, in MeteredResponse metered, PriceBook book, NanoUsd? cost, PriceStatus status) => new()
    {
        RequestId = call.RequestId,
        TenantId = call.Key!.Tenant.Id,
        KeyId = call.Key.Id,
        TeamId = call.Key.TeamId,
        ProjectId = call.Key.ProjectId,
        Environment = call.Key.Environment,
        Provider = call.Provider!.Name,
        Dialect = call.Match!.Route.Dialect,
        Operation = call.Match.Route.Template,
        RequestModel = Bounded(call.RequestModel),
        ResponseModel = Bounded(metered.Model),
        Usage = metered.Usage,
        UsageSource = metered.Source,
        PricingHints = metered.PricingHints ?? "",
        Cost = cost,
        PriceStatus = status,
        PriceVersion = book.Version,
        ProviderCost = metered.ProviderCost,
        Status = call.Status,
        Outcome = call.Outcome,
        FinishReason = Bounded(metered.FinishReason),
        Streamed = call.Streamed,
        At = call.At,
        Latency = call.Elapsed,
        FirstByte = call.FirstByte,
        RequestBytes = call.RequestBytes,
        ResponseBytes = call.ResponseBytes,
        ProviderRequestId = call.ProviderRequestId,
        Tags = call.Tags,
    };

    // Names come from the wire: what is longer than any name is cut, so that no text of another kind hides in the ledger.
    private static string? Bounded(string? name) => name is { Length: > 200 } ? name[..200] : name;
}
