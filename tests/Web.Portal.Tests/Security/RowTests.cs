using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using MediatR;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Routing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Security;

/// <summary>Rows of docs/security.md that are about the portal and its API as a whole. A test's name begins with the row's number.</summary>
public sealed partial class RowTests(RowTests.Setting setting) : IClassFixture<RowTests.Setting>
{
    private TestProduct Product => setting.Product;

    private string Key => setting.Key;

    private string Budget => setting.Budget;

    private string Route => setting.Route;

    /// <summary>One product for all rows, as behind a balancer that ends TLS: X-Forwarded-Proto is believed of this machine.</summary>
    public sealed class Setting : IAsyncLifetime
    {
        private readonly Dictionary<Role, PortalVisitor> _visitors = [];
        private readonly Dictionary<Role, string> _tokens = [];

        public TestProduct Product { get; private set; } = null!;

        public string Key { get; private set; } = "";

        public string Budget { get; private set; } = "";

        public string Route { get; private set; } = "";

        public async ValueTask InitializeAsync()
        {
            Product = await TestProduct.StartAsync(
                [new("Portal:TriesPerAddress", "10000"), new("Proxy:TrustedProxies", "127.0.0.1"), new("Proxy:RequireTls", "true"), new("Portal:PublicUrl", "https://localhost")],
                services: s =>
                {
                    s.Configure<Microsoft.AspNetCore.Identity.PasswordHasherOptions>(o => o.IterationCount = 1000);
                    s.AddLogging(l => l.AddFilter("Microsoft.EntityFrameworkCore.Database.Command", LogLevel.Debug));
                });
            Product.Client.DefaultRequestHeaders.Add("X-Forwarded-Proto", "https");
            Product.Client.DefaultRequestHeaders.Host = "localhost";
            var owner = new Caller(Product.TenantId, "mem_test", Role.Owner);
            Key = (await AskAsync(new CreateKey(owner, Product.TenantId, "of-the-test", KeyEnvironment.Live))).Id;
            Budget = (await AskAsync(new CreateBudget(owner, Product.TenantId, BudgetScope.Tenant, BudgetPeriod.Month, new BudgetTerms { Limit = NanoUsd.Round(10) }))).Id;
            Route = (await AskAsync(new SaveRoute(owner, Product.TenantId, new RouteForm("smart", [new RuleForm([new TargetForm("openai/gpt-5")]) { When = new ConditionsForm { Keys = [Key] } }])))).Id;
            foreach (var role in Enum.GetValues<Role>())
            {
                _visitors[role] = await PortalVisitor.SignedInAsync(Product, Product.TenantId, role);
                _tokens[role] = (await AskAsync(new CreateApiToken(owner, Product.TenantId, role.ToString(), role))).Secret;
            }
        }

        public ValueTask DisposeAsync() => Product.DisposeAsync();

        public PortalVisitor Visitor(Role role) => _visitors[role];

        public string Token(Role role) => _tokens[role];

