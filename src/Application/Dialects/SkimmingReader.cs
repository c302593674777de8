using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Dialects;

/// <summary>What is done where an answer ends without the provider's figures.</summary>
internal enum Unreported : byte
{
    /// <summary>Nothing can be said.</summary>
    Nothing,

    /// <summary>Text went in and came out: both are estimated from their bytes.</summary>
    EstimateText,

    /// <summary>Text went in and something else came out (vectors): the input is estimated.</summary>
    EstimateInput,

    /// <summary>The request fixed what is billed: images, characters.</summary>
    RequestUnits,
}

/// <summary>
/// Reads an answer of any framing (one JSON document, JSON lines, a JSON array, server-sent events) and makes the result. A dialect
/// derives from it, declares its paths and says in <see cref="OnTake"/> how usage is merged: the same place for plain and streaming answers.
/// </summary>
internal abstract class SkimmingReader : ResponseReader, IJsonSink, ISseSink
{
    // Slots that mean the same in every dialect; those of a dialect start at Own.
    public const int Usage = 0;
    public const int Model = 1;
    public const int Reason = 2;
    public const int Tier = 3;
    public const int Error = 4;
    public const int Text = 5;
    public const int Text2 = 6;

    /// <summary>Text of thinking, which may be a summary of what is charged.</summary>
    public const int Thought = 7;
    public const int Thought2 = 8;

    /// <summary>Ends once for each call of a tool.</summary>
    public const int Call = 9;
    public const int Own = 10;

    // Tokens that begin and end an answer, and each call of a tool in it; they have no text. Recorded: up to 49 a call.
    private const int HiddenTokens = 64;

    private enum Frame : byte { Unknown, Json, Lines, Events, None }

    private readonly JsonSkimmer _json;
    private readonly SseReader _events;
    private readonly RequestPeek _peek;
    private readonly ResponseFacts _response;
    private readonly Unreported _unreported;
    private Frame _frame;
    private bool _errorTold;
    private bool _unreadable;
    private ShortText _model;
    private ShortText _finish;
    private ShortText _tier;
    private Amount _streamed;
    private Amount _whole;
    private int _calls;
    private long _toldAt = -1;
    private long _pieces;
    private bool _pieceHasText;
    private bool _usageHere;
    private long _documents;
    private long _escapes;

    protected SkimmingReader(JsonPaths paths, RequestPeek peek, in ResponseFacts response, Unreported unreported)
    {
        _json = new JsonSkimmer(paths, this);
        _events = new SseReader(this);
        _peek = peek;
        _response = response;
        _unreported = unreported;
    }

    /// <summary>The provider's figures as far as seen.</summary>
    protected Figures Seen;

    protected decimal? StatedCost;

    protected Hints Told;

    /// <summary>The figures are the last ones: the protocol says so, whatever follows.</summary>
    protected bool Final { get; set; }

    /// <summary>The figures of an answer read to its end are final. False where the protocol has a final event of its own.</summary>
    protected virtual bool FinalAtEnd => true;

    /// <summary>How text becomes tokens where the provider doesn't say, before anything is learnt of the model.</summary>
    protected virtual TokenRate Rate => TokenRate.Usual;

    /// <summary>The text that comes next is thinking, whatever its place.</summary>
    protected bool Thinks { get; set; }

    /// <summary>Usage stands in the answer but isn't charged, or nothing has been used yet.</summary>
    protected bool NotBillable { get; set; }

    protected bool Streaming => _frame is Frame.Events or Frame.Lines;

    protected string? RequestModel => _peek.Model;

    protected RequestPeek Request => _peek;

    protected ReadOnlySpan<byte> ModelBytes => _model.Bytes;

    protected IReadOnlyList<ModelUsage>? OtherModels { get; set; }

    /// <summary>A value at one of the dialect's paths.</summary>
    protected abstract void OnTake(int slot, ReadOnlySpan<byte> json);

    protected virtual void OnMark(int slot, byte first)
    {
    }

