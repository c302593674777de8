using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>What a cut stream says of its usage: our count, since the provider's own never came.</summary>
public readonly record struct CutUsage(long InputTokens, long OutputTokens);

/// <summary>
/// Ends a running stream as its protocol would have ended it at the output limit, so that every SDK sees a normal finish for reason of
/// length. It is fed all that has been relayed and remembers only what the ending needs: names, numbers, which parts are open.
/// </summary>
/// <remarks>
/// A stream can be ended only between two events. <see cref="UntilBoundary"/> tells how many of the next bytes still belong to the one that
/// has begun; those are relayed and fed before <see cref="Write"/>.
/// </remarks>
public abstract class StreamCut : IJsonSink, ISseSink
{
    // What an ending repeats of the stream, in whatever words its protocol has for it. Slots of a form start at Own.
    private protected const int Id = 0;
    private protected const int Model = 1;
    private protected const int Created = 2;
    private protected const int Type = 3;
    private protected const int Index = 4;
    private protected const int Own = 8;

    private enum Frame : byte { Events, Lines, Array }

    // Text stays readable; no browser renders these bodies as HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JsonSkimmer _json;
    private readonly SseReader _events;
    private Frame _frame;
    private Edge _edge;
    private ShortText _id;
    private ShortText _model;
    private ShortText _type;
    private string _requestModel = "";

    private protected StreamCut(JsonPaths paths)
    {
        _json = new JsonSkimmer(paths, this);
        _events = new SseReader(this);
    }

    /// <summary>The ending for an answer's stream; null where the dialect has none (no stream, or one that isn't known).</summary>
    /// <param name="dialect">The dialect's name.</param>
    /// <param name="peek">The request.</param>
    /// <param name="model">The model's name, in case the stream is cut before it has said one.</param>
    /// <param name="contentType">Of the answer.</param>
    public static StreamCut? For(string dialect, RequestPeek peek, string model, string? contentType)
    {
        var type = contentType ?? "";
        var frame = Has(type, "event-stream") ? Frame.Events
            : Has(type, "ndjson") || Has(type, "jsonl") || Has(type, "stream+json") ? Frame.Lines
            : Has(type, "json") && dialect == "gemini-generate" && peek.Stream ? Frame.Array
            : (Frame?)null;
        StreamCut? cut = (dialect, frame) switch
        {
            (_, null) => null,
            ("openai-chat", Frame.Events) => new ChatCut(text: false, Math.Max(1, peek.Choices)),
            ("openai-completions", Frame.Events) => new ChatCut(text: true, Math.Max(1, peek.Choices)),
            ("openai-responses", Frame.Events) => new ResponsesCut(),
            ("anthropic-messages", Frame.Events) => new AnthropicCut(),
            ("anthropic-complete", Frame.Events) => new AnthropicCompleteCut(),
            ("gemini-generate", Frame.Events or Frame.Array) => new GeminiCut(Math.Max(1, peek.Choices)),
            ("gemini-interactions", Frame.Events) => new InteractionsCut(),
            ("cohere-chat", Frame.Events) => new CohereCut(),
            ("cohere-chat" or "cohere-generate", Frame.Lines) => new CohereLinesCut(),
            ("ollama", Frame.Lines) => new OllamaCut(),
            _ => null,
        };
        if (cut is null)
            return null;
        cut._frame = frame!.Value;
        cut._edge = new Edge(cut._frame == Frame.Array, cut._frame == Frame.Lines);
        cut._requestModel = model;
        return cut;
    }

    /// <summary>Whether streams of that dialect have an ending here, whatever their frame.</summary>
    public static bool Knows(string dialect) => dialect is "openai-chat" or "openai-completions" or "openai-responses" or "anthropic-messages" or "anthropic-complete"
        or "gemini-generate" or "gemini-interactions" or "cohere-chat" or "cohere-generate" or "ollama";

    /// <summary>Nothing is open: the stream may be ended here.</summary>
    public bool AtBoundary => _edge.IsBoundary;

