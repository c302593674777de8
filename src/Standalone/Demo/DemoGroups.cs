using MediatR;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Standalone.Demo;

/// <summary>
/// The quality groups of a demonstration: one routes call summaries and kept its promise in every week but one, the other watches the help desk. Their labels, as comparing would have made them, and
/// the marks of calls that they decided on.
/// </summary>
internal sealed class DemoGroups
{
    private const string Dear = "gpt-5.1";
    private const int RoutesForDays = 56;

    private readonly DemoPlaces _places;
    private readonly PriceBook _book;
    private readonly SeededNumbers _random;
    private readonly DateTimeOffset _end;
    private readonly RoutingPair _summaries;
    private readonly RoutingPair _answers;

    private DemoGroups(DemoPlaces places, PriceBook book, ulong seed, DateTimeOffset end, string summaries, string answers)
    {
        (_places, _book, _random, _end) = (places, book, new SeededNumbers(seed + 77), end);
        _summaries = new RoutingPair(places.TenantId, KeyEnvironment.Live, summaries, "openai/" + Dear, "openai/gpt-4o-mini");
        _answers = new RoutingPair(places.TenantId, KeyEnvironment.Live, answers, "anthropic/claude-sonnet-4-5", "openai/gpt-5-mini");
    }

    // Of the calls that say what they are for.
    private static TrafficClass Summary(bool asJson) => new(asJson ? 0x7c1d20b4e6f93a58 : 0x1f6a93d40c8e25b7UL);

    private static TrafficClass Answer(bool asJson) => new(asJson ? 0xb2049de81c57f36aUL : 0x83e57a16d92f04cbUL);

    private static readonly TrafficClass Rare = new(0x4d9b1e7302af68c5);

    /// <summary>Makes the routes, or takes those that the tenant has by name.</summary>
    public static async Task<DemoGroups> MakeAsync(IMediator mediator, DemoPlaces places, PriceBook book, ulong seed, DateTimeOffset end, CancellationToken cancellationToken)
    {
        async Task<string> RouteAsync(string name, string strong, QualityForm quality)
        {
            var made = await mediator.Send(new SaveRoute(Caller.Operator, places.TenantId, new RouteForm(name, [new RuleForm([new TargetForm(strong)]) { Quality = quality }])), cancellationToken);
            return made.Succeeded ? made.Value.Id : (await mediator.Send(new ListRoutes(Caller.Operator, places.TenantId), cancellationToken)).Value.Routes.First(r => r.Name == name).Id;
        }

        return new DemoGroups(
            places, book, seed, end,
            await RouteAsync("summaries", "openai/" + Dear, new QualityForm(["openai/gpt-4o-mini"], "20.00") { Active = true }),
            await RouteAsync("answers", "anthropic/claude-sonnet-4-5", new QualityForm(["openai/gpt-5-mini"], "40.00") { SamplePercent = 5, Judge = "gemini/gemini-2.5-flash" }));
    }

    /// <summary>A call as its group would have marked it.</summary>
    public UsageEvent Mark(UsageEvent call)
    {
        if (call.Environment == KeyEnvironment.Test || call.Status != 200 || call.Cost is not { } cost || call.At < _end.AddDays(-RoutesForDays))
            return call;
        var asJson = call.RequestId[^1] % 4 == 0;
        UsageEvent Of(RoutingPair pair, TrafficClass name, RouteReason reason, NanoUsd saved) => call with { Routed = new RoutedMark(pair.RouteId, name, reason).ToString(), Saved = saved };
        return (call.Tags.FirstOrDefault(t => t.Name == "feature").Value, call.RequestModel) switch
        {
            ("summarise", "gpt-4o-mini") => Of(_summaries, Summary(asJson), RouteReason.ClassProven, (CallRating.Rate(_book, call with { RequestModel = Dear, ResponseModel = Dear }).Cost ?? cost) - cost),
            ("summarise", _) => Of(_summaries, Summary(asJson), _random.Chance(0.1) ? RouteReason.Holdout : RouteReason.BelowBound, NanoUsd.Zero),
            ("answer", _) => Of(_answers, Answer(asJson), RouteReason.NotActive, NanoUsd.Zero),
            ("judge", "gemini-2.5-flash") when _random.Chance(0.05) =>
                Of(_answers, Answer(asJson), RouteReason.Judge, new NanoUsd(-cost.Value)) with { Tags = [.. call.Tags, new Tag(SampleBudgets.Tag, _answers.RouteId)] },
            _ => call,
        };
    }

