using System.Globalization;
using System.Text.RegularExpressions;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>A judge that goes by length alone: what is compared is told by its markers, as the proxy writes them for every judge.</summary>
internal static partial class SandboxGrades
{
    public static string? Of(string prompt)
    {
        if (Answers().Match(prompt) is not { Success: true } found)
            return null;
        var (a, b) = (found.Groups["a"].Length, found.Groups["b"].Length);
        return string.Create(CultureInfo.InvariantCulture, $"{{\"a\": {Grade(a, b)}, \"b\": {Grade(b, a)}}}");
    }

    private static int Grade(int length, int other) => Math.Max(1, (int)Math.Round(10d * length / Math.Max(1, Math.Max(length, other))));

    [GeneratedRegex(@"<answer-a-(?<mark>\w+)>\n(?<a>.*?)\n</answer-a-\k<mark>>\s*<answer-b-\k<mark>>\n(?<b>.*?)\n</answer-b-\k<mark>>", RegexOptions.Singleline)]
    private static partial Regex Answers();
}
