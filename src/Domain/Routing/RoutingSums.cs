using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Routing;

/// <summary>One request that both models answered and somebody judged.</summary>
/// <param name="Features">As <see cref="PromptFeatures.Read"/> counts them.</param>
/// <param name="Strong">Its score, 0 to 1.</param>
/// <param name="Candidate">Its score, 0 to 1.</param>
/// <param name="StrongCost">What the strong's answer cost.</param>
/// <param name="CandidateCost">What the candidate's did.</param>
public readonly record struct RoutingLabel(TrafficClass Class, ReadOnlyMemory<double> Features, double Strong, double Candidate, NanoUsd StrongCost, NanoUsd CandidateCost);

/// <summary>Of one traffic class: what its labels add up to, by fold, and by fold and rank.</summary>
public sealed class ClassSums
{
    private readonly PairedSums[] _folds = new PairedSums[RoutingSums.Folds];
    private readonly PairedSums[] _cells = new PairedSums[RoutingSums.Folds * RoutingSums.Ranks];
    private readonly double[] _features = new double[PromptFeatures.Count];
    private readonly double[] _withGap = new double[PromptFeatures.Count];

    // What the candidate would have saved in each cell, in dollars, and its squares: statistics, not accounts.
    private readonly double[] _saved = new double[RoutingSums.Folds * RoutingSums.Ranks];
    private readonly double[] _savedSquares = new double[RoutingSums.Folds * RoutingSums.Ranks];

    /// <summary>What all of them cost on the strong model.</summary>
    public NanoUsd StrongCost { get; private set; }

    public NanoUsd CandidateCost { get; private set; }

    /// <summary>All labels of the class.</summary>
    public PairedSums All
    {
        get
        {
            var all = default(PairedSums);
            foreach (var fold in _folds)
                all.Add(fold);
            return all;
        }
    }

    internal PairedSums Fold(int fold) => _folds[fold];

    internal PairedSums Cell(int fold, int rank) => _cells[(fold * RoutingSums.Ranks) + rank];

    internal (double Usd, double Squares) Saved(int fold, int rank) => (_saved[(fold * RoutingSums.Ranks) + rank], _savedSquares[(fold * RoutingSums.Ranks) + rank]);

    internal double Feature(int feature) => _features[feature];

    /// <summary>The sum of a feature times the gap.</summary>
    internal double WithGap(int feature) => _withGap[feature];

    internal void Add(in RoutingLabel label, int fold, int? rank)
    {
        _folds[fold].Add(label.Strong, label.Candidate);
        if (rank is { } known)
        {
            var (cell, saved) = ((fold * RoutingSums.Ranks) + known, (double)(label.StrongCost - label.CandidateCost).Usd);
            _cells[cell].Add(label.Strong, label.Candidate);
            _saved[cell] += saved;
            _savedSquares[cell] += saved * saved;
        }

        var features = label.Features.Span;
        var gap = label.Strong - label.Candidate;
        for (var i = 0; i < _features.Length; i++)
        {
            _features[i] += features[i];
            _withGap[i] += features[i] * gap;
        }

        StrongCost += label.StrongCost;
        CandidateCost += label.CandidateCost;
    }

    internal void Add(ClassSums other)
    {
        for (var i = 0; i < _folds.Length; i++)
            _folds[i].Add(other._folds[i]);
        for (var i = 0; i < _cells.Length; i++)
        {
            _cells[i].Add(other._cells[i]);
            _saved[i] += other._saved[i];
            _savedSquares[i] += other._savedSquares[i];
        }

        for (var i = 0; i < _features.Length; i++)
        {
            _features[i] += other._features[i];
            _withGap[i] += other._withGap[i];
        }

        StrongCost += other.StrongCost;
        CandidateCost += other.CandidateCost;
    }

    internal void Fade(double keep)
    {
        for (var i = 0; i < _folds.Length; i++)
            _folds[i].Fade(keep);
        for (var i = 0; i < _cells.Length; i++)
        {
            _cells[i].Fade(keep);
            _saved[i] *= keep;
            _savedSquares[i] *= keep;
        }

        for (var i = 0; i < _features.Length; i++)
        {
            _features[i] *= keep;
            _withGap[i] *= keep;
        }

        StrongCost = new NanoUsd((long)(StrongCost.Value * keep));
        CandidateCost = new NanoUsd((long)(CandidateCost.Value * keep));
    }

    internal void Write(BinaryWriter to)
    {
        foreach (var fold in _folds)
            fold.Write(to);
        var used = _cells.Count(c => c.Count > 0);
        to.Write((byte)used);
        for (var i = 0; i < _cells.Length; i++)
            if (_cells[i].Count > 0)
            {
                to.Write((byte)i);
                _cells[i].Write(to);
                to.Write(_saved[i]);
                to.Write(_savedSquares[i]);
            }

        foreach (var feature in _features)
            to.Write(feature);
        foreach (var product in _withGap)
            to.Write(product);
        to.Write(StrongCost.Value);
        to.Write(CandidateCost.Value);
    }

    internal static ClassSums Read(BinaryReader from)
    {
        var sums = new ClassSums();
        for (var i = 0; i < sums._folds.Length; i++)
            sums._folds[i] = PairedSums.Read(from);
        for (var used = from.ReadByte(); used > 0; used--)
        {
            var cell = from.ReadByte();
            sums._cells[cell] = PairedSums.Read(from);
            (sums._saved[cell], sums._savedSquares[cell]) = (from.ReadDouble(), from.ReadDouble());
        }

        for (var i = 0; i < sums._features.Length; i++)
            sums._features[i] = from.ReadDouble();
        for (var i = 0; i < sums._withGap.Length; i++)
            sums._withGap[i] = from.ReadDouble();
        sums.StrongCost = new NanoUsd(from.ReadInt64());
        sums.CandidateCost = new NanoUsd(from.ReadInt64());
        return sums;
    }
}

