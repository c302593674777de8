using System.Reflection;
using System.Text.RegularExpressions;
using Tokonomics.Testing;

namespace Tokonomics.Architecture.Tests;

/// <summary>What the structure promises. Each rule is also shown to catch what it forbids.</summary>
public sealed partial class LayerTests
{
    private static readonly (string Layer, string[] May)[] Layers =
    [
        ("Domain", []),
        ("Application", ["Domain"]),
        ("Infrastructure", ["Domain", "Application"]),
        ("Web.Proxy", ["Domain", "Application", "Infrastructure"]),
        ("Web.Portal", ["Domain", "Application", "Infrastructure"]),
        ("Workers", ["Domain", "Application", "Infrastructure"]),
    ];

    [Fact]
    public void Layers_refer_only_inwards()
    {
        foreach (var (layer, may) in Layers)
            ForbiddenReferences(Assembly.Load($"Tokonomics.{layer}").GetReferencedAssemblies().Select(a => a.Name!), may).ShouldBeEmpty(layer);
        // Shown to catch: the outermost layer may not be referred to by the innermost.
        ForbiddenReferences(Assembly.Load("Tokonomics.Standalone").GetReferencedAssemblies().Select(a => a.Name!), []).ShouldNotBeEmpty();
    }

    private static List<string> ForbiddenReferences(IEnumerable<string> references, string[] may) =>
        [.. references.Where(r => r.StartsWith("Tokonomics.", StringComparison.Ordinal) && !may.Contains(r["Tokonomics.".Length..]))];

    [Fact]
    public void The_domain_knows_no_framework_no_input_and_output_and_no_async()
    {
        var references = Assembly.Load("Tokonomics.Domain").GetReferencedAssemblies().Select(a => a.Name!).ToList();
        references.Where(IsFramework).ShouldBeEmpty();
        IsFramework("Microsoft.EntityFrameworkCore").ShouldBeTrue();
        foreach (var (file, text) in Sources("Domain"))
        {
            Async().IsMatch(text).ShouldBeFalse(file);
            InputOutput().IsMatch(text).ShouldBeFalse(file);
        }

        Async().IsMatch("public async Task RunAsync()").ShouldBeTrue();
        InputOutput().IsMatch("File.ReadAllText(path)").ShouldBeTrue();

        static bool IsFramework(string name) => name.StartsWith("Microsoft.", StringComparison.Ordinal) || name.StartsWith("MediatR", StringComparison.Ordinal);
    }

    [Fact]
    public void Money_is_never_a_double()
    {
        foreach (var (file, text) in Sources("Domain/Money").Concat(Sources("Domain/Pricing")).Concat(Sources("Application/Pricing")).Concat(Sources("Infrastructure/Pricing")).Concat(Sources("Web.Proxy/Forwarding")))
            FloatingPoint().IsMatch(WithoutComments(text)).ShouldBeFalse(file);
        FloatingPoint().IsMatch("double cost = 0.1;").ShouldBeTrue();
        FloatingPoint().IsMatch("float x").ShouldBeTrue();
    }

    [Fact]
    public void The_hot_path_has_no_LINQ_no_EF_and_no_mediator()
    {
        foreach (var (file, text) in Sources("Web.Proxy/Forwarding"))
            Slow().Match(WithoutComments(text)).Value.ShouldBeEmpty(file);
        Slow().IsMatch("list.Where(x => x.Ok).ToList()").ShouldBeTrue();
        Slow().IsMatch("using MediatR;").ShouldBeTrue();
        Slow().IsMatch("JsonDocument.Parse(body)").ShouldBeTrue();
    }

    [Fact]
    public void Logging_goes_through_LoggerMessage_alone()
    {
        foreach (var (file, text) in Layers.SelectMany(l => Sources(l.Layer)))
            LooseLogging().IsMatch(text).ShouldBeFalse(file);
        LooseLogging().IsMatch("""log.LogInformation("body {Body}", body)""").ShouldBeTrue();
    }

