namespace Tokonomics.Domain.Routing;

/// <summary>
/// What a ridge regression of the gap (strong − candidate) on a prompt's features needs: the 39 × 39 matrix of products of the features and a constant, and their products with the gap. About
/// 6 kB; of each label a sum of 39 × 39 numbers stays, which no prompt can be had back from.
/// </summary>
public sealed class RidgeSums
{
    /// <summary>The constant and the features.</summary>
    public const int Size = PromptFeatures.Count + 1;

    private readonly double[] _products = new double[Size * (Size + 1) / 2];
    private readonly double[] _withGap = new double[Size];

    /// <summary>How many labels.</summary>
    public double Count => _products[0];

    public void Add(ReadOnlySpan<double> features, double gap)
    {
        Span<double> x = stackalloc double[Size];
        x[0] = 1;
        features[..PromptFeatures.Count].CopyTo(x[1..]);
        for (int i = 0, at = 0; i < Size; i++)
        {
            _withGap[i] += x[i] * gap;
            for (var j = 0; j <= i; j++)
                _products[at++] += x[i] * x[j];
        }
    }

    public void Add(RidgeSums other)
    {
        for (var i = 0; i < _products.Length; i++)
            _products[i] += other._products[i];
        for (var i = 0; i < Size; i++)
            _withGap[i] += other._withGap[i];
    }

    public void Fade(double keep)
    {
        for (var i = 0; i < _products.Length; i++)
            _products[i] *= keep;
        for (var i = 0; i < Size; i++)
            _withGap[i] *= keep;
    }

    /// <summary>The sum of a feature.</summary>
    internal double Sum(int feature) => Product(feature + 1, 0);

    /// <summary>The sum of two features' product.</summary>
    internal double Products(int feature, int other) => Product(feature + 1, other + 1);

    /// <summary>The sum of a feature times the gap.</summary>
    internal double WithGap(int feature) => _withGap[feature + 1];

    internal void Write(BinaryWriter to)
    {
        foreach (var value in _products)
            to.Write(value);
        foreach (var value in _withGap)
            to.Write(value);
    }

    internal static RidgeSums Read(BinaryReader from)
    {
        var sums = new RidgeSums();
        for (var i = 0; i < sums._products.Length; i++)
            sums._products[i] = from.ReadDouble();
        for (var i = 0; i < Size; i++)
            sums._withGap[i] = from.ReadDouble();
        return sums;
    }

    private double Product(int row, int column) => row >= column ? _products[(row * (row + 1) / 2) + column] : _products[(column * (column + 1) / 2) + row];
}
