using System.Net;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>Passwords and addresses: what is taken, how they change, who hears of it.</summary>
public sealed class CredentialTests(Portal portal) : IClassFixture<Portal>
{
    private const string New = "four new words together";

    [Theory]
    [InlineData("short", "at least 10 characters")]
    [InlineData("1234567890", "tried first")]
    [InlineData("Password123", "tried first")]
    [InlineData("password2026!", "tried first")]
    [InlineData("aaaaaaaaaaaaaaa", "tried first")]
    [InlineData("qwertyuiop", "tried first")]
    [InlineData("my-tokonomics-login", "the name Tokonomics")]
    [InlineData("lovelace is my name", "your e-mail address")]
    public void V35_A_password_that_is_short_common_or_about_its_owner_is_refused_with_what_to_do(string password, string says) =>
        PasswordRules.Problem("lovelace@example.com", password, 10)!.ShouldContain(says);

    [Theory]
    [InlineData("correct horse battery staple")]
    [InlineData("wintermute rides")]
    [InlineData("пароль из слов")]
    [InlineData("🐎🔋📎✅ and more")]
    [InlineData("no capitals no digits")]
    public void V35_No_rule_asks_for_kinds_of_characters_and_every_script_is_taken(string password) =>
        PasswordRules.Problem("lovelace@example.com", password, 10).ShouldBeNull();

    [Fact]
    public void V35_Up_to_256_characters_are_taken_and_the_list_has_more_than_the_3000_most_common()
    {
        var words = string.Concat(Enumerable.Range(0, 64).Select(i => $"{i:x2}w ")); // 256 characters
        PasswordRules.Problem("lovelace@example.com", words, 10).ShouldBeNull();
        PasswordRules.Problem("lovelace@example.com", words + "x", 10)!.ShouldContain("at most 256");
        PasswordRules.CommonOfAtLeast(8).ShouldBeGreaterThan(3000);
    }

    [Fact]
    public async Task V35_The_pages_that_set_a_password_say_what_is_wrong_with_it()
    {
        var visitor = new PortalVisitor(portal.Product);
        using var answer = await visitor.PostAsync("/signup", [new("Email", "weak@credential.example"), new("Password", "password2026!")]);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("among those that are tried first");
        portal.MailsTo("weak@credential.example").ShouldBeEmpty();
    }

    [Fact]
    public async Task V39_A_reset_link_works_once_ends_every_session_and_signs_nobody_in()
    {
        var ada = await portal.SignedInAsync();
        var link = await ForgotAsync(ada.Email);
        var other = new PortalVisitor(portal.Product);
        using (var answer = await other.PostAsync("/reset", Portal.Fields(link, new KeyValuePair<string, string>("Password", New))))
            answer.Headers.Location!.ToString().ShouldBe("/login?reset");
        other.Cookies.Keys.ShouldNotContain("__Host-session");
        (await Portal.IsInAsync(ada)).ShouldBeFalse();
        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("Your password was reset");

        using (var again = await other.PostAsync("/reset", Portal.Fields(link, new KeyValuePair<string, string>("Password", "five words of somebody else"))))
            (await again.Content.ReadAsStringAsync()).ShouldContain("This link has expired");
        using (var old = await ada.SignInAsync())
            old.StatusCode.ShouldBe(HttpStatusCode.OK);
        using (var right = await ada.SignInAsync(New))
            right.StatusCode.ShouldBe(HttpStatusCode.Found);
    }

    [Fact]
    public async Task V39_A_reset_link_is_dead_after_half_an_hour_after_any_other_change_and_for_anybody_else()
    {
        var (ada, eve) = (await portal.SignedInAsync(), await portal.SignedInAsync());
        var link = await ForgotAsync(ada.Email);
        (await FailsAsync(link.Replace(ada.UserId, eve.UserId, StringComparison.Ordinal))).ShouldBeTrue();
        (await FailsAsync(link + "x")).ShouldBeTrue();
        portal.Time.Ahead += TimeSpan.FromMinutes(30.1);
        (await FailsAsync(link)).ShouldBeTrue();

        var second = await ForgotAsync(eve.Email);
        using (await eve.PostAsync("/prove", [new("Password", PortalVisitor.Password)]))
        using (var changed = await eve.PostAsync("/account/password", [new("Current", PortalVisitor.Password), new("Password", New)]))
            changed.StatusCode.ShouldBe(HttpStatusCode.Found);
        (await FailsAsync(second)).ShouldBeTrue();
    }