/// <summary>
/// All that is kept of what was learned about a candidate beside a strong model: sums. No text, no row of a request, nothing that a prompt could be had back from. They add up over nodes, fade
/// by a factor, and begin anew with another fingerprint.
/// </summary>
/// <remarks>
/// A bound must be tested on labels that didn't make what is tested, and sums can't be gone through again. So each label, as it comes, is put in one of <see cref="Folds"/> by its number, and its rank
/// is taken at once, with the ridge that the labels before it made: into which sixteenth of its class it falls. What is kept is the sum of scores by class, fold and rank. Class means of
/// all folds but one then order the cells whose sums that one fold has, exactly as if the rows were there; ranks were never learned from the label they sort. What is lost against rows: early
/// labels were ranked by a poorer ridge than today's, which makes the test too strict, not too lax.
/// </remarks>
public sealed class RoutingSums(PairFingerprint fingerprint)
{
    public const int Folds = 5;

    /// <summary>Parts of a class, from the prompts that need the strong model least to those that need it most, each with as many.</summary>
    public const int Ranks = 16;

    // Below it a ridge knows nothing, and ranks by chance.
    private const int LeastToRank = 20;

    private const byte Format = 2;

    private readonly SortedDictionary<TrafficClass, ClassSums> _classes = [];

    /// <summary>Of what pair these are.</summary>
    public PairFingerprint Fingerprint { get; } = fingerprint;

    public RidgeSums Ridge { get; private set; } = new();

    public IReadOnlyDictionary<TrafficClass, ClassSums> Classes => _classes;

    /// <summary>All labels of all classes.</summary>
    public PairedSums All
    {
        get
        {
            var all = default(PairedSums);
            foreach (var sums in _classes.Values)
                all.Add(sums.All);
            return all;
        }
    }

    /// <summary>How many labels have come, faded ones too.</summary>
    public long Labels { get; private set; }

    /// <param name="current">A model made from these sums, or from those of a little while ago; it ranks the label before the label teaches anything. Null: none was made yet.</param>
    /// <exception cref="ArgumentOutOfRangeException">A score is not between 0 and 1.</exception>
    public void Learn(in RoutingLabel label, RoutingModel? current)
    {
        if (label.Strong is not (>= 0 and <= 1) || label.Candidate is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(label), $"Scores are 0 to 1, not {label.Strong} and {label.Candidate}.");
        int? rank = current is { Labels: >= LeastToRank } ? current.Rank(label.Class, label.Features.Span) : null;
        if (!_classes.TryGetValue(label.Class, out var sums))
            _classes.Add(label.Class, sums = new ClassSums());
        sums.Add(label, (int)(Labels % Folds), rank);
        Ridge.Add(label.Features.Span, label.Strong - label.Candidate);
        Labels++;
    }

    /// <summary>Adds what another node has learned.</summary>
    /// <exception cref="ArgumentException">It is about another pair.</exception>
    public void Add(RoutingSums other)
    {
        if (other.Fingerprint != Fingerprint)
            throw new ArgumentException($"Sums of {other.Fingerprint.Key:x16} don't add to those of {Fingerprint.Key:x16}: a model or a price is another.", nameof(other));
        Ridge.Add(other.Ridge);
        foreach (var (name, sums) in other._classes)
        {
            if (!_classes.TryGetValue(name, out var own))
                _classes.Add(name, own = new ClassSums());
            own.Add(sums);
        }

        Labels += other.Labels;
    }

    /// <summary>Lets what was learned weigh less: with 0.9 each month, labels of half a year ago count half.</summary>
    /// <param name="keep">Above 0, up to 1.</param>
    public void Fade(double keep)
    {
        if (keep is not (> 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(keep), keep, "What is kept is above 0 and up to 1.");
        Ridge.Fade(keep);
        foreach (var sums in _classes.Values)
            sums.Fade(keep);
    }

    /// <summary>Forgets a class: it goes back to the strong model until it is proven anew.</summary>
    /// <remarks>The ridge keeps what all classes have in common.</remarks>
    public void Forget(TrafficClass name) => _classes.Remove(name);

    /// <summary>About 7 kB and, for each class, 0.9 kB and 65 bytes for each rank and fold that has a label (80 at most).</summary>
    public byte[] ToBytes()
    {
        using var bytes = new MemoryStream();
        using (var to = new BinaryWriter(bytes))
        {
            to.Write(Format);
            to.Write(PromptFeatures.Version);
            to.Write(Fingerprint.Key);
            to.Write(Labels);
            Ridge.Write(to);
            to.Write(_classes.Count);
            foreach (var (name, sums) in _classes)
            {
                to.Write(name.Key);
                sums.Write(to);
            }
        }

        return bytes.ToArray();
    }

    /// <returns>Null where it was written by another version of the format or the features, or is about another pair: learning begins anew.</returns>
    public static RoutingSums? Read(byte[] bytes, PairFingerprint fingerprint)
    {
        if (bytes.Length < 2 || bytes[0] != Format || bytes[1] != PromptFeatures.Version)
            return null;
        using var from = new BinaryReader(new MemoryStream(bytes, 2, bytes.Length - 2));
        var sums = new RoutingSums(new PairFingerprint(from.ReadUInt64())) { Labels = from.ReadInt64(), Ridge = RidgeSums.Read(from) };
        for (var count = from.ReadInt32(); count > 0; count--)
            sums._classes.Add(new TrafficClass(from.ReadUInt64()), ClassSums.Read(from));
        return sums.Fingerprint == fingerprint ? sums : null;
    }
}
