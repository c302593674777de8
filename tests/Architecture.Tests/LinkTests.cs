using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Architecture.Tests;

/// <summary>Every link between the project's own pages leads somewhere, to the heading that it names, and every page of the documentation is found from its index.</summary>
public sealed partial class LinkTests
{
    private static readonly string[] NotOurs = ["bin", "obj", "node_modules", "artifacts", "data", ".git", "TestResults"];

    private static readonly List<string> Pages = [.. Markdown(TestFolder.Root).Select(f => Path.GetRelativePath(TestFolder.Root, f)).Order(StringComparer.Ordinal)];

    [Fact]
    public void Every_relative_link_and_every_anchor_leads_somewhere()
    {
        Pages.Count.ShouldBeGreaterThan(60);
        Pages.SelectMany(p => Broken(p, Read(p))).ShouldBeEmpty();
        Pages.Sum(p => Links(Read(p)).Count(l => !Outside(l))).ShouldBeGreaterThan(200);

        // Shown to catch: a page, a folder's file and a heading that there aren't, and one that is written otherwise.
        Broken("docs/caps.md", "[a](nothing.md) [b](../README.md) [c](glossary.md#no-such-heading) [d](#what-callers-see) ![e](screenshots/none.webp) [f](https://example.com/x)\n\n```\n[g](in/code.md)\n```\n\n## What callers see\n")
            .ShouldBe(["docs/caps.md: nothing.md", "docs/caps.md: glossary.md#no-such-heading", "docs/caps.md: screenshots/none.webp"]);
        Anchors("# A `b`: c, d\n## A b c d\n## A b c d\n").ShouldBe(["a-b-c-d", "a-b-c-d-1", "a-b-c-d-2"], ignoreOrder: true);
    }

    [Fact]
    public void Every_page_of_the_documentation_is_found_from_its_index()
    {
        var found = new HashSet<string> { "docs/README.md" };
        var ahead = new Queue<string>(found);
        while (ahead.TryDequeue(out var page))
            foreach (var link in Links(Read(page)).Where(l => !Outside(l)))
                // Through a folder's own index too.
                if (Target(page, link.Split('#')[0]) is { } target && (Pages.Contains(target) ? target : Pages.Find(p => p == $"{target}/README.md")) is { } next && next.StartsWith("docs/", StringComparison.Ordinal) && found.Add(next))
                    ahead.Enqueue(next);
        Pages.Where(p => p.StartsWith("docs/", StringComparison.Ordinal)).Except(found).ShouldBeEmpty();

        // The index itself names each page that isn't one of a folder with an index of its own.
        var named = Links(Read("docs/README.md")).Where(l => !Outside(l)).Select(l => Target("docs/README.md", l.Split('#')[0])).ToHashSet();
        var folders = Pages.Where(p => p.EndsWith("/README.md", StringComparison.Ordinal) && p != "docs/README.md").Select(p => p[..^"README.md".Length]).ToList();
        Pages.Where(p => p.StartsWith("docs/", StringComparison.Ordinal) && p != "docs/README.md" && !folders.Exists(f => p.StartsWith(f, StringComparison.Ordinal) && p != f + "README.md")).Except(named.OfType<string>()).ShouldBeEmpty();
        Links(Read("README.md")).ShouldContain("docs/README.md");
    }

    private static IEnumerable<string> Markdown(string folder) => Directory.EnumerateFiles(folder, "*.md")
        .Concat(Directory.EnumerateDirectories(folder).Where(d => !NotOurs.Contains(Path.GetFileName(d))).SelectMany(Markdown));

    private static List<string> Broken(string page, string text)
    {
        var broken = new List<string>();
        foreach (var link in Links(text).Where(l => !Outside(l)))
        {
            var parts = link.Split('#', 2);
            var target = Target(page, parts[0]);
            var full = Path.Combine(TestFolder.Root, target);
            var there = target == page || File.Exists(full) || Directory.Exists(full);
            if (!there || (parts.Length == 2 && target.EndsWith(".md", StringComparison.Ordinal) && !Anchors(target == page ? text : Read(target)).Contains(parts[1])))
                broken.Add($"{page}: {link}");
        }

        return broken;
    }

    private static string Target(string page, string path) =>
        path.Length == 0 ? page : Path.GetRelativePath(TestFolder.Root, Path.GetFullPath(Path.Combine(TestFolder.Root, Path.GetDirectoryName(page)!, Uri.UnescapeDataString(path)))).TrimEnd('/');

    private static bool Outside(string link) => link.Contains("://", StringComparison.Ordinal) || link.StartsWith("mailto:", StringComparison.Ordinal);

    private static List<string> Links(string text) => [.. Link().Matches(Code().Replace(Fence().Replace(text, ""), "")).Select(m => m.Groups[1].Value)];

    /// <summary>The anchors of a page's headings, as GitHub makes them.</summary>
    private static HashSet<string> Anchors(string text)
    {
        var anchors = new HashSet<string>();
        foreach (Match heading in Heading().Matches(Fence().Replace(text, "")))
        {
            var plain = LinkText().Replace(heading.Groups[1].Value.Trim(), "$1").ToLowerInvariant();
            var anchor = NotInAnchors().Replace(plain, "").Replace(' ', '-');
            var (unique, n) = (anchor, 0);
            while (!anchors.Add(unique))
                unique = $"{anchor}-{++n}";
        }

        return anchors;
    }

    private static string Read(string page) => File.ReadAllText(Path.Combine(TestFolder.Root, page));

    [GeneratedRegex(@"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)(?:\s+""[^""]*"")?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^[ ]*(`{3,}|~{3,}).*?^[ ]*\1`*~*[ ]*$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex("`[^`\n]+`")]
    private static partial Regex Code();

    [GeneratedRegex("^#{1,6} (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex LinkText();

    [GeneratedRegex(@"[^\p{L}\p{N}\-_ ]")]
    private static partial Regex NotInAnchors();
}
