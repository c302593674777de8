namespace Tokonomics.Domain.Routing;

/// <summary>What comes for free and says little: it may be nobody's fault.</summary>
public enum WeakSignal
{
    /// <summary>The answer failed its check (<see cref="CheckAfter"/>).</summary>
    SchemaFailure,

    /// <summary>The tool that it called reported an error in the next turn.</summary>
    ToolError,

    /// <summary>Empty, or a refusal.</summary>
    Refusal,

    /// <summary>Cut off at the most tokens.</summary>
    CutShort,

    /// <summary>The same beginning was sent again within minutes.</summary>
    Regenerated,

    /// <summary>Somebody said that it was bad.</summary>
    ThumbsDown,
}

/// <summary>How often weak signals came, by model, in one class. They never promote and never mix with labels: all they can do is send a class back to the strong model.</summary>
public sealed class WeakSignals
{
    private const int Kinds = (int)WeakSignal.ThumbsDown + 1;
    private const int LeastCalls = 50;
    private const int LeastSignals = 5;

    // It is looked at again and again: at two deviations chance alone would demote before long.
    private const double Deviations = 3;

    // So often something is always wrong, however good the strong model is.
    private const double Floor = 0.01;

    private readonly long[] _calls = new long[2];
    private readonly long[,] _signals = new long[2, Kinds];

    /// <summary>What the end of an answer says of it, in whichever dialect.</summary>
    /// <param name="reason">As its provider says it; null where it says nothing.</param>
    /// <param name="outputTokens">Null where nobody counted them.</param>
    /// <returns>Null where nothing speaks against it.</returns>
    public static WeakSignal? OfEnd(string? reason, long? outputTokens) => reason switch
    {
        "length" or "max_tokens" or "model_length" or "model_context_window_exceeded" or "MAX_TOKENS" or "max_output_tokens" => WeakSignal.CutShort,
        "content_filter" or "refusal" or "SAFETY" or "PROHIBITED_CONTENT" or "RECITATION" or "BLOCKLIST" or "SPII" or "LANGUAGE" => WeakSignal.Refusal,
        _ => outputTokens == 0 ? WeakSignal.Refusal : null,
    };

    public long Calls(bool candidate) => _calls[candidate ? 1 : 0];

    public long Signals(bool candidate, WeakSignal signal) => _signals[candidate ? 1 : 0, (int)signal];

    public void AddCalls(bool candidate, long calls) => _calls[candidate ? 1 : 0] += calls;

    public void Add(bool candidate, WeakSignal signal, long times = 1) => _signals[candidate ? 1 : 0, (int)signal] += times;

    public void Add(WeakSignals other)
    {
        for (var model = 0; model < 2; model++)
        {
            _calls[model] += other._calls[model];
            for (var kind = 0; kind < Kinds; kind++)
                _signals[model, kind] += other._signals[model, kind];
        }
    }

    /// <summary>
    /// The signal that the candidate has clearly more often than the strong model has, or than one in a hundred where that is more: three deviations, one-sided. Null where there is none, or
    /// fewer than 50 calls of the candidate's. The strong model's calls are the holdout's: without any, its rate counts as the floor.
    /// </summary>
    public WeakSignal? Demotes()
    {
        var calls = _calls[1];
        if (calls < LeastCalls)
            return null;
        for (var kind = 0; kind < Kinds; kind++)
        {
            if (_signals[1, kind] < LeastSignals)
                continue;
            var (rate, strong) = ((double)_signals[1, kind] / calls, _calls[0] > 0 ? (double)_signals[0, kind] / _calls[0] : 0);
            var usual = Math.Max(Floor, strong);
            var pooled = strong > Floor ? (double)(_signals[1, kind] + _signals[0, kind]) / (calls + _calls[0]) : usual;
            var variance = pooled * (1 - pooled) * ((1d / calls) + (strong > Floor ? 1d / _calls[0] : 0));
            if (rate - usual > Deviations * Math.Sqrt(variance))
                return (WeakSignal)kind;
        }

        return null;
    }
}
