using System.Text;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>
/// How Kestrel reads the bytes of header values: as Latin-1, so that bytes beyond ASCII pass as they are in both directions. Two headers are
/// read so that Kestrel 10.0 can't take them for less than they say; it offers no other place to see them as they came.
/// </summary>
internal sealed class HeaderDecoding : Encoding
{
    // Kestrel takes "+3" for a length. What isn't digits alone becomes a text that it refuses.
    private static readonly HeaderDecoding OfContentLength = new(text => text.AsSpan().ContainsAnyExceptInRange('0', '9') ? "not a number" : text);

    // Kestrel replaces "close, x-name" by "close" and loses that x-name is for this hop alone; it replaces nothing where both of its words stand.
    // What it costs: such a connection is closed after the answer.
    private static readonly HeaderDecoding OfConnection = new(text => text.ToLowerInvariant() is "close" or "keep-alive" or "upgrade" ? text : text + ", keep-alive, close");

    private readonly Func<string, string> _read;

    private HeaderDecoding(Func<string, string> read) => _read = read;

    public static Encoding Of(string header) =>
        header.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) ? OfContentLength
        : header.Equals("Connection", StringComparison.OrdinalIgnoreCase) ? OfConnection
        : Latin1;

    public override int GetCharCount(byte[] bytes, int index, int count) => _read(Latin1.GetString(bytes, index, count)).Length;

    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex)
    {
        var text = _read(Latin1.GetString(bytes, byteIndex, byteCount));
        text.CopyTo(0, chars, charIndex, text.Length);
        return text.Length;
    }

    public override int GetByteCount(char[] chars, int index, int count) => count;

    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) => Latin1.GetBytes(chars, charIndex, charCount, bytes, byteIndex);

    public override int GetMaxByteCount(int charCount) => charCount;

    public override int GetMaxCharCount(int byteCount) => byteCount + 32;
}
