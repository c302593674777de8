using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

/// <summary>Made-up labels: classes that differ in how far the candidate falls behind, and prompts of which the long ones are harder for it.</summary>
internal static class MadeTraffic
{
    public static PairFingerprint Pair { get; } = PairFingerprint.Of("strong", "1", "candidate", "1");

    /// <param name="gap">How often the candidate fails where the strong one doesn't, in the mean class; a class has between none and twice of it.</param>
    public static IEnumerable<RoutingLabel> Labels(Random random, int count, int classes, double gap = 0.15)
    {
        for (var i = 0; i < count; i++)
        {
            var (name, hard) = (random.Next(classes), Chance.Normal(random));
            var features = new double[PromptFeatures.Count];
            for (var f = 0; f < features.Length; f++)
                features[f] = Chance.Normal(random) + name;
            features[0] = 5 + hard;
            var mean = classes == 1 ? gap : 2 * gap * name / (classes - 1);
            var strong = random.NextDouble() < 0.85 ? 1d : 0;
            var candidate = strong == 1 && random.NextDouble() < mean * Math.Clamp(1 + (0.8 * hard), 0, 2.5) ? 0 : strong;
            yield return new RoutingLabel(new TrafficClass((ulong)name + 1), features, strong, candidate, new NanoUsd(10_000_000), new NanoUsd(1_000_000));
        }
    }

    public static RoutingSums Learned(Random random, int count, int classes, double gap = 0.15)
    {
        var sums = new RoutingSums(Pair);
        RoutingModel? model = null;
        foreach (var label in Labels(random, count, classes, gap))
        {
            if (sums.Labels % 25 == 0)
                model = RoutingModel.Of(sums);
            sums.Learn(label, model);
        }

        return sums;
    }
}
