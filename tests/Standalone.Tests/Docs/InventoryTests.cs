using System.Reflection;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Docs;

/// <summary>Every command and program in the pages is run by a test, or stands here with the reason why it can't be: a new one without either fails.</summary>
public sealed class InventoryTests
{
    /// <summary>Languages that can be run; the others are data.</summary>
    private static readonly string[] Languages = ["sh", "js", "csharp", "python", "go"];

    /// <summary>Run by other tests than those of this folder. Where a block says <c>run</c>, <c>start</c> or <c>compiled</c>, tests/clients take it by that word.</summary>
    private static readonly Dictionary<string, string> Elsewhere = new()
    {
        ["docs/quickstart.md#2"] = "the exports stand for what the first start prints, which tests/clients/quickstart.test.mjs takes from there",
        ["docs/integrations/README.md#1"] = "the same",
        ["docs/alerts.md#2"] = "tests/clients/webhook-verify.mjs makes this call with messages that were really sent",
    };

    private static readonly Dictionary<string, string> NotRun = new()
    {
        ["README.md#1"] = "builds the whole and runs all tests; what it starts is what the tests start, built",
        ["docs/operations/installing.md#1"] = "installs into the system; tests/clients/install.test.mjs runs install.sh into folders of its own",
        ["docs/operations/installing.md#2"] = "no Helm and no cluster here; tests/clients/helm.test.mjs renders the chart",
        ["docs/operations/releasing.md#1"] = "tags the repository and compiles for five platforms; tests/Architecture.Tests/VersionTests.cs and tests/clients/sbom.test.mjs run its parts",
        ["docs/reliability.md#1"] = "these very tests, for hours",
    };

    [Fact]
    public void Every_block_that_can_run_is_run_or_named_with_its_reason()
    {
        var run = Assembly.GetExecutingAssembly().GetTypes().SelectMany(t => t.GetMethods(BindingFlags.Instance | BindingFlags.Public)).SelectMany(m => m.GetCustomAttributes<RunsAttribute>()).Select(a => a.Id).ToList();
        run.Count.ShouldBeGreaterThan(15);
        var blocks = DocsBlock.All.Where(b => Languages.Contains(b.Language)).ToList();
        blocks.Count.ShouldBeGreaterThan(40);
        var known = run.Concat(Elsewhere.Keys).Concat(NotRun.Keys).ToList();
        known.ShouldBeUnique();
        known.Where(k => !blocks.Exists(b => b.Id == k)).ShouldBeEmpty("there is no such block");
        blocks.Where(b => !known.Contains(b.Id) && !ByClients(b)).Select(b => b.Id).ShouldBeEmpty("nothing runs these");
    }

    [Fact]
    public void Blocks_that_are_marked_are_on_pages_that_tests_of_clients_read()
    {
        foreach (var block in DocsBlock.All.Where(ByClients))
            (block.Page is "docs/quickstart.md" or "docs/routing/quality.md" || block.Page.StartsWith("docs/integrations/", StringComparison.Ordinal)).ShouldBeTrue(block.Id);
    }

    private static bool ByClients(DocsBlock block) => block.Words.Split(' ')[0] is "run" or "start" or "compiled";

    /// <summary>Commands in the running text of the operations pages that no test runs, and why.</summary>
    private static readonly (string Begins, string Why)[] NotRunInText =
    [
        ("docker ", "no Docker here"), ("kubectl ", "no cluster here"), ("helm ", "no Helm here"),
        ("systemctl ", "no systemd that runs"), ("journalctl ", "no systemd that runs"), ("systemd-analyze ", "tests/clients/install.test.mjs"), ("xattr ", "macOS's"),
        ("sudo ./install.sh", "tests/clients/install.test.mjs"), ("ln -sfn VERSION", "a way back of what install.sh makes, tried there"), ("cp .env.example", "for Docker Compose"),
        ("dotnet run --project src/Standalone", "what the tests start, built"), ("openssl rand", "in the block of telemetry.md"),
        ("curl -v https://…", "a provider's address"), ("sudo tokonomics verify", "install.sh's wrapper, run by tests/clients/install.test.mjs"),
    ];

    [Fact]
    public void Every_command_in_the_text_of_the_operations_pages_is_run_or_named_with_its_reason()
    {
        var pages = DocsBlock.All.Select(b => b.Page).Concat(Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "docs/operations"), "*.md").Select(f => "docs/operations/" + Path.GetFileName(f)))
            .Where(p => p.StartsWith("docs/operations/", StringComparison.Ordinal)).Distinct();
        var commands = pages.SelectMany(DocsBlock.CommandsIn).Distinct().ToList();
        commands.Count.ShouldBeGreaterThan(25);
        commands.Where(c => !RunbookCommandTests.Runs(c) && !NotRunInText.Any(n => c.StartsWith(n.Begins, StringComparison.Ordinal))).ShouldBeEmpty("nothing runs these");
        NotRunInText.Where(n => !commands.Exists(c => c.StartsWith(n.Begins, StringComparison.Ordinal))).ShouldBeEmpty("no page has these any more");
    }
}
