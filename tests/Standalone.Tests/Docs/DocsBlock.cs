using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Docs;

/// <summary>Names the fenced block of a page that a test runs: the n-th of the page, from 1.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class RunsAttribute(string page, int number) : Attribute
{
    public string Id => $"{page}#{number}";
}

/// <summary>A fenced block of a page.</summary>
/// <param name="Words">What stands after the language: <c>run</c> marks those that tests/clients run.</param>
internal sealed partial record DocsBlock(string Page, int Number, string Language, string Words, string Text)
{
    public string Id => $"{Page}#{Number}";

    public static IReadOnlyList<DocsBlock> All { get; } = [.. Pages().SelectMany(Of)];

    public static DocsBlock At(string page, int number) => All.Single(b => b.Page == page && b.Number == number);

    /// <summary>Pages by their path in the project.</summary>
    private static IEnumerable<string> Pages() => Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "docs"), "*.md", SearchOption.AllDirectories)
        .Select(f => Path.GetRelativePath(TestFolder.Root, f).Replace('\\', '/')).Order(StringComparer.Ordinal).Prepend("README.md").Prepend("CONTRIBUTING.md");

    private static IEnumerable<DocsBlock> Of(string page) =>
        Fenced().Matches(File.ReadAllText(Path.Combine(TestFolder.Root, page))).Select((m, i) => new DocsBlock(page, i + 1, m.Groups[1].Value, m.Groups[2].Value.Trim(), m.Groups[3].Value));

    /// <summary>Commands in the running text of a page, each once: what stands in backticks and begins with a program.</summary>
    public static IReadOnlyList<string> CommandsIn(string page) =>
        [.. Spans().Matches(Fenced().Replace(File.ReadAllText(Path.Combine(TestFolder.Root, page)), "")).Select(m => m.Groups[1].Value).Where(s => Command().IsMatch(s)).Distinct()];

    [GeneratedRegex("^```(\\w+)([^\n]*)\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fenced();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Spans();

    [GeneratedRegex("^(sudo )?(curl|tokonomics|psql|pg_dump|df|ls|fuser|redis-cli|promtool|systemctl|journalctl|systemd-analyze|helm|kubectl|docker|ln|cp|xattr|openssl|dotnet|node|npm|git|kill|\\./install\\.sh|deploy/[a-z/]+\\.sh) ")]
    private static partial Regex Command();
}
