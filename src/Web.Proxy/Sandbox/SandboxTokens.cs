using System.Text;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>A part of an answer that is sent at once, and how many tokens it counts.</summary>
internal readonly record struct Piece(string Text, int Tokens);

/// <summary>
/// The sandbox's tokenizer: a token is up to 4 UTF-8 bytes and never cuts a character. For ASCII that is a token per 4 bytes, rounded up; it
/// never counts more tokens than there are bytes, which is what upper bounds elsewhere rely on.
/// </summary>
internal static class SandboxTokens
{
    public const int PerMessage = 3;

    /// <summary>A picture, a sound or a file inside a prompt, whatever its size.</summary>
    public const int PerMedium = 85;

    public static long Count(string text)
    {
        if (Ascii.IsValid(text)) return (text.Length + 3L) / 4;
        long tokens = 0;
        var room = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var bytes = rune.Utf8SequenceLength;
            if (bytes > room)
            {
                tokens++;
                room = 4;
            }

            room -= bytes;
        }

        return tokens;
    }

    /// <summary>Cuts a text into pieces of one token each, at most <paramref name="limit"/> of them.</summary>
    public static List<Piece> Cut(string text, long limit)
    {
        var pieces = new List<Piece>();
        int start = 0, at = 0, room = 4;
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Utf8SequenceLength > room)
            {
                if (pieces.Count >= limit) return pieces;
                pieces.Add(new Piece(text[start..at], 1));
                start = at;
                room = 4;
            }

            room -= rune.Utf8SequenceLength;
            at += rune.Utf16SequenceLength;
        }

        if (at > start && pieces.Count < limit) pieces.Add(new Piece(text[start..at], 1));
        return pieces;
    }
}