    /// <summary>The stream has already been ended by its own protocol; <see cref="Write"/> adds nothing.</summary>
    public bool IsOver { get; private protected set; }

    /// <summary>The answer's id; null where it has said none yet.</summary>
    private protected string? AnswerId => _id.ToString();

    /// <summary>The model's name as the stream says it, else the request's.</summary>
    private protected string ModelName => _model.ToString() ?? _requestModel;

    /// <summary>When the answer was made, as a number; 0 where it has not said.</summary>
    private protected long CreatedAt { get; private set; }

    /// <summary>Which part or choice the stream spoke of last.</summary>
    private protected long At { get; set; }

    /// <summary>Bytes that have gone to the client.</summary>
    public void Feed(ReadOnlySpan<byte> relayed)
    {
        foreach (var b in relayed)
            _edge.Step(b);
        IsOver |= _edge.IsClosed;
        switch (_frame)
        {
            case Frame.Events:
                _events.Feed(relayed);
                break;
            case Frame.Lines:
                Lines(relayed);
                break;
            default:
                _json.Feed(relayed);
                break;
        }
    }

    /// <summary>
    /// How many of the bytes that come next still belong to the event that has begun; 0 at a boundary; -1 where the event doesn't end in
    /// them, so that all of them have to be relayed first.
    /// </summary>
    public int UntilBoundary(ReadOnlySpan<byte> next)
    {
        if (_edge.IsBoundary)
            return 0;
        var edge = _edge;
        for (var i = 0; i < next.Length; i++)
        {
            edge.Step(next[i]);
            if (edge.IsBoundary)
                return i + 1;
        }

        return -1;
    }

    /// <summary>Writes the ending. Only at a boundary; what would end the stream twice is not written.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="usage">What has been used, as far as we know.</param>
    /// <param name="usageAsked">The client asked for usage in the stream; dialects that always tell it don't mind.</param>
    public void Write(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (IsOver)
            return;
        IsOver = true;
        WriteEnd(output, usage, usageAsked);
    }

