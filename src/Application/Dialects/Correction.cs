namespace Tokonomics.Application.Dialects;

/// <summary>What has passed of an answer, as tokens by its bytes.</summary>
/// <param name="Answer">Text, and calls of tools.</param>
/// <param name="Thought">Thinking in the open, which may be a summary.</param>
public readonly record struct PassedTokens(long Answer, long Thought)
{
    public long Total => Answer + Thought;
}

/// <summary>How text becomes tokens: a rule of thumb for one dialect.</summary>
/// <param name="TenthsOfBytesPerToken">40 for four bytes: the usual rule for English; other scripts cost more tokens, but have more bytes too.</param>
/// <param name="PerCall">Tokens around one call of a tool: its name, the form that calls have.</param>
internal readonly record struct TokenRate(int TenthsOfBytesPerToken, int PerCall)
{
    /// <summary>Recorded calls of OpenAI's dialects: 10 to 12 tokens a call beside its arguments.</summary>
    public static TokenRate Usual { get; } = new(40, 10);

    /// <summary>Recorded streams of Claude: 3.2 bytes a token, 30 tokens a call.</summary>
    public static TokenRate Claude { get; } = new(32, 30);

    public long Tokens(long bytes) => bytes <= 0 ? 0 : (((bytes * 10) - 1) / TenthsOfBytesPerToken) + 1;
}

/// <summary>
/// What the answers of late have taught of a key's use of a model: how far the tokens that its provider reported were from those that bytes suggested. For answers that end
/// without their usage.
/// </summary>
/// <param name="InputRatio">Reported input by estimated.</param>
/// <param name="CachedShare">Of the input, what was read from the provider's cache; 0 to 1.</param>
/// <param name="AnswerRatio">Reported output, thinking left out, by estimated.</param>
/// <param name="ThoughtRatio">Reported thinking by estimated, where some of it is shown.</param>
/// <param name="Hidden">Tokens of thinking that nothing is shown of, by answer.</param>
public readonly record struct Correction(decimal InputRatio, decimal CachedShare, decimal AnswerRatio, decimal ThoughtRatio, decimal Hidden)
{
    public static Correction None { get; } = new(1, 0, 1, 1, 0);

    public (long Input, long? CacheRead) Input(long estimated)
    {
        var input = Whole(estimated * InputRatio);
        return (input, CachedShare > 0 ? Whole(input * CachedShare) : null);
    }

    public long Answer(long passed) => Whole(passed * AnswerRatio);

    /// <param name="passed">By its bytes.</param>
    /// <param name="whole">The answer came to its end.</param>
    public long Output(PassedTokens passed, bool whole)
    {
        // Who thinks out of sight has done so when it begins to answer. Before that nobody sees how far it is: in the mean, half.
        var hidden = passed.Thought > 0 ? 0 : passed.Answer > 0 || whole ? Hidden : Hidden / 2;
        return Whole((passed.Answer * AnswerRatio) + (passed.Thought * ThoughtRatio) + hidden);
    }

    private static long Whole(decimal tokens) => (long)Math.Round(Math.Min(tokens, UsageWalker.MaxCount), MidpointRounding.ToEven);
}
