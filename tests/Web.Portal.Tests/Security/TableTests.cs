using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Security;

/// <summary>docs/security.md names tests that there are.</summary>
public sealed class TableTests
{
    [Fact]
    public void Every_row_of_the_table_has_tests_where_it_says_and_every_test_of_a_row_stands_in_the_table()
    {
        var tests = Path.Combine(TestFolder.Root, "tests");
        var named = Directory.EnumerateFiles(tests, "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(f => Regex.Matches(File.ReadAllText(f), @" (V\d+)_\w+\(").Select(m => (Row: m.Groups[1].Value, File: Path.GetRelativePath(tests, f).Replace('\\', '/')))).Distinct().ToList();
        var rows = Regex.Matches(File.ReadAllText(Path.Combine(TestFolder.Root, "docs/security.md")), @"^\| (V\d+) \|.*\| ([^|]+) \|$", RegexOptions.Multiline)
            .Select(m => (Row: m.Groups[1].Value, Files: Regex.Matches(m.Groups[2].Value, "`([A-Z][^`]+)`").Select(f => f.Groups[1].Value).ToList())).ToList();
        rows.Count.ShouldBeGreaterThan(20);
        foreach (var (row, files) in rows)
            foreach (var file in files.Where(f => f != "Portal.Browser.Tests/EveryPageTests")) // of all rows
                named.ShouldContain(n => n.Row == row && (n.File == file + ".cs" || n.File == $"Web.Portal.Tests/{file}.cs"), $"{row}: {file}");
        named.Select(n => n.Row).Distinct().Except(rows.Select(r => r.Row)).ShouldBeEmpty();
    }
}
