using System.Collections.Concurrent;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// Learns from each answer whose usage was reported how to estimate those whose wasn't, by key and model: a key's language, its prompts and the model's tokenizer
/// are what bytes don't tell. Only the ledger's estimates rest on it, never a cap. Kept in memory: after a start it begins with the rules of thumb.
/// </summary>
public sealed class Corrections
{
    private const int MaxSeries = 20_000;

    // The old ones count half, again and again.
    private const int Remembered = 512;

    // The rules of thumb count as much as so many answers.
    private const int Trust = 2;

    private const decimal Least = 0.25m;
    private const decimal Most = 8;

    private readonly ConcurrentDictionary<(string KeyId, string Provider, string Model), Series> _series = new();

    private struct Pair
    {
        public decimal Reported;
        public decimal Estimated;
        public int Count;

        public void Add(decimal reported, decimal estimated)
        {
            (Reported, Estimated) = (Reported + reported, Estimated + estimated);
            Count++;
        }

        public void Halve() => (Reported, Estimated, Count) = (Reported / 2, Estimated / 2, Count / 2);

        public readonly decimal Ratio
        {
            get
            {
                if (Count == 0 || Estimated <= 0)
                    return 1;
                var trust = Estimated / Count * Trust;
                return Math.Clamp((Reported + trust) / (Estimated + trust), Least, Most);
            }
        }
    }

    private sealed class Series
    {
        public Pair Input;
        public Pair Answer;
        public Pair Thought;
        public decimal InputTokens;
        public decimal Cached;
        public decimal Hidden;
        public int Answers;
    }

    /// <param name="prompt">What the request was.</param>
    /// <param name="passed">What of the answer was seen, by its bytes.</param>
    /// <param name="usage">As reported.</param>
    public void Add(string keyId, string provider, string model, RequestPeek prompt, PassedTokens passed, in TokenUsage usage)
    {
        if (!_series.TryGetValue((keyId, provider, model), out var series))
        {
            if (_series.Count >= MaxSeries)
                _series.Clear(); // whoever makes up models without end loses only guesses
            series = _series.GetOrAdd((keyId, provider, model), static _ => new Series());
        }

        lock (series)
        {
            if (series.Answers >= Remembered)
            {
                series.Input.Halve();
                series.Answer.Halve();
                series.Thought.Halve();
                (series.InputTokens, series.Cached, series.Hidden, series.Answers) = (series.InputTokens / 2, series.Cached / 2, series.Hidden / 2, series.Answers / 2);
            }

            series.Answers++;
            // What the request doesn't show is not in the estimate: the tokens of a picture, what the provider's own tools found, what it has stored.
            if (prompt.Extent is null or { Images: 0, OtherMedia: 0, ServerTools: ServerTools.None, Beyond: BeyondBody.None } && usage.InputTokens > 0)
            {
                series.Input.Add(usage.InputTokens, prompt.PromptTokens);
                series.InputTokens += usage.InputTokens;
                series.Cached += usage.CacheReadTokens;
            }

            var reasoning = usage.Count(UsageUnit.Reasoning);
            if (passed.Thought > 0)
                series.Thought.Add(reasoning > 0 ? reasoning : passed.Thought, passed.Thought);
            else
                series.Hidden += reasoning;
            var answer = usage.OutputTokens - (reasoning > 0 ? reasoning : Math.Min(usage.OutputTokens, passed.Thought));
            if (passed.Answer > 0 && answer > 0)
                series.Answer.Add(answer, passed.Answer);
        }
    }

    public Correction Of(string keyId, string provider, string model)
    {
        if (!_series.TryGetValue((keyId, provider, model), out var series))
            return Correction.None;
        lock (series)
            return new Correction(
                series.Input.Ratio, series.InputTokens > 0 ? Math.Clamp(series.Cached / series.InputTokens, 0, 1) : 0,
                series.Answer.Ratio, series.Thought.Ratio, series.Answers > 0 ? series.Hidden / series.Answers : 0);
    }
}
