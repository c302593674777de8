using System.Net;
using System.Text.RegularExpressions;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Pages;

/// <summary>Going to anything by a word of it.</summary>
public sealed class SearchTests : IAsyncLifetime
{
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync() => _product = await TestProduct.StartAsync();

    public ValueTask DisposeAsync() => _product.DisposeAsync();

    private async Task<T> AskAsync<T>(IUseCase<T> request)
        where T : class
    {
        await using var scope = _product.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request)).Value;
    }

    private static async Task<List<string>> LinksAsync(PortalVisitor visitor, string query) =>
        [.. Regex.Matches(await visitor.ReadAsync("/search?" + query), "class=\"hit\"[^>]* href=\"([^\"]+)\"|class=\"hit\" href=\"([^\"]+)\"").Select(m => WebUtility.HtmlDecode(m.Groups[1].Value + m.Groups[2].Value))];

    [Fact]
    public async Task Keys_budgets_teams_projects_pages_and_a_call_are_found_by_what_one_remembers()
    {
        var owner = new Caller(_product.TenantId, "mem_test", Role.Owner);
        var team = (await AskAsync(new CreateTeam(owner, _product.TenantId, "Zeppelin crew"))).TeamId;
        var key = await AskAsync(new CreateKey(owner, _product.TenantId, "zeppelin-batch", KeyEnvironment.Live) { TeamId = team });
        var test = await AskAsync(new CreateKey(owner, _product.TenantId, "zeppelin-try", KeyEnvironment.Test));
        var gone = await AskAsync(new CreateKey(owner, _product.TenantId, "zeppelin-old", KeyEnvironment.Live));
        await AskAsync(new RevokeKey(owner, _product.TenantId, gone.Id));
        var byTeam = (await AskAsync(new CreateBudget(owner, _product.TenantId, BudgetScope.Team(team), BudgetPeriod.Month, new BudgetTerms { Limit = NanoUsd.Round(10) }))).Id;
        var byTag = (await AskAsync(new CreateBudget(owner, _product.TenantId, BudgetScope.Tag("customer", "Zeppelin Inc"), BudgetPeriod.Day, new BudgetTerms { Limit = NanoUsd.Round(5) }))).Id;
        await AskAsync(new CreateBudget(owner, _product.TenantId, BudgetScope.Tag("customer", "other"), BudgetPeriod.Day, new BudgetTerms { Limit = NanoUsd.Round(5) }));
        var route = (await AskAsync(new SaveRoute(owner, _product.TenantId, new RouteForm("zeppelin-smart", [new RuleForm([new TargetForm("sandbox-small")])])))).Id;
        using var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat());
        await call.Content.ReadAsStringAsync();
        await _product.EventAsync(call.RequestId());

        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (await LinksAsync(visitor, "q=ZEPPELIN")).ShouldBe([$"/keys/{test.Id}?env=test", $"/keys/{key.Id}", $"/keys/{gone.Id}", $"/budgets/{byTeam}", $"/budgets/{byTag}", $"/routes/{route}", $"/explore?team={team}"]);
        (await LinksAsync(visitor, "q=" + key.Id)).ShouldBe([$"/keys/{key.Id}"]);
        (await LinksAsync(visitor, "q=" + key.Secret[..14])).ShouldBe([$"/keys/{key.Id}"]);
        (await LinksAsync(visitor, "q=" + byTag)).ShouldBe([$"/budgets/{byTag}"]);
        (await LinksAsync(visitor, "q=" + call.RequestId())).ShouldBe([$"/calls/{call.RequestId()}?env=test"]);
        (await LinksAsync(visitor, "q=audit")).ShouldBe(["/settings/audit"]);
        (await LinksAsync(visitor, "q=cap+limit&env=test"))[0].ShouldBe("/budgets?env=test");
        (await visitor.ReadAsync("/search?q=nothing-is-called-so")).ShouldContain("Nothing is called like that");
        (await visitor.ReadAsync("/search?q=%25")).ShouldContain("Nothing is called like that"); // a percent sign is itself
        (await visitor.ReadAsync("/search?q=" + new string('x', 5000))).ShouldContain("Nothing is called like that");
    }

    [Fact]
    public async Task Who_may_not_see_keys_finds_none_and_only_pages_that_open()
    {
        var owner = new Caller(_product.TenantId, "mem_test", Role.Owner);
        await AskAsync(new CreateKey(owner, _product.TenantId, "hidden-key", KeyEnvironment.Live));
        var billing = await PortalVisitor.SignedInAsync(_product, _product.TenantId, Role.Billing);
        (await LinksAsync(billing, "q=hidden")).ShouldBeEmpty();
        foreach (var path in await LinksAsync(billing, "q="))
            using (var answer = await billing.GetAsync(path))
                ((int)answer.StatusCode).ShouldBeLessThan(400, path);
        (await LinksAsync(billing, "q=")).ShouldNotContain("/settings/tokens");
    }

    [Fact]
    public async Task The_palette_gets_the_list_alone_as_options_that_a_reader_announces()
    {
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        var part = await visitor.ReadAsync("/search?handler=Hits&q=budget");
        part.ShouldNotContain("<html");
        part.ShouldContain("role=\"option\" id=\"hit-0\" href=\"/budgets\"");
        part.ShouldContain("role=\"group\" aria-labelledby=\"hits-0\"");
        Regex.Matches(part, "id=\"(hit-\\d+)\"").Select(m => m.Groups[1].Value).ShouldBeUnique();
    }
}
