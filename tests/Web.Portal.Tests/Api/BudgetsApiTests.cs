using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Api;

/// <summary>Budgets over the management API, on the whole product.</summary>
public sealed class BudgetsApiTests : IAsyncLifetime
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

    private async Task CallAsync(string tags = "customer=acme")
    {
        using var answer = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), null, ("X-Tokonomics-Tags", tags));
        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_budget_is_made_counts_what_calls_cost_is_changed_and_deleted()
    {
        await CallAsync(); // 5 in and 33 out: 5e-6 * 1 + 33e-6 * 2 = 0.000071
        await _product.FlushAsync();
        var (status, made) = await SendAsync(HttpMethod.Post, "budgets", new { scope = new { type = "tenant" }, period = "month", limit_usd = "10.00", action = "block", mode = "strict", environment = "test" });
        status.ShouldBe(201, made.ToString());
        var id = made.GetProperty("id").GetString();
        // Of an account that no call has met the node has nothing: it holds nothing then.
        (await SendAsync(HttpMethod.Get, $"budgets/{id}")).Body.GetProperty("state").GetProperty("held_usd").GetString().ShouldBe("0");
        await CallAsync("customer=globex");
        await _product.FlushAsync();

        var budget = (await SendAsync(HttpMethod.Get, "budgets")).Body.GetProperty("data").EnumerateArray().ShouldHaveSingleItem();
        budget.GetProperty("id").GetString().ShouldBe(id);
        budget.GetProperty("scope").GetProperty("type").GetString().ShouldBe("tenant");
        budget.GetProperty("limit_usd").GetString().ShouldBe("10");
        var state = budget.GetProperty("state");
        state.GetProperty("posted_usd").GetString().ShouldBe("0.000142"); // the call before it, too
        // What the node has leased for its next calls goes back when it is idle; until then it is not free for others.
        var leased = decimal.Parse(state.GetProperty("leased_usd").GetString()!, CultureInfo.InvariantCulture);
        decimal.Parse(state.GetProperty("remaining_usd").GetString()!, CultureInfo.InvariantCulture).ShouldBe(10 - 0.000142m - leased);
        state.GetProperty("held_usd").GetString().ShouldBe("0");
        budget.GetProperty("resets_at").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow);

        (await SendAsync(HttpMethod.Put, $"budgets/{id}", new { limit_usd = "0.0001", action = "downgrade", downgrade_to = "sandbox-small", thresholds = new[] { 90 } })).Status.ShouldBe(204);
        var changed = (await SendAsync(HttpMethod.Get, $"budgets/{id}")).Body;
        changed.GetProperty("downgrade_to").GetString().ShouldBe("sandbox-small");
        changed.GetProperty("state").GetProperty("remaining_usd").GetString().ShouldBe("0");
        (await SendAsync(HttpMethod.Delete, $"budgets/{id}")).Status.ShouldBe(204);
        (await SendAsync(HttpMethod.Get, $"budgets/{id}")).Status.ShouldBe(404);
        (await SendAsync(HttpMethod.Get, "budgets")).Body.GetProperty("data").GetArrayLength().ShouldBe(0);
    }

    [Fact]
    public async Task A_budget_for_each_value_lists_the_values_and_a_second_of_the_same_scope_and_period_is_refused()
    {
        object body = new { scope = new { type = "tag", key = "customer" }, period = "day", limit_usd = "1", environment = "test" };
        var (status, made) = await SendAsync(HttpMethod.Post, "budgets", body);
        status.ShouldBe(201, made.ToString());
        var budget = (await SendAsync(HttpMethod.Get, $"budgets/{made.GetProperty("id").GetString()}")).Body;
        budget.GetProperty("state").ValueKind.ShouldBe(JsonValueKind.Null);
        budget.GetProperty("values").GetArrayLength().ShouldBe(0);
        var (again, problem) = await SendAsync(HttpMethod.Post, "budgets", body);
        again.ShouldBe(409);
        problem.GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:budget_exists");
        (await SendAsync(HttpMethod.Post, "budgets", new { scope = new { type = "tag", key = "customer", value = "acme" }, period = "day", limit_usd = "5", environment = "test" })).Status.ShouldBe(201);
    }

    [Theory]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"ten"}""", 422, "limit_usd")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"-1"}""", 422, "limit_usd")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"2000000000"}""", 422, "limit_usd")]
    [InlineData("""{"scope":{"type":"tag"},"period":"month","limit_usd":"1"}""", 422, "scope")]
    [InlineData("""{"scope":{"type":"tenant","id":"x"},"period":"month","limit_usd":"1"}""", 422, "scope")]
    [InlineData("""{"scope":{"type":"tag","key":"No Tag"},"period":"month","limit_usd":"1"}""", 422, "scope")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","action":"downgrade"}""", 422, "downgrade_to")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","action":"downgrade","downgrade_to":"nobody/model"}""", 422, "downgrade_to")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","action":"downgrade","downgrade_to":"no-such-model-or-route"}""", 422, "downgrade_to")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","wait_seconds":61}""", 422, "wait_seconds")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","thresholds":[0]}""", 422, "thresholds")]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","increase":{"amount_usd":"5","until":"2020-01-01T00:00:00Z"}}""", 422, "increase")]
    [InlineData("""{"scope":{"type":"team","id":"team_x"},"period":"month","limit_usd":"1"}""", 404, null)]
    [InlineData("""{"scope":{"type":"tenant"},"period":"year","limit_usd":"1"}""", 400, null)]
    [InlineData("""{"scope":{"type":"tenant"},"period":"month","limit_usd":"1","tenant_id":"other"}""", 400, null)]
    public async Task What_is_wrong_is_refused_with_its_field(string json, int expected, string? field)
    {
        using var answer = await _product.ApiAsync(HttpMethod.Post, "budgets", new StringContent(json, System.Text.Encoding.UTF8, "application/json"));
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(expected, text);
        if (field is not null)
            JsonDocument.Parse(text).RootElement.GetProperty("errors").TryGetProperty(field, out _).ShouldBeTrue(text);
    }
}
