using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Api;

/// <summary>The management API over HTTP, on the whole product.</summary>
public sealed class ApiTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<(int Status, JsonElement Body)> SendAsync(HttpMethod method, string path, object? body = null)
    {
        using var answer = await _product.ApiAsync(method, path, body is null ? null : JsonContent.Create(body));
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    private async Task<string> CallAsync(string model = "sandbox-small", string? key = null, string tags = "feature=search")
    {
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(model), key, ("X-Tokonomics-Tags", tags));
        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        await answer.Content.ReadAsStringAsync();
        return answer.RequestId();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer tk_wrong")]
    [InlineData("Bearer mk_test_wrong")]
    [InlineData("Basic abc")]
    public async Task Without_a_valid_token_everything_is_refused_as_problem_details(string? authorization)
    {
        foreach (var path in new[] { "usage/events", "usage/summary", "keys", "credentials", "endpoints", "tokens", "limits", "prices", "prices/overrides", "tags" })
        {
            var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_product.Url, $"/api/v1/{path}"));
            if (authorization is not null)
                request.Headers.TryAddWithoutValidation("Authorization", authorization);
            using var answer = await _product.Client.SendAsync(request);
            ((int)answer.StatusCode).ShouldBe(401, path);
            answer.Headers.WwwAuthenticate.ToString().ShouldBe("Bearer");
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
            JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:token_invalid");
        }
    }

    [Fact]
    public async Task Limits_of_a_key_and_of_the_tenant_are_set_shown_and_taken_away()
    {
        var (_, made) = await SendAsync(HttpMethod.Post, "keys", new { name = "limited", limits = new { requests_per_minute = 60, concurrent_requests = 4 } });
        var id = made.GetProperty("id").GetString();
        (await LimitsAsync(id)).ShouldBe("""{"requests_per_minute":60,"tokens_per_minute":null,"concurrent_requests":4}""");
        (await SendAsync(HttpMethod.Put, $"keys/{id}", new { name = "limited", limits = new { tokens_per_minute = 100_000 } })).Status.ShouldBe(204);
        (await LimitsAsync(id)).ShouldBe("""{"requests_per_minute":null,"tokens_per_minute":100000,"concurrent_requests":null}""");
        var (_, rotated) = await SendAsync(HttpMethod.Post, $"keys/{id}/rotate", new { overlap_seconds = 60 });
        (await LimitsAsync(rotated.GetProperty("id").GetString())).ShouldContain("100000");
        (await SendAsync(HttpMethod.Put, $"keys/{id}", new { name = "limited", limits = new { requests_per_minute = 0 } })).Status.ShouldBe(422);

        var (status, limits) = await SendAsync(HttpMethod.Put, "limits", new { requests_per_minute = 1000, tokens_per_minute = 1_000_000 });
        (status, limits.GetRawText()).ShouldBe((200, """{"requests_per_minute":1000,"tokens_per_minute":1000000,"concurrent_requests":null}"""));
        (await SendAsync(HttpMethod.Get, "limits")).Body.GetRawText().ShouldBe(limits.GetRawText());
        var (refused, problem) = await SendAsync(HttpMethod.Put, "limits", new { concurrent_requests = 1_000_001 });
        refused.ShouldBe(422);
        problem.GetProperty("errors").GetProperty("limits")[0].GetString()!.ShouldContain("1 to 1000000");
        (await SendAsync(HttpMethod.Put, "limits", new { requests_per_hour = 1 })).Status.ShouldBe(400);
        (await SendAsync(HttpMethod.Put, "limits", new { })).Body.GetRawText().ShouldBe("""{"requests_per_minute":null,"tokens_per_minute":null,"concurrent_requests":null}""");

        async Task<string> LimitsAsync(string? key) =>
            (await SendAsync(HttpMethod.Get, "keys")).Body.GetProperty("data").EnumerateArray().Single(k => k.GetProperty("id").GetString() == key).GetProperty("limits").GetRawText();
    }

    [Fact]
    public async Task Events_are_listed_newest_first_a_page_at_a_time_and_filtered()
    {
        var ids = new List<string>();
        for (var i = 0; i < 5; i++)
            ids.Add(await CallAsync(i < 3 ? "sandbox-small" : "sandbox-large", tags: i == 0 ? "feature=chat" : "feature=search"));
        await _product.FlushAsync();

        var seen = new List<string>();
        var cursor = "";
        do
        {
            var (status, page) = await SendAsync(HttpMethod.Get, $"usage/events?environment=test&limit=2{(cursor.Length > 0 ? "&cursor=" + cursor : "")}");
            status.ShouldBe(200);
            seen.AddRange(page.GetProperty("data").EnumerateArray().Select(e => e.GetProperty("id").GetString()!));
            cursor = page.GetProperty("next_cursor").GetString() ?? "";
        }
        while (cursor.Length > 0);
        seen.ShouldBe(Enumerable.Reverse(ids));

        async Task<int> Count(string query) => (await SendAsync(HttpMethod.Get, $"usage/events?{query}")).Body.GetProperty("data").GetArrayLength();
        (await Count("environment=live")).ShouldBe(0);
        (await Count("environment=test&model=sandbox-large")).ShouldBe(2);
        (await Count("environment=test&tag=feature%3Dchat")).ShouldBe(1);
        (await Count("environment=test&status=500")).ShouldBe(0);
        (await Count("environment=test&outcome=completed&provider=openai")).ShouldBe(5);
    }

    [Theory]
    [InlineData("usage/events?environment=prod", "environment")]
    [InlineData("usage/events?limit=0", "limit")]
    [InlineData("usage/events?limit=5000", "limit")]
    [InlineData("usage/events?cursor=zz", "cursor")]
    [InlineData("usage/events?tag=feature", "tag")]
    [InlineData("usage/summary?group_by=colour", "group_by")]
    [InlineData("usage/summary?grain=week", "grain")]
    [InlineData("usage/summary?time_zone=Mars/Olympus", "time_zone")]
    [InlineData("usage/summary?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from")]
    public async Task A_bad_query_is_refused_with_the_field_that_is_wrong(string path, string field)
    {
        var (status, problem) = await SendAsync(HttpMethod.Get, path);
        status.ShouldBe(400);
        problem.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue(problem.ToString());
    }

    [Fact]
    public async Task A_summary_groups_by_model_and_by_tag_and_costs_are_decimal_strings()
    {
        await CallAsync("sandbox-small", tags: "feature=search");
        await CallAsync("sandbox-small", tags: "feature=chat");
        await CallAsync("sandbox-large", tags: "feature=chat");
        await _product.FlushAsync();

        var byModel = (await SendAsync(HttpMethod.Get, "usage/summary?environment=test&group_by=model")).Body.GetProperty("data");
        // 5 in and 33 out: small 5e-6 * 1 + 33e-6 * 2 = 0.000071, twice; large 5e-6 * 10 + 33e-6 * 40 = 0.00137
        Row(byModel, "model", "sandbox-small").GetProperty("cost_usd").GetString().ShouldBe("0.000142");
        Row(byModel, "model", "sandbox-large").GetProperty("cost_usd").GetString().ShouldBe("0.00137");
        var byTag = (await SendAsync(HttpMethod.Get, "usage/summary?environment=test&group_by=tag:feature")).Body.GetProperty("data");
        Row(byTag, "tag:feature", "chat").GetProperty("calls").GetInt64().ShouldBe(2);
        Row(byTag, "tag:feature", "chat").GetProperty("cost_usd").GetString().ShouldBe("0.001441");
        var tags = (await SendAsync(HttpMethod.Get, "tags?environment=test")).Body.GetProperty("data");
        tags[0].GetProperty("name").GetString().ShouldBe("feature");
        tags[0].GetProperty("values").GetArrayLength().ShouldBe(2);

        static JsonElement Row(JsonElement rows, string dimension, string value) => rows.EnumerateArray().Single(r => r.GetProperty("group").GetProperty(dimension).GetString() == value);
    }

    [Fact]
    public async Task A_key_is_made_used_renamed_rotated_and_revoked_at_once()
    {
        var (status, made) = await SendAsync(HttpMethod.Post, "keys", new { name = "batch", environment = "test", tags = new Dictionary<string, string> { ["team"] = "data" } });
        status.ShouldBe(201);
        var (id, key) = (made.GetProperty("id").GetString()!, made.GetProperty("key").GetString()!);
        var row = await _product.EventAsync(await CallAsync(key: key));
        row.GetProperty("key_id").GetString().ShouldBe(id);
        row.GetProperty("tags").GetProperty("team").GetString().ShouldBe("data");

        (await SendAsync(HttpMethod.Put, $"keys/{id}", new { name = "batch-eu", tags = new Dictionary<string, string>() })).Status.ShouldBe(204);
        var (_, rotated) = await SendAsync(HttpMethod.Post, $"keys/{id}/rotate", new { overlap_seconds = 3600 });
        await CallAsync(key: key);
        await CallAsync(key: rotated.GetProperty("key").GetString());
        (await SendAsync(HttpMethod.Delete, $"keys/{id}")).Status.ShouldBe(204);
        using var refused = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(), key);
        ((int)refused.StatusCode).ShouldBe(401);
        (await refused.Content.ReadAsStringAsync()).ShouldContain("revoked_key");
        (await SendAsync(HttpMethod.Delete, "keys/key_unknown")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task No_answer_of_the_API_shows_a_key_or_a_secret_a_second_time()
    {
        const string Secret = "sk-upstream-0123456789abcdef";
        (await SendAsync(HttpMethod.Post, "credentials", new { provider = "openai", secret = Secret })).Status.ShouldBe(201);
        var (_, made) = await SendAsync(HttpMethod.Post, "keys", new { name = "x", environment = "live" });
        var (_, token) = await SendAsync(HttpMethod.Post, "tokens", new { name = "x", role = "viewer" });
        var secrets = new[] { Secret, made.GetProperty("key").GetString()!, token.GetProperty("token").GetString()!, _product.LiveKey, _product.TestKey, _product.Token };
        foreach (var path in new[] { "keys", "credentials", "tokens", "endpoints", "usage/events", "usage/summary", "prices", "prices/overrides", "openapi.json" })
        {
            var text = await (await _product.ApiAsync(HttpMethod.Get, path)).Content.ReadAsStringAsync();
            foreach (var secret in secrets)
                text.ShouldNotContain(secret);
        }

        (await SendAsync(HttpMethod.Get, "credentials")).Body.GetProperty("data")[0].GetProperty("masked").GetString()!.ShouldEndWith("cdef");
    }

    [Fact]
    public async Task A_field_that_is_not_in_the_contract_is_refused()
    {
        foreach (var body in new object[] { new { name = "k", environment = "test", tenant_id = "ten_other" }, new { name = "k", role = "owner", plan = "pro" } })
        {
            var (status, problem) = await SendAsync(HttpMethod.Post, "keys", body);
            status.ShouldBe(400, problem.ToString());
        }
    }

    [Fact]
    public async Task A_viewers_token_reads_and_changes_nothing()
    {
        var (_, token) = await SendAsync(HttpMethod.Post, "tokens", new { name = "reader", role = "viewer" });
        async Task<int> As(HttpMethod method, string path, object? body = null)
        {
            var request = new HttpRequestMessage(method, new Uri(_product.Url, $"/api/v1/{path}")) { Content = body is null ? null : JsonContent.Create(body) };
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token.GetProperty("token").GetString());
            using var answer = await _product.Client.SendAsync(request);
            return (int)answer.StatusCode;
        }

        (await As(HttpMethod.Get, "usage/events")).ShouldBe(200);
        (await As(HttpMethod.Get, "keys")).ShouldBe(200);
        (await As(HttpMethod.Post, "keys", new { name = "k" })).ShouldBe(403);
        (await As(HttpMethod.Post, "credentials", new { provider = "openai", secret = "sk-0123456789abcdef" })).ShouldBe(403);
        (await As(HttpMethod.Get, "tokens")).ShouldBe(403);
    }

    [Fact]
    public async Task Own_rates_price_the_next_call_and_old_calls_are_rated_again_as_before()
    {
        var before = await CallAsync();
        var (status, set) = await SendAsync(HttpMethod.Post, "prices/overrides", new { provider = "sandbox", model = "sandbox-small", rates = new { input = "100", output = "200" } });
        status.ShouldBe(201);
        var after = await CallAsync();
        (await _product.EventAsync(before)).GetProperty("cost_usd").GetString().ShouldBe("0.000071");
        var row = await _product.EventAsync(after);
        row.GetProperty("cost_usd").GetString().ShouldBe("0.0071"); // 5 * 100e-6 + 33 * 200e-6
        row.GetProperty("price_version").GetString()!.ShouldContain("+");

        var now = DateTimeOffset.UtcNow;
        var report = await _product.Services.GetRequiredService<Rerate>().RunAsync(_product.TenantId, now.Year, now.Month, CancellationToken.None);
        report.Events.ShouldBe(2);
        report.DifferenceCount.ShouldBe(0);

        (await SendAsync(HttpMethod.Delete, $"prices/overrides/{set.GetProperty("id").GetString()}")).Status.ShouldBe(204);
        (await _product.EventAsync(await CallAsync())).GetProperty("cost_usd").GetString().ShouldBe("0.000071");
    }

    [Fact]
    public async Task Rates_that_can_not_be_read_are_refused_with_the_place_that_is_wrong()
    {
        var (status, problem) = await SendAsync(HttpMethod.Post, "prices/overrides", new { provider = "openai", model = "gpt-5", rates = new { input = "cheap" } });
        status.ShouldBe(422);
        problem.ToString().ShouldContain("$.models.gpt-5.input");
    }

    [Fact]
    public async Task The_OpenAPI_document_names_every_route_and_the_way_to_authenticate()
    {
        var document = (await SendAsync(HttpMethod.Get, "openapi.json")).Body;
        document.GetProperty("openapi").GetString()!.ShouldStartWith("3.");
        var paths = document.GetProperty("paths").EnumerateObject().Select(p => p.Name).ToList();
        foreach (var path in new[] { "/api/v1/usage/events", "/api/v1/usage/events/{id}", "/api/v1/usage/summary", "/api/v1/keys", "/api/v1/credentials", "/api/v1/endpoints", "/api/v1/tokens", "/api/v1/prices/overrides", "/api/v1/tags" })
            paths.ShouldContain(path);
        document.GetProperty("components").GetProperty("securitySchemes").GetProperty("token").GetProperty("scheme").GetString().ShouldBe("bearer");
    }

    [Fact]
    public async Task An_unknown_route_of_the_API_says_so_in_problem_details()
    {
        var (status, problem) = await SendAsync(HttpMethod.Get, "nothing/here");
        status.ShouldBe(404);
        problem.GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:not_found");
    }

    [Fact]
    public async Task An_event_shows_the_arithmetic_of_its_cost()
    {
        var lines = (await _product.EventAsync(await CallAsync("sandbox-large"))).GetProperty("cost_lines").EnumerateArray().ToList();
        lines.Count.ShouldBe(2);
        lines[0].GetProperty("unit").GetString().ShouldBe("input");
        lines[0].GetProperty("count").GetInt64().ShouldBe(5);
        lines[0].GetProperty("rate_usd").GetString().ShouldBe("10");
        lines[0].GetProperty("per").GetInt32().ShouldBe(1_000_000);
        lines[0].GetProperty("usd").GetString().ShouldBe("0.00005"); // 5 * 10 / 1e6
        lines[1].GetProperty("usd").GetString().ShouldBe("0.00132"); // 33 * 40 / 1e6
    }

    [Fact]
    public async Task Another_tenants_event_is_not_found()
    {
        var id = await CallAsync();
        await _product.FlushAsync();
        var other = await _product.ProvisionAsync("other", new Dictionary<string, string>());
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_product.Url, $"/api/v1/usage/events/{id}"));
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + other.ApiToken.Secret);
        using var answer = await _product.Client.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(404);
    }
}
