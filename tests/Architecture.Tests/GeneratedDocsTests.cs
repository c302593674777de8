using System.Reflection;
using System.Text;
using System.Xml.Linq;
using Tokonomics.Application.Providers;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Standalone;
using Tokonomics.Testing;

namespace Tokonomics.Architecture.Tests;

/// <summary>
/// Pages that are made from the code and the data, so that they can't say anything else. <c>TOKONOMICS_WRITE_DOCS=1 dotnet test
/// tests/Architecture.Tests</c> writes them anew.
/// </summary>
public sealed class GeneratedDocsTests
{
    [Fact]
    public void The_page_of_settings_is_what_the_options_say()
    {
        var page = new StringBuilder("""
            # Settings

            Made from the options' own comments; `tests/Architecture.Tests` keeps it so. A setting `Proxy:MaxBodyBytes` is the environment variable
            `Proxy__MaxBodyBytes`. What can't be is said at start, with the setting and its value; `tokonomics config check` says it without a start, and what is misspelt, and prints
            what would be taken (secrets masked).

            | setting | default | is |
            |---|---|---|
            | environment `TOKONOMICS_DATA` | `./data` | The data folder: journal, master key, the sandbox's bill, and the database where `ConnectionStrings:Postgres` names no other. |
            | environment `ASPNETCORE_URLS` | `http://localhost:8080` | Where it listens, separated by `;`. By itself the portal's default is port 8081, the workers' 8082. |
            | `ConnectionStrings:Postgres` |  | The store is this PostgreSQL database (13 or newer) instead of SQLite in the data folder: `Host=db.example.com;Database=tokonomics;Username=tokonomics;Password=…`, with Npgsql's keywords. Where they aren't named: `Timeout=5`, `Command Timeout=15`, `Maximum Pool Size=20`, and `Options` that end a transaction whose client is silent for 30 s. Nodes that share a database share its keys: the same `master.key`, or `Secrets:MasterKey` and `Secrets:Pepper`. |
            | `ConnectionStrings:Redis` |  | Where Redis is, for several nodes: `host:6379`, with `,password=…,ssl=true` and whatever else StackExchange.Redis takes. Empty for one node, whose limits are in memory. |
            | `Kestrel:Endpoints:{name}:Url` |  | In place of `ASPNETCORE_URLS`: one address for each name. These and the next are Kestrel's own, see [tls.md](tls.md). |
            | `Kestrel:Endpoints:{name}:Certificate:Path` |  | The certificate of an https address (PEM with its chain, or PFX); `…:KeyPath` its key, `…:Password` what either is sealed with. |
            | `Kestrel:Certificates:Default:Path` |  | The certificate of all https addresses that have none of their own; `…:KeyPath`, `…:Password` as above. |
            | `Logging:Console:FormatterName` | `simple` | `simple`: a line for people; `json`: an object a line, with the request's id as a field; `systemd`. .NET's own, see [telemetry.md](telemetry.md). |
            | `AllowedHosts` | `*` | Host names that are answered, separated by `;`. |
            | `Providers:{name}:BaseUrl` | the provider's own | Where a provider is: scheme, host, port and what precedes the version prefix. In an environment variable a name's `-` may be written `_`. |
            | `Providers:{name}:StreamUsage` | by provider | `on-demand`: its chat streams report usage only when asked to, which the proxy does; `unasked`: nothing is injected. |
            | `Providers:{name}:FirstByteTimeout` | `00:10:00` | From sending the request to the answer's headers. |
            | `Providers:{name}:IdleTimeout` | `00:05:00` | Between two reads of the answer's body; there is no limit on the whole. |
            | `Prices:Folder` |  | A folder of further price sheets; a sheet there takes the place of the built-in one of its provider. |

            """.ReplaceLineEndings("\n"));
        foreach (var setting in Settings.All())
        {
            var summary = Summary(setting.Property);
            summary.ShouldNotBeNullOrEmpty($"{setting.Name} needs a sentence");
            page.Append($"| `{setting.Name}{(setting.IsList ? ":0" : "")}` | {(setting.Default.Length > 0 ? $"`{setting.Default}`" : "")} | {summary}{(setting.Range.Length > 0 && !summary.Contains(setting.Range[..(setting.Range.IndexOf(' ', StringComparison.Ordinal) + 4)], StringComparison.Ordinal) ? $" {setting.Range}." : "")}{(setting.IsList ? " Further ones as `:1`, `:2`." : "")} |\n");
        }

        Same("docs/operations/configuration.md", page.ToString());
    }