    protected virtual void OnDocumentEnd()
    {
    }

    /// <summary>The stream said that it is over: <c>[DONE]</c>.</summary>
    protected virtual void OnDone()
    {
    }

    /// <summary>Last chance to put things together before the result is made.</summary>
    protected virtual void OnFinish(bool whole)
    {
    }

    public sealed override void Feed(ReadOnlySpan<byte> bytes)
    {
        if (_frame == Frame.Unknown)
            bytes = Sniff(bytes);
        switch (_frame)
        {
            case Frame.Json:
                _json.Feed(bytes);
                break;
            case Frame.Events:
                _events.Feed(bytes);
                break;
            case Frame.Lines:
                FeedLines(bytes);
                break;
        }
    }

    // Providers stream a token or more in each event, so that events with text count at least one each.
    public sealed override long EstimatedOutputTokens => Passed.Total;

    public sealed override Correction Correction { get; set; } = Correction.None;

    public sealed override PassedTokens Passed
    {
        get
        {
            var (thought, answer) = (Rate.Tokens(Most.Thought), Rate.Tokens(Most.Text) + (_calls * Rate.PerCall));
            return new PassedTokens(Math.Max(answer, _pieces - thought), thought);
        }
    }

    public sealed override TokenUsage UsageSoFar => Estimate(Seen, whole: false).ToUsage();

    public sealed override long OutputTokensAtMost => Math.Max(Seen.Output ?? 0, Most.Total + _escapes + _documents + ((1 + _calls) * HiddenTokens));

    // A stream may repeat its whole text at its end.
    private Amount Most => _whole.Total > _streamed.Total ? _whole : _streamed;

    private struct Amount
    {
        public long Text;
        public long Thought;

        public readonly long Total => Text + Thought;
    }

    public sealed override bool Flawed => _errorTold || _unreadable;

    public sealed override MeteredResponse Finish(bool whole)
    {
        if (_frame == Frame.Events)
            _events.End();
        _unreadable |= _frame == Frame.Json && !_json.Idle;
        OnFinish(whole);

        var (usage, source) = Settle(whole);
        if (_tier.IsSet)
            Told.Tier = Hints.PlainTier(_tier.Bytes);
        return new MeteredResponse
        {
            Usage = usage,
            Source = source,
            Model = _model.ToString() ?? _peek.Model,
            FinishReason = _finish.ToString(),
            ProviderCost = source is UsageSource.Reported or UsageSource.Partial && StatedCost is >= 0 and < 1_000_000 ? NanoUsd.Round(StatedCost.Value) : null,
            PricingHints = Told.Over(_peek.PricingHints),
            NotBillable = NotBillable,
            OtherModels = OtherModels,
        };
    }

    private (TokenUsage, UsageSource) Settle(bool whole)
    {
        // 1. The provider's own figures, final.
        var seen = !Seen.IsEmpty || (StatedCost is not null && _unreported != Unreported.EstimateText);
        if (seen && (Final || (whole && FinalAtEnd)))
            return (Seen.ToUsage(), UsageSource.Reported);

        // 2. Its figures as far as it told them, and for the rest our estimate.
        if (seen)
            return (Estimate(Seen, whole).ToUsage(), UsageSource.Partial);

        // 3. Nothing was used: refused, failed before any output, or not begun.
        if (_response.Status is < 200 or >= 300 || NotBillable || (_errorTold && Passed.Total == 0))
        {
            NotBillable = true; // an error in an answer of status 200 costs as little as any other
            return (default, UsageSource.None);
        }

        // 4. Our estimate.
        switch (_unreported)
        {
            case Unreported.EstimateText:
                return (Estimate(default, whole).ToUsage(), UsageSource.Estimated);

            case Unreported.EstimateInput:
                return (Input(default).ToUsage(), UsageSource.Estimated);

            case Unreported.RequestUnits when !_peek.Units.IsEmpty:
                return (_peek.Units, UsageSource.Estimated);

            default:
                return (default, UsageSource.None);
        }
    }