    /// <summary>What comparing has taught; nothing where the groups know something already.</summary>
    public async Task TeachAsync(IRoutingStore store, CancellationToken cancellationToken)
    {
        if ((await store.PairsAsync(_places.TenantId, KeyEnvironment.Live, null, cancellationToken)).Count > 0)
            return;
        Task ClassAsync(RoutingPair pair, TrafficClass name, string key, int tools, string format, bool hasSystem) =>
            store.AddClassAsync(pair.TenantId, new ClassFacts(pair.RouteId, pair.Environment, name, _places.Keys[key], tools, format, hasSystem, _end.AddDays(-RoutesForDays)), cancellationToken);
        await ClassAsync(_summaries, Summary(false), "calls-prod", 0, "text", true);
        await ClassAsync(_summaries, Summary(true), "calls-prod", 0, "json_schema", true);
        await ClassAsync(_answers, Answer(false), "helpdesk-prod", 3, "text", true);
        await ClassAsync(_answers, Answer(true), "helpdesk-prod", 0, "json", true);
        await ClassAsync(_answers, Rare, "tools-dev", 0, "text", false);
        await LearnAsync(store, _summaries, (0.017, 0.0012), [(Summary(false), 320, 0.97, 0.965), (Summary(true), 140, 0.98, 0.97)], cancellationToken);
        await LearnAsync(store, _answers, (0.013, 0.0019), [(Answer(false), 260, 0.95, 0.95), (Answer(true), 110, 0.96, 0.88), (Rare, 24, 0.95, 0.94)], cancellationToken);
        for (var week = 0; week < 8; week++)
            for (var i = 0; i < 26; i++)
            {
                var kept = new KeptLabel(RoutingLearner.WeekOf(_end.AddDays(-7 * week)), 950, Score(0.97), Score(week == 3 ? 0.8 : 0.965));
                await store.ChangeAsync(_summaries, _ => new PairChange(null, kept), cancellationToken);
            }

        var demoted = new RoutingIncident(_summaries.RouteId, KeyEnvironment.Live, _summaries.Candidate, Summary(true), "demoted", "Answers failed their check in 11 of 64 calls.", _end.AddDays(-24));
        await store.ChangeAsync(_summaries, _ => new PairChange(null, null, [demoted]), cancellationToken);
    }

    private async Task LearnAsync(IRoutingStore store, RoutingPair pair, (double Strong, double Candidate) usd, IReadOnlyList<(TrafficClass Name, int Labels, double Strong, double Candidate)> classes, CancellationToken cancellationToken)
    {
        ModelPrices? Priced(string model) => CallRating.Model(_book, model.Split('/')[0], model.Split('/')[1], null, KeyEnvironment.Live, _end);
        var fingerprint = RoutingLearner.FingerprintOf(pair, Priced(pair.Strong), Priced(pair.Candidate), _end);
        var sums = new RoutingSums(fingerprint);
        NanoUsd Usd(double middle) => new((long)(middle * (0.6 + (0.8 * _random.Share())) * NanoUsd.PerUsd));
        // All classes at once, as calls come.
        foreach (var one in classes.SelectMany(c => Enumerable.Range(0, c.Labels).Select(i => (At: (i + 0.5) / c.Labels, Class: c))).OrderBy(l => l.At).Select(l => l.Class))
        {
            var features = new double[PromptFeatures.Count];
            for (var i = 0; i < features.Length; i++)
                features[i] = _random.Share();
            sums.Learn(new RoutingLabel(one.Name, features, Score(one.Strong), Score(one.Candidate), Usd(usd.Strong), Usd(usd.Candidate)), RoutingModel.Of(sums));
        }

        var stored = new StoredSums(fingerprint, sums.ToBytes(), pair.Strong.Split('/')[1], pair.Candidate.Split('/')[1], _end);
        await store.ChangeAsync(pair, _ => new PairChange(stored), cancellationToken);
    }

    // Most answers are right, some by half.
    private double Score(double mean) => _random.Share() is var share && share < mean - 0.02 ? 1 : share < mean + 0.02 ? 0.5 : 0;
}