    [Fact]
    public void The_page_of_providers_is_what_the_data_say()
    {
        var catalogue = ProviderData.Load(new Microsoft.Extensions.Configuration.ConfigurationBuilder().Build());
        var page = new StringBuilder("""
            # Providers and routes

            Made from `providers.json` and `surfaces.json` in `src/Infrastructure/Providers/Data`; `tests/Architecture.Tests` keeps it so.

            `/proxy/{provider}/…` takes a route with the provider's version prefix, with the end of it, or without: `/proxy/groq/openai/v1/chat/completions`,
            `/proxy/groq/v1/chat/completions` and `/proxy/groq/chat/completions` are one. `/v1/…` takes the routes of the surfaces openai and anthropic and
            finds the provider by the model: one named before a slash (`groq/llama-3.3-70b-versatile`), or the first that the key can reach of those that list
            the model. On a host named `proxy.*` the `/proxy` is left out.

            | provider | base URL | key goes out as | surfaces (version prefixes) | stream usage |
            |---|---|---|---|---|

            """.ReplaceLineEndings("\n"));
        foreach (var p in catalogue.Providers.Values)
            page.Append($"| {p.Name} | {p.BaseUrl?.ToString().TrimEnd('/') ?? "of the resource: set it"} | {Auth(p.Auth)} | {string.Join("; ", p.Routes.Surfaces.Select(s => $"{s.Surface.Name} ({string.Join(", ", s.Prefixes.Select(x => x.Length == 0 ? "none" : x))})"))} | {(p.StreamUsageOnDemand ? "asked for" : "comes unasked")} |\n");
        foreach (var surface in catalogue.Surfaces.Values)
        {
            page.Append($"\n## {surface.Name}\nMetered:\n\n| route | dialect |\n|---|---|\n");
            foreach (var route in surface.Routes.Where(r => r.Kind == RouteKind.Metered))
                page.Append($"| `{route.Template}` | {route.Dialect} |\n");
            foreach (var (kind, title) in new[] { (RouteKind.Free, "Free"), (RouteKind.Deferred, "Charged by the provider later, outside of the call; recorded at cost 0 and marked `deferred`") })
                if (surface.Routes.Where(r => r.Kind == kind).Select(r => $"`{r.Template}`").ToList() is { Count: > 0 } routes)
                    page.Append($"\n{title}: {string.Join(", ", routes)}.\n");
        }

        Same("docs/providers.md", page.ToString());

        static string Auth(ProviderAuth auth) => auth switch
        {
            ProviderAuth.Bearer => "`Authorization: Bearer`",
            ProviderAuth.XApiKey => "`x-api-key`",
            ProviderAuth.XGoogApiKey => "`x-goog-api-key`",
            ProviderAuth.ApiKey => "`api-key`",
            _ => "none",
        };
    }

    private static void Same(string path, string made)
    {
        var file = Path.Combine(TestFolder.Root, path);
        if (Environment.GetEnvironmentVariable("TOKONOMICS_WRITE_DOCS") == "1")
            File.WriteAllText(file, made);
        File.ReadAllText(file).ShouldBe(made, $"{path} is not what the code says; write it anew with TOKONOMICS_WRITE_DOCS=1 dotnet test tests/Architecture.Tests");
    }

    private static string Summary(PropertyInfo property)
    {
        var xml = XDocument.Load(Path.ChangeExtension(property.DeclaringType!.Assembly.Location, ".xml"));
        var summary = xml.Descendants("member").FirstOrDefault(m => m.Attribute("name")!.Value == $"P:{property.DeclaringType.FullName}.{property.Name}")?.Element("summary");
        if (summary is null)
            return "";
        foreach (var see in summary.Descendants().Where(e => e.Attribute("cref") is not null).ToList())
            see.ReplaceWith(see.Attribute("cref")!.Value.Split('.')[^1]);
        foreach (var code in summary.Descendants("c").ToList())
            code.ReplaceWith($"`{code.Value}`");
        return string.Join(' ', summary.Value.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries)).Replace("|", "\\|", StringComparison.Ordinal);
    }
}
