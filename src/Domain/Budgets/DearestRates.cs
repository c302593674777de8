using System.Runtime.CompilerServices;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Domain.Budgets;

/// <summary>
/// The dearest rates of one card's tokens for calls of one kind, USD by the million. They are the same for all calls that say the same hints, leave the same open and
/// reach the same tiers, and most calls of a model do: worked out once, and kept with the card for as long as it lives.
/// </summary>
internal sealed class DearestRates
{
    // Hints are the caller's words: who says ever new ones has them worked out each time.
    private const int MostKinds = 16;

    private static readonly ConditionalWeakTable<RateCard, Kinds> Known = [];

    private readonly string _hints;
    private readonly PriceHints _settled;
    private readonly int _reached;
    private readonly bool _inputKnown;
    private readonly bool _cachesFor1h;

    private DearestRates(RateCard card, in MostUse use, long input, bool inputKnown, int reached)
    {
        (_hints, _settled, _reached, _inputKnown, _cachesFor1h) = (use.Hints, use.Settled, reached, inputKnown, use.WritesCacheFor1h);
        var rates = new UpperBoundRates(card, use, input);
        var text = rates.OfAny(UsageUnit.Input, UsageUnit.CacheRead, UsageUnit.CacheWrite);
        if (use.WritesCacheFor1h)
            text = Dearer(text, rates.Of(UsageUnit.CacheWrite1h));
        Image = Dearer(text, rates.OfAny(UsageUnit.InputImage, UsageUnit.CacheReadImage));
        Text = inputKnown ? text : Dearer(Image, rates.OfAny(UsageUnit.InputAudio, UsageUnit.InputVideo, UsageUnit.CacheReadAudio));
        Output = rates.OfAny(UsageUnit.Output, UsageUnit.Reasoning, UsageUnit.OutputAudio, UsageUnit.OutputImage, UsageUnit.OutputVideo);
    }

    /// <summary>Of input that is not pictures; of any input, where what it is isn't known. Null where nothing prices it.</summary>
    public decimal? Text { get; }

    public decimal? Image { get; }

    public decimal? Output { get; }

    /// <param name="input">Tokens at most.</param>
    /// <param name="inputKnown">The input is text and pictures of the request, and nothing else.</param>
    public static DearestRates Of(RateCard card, in MostUse use, long input, bool inputKnown)
    {
        var reached = Reached(card.Tiers, input);
        for (var i = 0; i < card.Variants.Count; i++)
            reached += Reached(card.Variants[i].Tiers, input);
        var kinds = Known.GetOrCreateValue(card);
        var known = kinds.Of;
        foreach (var kind in known)
            if (kind._reached == reached && kind._inputKnown == inputKnown && kind._settled == use.Settled && kind._cachesFor1h == use.WritesCacheFor1h && kind._hints == use.Hints)
                return kind;
        var made = new DearestRates(card, use, input, inputKnown, reached);
        if (known.Length < MostKinds)
            kinds.Of = [.. known, made]; // of two at once one is lost, and made again
        return made;
    }

    private sealed class Kinds
    {
        private volatile DearestRates[] _of = [];

        public DearestRates[] Of
        {
            get => _of;
            set => _of = value;
        }
    }

    // A longer input reaches what a shorter one does, so that their number tells which.
    private static int Reached(IReadOnlyList<ContextTier> tiers, long input)
    {
        var reached = 0;
        for (var i = 0; i < tiers.Count; i++)
            if (input > tiers[i].Above)
                reached++;
        return reached;
    }

    private static decimal? Dearer(decimal? a, decimal? b) => a is null || b > a ? b : a;
}
