using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class QualityRouterTests(ITestOutputHelper output)
{
    private static readonly RouteCosts Costs = new(new NanoUsd(10_000_000), new NanoUsd(1_000_000));
    private static readonly QualityTarget Keep95 = new(0.95);

    private static RouteDecision Decide(RoutingSums sums, double uniform = 1, RouteCosts? costs = null, bool demoted = false, TrafficClass? name = null) =>
        QualityRouter.Decide(RoutingPolicy.Of(sums, Keep95), name ?? new TrafficClass(1), new double[PromptFeatures.Count], costs ?? Costs, uniform, demoted);

    [Fact]
    public void Without_labels_all_goes_to_the_strong_model()
    {
        QualityRouter.Decide(null, new TrafficClass(1), new double[PromptFeatures.Count], Costs, 1).ShouldBe(new RouteDecision(false, RouteReason.NoLabels, NanoUsd.Zero));
        Decide(new RoutingSums(MadeTraffic.Pair)).Reason.ShouldBe(RouteReason.NoLabels);
    }

    [Fact]
    public void A_class_is_proven_by_fifty_labels_of_a_candidate_that_is_as_good_and_not_by_forty_nine()
    {
        Decide(MadeTraffic.Learned(new Random(1), 49, 1, gap: 0)).Reason.ShouldBe(RouteReason.BelowBound);
        var proven = Decide(MadeTraffic.Learned(new Random(1), 60, 1, gap: 0));
        proven.ShouldBe(new RouteDecision(true, RouteReason.ClassProven, new NanoUsd(9_000_000)));
        Decide(MadeTraffic.Learned(new Random(1), 90, 1, gap: 0.3)).Reason.ShouldBe(RouteReason.BelowBound);
        // A class without labels of its own isn't proven by others.
        Decide(MadeTraffic.Learned(new Random(1), 60, 1, gap: 0), name: new TrafficClass(99)).Reason.ShouldBe(RouteReason.BelowBound);
    }

    [Fact]
    public void Of_a_class_that_is_not_proven_the_easy_prompts_go_to_the_candidate_and_the_hard_ones_stay()
    {
        // The candidate fails at one prompt in seven, the long ones above all.
        var policy = RoutingPolicy.Of(MadeTraffic.Learned(new Random(4), 2000, 1, gap: 0.15), Keep95);
        RouteReason Of(double length)
        {
            var features = new double[PromptFeatures.Count];
            features[0] = length;
            return QualityRouter.Decide(policy, new TrafficClass(1), features, Costs, 1).Reason;
        }

        Of(3).ShouldBe(RouteReason.PromptProven);
        Of(7).ShouldBe(RouteReason.BelowBound);
        RoutingPolicy.Of(MadeTraffic.Learned(new Random(4), 90, 1, gap: 0.15), Keep95).Cut.ShouldBe(0); // too few to tell prompts apart
    }

    [Fact]
    public void The_holdout_what_is_not_cheaper_and_what_is_demoted_stay_on_the_strong_model()
    {
        var sums = MadeTraffic.Learned(new Random(2), 200, 1, gap: 0);
        Decide(sums, uniform: 0.019).Reason.ShouldBe(RouteReason.Holdout);
        Decide(sums, uniform: 0.02).Reason.ShouldBe(RouteReason.ClassProven);
        Decide(sums, costs: new RouteCosts(new NanoUsd(1), new NanoUsd(1))).Reason.ShouldBe(RouteReason.NotCheaper);
        Decide(sums, demoted: true).Reason.ShouldBe(RouteReason.Demoted);
    }

    [Fact]
    public void A_target_out_of_its_range_is_refused()
    {
        Should.Throw<ArgumentOutOfRangeException>(() => RoutingPolicy.Of(new RoutingSums(MadeTraffic.Pair), new QualityTarget(1.01)));
        Should.Throw<ArgumentOutOfRangeException>(() => RoutingPolicy.Of(new RoutingSums(MadeTraffic.Pair), new QualityTarget(0.49)));
    }

    [Fact]
    public void A_decision_allocates_nothing()
    {
        var policy = RoutingPolicy.Of(MadeTraffic.Learned(new Random(3), 400, 3), Keep95);
        var features = new double[PromptFeatures.Count];
        _ = QualityRouter.Decide(policy, new TrafficClass(1), features, Costs, 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            _ = QualityRouter.Decide(policy, new TrafficClass(1), features, Costs, 1);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    /// <summary>Made-up traffic of four classes, 60 draws of labels, 2,000 prompts each: how often the quality ends more than a point below the target, and what is routed.</summary>
    [Theory]
    [InlineData(0.95, 400, 0.25)]
    [InlineData(0.99, 400, 0.05)]
    [InlineData(0.95, 150, 0.10)]
    public void The_promise_is_kept_in_95_of_100_draws_and_much_is_routed(double target, int labels, double least)
    {
        var (missed, routed) = (0, 0d);
        for (var draw = 0; draw < 60; draw++)
        {
            var random = new Random((draw * 7919) + labels);
            var policy = RoutingPolicy.Of(MadeTraffic.Learned(random, labels, 4), new QualityTarget(target));
            var (strong, kept, count) = (0d, 0d, 0);
            foreach (var prompt in MadeTraffic.Labels(random, 2000, 4))
            {
                var toCandidate = QualityRouter.Decide(policy, prompt.Class, prompt.Features.Span, Costs, 1).ToCandidate;
                (strong, kept, count) = (strong + prompt.Strong, kept + (toCandidate ? prompt.Candidate : prompt.Strong), count + (toCandidate ? 1 : 0));
            }

            missed += kept / strong < target - QualityBound.Tolerance ? 1 : 0;
            routed += count / 2000d / 60;
        }

        output.WriteLine($"keep {target}, {labels} labels: {missed} of 60 miss, {routed:f3} routed");
        missed.ShouldBeLessThanOrEqualTo(3);
        routed.ShouldBeGreaterThanOrEqualTo(least);
    }

    [Fact]
    public void What_the_sums_foretell_is_about_what_comes()
    {
        var within = 0;
        for (var draw = 0; draw < 60; draw++)
        {
            var random = new Random(draw);
            var sums = MadeTraffic.Learned(random, 400, 4);
            var policy = RoutingPolicy.Of(sums, Keep95);
            var (all, byClass) = SavingEstimate.Of(sums, policy, Enumerable.Range(1, 4).ToDictionary(i => new TrafficClass((ulong)i), _ => 1000L));
            var saved = MadeTraffic.Labels(random, 4000, 4).Sum(p => QualityRouter.Decide(policy, p.Class, p.Features.Span, Costs, 1).Saving.Value) * (1 - QualityRouter.HoldoutShare);
            within += saved >= all.SavingLow.Value && saved <= all.SavingHigh.Value ? 1 : 0;
            ((double)all.Saving.Value).ShouldBe(byClass.Values.Sum(c => c.Saving.Value), 10);
            (all.QualityKept > all.QualityLow && all.QualityKept <= 1.02).ShouldBeTrue();
        }

        output.WriteLine($"{within} of 60 within the interval");
        within.ShouldBeGreaterThanOrEqualTo(48);
    }

    [Fact]
    public void It_is_known_how_many_labels_a_class_lacks()
    {
        int? Needed(int labels, double gap, int seed = 5)
        {
            var sums = MadeTraffic.Learned(new Random(seed), labels, 1, gap);
            return SavingEstimate.Of(sums, RoutingPolicy.Of(sums, Keep95), new Dictionary<TrafficClass, long> { [new TrafficClass(1)] = 1000 }).ByClass[new TrafficClass(1)].LabelsNeeded;
        }

        Needed(20, 0).ShouldBe(30); // fifty at least
        Needed(100, 0).ShouldBe(0);
        Needed(100, 0.3).ShouldBeNull(); // worse than the target: no number of labels proves it
        Enumerable.Range(0, 20).Count(seed => Needed(60, 0.02, seed) > 0).ShouldBeGreaterThan(0); // better than the target, not yet surely
        var unknown = SavingEstimate.Of(new RoutingSums(MadeTraffic.Pair), RoutingPolicy.Of(new RoutingSums(MadeTraffic.Pair), Keep95), new Dictionary<TrafficClass, long> { [new TrafficClass(1)] = 1000 }).All;
        (unknown.Calls, unknown.RoutedShare, unknown.Saving).ShouldBe((1000L, 0d, NanoUsd.Zero));
    }
}
