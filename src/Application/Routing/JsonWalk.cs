using System.Buffers;

namespace Tokonomics.Application.Routing;

/// <summary>
/// Finds its way through JSON by its brackets and quotes alone, some ten times as fast as a reader that validates: for bodies that have been peeked at before, whose faults the provider tells. Whatever the
/// bytes are it stays within them and throws nothing; of what is no JSON it finds something or nothing.
/// </summary>
/// <remarks>For what is there as a whole; of what arrives in pieces <see cref="Dialects.JsonSkimmer"/> finds values at declared paths.</remarks>
internal ref struct JsonWalk(ReadOnlySpan<byte> json)
{
    private static readonly SearchValues<byte> InString = SearchValues.Create("\"\\"u8);
    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> AfterValue = SearchValues.Create(",]} \t\r\n"u8);

    private readonly ReadOnlySpan<byte> _json = json;
    private int _at;

    /// <summary>Goes into the object or array that begins here.</summary>
    /// <param name="bracket">Its first character.</param>
    public bool Enter(byte bracket)
    {
        Space();
        if (_at >= _json.Length || _json[_at] != bracket)
            return false;
        _at++;
        return true;
    }

    /// <summary>Goes out of the object or array whose end this is.</summary>
    /// <param name="bracket">Its last character.</param>
    public void Leave(byte bracket)
    {
        Space();
        if (_at < _json.Length && _json[_at] == bracket)
            _at++;
    }

    /// <summary>Where the next begins.</summary>
    public int Here()
    {
        Space();
        return _at;
    }

    /// <summary>What has been passed since.</summary>
    /// <param name="start">As <see cref="Here"/> told it.</param>
    public readonly ReadOnlySpan<byte> Since(int start) => _json[start.._at];

    /// <summary>The next property's name, as it is written between its quotes; then comes <see cref="Value"/>.</summary>
    /// <returns>False at the object's end.</returns>
    public bool Property(out ReadOnlySpan<byte> name)
    {
        name = default;
        Separator();
        if (_at >= _json.Length || _json[_at] != '"')
            return false;
        var text = String();
        if (text.Length < 2)
            return false;
        name = text[1..^1];
        Space();
        if (_at < _json.Length && _json[_at] == ':')
            _at++;
        return true;
    }

    /// <returns>False at the array's end; otherwise the next is its <see cref="Value"/>.</returns>
    public bool Item()
    {
        Separator();
        return _at < _json.Length && _json[_at] != ']';
    }

    /// <summary>The value that begins here, as it is written.</summary>
    public ReadOnlySpan<byte> Value()
    {
        Space();
        if (_at >= _json.Length)
            return default;
        var start = _at;
        switch (_json[_at])
        {
            case (byte)'"':
                return String();
            case (byte)'{' or (byte)'[':
                for (var depth = 0; _at < _json.Length;)
                {
                    var next = _json[_at..].IndexOfAny(Structure);
                    if (next < 0)
                        break;
                    _at += next;
                    if (_json[_at] == '"')
                    {
                        String();
                        continue;
                    }

                    depth += _json[_at++] is (byte)'{' or (byte)'[' ? 1 : -1;
                    if (depth == 0)
                        return _json[start.._at];
                }

                _at = _json.Length;
                return _json[start..];
            default:
                var end = _json[_at..].IndexOfAny(AfterValue);
                _at = end < 0 ? _json.Length : _at + Math.Max(1, end);
                return _json[start.._at];
        }
    }

    private ReadOnlySpan<byte> String()
    {
        var start = _at++;
        while (_at < _json.Length)
        {
            var next = _json[_at..].IndexOfAny(InString);
            if (next < 0)
                break;
            _at += next;
            if (_json[_at] == '"')
            {
                _at++;
                return _json[start.._at];
            }

            _at = Math.Min(_json.Length, _at + 2);
        }

        _at = _json.Length;
        return _json[start..];
    }

    private void Space()
    {
        while (_at < _json.Length && _json[_at] is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
            _at++;
    }

    private void Separator()
    {
        Space();
        if (_at < _json.Length && _json[_at] == ',')
            _at++;
        Space();
    }
}
