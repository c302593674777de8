using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Tokonomics.Testing;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>The palette, the back button, double presses, pages fetched ahead: what only a browser shows.</summary>
[Collection(PortalInBrowser.Name)]
public sealed class ComfortTests(PortalInBrowser portal)
{
    [Fact]
    public async Task The_palette_goes_to_a_key_by_the_keyboard_alone_and_says_what_is_chosen()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("palette@comfort.example", "Palette Ltd");
        await ada.Page.GotoAsync("/keys/new");
        await ada.FillAsync(("Form.Name", "batch-eu"));
        await ada.PressAsync("Make the key");
        await ada.Page.GotoAsync("/overview");
        await ada.Page.FocusAsync("nav a[data-palette]");
        await ada.Page.Keyboard.PressAsync("Control+k");
        var field = ada.Page.Locator("#palette [role=combobox]");
        await ada.Page.Locator("#palette [role=option]").First.WaitForAsync(); // every page, before a word is typed
        (await field.EvaluateAsync<bool>("e => document.activeElement === e")).ShouldBeTrue();
        await field.PressSequentiallyAsync("batch-eu");
        await ada.Page.Locator("#palette [role=option]", new() { HasText = "batch-eu" }).WaitForAsync();
        (await field.GetAttributeAsync("aria-activedescendant")).ShouldBe("hit-0");
        (await ada.Page.Locator("#hit-0").GetAttributeAsync("aria-selected")).ShouldBe("true");
        (await ada.Page.InnerTextAsync("#palette-count")).ShouldBe("One result");
        var faults = (await ada.Page.RunAxe()).Violations.Where(v => v.Impact is "serious" or "critical").Select(v => $"{v.Id}: {string.Join(' ', v.Nodes.Take(3).Select(n => n.Html))}");
        faults.ShouldBeEmpty();
        await ada.Page.Keyboard.PressAsync("Escape");
        (await ada.Page.Locator("#palette").IsVisibleAsync()).ShouldBeFalse();
        (await ada.Page.EvaluateAsync<bool>("() => document.activeElement.matches('[data-palette]')")).ShouldBeTrue(); // back where one was

