using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Api;

/// <summary>What the pages manage, over the API.</summary>
public sealed class ManageApiTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<(int Status, JsonElement Body)> SendAsync(string method, string path, object? body = null, string? token = null)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_product.Url, $"/api/v1/{path}")) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token ?? _product.Token);
        using var answer = await _product.Client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, answer.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) == true && text.Length > 0 ? JsonDocument.Parse(text).RootElement : default);
    }

    private async Task<string> TokenAsync(string role) => (await SendAsync("POST", "tokens", new { name = role, role })).Body.GetProperty("token").GetString()!;

    [Fact]
    public async Task Teams_projects_and_keys_are_made_moved_and_archived()
    {
        var (_, team) = await SendAsync("POST", "teams", new { name = "Search" });
        var id = team.GetProperty("id").GetString();
        var project = (await SendAsync("POST", "projects", new { name = "Ranking", team_id = id })).Body.GetProperty("id").GetString();
        var key = (await SendAsync("POST", "keys", new { name = "k", project_id = project, allowed_models = new[] { "gpt-5*" }, allowed_providers = new[] { "openai" }, cache_seconds = 90 })).Body.GetProperty("id").GetString();
        var (refused, problem) = await SendAsync("DELETE", $"teams/{id}");
        (refused, problem.GetProperty("title").GetString()).ShouldBe((409, "team_in_use"));
        problem.GetProperty("detail").GetString()!.ShouldContain("keys 'k'; projects 'Ranking'");
        (await SendAsync("POST", $"keys/{key}/move", new { })).Status.ShouldBe(204);
        (await SendAsync("DELETE", $"projects/{project}")).Status.ShouldBe(204);
        (await SendAsync("DELETE", $"teams/{id}")).Status.ShouldBe(204);
        (await SendAsync("GET", "teams")).Body.GetProperty("data").GetArrayLength().ShouldBe(0);
        (await SendAsync("GET", "teams?archived=true")).Body.GetProperty("data")[0].GetProperty("name").GetString().ShouldBe("Search");
        (await SendAsync("POST", $"teams/{id}/restore")).Status.ShouldBe(204);
        var detail = (await SendAsync("GET", $"keys/{key}")).Body;
        detail.GetProperty("key").GetProperty("allowed_models")[0].GetString().ShouldBe("gpt-5*");
        detail.GetProperty("key").GetProperty("cache_seconds").GetInt32().ShouldBe(90);
        (await SendAsync("POST", "keys", new { name = "k3", cache_seconds = 0 })).Body.GetProperty("errors").GetProperty("cache_seconds")[0].GetString()!.ShouldContain("1 to 604800 seconds");
        (await SendAsync("DELETE", "cache")).Status.ShouldBe(204);
        detail.GetProperty("last24_hours").GetProperty("calls").GetInt64().ShouldBe(0);
        var page = (await SendAsync("GET", "keys?limit=2&sort=name&status=active")).Body;
        page.GetProperty("total").GetInt32().ShouldBe(3);
        (await SendAsync("GET", $"keys?limit=2&sort=name&status=active&cursor={page.GetProperty("next_cursor").GetString()}")).Body.GetProperty("data").GetArrayLength().ShouldBe(1);
        (await SendAsync("POST", "keys", new { name = "k2", allowed_providers = new[] { "nobody" } })).Body.GetProperty("errors").GetProperty("allowed_providers")[0].GetString()!.ShouldContain("'nobody'");
    }

    [Theory]
    [InlineData("POST", "teams", """{"name":"x","tenant_id":"ten_other"}""")]
    [InlineData("POST", "keys", """{"name":"x","created_by":"somebody"}""")]
    [InlineData("POST", "invitations", """{"email":"a@b.example","role":"viewer","accepted_at":"2026-01-01T00:00:00Z"}""")]
    [InlineData("PUT", "settings", """{"name":"x","plan":"pro"}""")]
    [InlineData("PUT", "settings", """{"status":"active"}""")]
    [InlineData("PUT", "settings", """{"delete_at":null}""")]
    [InlineData("POST", "tokens", """{"name":"x","role":"viewer","tenant_id":"ten_other"}""")]
    [InlineData("POST", "budgets/what-if", """{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","posted_usd":"0"}""")]
    public async Task A_field_that_nobody_may_set_is_refused(string method, string path, string body)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_product.Url, $"/api/v1/{path}")) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _product.Token);
        using var answer = await _product.Client.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(400);
    }

    [Fact]
    public async Task A_developer_makes_keys_and_neither_invites_nor_reads_the_log()
    {
        var developer = await TokenAsync("developer");
        (await SendAsync("POST", "keys", new { name = "k" }, developer)).Status.ShouldBe(201);
        (await SendAsync("POST", "teams", new { name = "t" }, developer)).Status.ShouldBe(403);
        (await SendAsync("POST", "invitations", new { email = "a@b.example" }, developer)).Status.ShouldBe(403);
        (await SendAsync("GET", "audit", token: developer)).Status.ShouldBe(403);
        (await SendAsync("GET", "data/export", token: developer)).Status.ShouldBe(403);
        (await SendAsync("PUT", "settings", new { name = "mine" }, developer)).Status.ShouldBe(403);
        var viewer = await TokenAsync("viewer");
        (await SendAsync("POST", "keys", new { name = "k" }, viewer)).Status.ShouldBe(403);
        (await SendAsync("POST", "budgets/what-if", new { scope = new { type = "tenant" }, period = "month", limit_usd = "10" }, viewer)).Status.ShouldBe(200);
        // Each refusal stands in the log.
        (await SendAsync("GET", "audit?result=denied&limit=100")).Body.GetProperty("data").GetArrayLength().ShouldBe(6);
    }

    [Fact]
    public async Task The_audit_log_is_paged_exported_and_says_from_where()
    {
        for (var i = 0; i < 3; i++)
            await SendAsync("POST", "teams", new { name = $"T{i}" });
        var page = (await SendAsync("GET", "audit?action=create_team&limit=2")).Body;
        var line = page.GetProperty("data")[0];
        (line.GetProperty("detail").GetString(), line.GetProperty("remote").GetString(), line.GetProperty("actor_name").GetString()).ShouldBe(("T2", "127.0.0.1", "token 'default'"));
        (await SendAsync("GET", $"audit?action=create_team&limit=2&cursor={page.GetProperty("next_cursor").GetInt64()}")).Body.GetProperty("data")[0].GetProperty("detail").GetString().ShouldBe("T0");
        using var csv = await _product.ApiAsync(HttpMethod.Get, "audit/export?action=create_team");
        (await csv.Content.ReadAsStringAsync()).Trim().Split("\r\n").Length.ShouldBe(4);
        using var json = await _product.ApiAsync(HttpMethod.Get, "audit/export?format=json");
        (await json.Content.ReadAsStringAsync()).Trim().Split('\n').ShouldAllBe(l => l.Contains("\"hash\":", StringComparison.Ordinal));
        (await SendAsync("GET", "audit/export?format=xml")).Status.ShouldBe(422);
    }

    [Fact]
    public async Task Members_invitations_settings_and_the_end_are_there()
    {
        (await SendAsync("GET", "members")).Body.GetProperty("data")[0].GetProperty("role").GetString().ShouldBe("owner");
        var member = (await SendAsync("GET", "members")).Body.GetProperty("data")[0].GetProperty("id").GetString();
        (await SendAsync("DELETE", $"members/{member}")).Body.GetProperty("title").GetString().ShouldBe("last_owner");
        var invitation = (await SendAsync("POST", "invitations", new { email = "grace@example.com", role = "developer" })).Body;
        invitation.GetProperty("token").GetString()!.ShouldStartWith("iv_");
        (await SendAsync("POST", $"invitations/{invitation.GetProperty("id").GetString()}/resend")).Status.ShouldBe(201);
        (await SendAsync("GET", "invitations")).Body.GetProperty("data").GetArrayLength().ShouldBe(1);
        (await SendAsync("DELETE", $"invitations/{invitation.GetProperty("id").GetString()}")).Status.ShouldBe(204);

        var settings = (await SendAsync("PUT", "settings", new { retention_days = 90, unpriced = "refuse" })).Body;
        (settings.GetProperty("retention_days").GetInt32(), settings.GetProperty("unpriced").GetString(), settings.GetProperty("on_disconnect").GetString(), settings.GetProperty("name").GetString()).ShouldBe((90, "refuse", "cancel", "test"));
        (await SendAsync("PUT", "settings", new { retention_days = 3 })).Status.ShouldBe(422);

        using (var export = await _product.ApiAsync(HttpMethod.Get, "data/export"))
            (await export.Content.ReadAsStringAsync()).ShouldEndWith("{\"complete\":true}\n");
        (await SendAsync("POST", "data/deletion", new { name = "wrong" })).Status.ShouldBe(422);
        (await SendAsync("POST", "data/deletion", new { name = "test" })).Status.ShouldBe(202);
        (await SendAsync("POST", "teams", new { name = "late" })).Body.GetProperty("title").GetString().ShouldBe("tenant_closing");
        (await SendAsync("DELETE", "data/deletion")).Status.ShouldBe(204);
        (await SendAsync("POST", "teams", new { name = "late" })).Status.ShouldBe(201);
    }

    [Fact]
    public async Task Every_operation_in_the_document_says_what_it_does()
    {
        var document = (await SendAsync("GET", "openapi.json")).Body;
        var operations = document.GetProperty("paths").EnumerateObject().SelectMany(p => p.Value.EnumerateObject().Select(o => (Path: $"{o.Name} {p.Name}", o.Value))).ToList();
        operations.Count.ShouldBeGreaterThan(50);
        operations.Where(o => !o.Value.TryGetProperty("summary", out var summary) || summary.GetString()!.Length < 8).Select(o => o.Path).ShouldBeEmpty();
        foreach (var path in new[] { "/teams", "/projects", "/members", "/invitations", "/audit", "/audit/export", "/data/export", "/data/deletion", "/budgets/what-if", "/budgets/{id}/periods", "/keys/{id}/move", "/credentials/{id}/test" })
            document.GetProperty("paths").TryGetProperty("/api/v1" + path, out _).ShouldBeTrue(path);
    }
}
