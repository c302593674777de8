namespace Tokonomics.Application.Providers;

/// <summary>
/// Checks a raw path before anything is decided by it. What the server has decoded and normalised can differ from what the provider will
/// see, so that routes are found in, and upstream paths built from, the bytes as they were sent, and whatever two readers could read
/// differently is refused.
/// </summary>
public static class ProxyPath
{
    /// <summary>Null when the path is sound; otherwise a sentence that says what is wrong with it.</summary>
    /// <param name="path">The raw target up to the query.</param>
    public static string? Problem(ReadOnlySpan<char> path)
    {
        foreach (var c in path)
            if (c is <= ' ' or >= (char)0x7f or '\\' or '#' or '<' or '>' or '"' or '^' or '`' or '{' or '|' or '}')
                return "the path has a character that must be percent-encoded";
        foreach (var range in path.Split('/'))
        {
            var segment = path[range];
            if (segment.Contains('%') && Undecodable(segment) is { } why)
                return why;
            if (IsDots(segment))
                return "the path has a segment of dots; send the path that you mean";
        }

        return null;
    }

    /// <summary>Null when the query may be forwarded as it is.</summary>
    public static string? QueryProblem(ReadOnlySpan<char> query)
    {
        foreach (var c in query)
            if (c is <= ' ' or >= (char)0x7f or '#' or '"' or '<' or '>')
                return "the query has a character that must be percent-encoded";
        return null;
    }

    private static string? Undecodable(ReadOnlySpan<char> segment)
    {
        for (var i = 0; i < segment.Length; i++)
        {
            if (segment[i] != '%')
                continue;
            if (i + 2 >= segment.Length || !char.IsAsciiHexDigit(segment[i + 1]) || !char.IsAsciiHexDigit(segment[i + 2]))
                return "the path has a percent sign without two hexadecimal digits behind it";
            var value = Convert.ToByte(segment.Slice(i + 1, 2).ToString(), 16);
            if (value is < 0x20 or 0x7f or (byte)'%' or (byte)'\\')
                return "the path has a percent-encoded control character, percent sign or backslash";
        }

        var decoded = Uri.UnescapeDataString(segment.ToString());
        foreach (var part in decoded.AsSpan().Split('/'))
            if (decoded.AsSpan(part).IsEmpty || IsDots(decoded.AsSpan(part)))
                return "the path has an encoded slash or dot segment; send the path that you mean";
        return null;
    }

    private static bool IsDots(ReadOnlySpan<char> segment) => segment is "." or "..";
}
