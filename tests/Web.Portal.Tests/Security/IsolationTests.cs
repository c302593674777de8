using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MediatR;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.RazorPages.Infrastructure;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Security;

/// <summary>
/// Every route of the portal, as the route table has them, is asked for every id of another tenant, in every role: none tells or changes anything of it. A route that
/// is added is asked by itself.
/// </summary>
public sealed partial class IsolationTests(ITestOutputHelper output) : IAsyncLifetime
{
    // In every name of the other tenant's things; nobody else says it.
    private const string Mark = "zebra";

    private TestProduct _product = null!;
    private string _other = "";
    private List<string> _ids = [];

    public async ValueTask InitializeAsync()
    {
        _product = await TestProduct.StartAsync([new("Endpoints:AllowPrivate", "true"), new("Portal:TriesPerAddress", "10000")]);
        _other = (await _product.ProvisionAsync(Mark, new Dictionary<string, string> { ["openai"] = "sk-zebra-0123456789abcdef" })).TenantId;
        await using var scope = _product.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>();
        var now = DateTimeOffset.UtcNow;
        var team = new Team { TenantId = _other, Id = SortableId.New("team", now), Name = Mark + " team", CreatedAt = now };
        var project = new Project { TenantId = _other, Id = SortableId.New("proj", now), Name = Mark + " project", TeamId = team.Id, CreatedAt = now };
        db.Add(team);
        await db.SaveChangesAsync();
        db.Add(project);
        await db.SaveChangesAsync();
        var mediator = scope.ServiceProvider.GetRequiredService<IMediator>();
        var owner = new Caller(_other, "mem_zebra", Role.Owner);
        var key = await Done(new CreateKey(owner, _other, Mark + " key", KeyEnvironment.Test) { TeamId = team.Id, ProjectId = project.Id, Tags = [new Tag("feature", Mark)] });
        await Done(new CreateApiToken(owner, _other, Mark + " token", Role.Viewer));
        await Done(new AddCustomEndpoint(owner, _other, Mark, "http://127.0.0.1:1/v1", "openai"));
        await Done(new CreateBudget(owner, _other, BudgetScope.Tag("feature", Mark), BudgetPeriod.Month, new BudgetTerms { Limit = NanoUsd.Round(10) }));
        await Done(new SetPriceOverride(owner, _other, "openai", Mark + "-model", JsonDocument.Parse("""{"input":"1.0","output":"2.0"}""").RootElement));
        await Done(new SaveRoute(owner, _other, new RouteForm(Mark + "-smart", [new RuleForm([new TargetForm(Mark + "/" + Mark + "-model")]) { When = new ConditionsForm { Keys = [key.Id] } }])));
        await Done(new InviteMember(owner, _other, "guest@zebra.example", Role.Developer));
        await Done(new SetStripeMeter(owner, _other, "rk_test_zebra000000000000000", Mark));
        await Done(new ConnectMeteredCustomer(owner, _other, Mark, "cus_zebra"));
        await PortalVisitor.SignedInAsync(_product, _other, Role.Admin, Mark + "@zebra.example");
        using var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), key.Secret);
        call.EnsureSuccessStatusCode();
        await call.Content.ReadAsStringAsync();
        for (var tries = 0; Rows("usage_events").Count == 0; tries++)
        {
            tries.ShouldBeLessThan(500);
            await _product.FlushAsync();
            await Task.Delay(10);
        }

        _ids = [.. Tables().SelectMany(IdsIn).Distinct().Where(id => id.Length > 3)];
        _ids.Count.ShouldBeGreaterThan(12);

        async Task<T> Done<T>(IUseCase<T> request)
            where T : class => (await mediator.Send(request)).Value;
    }

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    [Theory]
    [InlineData(Role.Owner)]
    [InlineData(Role.Admin)]
    [InlineData(Role.Developer)]
    [InlineData(Role.Viewer)]
    [InlineData(Role.Billing)]
    public async Task V9_No_route_of_the_API_tells_or_changes_anything_of_another_tenant(Role role)
    {
        var token = await TokenAsync(role);
        var before = Snapshot();
        var asked = 0;
        var routes = Routes().Where(r => r.RoutePattern.RawText!.StartsWith("/api/v1/", StringComparison.Ordinal) && r.RoutePattern.Parameters.All(p => !p.IsCatchAll))
            .SelectMany(r => (r.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(m => (Route: r, Method: m)));
        // What is written may be a name that is one of those ids, and is read back then: all reading comes first.
        foreach (var (route, method) in routes.OrderBy(r => r.Method != "GET"))
                foreach (var id in _ids)
                {
                    var path = Fill(route.RoutePattern, id);
                    using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_product.Url, method == "GET" ? WithQuery(path, id) : path));
                    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
                    if (method is "POST" or "PUT" or "PATCH")
                        request.Content = new StringContent(BodyOf(route, id), Encoding.UTF8, "application/json");
                    using var answer = await _product.Client.SendAsync(request);
                    Quiet($"{role} {method} {path}", await answer.Content.ReadAsStringAsync(), id, written: method != "GET");
                    if (route.RoutePattern.Parameters.Count > 0)
                        ((int)answer.StatusCode).ShouldBeInRange(400, 499, $"{role} {method} {path}");
                    asked++;
                }

        asked.ShouldBeGreaterThan(300);
        Snapshot().ShouldBe(before);
        output.WriteLine($"{role}: {asked} requests with {_ids.Count} ids");
    }

    [Theory]
    [InlineData(Role.Owner)]
    [InlineData(Role.Admin)]
    [InlineData(Role.Developer)]
    [InlineData(Role.Viewer)]
    [InlineData(Role.Billing)]
    public async Task V9_No_page_tells_or_changes_anything_of_another_tenant(Role role)
    {
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId, role);
        var before = Snapshot();
        var asked = 0;
        // The page of mails is the machine's own, whoever sits at it, and no tenant's.
        var handlers = new List<(RouteEndpoint Route, CompiledPageActionDescriptor Page, HandlerMethodDescriptor Handler)>();
        foreach (var route in Routes().Where(r => r.Metadata.GetMetadata<PageActionDescriptor>() is { } p && p.ViewEnginePath is not ("/Users/Logout" or "/Users/DevMail")))
        {
            var page = await _product.Services.GetRequiredService<PageLoader>().LoadAsync(route.Metadata.GetMetadata<PageActionDescriptor>()!, EndpointMetadataCollection.Empty);
            handlers.AddRange(page.HandlerMethods.Select(h => (route, page, h)));
        }

        foreach (var (route, page, handler) in handlers.OrderBy(h => h.Handler.HttpMethod != "Get"))
        {
            // A page may have ended this session, and a redirect to the sign-in would look like silence.
            using (var still = await visitor.GetAsync("/start"))
                if (!still.IsSuccessStatusCode)
                    visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId, role);
            foreach (var id in _ids)
            {
                var path = Fill(route.RoutePattern, id);
                var query = handler.Name is { } name ? path + "?handler=" + name : path;
                using var answer = handler.HttpMethod == "Get" ? await visitor.GetAsync(WithQuery(query, id)) : await visitor.PostAsync(query, FieldsOf(page, handler, id));
                Quiet($"{role} {handler.HttpMethod} {query}", await answer.Content.ReadAsStringAsync(), id, written: handler.HttpMethod != "Get");
                ((int)answer.StatusCode).ShouldBeLessThan(500, $"{role} {handler.HttpMethod} {query}: {string.Join('\n', _product.Log.Lines.TakeLast(3))}");
                asked++;
            }
        }

        asked.ShouldBeGreaterThan(50);
        Snapshot().ShouldBe(before);
        output.WriteLine($"{role}: {asked} requests with {_ids.Count} ids");
    }

    [Fact]
    public void The_snapshot_sees_a_change_and_the_mark_is_seen()
    {
        var before = Snapshot();
        using (var connection = new SqliteConnection($"Data Source={_product.DataFolder}/tokonomics.db"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "UPDATE teams SET name = 'other'";
            command.ExecuteNonQuery().ShouldBe(1);
        }

        Snapshot().ShouldNotBe(before);
        Should.Throw<ShouldAssertException>(() => Quiet("", "a page with Zebra key in it", "x"));
    }

    private IEnumerable<RouteEndpoint> Routes() => _product.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>().Where(r => r.RoutePattern.RawText is not null);

    // What was asked for may be repeated in an answer; anything else of the other tenant may not. After writing, names are looked at alone, which no request says.
    private void Quiet(string what, string text, string asked, bool written = false)
    {
        text.Contains(Mark + " ", StringComparison.OrdinalIgnoreCase).ShouldBeFalse($"{what} says: {text}");
        if (written)
            return;
        // A random text may have any word in it.
        var rest = FormToken().Replace(text.Replace(asked, "", StringComparison.OrdinalIgnoreCase), "");
        rest.Contains(Mark, StringComparison.OrdinalIgnoreCase).ShouldBeFalse($"{what} says: {text}");
        _ids.FirstOrDefault(id => id.Length > 20 && id != asked && rest.Contains(id, StringComparison.Ordinal)).ShouldBeNull($"{what} says: {text}");
    }

    [GeneratedRegex("name=\"__RequestVerificationToken\"[^>]*>")]
    private static partial Regex FormToken();

    private static string Fill(RoutePattern pattern, string id)
    {
        var path = new StringBuilder();
        foreach (var segment in pattern.PathSegments)
            path.Append('/').Append(string.Concat(segment.Parts.Select(p => p switch
            {
                RoutePatternLiteralPart literal => literal.Content,
                RoutePatternSeparatorPart separator => separator.Content,
                _ => Uri.EscapeDataString(id),
            })));
        return path.Length == 0 ? "/" : path.ToString();
    }

    // Every name under which a query may name something.
    private static string WithQuery(string path, string id) =>
        path + (path.Contains('?') ? "&" : "?") + string.Join('&', new[] { "key", "key_id", "team", "team_id", "project", "project_id", "member", "id", "budget", "tenant", "tenant_id", "subject", "actor", "request", "model", "provider", "q" }.Select(n => $"{n}={Uri.EscapeDataString(id)}"));

    private static string BodyOf(RouteEndpoint route, string id)
    {
        var type = route.Metadata.GetMetadata<Microsoft.AspNetCore.Http.Metadata.IAcceptsMetadata>()?.RequestType;
        var body = new JsonObject();
        foreach (var property in type?.GetProperties() ?? [])
            if (property.CanRead && Value(property.PropertyType, id) is { } value)
                body[JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name)] = value;
        return body.ToJsonString();
    }

    private static JsonNode? Value(Type type, string id) =>
        type == typeof(string) ? id
        : type == typeof(bool) || type == typeof(bool?) ? true
        : type == typeof(int) || type == typeof(long) || type == typeof(int?) || type == typeof(long?) ? 1
        : null;

    private static IEnumerable<KeyValuePair<string, string>> FieldsOf(CompiledPageActionDescriptor page, HandlerMethodDescriptor handler, string id)
    {
        foreach (var property in page.BoundProperties.Select(p => (Name: p.BindingInfo?.BinderModelName ?? p.Name, Type: p.ParameterType)).Concat(handler.Parameters.Select(p => (Name: p.BindingInfo?.BinderModelName ?? p.Name, Type: p.ParameterType))))
        {
            if (property.Type == typeof(string))
                yield return new(property.Name, id);
            else if (property.Type == typeof(bool))
                yield return new(property.Name, "true");
            else if (property.Type.IsEnum)
                yield return new(property.Name, Enum.GetNames(property.Type)[^1]);
            else if (property.Type.IsPrimitive || property.Type == typeof(decimal))
                yield return new(property.Name, "1");
            foreach (var inner in property.Type.Namespace?.StartsWith("Tokonomics", StringComparison.Ordinal) == true && !property.Type.IsEnum ? property.Type.GetProperties() : [])
                if (inner.PropertyType == typeof(string))
                    yield return new($"{property.Name}.{inner.Name}", id);
        }
    }

    private async Task<string> TokenAsync(Role role)
    {
        await using var scope = _product.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new CreateApiToken(new Caller(_product.TenantId, "mem_test", Role.Owner), _product.TenantId, "t", role))).Value.Secret;
    }

    // All that the database has of the other tenant, but what a job beside the portal writes about its own runs.
    private string Snapshot() => string.Join('\n', Tables().Select(t => $"{t}: {string.Join(" | ", Rows(t).Select(r => string.Join(',', r.Where(c => t != "stripe_meters" || c.Key is not ("ran_at" or "busy_until" or "planned_until" or "problem")).Select(c => c.Value))).Order(StringComparer.Ordinal))}"));

    private List<string> Tables()
    {
        using var connection = new SqliteConnection($"Data Source={_product.DataFolder}/tokonomics.db");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT m.name FROM sqlite_master m WHERE m.type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'tenant_id') ORDER BY m.name";
        using var row = command.ExecuteReader();
        var tables = new List<string>();
        while (row.Read())
            tables.Add(row.GetString(0));
        return [.. tables.Where(t => t is not "sessions" and not "changes")];
    }

    private List<Dictionary<string, string>> Rows(string table)
    {
        using var connection = new SqliteConnection($"Data Source={_product.DataFolder}/tokonomics.db");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT * FROM {table} WHERE tenant_id = @tenant";
        command.Parameters.AddWithValue("@tenant", _other);
        using var row = command.ExecuteReader();
        var rows = new List<Dictionary<string, string>>();
        while (row.Read())
            rows.Add(Enumerable.Range(0, row.FieldCount).ToDictionary(row.GetName, i => row.IsDBNull(i) ? "" : row.GetValue(i) is byte[] bytes ? Convert.ToHexString(bytes) : row.GetValue(i).ToString()!));
        return rows;
    }

    private IEnumerable<string> IdsIn(string table) => Rows(table).SelectMany(r => r.Where(c => c.Key is "tenant_id" or "id" or "request_id" || (table == "custom_endpoints" && c.Key == "name")).Select(c => c.Value));
}
