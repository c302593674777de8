using System.Buffers;

namespace Tokonomics.Application.Dialects;

/// <summary>Receives what a <see cref="JsonSkimmer"/> finds. Spans live only as long as the call.</summary>
internal interface IJsonSink
{
    /// <summary>A value at a path with <see cref="Skim.Take"/>: its JSON from first byte to last.</summary>
    void Take(int slot, ReadOnlySpan<byte> json);

    /// <summary>A value at a path with <see cref="Skim.Mark"/> ended; <paramref name="first"/> tells its kind: <c>{ [ " n</c> ….</summary>
    void Mark(int slot, byte first);

    /// <summary>Some bytes of text at a path with <see cref="Skim.Count"/>; several calls add up. May be negative, to correct an escape counted before.</summary>
    void Count(int slot, int bytes);

    /// <summary>A document (or an element of a top-level array) ended.</summary>
    void DocumentEnd();
}

/// <summary>
/// Reads JSON that arrives in pieces cut anywhere and hands on only the values at declared paths. Memory is bounded (a stack as deep as the
/// paths, one buffer of at most <see cref="MaxValueBytes"/>) and nothing is allocated once the buffer has grown; the rest is skipped with
/// vectorised search. It never throws: on bytes that can't be JSON it turns <see cref="Broken"/> and ignores what follows until <see cref="Reset"/>.
/// </summary>
/// <remarks>
/// Values off the paths are not validated, only bracketed: a meter has no business refusing what the client may accept. Keys written with
/// escapes don't match; no provider writes them.
/// </remarks>
internal sealed class JsonSkimmer(JsonPaths paths, IJsonSink sink)
{
    /// <summary>A longer value at a declared path is dropped; reading goes on.</summary>
    public const int MaxValueBytes = 64 * 1024;

    private const int MaxTracked = 16;
    private const int MaxKeyBytes = 48;

    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> QuoteOrEscape = SearchValues.Create("\"\\"u8);
    private static readonly SearchValues<byte> LiteralEnd = SearchValues.Create(",]} \t\r\n"u8);

    private enum At : byte { Value, ArrayStart, ObjectStart, Key, InKey, Colon, After, InString, InBlind, InBlindString, InLiteral, Broken }

    // The containers that lead to declared paths, outermost first; everything else is skipped blind, by counting brackets.
    private readonly JsonPaths.Node[] _open = new JsonPaths.Node[MaxTracked];
    private readonly byte[] _key = new byte[MaxKeyBytes];
    private uint _arrays;
    private int _level;
    private At _at = At.Value;
    private JsonPaths.Node? _node = paths.Root;
    private int _keyLength;
    private bool _keyLost;
    private bool _escaped;
    private byte _first;
    private long _depth;
    private byte[] _buffer = [];
    private int _buffered;
    private bool _dropped;

    /// <summary>What came can't be JSON.</summary>
    public bool Broken => _at == At.Broken;

    /// <summary>Between two documents: nothing is open.</summary>
    public bool Idle => _at == At.Value && _level == 0;

    /// <summary>Forgets what is open; the next byte starts a document.</summary>
    public void Reset()
    {
        _at = At.Value;
        _level = 0;
        _arrays = 0;
        _node = paths.Root;
        _escaped = false;
        _buffered = 0;
        _dropped = false;
    }

