using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Domain.Budgets;

/// <summary>
/// The most that one call can cost, in whole nano-dollars, rounded up: what a hard budget sets aside before the request leaves. Pure, and
/// exact: the cost of whatever the call turns out to use, priced by the same card, is never above it.
/// </summary>
/// <remarks>
/// The output limit is the one thing that can be lowered afterwards, so the bound is kept as a line: what is spent whatever the limit, and
/// what each token of the limit adds. <see cref="LimitFor"/> walks the line backwards.
/// </remarks>
public readonly record struct UpperBound
{
    /// <summary>Below this an answer is of no use to anybody; the request is refused instead.</summary>
    public const long LeastLimit = 64;

    /// <summary>A limit that every model on sale takes; providers refuse one above their model's own, and where no sheet tells that, this is set at most.</summary>
    public const long LimitThatAllTake = 4096;

    /// <summary>
    /// The longest window that is sold at a higher rate than the window that a sheet states. Claude Sonnet 4.5's is 200,000 tokens, and a
    /// million with a beta header and the rates above 200,000 (until 2026-04-30, says 24-ai.news; looked up 2026-11-22, and kept as the safe side).
    /// </summary>
    private const long LongestTieredWindow = 1_048_576;

    // Rates of tokens are by the million.
    private const decimal Millionth = 0.000001m;

    private readonly decimal _usdWhateverTheLimit;
    private readonly decimal _usdPerTokenOfLimit;

    private UpperBound(NoBound why) => Why = why;

    private UpperBound(decimal fixedUsd, decimal usdPerToken, long limit, long mostLimit, long input, long output, NanoUsd? most)
    {
        (_usdWhateverTheLimit, _usdPerTokenOfLimit) = (fixedUsd, usdPerToken);
        (Limit, MostLimit, InputTokens, OutputTokens, Most) = (limit, mostLimit, input, output, most);
    }

    /// <summary>
    /// Null where there is no bound; <see cref="Why"/> says why not. Where only the output is unbounded, <see cref="LimitFor"/> still tells a
    /// limit that gives it one.
    /// </summary>
    public NanoUsd? Most { get; }

    public NoBound Why { get; private init; }

    /// <summary>The output limit that <see cref="Most"/> reckons with, tokens for each choice: the request's, else the model's. 0 where nothing comes out.</summary>
    public long Limit { get; }

    /// <summary>
    /// The highest limit that may be set: the lower one of the request's and the model's, <see cref="LimitThatAllTake"/> where neither is
    /// known. 0 where a limit would not hold.
    /// </summary>
    public long MostLimit { get; }

    /// <summary>Input tokens, at most.</summary>
    public long InputTokens { get; }

    /// <summary>Output tokens of all choices, at most.</summary>
    public long OutputTokens { get; }

    /// <summary>The word for <see cref="Why"/> in refusals: <c>unpriceable_input</c>.</summary>
    public static string Code(NoBound why) => why switch
    {
        NoBound.Unpriced => "unpriced",
        NoBound.Input or NoBound.Pieces => "unpriceable_input",
        NoBound.Output => "unbounded_output",
        NoBound.ServerTools => "unbounded_server_tools",
        NoBound.OtherModels => "unbounded_other_models",
        NoBound.StoredRequest => "unbounded_stored_request",
        NoBound.Compaction => "unbounded_compaction",
        NoBound.Background => "unbounded_deferred",
        NoBound.ManyRuns => "unbounded_runs",
        _ => "",
    };

    /// <param name="model">The model that is asked for, by the book that the call is priced with; null where no sheet has it.</param>
    /// <param name="at">The instant of admission, by which the call is priced.</param>
    /// <param name="use">The most that the call can use.</param>
    public static UpperBound Of(ModelPrices? model, DateTimeOffset at, in MostUse use)
    {
        if (model?.At(at) is not { } card)
            return new UpperBound(NoBound.Unpriced);
        if (card.Free)
            return new UpperBound(0, 0, use.OutputLimit ?? 0, 0, 0, 0, NanoUsd.Zero);
        if (use.Unbounded != NoBound.None)
            return new UpperBound(use.Unbounded);
        try
        {
            return Of(model, card, use);
        }
        catch (OverflowException)
        {
            // A limit or a count near 2^63: more than money is kept in.
            return new UpperBound(NoBound.Output);
        }
    }

    private static UpperBound Of(ModelPrices model, RateCard card, in MostUse use)
    {
        // 1. Input tokens.
        var window = WindowOf(model, card);
        if ((use.InputTokens is null || use.Runs > 1) && window is null && PricesTokens(card))
            return new UpperBound(NoBound.Input);
        var known = use.InputTokens is not null && use.Runs == 1;
        var text = checked((use.InputTokens ?? window ?? 0) + ((use.Runs - 1) * (window ?? 0)));
        var input = checked(text + use.ImageTokens);

        // A model that bills citations searches by itself, as often and as far as it likes (Perplexity's deep research).
        if (card.Rates[UsageUnit.Citation] is not null)
            return new UpperBound(NoBound.ServerTools);

        var rates = new UpperBoundRates(card, use, input);
        var dearest = DearestRates.Of(card, use, input, known);

        // 2. Pieces: by them where the model is priced so.
        var fixedUsd = 0m;
        var pieces = false;
        for (var unit = UsageUnit.WebSearch; unit <= UsageUnit.Request; unit++)
        {
            var count = use.Pieces.Count(unit);
            if (count == 0 || rates.Of(unit) is not { } rate)
                continue;
            if (count == long.MaxValue)
                return new UpperBound(NoBound.Pieces);
            fixedUsd += count * rate / RateSet.Per(unit);
            pieces = true;
        }

        if (dearest.Text is { } inputUsd)
            fixedUsd += ((text * inputUsd) + (use.ImageTokens * dearest.Image!.Value)) * Millionth;
        else if (!pieces)
            return new UpperBound(NoBound.Unpriced);

        // 3. Fees.
        if (Fees(card, rates, use, ref fixedUsd) is var why and not NoBound.None)
            return new UpperBound(why);

        // 4. Output tokens, at the dearest of all that the model can put out.
        var outputRate = use.NoOutput ? null : dearest.Output;
        if (use.NoOutput || (outputRate is null && pieces))
            return new UpperBound(fixedUsd, 0, 0, 0, input, 0, NanoUsd.Ceiling(fixedUsd));
        if (outputRate is null)
            return new UpperBound(NoBound.Unpriced);
        if (use.ReasonsBeyondLimit && model.MaxOutput is null)
            return new UpperBound(NoBound.Output);
        // A limit that is put on a call which had none may be counted for each run as well.
        var runs = use.LimitIsPerRun || use.OutputLimit is null ? use.Runs : 1;
        var choices = Math.Max(1, use.Choices);
        var besides = checked(choices * use.OutputBesides) + (use.ReasonsBeyondLimit ? checked(choices * use.Runs * model.MaxOutput!.Value) : 0);
        var usdPerToken = outputRate.Value * Millionth;
        fixedUsd += besides * usdPerToken;
        var perTokenOfLimit = choices * runs * usdPerToken;
        if ((use.OutputLimit ?? model.MaxOutput) is not { } limit)
            return new UpperBound(fixedUsd, perTokenOfLimit, 0, LimitThatAllTake, input, 0, null) { Why = NoBound.Output };
        var mostLimit = Math.Min(limit, model.MaxOutput ?? long.MaxValue);
        var most = NanoUsd.Ceiling(fixedUsd + (limit * perTokenOfLimit));
        return new UpperBound(fixedUsd, perTokenOfLimit, limit, mostLimit, input, checked((limit * choices * runs) + besides), most);
    }

    /// <summary>
    /// The largest output limit, for each choice, that <paramref name="left"/> pays for: the bound of the same call with this limit is at
    /// most <paramref name="left"/>, and with one token more it is not. Never above <see cref="MostLimit"/>.
    /// </summary>
    /// <param name="left">What may be set aside.</param>
    /// <param name="least">The lowest limit that is of use (Anthropic: one more than the least thinking budget).</param>
    /// <returns>Null where not even <paramref name="least"/> tokens can be paid for, or no limit would hold.</returns>
    public long? LimitFor(NanoUsd left, long least = LeastLimit)
    {
        if (MostLimit < least)
            return null;
        var room = left.Usd - _usdWhateverTheLimit;
        if (room < least * _usdPerTokenOfLimit)
            return null;
        if (room >= MostLimit * _usdPerTokenOfLimit)
            return MostLimit;
        var limit = (long)decimal.Floor(room / _usdPerTokenOfLimit);
        // The quotient is rounded in its last digit, the products aren't.
        while (limit * _usdPerTokenOfLimit > room)
            limit--;
        while ((limit + 1) * _usdPerTokenOfLimit <= room)
            limit++;
        return Math.Min(limit, MostLimit);
    }

    /// <summary>The bound of the same call with a lower limit.</summary>
    public NanoUsd MostWith(long limit) => NanoUsd.Ceiling(_usdWhateverTheLimit + (limit * _usdPerTokenOfLimit));

    private static NoBound Fees(RateCard card, in UpperBoundRates rates, in MostUse use, ref decimal usd)
    {
        // Of searches and grounded prompts a sheet charges one, see Rating.
        var (searches, grounded) = (use.Fees.Count(UsageUnit.WebSearch), use.Fees.Count(UsageUnit.GroundedPrompt));
        var bySearch = searches > 0 && (grounded == 0 || Rating.Lists(card, UsageUnit.WebSearch));
        for (var unit = UsageUnit.WebSearch; unit <= UsageUnit.Page; unit++)
        {
            var count = use.Fees.Count(unit);
            if (count == 0 || (unit == UsageUnit.WebSearch && !bySearch) || (unit == UsageUnit.GroundedPrompt && bySearch))
                continue;
            if (rates.Of(unit) is not { } rate)
                return NoBound.Unpriced;
            if (rate == 0)
                continue;
            if (count == long.MaxValue)
                return NoBound.ServerTools;
            usd += count * rate / RateSet.Per(unit);
        }

        if (Rating.Lists(card, UsageUnit.Request))
            usd += (rates.Of(UsageUnit.Request) ?? 0) / RateSet.Per(UsageUnit.Request);
        return NoBound.None;
    }

    private static bool PricesTokens(RateCard card) => Rating.Lists(card, UsageUnit.Input) || Rating.Lists(card, UsageUnit.InputAudio);

    /// <summary>The longest input; where the sheet prices inputs that are longer than it says they can be, the longest that is sold.</summary>
    private static long? WindowOf(ModelPrices model, RateCard card)
    {
        var window = model.MaxInput;
        for (var i = 0; i < card.Tiers.Count && window is not null; i++)
            if (card.Tiers[i].Above >= window)
                window = Math.Max(LongestTieredWindow, window.Value);
        return window;
    }
}
