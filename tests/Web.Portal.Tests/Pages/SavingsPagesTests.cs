using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Pages;

/// <summary>Quality groups in the portal and the API: the form, what they could save, the switch, suggestions, a call's receipt.</summary>
public sealed partial class SavingsPagesTests : IAsyncLifetime
{
    private const string Strong = "openai/gpt-5";
    private const string Cheap = "openai/gpt-5-nano";

    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync(providerKeys: new Dictionary<string, string> { ["openai"] = "sk-provider-key-of-test" });

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<T> SendAsync<T>(IUseCase<T> request)
        where T : class
    {
        await using var scope = _product.Services.CreateAsyncScope();
        var outcome = await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request);
        return outcome.Succeeded ? outcome.Value : throw new InvalidOperationException(outcome.Refusal!.Message);
    }

    private async Task<ModelRoute> RouteAsync() => (await SendAsync(new ListRoutes(Caller.Operator, _product.TenantId))).Routes.ShouldHaveSingleItem().Route!;

    private static IEnumerable<KeyValuePair<string, string>> Fields(params (string Name, string Value)[] fields) => fields.Select(f => new KeyValuePair<string, string>(f.Name, f.Value));

    [GeneratedRegex("<[^>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    // As somebody reads it.
    private static string Text(string page) => Spaces().Replace(WebUtility.HtmlDecode(Tag().Replace(page, " ")), " ");

    private async Task<(string RouteId, TaughtGroup Group, string KeyId)> GroupAsync(bool active = false)
    {
        var key = (await SendAsync(new Application.Keys.CreateKey(Caller.Operator, _product.TenantId, "checkout-prod", KeyEnvironment.Live))).Id;
        var saved = await SendAsync(new SaveRoute(Caller.Operator, _product.TenantId, new RouteForm("smart", [
            new RuleForm([new TargetForm(Strong), new TargetForm("openai/gpt-5.1")]) { When = new ConditionsForm { Tags = new Dictionary<string, string> { ["customer"] = "acme" } }, Retries = 2, Quality = new QualityForm([Cheap], "12.50") { KeepPercent = 97.5m, Active = active, Judge = "openai/gpt-5-mini" } },
            new RuleForm([new TargetForm("openai/gpt-5.1")])])));
        var services = _product.Services;
        return (saved.Id, new TaughtGroup(services.GetRequiredService<IRoutingStore>(), services.GetRequiredService<IUsageLedger>(), TimeProvider.System, new RoutingPair(_product.TenantId, KeyEnvironment.Live, saved.Id, Strong, Cheap)), key);
    }

    [Fact]
    public async Task A_group_is_made_in_the_form_said_in_words_shown_again_and_taken_away_by_naming_no_model()
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        (string, string)[] rule = [("Form.Name", "smart"), ("Form.Rules[0].Targets", Strong), ("Form.Rules[0].Choose", "Ordered"), ("Form.Rules[0].Retries", "1"), ("Form.Rules[0].Sticky", "true")];
        (string, string)[] group =
        [
            ("Form.Rules[0].Candidates", $"{Cheap}\nopenai/gpt-5-mini"), ("Form.Rules[0].Keep", "97.5"), ("Form.Rules[0].Active", "false"), ("Form.Rules[0].SamplePercent", "7"), ("Form.Rules[0].SampleLimit", "$12.50"),
            ("Form.Rules[0].Judge", "openai/gpt-5.1"), ("Form.Rules[0].Check", "true"),
        ];
        (await dev.ReadAsync("/routes/new")).ShouldContain("A cheaper model where it is as good");
        using (var made = await dev.PostAsync("/routes/new", Fields([.. rule, .. group])))
            made.StatusCode.ShouldBe(HttpStatusCode.Found, await made.Content.ReadAsStringAsync());
        var route = await RouteAsync();
        var quality = route.Rules[0].Quality.ShouldNotBeNull();
        quality.Candidates.ShouldBe([Cheap, "openai/gpt-5-mini"]);
        (quality.Keep.Target, quality.Active, quality.SamplePercent, quality.SampleLimit, quality.Judge, quality.Check).ShouldBe((0.975, false, 7, NanoUsd.Round(12.5m), "openai/gpt-5.1", true));
        const string Says = "It only watches whether openai/gpt-5-nano or openai/gpt-5-mini keeps 97.5 % of the quality of openai/gpt-5; no call goes there. 7 % of the calls are compared, for $12.50 a month at most; openai/gpt-5.1 judges answers that differ; tool calls and JSON are checked before the client sees them.";
        var page = await dev.ReadAsync($"/routes/{route.Id}");
        Text(page).ShouldContain(Says);
        foreach (var part in new[] { $"{Cheap}\nopenai/gpt-5-mini</textarea>", "value=\"97.5\"", "value=\"12.5\"", "value=\"openai/gpt-5.1\"" })
            WebUtility.HtmlDecode(page).ReplaceLineEndings("\n").ShouldContain(part);
        using (var saved = await dev.PostAsync($"/routes/{route.Id}?handler=Save", Fields([.. rule, ("Form.Rules[0].Candidates", " "), .. group[1..]])))
            saved.StatusCode.ShouldBe(HttpStatusCode.Found, await saved.Content.ReadAsStringAsync());
        (await RouteAsync()).Rules[0].Quality.ShouldBeNull();
    }

    [Theory]
    [InlineData("Candidates", Strong, "'openai/gpt-5' is among the rule's models already")]
    [InlineData("Candidates", Cheap + "\n" + Cheap, "Name each model once.")]
    [InlineData("Candidates", "two words", "'two words' is no model")]
    [InlineData("Candidates", "nobody/gpt-5", "'nobody' in 'nobody/gpt-5' is neither a provider nor an endpoint")]
    [InlineData("Candidates", "a/1\na/2\na/3\na/4\na/5\na/6", "Name 5 cheaper models at most; these are 6.")]
    [InlineData("Choose", "Cheapest", "choose the first that can be had")]
    [InlineData("Keep", "49", "Say what is kept of the quality, 50 to 100 percent.")]
    [InlineData("Keep", "much", "The value 'much' is not valid for Keep.")]
    [InlineData("SamplePercent", "101", "0 to 100")]
    [InlineData("SampleLimit", "", "Say what comparing may cost in a month, in USD")]
    [InlineData("SampleLimit", "-1", "Say what comparing may cost in a month, in USD")]
    [InlineData("Judge", "none-such-model", "no provider's price list has 'none-such-model'")]
    public async Task What_is_wrong_with_a_group_is_said_at_its_field(string field, string value, string says)
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        Dictionary<string, string> form = new()
        {
            ["Form.Name"] = "smart", ["Form.Rules[0].Targets"] = Strong, ["Form.Rules[0].Retries"] = "1", ["Form.Rules[0].Candidates"] = Cheap, ["Form.Rules[0].Keep"] = "95", ["Form.Rules[0].SamplePercent"] = "3",
            ["Form.Rules[0].SampleLimit"] = "10", [$"Form.Rules[0].{field}"] = value,
        };
        using var answer = await dev.PostAsync("/routes/new", form);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var page = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        Regex.Match(page, $"""data-valmsg-for="Form\.Rules\[0\]\.{field}"[^>]*>([^<]*)<""").Groups[1].Value.ShouldContain(says);
        page.ShouldNotContain("validation-summary-errors");
        page.ShouldContain("<details class=\"more\" open=\"open\"><summary>A cheaper model");
    }

    [Fact]
    public async Task The_page_says_what_to_do_first_then_what_labels_prove_and_the_switch_changes_nothing_else()
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        var text = Text(await dev.ReadAsync("/routes/savings"));
        text.ShouldContain("No cheaper model is compared with a dearer one yet.");
        text.ShouldContain("Make such a route");
        var (id, group, key) = await GroupAsync();
        text = Text(await dev.ReadAsync("/routes/savings"));
        text.ShouldContain("Nothing is known yet about the models that are watched.");
        text.ShouldContain("A class of calls can be proven from 50 on, single prompts from 100 on");
        text.ShouldContain("this month $0 of $12.50");
        text.ShouldContain("These are live calls. What test keys have called and compared in the sandbox is shown by itself under Test");
        var name = await group.ClassAsync(0xabc, key, tools: 3);
        await group.LearnAsync(name, 120);
        await group.CallsAsync(name, RouteReason.NotActive, 100, NanoUsd.Round(0.01m), NanoUsd.Zero, keyId: key);
        text = Text(await dev.ReadAsync("/routes/savings"));
        text.ShouldContain("What only watches could save about $0.8820 in four weeks."); // 98 calls at 0.9 cents
        text.ShouldContain("watching It only watches: every call goes to openai/gpt-5. 120 comparisons are known.");
        text.ShouldContain("checkout-prod, with instructions, 3 tools 0000000000000abc 100 $0.8820");
        text.ShouldContain("proven");
        text.ShouldContain("97.5 % this group $0.8820");
        text.ShouldContain("Would save about $0.8820 in four weeks ($0.8820 to $0.8820) with openai/gpt-5-nano.");
        text.ShouldNotContain("What happened");
        text.ShouldNotContain("These are live calls.");

        // Test calls teach apart.
        Text(await dev.ReadAsync("/routes/savings?env=test")).ShouldContain("No comparison is known yet.");

        var before = RoutePolicy.Write(await RouteAsync());
        (string, string)[] on = [("route", id), ("rule", "1"), ("strong", Strong), ("active", "true")];
        using (var switched = await dev.PostAsync("/routes/savings?handler=Switch", Fields(on)))
            switched.StatusCode.ShouldBe(HttpStatusCode.Found, await switched.Content.ReadAsStringAsync());
        (await RouteAsync()).Rules[0].Quality!.Active.ShouldBeTrue();
        RoutePolicy.Write(await RouteAsync()).ShouldBe(before.Replace("\"active\":false", "\"active\":true", StringComparison.Ordinal));
        text = Text(await dev.ReadAsync("/routes/savings"));
        text.ShouldContain("smart routes now: calls go to a cheaper model where it is proven.");
        text.ShouldContain("Only watch");
        text.ShouldContain("Nothing is known yet of the quality that is kept");
        using (var stale = await dev.PostAsync("/routes/savings?handler=Switch", Fields(("route", id), ("rule", "1"), ("strong", "openai/other"), ("active", "false"))))
            stale.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await RouteAsync()).Rules[0].Quality!.Active.ShouldBeTrue();
        Text(await dev.ReadAsync("/routes/savings")).ShouldContain("the route was changed meanwhile");
        using (var off = await dev.PostAsync("/routes/savings?handler=Switch", Fields([.. on[..3], ("active", "false")])))
            off.StatusCode.ShouldBe(HttpStatusCode.Found);
        RoutePolicy.Write(await RouteAsync()).ShouldBe(before);
    }

    [Fact]
    public async Task What_happened_is_told_with_broken_promises_and_incidents_and_a_call_says_why_it_went_where_it_went()
    {
        var (_, group, key) = await GroupAsync(active: true);
        var (name, keep) = (await group.ClassAsync(1, key), new QualityTarget(0.975));
        await group.LearnAsync(name, 60, 0.8, keep);
        var routed = await group.CallsAsync(name, RouteReason.ClassProven, 3, NanoUsd.Round(0.001m), NanoUsd.Round(0.5m), keyId: key);
        var held = await group.CallsAsync(name, RouteReason.Holdout, 1, NanoUsd.Round(0.01m), NanoUsd.Zero, keyId: key);
        await group.DemotedAsync(name, "Answers failed their check in 9 of 20 calls.");
        var viewer = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Viewer);
        var page = await viewer.ReadAsync("/routes/savings");
        var text = Text(page);
        text.ShouldContain("In the last four weeks 3 calls went to a cheaper model and saved $1.50.");
        text.ShouldContain("$1.50 was saved by 3 of 4 calls, attempts in vain taken off.");
        text.ShouldContain("97.5 % 80.0 % ");
        text.ShouldContain("promise broken");
        text.ShouldNotContain("may be chance");
        text.ShouldContain("a class went back to the strong model, openai/gpt-5-nano. Answers failed their check in 9 of 20 calls.");
        page.ShouldContain("<svg class=\"kept\"");
        WebUtility.HtmlDecode(page).ShouldContain("1 week, quality kept from 80.0");
        // Who may save no route switches none.
        page.ShouldNotContain("handler=Switch");
        using (var refused = await viewer.PostAsync("/routes/savings?handler=Switch", Fields(("route", group.Pair.RouteId), ("rule", "1"), ("strong", Strong), ("active", "false"))))
            refused.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await RouteAsync()).Rules[0].Quality!.Active.ShouldBeTrue();
        Text(await viewer.ReadAsync($"/calls/{routed[0]}")).ShouldContain("It went to the cheaper model: for calls of its class it is proven to be as good. That saved $0.5.");
        Text(await viewer.ReadAsync($"/calls/{held[0]}")).ShouldContain("It stayed on the strong model on purpose: one call in fifty does");
        Regex.Count(await viewer.ReadAsync("/calls"), "<span class=\"badge-soft\">routed</span>").ShouldBe(3);

        // Whoever pays sees what was saved, and no route.
        var billing = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Billing);
        page = await billing.ReadAsync("/routes/savings");
        page.ShouldContain("was saved");
        page.ShouldNotContain("href=\"/routes\"");
        // Another tenant has none of it.
        await using var scope = _product.Services.CreateAsyncScope();
        var other = (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new ProvisionTenant(Caller.Operator, "Other", "owner@other.example", []))).Value;
        var stranger = await PortalVisitor.SignedInAsync(_product, other.TenantId);
        (await stranger.ReadAsync("/routes/savings")).ShouldNotContain("smart");
        using var foreign = await stranger.PostAsync("/routes/savings?handler=Switch", Fields(("route", group.Pair.RouteId), ("rule", "1"), ("strong", Strong), ("active", "false")));
        foreign.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_overview_suggests_what_comparisons_prove_and_nothing_where_there_is_nothing()
    {
        var (id, group, key) = await GroupAsync();
        var (name, poor) = (await group.ClassAsync(1, key, tools: 3), await group.ClassAsync(2, key));
        await group.CallsAsync(name, RouteReason.NotActive, 100, NanoUsd.Round(0.01m), NanoUsd.Zero, keyId: key);
        await group.CallsAsync(poor, RouteReason.NotActive, 100, NanoUsd.Round(0.01m), NanoUsd.Zero, keyId: key);
        var owner = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (await owner.ReadAsync("/overview")).ShouldNotContain("Where a cheaper model is as good");
        await group.LearnAsync(name, 80);
        await group.LearnAsync(poor, 80, 0.1);
        var page = await owner.ReadAsync("/overview");
        // 98 calls at 0.9 cents in 28 days, for 30
        Text(page).ShouldContain("Calls of key checkout-prod with 3 tools: openai/gpt-5-nano kept 100.0 % (at least 9");
        Text(page).ShouldContain("of openai/gpt-5, saves about $0.9450 a month (");
        page.ShouldContain($"/routes/savings#{id}-1");
        Regex.Count(page, "saves about").ShouldBe(1);
    }

    [Fact]
    public async Task The_API_has_the_same_as_JSON()
    {
        var (id, group, key) = await GroupAsync();
        var name = await group.ClassAsync(1, key, tools: 3);
        await group.LearnAsync(name, 120);
        await group.CallsAsync(name, RouteReason.NotActive, 100, NanoUsd.Round(0.01m), NanoUsd.Zero, keyId: key);
        foreach (var path in new[] { "routes/savings", "routes/savings?environment=live", $"routes/{id}/savings" })
        {
            var report = await AskAsync(path, 200);
            report.GetProperty("environment").GetString().ShouldBe("live");
            (report.GetProperty("until").GetDateTimeOffset() - report.GetProperty("from").GetDateTimeOffset()).ShouldBe(TimeSpan.FromDays(28));
            var found = report.GetProperty("data").EnumerateArray().ShouldHaveSingleItem();
            (found.GetProperty("route_id").GetString(), found.GetProperty("active").GetBoolean(), found.GetProperty("keep_percent").GetDecimal(), found.GetProperty("sample_limit_usd").GetString(), found.GetProperty("saved_usd").GetString(), found.GetProperty("calls").GetInt64())
                .ShouldBe((id, false, 97.5m, "12.5", "0", 100L));
            var candidate = found.GetProperty("candidates")[0];
            (candidate.GetProperty("model").GetString(), candidate.GetProperty("labels").GetDouble()).ShouldBe((Cheap, 120d));
            var own = candidate.GetProperty("thresholds").EnumerateArray().Single(t => t.GetProperty("own").GetBoolean());
            var all = own.GetProperty("all");
            decimal.Parse(all.GetProperty("saving_usd").GetString()!, System.Globalization.CultureInfo.InvariantCulture).ShouldBe(0.882m, 0.0001m);
            (all.GetProperty("routed_share").GetDouble(), all.GetProperty("quality_kept").GetDouble()).ShouldBe((0.98, 1d));
            var single = own.GetProperty("classes")[0];
            (single.GetProperty("class").GetString(), single.GetProperty("key_name").GetString(), single.GetProperty("tools").GetInt32(), single.GetProperty("labels_needed").GetInt32()).ShouldBe(("0000000000000001", "checkout-prod", 3, 0));
        }

        (await AskAsync("routes/savings?environment=test", 200)).GetProperty("data")[0].GetProperty("candidates")[0].GetProperty("labels").GetDouble().ShouldBe(0);
        (await AskAsync("routes/savings?environment=prod", 422)).GetProperty("detail").GetString().ShouldBe("'prod' is none of live, test.");
        (await AskAsync("routes/route_x/savings", 404)).GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:route_not_found");
    }

    private async Task<JsonElement> AskAsync(string path, int status)
    {
        using var answer = await _product.ApiAsync(HttpMethod.Get, path);
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, text);
        return JsonDocument.Parse(text).RootElement;
    }
}