    private protected abstract void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked);

    /// <summary>The type that the event at hand has said.</summary>
    private protected bool IsType(ReadOnlySpan<byte> type) => _type.Is(type);

    private protected virtual void OnTake(int slot, ReadOnlySpan<byte> json)
    {
    }

    private protected virtual void OnMark(int slot, byte first)
    {
    }

    private protected virtual void OnDocumentEnd()
    {
    }

    /// <summary>An event that is named by its type, and says it once more in its first field.</summary>
    private protected static void WriteTyped(IBufferWriter<byte> output, string field, string type, Action<Utf8JsonWriter>? write = null)
    {
        output.Write("event: "u8);
        output.Write(Encoding.ASCII.GetBytes(type));
        output.Write("\n"u8);
        WriteEvent(output, json =>
        {
            json.WriteString(field, type);
            write?.Invoke(json);
        });
    }

    private protected static void WriteEvent(IBufferWriter<byte> output, Action<Utf8JsonWriter> write)
    {
        output.Write("data: "u8);
        WriteJson(output, write);
        output.Write("\n\n"u8);
    }

    private protected static void WriteLine(IBufferWriter<byte> output, Action<Utf8JsonWriter> write)
    {
        WriteJson(output, write);
        output.Write("\n"u8);
    }

    private protected void WriteDocument(IBufferWriter<byte> output, Action<Utf8JsonWriter> write)
    {
        if (_frame != Frame.Array)
        {
            WriteEvent(output, write);
            return;
        }

        output.Write(!_edge.ArrayBegun ? "["u8 : _edge.NeedsComma ? ",\r\n"u8 : default);
        WriteJson(output, write);
        output.Write("\r\n]"u8);
    }

    private static void WriteJson(IBufferWriter<byte> output, Action<Utf8JsonWriter> write)
    {
        using var json = new Utf8JsonWriter(output, Options);
        json.WriteStartObject();
        write(json);
        json.WriteEndObject();
    }

    /// <summary>An object of counts; without a name for the total, the two alone.</summary>
    private protected static void WriteCounts(Utf8JsonWriter json, string name, CutUsage usage, string input, string output, string? total = null)
    {
        json.WriteStartObject(name);
        json.WriteNumber(input, usage.InputTokens);
        json.WriteNumber(output, usage.OutputTokens);
        if (total is not null)
            json.WriteNumber(total, usage.InputTokens + usage.OutputTokens);
        json.WriteEndObject();
    }

    private protected static long? Number(ReadOnlySpan<byte> json) => Utf8Parser.TryParse(json, out long number, out var read) && read == json.Length ? number : null;

    private static bool Has(string type, string part) => type.Contains(part, StringComparison.OrdinalIgnoreCase);

    private void Lines(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n') + 1;
            var line = end == 0 ? bytes : bytes[..end];
            _json.Feed(line);
            bytes = bytes[line.Length..];
            if (end > 0 && !_json.Idle)
                _json.Reset();
        }
    }

    void ISseSink.Data(ReadOnlySpan<byte> bytes) => _json.Feed(bytes);

    void ISseSink.EventEnd(bool done)
    {
        _json.Reset();
        IsOver |= done;
    }

    void IJsonSink.Take(int slot, ReadOnlySpan<byte> json)
    {
        switch (slot)
        {
            case Id:
                _id.Set(json);
                break;
            case Model:
                _model.Set(json);
                break;
            case Created:
                CreatedAt = Number(json) ?? CreatedAt;
                break;
            case Type:
                _type.Set(json);
                break;
            case Index:
                At = Number(json) ?? 0;
                break;
            default:
                OnTake(slot, json);
                break;
        }
    }

    void IJsonSink.Mark(int slot, byte first) => OnMark(slot, first);

    void IJsonSink.Count(int slot, int bytes)
    {
    }

    void IJsonSink.DocumentEnd()
    {
        OnDocumentEnd();
        _type.Clear();
    }

    /// <summary>Where events end, byte by byte: at a blank line, at a line's end, or between two elements of the array.</summary>
    private struct Edge(bool array, bool lines)
    {
        private bool _midLine;
        private bool _midEvent;
        private bool _lastWasCr;
        private bool _pairs; // lines end in CR LF, so that after a CR the event has not ended yet
        private bool _inString;
        private bool _escaped;
        private int _depth;

        public bool ArrayBegun { get; private set; }

        public bool NeedsComma { get; private set; }

        /// <summary>The array has ended.</summary>
        public readonly bool IsClosed => array && ArrayBegun && _depth == 0;

        public readonly bool IsBoundary => array ? _depth <= 1 && !_inString : lines ? !_midLine : !_midEvent && !(_lastWasCr && _pairs);

        public void Step(byte b)
        {
            if (array)
                StepArray(b);
            else if (lines)
                _midLine = b != '\n';
            else
                StepEvents(b);
        }

        private void StepEvents(byte b)
        {
            if (b == '\n' && _lastWasCr)
            {
                _lastWasCr = false; // the second half of a line's end
                _pairs = true;
                return;
            }

            _lastWasCr = b == '\r';
            if (b is (byte)'\n' or (byte)'\r')
            {
                if (!_midLine)
                    _midEvent = false;
                _midLine = false;
            }
            else
            {
                _midLine = _midEvent = true;
            }
        }

        private void StepArray(byte b)
        {
            if (_inString)
            {
                if (_escaped)
                    _escaped = false;
                else if (b == '\\')
                    _escaped = true;
                else if (b == '"')
                    _inString = false;
                return;
            }

            switch (b)
            {
                case (byte)'"':
                    _inString = true;
                    break;
                case (byte)'[' or (byte)'{':
                    ArrayBegun = true;
                    _depth++;
                    break;
                case (byte)']' or (byte)'}':
                    _depth--;
                    NeedsComma |= _depth == 1;
                    break;
                case (byte)',' when _depth == 1:
                    NeedsComma = false;
                    break;
            }
        }
    }
}
