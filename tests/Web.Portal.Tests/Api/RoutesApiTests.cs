using System.Text;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Api;

/// <summary>Routes over the management API, on the whole product.</summary>
public sealed class RoutesApiTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync(providerKeys: new Dictionary<string, string> { ["openai"] = "sk-provider-key-of-test" });

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<(int Status, JsonElement Body)> SendAsync(HttpMethod method, string path, string? body = null)
    {
        using var answer = await _product.ApiAsync(method, path, body is null ? null : new StringContent(body, Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    private async Task<List<string>> ModelsAsync(string header = "x-none", string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_product.Url, "/v1/models"));
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + (key ?? _product.LiveKey));
        request.Headers.TryAddWithoutValidation(header, "2023-06-01");
        using var answer = await _product.Client.SendAsync(request);
        var models = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("data").EnumerateArray();
        return [.. models.Select(m => m.GetProperty("id").GetString() + (m.TryGetProperty("owned_by", out var owner) ? $" of {owner}" : ""))];
    }

    [Fact]
    public async Task A_route_is_made_read_listed_among_the_models_set_anew_and_deleted()
    {
        var (status, made) = await SendAsync(HttpMethod.Post, "routes", """{"name":"smart","rules":[{"when":{"tags":{"customer":"acme"},"hours":{"days":["mon"],"from":"09:00","to":"17:00"}},"targets":[{"model":"anthropic/claude-haiku-4-5","weight":3},{"model":"sandbox-small"}],"choose":"weighted","first_byte_timeout_ms":2500},{"targets":[{"model":"sandbox-small"}]}]}""");
        status.ShouldBe(201, made.ToString());
        var id = made.GetProperty("id").GetString();
        made.GetProperty("warnings").EnumerateArray().Select(w => w.GetString()).ShouldBe(["No key for anthropic is stored: live calls can't reach anthropic/claude-haiku-4-5 unless they bring their own."]);

        var route = (await SendAsync(HttpMethod.Get, "routes")).Body.GetProperty("data").EnumerateArray().ShouldHaveSingleItem();
        route.GetProperty("name").GetString().ShouldBe("smart");
        var rules = route.GetProperty("rules");
        rules[0].GetProperty("when").GetRawText().ShouldBe("""{"tags":{"customer":"acme"},"hours":{"days":["mon"],"from":"09:00","to":"17:00"}}""");
        (rules[0].GetProperty("choose").GetString(), rules[0].GetProperty("retries").GetInt32(), rules[0].GetProperty("first_byte_timeout_ms").GetInt32(), rules[0].GetProperty("sticky").GetBoolean()).ShouldBe(("weighted", 1, 2500, true));
        rules[1].TryGetProperty("when", out _).ShouldBeFalse();
        rules[1].GetProperty("fall_back_on").EnumerateArray().Select(f => f.GetString()).ShouldBe(["rate_limited", "server_error", "timeout", "unreachable", "refused"]);
        var models = await ModelsAsync();
        models[0].ShouldBe("smart of tokonomics");
        models.ShouldContain("gpt-5 of openai");
        (await ModelsAsync("anthropic-version"))[0].ShouldBe("smart");
        var sandboxed = await ModelsAsync(key: _product.TestKey);
        sandboxed[..2].ShouldBe(["smart of tokonomics", "sandbox-small of sandbox"]);
        sandboxed.ShouldContain("sandbox-429 of sandbox");

        // A key that may use some models sees the routes that its list names.
        foreach (var (allowed, sees) in new[] { ("gpt-5*", false), ("sm*", true) })
        {
            var key = (await SendAsync(HttpMethod.Post, "keys", $$"""{"name":"k","allowed_models":["{{allowed}}"]}""")).Body.GetProperty("key").GetString();
            (await ModelsAsync(key: key)).Contains("smart of tokonomics").ShouldBe(sees, allowed);
        }

        // What is read can be sent back.
        (status, var set) = await SendAsync(HttpMethod.Put, $"routes/{id}", $$"""{"name":"gpt-5","rules":{{rules.GetRawText()}}}""");
        (status, set.GetProperty("id").GetString()).ShouldBe((200, id));
        models = await ModelsAsync();
        models[0].ShouldBe("gpt-5 of tokonomics");
        models.Count(m => m.StartsWith("gpt-5 ", StringComparison.Ordinal)).ShouldBe(1); // taken over
        (await SendAsync(HttpMethod.Get, $"routes/{id}")).Body.GetProperty("name").GetString().ShouldBe("gpt-5");
        (await SendAsync(HttpMethod.Delete, $"routes/{id}")).Status.ShouldBe(204);
        (await SendAsync(HttpMethod.Get, $"routes/{id}")).Status.ShouldBe(404);
        (await ModelsAsync()).ShouldContain("gpt-5 of openai");
    }

    [Theory]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"sandbox-small"}],"mirror":true}]}""", 422, "invalid", "Rule 1: a rule has no field 'mirror'")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"sandbox-small"}],"retries":"many"}]}""", 422, "invalid", "Rule 1: retries is a whole number")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"sandbox-small"}],"retries":9}]}""", 422, "invalid", "Rule 1: Retries are 0 to 5")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"nobody/x"}]}]}""", 422, "invalid", "'nobody' in 'nobody/x'")]
    [InlineData("""{"name":"smart","rules":[{"targets":[{"model":"taken"}]}]}""", 422, "invalid", "'taken' is a route")]
    [InlineData("""{"name":"taken","rules":[{"targets":[{"model":"sandbox-small"}]}]}""", 409, "route_exists", "There is a route 'taken' already")]
    [InlineData("""{"name":"sandbox-small","rules":[{"targets":[{"model":"sandbox-large"}]}]}""", 409, "name_is_target", "'sandbox-small' is a target of the route 'taken'")]
    [InlineData("""{"name":""", 400, "bad_json", "no JSON")]
    public async Task What_is_wrong_is_refused_in_a_sentence(string json, int status, string type, string says)
    {
        (await SendAsync(HttpMethod.Post, "routes", """{"name":"taken","rules":[{"targets":[{"model":"sandbox-small"}]}]}""")).Status.ShouldBe(201);
        var (refused, problem) = await SendAsync(HttpMethod.Post, "routes", json);
        refused.ShouldBe(status, problem.ToString());
        problem.GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:" + type);
        problem.GetProperty("detail").GetString().ShouldNotBeNull().ShouldContain(says);
        (await SendAsync(HttpMethod.Put, "routes/route_x", """{"name":"smart","rules":[{"targets":[{"model":"sandbox-small"}]}]}""")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_route_that_a_budget_sends_calls_to_keeps_its_name_while_it_does()
    {
        var id = (await SendAsync(HttpMethod.Post, "routes", """{"name":"cheap","rules":[{"targets":[{"model":"sandbox-small"}]}]}""")).Body.GetProperty("id").GetString();
        var budget = (await SendAsync(HttpMethod.Post, "budgets", """{"scope":{"type":"tenant"},"period":"day","limit_usd":"1","action":"downgrade","downgrade_to":"cheap"}""")).Body.GetProperty("id").GetString();
        (await SendAsync(HttpMethod.Put, $"budgets/{budget}", """{"limit_usd":"2","action":"downgrade","downgrade_to":"nobody/cheap"}""")).Status.ShouldBe(422);
        foreach (var (method, body) in new (HttpMethod, string?)[] { (HttpMethod.Delete, null), (HttpMethod.Put, """{"name":"dear","rules":[{"targets":[{"model":"sandbox-small"}]}]}""") })
        {
            var (status, problem) = await SendAsync(method, $"routes/{id}", body);
            status.ShouldBe(409, problem.ToString());
            problem.GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:route_in_use");
        }

        (await SendAsync(HttpMethod.Put, $"routes/{id}", """{"name":"cheap","rules":[{"targets":[{"model":"sandbox-large"}]}]}""")).Status.ShouldBe(200);
        (await SendAsync(HttpMethod.Delete, $"budgets/{budget}")).Status.ShouldBe(204);
        (await SendAsync(HttpMethod.Delete, $"routes/{id}")).Status.ShouldBe(204);
    }

    [Fact]
    public async Task The_document_describes_the_body()
    {
        var document = (await SendAsync(HttpMethod.Get, "openapi.json")).Body;
        document.GetProperty("paths").GetProperty("/api/v1/routes").GetProperty("post").GetProperty("requestBody").GetRawText().ShouldContain("RouteForm");
        document.GetProperty("components").GetProperty("schemas").GetProperty("ConditionsForm").GetProperty("properties").TryGetProperty("budget_used_above_percent", out _).ShouldBeTrue();
    }
}
