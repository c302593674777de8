using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class RoutingModelTests
{
    private static readonly TrafficClass One = new(1);
    private static readonly TrafficClass Other = new(2);

    [Fact]
    public void What_makes_a_prompt_hard_may_differ_from_class_to_class()
    {
        // The fourth feature makes prompts of one class harder for the candidate, and of the other easier: of both together it says nothing.
        var model = RoutingModel.Of(Taught(600, (name, random, features) => random.NextDouble() < 0.5 + (0.3 * (name == One ? features[3] : -features[3])) ? 1 : 0));
        var (low, high) = (Prompt(3, -1), Prompt(3, 1));
        (model.ExpectedGap(One, high) > model.ExpectedGap(One, low)).ShouldBeTrue();
        (model.ExpectedGap(Other, high) < model.ExpectedGap(Other, low)).ShouldBeTrue();
        // A class that nobody knows has the weights of all.
        Math.Abs(model.ExpectedGap(new TrafficClass(3), high) - model.ExpectedGap(new TrafficClass(3), low)).ShouldBeLessThan(model.ExpectedGap(One, high) - model.ExpectedGap(One, low));
    }

    [Fact]
    public void Where_labels_say_nothing_long_prompts_come_after_short_ones()
    {
        var model = RoutingModel.Of(Taught(40, (_, random, _) => random.Next(2)));
        model.ExpectedGap(One, Prompt(0, 3)).ShouldBeGreaterThan(model.ExpectedGap(One, Prompt(0, -3)));
    }

    [Fact]
    public void Means_of_classes_that_are_alike_are_shrunk_more_than_of_those_that_differ()
    {
        // 1. At 0.5 and 0.6 of 40 labels each, variance 0.247: equal classes differ as much by chance. Between: (0.2 - 0.247 + (80 x 0.247 / 16)) / 120 = 0.0099, so that 25 labels are added to 40: 0.1 x 40 / 65 = 0.062.
        Between(0.5, 0.6).ShouldBeInRange(0.055, 0.07);
        // 2. At 0.1 and 0.9, variance 0.09: (12.8 - 0.09 + (80 x 0.09 / 16)) / 120 = 0.11, not even one label is added: 0.8 x 40 / 40.8 = 0.784.
        Between(0.1, 0.9).ShouldBeInRange(0.775, 0.795);
    }

    private static double Between(double one, double other)
    {
        var sums = new RoutingSums(MadeTraffic.Pair);
        for (var i = 0; i < 40; i++)
            foreach (var (name, share) in new[] { (One, one), (Other, other) })
                sums.Learn(Label(name, new double[PromptFeatures.Count], i < 40 * share ? 1 : 0), null);
        var model = RoutingModel.Of(sums);
        return model.ExpectedGap(Other, new double[PromptFeatures.Count]) - model.ExpectedGap(One, new double[PromptFeatures.Count]);
    }

    private static double[] Prompt(int feature, double value)
    {
        var features = new double[PromptFeatures.Count];
        features[feature] = value;
        return features;
    }

    private static RoutingLabel Label(TrafficClass name, double[] features, double gap) => new(name, features, 1, 1 - gap, new NanoUsd(2), new NanoUsd(1));

    // The gap is one or nothing.
    private static RoutingSums Taught(int count, Func<TrafficClass, Random, double[], int> gap)
    {
        var (random, sums, features) = (new Random(7), new RoutingSums(MadeTraffic.Pair), new double[PromptFeatures.Count]);
        for (var i = 0; i < count; i++)
        {
            var name = i % 2 == 0 ? One : Other;
            for (var f = 0; f < features.Length; f++)
                features[f] = Chance.Normal(random);
            sums.Learn(Label(name, features, gap(name, random, features)), RoutingModel.Of(sums));
        }

        return sums;
    }
}
