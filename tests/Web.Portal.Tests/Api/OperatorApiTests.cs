using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Api;

/// <summary>The operator's API, on the whole product.</summary>
public sealed class OperatorApiTests : IAsyncLifetime
{
    private const string Old = "old-0123456789abcdef0123456789abcdef";
    private const string New = "new-0123456789abcdef0123456789abcdef";

    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync([new("Portal:OperatorTokens", $"{Old},{New}")]);

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<(int Status, JsonElement Body)> SendAsync(HttpMethod method, string path, string? token = New)
    {
        using var request = new HttpRequestMessage(method, new Uri(_product.Url, $"/api/v1/operator/{path}"));
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await _product.Client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        return ((int)answer.StatusCode, text.Length == 0 ? default : JsonDocument.Parse(text).RootElement);
    }

    [Fact]
    public async Task V11_Only_the_operators_own_tokens_open_it_and_they_open_nothing_of_a_tenant()
    {
        foreach (var path in new[] { "tenants", "accounts", "system", "jobs", "audit" })
        {
            (await SendAsync(HttpMethod.Get, path, Old)).Status.ShouldBe(200, path);
            (await SendAsync(HttpMethod.Get, path)).Status.ShouldBe(200, path);
            foreach (var token in new[] { null, "", New + "0", New[..^1], $"{Old},{New}", _product.Token })
            {
                var (status, body) = await SendAsync(HttpMethod.Get, path, token);
                (status, body.GetProperty("title").GetString()).ShouldBe((401, "token_invalid"), $"{path} {token}");
            }
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(_product.Url, "/api/v1/keys"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", New);
        using var answer = await _product.Client.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(401);
    }

    [Fact]
    public async Task Without_tokens_in_the_settings_there_is_no_such_API_and_a_short_one_is_refused_at_the_start()
    {
        await using var plain = await TestProduct.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(plain.Url, "/api/v1/operator/tenants"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "");
        using var answer = await plain.Client.SendAsync(request);
        ((int)answer.StatusCode).ShouldBe(404);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("operator_api_off");
        (await Should.ThrowAsync<OptionsValidationException>(() => TestProduct.StartAsync([new("Portal:OperatorTokens", "short")]))).Message.ShouldContain("32 characters");
    }

    [Fact]
    public async Task Every_job_runs_when_it_is_asked_for_and_says_what_it_did()
    {
        var (_, planned) = await SendAsync(HttpMethod.Get, "jobs");
        var names = planned.GetProperty("data").EnumerateArray().Select(j => j.GetProperty("job").GetString()!).ToList();
        names.Count.ShouldBeGreaterThan(7);
        planned.GetProperty("data").EnumerateArray().ShouldAllBe(j => j.GetProperty("next_at").ValueKind == JsonValueKind.String && !j.GetProperty("late").GetBoolean());
        (await SendAsync(HttpMethod.Post, "jobs/no-such-job/run")).Status.ShouldBe(404);
        foreach (var name in names)
            (await SendAsync(HttpMethod.Post, $"jobs/{name}/run")).Status.ShouldBe(204);
        List<JsonElement> runs = [];
        for (var tries = 0; runs.Count < names.Count; tries++)
        {
            tries.ShouldBeLessThan(300, string.Join('\n', _product.Log.Lines.TakeLast(50)));
            await Task.Delay(100, TestContext.Current.CancellationToken);
            var (_, list) = await SendAsync(HttpMethod.Get, "jobs");
            runs = [.. list.GetProperty("data").EnumerateArray().SelectMany(j => j.GetProperty("runs").EnumerateArray()).Where(r => r.GetProperty("outcome").ValueKind == JsonValueKind.String)];
        }

        runs.ShouldAllBe(r => r.GetProperty("outcome").GetString() == "done" || r.GetProperty("outcome").GetString() == "attention");
        runs.ShouldAllBe(r => r.GetProperty("did").GetString()!.Length > 5 && r.GetProperty("cause").GetString() == "request");
        var (_, after) = await SendAsync(HttpMethod.Get, "jobs");
        after.GetProperty("data").EnumerateArray().ShouldAllBe(j => j.GetProperty("asked_at").ValueKind == JsonValueKind.Null && j.GetProperty("failing_since").ValueKind == JsonValueKind.Null);
        var (_, audit) = await SendAsync(HttpMethod.Get, "audit");
        audit.GetProperty("data").EnumerateArray().Count(l => l.GetProperty("action").GetString() == "run_job_now").ShouldBe(names.Count);
    }

    [Fact]
    public async Task Tenants_are_listed_suspended_and_let_go_on()
    {
        var (_, list) = await SendAsync(HttpMethod.Get, "tenants?limit=1");
        var tenant = list.GetProperty("data")[0];
        tenant.GetProperty("id").GetString().ShouldBe(_product.TenantId);
        tenant.GetProperty("spent_this_month_usd").GetString().ShouldNotBeNull();
        list.GetProperty("next_cursor").ValueKind.ShouldBe(JsonValueKind.Null);
        (await SendAsync(HttpMethod.Get, "tenants?limit=0")).Status.ShouldBe(422);

        (await SendAsync(HttpMethod.Post, $"tenants/{_product.TenantId}/suspend")).Status.ShouldBe(204);
        using (var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat()))
            ((int)call.StatusCode).ShouldBe(403);
        (await SendAsync(HttpMethod.Post, $"tenants/{_product.TenantId}/resume")).Status.ShouldBe(204);
        using (var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), _product.TestKey))
            ((int)call.StatusCode).ShouldBe(200);
        (await SendAsync(HttpMethod.Post, "tenants/ten_none/suspend")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task The_state_of_the_installation_is_told_without_keys_or_prompts()
    {
        var (status, body) = await SendAsync(HttpMethod.Get, "system");
        status.ShouldBe(200);
        body.GetProperty("price_sheets").GetArrayLength().ShouldBeGreaterThan(5);
        body.GetProperty("price_sheets")[0].GetProperty("age_days").GetInt32().ShouldBeGreaterThanOrEqualTo(0);
        body.GetProperty("nodes").ValueKind.ShouldBe(JsonValueKind.Array);
    }

    [Fact]
    public async Task A_verification_is_mailed_again_to_whoever_still_waits_for_it_and_it_stands_in_the_log()
    {
        var visitor = new PortalVisitor(_product);
        using (await visitor.PostAsync("/signup", [new("Email", "late@operator.example"), new("Password", PortalVisitor.Password)]))
        {
        }

        await PortalVisitor.SignedInAsync(_product, _product.TenantId, email: "known@operator.example");
        var (_, found) = await SendAsync(HttpMethod.Get, "accounts?search=LATE@");
        var account = found.GetProperty("data")[0];
        account.GetProperty("verified").GetBoolean().ShouldBeFalse();
        var id = account.GetProperty("id").GetString();
        var mails = _product.Services.GetRequiredService<RecentMails>();
        var before = mails.All.Count(m => m.To == "late@operator.example");
        (await SendAsync(HttpMethod.Post, $"accounts/{id}/resend-verification")).Status.ShouldBe(204);
        var sent = mails.All.Where(m => m.To == "late@operator.example").ToList();
        sent.Count.ShouldBe(before + 1);
        sent[0].Text.ShouldContain("/verify?user=");
        var (_, audit) = await SendAsync(HttpMethod.Get, "audit?limit=1");
        (audit.GetProperty("data")[0].GetProperty("action").GetString(), audit.GetProperty("data")[0].GetProperty("subject").GetString(), audit.GetProperty("data")[0].GetProperty("actor").GetString())
            .ShouldBe(("resend_verification", id, "operator"));

        var (_, known) = await SendAsync(HttpMethod.Get, "accounts?search=known@");
        known.GetProperty("data")[0].GetProperty("tenants").GetInt32().ShouldBe(1);
        (await SendAsync(HttpMethod.Post, $"accounts/{known.GetProperty("data")[0].GetProperty("id").GetString()}/resend-verification")).Status.ShouldBe(409);
        (await SendAsync(HttpMethod.Post, "accounts/usr_none/resend-verification")).Status.ShouldBe(404);
    }
}