    [Fact]
    public void No_folder_is_named_after_a_kind_of_type_and_no_type_after_nothing()
    {
        var src = Path.Combine(TestFolder.Root, "src");
        Directory.EnumerateDirectories(src, "*", SearchOption.AllDirectories).Where(d => !IsBuilt(d)).Select(Path.GetFileName).Where(n => KindOfType().IsMatch(n!)).ShouldBeEmpty();
        foreach (var (layer, _) in Layers)
            Assembly.Load($"Tokonomics.{layer}").GetTypes().Where(t => t.Namespace?.StartsWith("Tokonomics", StringComparison.Ordinal) == true && Vague().IsMatch(t.Name)).Select(t => t.FullName).ShouldBeEmpty();
        KindOfType().IsMatch("Interfaces").ShouldBeTrue();
        Vague().IsMatch("BudgetManager").ShouldBeTrue();
    }

    [Fact]
    public void Every_provider_has_a_price_sheet_and_every_route_a_dialect()
    {
        var catalogue = Infrastructure.Providers.ProviderData.Load(new Microsoft.Extensions.Configuration.ConfigurationBuilder().Build());
        var book = Infrastructure.Pricing.PriceSheetReader.ReadAll().ToBook();
        catalogue.Providers.Keys.Where(p => !HasSheet(p)).ShouldBeEmpty();
        HasSheet("nosuch").ShouldBeFalse();
        catalogue.Surfaces.Values.SelectMany(s => s.Routes).Where(r => Application.Dialects.DialectCatalogue.Find(r.Dialect) is null).Select(r => r.Template).ShouldBeEmpty();
        Application.Dialects.DialectCatalogue.Find("nosuch").ShouldBeNull();

        bool HasSheet(string provider) => book.Sheets.Any(s => s.Provider == provider);
    }

    [Fact]
    public void The_project_speaks_of_itself_alone()
    {
        // No path of a developer's machine, and lock files name packages, not the hosts that served them.
        foreach (var lockFile in Directory.EnumerateFiles(TestFolder.Root, "package-lock.json", SearchOption.AllDirectories).Where(f => !f.Contains("node_modules", StringComparison.Ordinal)))
            File.ReadAllText(lockFile).ShouldNotContain("\"resolved\"", customMessage: lockFile);
    }

    private static IEnumerable<(string File, string Text)> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "src", folder), "*.cs", SearchOption.AllDirectories).Where(f => !IsBuilt(f)).Select(f => (f, File.ReadAllText(f)));

    private static bool IsBuilt(string path) => path.Contains("/bin/", StringComparison.Ordinal) || path.Contains("/obj/", StringComparison.Ordinal) || path.Contains("node_modules", StringComparison.Ordinal)
        || path.EndsWith("/bin", StringComparison.Ordinal) || path.EndsWith("/obj", StringComparison.Ordinal);

    private static string WithoutComments(string text) => Comment().Replace(text, "");

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\basync\b|\bTask\b|\bValueTask\b")]
    private static partial Regex Async();

    [GeneratedRegex(@"\bFile\.|\bHttpClient\b|\bStream\b|\bConsole\.")]
    private static partial Regex InputOutput();

    [GeneratedRegex(@"\b(double|float|Double|Single)\b")]
    private static partial Regex FloatingPoint();

    [GeneratedRegex(@"\.(Select|Where|ToList|ToArray|Any|All|OrderBy|GroupBy|Aggregate|ToDictionary)\(|EntityFrameworkCore|MediatR|JsonDocument|JsonNode")]
    private static partial Regex Slow();

    [GeneratedRegex(@"\.Log(Trace|Debug|Information|Warning|Error|Critical)\(")]
    private static partial Regex LooseLogging();

    [GeneratedRegex("^(Interfaces|Models|Services|Helpers|Utils|Utilities|Common|Dtos|Entities|Enums|Extensions)$")]
    private static partial Regex KindOfType();

    [GeneratedRegex("(Manager|Helper|Util|Utils|Impl|Base|Dto|Info)$")]
    private static partial Regex Vague();
}
