using System.Net;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Pages;

/// <summary>The pages of routes, as a browser without scripts sends their forms.</summary>
public sealed class RoutePagesTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<IReadOnlyList<RouteLine>> RoutesAsync()
    {
        await using var scope = _product.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new ListRoutes(Caller.Operator, _product.TenantId))).Value.Routes;
    }

    private static IEnumerable<KeyValuePair<string, string>> Fields(params (string Name, string Value)[] fields) => fields.Select(f => new KeyValuePair<string, string>(f.Name, f.Value));

    [Fact]
    public async Task A_route_is_made_said_in_words_changed_and_deleted()
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        (await dev.ReadAsync("/routes")).ShouldContain("Make the first route");
        (await dev.ReadAsync("/routes/new")).ShouldContain("Form.Rules[0].Targets");
        (string, string)[] form =
        [
            ("Form.Name", "smart"), ("Form.Rules[0].Targets", "openai/gpt-5-mini 3\nanthropic/claude-haiku-4-5"), ("Form.Rules[0].Choose", "Weighted"), ("Form.Rules[0].Tags", "customer=acme"), ("Form.Rules[0].AtLeast", "1000"),
            ("Form.Rules[0].Tools", "True"), ("Form.Rules[0].Days", "Monday"), ("Form.Rules[0].BudgetAbove", "80"), ("Form.Rules[0].FallBackOn", "timeout"), ("Form.Rules[0].Retries", "2"), ("Form.Rules[0].TimeoutSeconds", "2.5"), ("Form.Rules[0].Sticky", "true"), ("Form.Rules[0].CacheSeconds", "5400"),
            ("Form.Rules[1].Targets", "sandbox-small"), ("Form.Rules[1].Retries", "0"), ("Form.Rules[1].Sticky", "false"),
        ];
        using (var made = await dev.PostAsync("/routes/new", Fields(form)))
            made.StatusCode.ShouldBe(HttpStatusCode.Found, await made.Content.ReadAsStringAsync());
        var line = (await RoutesAsync()).ShouldHaveSingleItem();
        var (rule, when) = (line.Route!.Rules[0], line.Route.Rules[0].When);
        rule.Targets.ShouldBe([new RouteTarget("openai/gpt-5-mini", 3), new RouteTarget("anthropic/claude-haiku-4-5")]);
        (rule.Choose, rule.Retries, rule.FallBackOn, rule.FirstByteTimeout, rule.Sticky).ShouldBe((TargetChoice.Weighted, 2, RouteFaults.Timeout, (TimeSpan?)TimeSpan.FromMilliseconds(2500), true));
        (when.PromptTokensAtLeast, when.Tools, when.Streaming, when.BudgetUsedAbove, when.Hours!.From, when.Hours.To).ShouldBe((1000L, (bool?)true, (bool?)null, (int?)80, TimeOnly.MinValue, TimeOnly.MinValue));
        line.Route.Rules[1].FallBackOn.ShouldBe(RouteFaults.None);
        (rule.CacheFor, line.Route.Rules[1].CacheFor).ShouldBe((TimeSpan.FromMinutes(90), null));

        var page = WebUtility.HtmlDecode(await dev.ReadAsync("/routes"));
        page.ShouldContain("For calls with customer=acme, of 1,000 tokens and more, with tools, on Monday, once more than 80 % of a budget is used: <strong>openai/gpt-5-mini (75 %) or anthropic/claude-haiku-4-5 (25 %), another on timeouts</strong>.");
        page.ShouldContain("repeats get the first answer again for 90 minutes");
        page.ShouldContain("For all other calls: <strong>sandbox-small</strong>.");
        page.ShouldContain("No key for anthropic is stored");
        // The form has what is stored.
        page = WebUtility.HtmlDecode(await dev.ReadAsync($"/routes/{line.Id}"));
        foreach (var part in new[] { "openai/gpt-5-mini 3", "customer=acme", "value=\"1000\"", "value=\"80\"", "value=\"2.5\"", "value=\"5400\"", "value=\"Monday\" checked", "Rule 2" })
            page.ShouldContain(part);

        using (var saved = await dev.PostAsync($"/routes/{line.Id}?handler=Save", Fields(("Form.Name", "auto"), ("Form.Rules[0].Targets", "sandbox-small"), ("Form.Rules[0].Retries", "1"))))
            saved.StatusCode.ShouldBe(HttpStatusCode.Found, await saved.Content.ReadAsStringAsync());
        (await RoutesAsync()).ShouldHaveSingleItem().ShouldSatisfyAllConditions(r => r.Name.ShouldBe("auto"), r => r.Route!.Rules.Count.ShouldBe(1));
        using (var slip = await dev.PostAsync($"/routes/{line.Id}?handler=Delete", Fields(("Confirm", "smart"))))
            (await slip.Content.ReadAsStringAsync()).ShouldContain("Type the name as it is: auto");
        using (var deleted = await dev.PostAsync($"/routes/{line.Id}?handler=Delete", Fields(("Confirm", "auto"))))
            deleted.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await RoutesAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Rules_are_added_moved_and_taken_away_with_what_was_typed_and_nothing_is_saved()
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        async Task<string> Then(string what, params (string, string)[] fields)
        {
            using var answer = await dev.PostAsync("/routes/new?handler=Rules", Fields([.. fields, ("what", what)]));
            return await answer.Content.ReadAsStringAsync();
        }

        (string, string)[] two = [("Form.Name", "smart"), ("Form.Rules[0].Targets", "a/first"), ("Form.Rules[1].Targets", "a/second")];
        var page = await Then("add", two);
        page.ShouldContain("Rule 3");
        page.ShouldContain("value=\"smart\"");
        page = await Then("up:1", two);
        page.IndexOf("a/second", StringComparison.Ordinal).ShouldBeLessThan(page.IndexOf("a/first", StringComparison.Ordinal));
        page = await Then("remove:0", two);
        page.ShouldNotContain("a/first");
        page.ShouldContain("a/second");
        page = await Then("remove:7", two);
        page.ShouldContain("a/first");
        (await RoutesAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_wrong_is_said_and_who_may_not_is_refused()
    {
        var dev = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Developer);
        async Task<string> Wrong(params (string, string)[] fields)
        {
            using var answer = await dev.PostAsync("/routes/new", Fields([("Form.Name", "smart"), ("Form.Rules[0].Retries", "1"), .. fields]));
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            return WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        }

        (await Wrong(("Form.Rules[0].Targets", ""))).ShouldContain("Name at least one model.");
        (await Wrong(("Form.Rules[0].Targets", "openai/gpt-5 heavy"))).ShouldContain("'openai/gpt-5 heavy': write one model a line");
        (await Wrong(("Form.Rules[0].Targets", "openai/gpt-5"), ("Form.Rules[0].Tags", "acme"))).ShouldContain("Write one tag a line, as name=value");
        (await Wrong(("Form.Rules[0].Targets", "nobody/gpt-5"))).ShouldContain("Rule 1: 'nobody' in 'nobody/gpt-5' is neither a provider nor an endpoint");
        (await Wrong(("Form.Rules[0].Targets", "openai/gpt-5"), ("Form.Rules[0].From", "09:00"))).ShouldContain("Rule 1: Hours name the days");
        var viewer = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Viewer);
        (await viewer.ReadAsync("/routes")).ShouldNotContain("New route");
        (await viewer.ReadAsync("/routes/new")).ShouldContain("makes no routes");
        using (var refused = await viewer.PostAsync("/routes/new", Fields(("Form.Name", "smart"), ("Form.Rules[0].Targets", "sandbox-small"))))
            refused.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        var billing = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Billing);
        using (var refused = await billing.GetAsync("/routes"))
            refused.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await RoutesAsync()).ShouldBeEmpty();
    }
}