        public async Task<T> AskAsync<T>(IUseCase<T> request)
            where T : class
        {
            await using var scope = Product.Services.CreateAsyncScope();
            return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request)).Value;
        }
    }

    private Task<T> AskAsync<T>(IUseCase<T> request)
        where T : class => setting.AskAsync(request);

    private async Task<(HttpStatusCode Status, string Text)> ApiAsync(Role role, string method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "/api/v1" + path) { Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", setting.Token(role));
        using var answer = await Product.Client.SendAsync(request);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task V10_Every_statement_that_a_page_sends_names_its_tenant()
    {
        var owner = setting.Visitor(Role.Owner);
        var tables = Column("SELECT m.name FROM sqlite_master m WHERE m.type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'tenant_id')");
        tables.Count.ShouldBeGreaterThan(10);
        var before = Product.Log.Lines.Count;
        foreach (var path in Paths())
            using (await owner.GetAsync(path))
            {
            }

        var statements = Product.Log.Lines.Skip(before).Where(l => l.Contains("Executed DbCommand", StringComparison.Ordinal) && l.Contains("SELECT", StringComparison.Ordinal)).ToList();
        var about = statements.Where(s => tables.Any(t => Regex.IsMatch(s, $"(FROM|JOIN) \"{t}\""))).ToList();
        about.Count.ShouldBeGreaterThan(30);
        // Sessions and memberships are a user's own: who looks is found by them before there is a tenant.
        var without = about.Where(s => !NamesTenant().IsMatch(s) && !Regex.IsMatch(s, "\"user_id\" = @|FROM \"sessions\"")).ToList();
        without.ShouldBeEmpty();
    }

    // O owner, A admin, D developer, V viewer, B billing: who may open a page. The others get 403, or are led to a page that they may.
    public static TheoryData<string, string> PageRoles => new()
    {
        { "/overview", "OADVB" }, { "/explore", "OADVB" }, { "/calls", "OADVB" }, { "/budgets", "OADVB" }, { "/budgets/new", "OADVB" }, { "/search?q=a", "OADVB" },
        { "/alerts", "OADVB" }, { "/alerts/rules", "OADVB" }, { "/alerts/channels", "OADV" },
        { "/keys", "OADV" }, { "/keys/KEY", "OADV" }, { "/providers", "OADV" }, { "/budgets/BUDGET", "OADVB" }, { "/routes", "OADV" }, { "/routes/new", "OADVB" }, { "/routes/ROUTE", "OADV" },
        { "/team", "OA" }, { "/team/projects", "OADVB" }, { "/settings", "OADVB" }, { "/settings/prices", "OADVB" }, { "/settings/tokens", "OA" }, { "/settings/audit", "OA" }, { "/settings/data", "O" },
        { "/operator", "" }, { "/operator/system", "" }, { "/operator/jobs", "" }, { "/operator/audit", "" },
    };

    [Theory]
    [MemberData(nameof(PageRoles))]
    public async Task V11_A_page_opens_to_the_roles_that_may_and_to_no_other(string path, string roles)
    {
        foreach (var role in Enum.GetValues<Role>())
        {
            var visitor = setting.Visitor(role);
            using var answer = await visitor.GetAsync(Named(path));
            if (roles.Contains(role.ToString()[0], StringComparison.Ordinal))
                answer.StatusCode.ShouldBe(HttpStatusCode.OK, $"{role} {path}");
            else
                answer.StatusCode.ShouldBeOneOf(HttpStatusCode.Forbidden, HttpStatusCode.NotFound, HttpStatusCode.Found);
        }
    }

    public static TheoryData<string, string, string> ApiRoles => new()
    {
        { "GET", "/usage/events", "OADVB" }, { "GET", "/usage/summary", "OADVB" }, { "GET", "/budgets", "OADVB" }, { "GET", "/teams", "OADVB" }, { "GET", "/settings", "OADVB" },
        { "GET", "/keys", "OADV" }, { "GET", "/credentials", "OADV" }, { "POST", "/keys", "OAD" }, { "PUT", "/keys/KEY", "OAD" }, { "POST", "/keys/KEY/rotate", "OAD" },
        { "GET", "/routes", "OADV" }, { "GET", "/routes/ROUTE", "OADV" }, { "POST", "/routes", "OAD" }, { "PUT", "/routes/ROUTE", "OAD" }, { "DELETE", "/routes/route_x", "OAD" },
        { "GET", "/alert-rules", "OADVB" }, { "POST", "/alert-rules", "OA" }, { "PUT", "/alert-rules/rule_x", "OA" }, { "PUT", "/alert-quiet-hours", "OA" }, { "POST", "/alert-mutes", "OAD" }, { "POST", "/alerts/alert_x/snooze", "OAD" },
        { "POST", "/budgets", "OA" }, { "PUT", "/budgets/BUDGET", "OA" }, { "POST", "/credentials", "OA" }, { "POST", "/endpoints", "OA" }, { "POST", "/teams", "OA" }, { "GET", "/members", "OA" }, { "POST", "/invitations", "OA" },
        { "GET", "/tokens", "OA" }, { "POST", "/tokens", "OA" }, { "POST", "/prices/overrides", "OA" }, { "GET", "/audit", "OA" }, { "GET", "/data/export", "O" }, { "POST", "/data/deletion", "O" }, { "PUT", "/settings", "O" },
    };

    [Theory]
    [MemberData(nameof(ApiRoles))]
    public async Task V11_A_route_of_the_API_is_for_the_roles_that_may_and_for_no_other(string method, string path, string roles)
    {
        // A body that says nothing true: who may gets 2xx or is told what is wrong with it, and the others not even that.
        foreach (var role in Enum.GetValues<Role>())
        {
            var (status, text) = await ApiAsync(role, method, Named(path), method == "GET" ? null : Body(path));
            if (roles.Contains(role.ToString()[0], StringComparison.Ordinal))
                status.ShouldNotBe(HttpStatusCode.Forbidden, $"{role} {method} {path} {text}");
            else
                status.ShouldBe(HttpStatusCode.Forbidden, $"{role} {method} {path} {text}");
        }
    }

    [Fact]
    public async Task V12_A_field_that_a_form_does_not_have_changes_nothing()
    {
        var ada = setting.Visitor(Role.Developer);
        string[] sneaked = ["Role=Owner", "Me.Role=Owner", "Plan=Enterprise", "TenantId=ten_other", "Tenant.Plan=Enterprise", "IsOperator=true", "Account.IsOperator=true", "Account.Email=x@y.example", "EmailConfirmed=true", "Form.Environment=Test", "Environment=Test", "Id=key_mine", "CreatedBy=nobody"];
        using (await ada.PostAsync("/account", [new("Name", "Ada"), .. Fields(sneaked)]))
        using (var made = await ada.PostAsync("/keys/new", [new("Form.Name", "sneaky"), .. Fields(sneaked)]))
            made.StatusCode.ShouldBe(HttpStatusCode.OK);
        Column("SELECT is_operator || ' ' || email FROM users WHERE id = '" + ada.UserId + "'").ShouldBe([$"0 {ada.Email}"]);
        Column("SELECT role FROM members WHERE user_id = '" + ada.UserId + "'").Single().ShouldBe(Column("SELECT role FROM members WHERE email = '" + ada.Email + "'").Single());
        (await AskAsync(new ListMembers(Caller.Operator, Product.TenantId))).Members.Single(m => m.Email == ada.Email).Role.ShouldBe(Role.Developer);
        var key = (await AskAsync(new ListKeys(Caller.Operator, Product.TenantId) { Search = "sneaky" })).Keys.ShouldHaveSingleItem();
        (key.Environment, key.Id == "key_mine").ShouldBe((KeyEnvironment.Live, false));
        (await AskAsync(new GetTenantSettings(Caller.Operator, Product.TenantId))).Plan.Granted.ShouldBe("pro");
    }

    [Theory]
    [InlineData("POST", "/keys", """{"name":"x","tenant_id":"ten_other"}""")]
    [InlineData("POST", "/keys", """{"name":"x","secret":"mk_live_mine"}""")]
    [InlineData("POST", "/tokens", """{"name":"x","role":"viewer","tenant_id":"ten_other"}""")]
    [InlineData("PUT", "/settings", """{"plan":"enterprise"}""")]
    [InlineData("POST", "/budgets", """{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","spent_usd":"0"}""")]
    [InlineData("POST", "/routes", """{"name":"x","rules":[{"targets":[{"model":"openai/gpt-5"}]}],"tenant_id":"ten_other"}""")]
    public async Task V12_A_field_that_the_API_does_not_have_is_refused(string method, string path, string body)
    {
        var (status, text) = await ApiAsync(Role.Owner, method, path, body);
        ((int)status).ShouldBeInRange(400, 422, text);
        text.ShouldNotContain("mk_live_mine");
    }

    [Fact]
    public async Task V13_No_answer_of_the_API_has_a_field_of_what_is_kept_inside()
    {
        var read = 0;
        foreach (var path in new[] { "/keys", $"/keys/{Key}", "/tokens", "/members", "/invitations", "/credentials", "/endpoints", "/teams", "/projects", "/budgets", $"/budgets/{Budget}", "/routes", $"/routes/{Route}", "/settings", "/limits", "/alerts", "/alert-rules", "/alert-mutes", "/alert-quiet-hours", "/prices/overrides", "/usage/events", "/usage/summary" })
        {
            var (status, text) = await ApiAsync(Role.Owner, "GET", path);
            status.ShouldBe(HttpStatusCode.OK, $"{path} {text}");
            foreach (var name in Names(JsonDocument.Parse(text).RootElement))
            {
                Inside().IsMatch(name).ShouldBeFalse($"{path} tells {name}");
                read++;
            }
        }

        read.ShouldBeGreaterThan(100);

        static IEnumerable<string> Names(JsonElement e) => e.ValueKind switch
        {
            JsonValueKind.Object => e.EnumerateObject().SelectMany(p => Names(p.Value).Prepend(p.Name)),
            JsonValueKind.Array => e.EnumerateArray().SelectMany(Names),
            _ => [],
        };
    }

    [Fact]
    public async Task V25_Nothing_is_changed_by_reading_whatever_the_address_says()
    {
        var owner = setting.Visitor(Role.Owner);
        foreach (var path in Paths()) // the first look may write that it was looked
            using (await owner.GetAsync(path))
            {
            }

        var before = Snapshot();
        foreach (var path in Paths())
            foreach (var handler in new[] { "", "Save", "Revoke", "Rotate", "Delete", "Store", "Add", "Remove", "Invite", "Role", "Team", "Make", "Set", "Tenant", "Calls", "Limits", "Off", "Codes", "Increase", "Provider", "Quiet", "Mute", "EndMute", "Snooze", "Rules" })
            {
                using var answer = await owner.GetAsync(path + (path.Contains('?', StringComparison.Ordinal) ? "&" : "?") + $"handler={handler}&Name=changed&Confirm=of-the-test&Target={Key}&Form.Name=changed&Form.Limit=1&Email=x@y.example&form_id={Guid.NewGuid():n}&form_token={Uri.EscapeDataString(owner.FormToken)}");
                ((int)answer.StatusCode).ShouldBeLessThan(500, $"{path} {handler}");
            }

        Snapshot().ShouldBe(before);
    }

    [Fact]
    public async Task V28_Every_answer_says_HSTS_for_a_year_nosniff_its_referrer_policy_and_that_nobody_else_opens_or_embeds_it()
    {
        var owner = setting.Visitor(Role.Owner);
        foreach (var path in new[] { "/", "/login", "/overview", "/no-such-page", "/css/portal.css", "/api/v1/keys", "/api/v1/openapi.json", "/api/index.html" })
        {
            using var answer = await owner.GetAsync(path);
            string One(string name) => answer.Headers.TryGetValues(name, out var values) ? values.Single() : "";
            One("Strict-Transport-Security").ShouldBe("max-age=31536000; includeSubDomains", path);
            One("X-Content-Type-Options").ShouldBe("nosniff", path);
            One("Referrer-Policy").ShouldBe("same-origin", path);
            One("Cross-Origin-Opener-Policy").ShouldBe("same-origin", path);
            One("Cross-Origin-Resource-Policy").ShouldBe("same-origin", path);
            One("Content-Security-Policy").ShouldContain("frame-ancestors 'none'", Case.Sensitive, path);
            One("Server").ShouldBe("", path);
            if (answer.StatusCode != HttpStatusCode.Found)
                answer.Content.Headers.ContentType.ShouldNotBeNull(path);
        }
    }

    [Theory]
    [InlineData("GET", "/api/v1/keys")]
    [InlineData("POST", "/api/v1/keys")]
    [InlineData("POST", "/v1/chat/completions")]
    public async Task V29_A_program_that_comes_in_the_clear_is_refused_and_not_led_to_TLS(string method, string path)
    {
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(Product.Url, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", path.StartsWith("/api", StringComparison.Ordinal) ? Product.Token : Product.TestKey);
        using var answer = await client.SendAsync(request);
        answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        answer.Headers.Location.ShouldBeNull();
        (await answer.Content.ReadAsStringAsync()).ShouldContain("tls_required");
    }

    private string Named(string path) => path.Replace("KEY", Key, StringComparison.Ordinal).Replace("BUDGET", Budget, StringComparison.Ordinal).Replace("ROUTE", Route, StringComparison.Ordinal);

    private static string Body(string path) => path switch
    {
        "/keys" or "/teams" => """{"name":""}""",
        "/tokens" => """{"name":"","role":"viewer"}""",
        "/budgets" => """{"scope":{"type":"tenant"},"period":"month","limit_usd":"-1"}""",
        "/alert-rules" => """{"kind":"plan.quota","scope":{"type":"team","id":"x"}}""",
        "/alert-quiet-hours" => """{"days":["sunday","sunday"],"from":"20:00","to":"08:00"}""",
        "/credentials" => """{"provider":"nobody","secret":"x"}""",
        "/endpoints" => """{"name":"","base_url":"http://x","surface":"none"}""",
        "/invitations" => """{"email":"nobody","role":"viewer"}""",
        "/prices/overrides" => """{"provider":"nobody","model":"x","rates":{"input":"1"}}""",
        "/data/deletion" => """{"name":"another"}""",
        "/keys/KEY" => """{"name":""}""",
        "/keys/KEY/rotate" => """{"overlap_seconds":-1}""",
        "/budgets/BUDGET" => """{"limit_usd":"-1"}""",
        "/routes" or "/routes/ROUTE" => """{"name":"","rules":[{"targets":[{"model":"openai/gpt-5"}]}]}""",
        "/settings" => """{"name":""}""",
        _ => "{}",
    };

    private static IEnumerable<KeyValuePair<string, string>> Fields(IEnumerable<string> fields) => fields.Select(f => f.Split('=', 2)).Select(f => KeyValuePair.Create(f[0], f[1]));

    /// <summary>Every page of a tenant, with this tenant's things in its parameters.</summary>
    private List<string> Paths() => [.. Product.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
        .Select(r => (Route: r.RoutePattern.RawText ?? "", Page: r.Metadata.GetMetadata<PageActionDescriptor>()?.ViewEnginePath ?? ""))
        .Where(r => r.Page.Length > 0 && !r.Page.StartsWith("/Users/", StringComparison.Ordinal) && !r.Page.StartsWith("/Operator", StringComparison.Ordinal) && r.Page != "/Error")
        .Select(r => "/" + Regex.Replace(r.Route.TrimStart('/'), @"\{[^}]+\}", r.Page.StartsWith("/Budgets", StringComparison.Ordinal) ? Budget : r.Page.StartsWith("/Routes", StringComparison.Ordinal) ? Route : Key)).Distinct()];

    private List<string> Column(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Product.DataFolder}/tokonomics.db");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var row = command.ExecuteReader();
        var values = new List<string>();
        while (row.Read())
            values.Add(string.Join(',', Enumerable.Range(0, row.FieldCount).Select(i => row.GetValue(i) is byte[] bytes ? Convert.ToHexString(bytes) : row.GetValue(i).ToString())));
        return values;
    }

    // All that people manage. Sessions say when they were last used, forms that were sent are remembered, the workers write what they see.
    private string Snapshot() => string.Join('\n', new[] { "tenants", "members", "invitations", "metering_keys", "api_tokens", "provider_credentials", "custom_endpoints", "teams", "projects", "budgets", "model_routes", "price_overrides", "users", "user_passkeys", "audit_log" }
        .Where(Column("SELECT name FROM sqlite_master WHERE type = 'table'").Contains).Select(t => $"{t}: {string.Join(" | ", Column($"SELECT * FROM {t}").Order(StringComparer.Ordinal))}"));

    [GeneratedRegex("\"tenant_id\" (=|IN) ?[@('(]|tenant_id = @")]
    private static partial Regex NamesTenant();

    [GeneratedRegex("hash|sealed|cipher|nonce|password|stamp|seed|^secret|lookup|user_id|ticket", RegexOptions.IgnoreCase)]
    private static partial Regex Inside();
}
