using System.Net;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>Double presses, sessions that ended, two tabs: what people do without thinking of it.</summary>
public sealed class NothingOddTests(Portal portal) : IClassFixture<Portal>
{
    private async Task<T> AskAsync<T>(IUseCase<T> request)
        where T : class
    {
        await using var scope = portal.Product.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request)).Value;
    }

    [Theory]
    [InlineData("/start", "KeyEnvironment=Test")]
    [InlineData("/start?handler=Provider", "Provider=azure-openai&ProviderKey=sk-twice-0123456789abcdef")]
    [InlineData("/keys/new", "Form.Name=twice")]
    [InlineData("/budgets/new", "Form.Scope=tenant&Form.Limit=10")]
    [InlineData("/team?handler=Invite", "Email=twice@odd.example&Role=Viewer")]
    [InlineData("/team/projects?handler=Team", "Name=twice")]
    [InlineData("/settings/tokens?handler=Make", "Name=twice&Role=Viewer")]
    public async Task Two_presses_at_once_make_one_thing(string path, string fields)
    {
        var tenant = (await portal.Product.ProvisionAsync("odd", new Dictionary<string, string>())).TenantId;
        var owner = await PortalVisitor.SignedInAsync(portal.Product, tenant);
        using (await owner.PostAsync("/account", [new("Name", "Ada")])) // for the form's token
        {
        }

        var before = await CountAsync(tenant);
        var form = fields.Split('&').Select(f => f.Split('=', 2)).Select(f => KeyValuePair.Create(f[0], f[1])).Append(new("form_id", Guid.NewGuid().ToString("n"))).Append(new("form_token", owner.FormToken)).ToList();
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(portal.Product.Url, path)) { Content = new FormUrlEncodedContent(form) };
            request.Headers.Add("Cookie", string.Join("; ", owner.Cookies.Select(c => $"{c.Key}={c.Value}")));
            using var answer = await portal.Product.Client.SendAsync(request);
            return answer.StatusCode;
        }));
        answers.ShouldAllBe(a => a == HttpStatusCode.OK || a == HttpStatusCode.Found);
        (await CountAsync(tenant)).ShouldBe(before + 1);
    }

    [Fact]
    public async Task A_session_that_ended_leads_to_the_sign_in_and_back_to_the_page_with_its_view()
    {
        var ada = await portal.SignedInAsync();
        portal.Time.Ahead += TimeSpan.FromDays(8);
        using (var asked = await ada.GetAsync("/explore?range=7d&by=provider"))
            asked.Headers.Location!.PathAndQuery.ShouldBe("/login?returnUrl=%2Fexplore%3Frange%3D7d%26by%3Dprovider");
        using var answer = await ada.PostAsync("/login?returnUrl=%2Fexplore%3Frange%3D7d%26by%3Dprovider", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]);
        answer.Headers.Location!.ToString().ShouldBe("/explore?range=7d&by=provider");
        (await ada.ReadAsync("/explore?range=7d&by=provider")).ShouldContain("<h1>Explore");
    }

    [Fact]
    public async Task A_form_of_a_tab_whose_session_was_ended_in_another_does_nothing_and_leads_to_the_sign_in()
    {
        var ada = await portal.SignedInAsync();
        using (await ada.PostAsync("/account", [new("Name", "Ada")]))
        {
        }

        var tab = new PortalVisitor(portal.Product);
        foreach (var (name, value) in ada.Cookies)
            tab.Cookies[name] = value;
        using (await ada.PostAsync("/logout", []))
        {
        }

        var keys = (await AskAsync(new ListKeys(Caller.Operator, portal.Product.TenantId))).Total;
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/keys/new", UriKind.Relative))
        {
            Content = new FormUrlEncodedContent([new("Form.Name", "too-late"), new("form_id", Guid.NewGuid().ToString("n")), new("form_token", ada.FormToken)]),
        };
        using var answer = await tab.SendAsync(request);
        answer.StatusCode.ShouldBe(HttpStatusCode.Found);
        answer.Headers.Location!.PathAndQuery.ShouldBe("/login?returnUrl=%2Fkeys%2Fnew");
        (await AskAsync(new ListKeys(Caller.Operator, portal.Product.TenantId))).Total.ShouldBe(keys);
    }

    [Fact]
    public async Task A_form_of_another_users_session_in_the_same_browser_is_refused()
    {
        var (ada, bob) = (await portal.SignedInAsync(), await portal.SignedInAsync());
        using (await ada.PostAsync("/account", [new("Name", "Ada")]))
        {
        }

        // Ada's form, left open; then Bob signed in in another tab of the same browser.
        bob.Cookies["__Host-form"] = ada.Cookies["__Host-form"];
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/account", UriKind.Relative)) { Content = new FormUrlEncodedContent([new("Name", "Mallory"), new("form_token", ada.FormToken)]) };
        using var answer = await bob.SendAsync(request);
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        portal.Rows("SELECT name FROM users WHERE id = @p", bob.UserId, r => r.GetString(0)).ShouldBe([""]);
    }

    [Fact]
    public async Task No_page_of_somebody_who_is_signed_in_may_be_kept_by_a_browser_or_anything_between()
    {
        var ada = await portal.SignedInAsync();
        foreach (var path in new[] { "/overview", "/explore", "/calls", "/keys", "/keys/new", "/budgets", "/providers", "/team", "/team/projects", "/settings", "/settings/tokens", "/settings/audit", "/settings/data", "/account", "/account/security", "/account/sessions", "/start", "/search?q=key", "/search?handler=Hits&q=key" })
            using (var answer = await ada.GetAsync(path))
            {
                answer.StatusCode.ShouldBe(HttpStatusCode.OK, path);
                answer.Headers.CacheControl!.NoStore.ShouldBeTrue(path);
            }
    }

    private async Task<long> CountAsync(string tenant) => (await AskAsync(new ListAudit(Caller.Operator, tenant) { Result = AuditResult.Done, Limit = 1000 })).Lines.Count;
}
