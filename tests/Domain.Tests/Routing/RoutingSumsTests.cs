using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class RoutingSumsTests
{
    [Fact]
    public void Sums_of_two_nodes_are_the_sums_of_all_labels()
    {
        var labels = MadeTraffic.Labels(new Random(1), 300, 3).ToList();
        var (all, one, other) = (new RoutingSums(MadeTraffic.Pair), new RoutingSums(MadeTraffic.Pair), new RoutingSums(MadeTraffic.Pair));
        for (var i = 0; i < labels.Count; i++)
        {
            all.Learn(labels[i], null);
            (i < 150 ? one : other).Learn(labels[i], null); // 150 is whole rounds of five folds
        }

        one.Add(other);
        one.Labels.ShouldBe(300);
        var (expected, made) = (RoutingModel.Of(all), RoutingModel.Of(one));
        foreach (var label in labels)
            made.ExpectedGap(label.Class, label.Features.Span).ShouldBe(expected.ExpectedGap(label.Class, label.Features.Span), 1e-9);
        Should.Throw<ArgumentException>(() => one.Add(new RoutingSums(PairFingerprint.Of("another", "1", "b", "1"))));
    }

    [Fact]
    public void Bytes_give_the_same_sums_back_and_hold_no_row()
    {
        var few = MadeTraffic.Learned(new Random(2), 200, 2);
        var many = MadeTraffic.Learned(new Random(2), 2000, 2);
        var bytes = many.ToBytes();
        RoutingSums.Read(bytes, MadeTraffic.Pair)!.ToBytes().ShouldBe(bytes);
        // 819 sums of the ridge; for each class 38 + 38 + 30 sums and at most 80 cells of 65 bytes: ten times the labels are no more than the cells that were empty.
        bytes.Length.ShouldBeLessThan(26 + (819 * 8) + (2 * (900 + (80 * 65))));
        (bytes.Length - few.ToBytes().Length).ShouldBeLessThan(2 * 80 * 65);
    }

    [Fact]
    public void What_is_about_another_pair_or_of_another_version_is_not_read()
    {
        var bytes = MadeTraffic.Learned(new Random(3), 50, 1).ToBytes();
        RoutingSums.Read(bytes, PairFingerprint.Of("strong", "2", "candidate", "1")).ShouldBeNull();
        RoutingSums.Read([(byte)(bytes[0] + 1), .. bytes[1..]], MadeTraffic.Pair).ShouldBeNull();
        RoutingSums.Read([bytes[0], (byte)(bytes[1] + 1), .. bytes[2..]], MadeTraffic.Pair).ShouldBeNull();
        RoutingSums.Read([], MadeTraffic.Pair).ShouldBeNull();
    }

    [Fact]
    public void What_fades_weighs_less_and_says_the_same()
    {
        var sums = MadeTraffic.Learned(new Random(4), 400, 2);
        var (name, before) = (sums.Classes.Keys.First(), sums.Classes.Values.First().All);
        sums.Fade(0.5);
        var after = sums.Classes[name].All;
        (after.Count, after.Gap).ShouldBe((before.Count / 2, before.Gap));
        sums.Ridge.Count.ShouldBe(200);
        Should.Throw<ArgumentOutOfRangeException>(() => sums.Fade(0));
        Should.Throw<ArgumentOutOfRangeException>(() => sums.Fade(1.1));
    }

    [Fact]
    public void A_class_that_is_forgotten_goes_back_to_the_strong_model()
    {
        var sums = MadeTraffic.Learned(new Random(5), 600, 2, gap: 0);
        var name = sums.Classes.Keys.First();
        var features = new double[PromptFeatures.Count];
        var costs = new RouteCosts(new NanoUsd(2), new NanoUsd(1));
        QualityRouter.Decide(RoutingPolicy.Of(sums, new QualityTarget(0.95)), name, features, costs, 1).ToCandidate.ShouldBeTrue();
        sums.Forget(name);
        QualityRouter.Decide(RoutingPolicy.Of(sums, new QualityTarget(0.95)), name, features, costs, 1).Reason.ShouldBe(RouteReason.BelowBound);
    }

    [Theory]
    [InlineData(-0.1, 0)]
    [InlineData(0, 1.1)]
    [InlineData(double.NaN, 0)]
    public void Scores_lie_between_0_and_1(double strong, double candidate) => Should.Throw<ArgumentOutOfRangeException>(
        () => new RoutingSums(MadeTraffic.Pair).Learn(new RoutingLabel(new TrafficClass(1), new double[PromptFeatures.Count], strong, candidate, NanoUsd.Zero, NanoUsd.Zero), null));
}
