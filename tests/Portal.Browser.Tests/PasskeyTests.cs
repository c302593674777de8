using Microsoft.Playwright;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>Passkeys with Chromium's own authenticator, a virtual one: it makes keys and signs challenges as a device does.</summary>
[Collection(PortalInBrowser.Name)]
public sealed class PasskeyTests(PortalInBrowser portal)
{
    [Fact]
    public async Task V38_A_passkey_is_added_named_and_signs_in_and_counts_as_two_factors()
    {
        await using var ada = await portal.VisitAsync();
        await WithAuthenticatorAsync(ada);
        await ada.SignUpAsync("ada@passkey.example", "Passkeys Ltd");
        await AddAsync(ada, "Ada's phone");
        (await ada.Page.InnerTextAsync("main")).ShouldContain("Ada's phone");

        await ada.Page.ClickAsync("summary:has-text('Rename')");
        await ada.Page.FillAsync(".passkey input[name=name]", "Ada's new phone");
        await ada.Page.ClickAsync(".passkey button:has-text('Save')");
        await ada.Page.GetByText("is named").WaitForAsync();
        (await ada.Page.InnerTextAsync("main")).ShouldContain("Ada's new phone");

        await ada.SignOutAsync();
        await ada.Page.GotoAsync("/login");
        await ada.Page.ClickAsync("button:has-text('Sign in with a passkey')");
        await ada.Page.WaitForURLAsync("**/overview");
        ada.MailTo("ada@passkey.example").Subject.ShouldBe("A passkey was added"); // the browser is known: no word of a new one
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task V38_The_browser_offers_the_passkey_by_itself_where_it_can()
    {
        await using var fay = await portal.VisitAsync();
        await WithAuthenticatorAsync(fay, offers: true);
        await fay.SignUpAsync("fay@passkey.example", "Fay Ltd");
        await AddAsync(fay, "Fay's laptop");
        await fay.SignOutAsync();
        await fay.Page.GotoAsync("/login");
        await fay.Page.WaitForURLAsync("**/overview"); // nothing was pressed
        fay.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task V38_A_passkey_whose_device_did_not_verify_its_user_is_refused()
    {
        await using var bob = await portal.VisitAsync();
        var (session, authenticator) = await WithAuthenticatorAsync(bob);
        await bob.SignUpAsync("bob@passkey.example", "Bob Ltd");
        await AddAsync(bob, "Bob's key");
        await session.SendAsync("WebAuthn.setUserVerified", new Dictionary<string, object> { ["authenticatorId"] = authenticator, ["isUserVerified"] = false });
        await bob.SignOutAsync();
        await bob.Page.GotoAsync("/login");
        await bob.Page.ClickAsync("button:has-text('Sign in with a passkey')");
        await bob.Page.Locator("form[data-passkey] [role=alert]").WaitForAsync();
        bob.Page.Url.ShouldEndWith("/login");
    }

    [Fact]
    public async Task V38_An_answer_of_a_passkey_works_once_and_only_with_the_challenge_that_this_browser_was_given()
    {
        await using var eve = await portal.VisitAsync();
        await WithAuthenticatorAsync(eve);
        await eve.SignUpAsync("eve@passkey.example", "Eve Ltd");
        await AddAsync(eve, "Eve's key");
        await eve.SignOutAsync();
        await eve.Page.GotoAsync("/login");
        // The answer, and the cookie with its challenge, as somebody who can copy both has them.
        var answer = await eve.Page.EvaluateAsync<string>("""
            async () => {
              const options = await (await fetch('/login?handler=PasskeyOptions')).json();
              const credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
              const form = new FormData(document.querySelector('form[data-passkey]'));
              form.set('Credential', JSON.stringify(credential.toJSON()));
              return new URLSearchParams(form).toString();
            }
            """);
        var cookies = string.Join("; ", (await eve.Page.Context.CookiesAsync()).Select(c => $"{c.Name}={c.Value}"));
        var other = string.Join("; ", cookies.Split("; ").Where(c => !c.StartsWith("__Host-second", StringComparison.Ordinal)));
        other.Length.ShouldBeLessThan(cookies.Length);
        (await SendAsync(other, answer)).ShouldBe(200); // without the challenge: the page again, nobody signed in
        (await SendAsync(cookies, answer.Replace("signature", "signed", StringComparison.Ordinal))).ShouldBe(200);
        (await SendAsync(cookies, answer)).ShouldBe(302);
        (await SendAsync(cookies, answer)).ShouldBe(200); // replayed
        (await SendAsync(cookies, answer.Replace("clientDataJSON", "clientDataJson", StringComparison.Ordinal))).ShouldBe(200); // and in another spelling
    }

    [Fact]
    public async Task V38_A_passkey_that_was_removed_opens_nothing()
    {
        await using var dan = await portal.VisitAsync();
        await WithAuthenticatorAsync(dan);
        await dan.SignUpAsync("dan@passkey.example", "Dan Ltd");
        await AddAsync(dan, "Dan's key");
        await dan.Page.ClickAsync(".passkey button:has-text('Remove')");
        await dan.Page.GetByText("The passkey is removed").WaitForAsync();
        await dan.SignOutAsync();
        await dan.Page.GotoAsync("/login");
        await dan.Page.ClickAsync("button:has-text('Sign in with a passkey')");
        await dan.Page.GetByText("That passkey is not known here").WaitForAsync();
    }

    /// <param name="offers">The browser offers passkeys in the e-mail field by itself; a virtual authenticator takes such an offer at once.</param>
    private static async Task<(ICDPSession Session, string Authenticator)> WithAuthenticatorAsync(Visitor visitor, bool offers = false)
    {
        if (!offers)
            await visitor.Page.AddInitScriptAsync("if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false;");
        var session = await visitor.Page.Context.NewCDPSessionAsync(visitor.Page);
        await session.SendAsync("WebAuthn.enable");
        var made = await session.SendAsync("WebAuthn.addVirtualAuthenticator", new Dictionary<string, object>
        {
            ["options"] = new Dictionary<string, object> { ["protocol"] = "ctap2", ["transport"] = "internal", ["hasResidentKey"] = true, ["hasUserVerification"] = true, ["isUserVerified"] = true, ["automaticPresenceSimulation"] = true },
        });
        return (session, made!.Value.GetProperty("authenticatorId").GetString()!);
    }

    private static async Task AddAsync(Visitor visitor, string name)
    {
        await visitor.Page.GotoAsync("/account/passkey");
        await visitor.Page.FillAsync("[name=Name]", name);
        await visitor.Page.ClickAsync("main form[data-passkey] button");
        await visitor.Page.GetByText("is added").WaitForAsync();
    }

    private async Task<int> SendAsync(string cookies, string form)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, portal.Url + "/login?handler=Passkey") { Content = new StringContent(form, System.Text.Encoding.UTF8, "application/x-www-form-urlencoded") };
        request.Headers.Add("Cookie", cookies);
        using var answer = await portal.Product.Client.SendAsync(request, TestContext.Current.CancellationToken);
        return (int)answer.StatusCode;
    }
}
