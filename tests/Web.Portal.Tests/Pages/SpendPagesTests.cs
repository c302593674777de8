using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Pages;

/// <summary>The pages about spend, through the whole product.</summary>
public sealed partial class SpendPagesTests : IAsyncLifetime
{
    private TestProduct _product = null!;
    private PriceBook _book = null!;
    private int _made;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _product = await TestProduct.StartAsync();
        _book = _product.Services.GetRequiredService<PriceBook>();
    }

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<(TenantProvisioned Tenant, PortalVisitor Visitor)> TenantAsync(string zone = "UTC", string name = "Acme")
    {
        await using var scope = _product.Services.CreateAsyncScope();
        var made = (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new ProvisionTenant(Caller.Operator, name, "owner@acme.example", [], zone), Cancel)).Value;
        return (made, await PortalVisitor.SignedInAsync(_product, made.TenantId));
    }

    private UsageEvent Event(TenantProvisioned tenant, DateTimeOffset at, string model = "gpt-4.1", string usage = "Input=1000,CacheRead=4000,Output=500", KeyEnvironment environment = KeyEnvironment.Live, params (string, string)[] tags)
    {
        var row = new UsageEvent
        {
            RequestId = $"req_{++_made:d26}",
            TenantId = tenant.TenantId,
            KeyId = environment == KeyEnvironment.Live ? tenant.LiveKey.Id : tenant.TestKey.Id,
            Environment = environment,
            Provider = "openai",
            Dialect = "openai-chat",
            Operation = "POST /chat/completions",
            RequestModel = model,
            ResponseModel = model,
            Usage = TokenUsage.Parse(usage),
            UsageSource = UsageSource.Reported,
            PriceVersion = _book.Version,
            Status = 200,
            At = at.AddTicks(-(at.Ticks % 10)),
            Latency = TimeSpan.FromMilliseconds(740),
            FirstByte = TimeSpan.FromMilliseconds(120),
            Tags = [.. tags.OrderBy(t => t.Item1).Select(t => new Tag(t.Item1, t.Item2))],
        };
        var rated = CallRating.Rate(_book, row);
        return row with { Cost = rated.Cost, PriceStatus = rated.Status };
    }

    private Task<int> AppendAsync(params UsageEvent[] events) => _product.Services.GetRequiredService<IUsageLedger>().AppendAsync(events, Cancel);

    // The text that people read, without tags; a space in figures is a space.
    private static string Text(string html) => Regex.Replace(WebUtility.HtmlDecode(Regex.Replace(Regex.Replace(html, "<script.*?</script>", "", RegexOptions.Singleline), "<[^>]+>", "")), "[\\s\u00a0]+", " ");

    [Fact]
    public async Task Before_the_first_call_pages_teach_what_they_will_show()
    {
        var (_, visitor) = await TenantAsync();
        var overview = Text(await visitor.ReadAsync("/overview"));
        overview.ShouldContain("No call was made with a live key yet.");
        overview.ShouldContain("curl http");
        Text(await visitor.ReadAsync("/overview?env=test")).ShouldContain("No call was made with a test key yet.");
        Text(await visitor.ReadAsync("/explore")).ShouldContain("No call was made in this range.");
        Text(await visitor.ReadAsync("/calls")).ShouldContain("Each stands here within a second or two");
    }

    [Fact]
    public async Task A_budgets_end_stands_on_its_page_in_the_list_and_in_the_API()
    {
        var (tenant, visitor) = await TenantAsync();
        var now = DateTimeOffset.UtcNow;
        await AppendAsync([.. Enumerable.Range(1, 20 * 24).Select(hour => Event(tenant, now.AddHours(-hour)))]);
        await using var scope = _product.Services.CreateAsyncScope();
        var id = (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(
            new CreateBudget(Caller.Operator, tenant.TenantId, BudgetScope.Tenant, BudgetPeriod.Month, new BudgetTerms { Limit = NanoUsd.Round(1000) }), Cancel)).Value.Id;
        // $0.008 an hour, of twenty days: $5.95 of a whole month at most, and on its first day most of it is still to come.
        Text(await visitor.ReadAsync($"/budgets/{id}")).ShouldMatch("Will end at about \\$[\\d.]+ \\(\\$[^)]+\\); the cap is not reached\\.");
        Text(await visitor.ReadAsync("/budgets")).ShouldMatch("about \\$[\\d.]+ at the end");
        using var http = new HttpRequestMessage(HttpMethod.Get, new Uri(_product.Url, $"/api/v1/budgets/{id}"));
        http.Headers.Authorization = new("Bearer", tenant.ApiToken.Secret);
        using var answer = await _product.Client.SendAsync(http, Cancel);
        var forecast = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("state").GetProperty("forecast");
        decimal.Parse(forecast.GetProperty("expected_usd").GetString()!, CultureInfo.InvariantCulture).ShouldBeInRange(0.1m, 6.5m);
        forecast.GetProperty("limit_reached_at").ValueKind.ShouldBe(JsonValueKind.Null);
        forecast.GetProperty("days_known").GetInt32().ShouldBeInRange(18, 20);
    }

    [Theory]
    [InlineData("Pacific/Auckland")]
    [InlineData("Pacific/Honolulu")]
    public async Task A_month_begins_at_midnight_in_the_tenants_zone(string zone)
    {
        var (tenant, visitor) = await TenantAsync(zone);
        var now = DateTimeOffset.UtcNow;
        var month = BudgetPeriods.Containing(BudgetPeriod.Month, TimeZoneInfo.FindSystemTimeZoneById(zone), now, now);
        // gpt-4.1: 1000 × 2 + 4000 × 0.5 + 500 × 8 = 8000 $ / 10^6 = $0.008 each.
        await AppendAsync(Event(tenant, month.Start.AddSeconds(1)), Event(tenant, month.Start.AddSeconds(2)), Event(tenant, month.Start.AddSeconds(-1)));
        Text(await visitor.ReadAsync("/overview")).ShouldContain("You spent $0.01600 this month");
        var csv = await visitor.ReadAsync("/explore?format=csv");
        csv.ShouldContain("gpt-4.1,gpt-4.1,0.016,");
        csv.Split("\r\n")[1].Split(',')[4].ShouldBe("2");
        (await visitor.ReadAsync("/explore?range=last-month&format=csv")).ShouldContain("gpt-4.1,gpt-4.1,0.008,");
    }

    [Fact]
    public async Task Zero_spend_is_said_and_a_fall_has_a_minus_and_a_word()
    {
        var (tenant, visitor) = await TenantAsync();
        var now = DateTimeOffset.UtcNow;
        var month = new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero);
        await AppendAsync(Event(tenant, month.AddMonths(-1)), Event(tenant, month.AddMonths(-1).AddSeconds(1)));
        var text = Text(await visitor.ReadAsync("/overview"));
        text.ShouldContain("You spent $0 this month.");
        text.ShouldContain("Down $0.01600 (−100 %)");
        text.ShouldContain("−$0.01600 (−100 %), less");
    }

    [Fact]
    public async Task Views_filter_and_split_by_anything_and_their_sums_agree()
    {
        var (tenant, visitor) = await TenantAsync();
        var now = DateTimeOffset.UtcNow;
        var evil = "<script>alert(1)</script>";
        var longest = "m-" + new string('x', 180);
        await AppendAsync(
            Event(tenant, now.AddMinutes(-1), tags: [("customer", "acme"), ("feature", "search")]),
            Event(tenant, now.AddMinutes(-2), tags: [("customer", evil), ("feature", "search")]),
            Event(tenant, now.AddMinutes(-3), "gpt-4.1-mini", tags: [("feature", "draft")]),
            Event(tenant, now.AddMinutes(-4), longest, tags: [("region", "eu")]));
        foreach (var by in new[] { "model", "provider", "key", "project", "team", "feature", "customer", "tag:region" })
        {
            var rows = (await visitor.ReadAsync($"/explore?range=today&by={by}&format=csv")).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)[1..];
            // 0.008 + 0.008 + (1000 × 0.4 + 4000 × 0.1 + 500 × 1.6) / 10^6 = 0.0176; what has no price is in no sum.
            rows.Sum(r => decimal.Parse(r.Split(',')[2], CultureInfo.InvariantCulture)).ShouldBe(0.0176m, by);
            (await visitor.ReadAsync($"/explore?range=today&by={by}")).ShouldNotContain(evil);
        }

        Text(await visitor.ReadAsync("/explore?range=today&feature=x&tag=feature%3Dsearch&by=customer")).ShouldContain("$0.01600 for 2 calls");
        Text(await visitor.ReadAsync("/explore?range=today&model=gpt-4.1-mini")).ShouldContain("$0.001600 for 1 call");
        Text(await visitor.ReadAsync($"/explore?range=today&by=model")).ShouldContain(longest);
        Text(await visitor.ReadAsync("/explore?range=today&model=none")).ShouldContain("No call in this range has all of these");
        Text(await visitor.ReadAsync("/explore?from=2026-13-45&to=zz")).ShouldContain("'2026-13-45' is no day");
        Text(await visitor.ReadAsync("/explore?by=colour")).ShouldContain("That is nothing to group by");
        Text(await visitor.ReadAsync("/explore?from=2999-01-01&to=2999-01-02")).ShouldContain("That range has nothing in it");
    }

    [Fact]
    public async Task The_chart_and_its_table_say_the_same()
    {
        var (tenant, visitor) = await TenantAsync();
        var now = DateTimeOffset.UtcNow;
        await AppendAsync([.. Enumerable.Range(0, 12).Select(i => Event(tenant, now.AddMinutes(-i), i % 2 == 0 ? "gpt-4.1" : "gpt-4.1-mini"))]);
        var page = await visitor.ReadAsync("/explore?range=today");
        var chart = JsonDocument.Parse(ChartData().Match(page).Groups[1].Value).RootElement;
        var drawn = chart.GetProperty("series").EnumerateArray().ToDictionary(s => s.GetProperty("name").GetString()!, s => s.GetProperty("values").EnumerateArray().Sum(v => v.GetDecimal()));
        drawn.ShouldBe(new Dictionary<string, decimal> { ["gpt-4.1"] = 0.048m, ["gpt-4.1-mini"] = 0.0096m }); // 6 × 0.008, 6 × 0.0016
        var table = (await visitor.ReadAsync("/explore?range=today&format=csv-time")).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        table[0].ShouldBe("from,to,gpt-4.1 (USD),gpt-4.1-mini (USD)");
        table[1..].Sum(r => decimal.Parse(r.Split(',')[2], CultureInfo.InvariantCulture)).ShouldBe(0.048m);
        page.ShouldContain("aria-label=\"Spend by model and hour, USD.");
    }

    [Fact]
    public async Task A_model_has_one_colour_on_every_page_whatever_its_rank_there()
    {
        var (tenant, visitor) = await TenantAsync();
        var now = DateTimeOffset.UtcNow;
        await AppendAsync(
            Event(tenant, now.AddMinutes(-1), "gpt-4.1", tags: [("customer", "acme")]), Event(tenant, now.AddMinutes(-1), "gpt-4.1-mini", tags: [("customer", "globex")]), Event(tenant, now.AddMinutes(-1), "gpt-4.1-nano", tags: [("customer", "globex")]));
        var overview = Colours(await visitor.ReadAsync("/overview"), 1);
        overview.ShouldBe(new Dictionary<string, string> { ["gpt-4.1"] = "series-0", ["gpt-4.1-mini"] = "series-1", ["gpt-4.1-nano"] = "series-2" });
        // Of one customer the second and third are the first and second; a new model in front of all takes no colour away.
        Colours(await visitor.ReadAsync("/explore?range=today&tag=customer%3Dglobex")).ShouldBe(new Dictionary<string, string> { ["gpt-4.1-mini"] = "series-1", ["gpt-4.1-nano"] = "series-2" });
        await AppendAsync(Event(tenant, now.AddMinutes(-1), "gpt-5.1", "Input=9000000,Output=1"));
        var page = await visitor.ReadAsync("/explore?range=today");
        Colours(page).ShouldBe(new Dictionary<string, string> { ["gpt-5.1"] = "series-3", ["gpt-4.1"] = "series-0", ["gpt-4.1-mini"] = "series-1", ["gpt-4.1-nano"] = "series-2" });
        page.ShouldContain("class=\"series-3\" /></svg><a href=\"/explore?range=today&amp;model=gpt-5.1");
        // Another dimension counts its own.
        Colours(await visitor.ReadAsync("/explore?range=today&by=provider")).ShouldBe(new Dictionary<string, string> { ["openai"] = "series-0" });
    }

    private static Dictionary<string, string> Colours(string page, int chart = 0) => JsonDocument.Parse(ChartData().Matches(page)[chart].Groups[1].Value).RootElement
        .GetProperty("series").EnumerateArray().ToDictionary(s => s.GetProperty("name").GetString()!, s => s.GetProperty("colour").GetString()!);

    [Theory]
    [InlineData("gpt-4.1", "Input=1237,CacheRead=4099,Output=511")]
    [InlineData("gpt-4o-mini", "Input=1,Output=1")]
    [InlineData("gpt-4.1-nano", "Input=33,CacheRead=7,Output=5")]
    [InlineData("gpt-5.1", "Input=271828,CacheRead=3,Output=9,Reasoning=100")]
    public async Task A_receipt_adds_up_to_the_nano_dollar(string model, string usage)
    {
        var (tenant, visitor) = await TenantAsync();
        var call = Event(tenant, DateTimeOffset.UtcNow.AddMinutes(-1), model, usage, tags: [("customer", "acme")]);
        await AppendAsync(call);
        var lines = (await visitor.ReadAsync($"/calls/{call.RequestId}?format=csv")).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)[1..].Select(l => l.Split(',')).ToList();
        foreach (var line in lines)
            decimal.Parse(line[7], CultureInfo.InvariantCulture).ShouldBe(decimal.Parse(line[3], CultureInfo.InvariantCulture) * decimal.Parse(line[5], CultureInfo.InvariantCulture) / decimal.Parse(line[6], CultureInfo.InvariantCulture));
        NanoUsd.Round(lines.Sum(l => decimal.Parse(l[7], CultureInfo.InvariantCulture))).ShouldBe(call.Cost!.Value);
        var text = Text(await visitor.ReadAsync($"/calls/{call.RequestId}"));
        text.ShouldContain($"cost {Figures.ExactDollars(call.Cost!.Value)}");
        text.ShouldContain(_book.Version);
        text.ShouldContain("acme");
    }

    [Fact]
    public async Task Calls_are_paged_by_cursor_and_each_is_shown_once()
    {
        var (tenant, visitor) = await TenantAsync();
        var now = DateTimeOffset.UtcNow;
        var events = Enumerable.Range(0, 120).Select(i => Event(tenant, now.AddSeconds(-i - 5))).ToArray();
        await AppendAsync(events);
        var (seen, path) = (new List<string>(), (string?)"/calls?range=7d");
        while (path is not null)
        {
            var page = await visitor.ReadAsync(path);
            seen.AddRange(CallLink().Matches(page).Select(m => m.Groups[1].Value));
            path = NextLink().Match(page) is { Success: true } next ? WebUtility.HtmlDecode(next.Groups[1].Value) : null;
        }

        seen.ShouldBe(events.Select(e => e.RequestId));
    }

    [Fact]
    public async Task Columns_of_the_calls_are_chosen_in_the_address_and_kept_by_its_links()
    {
        var (tenant, visitor) = await TenantAsync();
        await AppendAsync(Enumerable.Range(0, 60).Select(i => Event(tenant, DateTimeOffset.UtcNow.AddSeconds(-i - 5))).ToArray());
        Heads(await visitor.ReadAsync("/calls?range=7d")).ShouldBe(["When", "Model", "Feature and customer", "Key", "Input", "Output", "Latency", "Cost", "Ending"]);
        // As a form sends it, in whichever order.
        var page = await visitor.ReadAsync("/calls?range=7d&columns=cost&columns=id&columns=project");
        Heads(page).ShouldBe(["When", "Project", "Cost", "Id"]);
        WebUtility.HtmlDecode(NextLink().Match(page).Groups[1].Value).ShouldContain("columns=cost,id,project");
        page.ShouldContain("name=\"range\" value=\"7d\""); // the form keeps the rest of the view
        var wrong = await visitor.ReadAsync("/calls?range=7d&columns=cost,prompt");
        Heads(wrong).ShouldBe(["When", "Cost"]);
        Text(wrong).ShouldContain("'prompt' is no column");
        var all = await visitor.ReadAsync("/calls?range=7d&columns=" + string.Join(',', Portal.Pages.Spend.CallColumn.All.Select(c => c.Name)));
        Heads(all).Count.ShouldBe(1 + Portal.Pages.Spend.CallColumn.All.Count);

        static List<string> Heads(string page) => [.. Regex.Matches(page, "<th scope=\"col\"[^>]*>([^<]*)</th>").Select(m => m.Groups[1].Value)];
    }

    [Fact]
    public async Task A_file_of_calls_runs_nothing_in_a_spreadsheet()
    {
        var (tenant, visitor) = await TenantAsync();
        await AppendAsync(Event(tenant, DateTimeOffset.UtcNow.AddMinutes(-1), "=1+1", tags: [("customer", "=HYPERLINK(\"http://evil\")"), ("feature", "@SUM(A1)")]));
        var csv = await visitor.ReadAsync("/calls?range=7d&format=csv");
        csv.ShouldContain("\"'=HYPERLINK(\"\"http://evil\"\")\"");
        csv.ShouldContain(",'@SUM(A1),");
        csv.ShouldContain(",'=1+1,");
        Regex.IsMatch(csv, "(^|,)\"?[=+@]", RegexOptions.Multiline).ShouldBeFalse();
    }

    [Fact]
    public async Task Test_traffic_stays_apart_and_nobody_sees_anothers_call()
    {
        var (tenant, visitor) = await TenantAsync();
        var (other, _) = await TenantAsync(name: "Other");
        var now = DateTimeOffset.UtcNow.AddMinutes(-1);
        var (live, test, theirs) = (Event(tenant, now), Event(tenant, now, environment: KeyEnvironment.Test), Event(other, now));
        await AppendAsync(live, test, theirs);
        CallLink().Matches(await visitor.ReadAsync("/calls?range=7d")).Select(m => m.Groups[1].Value).ShouldBe([live.RequestId]);
        CallLink().Matches(await visitor.ReadAsync("/calls?range=7d&env=test")).Select(m => m.Groups[1].Value).ShouldBe([test.RequestId]);
        using var found = await visitor.GetAsync($"/calls/{theirs.RequestId}");
        found.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Pages_have_no_inline_script_or_style()
    {
        var (tenant, visitor) = await TenantAsync();
        var call = Event(tenant, DateTimeOffset.UtcNow.AddMinutes(-1), tags: [("customer", "acme")]);
        await AppendAsync(call);
        foreach (var path in new[] { "/overview", "/explore", "/calls", $"/calls/{call.RequestId}" })
        {
            var page = await visitor.ReadAsync(path);
            Regex.Matches(page, "<script(?![^>]*(src=|type=\"application/json\"))").ShouldBeEmpty(path);
            Regex.Matches(page, "<[^>]+\\s(style|on[a-z]+)=\"").ShouldBeEmpty(path);
        }
    }

    [Fact]
    public async Task The_API_has_what_the_pages_show_and_documents_it()
    {
        var now = DateTimeOffset.UtcNow;
        var tenant = await TestTenantAsync();
        await AppendAsync(
            Event(tenant, now.AddMinutes(-1), tags: [("feature", "summarise")]), Event(tenant, now.AddMinutes(-2), "gpt-4.1-mini", tags: [("feature", "search")]),
            Event(tenant, now.AddDays(-40)));
        (await JsonAsync("usage/top?limit=1")).GetProperty("data")[0].GetProperty("cost_usd").GetString().ShouldBe("0.008");
        var changes = await JsonAsync($"usage/changes?from={Uri.EscapeDataString(now.AddDays(-3).ToString("O"))}");
        changes.GetProperty("now_usd").GetString().ShouldBe("0.0096");
        changes.GetProperty("sentence").GetString()!.ShouldStartWith("Nothing was spent before");
        var forecast = await JsonAsync("usage/forecast");
        forecast.GetProperty("days_known").GetInt32().ShouldBeGreaterThan(30);
        decimal.Parse(forecast.GetProperty("expected_usd").GetString()!, CultureInfo.InvariantCulture).ShouldBeGreaterThanOrEqualTo(decimal.Parse(forecast.GetProperty("spent_usd").GetString()!, CultureInfo.InvariantCulture));
        // 2 × 4000 cache reads: 4000 × 1.5 + 4000 × 0.3 = 7200 / 10^6
        (await JsonAsync("usage/savings?from=" + Uri.EscapeDataString(now.AddDays(-3).ToString("O")))).GetProperty("saved_usd").GetString().ShouldBe("0.0072");
        var paths = (await JsonAsync("openapi.json")).GetProperty("paths");
        foreach (var path in new[] { "forecast", "changes", "refusals", "top", "savings" })
            paths.GetProperty($"/api/v1/usage/{path}").GetProperty("get").GetProperty("summary").GetString().ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task Refused_calls_are_counted_by_code_and_shown()
    {
        for (var i = 0; i < 3; i++)
        {
            using var refused = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("no-such-model"), null);
            ((int)refused.StatusCode).ShouldBe(404);
        }

        using (var lost = await _product.PostAsync("/v1/chat/completions", "{", null))
            ((int)lost.StatusCode).ShouldBe(400);
        await _product.Services.GetRequiredService<RefusalCounter>().WriteAsync(Cancel);
        var counts = (await JsonAsync("usage/refusals?environment=test")).GetProperty("data").EnumerateArray().ToDictionary(r => r.GetProperty("code").GetString()!, r => r.GetProperty("calls").GetInt64());
        counts.ShouldBe(new Dictionary<string, long> { ["unknown_model"] = 3, ["bad_request_body"] = 1 }, ignoreOrder: true);
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        await AppendAsync(Event(await TestTenantAsync(), DateTimeOffset.UtcNow.AddMinutes(-1), environment: KeyEnvironment.Test));
        Text(await visitor.ReadAsync("/overview?env=test")).ShouldContain("4 calls were refused");
    }

    // The product's own tenant, whose token the API is asked with.
    private async Task<TenantProvisioned> TestTenantAsync()
    {
        var keys = (await JsonAsync("keys")).GetProperty("data").EnumerateArray().ToDictionary(k => k.GetProperty("environment").GetString()!, k => k.GetProperty("id").GetString()!);
        Application.Keys.KeyMade Key(KeyEnvironment environment, string id) => new(_product.TenantId, id, "default", environment, "", "");
        return new TenantProvisioned(_product.TenantId, "", Key(KeyEnvironment.Live, keys["live"]), Key(KeyEnvironment.Test, keys["test"]), null!);
    }

    private async Task<JsonElement> JsonAsync(string path)
    {
        using var answer = await _product.ApiAsync(HttpMethod.Get, path);
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        ((int)answer.StatusCode).ShouldBe(200, text);
        return JsonDocument.Parse(text).RootElement;
    }

    [GeneratedRegex("<script type=\"application/json\">(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex ChartData();

    [GeneratedRegex("href=\"/calls/(req_[0-9a-z]+)")]
    private static partial Regex CallLink();

    [GeneratedRegex("rel=\"next\" href=\"([^\"]+)\"")]
    private static partial Regex NextLink();
}