    [Fact]
    public async Task V39_The_link_that_verifies_an_address_works_once_and_changes_nothing_by_being_opened()
    {
        var visitor = new PortalVisitor(portal.Product);
        const string email = "verify@credential.example";
        using (await visitor.PostAsync("/signup", [new("Email", email), new("Password", New)]))
        {
        }

        var link = portal.LinkTo(email);
        (await visitor.ReadAsync(link)).ShouldContain("One click");
        using (var early = await new PortalVisitor(portal.Product).PostAsync("/login", [new("Email", email), new("Password", New)]))
            (await early.Content.ReadAsStringAsync()).ShouldContain("isn&#x27;t verified yet");
        using (var elsewhere = await new PortalVisitor(portal.Product).PostAsync("/verify", Portal.Fields(link)))
            elsewhere.Headers.Location!.ToString().ShouldBe("/login?verified"); // another browser: verified, not signed in
        using var again = await visitor.PostAsync("/verify", Portal.Fields(link));
        (await again.Content.ReadAsStringAsync()).ShouldContain("This link has expired");
        visitor.Cookies.Keys.ShouldNotContain("__Host-session");
    }

    [Fact]
    public async Task V39_A_link_to_verify_does_not_reset_a_password_nor_the_other_way_round()
    {
        var visitor = new PortalVisitor(portal.Product);
        const string email = "purpose@credential.example";
        using (await visitor.PostAsync("/signup", [new("Email", email), new("Password", New)]))
        {
        }

        (await FailsAsync(portal.LinkTo(email))).ShouldBeTrue();
        using var answer = await visitor.PostAsync("/verify", Portal.Fields(await ForgotAsync(email)));
        (await answer.Content.ReadAsStringAsync()).ShouldContain("This link has expired");
    }

    [Fact]
    public async Task A_new_address_is_taken_once_it_is_verified_and_both_mailboxes_hear_of_it()
    {
        var ada = await portal.SignedInAsync();
        var phone = new PortalVisitor(portal.Product);
        using (await phone.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        {
        }

        const string moved = "moved@credential.example";
        using (var asked = await ada.PostAsync("/account/email", [new("Email", moved)]))
            (await asked.Content.ReadAsStringAsync()).ShouldContain("Look into the new mailbox");
        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("Your e-mail address is about to change");
        portal.Rows("SELECT email FROM users WHERE id = @p", ada.UserId, r => r.GetString(0)).ShouldBe([ada.Email]);

        using (var confirmed = await ada.PostAsync("/verify/email", Portal.Fields(portal.LinkTo(moved))))
            confirmed.Headers.Location!.ToString().ShouldBe("/account");
        portal.Rows("SELECT email || ' ' || normalized_email || ' ' || user_name FROM users WHERE id = @p", ada.UserId, r => r.GetString(0)).ShouldBe([$"{moved} {moved} {moved}"]);
        portal.Rows("SELECT email FROM members WHERE user_id = @p", ada.UserId, r => r.GetString(0)).ShouldBe([moved]);
        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("Your e-mail address was changed");
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
        (await Portal.IsInAsync(phone)).ShouldBeFalse();
        using var old = await new PortalVisitor(portal.Product).PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]);
        old.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task V34_Asking_for_the_address_of_another_account_tells_its_mailbox_alone()
    {
        var (ada, eve) = (await portal.SignedInAsync(), await portal.SignedInAsync());
        using (var asked = await eve.PostAsync("/account/email", [new("Email", ada.Email)]))
            (await asked.Content.ReadAsStringAsync()).ShouldContain("Look into the new mailbox");
        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("You have a Tokonomics account already");
        portal.MailsTo(ada.Email)[0].Text.ShouldNotContain("http");
    }

