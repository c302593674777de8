using System.Text;

namespace Tokonomics.Application.Tenants;

/// <summary>Where a page of a list ended, as text that means nothing to clients. It grants nothing: the tenant is in the question and not in it.</summary>
internal static class PageCursor
{
    public static string Write(params ReadOnlySpan<string> parts) => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(string.Join('\u001f', parts)));

    /// <summary>Null for a text that <see cref="Write"/> didn't write with so many parts.</summary>
    public static string[]? Read(string? text, int parts)
    {
        if (text is null || text.Length is < 2 or > 2000 || text.Length % 2 != 0 || !text.All(char.IsAsciiHexDigit))
            return null;
        var read = Encoding.UTF8.GetString(Convert.FromHexString(text)).Split('\u001f');
        return read.Length == parts ? read : null;
    }

    public static Refusal Unreadable { get; } = Refusal.Invalid("Cursor", "This is no cursor: send the one of the page before, as it was.");
}
