using System.Net;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>How a session begins, is kept and ends. Names begin with the row of the security checks that they are for.</summary>
public sealed class SessionTests(Portal portal) : IClassFixture<Portal>
{
    [Fact]
    public async Task V30_A_session_has_a_new_key_at_sign_in_and_is_dead_after_sign_out()
    {
        var ada = await portal.SignedInAsync();
        var first = ada.Cookies["__Host-session"];
        using (await ada.PostAsync("/logout", []))
        {
        }

        ada.Cookies.Keys.ShouldNotContain("__Host-session");
        (await WithAsync(first, "/account")).ShouldBe(HttpStatusCode.Found); // the copy of the cookie is worth nothing

        using (await ada.SignInAsync())
        {
        }

        ada.Cookies["__Host-session"].ShouldNotBe(first);
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
    }

    [Fact]
    public async Task V30_A_dead_key_that_the_browser_still_has_is_not_revived_by_signing_in()
    {
        var ada = await portal.SignedInAsync();
        var phone = new PortalVisitor(portal.Product);
        using (await phone.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        using (await ada.PostAsync("/account/sessions?handler=Others", []))
        {
        }

        var dead = phone.Cookies["__Host-session"];
        using (var answer = await phone.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
            answer.StatusCode.ShouldBe(HttpStatusCode.Found);
        phone.Cookies["__Host-session"].ShouldNotBe(dead);
        (await Portal.IsInAsync(phone)).ShouldBeTrue();
        (await WithAsync(dead, "/account")).ShouldBe(HttpStatusCode.Found);
    }

    [Fact]
    public async Task V30_Proving_it_again_changes_the_key_and_the_old_one_is_dead()
    {
        var ada = await portal.SignedInAsync();
        var first = ada.Cookies["__Host-session"];
        using (var answer = await ada.PostAsync("/prove?returnUrl=/account", [new("Password", PortalVisitor.Password)]))
            answer.Headers.Location!.ToString().ShouldBe("/account");
        ada.Cookies["__Host-session"].ShouldNotBe(first);
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
        (await WithAsync(first, "/account")).ShouldBe(HttpStatusCode.Found);
    }

    [Fact]
    public async Task V31_A_session_ends_after_a_week_without_use_and_after_thirty_days_in_any_case()
    {
        var idle = await portal.SignedInAsync();
        portal.Time.Ahead += TimeSpan.FromDays(7.1);
        (await Portal.IsInAsync(idle)).ShouldBeFalse();

        var busy = await portal.SignedInAsync();
        for (var day = 0; day < 28; day += 4)
        {
            portal.Time.Ahead += TimeSpan.FromDays(4);
            (await Portal.IsInAsync(busy)).ShouldBeTrue($"day {day + 4}");
        }

        portal.Time.Ahead += TimeSpan.FromDays(2.1); // 30.1
        (await Portal.IsInAsync(busy)).ShouldBeFalse();
    }

    [Fact]
    public async Task V31_Sessions_are_listed_and_ended_one_by_one_or_all_but_this_one()
    {
        var ada = await portal.SignedInAsync();
        var (phone, work) = (new PortalVisitor(portal.Product), new PortalVisitor(portal.Product));
        foreach (var other in new[] { phone, work })
            using (var answer = await other.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
                answer.StatusCode.ShouldBe(HttpStatusCode.Found);
        var ids = portal.Rows("SELECT id FROM sessions WHERE user_id = @p ORDER BY id", ada.UserId, r => r.GetString(0));
        ids.Count.ShouldBe(3);
        var page = await ada.ReadAsync("/account/sessions");
        ids.ShouldAllBe(id => page.Contains(id));
        page.ShouldContain("127.0.0.1");

        using (var answer = await ada.PostAsync("/account/sessions?handler=End", [new("id", ids[1])]))
            answer.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await Portal.IsInAsync(phone)).ShouldBeFalse();
        (await Portal.IsInAsync(work)).ShouldBeTrue();

        using (await ada.PostAsync("/account/sessions?handler=Others", []))
        {
        }

        (await Portal.IsInAsync(work)).ShouldBeFalse();
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
    }

    [Fact]
    public async Task V9_Nobody_ends_the_session_of_another()
    {
        var (ada, mallory) = (await portal.SignedInAsync(), await portal.SignedInAsync());
        var id = portal.Rows("SELECT id FROM sessions WHERE user_id = @p", ada.UserId, r => r.GetString(0)).Single();
        using var answer = await mallory.PostAsync("/account/sessions?handler=End", [new("id", id)]);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
    }

    [Fact]
    public async Task V9_A_session_shows_only_an_organization_of_its_user()
    {
        var other = await portal.Product.ProvisionAsync("other", new Dictionary<string, string>());
        var ada = await portal.SignedInAsync();
        using var answer = await ada.PostAsync("/account/tenants", [new("tenant", other.TenantId)]);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        portal.Rows("SELECT coalesce(tenant_id, '') FROM sessions WHERE user_id = @p", ada.UserId, r => r.GetString(0)).ShouldBe([""]);
    }

    [Fact]
    public async Task V31_A_new_password_ends_every_session_but_the_one_that_set_it_whose_key_is_new()
    {
        var ada = await portal.SignedInAsync();
        var phone = new PortalVisitor(portal.Product);
        using (await phone.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        {
        }

        var before = ada.Cookies["__Host-session"];
        using (var answer = await ada.PostAsync("/account/password", [new("Current", PortalVisitor.Password), new("Password", "four new words together")]))
            answer.Headers.Location!.ToString().ShouldBe("/account/security");
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
        ada.Cookies["__Host-session"].ShouldNotBe(before);
        (await Portal.IsInAsync(phone)).ShouldBeFalse();
        (await WithAsync(before, "/account")).ShouldBe(HttpStatusCode.Found);
        portal.Rows("SELECT id FROM sessions WHERE user_id = @p", ada.UserId, r => r.GetString(0)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task V26_Every_cookie_is_host_bound_secure_not_for_scripts_and_same_site()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        var seen = new List<string>();
        foreach (var answer in new[] { await ada.GetAsync("/login"), await ada.SignInAsync(), await ada.PostAsync("/account", [new("Name", "Ada")]), await ada.GetAsync("/login?handler=PasskeyOptions") })
            using (answer)
                seen.AddRange(answer.Headers.TryGetValues("Set-Cookie", out var set) ? set : []);
        seen.ShouldNotBeEmpty();
        foreach (var cookie in seen)
        {
            cookie.ShouldStartWith("__Host-");
            cookie.ShouldContain("secure", Case.Insensitive);
            cookie.ShouldContain("httponly", Case.Insensitive);
            cookie.ShouldContain("samesite=", Case.Insensitive);
            cookie.ShouldNotContain("samesite=none", Case.Insensitive);
            cookie.ShouldNotContain("domain=", Case.Insensitive);
        }

        seen.Select(c => c[..c.IndexOf('=')]).Distinct().ShouldContain("__Host-session");
    }

    [Theory]
    [InlineData("https://evil.example/")]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example/")]
    [InlineData("\\/evil.example")]
    [InlineData("/\t/evil.example")]
    [InlineData("/%09/evil.example")]
    [InlineData("///evil.example")]
    [InlineData("javascript:alert(1)")]
    [InlineData("http:evil.example")]
    [InlineData(" //evil.example")]
    [InlineData("/a\\..\\evil.example")]
    public async Task V24_No_sign_in_leads_to_another_site(string target)
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        using (var answer = await ada.PostAsync("/login?returnUrl=" + Uri.EscapeDataString(target), [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
            Own(answer);
        using (var answer = await ada.PostAsync("/prove?returnUrl=" + Uri.EscapeDataString(target), [new("Password", PortalVisitor.Password)]))
            Own(answer);

        void Own(HttpResponseMessage answer)
        {
            answer.StatusCode.ShouldBe(HttpStatusCode.Found);
            // As a browser reads it: backslashes are slashes, tabs and line ends are nothing.
            var read = answer.Headers.Location!.OriginalString.Replace('\\', '/').Replace("\t", "", StringComparison.Ordinal).Trim();
            new Uri(portal.Product.Url, read).Host.ShouldBe(portal.Product.Url.Host, read);
        }
    }

    [Fact]
    public async Task V24_A_path_of_the_portal_is_kept_over_the_sign_in()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        using (var asked = await ada.GetAsync("/account/sessions"))
            asked.Headers.Location!.PathAndQuery.ShouldBe("/login?returnUrl=%2Faccount%2Fsessions");
        using var answer = await ada.PostAsync("/login?returnUrl=%2Faccount%2Fsessions", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]);
        answer.Headers.Location!.ToString().ShouldBe("/account/sessions");
    }

    [Fact]
    public async Task V25_A_form_without_its_token_changes_nothing()
    {
        var ada = await portal.SignedInAsync();
        using var answer = await ada.SendAsync(new HttpRequestMessage(HttpMethod.Post, new Uri("/account", UriKind.Relative)) { Content = new FormUrlEncodedContent([new("Name", "Mallory")]) });
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        portal.Rows("SELECT name FROM users WHERE id = @p", ada.UserId, r => r.GetString(0)).ShouldBe([""]);
    }

    [Fact]
    public async Task V32_What_is_dangerous_asks_for_a_credential_again_after_fifteen_minutes_and_leads_back()
    {
        var ada = await portal.SignedInAsync();
        (await ada.ReadAsync("/account/password")).ShouldContain("Current password");
        using (await ada.PostAsync("/account", [new("Name", "Ada")])) // for the form token of somebody who is signed in
        {
        }

        portal.Time.Ahead += TimeSpan.FromMinutes(16);
        using (var asked = await ada.GetAsync("/account/password"))
            asked.Headers.Location!.ToString().ShouldBe("/prove?returnUrl=%2Faccount%2Fpassword");
        using (var refused = await ada.PostAsync("/account/password", [new("Current", PortalVisitor.Password), new("Password", "four new words together")]))
            refused.Headers.Location!.ToString().ShouldBe("/prove?returnUrl=%2Faccount%2Fpassword&unsent=1");
        portal.AuditLines(ada.UserId).ShouldNotContain(l => l.Action == "change_password");

        using (var wrong = await ada.PostAsync("/prove?returnUrl=%2Faccount%2Fpassword", [new("Password", "not the password")]))
            wrong.StatusCode.ShouldBe(HttpStatusCode.OK);
        using (var still = await ada.GetAsync("/account/password"))
            still.StatusCode.ShouldBe(HttpStatusCode.Found);
        using (var right = await ada.PostAsync("/prove?returnUrl=%2Faccount%2Fpassword", [new("Password", PortalVisitor.Password)]))
            right.Headers.Location!.ToString().ShouldBe("/account/password");
        (await ada.ReadAsync("/account/password")).ShouldContain("Current password");
    }

    [Theory]
    [InlineData("/start", "")]
    [InlineData("/keys/new", "")]
    [InlineData("/settings/tokens", "Make")]
    [InlineData("/settings/data", "Export")]
    [InlineData("/settings/data", "Delete")]
    [InlineData("/providers", "Store")]
    [InlineData("/providers", "Add")]
    [InlineData("/team", "Invite")]
    [InlineData("/team", "Role")]
    [InlineData("/account/security", "Off")]
    [InlineData("/account/security", "Codes")]
    [InlineData("/account/security", "Remove")]
    [InlineData("/account/email", "")]
    [InlineData("/account/totp", "")]
    [InlineData("/account/passkey", "")]
    public async Task V32_A_form_of_that_page_is_not_taken_after_fifteen_minutes(string page, string handler)
    {
        var ada = await portal.SignedInAsync();
        using (await ada.PostAsync("/account", [new("Name", "Ada")])) // for the form token of somebody who is signed in
        {
        }

        portal.Time.Ahead += TimeSpan.FromMinutes(16);
        using var answer = await ada.PostAsync(handler.Length == 0 ? page : $"{page}?handler={handler}", []);
        answer.Headers.Location?.ToString().ShouldBe($"/prove?returnUrl={Uri.EscapeDataString(page)}&unsent=1");
    }

    [Fact]
    public async Task V32_The_page_says_that_a_form_was_not_taken_and_where_two_factors_are_wanted_a_password_is_none()
    {
        var ada = await portal.SignedInAsync();
        (await ada.ReadAsync("/prove")).ShouldNotContain("your form was not taken");
        (await ada.ReadAsync("/prove?unsent=1")).ShouldContain("your form was not taken");
        (await ada.ReadAsync("/prove")).ShouldContain("name=\"Password\"");
        (await ada.ReadAsync("/prove?second=1")).ShouldNotContain("name=\"Password\"");
        var before = ada.Cookies["__Host-session"];
        using var answer = await ada.PostAsync("/prove?second=1", [new("Password", PortalVisitor.Password)]);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        ada.Cookies["__Host-session"].ShouldBe(before);
    }

    [Fact]
    public void V36_Passwords_are_hashed_with_more_iterations_than_OWASP_asks_for()
    {
        portal.Product.Services.GetRequiredService<IOptions<PasswordHasherOptions>>().Value.IterationCount.ShouldBeGreaterThanOrEqualTo(210_000);
    }

    private async Task<HttpStatusCode> WithAsync(string session, string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(portal.Product.Url, path));
        request.Headers.Add("Cookie", $"__Host-session={session}");
        using var answer = await portal.Product.Client.SendAsync(request);
        return answer.StatusCode;
    }
}
