using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>Keeps a short JSON string (a model's name, a finish reason) as bytes while a stream runs; the last one that isn't null wins.</summary>
internal struct ShortText
{
    private const int MaxBytes = 200;

    private byte[]? _json;
    private int _length;

    public void Set(ReadOnlySpan<byte> json)
    {
        if (json.Length is < 3 or > MaxBytes || json[0] != '"')
            return;
        Room(json.Length);
        json.CopyTo(_json);
        _length = json.Length;
    }

    /// <summary>The same from the text between the quotes.</summary>
    public void SetText(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty || text.Length > MaxBytes - 2)
            return;
        Room(text.Length + 2);
        _json![0] = _json[text.Length + 1] = (byte)'"';
        text.CopyTo(_json.AsSpan(1));
        _length = text.Length + 2;
    }

    // Most names are short, and a stream says the same one again and again.
    private void Room(int bytes)
    {
        if (_json is null || _json.Length < bytes)
            _json = new byte[bytes <= 32 ? 32 : MaxBytes];
    }

    public readonly bool Is(ReadOnlySpan<byte> text) =>
        _length == text.Length + 2 && _json.AsSpan(1, text.Length).SequenceEqual(text);

    public void Clear() => _length = 0;

    public readonly bool IsSet => _length > 0;

    /// <summary>The text without its quotes, escapes as written.</summary>
    public readonly ReadOnlySpan<byte> Bytes => _length == 0 ? default : _json.AsSpan(1, _length - 2);

    public override readonly string? ToString()
    {
        if (_length == 0)
            return null;
        try
        {
            return JsonSerializer.Deserialize<string>(_json.AsSpan(0, _length));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // A lone surrogate or a raw control character: no model is called that.
        }
    }
}
