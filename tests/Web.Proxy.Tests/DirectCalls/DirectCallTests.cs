using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.DirectCalls;

/// <summary>Calls that went past the proxy and are reported: each has one row, counts on budgets, is in no quota, and leaves no word of what was asked and answered.</summary>
public sealed class DirectCallTests : IAsyncLifetime
{
    private const string Asked = "ASKEDBIRD9K";
    private const string Answered = "TOLDBIRD9K";

    private readonly FakeProvider _provider = FakeProvider.Always(FakeProvider.Json(Answer(1_000, 500)));
    private TestProduct _product = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() =>
        _product = await TestProduct.StartAsync([new("Providers:openai:BaseUrl", _provider.Url.ToString().TrimEnd('/'))], new Dictionary<string, string> { ["openai"] = "sk-0123456789abcdef" });

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
    }

    private static string Answer(int input, int output) => $$$"""
        {"id":"c","object":"chat.completion","model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"{{{Answered}}}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":{{{input}}},"completion_tokens":{{{output}}},"total_tokens":{{{input + output}}}}}
        """;

    private static Dictionary<string, object?> Call(string id, int input = 1_000, int output = 500, DateTimeOffset? at = null) => new()
    {
        ["id"] = id,
        ["at"] = at ?? DateTimeOffset.UtcNow,
        ["path"] = "/proxy/openai/v1/chat/completions",
        ["request"] = JsonDocument.Parse(ProxyCalls.Chat("gpt-5.1", prompt: Asked)).RootElement,
        ["status"] = 200,
        ["response"] = Answer(input, output),
        ["latency_ms"] = 812.5,
        ["tags"] = new Dictionary<string, string> { ["feature"] = "search" },
    };

    private async Task<(HttpStatusCode Status, JsonElement Body)> ReportAsync(string? key, params Dictionary<string, object?>[] calls)
    {
        using var answer = await _product.PostAsync(DirectCallReport.Path, JsonSerializer.Serialize(new { calls }), key ?? _product.LiveKey);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement);
    }

    private async Task NothingIsWrongAsync() => (await _product.Services.GetRequiredService<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();

    [Fact]
    public async Task A_reported_call_has_the_row_that_it_would_have_had_and_says_that_it_went_past()
    {
        using var passed = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1", prompt: Asked), _product.LiveKey);
        var at = DateTimeOffset.UtcNow.AddHours(-30);
        var (status, told) = await ReportAsync(null, Call("a", at: at));

        status.ShouldBe(HttpStatusCode.OK, told.ToString());
        var taken = told.GetProperty("calls")[0];
        var row = await _product.EventAsync(taken.GetProperty("request_id").GetString()!);
        var like = await _product.EventAsync(passed.RequestId());
        foreach (var field in new[] { "provider", "dialect", "operation", "request_model", "response_model", "cost_usd", "price_status", "usage_source", "finish_reason", "outcome", "status", "streamed", "key_id" })
            row.GetProperty(field).ToString().ShouldBe(like.GetProperty(field).ToString(), field);
        row.GetProperty("usage").ToString().ShouldBe(like.GetProperty("usage").ToString());
        // gpt-5.1: $1.25 and $10 a million: 1000 x 1.25e-6 + 500 x 10e-6
        row.GetProperty("cost_usd").GetString().ShouldBe("0.00625");
        row.GetProperty("at").GetDateTimeOffset().ShouldBe(at, TimeSpan.FromMilliseconds(1));
        row.GetProperty("latency_ms").GetDouble().ShouldBe(812.5);
        row.GetProperty("tags").GetProperty("feature").GetString().ShouldBe("search");
        (row.GetProperty("direct").GetBoolean(), like.GetProperty("direct").GetBoolean()).ShouldBe((true, false));
        (taken.GetProperty("id").GetString(), taken.GetProperty("cost_usd").GetString(), taken.GetProperty("usage_source").GetString()).ShouldBe(("a", "0.00625", "reported"));
        await NothingIsWrongAsync();
    }

    [Fact]
    public async Task However_often_and_in_whatever_company_a_call_is_reported_it_has_one_row_and_counts_once()
    {
        using var made = await _product.ApiAsync(HttpMethod.Post, "budgets", JsonContent.Create(new { scope = new { type = "tenant" }, period = "month", limit_usd = "10.00" }));
        made.StatusCode.ShouldBe(HttpStatusCode.Created);
        var calls = Enumerable.Range(0, 20).Select(i => Call($"call {i}", at: DateTimeOffset.UtcNow)).ToArray();
        // All at once, each in five reports of other neighbours, and once more when all are in the ledger.
        var ids = await Task.WhenAll(Enumerable.Range(0, 5).SelectMany(turn => calls.Chunk(turn + 1)).Select(async some => (await ReportAsync(null, some)).Body.GetProperty("calls").EnumerateArray().Select(c => (c.GetProperty("id").GetString(), c.GetProperty("request_id").GetString())).ToList()));
        await _product.FlushAsync();
        (await ReportAsync(null, calls)).Status.ShouldBe(HttpStatusCode.OK);

        ids.SelectMany(i => i).Distinct().Count().ShouldBe(20);
        (await _product.EventsAsync("&environment=live")).Count.ShouldBe(20);
        var budget = JsonDocument.Parse(await (await _product.ApiAsync(HttpMethod.Get, "budgets")).Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("data")[0];
        // 20 x 0.00625
        budget.GetProperty("state").GetProperty("posted_usd").GetString().ShouldBe("0.125");
        await NothingIsWrongAsync();

        // Another call under the same id, a moment later; and another key's: neither is the same.
        (await ReportAsync(null, Call("call 0", at: DateTimeOffset.UtcNow.AddSeconds(1)))).Status.ShouldBe(HttpStatusCode.OK);
        (await _product.EventsAsync("&environment=live")).Count.ShouldBe(21);
    }

    [Fact]
    public async Task What_was_spent_past_the_proxy_counts_against_the_cap_for_all_that_comes_after_it()
    {
        using var made = await _product.ApiAsync(HttpMethod.Post, "budgets", JsonContent.Create(new { scope = new { type = "tenant" }, period = "month", limit_usd = "1.00" }));
        made.StatusCode.ShouldBe(HttpStatusCode.Created);
        using (var before = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1", more: ",\"max_completion_tokens\":500"), _product.LiveKey))
            before.StatusCode.ShouldBe(HttpStatusCode.OK);

        // 200,000 x 10e-6 = $2: nothing could keep it from being spent, and nothing more is.
        (await ReportAsync(null, Call("dear", 0, 200_000))).Status.ShouldBe(HttpStatusCode.OK);
        await _product.FlushAsync();
        var answered = _provider.Requests.Count;
        for (var tries = 0; ; tries++)
        {
            using var after = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1", more: ",\"max_completion_tokens\":500"), _product.LiveKey);
            if (after.StatusCode == HttpStatusCode.TooManyRequests)
                break;
            tries.ShouldBeLessThan(400, "what was leased before may be used, and no more");
        }

        // What the node had leased before the report: at most the cap.
        ((_provider.Requests.Count - answered) * 0.00625m).ShouldBeLessThanOrEqualTo(1.00m);
        await NothingIsWrongAsync();
    }

    [Fact]
    public async Task It_is_none_of_the_plans_calls()
    {
        var free = await _product.ProvisionAsync("free", new Dictionary<string, string> { ["openai"] = "sk-0123456789abcdef" }, Domain.Tenants.TenantPlan.Free);
        (await ReportAsync(free.LiveKey.Secret, [.. Enumerable.Range(0, 100).Select(i => Call($"{i}"))])).Status.ShouldBe(HttpStatusCode.OK);
        await _product.FlushAsync();
        using var passed = await _product.PostAsync("/proxy/openai/v1/chat/completions", ProxyCalls.Chat("gpt-5.1"), free.LiveKey.Secret);
        passed.StatusCode.ShouldBe(HttpStatusCode.OK);
        await NothingIsWrongAsync();
    }

    [Fact]
    public async Task What_broke_off_is_estimated_and_what_nobody_answered_or_told_is_flagged()
    {
        var stream = """
            data: {"id":"c","object":"chat.completion.chunk","model":"gpt-5.1","choices":[{"index":0,"delta":{"content":"twelve bytes"}}]}


            """.ReplaceLineEndings("\n");
        var broken = new Dictionary<string, object?>(Call("broken")) { ["response"] = stream, ["complete"] = false };
        var silent = new Dictionary<string, object?>(Call("silent")) { ["status"] = null, ["response"] = null };
        var untold = new Dictionary<string, object?>(Call("untold")) { ["request"] = null, ["response"] = null };
        var (status, told) = await ReportAsync(null, broken, silent, untold);

        status.ShouldBe(HttpStatusCode.OK, told.ToString());
        var rows = new List<JsonElement>();
        foreach (var call in told.GetProperty("calls").EnumerateArray())
            rows.Add(await _product.EventAsync(call.GetProperty("request_id").GetString()!));
        rows.ConvertAll(r => (r.GetProperty("outcome").GetString(), r.GetProperty("usage_source").GetString(), r.GetProperty("price_status").GetString()))
            .ShouldBe([("truncated", "estimated", "priced"), ("unreachable", "estimated", "priced"), ("completed", "none", "unpriced")]);
        rows[0].GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(3); // 12 bytes, four a token
        rows[1].GetProperty("usage").GetProperty("input_tokens").GetInt64().ShouldBeGreaterThan(0);
        await NothingIsWrongAsync();
    }

    [Fact]
    public async Task No_word_of_what_was_asked_and_answered_is_kept()
    {
        (await ReportAsync(null, Call("a"), Call("b"))).Status.ShouldBe(HttpStatusCode.OK);
        await ReportAsync(null, new Dictionary<string, object?>(Call("c")) { ["request"] = $"{{{Asked}" });
        await ReportAsync(null, new Dictionary<string, object?>(Call("d")) { [Asked] = Answered });
        await _product.FlushAsync();

        foreach (var file in Directory.EnumerateFiles(_product.DataFolder, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
        {
            await using var open = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var text = new StreamReader(open, Encoding.Latin1);
            var all = await text.ReadToEndAsync(Cancel);
            all.ShouldSatisfyAllConditions(file, t => t.Contains(Asked, StringComparison.Ordinal).ShouldBeFalse(), t => t.Contains(Answered, StringComparison.Ordinal).ShouldBeFalse());
        }

        _product.Log.Lines.ShouldAllBe(l => !l.Contains(Asked, StringComparison.Ordinal) && !l.Contains(Answered, StringComparison.Ordinal));
    }

    public static TheoryData<string, string, string> Mistakes => new()
    {
        { "id", "null", "calls[1].id" },
        { "id", "\"\"", "calls[1].id" },
        { "at", "null", "calls[1].at" },
        { "at", "\"yesterday\"", "calls[1].at" },
        { "at", "\"2020-01-01T00:00:00Z\"", "calls[1].at" },
        { "at", "\"2090-01-01T00:00:00Z\"", "calls[1].at" },
        { "path", "null", "calls[1].path" },
        { "path", "\"/api/v1/keys\"", "calls[1].path" },
        { "path", "\"/proxy/nobody/v1/chat/completions\"", "calls[1].path" },
        { "path", "\"/proxy/openai/v1/unmetered\"", "calls[1].path" },
        { "method", "\"DELETE\"", "calls[1].path" },
        { "status", "99", "calls[1].status" },
        { "status", "null", "calls[1].status" },
        { "latency_ms", "-1", "calls[1].latency_ms" },
        { "first_byte_ms", "1e12", "calls[1].first_byte_ms" },
        { "tags", "{\"Fe ature\":\"x\"}", "calls[1].tags" },
        { "request", "\"not json\"", "calls[1].request" },
        { "request", "12", "calls[1].request" },
        { "response", "true", "calls[1].response" },
        { "prompt", "\"x\"", "calls[1].prompt" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public async Task A_mistake_is_named_and_nothing_of_its_report_is_taken(string field, string value, string named)
    {
        var wrong = new Dictionary<string, object?>(Call("wrong")) { [field] = JsonDocument.Parse(value).RootElement };
        var (status, told) = await ReportAsync(null, Call("right"), wrong);

        ((int)status, told.GetProperty("type").GetString()).ShouldBe((422, "urn:tokonomics:problem:invalid"));
        told.GetProperty("errors").EnumerateObject().Single().Name.ShouldBe(named, told.ToString());
        (await _product.EventsAsync("&environment=live")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Only_a_metering_key_may_report_and_only_by_post()
    {
        (await ReportAsync(_product.Token, Call("a"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        (await ReportAsync("mk_live_0000000000000000000000000000000000000000", Call("a"))).Status.ShouldBe(HttpStatusCode.Unauthorized);
        using (var get = await _product.Client.GetAsync(DirectCallReport.Path, Cancel))
            (get.StatusCode, get.Content.Headers.Allow.Single()).ShouldBe((HttpStatusCode.MethodNotAllowed, "POST"));
        (await ReportAsync(null)).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
        (await ReportAsync(null, [.. Enumerable.Range(0, 101).Select(i => Call($"{i}"))])).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
        // A test key's calls are the sandbox's, kept apart from live ones.
        (await ReportAsync(_product.TestKey, Call("a"))).Status.ShouldBe(HttpStatusCode.OK);
        (await _product.EventsAsync("&environment=live")).ShouldBeEmpty();
        (await _product.EventsAsync("&environment=test")).Count.ShouldBe(1);
    }
}