    [Fact]
    public async Task V40_A_sign_in_from_a_new_browser_is_mailed_and_one_from_a_known_browser_is_not()
    {
        var ada = await portal.SignedInAsync();
        portal.MailsTo(ada.Email).Select(m => m.Subject).ShouldBe(["New sign-in to your account"]);
        portal.MailsTo(ada.Email)[0].Text.ShouldContain("127.0.0.1");
        using (await ada.PostAsync("/logout", []))
        using (await ada.SignInAsync())
        {
        }

        portal.MailsTo(ada.Email).Count.ShouldBe(1);
        using (await ada.PostAsync("/account/password", [new("Current", PortalVisitor.Password), new("Password", New)]))
        {
        }

        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("Your password was changed");
    }

    [Fact]
    public async Task V41_Sign_ins_failures_sign_outs_and_changes_stand_in_the_audit_log_with_the_address_and_without_any_secret()
    {
        var ada = await portal.SignedInAsync();
        using (await ada.PostAsync("/account/password", [new("Current", "a wrong password here"), new("Password", New)]))
        using (await ada.PostAsync("/account/password", [new("Current", PortalVisitor.Password), new("Password", New)]))
        using (await ada.PostAsync("/logout", []))
        using (await ada.SignInAsync("a wrong password here"))
        {
        }

        var lines = portal.AuditLines(ada.UserId);
        lines.Select(l => $"{l.Action} {l.Result}").ShouldBe(["sign_in done", "change_password denied", "change_password done", "sign_out done", "sign_in denied"]);
        lines.ShouldAllBe(l => l.Tenant == portal.Product.TenantId && l.Actor.StartsWith("mem_", StringComparison.Ordinal) && l.Remote == "127.0.0.1");
        var all = string.Join('\n', lines) + string.Join('\n', portal.Product.Log.Lines);
        foreach (var secret in new[] { PortalVisitor.Password, New, "a wrong password here", ada.Cookies["__Host-known"] })
            all.Contains(secret, StringComparison.Ordinal).ShouldBeFalse();

        const string unknown = "who-is-this@credential.example";
        using (await new PortalVisitor(portal.Product).PostAsync("/login", [new("Email", unknown), new("Password", "some password")]))
        {
        }

        var system = portal.AuditLines("account");
        system[^1].ShouldBe(("system", "anonymous", "sign_in", "denied", "password; an unknown device", system[^1].Remote));
        string.Join('\n', system).ShouldNotContain(unknown);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"id":1}""")]
    [InlineData("""{"id":"AAAA","rawId":"AAAA","type":"public-key","clientExtensionResults":{},"response":{}}""")]
    [InlineData("""{"id":"AAAA","rawId":"AAAA","type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":"AAAA","attestationObject":"AAAA","authenticatorData":"AAAA","signature":"AAAA","userHandle":"AAAA"}}""")]
    public async Task V38_Whatever_is_sent_in_place_of_a_passkey_is_refused_and_breaks_nothing(string credential)
    {
        var ada = await portal.SignedInAsync();
        using (await ada.PostAsync("/account", [new("Name", "Ada")])) // for the form token of somebody who is signed in
        using (await ada.GetAsync("/account/passkey?handler=Options"))
        using (var added = await ada.PostAsync("/account/passkey", [new("Name", "mine"), new("Credential", credential)]))
            (await added.Content.ReadAsStringAsync()).ShouldContain("The passkey was not accepted");
        var mallory = new PortalVisitor(portal.Product);
        using (await mallory.PostAsync("/login", []))
        using (await mallory.GetAsync("/login?handler=PasskeyOptions"))
        using (var answer = await mallory.SendAsync(new HttpRequestMessage(HttpMethod.Post, new Uri("/login?handler=Passkey", UriKind.Relative)) { Content = new FormUrlEncodedContent([new("Credential", credential), new("form_token", mallory.FormToken)]) }))
            (await answer.Content.ReadAsStringAsync()).ShouldContain("That passkey is not known here");
        mallory.Cookies.Keys.ShouldNotContain("__Host-session");
    }

    private async Task<string> ForgotAsync(string email)
    {
        using (await new PortalVisitor(portal.Product).PostAsync("/forgot", [new("Email", email)]))
            return portal.LinkTo(email);
    }

    private async Task<bool> FailsAsync(string link)
    {
        using var answer = await new PortalVisitor(portal.Product).PostAsync("/reset", Portal.Fields(link, new KeyValuePair<string, string>("Password", New)));
        return (await answer.Content.ReadAsStringAsync()).Contains("This link has expired", StringComparison.Ordinal);
    }
}
