using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using MediatR;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>What must hold on every page, as the route table has them: a page that is added is looked at by itself.</summary>
[Collection(PortalInBrowser.Name)]
public sealed class EveryPageTests(PortalInBrowser portal, ITestOutputHelper output)
{
    [Fact]
    public async Task No_page_has_a_serious_fault_of_accessibility_nor_breaks_the_content_policy_nor_loads_from_elsewhere()
    {
        await using var visitor = await portal.VisitAsync();
        await visitor.SignUpAsync("axe@pages.example", "Axe & Sons");
        var paths = await PathsAsync(portal, visitor.Email);
        var faults = new List<string>();
        foreach (var path in paths)
        {
            await visitor.Page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = ColorScheme.Light });
            var answer = await visitor.Page.GotoAsync(path);
            answer!.Status.ShouldBeLessThan(400, path);
            Note("light", path, await visitor.Page.RunAxe());
            // In the dark, the same elements have other colours, and nothing else.
            await visitor.Page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = ColorScheme.Dark });
            await visitor.Page.EvaluateAsync("""
                async () => {
                  while (document.documentElement.dataset.bsTheme !== 'dark') await new Promise(requestAnimationFrame);
                  await Promise.allSettled(document.getAnimations().map((a) => a.finished));
                }
                """);
            Note("dark", path, await visitor.Page.RunAxe(new AxeRunOptions { RunOnly = RunOnlyOptions.Rules("color-contrast") }));
        }

        output.WriteLine($"{paths.Count} pages: {string.Join(' ', paths)}");
        faults.ShouldBeEmpty();
        visitor.Complaints.ShouldBeEmpty();

        void Note(string theme, string path, AxeResult result)
        {
            result.Passes.Concat(result.Violations).Concat(result.Incomplete).ShouldContain(r => r.Id == "color-contrast", $"{path} was not looked at");
            foreach (var violation in result.Violations.Where(v => v.Impact is "serious" or "critical"))
                faults.Add($"{path} ({theme}): {violation.Id}: {violation.Help}: {string.Join(" ", violation.Nodes.Take(3).Select(n => n.Html))}");
        }
    }

    [Fact]
    public async Task Every_page_fits_a_phone_and_reads_without_JavaScript()
    {
        await using var owner = await portal.VisitAsync();
        await owner.SignUpAsync("phone@pages.example", "A name that is rather long for an organization, as some are, and goes on and on");
        var paths = await PathsAsync(portal, owner.Email);
        await using var phone = await portal.VisitAsync(phone: true, javaScript: false);
        await phone.SignInAsync(owner.Email);
        foreach (var path in paths)
        {
            (await phone.Page.GotoAsync(path))!.Status.ShouldBeLessThan(400, path);
            (await phone.Page.Locator("h1").CountAsync()).ShouldBe(1, path);
            // Nothing but a table, a snippet or a chart may be scrolled sideways, and each of these by itself.
            var box = (await phone.Page.Locator("html").BoundingBoxAsync())!;
            box.Width.ShouldBeLessThanOrEqualTo(390.5f, path);
        }
    }

    /// <summary>Every page that an owner can open, with things of that tenant in its parameters.</summary>
    internal static async Task<List<string>> PathsAsync(PortalInBrowser portal, string email)
    {
        await using var scope = portal.Product.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>();
        var member = db.Members.First(m => m.Email == email);
        var owner = new Caller(member.TenantId, member.Id, Role.Owner);
        var mediator = scope.ServiceProvider.GetRequiredService<IMediator>();
        var key = (await mediator.Send(new CreateKey(owner, member.TenantId, "batch-eu", KeyEnvironment.Live))).Value;
        var test = (await mediator.Send(new CreateKey(owner, member.TenantId, "try", KeyEnvironment.Test))).Value;
        var budget = (await mediator.Send(new CreateBudget(owner, member.TenantId, BudgetScope.Tenant, BudgetPeriod.Month, new BudgetTerms { Limit = NanoUsd.Round(100) }))).Value;
        var smart = (await mediator.Send(new SaveRoute(owner, member.TenantId, new RouteForm("smart", [new RuleForm([new TargetForm("openai/gpt-5-mini"), new TargetForm("sandbox-small")]) { When = new ConditionsForm { PromptTokensAtLeast = 1000 }, Quality = new QualityForm(["openai/gpt-5-nano"], "10") }, new RuleForm([new TargetForm("sandbox-small")])])))).Value;
        await TeachAsync(scope.ServiceProvider, new RoutingPair(member.TenantId, KeyEnvironment.Live, smart.Id, "openai/gpt-5-mini", "openai/gpt-5-nano"), key.Id);
        using var call = await portal.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small"), test.Secret);
        call.EnsureSuccessStatusCode();
        await call.Content.ReadAsStringAsync();
        var request = call.RequestId();
        await portal.Product.FlushAsync();
        var paths = new List<string>();
        foreach (var route in portal.Product.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>().DistinctBy(r => r.RoutePattern.RawText))
        {
            if (route.Metadata.GetMetadata<PageActionDescriptor>() is not { } page || page.ViewEnginePath is "/Error" || route.RoutePattern.RawText is "Index" || page.ViewEnginePath.StartsWith("/Operator", StringComparison.Ordinal) || page.ViewEnginePath.StartsWith("/Users/", StringComparison.Ordinal))
                continue;
            var path = "/" + route.RoutePattern.RawText!.TrimStart('/');
            if (route.RoutePattern.Parameters.Count > 0)
                path = page.ViewEnginePath.Split('/')[1] switch
                {
                    "Keys" => Filled(path, key.Id),
                    "Budgets" => Filled(path, budget.Id),
                    "Routes" => Filled(path, smart.Id),
                    "Spend" => Filled(path, request) + "?env=test",
                    _ => throw new InvalidOperationException($"say here what stands in the parameters of {page.ViewEnginePath} ({path})"),
                };
            paths.Add(path);
        }

        paths.Add("/start?key=" + key.Id);
        paths.Add("/start?for=live");
        paths.Add("/overview?env=test");
        paths.Add("/calls?env=test&columns=" + string.Join(',', Web.Portal.Pages.Spend.CallColumn.All.Select(c => c.Name)));
        paths.Add("/search?q=batch");
        return paths;

        static string Filled(string path, string id) => System.Text.RegularExpressions.Regex.Replace(path, @"\{[^}]+\}", id);
    }

    // So that the page of savings has all that it can have.
    private static async Task TeachAsync(IServiceProvider services, RoutingPair pair, string keyId)
    {
        var group = new TaughtGroup(services.GetRequiredService<IRoutingStore>(), services.GetRequiredService<IUsageLedger>(), TimeProvider.System, pair);
        var (good, poor) = (await group.ClassAsync(1, keyId, tools: 2), await group.ClassAsync(2, keyId, format: "json_schema", hasSystem: false));
        await group.LearnAsync(good, 60);
        await group.LearnAsync(poor, 5, 0.8, new QualityTarget(0.95));
        await group.CallsAsync(good, RouteReason.ClassProven, 5, NanoUsd.Round(0.01m), NanoUsd.Round(0.02m), keyId: keyId);
        await group.DemotedAsync(poor, "Answers failed their check in 9 of 20 calls.");
    }
}
