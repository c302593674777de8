namespace Tokonomics.Application.Dialects;

/// <summary>Receives the data of server-sent events. Spans live only as long as the call.</summary>
internal interface ISseSink
{
    /// <summary>The next bytes of an event's data, line breaks between data lines included.</summary>
    void Data(ReadOnlySpan<byte> bytes);

    /// <summary>The event is complete. <paramref name="done"/>: its data was <c>[DONE]</c> (which is not passed on).</summary>
    void EventEnd(bool done);
}

/// <summary>
/// Splits server-sent events that arrive in pieces cut anywhere: lines end in LF, CRLF or CR; comments and fields other than
/// <c>data</c> are skipped. The data goes straight on to the sink, so an endless line costs no memory.
/// </summary>
/// <remarks>
/// The names of events aren't read: every provider that names its events repeats the name inside the data, and some relays drop the field.
/// </remarks>
internal sealed class SseReader(ISseSink sink)
{
    private enum At : byte { LineStart, Field, AfterColon, Data, Skip }

    private static ReadOnlySpan<byte> DataField => "data"u8;

    private static ReadOnlySpan<byte> DoneMark => "[DONE]"u8;

    private At _at;
    private int _matched;
    private bool _lastWasCr;
    private bool _hasData;
    private int _doneMatched;
    private bool _plain;

    public void Feed(ReadOnlySpan<byte> s)
    {
        var i = 0;
        while (i < s.Length)
        {
            if (_lastWasCr)
            {
                _lastWasCr = false;
                if (s[i] == '\n')
                {
                    i++;
                    continue;
                }
            }

            switch (_at)
            {
                case At.LineStart when s[i] is (byte)'\r' or (byte)'\n':
                    _lastWasCr = s[i++] == '\r';
                    Dispatch();
                    break;

                case At.LineStart:
                    _matched = 0;
                    _at = At.Field;
                    break;

                case At.Field:
                    Field(s, ref i);
                    break;

                case At.AfterColon:
                    _at = At.Data;
                    if (s[i] == ' ')
                        i++;
                    break;

                default:
                    var rest = s[i..];
                    var end = rest.IndexOfAny((byte)'\r', (byte)'\n');
                    var piece = end < 0 ? rest : rest[..end];
                    if (_at == At.Data)
                        Pass(piece);
                    i += piece.Length;
                    if (end >= 0)
                        EndLine(s[i++]);
                    break;
            }
        }
    }

    /// <summary>The stream ended; an event without its blank line still counts (the SSE standard would drop it, but its tokens were billed).</summary>
    public void End()
    {
        Dispatch();
        _lastWasCr = false;
    }

    private void Field(ReadOnlySpan<byte> s, ref int i)
    {
        var c = s[i];
        if (c is (byte)'\r' or (byte)'\n')
        {
            i++;
            EndLine(c);
        }
        else if (_matched == DataField.Length)
        {
            _at = c == ':' ? At.AfterColon : At.Skip;
            if (_at == At.AfterColon)
            {
                i++;
                if (_hasData)
                    Pass("\n"u8);
                _hasData = true;
            }
        }
        else if (c == DataField[_matched])
        {
            i++;
            _matched++;
        }
        else
        {
            _at = At.Skip;
        }
    }

    private void EndLine(byte end)
    {
        _lastWasCr = end == '\r';
        _at = At.LineStart;
    }

    // [DONE] is held back while it may still be one, from a constant, so that it never reaches the JSON reader as a broken document.
    private void Pass(ReadOnlySpan<byte> piece)
    {
        while (!_plain && !piece.IsEmpty)
        {
            if (_doneMatched < DoneMark.Length && piece[0] == DoneMark[_doneMatched])
            {
                _doneMatched++;
                piece = piece[1..];
            }
            else if (_doneMatched == DoneMark.Length && piece[0] is (byte)' ' or (byte)'\n')
            {
                piece = piece[1..];
            }
            else
            {
                _plain = true;
                if (_doneMatched > 0)
                    sink.Data(DoneMark[.._doneMatched]);
            }
        }

        if (!piece.IsEmpty)
            sink.Data(piece);
    }

    private void Dispatch()
    {
        var done = !_plain && _doneMatched == DoneMark.Length;
        if (!_plain && _doneMatched > 0 && !done)
            sink.Data(DoneMark[.._doneMatched]);
        if (_hasData)
            sink.EventEnd(done);
        _hasData = false;
        _plain = false;
        _doneMatched = 0;
        _at = At.LineStart;
    }
}