        await ada.Page.Keyboard.PressAsync("Control+k");
        await field.FillAsync("settings");
        await ada.Page.Locator("#palette [role=option]", new() { HasText = "Settings" }).First.WaitForAsync();
        await field.FillAsync("budget");
        await ada.Page.Locator("#palette [role=option]", new() { HasText = "New budget" }).WaitForAsync();
        await ada.Page.Keyboard.PressAsync("ArrowDown");
        (await field.GetAttributeAsync("aria-activedescendant")).ShouldBe("hit-1");
        await ada.Page.Keyboard.PressAsync("ArrowUp");
        await ada.Page.Keyboard.PressAsync("Enter");
        await ada.Page.WaitForURLAsync("**/budgets");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task Without_JavaScript_the_same_search_is_a_page()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("plain@comfort.example", "Plain Ltd");
        await using var plain = await portal.VisitAsync(javaScript: false);
        await plain.SignInAsync(ada.Email);
        await plain.Page.ClickAsync("nav a[data-palette]");
        await plain.Page.WaitForURLAsync("**/search");
        await plain.Page.FillAsync("#q", "audit");
        await plain.PressAsync("Search");
        await plain.Page.ClickAsync("main a:has-text('Audit log')");
        await plain.Page.WaitForURLAsync("**/settings/audit");
    }

    [Fact]
    public async Task Two_presses_of_a_button_make_one_key()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("double@comfort.example", "Double Ltd");
        await ada.Page.GotoAsync("/keys/new");
        await ada.FillAsync(("Form.Name", "once"));
        await ada.Page.Locator("main button:has-text('Make the key')").DblClickAsync();
        await ada.Page.Locator("#secret").Or(ada.Page.Locator("h1:has-text('Keys')")).First.WaitForAsync();
        await ada.Page.GotoAsync("/keys?q=once");
        await ada.SaysAsync("1 live key match");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task After_signing_out_the_back_button_shows_nothing_of_the_account()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("back@comfort.example", "Backward Ltd");
        await ada.Page.GotoAsync("/keys");
        await ada.Page.GotoAsync("/settings");
        await ada.Page.ClickAsync(".side-foot button:has-text('Sign out')");
        await ada.Page.WaitForURLAsync(u => u.EndsWith('/'));
        await ada.Page.GoBackAsync();
        await ada.Page.WaitForURLAsync("**/login?returnUrl=*");
        (await ada.Page.ContentAsync()).ShouldNotContain("Backward Ltd");
        await ada.FillAsync(("Email", ada.Email), ("Password", Visitor.Password));
        await ada.PressAsync("Sign in");
        await ada.Page.WaitForURLAsync("**/settings");
    }

    [Fact]
    public async Task V25_A_form_of_another_site_changes_nothing_though_the_browser_is_signed_in()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("cross@comfort.example", "Cross Ltd");
        await using var evil = FakeProvider.Always(Page($"""
            <form method="post" action="{portal.Url}/account"><input name="Name" value="Mallory"><input name="form_token" value="guessed"><button>Win a prize</button></form>
            """));
        // 127.0.0.1 is another site than localhost.
        await ada.Page.GotoAsync(evil.Url.ToString());
        var answer = await ada.Page.RunAndWaitForResponseAsync(() => ada.Page.ClickAsync("button"), r => r.Url.EndsWith("/account", StringComparison.Ordinal) && r.Request.Method == "POST");
        ((await answer.Request.AllHeadersAsync()).GetValueOrDefault("cookie") ?? "").ShouldNotContain("__Host-session"); // SameSite
        answer.Status.ShouldNotBe(200);
        await ada.Page.GotoAsync("/account");
        (await ada.Page.InputValueAsync("[name=Name]")).ShouldNotBe("Mallory");

        static string Page(string body) => $"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {body.Length}\r\n\r\n{body}";
    }

    [Fact]
    public async Task A_page_that_the_pointer_rests_on_is_fetched_ahead_and_signing_out_is_not()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("ahead@comfort.example", "Ahead Ltd");
        await ada.Page.GotoAsync("/overview");
        var session = await ada.Page.Context.NewCDPSessionAsync(ada.Page);
        var fetched = new System.Collections.Concurrent.ConcurrentDictionary<string, string>();
        session.Event("Preload.prefetchStatusUpdated").OnEvent += (_, e) =>
        {
            if (e is { } told)
                fetched[new Uri(told.GetProperty("key").GetProperty("url").GetString()!).AbsolutePath] = told.GetProperty("status").GetString()!;
        };
        await session.SendAsync("Preload.enable");
        await ada.Page.HoverAsync("nav[aria-label=Main] a:has-text('Budgets')");
        for (var tries = 0; !(fetched.GetValueOrDefault("/budgets") is "Ready" or "Success"); tries++)
        {
            tries.ShouldBeLessThan(300, string.Join(", ", fetched));
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }

        fetched.Keys.ShouldNotContain("/logout");
        await ada.Page.ClickAsync("nav[aria-label=Main] a:has-text('Budgets')");
        await ada.Page.WaitForURLAsync("**/budgets");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task V27_What_the_policy_forbids_does_not_run_and_the_browser_reports_it()
    {
        await using var ada = await portal.VisitAsync();
        await ada.Page.GotoAsync("/login");
        var ran = await ada.Page.EvaluateAsync<bool>("""
            () => {
              const script = document.createElement('script');
              script.textContent = 'window.ran = true';
              document.body.append(script);
              return window.ran === true;
            }
            """);
        ran.ShouldBeFalse();
        for (var tries = 0; !portal.Product.Log.Lines.Any(l => l.Contains("the content policy forbade script-src-elem from inline on /login", StringComparison.Ordinal)); tries++)
        {
            tries.ShouldBeLessThan(300);
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }
}
