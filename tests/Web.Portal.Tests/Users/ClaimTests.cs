using System.Net;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Users;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>The first owner: whoever opens the link that the console prints.</summary>
public sealed class ClaimTests : IAsyncLifetime
{
    private readonly Portal _portal = new();

    public ValueTask InitializeAsync() => _portal.InitializeAsync();

    public ValueTask DisposeAsync() => _portal.DisposeAsync();

    [Fact]
    public async Task Whoever_opens_the_link_owns_the_tenant_and_runs_the_installation_and_the_link_is_used_up()
    {
        var token = await OfferAsync();
        var ada = new PortalVisitor(_portal.Product);
        (await ada.ReadAsync("/claim/" + token)).ShouldContain("operator of this installation");
        using (var weak = await ada.PostAsync("/claim/" + token, [new("Email", "ada@claim.example"), new("Password", "password2026")]))
            (await weak.Content.ReadAsStringAsync()).ShouldContain("tried first");
        using (var answer = await ada.PostAsync("/claim/" + token, [new("Email", "Ada@claim.example"), new("Password", "four new words together")]))
            answer.Headers.Location!.ToString().ShouldBe("/start");
        (await ada.ReadAsync("/account/tenants")).ShouldContain("Owner");
        _portal.Rows("SELECT email || ' ' || role FROM members WHERE tenant_id = @p AND user_id IS NOT NULL", _portal.Product.TenantId, r => r.GetString(0)).ShouldBe(["ada@claim.example owner"]);
        _portal.Rows("SELECT is_operator FROM users WHERE email = @p", "ada@claim.example", r => r.GetInt64(0)).ShouldBe([1]);

        var eve = new PortalVisitor(_portal.Product);
        (await eve.ReadAsync("/claim/" + token)).ShouldContain("This link is used up");
        using var again = await eve.PostAsync("/claim/" + token, [new("Email", "eve@claim.example"), new("Password", "four new words together")]);
        eve.Cookies.Keys.ShouldNotContain("__Host-session");
    }

    [Fact]
    public async Task Of_two_who_open_it_at_once_one_gets_it()
    {
        var token = await OfferAsync();
        var visitors = Enumerable.Range(0, 4).Select(_ => new PortalVisitor(_portal.Product)).ToList();
        foreach (var visitor in visitors)
            await visitor.ReadAsync("/claim/" + token);
        var answers = await Task.WhenAll(visitors.Select((v, i) => v.PostAsync("/claim/" + token, [new("Email", $"v{i}@claim.example"), new("Password", "four new words together")])));
        answers.Count(a => a.StatusCode == HttpStatusCode.Found).ShouldBe(1);
        _portal.Rows("SELECT id FROM users WHERE email LIKE @p", "v%@claim.example", r => r.GetString(0)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Each_start_makes_a_new_link_in_place_of_the_one_before_and_only_a_hash_is_kept()
    {
        var first = await OfferAsync();
        await using (var scope = _portal.Product.Services.CreateAsyncScope())
        {
            var second = (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new OfferTenant(null))).Value.Token;
            second.ShouldNotBe(first);
            (await new PortalVisitor(_portal.Product).ReadAsync("/claim/" + second)).ShouldContain("Make it yours");
        }

        (await new PortalVisitor(_portal.Product).ReadAsync("/claim/" + first)).ShouldContain("This link is used up");
        _portal.Rows("SELECT count(*) FROM tenant_claims WHERE length(token_hash) = 32 OR tenant_id = @p", "", r => r.GetInt64(0)).ShouldBe([1]);
    }

    [Fact]
    public async Task Somebody_who_is_signed_in_takes_it_with_their_account()
    {
        var token = await OfferAsync();
        var ada = await PortalVisitor.SignedInAsync(_portal.Product, null);
        (await ada.ReadAsync("/claim/" + token)).ShouldContain(ada.Email);
        using (var answer = await ada.PostAsync("/claim/" + token, []))
            answer.Headers.Location!.ToString().ShouldBe("/start");
        _portal.Rows("SELECT user_id FROM members WHERE tenant_id = @p AND user_id IS NOT NULL", _portal.Product.TenantId, r => r.GetString(0)).ShouldBe([ada.UserId]);
    }

    [Fact]
    public async Task An_account_that_exists_is_not_taken_over_by_claiming_with_its_address()
    {
        var token = await OfferAsync();
        var ada = await PortalVisitor.SignedInAsync(_portal.Product, null);
        var eve = new PortalVisitor(_portal.Product);
        using (var answer = await eve.PostAsync("/claim/" + token, [new("Email", ada.Email), new("Password", "four new words together")]))
            (await answer.Content.ReadAsStringAsync()).ShouldContain("There is an account with this address");
        eve.Cookies.Keys.ShouldNotContain("__Host-session");
        (await eve.ReadAsync("/claim/" + token)).ShouldContain("Make it yours"); // still open
    }

    private async Task<string> OfferAsync()
    {
        await using var scope = _portal.Product.Services.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new OfferTenant(_portal.Product.TenantId))).Value.Token;
    }
}
