namespace Tokonomics.Domain.Routing;

/// <summary>
/// A ridge regression from sums alone, of features scaled to a deviation of 1 within their class: weights are expected to lie along what varies together between prompts (their prior covariance is that of the features), so that
/// few labels move what many features have in common, and hardly what single ones differ by.
/// </summary>
internal sealed class RidgeFit
{
    // In labels. Chosen on the train split of docs/routing/evaluation.md's data: 2,500 to 10,000 do as well.
    private const double Penalty = 5000;

    private const int Size = PromptFeatures.Count;

    private readonly double[] _scale = new double[Size];
    private readonly double[,] _together = new double[Size, Size];
    private readonly double[,] _squared = new double[Size, Size];

    /// <param name="products">Of the features within their classes: on and below the diagonal.</param>
    public RidgeFit(double[,] products, double labels)
    {
        for (var i = 0; i < Size; i++)
            _scale[i] = Math.Sqrt(Math.Max(0, products[i, i]) / Math.Max(1, labels)) + 1e-6;
        for (var i = 0; i < Size; i++)
            for (var j = 0; j <= i; j++)
                _together[i, j] = _together[j, i] = products[i, j] / (_scale[i] * _scale[j] * Math.Max(1, labels));
        for (var i = 0; i < Size; i++)
            for (var j = 0; j <= i; j++)
                for (var k = 0; k < Size; k++)
                    _squared[i, j] += _together[i, k] * _together[k, j];
    }

    /// <summary>Of the scaled features: C (n C² + penalty)⁻¹ b, where C is the features' covariance.</summary>
    /// <param name="withGap">Products of the features and the gap, both within their classes.</param>
    /// <param name="labels">How many these are of.</param>
    /// <param name="guess">What is added to the products before there is a label, in labels.</param>
    public double[] Weights(ReadOnlySpan<double> withGap, double labels, double guess)
    {
        var (a, b, weights) = (new double[Size, Size], new double[Size], new double[Size]);
        for (var i = 0; i < Size; i++)
        {
            b[i] = (withGap[i] / _scale[i]) + (guess * PromptFeatures.Difficulty(i));
            for (var j = 0; j <= i; j++)
                a[i, j] = labels * _squared[i, j];
            a[i, i] += Penalty;
        }

        Solve(a, b);
        for (var i = 0; i < Size; i++)
            for (var j = 0; j < Size; j++)
                weights[i] += _together[i, j] * b[j];
        return weights;
    }

    /// <summary>How much of what the weights say varies within a class.</summary>
    public double Variance(ReadOnlySpan<double> weights)
    {
        var sum = 0d;
        for (var i = 0; i < Size; i++)
            for (var j = 0; j < Size; j++)
                sum += weights[i] * weights[j] * _together[i, j];
        return Math.Max(0, sum);
    }

    /// <summary>Weights of the features as they are, for <paramref name="spread"/> to be 1.</summary>
    public void Unscale(Span<double> weights, double spread)
    {
        for (var i = 0; i < Size; i++)
            weights[i] = spread > 0 ? weights[i] / (_scale[i] * spread) : 0;
    }

    // Cholesky; the penalty on the diagonal makes every matrix of sums positive.
    private static void Solve(double[,] a, double[] b)
    {
        for (var j = 0; j < Size; j++)
        {
            for (var i = j; i < Size; i++)
            {
                var sum = a[i, j];
                for (var k = 0; k < j; k++)
                    sum -= a[i, k] * a[j, k];
                a[i, j] = i == j ? Math.Sqrt(sum) : sum / a[j, j];
            }
        }

        for (var i = 0; i < Size; i++)
        {
            for (var k = 0; k < i; k++)
                b[i] -= a[i, k] * b[k];
            b[i] /= a[i, i];
        }

        for (var i = Size - 1; i >= 0; i--)
        {
            for (var k = i + 1; k < Size; k++)
                b[i] -= a[k, i] * b[k];
            b[i] /= a[i, i];
        }
    }
}
