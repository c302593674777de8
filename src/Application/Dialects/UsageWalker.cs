using System.Buffers.Text;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// Walks over the scalars of a small captured object and says where each stands: <c>prompt_tokens_details.cached_tokens</c>,
/// <c>iterations[].type</c>. An array's element that is an object ends with an item of its own path (<c>iterations[]</c>), of no value.
/// Nothing throws: on bytes that aren't JSON the walk just ends.
/// </summary>
internal ref struct UsageWalker
{
    /// <summary>No call uses more of anything: a larger count is noise, not usage, and is read as absent.</summary>
    public const long MaxCount = 1_000_000_000_000;

    private const int MaxPath = 160;
    private const int MaxDepth = 12;

    private Utf8JsonReader _reader;
    private PathBuffer _path;
    private LengthBuffer _lengths;
    private int _length;
    private int _depth;

    public UsageWalker(ReadOnlySpan<byte> json) => _reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });

    [System.Runtime.CompilerServices.InlineArray(MaxPath)]
    private struct PathBuffer
    {
        private char _first;
    }

    [System.Runtime.CompilerServices.InlineArray(MaxDepth + 2)]
    private struct LengthBuffer
    {
        private int _first;
    }

    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public readonly ReadOnlySpan<char> Path => ((ReadOnlySpan<char>)_path)[.._length];

    /// <summary>The value as a count: whole, not negative (a negative one is read as 0), at most <see cref="MaxCount"/>; null where it is none of this.</summary>
    public readonly long? Count => Amount is { } amount && amount <= MaxCount ? (long)Math.Max(0, amount) : null;

    /// <summary>The value as an exact decimal, scientific notation included; null where it is no number or beyond decimal's range.</summary>
    public readonly decimal? Amount => _reader.TokenType == JsonTokenType.Number
        && Utf8Parser.TryParse(_reader.ValueSpan, out decimal value, out var read, 'e') && read == _reader.ValueSpan.Length ? value
        : _reader.TokenType == JsonTokenType.Number && _reader.TryGetDecimal(out var plain) ? plain : null;

    /// <summary>The text of a string, escapes as written; empty for anything else.</summary>
    public readonly ReadOnlySpan<byte> Text => _reader.TokenType == JsonTokenType.String ? _reader.ValueSpan : default;

    public bool Next()
    {
        try
        {
            while (_reader.Read())
            {
                switch (_reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        _length = _lengths[_depth];
                        if (_length > 0)
                            Append('.');
                        foreach (var b in _reader.ValueSpan)
                            Append((char)b);
                        break;

                    case JsonTokenType.StartObject or JsonTokenType.StartArray:
                        if (_depth > 0 && InArray)
                            _length = _lengths[_depth];
                        _depth++;
                        if (_reader.TokenType == JsonTokenType.StartArray)
                        {
                            Append('[');
                            Append(']');
                            InArray = true;
                        }
                        else
                        {
                            InArray = false;
                        }

                        _lengths[_depth] = _length;
                        break;

                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        _depth--;
                        _length = _lengths[_depth];
                        if (_reader.TokenType == JsonTokenType.EndObject && _depth > 0 && InArray)
                            return true;
                        break;

                    default:
                        if (_depth > 0 && InArray)
                            _length = _lengths[_depth];
                        return true;
                }
            }
        }
        catch (JsonException)
        {
            // A provider's broken object: what was read before stands.
        }

        return false;
    }

    private uint _arrays;

    private bool InArray
    {
        readonly get => (_arrays & (1u << _depth)) != 0;
        set => _arrays = value ? _arrays | (1u << _depth) : _arrays & ~(1u << _depth);
    }

    private void Append(char c)
    {
        if (_length < MaxPath)
            _path[_length++] = c;
    }
}
