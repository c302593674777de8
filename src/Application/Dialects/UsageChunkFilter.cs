using System.Buffers;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// Takes out of a chat stream the one chunk that the client did not ask for: the event whose <c>choices</c> is an empty array and whose
/// <c>usage</c> is an object. Used only where <see cref="RequestPeek.UsageSplice"/> was made; every other byte passes as it came.
/// </summary>
/// <remarks>
/// An event leaves in the call that completes it. At most <see cref="MaxEventBytes"/> are held; a longer event is let through as it comes.
/// An Azure stream's first chunk has empty choices too, but no usage; Groq's and OpenRouter's usage chunks may have choices: both stay.
/// A body that isn't a stream (an error as JSON) passes at once.
/// </remarks>
public sealed class UsageChunkFilter : IJsonSink, ISseSink
{
    public const int MaxEventBytes = 64 * 1024;

    private const int Choices = 0;
    private const int Choice = 1;
    private const int Usage = 2;

    private static readonly JsonPaths Paths = new(
        ("choices", Skim.Mark, Choices),
        ("choices[]", Skim.Mark, Choice),
        ("usage", Skim.Mark, Usage));

    private readonly JsonSkimmer _json;
    private readonly SseReader _reader;
    private byte[] _held = [];
    private int _length;
    private bool _begun;
    private bool _plain;
    private bool _tooLong;
    private bool _lineEmpty = true;
    private bool _lastWasCr;
    private bool _droppedAtCr;
    private bool _choices;
    private bool _choice;
    private bool _usage;
    private int _events;

    public UsageChunkFilter()
    {
        _json = new JsonSkimmer(Paths, this);
        _reader = new SseReader(this);
    }

    /// <summary>How many events were taken out.</summary>
    public int Swallowed { get; private set; }

    public void Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        if (!_begun && !bytes.IsEmpty)
        {
            var first = bytes.TrimStart(" \t\r\n"u8);
            _begun = !first.IsEmpty;
            _plain = _begun && first[0] is (byte)'{' or (byte)'[';
        }

        if (_plain)
        {
            output.Write(bytes);
            return;
        }

        var start = 0; // of the event that is being read, or of the whole events before it that may leave with it
        var event_ = 0;
        for (var i = 0; i < bytes.Length;)
        {
            var c = bytes[i];
            if (_lastWasCr && c == '\n')
            {
                // The second half of a CRLF. After a dropped event it goes where the event went.
                _lastWasCr = false;
                i++;
                if (_droppedAtCr)
                    start = event_ = i;
                else if (_lineEmpty && _length == 0 && !_tooLong && event_ == i - 1)
                    event_ = i;
                _droppedAtCr = false;
                continue;
            }

            _lastWasCr = _droppedAtCr = false;
            if (c is not ((byte)'\r' or (byte)'\n'))
            {
                _lineEmpty = false;
                var end = bytes[i..].IndexOfAny((byte)'\r', (byte)'\n');
                i = end < 0 ? bytes.Length : i + end;
                continue;
            }

            i++;
            _lastWasCr = c == '\r';
            if (!_lineEmpty)
            {
                _lineEmpty = true;
                continue;
            }

            // A blank line: the event, from event_ to i and what is held of it, is complete.
            if (!_tooLong && IsUsageChunk(bytes[event_..i]))
            {
                output.Write(bytes[start..event_]);
                Swallowed++;
                start = i;
                _droppedAtCr = _lastWasCr;
            }
            else
            {
                Release(output);
            }

            _length = 0;
            _tooLong = false;
            event_ = i;
        }

        output.Write(bytes[start..event_]);
        Hold(bytes[event_..], output);
    }

    /// <summary>The stream ended: what is held of an unfinished event goes, unless it is the usage chunk without its blank line.</summary>
    public void Flush(IBufferWriter<byte> output)
    {
        if (_length > 0 && IsUsageChunk(default))
            Swallowed++;
        else
            Release(output);
        _length = 0;
    }

    private void Release(IBufferWriter<byte> output)
    {
        if (_length > 0)
            output.Write(_held.AsSpan(0, _length));
        _length = 0;
    }

    private void Hold(ReadOnlySpan<byte> piece, IBufferWriter<byte> output)
    {
        if (piece.IsEmpty)
            return;
        if (_tooLong || _length + piece.Length > MaxEventBytes)
        {
            _tooLong = true;
            Release(output);
            output.Write(piece);
            return;
        }

        if (_held.Length < _length + piece.Length)
            Array.Resize(ref _held, Math.Min(MaxEventBytes, Math.Max(4096, (_length + piece.Length) * 2)));
        piece.CopyTo(_held.AsSpan(_length));
        _length += piece.Length;
    }

    private bool IsUsageChunk(ReadOnlySpan<byte> rest)
    {
        if (_length + rest.Length > MaxEventBytes)
            return false;
        if (_length == 0 && rest.IndexOf("\"usage\""u8) < 0)
            return false;
        _choices = _choice = _usage = false;
        _events = 0;
        _json.Reset();
        _reader.Feed(_held.AsSpan(0, _length));
        _reader.Feed(rest);
        _reader.End();
        return _events == 1 && _usage && _choices && !_choice;
    }

    void ISseSink.Data(ReadOnlySpan<byte> bytes) => _json.Feed(bytes);

    void ISseSink.EventEnd(bool done) => _events += !done && _json.Idle ? 1 : 0;

    void IJsonSink.Mark(int slot, byte first)
    {
        _choices |= slot == Choices && first == '[';
        _choice |= slot == Choice;
        _usage |= slot == Usage && first == '{';
    }

    void IJsonSink.Take(int slot, ReadOnlySpan<byte> json)
    {
    }

    void IJsonSink.Count(int slot, int bytes)
    {
    }

    void IJsonSink.DocumentEnd()
    {
    }
}
