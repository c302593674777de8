using System.Diagnostics;
using System.Net.Http.Headers;
using Tokonomics.Testing;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>What people come for, page by page in a real browser. What each form may be sent is proved in <c>Web.Portal.Tests</c>.</summary>
[Collection(PortalInBrowser.Name)]
public sealed class WalkTests(PortalInBrowser portal)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task From_signing_up_to_a_cap_that_refuses_and_is_raised()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("ada@walk.example", "Walk Ltd");

        // A provider key, tried at once: a wrong one first, and the provider's own words.
        (await ada.Page.IsVisibleAsync("[name=ProviderKey]")).ShouldBeFalse(); // the sandbox needs none
        await ada.Page.CheckAsync("#key-live");
        await ada.FillAsync(("ProviderKey", "sk-wrong-key-0123456789abcdef"));
        await ada.PressAsync("Store and try it");
        await ada.SaysAsync("The provider says: HTTP 401: Incorrect API key provided: …");
        await ada.FillAsync(("ProviderKey", FakeOpenAi.Key));
        await ada.PressAsync("Store and try it");
        await ada.Page.Locator("#provider .badge-soft.good").WaitForAsync();
        (await ada.Page.ContentAsync()).ShouldNotContain(FakeOpenAi.Key);

        // A metering key, and the page's own program with OpenAI's own SDK.
        await ada.PressAsync("Make a key");
        (await ada.Page.InnerTextAsync("#secret")).ShouldStartWith("mk_live_");
        var program = (await ada.Page.TextContentAsync("#snippet-node-text"))!;
        var (exitCode, output) = await SdkProgram.RunAsync(program);
        exitCode.ShouldBe(0, output);
        output.ShouldContain("Hello to you");

        // It appears by itself: 12 × $0.15 + 5 × $0.60 a million = $0.0000048.
        await ada.SaysAsync("Your first call is in the ledger");
        var call = await ada.Page.InnerTextAsync("#waiting");
        call.ShouldContain("gpt-4o-mini");
        call.ShouldContain("$0.0000048");

        // A cap below what is spent: the next call is refused.
        await ada.Page.ClickAsync("#waiting a:has-text('Set a budget')");
        await ada.Page.Locator("main a[href='/budgets/new']").First.ClickAsync();
        await ada.FillAsync(("Form.Limit", "0.000004"));
        await ada.PressAsync("Set the budget");
        await ada.SaysAsync("The budget holds");
        (await UntilAsync(program, r => r.ExitCode != 0)).ShouldContain("429");

        await ada.FillAsync(("Form.Limit", "5"));
        await ada.PressAsync("Save");
        await ada.Page.Locator("main [role=status]").WaitForAsync();
        (await UntilAsync(program, r => r.ExitCode == 0)).ShouldContain("Hello to you");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_team_a_project_and_a_key_of_it_that_is_renamed_and_revoked()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("keys@walk.example", "Keys Ltd");
        await ada.Page.GotoAsync("/team/projects");
        await ada.Page.FillAsync("#new-team", "Search");
        await ada.PressAsync("Make the team");
        await ada.Page.Locator("h2", new() { HasText = "Search" }).WaitForAsync();
        await ada.Page.FillAsync("#new-project", "Ranking");
        await ada.Page.SelectOptionAsync("#new-project-team", new Microsoft.Playwright.SelectOptionValue { Label = "Search" });
        await ada.PressAsync("Make the project");
        await ada.Page.Locator("main td", new() { HasText = "Ranking" }).First.WaitForAsync();

        await ada.Page.ClickAsync("nav[aria-label=Main] a:has-text('Keys')");
        await ada.Page.ClickAsync("main a:has-text('New key')");
        await ada.FillAsync(("Form.Name", "batch-eu"), ("Form.Tags", "feature=ranking"));
        await ada.Page.SelectOptionAsync("[name='Form.Place']", new Microsoft.Playwright.SelectOptionValue { Label = "Project Ranking (team Search)" });
        await ada.PressAsync("Make the key");
        (await ada.Page.InnerTextAsync("#secret")).ShouldStartWith("mk_live_");
        await ada.Page.ClickAsync("main a:has-text('To the keys')");
        (await ada.Page.Locator("main tbody tr", new() { HasText = "batch-eu" }).InnerTextAsync()).ShouldContain("Ranking");
        await ada.Page.ClickAsync("main a:has-text('batch-eu')");
        await ada.FillAsync(("Form.Name", "batch-us"));
        await ada.PressAsync("Save");
        await ada.SaysAsync("Saved. Every proxy knows within a second.");
        await ada.FillAsync(("Confirm", "batch-us"));
        await ada.PressAsync("Revoke the key");
        await ada.SaysAsync("batch-us is revoked");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Somebody_is_invited_joins_as_a_viewer_and_makes_keys_once_they_are_a_developer()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("host@walk.example", "Host Ltd");
        await ada.Page.GotoAsync("/team");
        await ada.FillAsync(("Email", "grace@walk.example"));
        await ada.Page.SelectOptionAsync("form[action*='Invite'] [name=Role]", "Viewer");
        await ada.PressAsync("Send the invitation");
        var link = (await ada.Page.InnerTextAsync("#link")).Trim();

        await using var grace = await portal.VisitAsync();
        await grace.Page.GotoAsync(link);
        await grace.Page.ClickAsync("main a:has-text('Sign up with this address')");
        await grace.FillSignUpAsync("grace@walk.example");
        await grace.Page.WaitForURLAsync("**/invite?token=*");
        await grace.PressAsync("Join Host Ltd");
        await grace.Page.WaitForURLAsync("**/overview");
        await grace.Page.GotoAsync("/keys");
        (await grace.Page.Locator("main a:has-text('New key')").CountAsync()).ShouldBe(0);
        await grace.Page.GotoAsync("/keys/new");
        await grace.SaysAsync("Your role (Viewer) doesn't make keys");

        await ada.Page.GotoAsync("/team");
        var row = ada.Page.Locator("main tbody tr", new() { HasText = "grace@walk.example" });
        await row.Locator("select").SelectOptionAsync("Developer");
        await row.Locator("button", new() { HasText = "Change" }).ClickAsync();
        await ada.SaysAsync("The role is changed");

        await grace.Page.GotoAsync("/keys/new");
        await grace.FillAsync(("Form.Name", "graces-key"));
        await grace.PressAsync("Make the key");
        (await grace.Page.InnerTextAsync("#secret")).ShouldStartWith("mk_live_");
        await ada.Page.GotoAsync("/settings/audit?what=create_key");
        (await ada.Page.InnerTextAsync("main")).ShouldContain("grace@walk.example");
        ada.Complaints.ShouldBeEmpty();
        grace.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_token_opens_the_API_until_it_is_revoked()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("token@walk.example", "Token Ltd");
        await ada.Page.GotoAsync("/settings/tokens");
        await ada.FillAsync(("Name", "terraform"));
        await ada.PressAsync("Make the token");
        var token = (await ada.Page.InnerTextAsync("#secret")).Trim();
        (await ApiAsync(token)).ShouldBe(200);
        await ada.Page.ClickAsync("main summary:has-text('Revoke')");
        await ada.FillAsync(("Confirm", "terraform"));
        await ada.PressAsync("Revoke the token");
        await ada.SaysAsync("The token is revoked");
        (await ApiAsync(token)).ShouldBe(401);
        ada.Complaints.ShouldBeEmpty();

        async Task<int> ApiAsync(string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, portal.Url + "/api/v1/keys");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await portal.Product.Client.SendAsync(request, Cancel);
            return (int)answer.StatusCode;
        }
    }

    [Fact]
    public async Task A_price_of_ones_own_is_set_and_removed_and_settings_are_saved()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("settings@walk.example", "Settings Ltd");
        await ada.Page.GotoAsync("/settings/prices");
        await ada.FillAsync(("Provider", "openai"), ("Model", "gpt-4o-mini"), ("Input", "0.10"), ("Output", "0.40"));
        await ada.PressAsync("Set the price");
        await ada.SaysAsync("gpt-4o-mini at openai is rated by your prices from now on.");
        await ada.PressAsync("Remove");
        await ada.SaysAsync("The common price sheet holds again.");

        await ada.Page.ClickAsync("nav[aria-label=Section] a:has-text('General')");
        await ada.FillAsync(("Name", "Settings & Daughters"));
        await ada.Page.SelectOptionAsync("[name=TimeZone]", "Pacific/Auckland");
        await ada.PressAsync("Save");
        await ada.SaysAsync("Saved.");
        await ada.Page.ReloadAsync();
        (await ada.Page.InputValueAsync("[name=Name]")).ShouldBe("Settings & Daughters");
        (await ada.Page.InputValueAsync("[name=TimeZone]")).ShouldBe("Pacific/Auckland");
        (await ada.Page.InnerTextAsync(".side-foot")).ShouldContain("Settings & Daughters");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task One_time_codes_are_turned_on_and_asked_for_at_the_next_sign_in()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("codes@walk.example", "Codes Ltd");
        await ada.Page.GotoAsync("/account/totp");
        await ada.Page.ClickAsync("summary:has-text('Type it in')");
        var seed = (await ada.Page.InnerTextAsync("#seed")).Replace(" ", "", StringComparison.Ordinal);
        await ada.FillAsync(("Code", await CodeAsync(seed, 0)));
        await ada.PressAsync("Turn on");
        await ada.SaysAsync("Keep these recovery codes");

        await ada.SignOutAsync();
        await ada.Page.GotoAsync("/login");
        await ada.FillAsync(("Email", ada.Email), ("Password", Visitor.Password));
        await ada.PressAsync("Sign in");
        await ada.Page.WaitForURLAsync("**/login/code*");
        await ada.FillAsync(("Code", await CodeAsync(seed, 30))); // the one before counts once
        await ada.PressAsync("Sign in");
        await ada.Page.WaitForURLAsync("**/overview");
        ada.Complaints.ShouldBeEmpty();
    }

    // A cap reaches the proxy within a second.
    private static async Task<string> UntilAsync(string program, Func<(int ExitCode, string Output), bool> done)
    {
        for (var watch = Stopwatch.StartNew(); ;)
        {
            var run = await SdkProgram.RunAsync(program);
            if (done(run))
                return run.Output;
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60), run.Output);
        }
    }

    /// <summary>What an authenticator app would show in so many seconds, by oathtool.</summary>
    private static async Task<string> CodeAsync(string seed, int ahead)
    {
        var (exitCode, output) = await SdkProgram.ShellAsync($"oathtool --totp -b --now '@{DateTimeOffset.UtcNow.ToUnixTimeSeconds() + ahead}' {seed}");
        exitCode.ShouldBe(0, "this test needs oathtool (Debian: apt install oathtool): " + output);
        return output.Trim();
    }
}
