using System.Text.RegularExpressions;
using Tokonomics.Testing;
using YamlDotNet.Serialization;

namespace Tokonomics.Architecture.Tests;

/// <summary>The recipes of docs/fail-open beside each other and beside the proxy: the same codes in all of them, and codes that there are. What they do is tried in tests/Standalone.Tests/FailOpen.</summary>
public sealed partial class FailOpenRecipeTests
{
    private static readonly string[] Final = ["budget_unverifiable", "provider_broke_off", "provider_timeout"];

    [Theory]
    [InlineData("node/fail-open.mjs", "function flush()")]
    [InlineData("python/fail_open.py", "def flush(self)")]
    [InlineData("csharp/FailOpenHandler.cs", "Task FlushAsync(")]
    [InlineData("go/failopen.go", "func (t *Transport) Flush()")]
    public void Each_recipe_lets_the_same_answers_stand_and_can_be_waited_for(string file, string flush)
    {
        var recipe = Read("docs/fail-open/" + file);
        var line = recipe.Split('\n').Single(l => l.Contains("budget_unverifiable", StringComparison.Ordinal));
        Code().Matches(line).Select(m => m.Groups[1].Value).Order().ShouldBe(Final);
        recipe.ShouldContain(flush);
        foreach (var code in Final)
            IsCode(code).ShouldBeTrue(code);
        IsCode("no_such_code").ShouldBeFalse();
    }

    [Fact]
    public void Envoys_configuration_names_clusters_and_codes_that_there_are()
    {
        var resources = ((Dictionary<object, object>)new DeserializerBuilder().Build().Deserialize<object>(Read("docs/fail-open/envoy/envoy.yaml"))!).Map("static_resources");
        var clusters = resources.List("clusters");
        var names = clusters.Select(c => c.Text("name")).ToList();
        names.ShouldBe(["tokonomics_else_openai", "tokonomics", "openai"]);
        clusters[0].Map("cluster_type").Map("typed_config").List<string>("clusters").ShouldBe(names[1..]);
        foreach (var cluster in clusters[1..])
            cluster.Map("load_assignment").Text("cluster_name").ShouldBe(cluster.Text("name"));

        var connections = resources.List("listeners").Single().List("filter_chains").Single().List("filters").Single().Map("typed_config");
        var route = connections.Map("route_config").List("virtual_hosts").Single().List("routes").Single().Map("route");
        names.ShouldContain(route.Text("cluster"));
        // The filter that forwards is the last, as Envoy asks for.
        connections.List("http_filters")[^1].Text("name").ShouldBe("envoy.filters.http.router");
        var header = route.Map("retry_policy").List("retriable_headers").Single();
        header.Text("name").ShouldBe("x-tokonomics-error");
        var codes = header.Map("string_match").Map("safe_regex").Text("regex").Split('|');
        codes.ShouldAllBe(c => IsCode(c) && !Final.Contains(c));
        TypeUrl().Matches(Read("docs/fail-open/envoy/envoy.yaml")).ShouldAllBe(m => m.Groups[1].Value.StartsWith("type.googleapis.com/envoy.extensions.", StringComparison.Ordinal) && m.Groups[1].Value.Contains(".v3.", StringComparison.Ordinal));
    }

    private static readonly Lazy<string> Sources = new(() => string.Concat(
        Directory.EnumerateFiles(Path.Combine(TestFolder.Root, "src"), "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText)));

    private static bool IsCode(string code) => Sources.Value.Contains($"\"{code}\"", StringComparison.Ordinal);

    private static string Read(string file) => File.ReadAllText(Path.Combine(TestFolder.Root, file));

    [GeneratedRegex("[\"']([a-z_]+)[\"']")]
    private static partial Regex Code();

    [GeneratedRegex("\"@type\": ([\\w./]+)")]
    private static partial Regex TypeUrl();
}