    // What was told is so; what came after it is counted by its bytes. A figure that came before any text counts what came with it at most.
    private Figures Estimate(Figures told, bool whole)
    {
        told = Input(told);
        var passed = Passed;
        told.Output = told.Output is { } known && _toldAt > 0
            ? known + Correction.Answer(Math.Max(0, passed.Total - _toldAt))
            : Math.Max(told.Output ?? 0, Correction.Output(passed, whole));
        return told;
    }

    private Figures Input(Figures told)
    {
        if (told.Input is null)
            (told.Input, told.CacheRead) = Correction.Input(_peek.PromptTokens);
        return told;
    }

    // White space and a byte-order mark say nothing; the first other byte does. JSON under text/event-stream is common (errors), events under
    // application/json are on record too, so that the content type decides only between the two forms of JSON and for what is neither.
    private ReadOnlySpan<byte> Sniff(ReadOnlySpan<byte> bytes)
    {
        var i = 0;
        while (i < bytes.Length && bytes[i] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t' or 0xEF or 0xBB or 0xBF)
            i++;
        if (i == bytes.Length)
            return default;
        var type = _response.ContentType ?? "";
        _frame = bytes[i] switch
        {
            (byte)'{' or (byte)'[' when Has(type, "ndjson") || Has(type, "jsonl") || Has(type, "stream+json") => Frame.Lines,
            (byte)'{' or (byte)'[' => Frame.Json,
            _ when Has(type, "event-stream") => Frame.Events,
            (byte)'d' or (byte)'e' or (byte)'i' or (byte)'r' or (byte)':' when type.Length == 0 || Has(type, "json") || Has(type, "text/plain") => Frame.Events,
            _ => Frame.None,
        };
        return bytes[i..];
    }

    private static bool Has(string type, string part) => type.Contains(part, StringComparison.OrdinalIgnoreCase);

    // A JSON string holds no raw line feed, so that a line feed always ends a broken line and the next one gets its chance.
    private void FeedLines(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n') + 1;
            var line = end == 0 ? bytes : bytes[..end];
            _json.Feed(line);
            bytes = bytes[line.Length..];
            if (end > 0 && !_json.Idle)
            {
                _unreadable = true;
                _json.Reset();
            }
        }
    }

    void ISseSink.Data(ReadOnlySpan<byte> bytes) => _json.Feed(bytes);

    void ISseSink.EventEnd(bool done)
    {
        _unreadable |= !done && !_json.Idle;
        _json.Reset();
        if (done)
            OnDone();
    }

    void IJsonSink.Take(int slot, ReadOnlySpan<byte> json)
    {
        switch (slot)
        {
            case Model:
                _model.Set(json);
                break;
            case Reason:
                _finish.Set(json);
                break;
            case Tier:
                _tier.Set(json);
                break;
            case Usage:
                _usageHere = true;
                break;
        }

        OnTake(slot, json);
    }

    void IJsonSink.Mark(int slot, byte first)
    {
        if (slot == Error && first is (byte)'{' or (byte)'"')
            _errorTold = true;
        if (slot == Call && first == '"')
            _calls++;
        OnMark(slot, first);
    }

    void IJsonSink.Count(int slot, int bytes)
    {
        _pieceHasText |= bytes > 0;
        // \uXXXX has been counted as two bytes of text and may be three.
        if (bytes < 0)
            _escapes++;
        ref var amount = ref (slot is Text or Thought) ? ref _streamed : ref _whole;
        if (Thinks || slot is Thought or Thought2)
            amount.Thought += bytes;
        else
            amount.Text += bytes;
    }

    /// <summary>A call of a tool that no path shows.</summary>
    protected void CountCall() => _calls++;

    void IJsonSink.DocumentEnd()
    {
        if (_pieceHasText)
            _pieces++;
        _pieceHasText = false;
        _documents++;
        OnDocumentEnd();
        if (_usageHere && Seen.Output is not null)
            _toldAt = Passed.Total;
        _usageHere = false;
    }
}
