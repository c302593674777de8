namespace Tokonomics.Domain.Routing;

/// <summary>
/// How much worse the candidate is in each class: its mean, shrunk to the mean of all, by as many labels as the classes' own spread says. Where classes are alike, what a class with fifty labels shows is mostly chance; where they
/// differ, as of easy and hard tasks, it isn't.
/// </summary>
internal static class ClassGaps
{
    // Before classes are seen they are taken to differ so that one's mean is shrunk by 16 labels, and this weighs as two of them.
    private const double FirstShrinkage = 16;
    private const double FirstClasses = 2;

    // A class's variance is shrunk to that of all by so many labels: ten that all agree don't prove that the next will.
    private const double VarianceShrinkage = 10;

    // Classes never count for more alike than this.
    private const double MostShrinkage = 400;

    public static Dictionary<TrafficClass, double> Of(IReadOnlyDictionary<TrafficClass, PairedSums> classes, double gap)
    {
        var (labels, squares, within) = (0d, 0d, 0d);
        foreach (var own in classes.Values)
        {
            labels += own.Count;
            squares += own.Count * own.Count;
            within += Within(own);
        }

        // 1. How much classes differ beyond what chance makes of equal ones.
        var common = (within / Math.Max(1, labels)) + 1e-4;
        double Variance(in PairedSums own) => (Within(own) + (VarianceShrinkage * common)) / (own.Count + VarianceShrinkage);
        var first = FirstClasses * labels / Math.Max(1, classes.Count);
        var between = first * common / FirstShrinkage;
        foreach (var own in classes.Values)
            between += (own.Count * (own.Gap - gap) * (own.Gap - gap)) - ((1 - (own.Count / Math.Max(1, labels))) * Variance(own));
        between = Math.Max(common / MostShrinkage, between / Math.Max(1, first + labels - (squares / Math.Max(1, labels))));

        // 2. Each class by that.
        var gaps = new Dictionary<TrafficClass, double>(classes.Count);
        foreach (var (name, own) in classes)
        {
            var shrinkage = Variance(own) / between;
            gaps.Add(name, ((own.Count * own.Gap) + (shrinkage * gap)) / (own.Count + shrinkage));
        }

        return gaps;
    }

    // Squares of the gap about its mean.
    private static double Within(in PairedSums own) => Math.Max(0, own.MarginSquares(1) - (own.Count * own.Gap * own.Gap));
}
