using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>A call as it asks for a target.</summary>
/// <param name="Match">The client's own route.</param>
/// <param name="PathProvider">The provider that the path names; null under <c>/v1</c>.</param>
/// <param name="PassThrough">The client sends a provider key of its own: it goes to no other provider than the path's.</param>
public readonly record struct TargetQuestion(KeySnapshot Key, PriceBook Prices, RouteMatch Match, RequestPeek Peek, string? PathProvider, bool PassThrough, DateTimeOffset At);

/// <summary>The client's request as a target gets it.</summary>
/// <param name="Translated">Null where both speak one dialect, whose bytes go through as they are.</param>
/// <param name="Refusal">Why the target's dialect can't say it; null where it can.</param>
public readonly record struct TargetRequest(RouteMatch Match, TranslatedRequest? Translated, CallRefusal? Refusal);

/// <summary>A model that a key can reach, and how from the request at hand: what calls and estimates of them find alike.</summary>
/// <param name="Written">As the route, or the budget, writes it.</param>
/// <param name="Model">Its name at the provider.</param>
/// <param name="Match">The provider's route for the client's request.</param>
/// <param name="Translator">Where the provider speaks another dialect than the client; null where it speaks the same.</param>
/// <param name="MaxOutput">The most that the model puts out, tokens: the limit for a client that sets none, where the provider's dialect needs one.</param>
/// <param name="Credential">Null where the client's own key is passed on, or none is needed.</param>
public record ReachedTarget(string Written, Provider Provider, string Model, RouteMatch Match, Translator? Translator, long? MaxOutput, ProviderCredential? Credential, bool PassThrough)
{
    private static readonly (string Surface, string Dialect, string Tail)[] Spoken = [("anthropic", "anthropic-messages", "messages"), ("gemini", "gemini-generate", "models/{model}:generateContent")];

    /// <summary>Those of the wanted that the call can be sent to, and why the others can't.</summary>
    public static (List<ReachedTarget> Targets, List<string> Problems) Of(Upstreams upstreams, IReadOnlyList<RouteTarget> wanted, in TargetQuestion call)
    {
        var (key, targets, problems) = (call.Key, new List<ReachedTarget>(wanted.Count), new List<string>());
        foreach (var target in wanted)
        {
            // The client's own key opens the provider that its path names, and must not be shown to any other.
            var itsOwn = call.PassThrough && call.PathProvider is not null && target.Model.StartsWith(call.PathProvider + "/", StringComparison.OrdinalIgnoreCase);
            if (upstreams.ByModelName(target.Model, call.Match.Route.Method, null, key, itsOwn) is not var (provider, model))
                problems.Add($"{target.Model}: no provider that this key can reach has it");
            else if (provider.BaseUrl is null)
                problems.Add($"{target.Model}: {provider.Name} has no base URL");
            else if (RouteAt(provider, model, call.Match) is not var (match, translator))
                problems.Add($"{target.Model}: {provider.Name} doesn't speak {call.Match.Route.Dialect}, nor another dialect that it is translated into");
            else if (translator is null && match.PathModel is null && call.Peek is { Model: not null, ModelAt.Length: 0 })
                problems.Add($"{target.Model}: the request names its model in a place that can't be changed");
            else
                targets.Add(new ReachedTarget(
                    target.Model, provider, model, match, translator, translator is null ? null : CallRating.Model(call.Prices, provider.Name, model, null, key.Environment, call.At)?.MaxOutput,
                    itsOwn ? null : key.Tenant.Credentials.GetValueOrDefault(provider.Name), itsOwn));
        }

        return (targets, problems);
    }

    /// <param name="streams">The client asks for a stream, in its body or by its path.</param>
    public TargetRequest Request(ReadOnlyMemory<byte> body, bool streams)
    {
        if (Translator is null)
            return new(Match, null, null);
        var request = Translator.Request(body, new TranslationTarget(Model, Provider.Name, streams, MaxOutput, Provider.StreamUsageOnDemand));
        return request.IsRefused
            ? new(Match, null, new CallRefusal(400, "not_translatable", $"{Written} speaks another dialect, which can't carry all of this request. {request.Refusal}"))
            : new(Provider.Routes.Find("POST", request.Path) ?? Match, request, null);
    }

    /// <summary>At our estimate of the prompt and as long an answer as the model's are to this key, USD; null where nothing prices it.</summary>
    /// <param name="cached">The provider has the prompt in its cache.</param>
    /// <param name="like">The one that it is compared with: while this one has hardly answered, its answers are taken to be as long as that one's.</param>
    public decimal? ExpectedCost(KeySnapshot key, PriceBook prices, RequestPeek peek, RecentOutputs outputs, DateTimeOffset at, bool cached = false, ReachedTarget? like = null)
    {
        var model = like is not null && !outputs.Knows(key.Id, Model) ? like.Model : Model;
        var usage = new TokenUsage { [cached ? UsageUnit.CacheRead : UsageUnit.Input] = peek.PromptTokens, [UsageUnit.Output] = Math.Min(peek.MaxOutputTokens ?? long.MaxValue, outputs.AtPercentile(key.Id, model, 50)) };
        var cost = CallRating.Rate(prices, new RatedUse(Provider.Name, Model, null, usage, [], peek.PricingHints, key.Environment, at)).Cost?.Usd;
        return cost is null && cached ? ExpectedCost(key, prices, peek, outputs, at, like: like) : cost; // no rate for what is cached: it costs as much as the rest
    }

    // Where both speak one dialect its bytes go through as they are. A provider with a dialect of its own is called in that: what Anthropic and Google offer of OpenAI's leaves out in silence what it can't do.
    private static (RouteMatch Match, Translator? Translator)? RouteAt(Provider provider, string model, RouteMatch client)
    {
        var route = client.Route;
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
}
