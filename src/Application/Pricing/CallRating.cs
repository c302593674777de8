using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Application.Pricing;

/// <summary>What a call's cost depends on, beside the book.</summary>
public readonly record struct RatedUse(
    string Provider, string? RequestModel, string? ResponseModel, TokenUsage Usage, IReadOnlyList<ModelUsage> OtherModels, string PricingHints, KeyEnvironment Environment, DateTimeOffset At)
{
    public static RatedUse Of(UsageEvent usage) => new(usage.Provider, usage.RequestModel, usage.ResponseModel, usage.Usage, usage.OtherModels, usage.PricingHints, usage.Environment, usage.At);
}

/// <summary>
/// From an event to its cost: which card of the book prices it, and what it comes to. The one place where this is decided, so that rating an
/// event again with its own price version gives the same cost to the last digit.
/// </summary>
public static class CallRating
{
    /// <summary>Rates what the event says that it used. Free and deferred events are not for rating.</summary>
    public static RatedCost Rate(PriceBook book, UsageEvent usage) => Rate(book, RatedUse.Of(usage));

    /// <summary>The same of a call that has no event, or none yet.</summary>
    public static RatedCost Rate(PriceBook book, in RatedUse use)
    {
        var card = Card(book, use);
        if (use.Usage.IsEmpty && card is not { Free: true })
            return new RatedCost(null, PriceStatus.Unpriced); // an answer that says nothing of what it used
        var rated = Rating.Rate(card, use.Usage, use.PricingHints);
        foreach (var other in use.OtherModels)
        {
            var more = Rating.Rate(Card(book, other.Model, use), other.Usage, use.PricingHints);
            rated = rated.Cost is { } sum && more.Cost is { } cost ? new RatedCost(sum + cost, PriceStatus.Priced) : new RatedCost(null, PriceStatus.Unpriced);
        }

        return rated;
    }

    /// <summary>The arithmetic of an event's cost: one line for each unit of each model that was used. What <see cref="Rate(PriceBook, UsageEvent)"/> rounds is their sum, model by model.</summary>
    public static IReadOnlyList<(string? Model, RatedLine Line)> Explain(PriceBook book, UsageEvent usage)
    {
        var lines = new List<(string?, RatedLine)>();
        foreach (var line in Rating.Explain(Card(book, usage), usage.Usage, usage.PricingHints))
            lines.Add((usage.ResponseModel ?? usage.RequestModel, line));
        foreach (var other in usage.OtherModels)
            foreach (var line in Rating.Explain(Card(book, other.Model, RatedUse.Of(usage)), other.Usage, usage.PricingHints))
                lines.Add((other.Model, line));
        return lines;
    }

    /// <summary>
    /// The card of the model that answered; of the one that was asked for where the answer names none, or one without a price. Test traffic
    /// may name the sandbox's models at any provider.
    /// </summary>
    public static RateCard? Card(PriceBook book, UsageEvent usage) => Card(book, RatedUse.Of(usage));

    private static RateCard? Card(PriceBook book, in RatedUse use)
    {
        var card = use.ResponseModel is { } answered ? Card(book, answered, use) : null;
        if (card is null && use.RequestModel is { } asked && asked != use.ResponseModel)
            card = Card(book, asked, use);
        return card;
    }

    /// <summary>The model that prices a call at that instant; null where none does.</summary>
    /// <param name="route">Which of a router's providers the path chose; null where it is no router.</param>
    public static ModelPrices? Model(PriceBook book, string provider, string model, string? route, KeyEnvironment environment, DateTimeOffset at)
    {
        // The sandbox answers under every provider's name, and charges by its own sheet where that lists the model.
        if (environment == KeyEnvironment.Test && book.FindModel("sandbox", model) is { } sandboxed && sandboxed.At(at) is not null)
            return sandboxed;
        if (route is not null && book.FindModel(provider, $"{route}/{model}") is { } routed && routed.At(at) is not null)
            return routed;
        return book.FindModel(provider, model) is { } found && found.At(at) is not null ? found : null;
    }

    private static RateCard? Card(PriceBook book, string model, in RatedUse use) =>
        Model(book, use.Provider, model, Route(use.PricingHints), use.Environment, use.At)?.At(use.At);

    /// <summary>The hint that names which of a router's providers the path chose (Hugging Face: <c>/together/v1/…</c>).</summary>
    public const string RouteHint = "route";

    /// <summary>The hints of a call, and the one that says which of a router's providers its path chose.</summary>
    /// <param name="head">Null where it is no router.</param>
    public static string Hints(string? hints, string? head) => head is null
        ? hints ?? ""
        : string.Join(';', (hints ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries).Append($"{RouteHint}={head}").Order(StringComparer.Ordinal));

    private static string? Route(string hints)
    {
        foreach (var range in hints.AsSpan().Split(';'))
            if (hints.AsSpan(range) is var pair && pair.StartsWith(RouteHint + "=", StringComparison.Ordinal))
                return pair[(RouteHint.Length + 1)..].ToString();
        return null;
    }
}
