namespace Tokonomics.Domain.Pricing;

/// <summary>
/// Names of models with wildcards: <c>*</c> is any run of characters, also none; <c>#</c> is one digit, which is how a dated name is told
/// from a model of another name (<c>gpt-5.4-####-##-##</c>, and not <c>gpt-5.4-mini</c>). Case does not matter.
/// </summary>
public static class NamePattern
{
    public static bool IsPattern(string name) => name.AsSpan().IndexOfAny('*', '#') >= 0;

    /// <summary>Linear in practice and free of recursion: on a mismatch only the last <c>*</c> takes one character more.</summary>
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        int p = 0, n = 0, star = -1, starName = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                starName = n;
            }
            else if (p < pattern.Length && Same(pattern[p], name[n]))
            {
                p++;
                n++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                n = ++starName;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }

    private static bool Same(char pattern, char name) =>
        pattern == '#' ? char.IsAsciiDigit(name) : pattern == name || char.ToLowerInvariant(pattern) == char.ToLowerInvariant(name);
}
