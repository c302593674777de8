namespace Tokonomics.Domain.Routing;

/// <summary>
/// Of requests that both models answered: how many, and the sums of the strong's score, the candidate's, their squares and their product. One set serves every threshold: mean and variance of
/// candidate − threshold × strong follow from it.
/// </summary>
public struct PairedSums
{
    /// <summary>How many labels; a fraction once older ones have faded.</summary>
    public double Count { get; private set; }

    /// <summary>Of scores from 0 to 1.</summary>
    public double Strong { get; private set; }

    public double Candidate { get; private set; }

    public double StrongSquares { get; private set; }

    public double CandidateSquares { get; private set; }

    public double Products { get; private set; }

    /// <summary>How much worse the candidate is, on average; 0 where there is no label.</summary>
    public readonly double Gap => Count > 0 ? (Strong - Candidate) / Count : 0;

    public void Add(double strong, double candidate)
    {
        Count++;
        Strong += strong;
        Candidate += candidate;
        StrongSquares += strong * strong;
        CandidateSquares += candidate * candidate;
        Products += strong * candidate;
    }

    public void Add(in PairedSums other)
    {
        Count += other.Count;
        Strong += other.Strong;
        Candidate += other.Candidate;
        StrongSquares += other.StrongSquares;
        CandidateSquares += other.CandidateSquares;
        Products += other.Products;
    }

    public void Fade(double keep)
    {
        Count *= keep;
        Strong *= keep;
        Candidate *= keep;
        StrongSquares *= keep;
        CandidateSquares *= keep;
        Products *= keep;
    }

    /// <summary>The sum of candidate − threshold × strong.</summary>
    public readonly double Margin(double threshold) => Candidate - (threshold * Strong);

    /// <summary>The sum of its squares.</summary>
    public readonly double MarginSquares(double threshold) => CandidateSquares - (2 * threshold * Products) + (threshold * threshold * StrongSquares);

    internal readonly void Write(BinaryWriter to)
    {
        foreach (var value in (ReadOnlySpan<double>)[Count, Strong, Candidate, StrongSquares, CandidateSquares, Products])
            to.Write(value);
    }

    /// <summary>Sums that were kept one by one.</summary>
    public static PairedSums Of(double count, double strong, double candidate, double strongSquares, double candidateSquares, double products) => new()
    {
        Count = count,
        Strong = strong,
        Candidate = candidate,
        StrongSquares = strongSquares,
        CandidateSquares = candidateSquares,
        Products = products,
    };

    // Arguments are evaluated in their order.
    internal static PairedSums Read(BinaryReader from) => Of(from.ReadDouble(), from.ReadDouble(), from.ReadDouble(), from.ReadDouble(), from.ReadDouble(), from.ReadDouble());
}