    public void Feed(ReadOnlySpan<byte> s)
    {
        var i = 0;
        while (i < s.Length)
        {
            switch (_at)
            {
                case At.Broken:
                    return;

                case At.InString:
                    InString(s, ref i, i);
                    continue;

                case At.InBlind or At.InBlindString:
                    InBlind(s, ref i);
                    continue;

                case At.InLiteral:
                    InLiteral(s, ref i);
                    continue;

                case At.InKey:
                    InKey(s, ref i);
                    continue;
            }

            var c = s[i];
            if (c is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t')
            {
                i++;
                continue;
            }

            switch (_at)
            {
                case At.ArrayStart when c == ']':
                case At.ObjectStart when c == '}':
                    i++;
                    Close();
                    continue;

                case At.Value or At.ArrayStart:
                    BeginValue(c, s, ref i);
                    continue;

                case At.ObjectStart or At.Key:
                    if (c != '"')
                        goto default;
                    i++;
                    _keyLength = 0;
                    _keyLost = false;
                    _at = At.InKey;
                    continue;

                case At.Colon when c == ':':
                    i++;
                    _at = At.Value;
                    continue;

                case At.After when c == ',':
                    i++;
                    _at = TopIsArray ? At.Value : At.Key;
                    _node = TopIsArray ? _open[_level - 1].Element : null;
                    continue;

                case At.After when c == (TopIsArray ? ']' : '}'):
                    i++;
                    Close();
                    continue;

                default:
                    _at = At.Broken;
                    return;
            }
        }
    }

    private bool TopIsArray => (_arrays & (1u << (_level - 1))) != 0;

    private bool Taking => _node is { Does: Skim.Take };

    private bool Counting => _node is { Does: Skim.Count };

    private void BeginValue(byte c, ReadOnlySpan<byte> s, ref int i)
    {
        _first = c;
        var node = _node;
        switch (c)
        {
            case (byte)'{' when node is { HasKeys: true } && _level < MaxTracked:
                Open(node, array: false);
                i++;
                return;

            case (byte)'[' when node is { Element: not null } && _level < MaxTracked:
                Open(node, array: true);
                i++;
                return;

            case (byte)'{' or (byte)'[':
                _depth = 0;
                _at = At.InBlind;
                InBlind(s, ref i);
                return;

            case (byte)'"':
                i++;
                _at = At.InString;
                InString(s, ref i, i - 1);
                return;

            case (byte)'-' or (byte)'t' or (byte)'f' or (byte)'n' or (byte)'N' or (byte)'I' or (>= (byte)'0' and <= (byte)'9'):
                _at = At.InLiteral;
                return;

            default:
                _at = At.Broken;
                return;
        }
    }

    private void Open(JsonPaths.Node node, bool array)
    {
        _open[_level] = node;
        if (array)
            _arrays |= 1u << _level;
        else
            _arrays &= ~(1u << _level);
        _level++;
        _node = array ? node.Element : null;
        _at = array ? At.ArrayStart : At.ObjectStart;
    }

    private void Close()
    {
        var node = _open[--_level];
        if (node.Does == Skim.Mark)
            sink.Mark(node.Slot, (_arrays & (1u << _level)) != 0 ? (byte)'[' : (byte)'{');
        // The array around the documents of a JSON stream is not itself one.
        var document = ReferenceEquals(node, paths.Root) && (_arrays & (1u << _level)) == 0;
        AfterValue();
        if (document)
            sink.DocumentEnd();
    }

    private void AfterValue()
    {
        _at = _level == 0 ? At.Value : At.After;
        _node = _level == 0 ? paths.Root : null;
    }

    // A value that was skipped, taken or counted has ended; s[start..end] is what of it this piece holds.
    private void EndValue(ReadOnlySpan<byte> s, int start, int end)
    {
        var node = _node;
        if (node is { Does: Skim.Take })
        {
            if (_buffered > 0)
                Keep(s[start..end]);
            if (!_dropped)
                sink.Take(node.Slot, _buffered > 0 ? _buffer.AsSpan(0, _buffered) : s[start..end]);
        }
        else if (node is { Does: Skim.Mark })
        {
            sink.Mark(node.Slot, _first);
        }

        _buffered = 0;
        _dropped = false;
        AfterValue();
    }

    private void Keep(ReadOnlySpan<byte> piece)
    {
        if (!Taking || _dropped || piece.IsEmpty)
            return;
        var needed = _buffered + piece.Length;
        if (needed > MaxValueBytes)
        {
            _dropped = true;
            return;
        }

        if (needed > _buffer.Length)
            Array.Resize(ref _buffer, Math.Min(MaxValueBytes, Math.Max(1024, needed * 2)));
        piece.CopyTo(_buffer.AsSpan(_buffered));
        _buffered = needed;
    }

    // start: where what of the value stands in this piece begins.
    private void InString(ReadOnlySpan<byte> s, ref int i, int start)
    {
        if (_escaped)
            Escape(s[i++]);
        while (i < s.Length)
        {
            var found = s[i..].IndexOfAny(QuoteOrEscape);
            var plain = found < 0 ? s.Length - i : found;
            if (Counting)
                sink.Count(_node!.Slot, plain);
            i += plain;
            if (found < 0)
                break;
            if (s[i++] == '"')
            {
                EndValue(s, start, i);
                return;
            }

            _escaped = true;
            if (i < s.Length)
                Escape(s[i++]);
        }

        Keep(s[start..i]);
    }

    // \n stands for one byte. \uXXXX is counted as two in all: the mean of ASCII, of the three of most other scripts and of half a surrogate pair.
    private void Escape(byte c)
    {
        _escaped = false;
        if (Counting)
            sink.Count(_node!.Slot, c == 'u' ? 2 - 4 : 1);
    }

    private void InBlind(ReadOnlySpan<byte> s, ref int i)
    {
        var start = i;
        if (_escaped)
        {
            _escaped = false;
            i++;
        }

        while (i < s.Length)
        {
            var inside = _at == At.InBlindString;
            var found = s[i..].IndexOfAny(inside ? QuoteOrEscape : Structure);
            if (found < 0)
            {
                i = s.Length;
                break;
            }

            i += found;
            switch (s[i++])
            {
                case (byte)'\\':
                    if (i < s.Length)
                        i++;
                    else
                        _escaped = true;
                    break;

                case (byte)'"':
                    _at = inside ? At.InBlind : At.InBlindString;
                    break;

                case (byte)'{' or (byte)'[':
                    _depth++;
                    break;

                default:
                    if (--_depth > 0)
                        break;
                    if (Counting)
                        sink.Count(_node!.Slot, i - start);
                    // A document off every path: an array of scalars, say, at the root of a one-key trie.
                    EndValue(s, start, i);
                    return;
            }
        }

        if (Counting)
            sink.Count(_node!.Slot, i - start);
        Keep(s[start..i]);
    }

    private void InLiteral(ReadOnlySpan<byte> s, ref int i)
    {
        var start = i;
        var found = s[i..].IndexOfAny(LiteralEnd);
        if (found < 0)
        {
            i = s.Length;
            Keep(s[start..i]);
            return;
        }

        i += found;
        EndValue(s, start, i);
    }

    private void InKey(ReadOnlySpan<byte> s, ref int i)
    {
        if (_escaped)
        {
            _escaped = false;
            i++;
            if (i >= s.Length)
                return;
        }

        var found = s[i..].IndexOfAny(QuoteOrEscape);
        var piece = s.Slice(i, found < 0 ? s.Length - i : found);
        i += piece.Length;
        var whole = found >= 0 && s[i] == '"';
        if (whole && _keyLength == 0 && !_keyLost)
        {
            i++;
            _node = _open[_level - 1].Find(piece);
            _at = At.Colon;
            return;
        }

        if (_keyLength + piece.Length > MaxKeyBytes)
            _keyLost = true;
        if (!_keyLost)
        {
            piece.CopyTo(_key.AsSpan(_keyLength));
            _keyLength += piece.Length;
        }

        if (found < 0)
            return;
        i++;
        if (whole)
        {
            _node = _keyLost ? null : _open[_level - 1].Find(_key.AsSpan(0, _keyLength));
            _at = At.Colon;
            return;
        }

        _keyLost = true;
        if (i < s.Length)
            i++;
        else
            _escaped = true;
    }
}
