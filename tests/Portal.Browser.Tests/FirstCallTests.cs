using System.Text;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>From signup to the first metered call, in a real browser.</summary>
[Collection(PortalInBrowser.Name)]
public sealed class FirstCallTests(PortalInBrowser portal)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Somebody_signs_up_makes_a_key_and_sees_the_first_call_appear_by_itself()
    {
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("ada@first.example", "First Ltd");
        await ada.Page.CheckAsync("#key-test");
        await ada.Page.ClickAsync("main button:has-text('Make a key')");
        var key = (await ada.Page.InnerTextAsync("#secret")).Trim();
        key.ShouldStartWith("mk_test_");
        (await ada.Page.InnerTextAsync("#snippet-curl-text")).ShouldContain(key);
        (await ada.Page.IsVisibleAsync("text=Waiting for your first call")).ShouldBeTrue();

        using var request = new HttpRequestMessage(HttpMethod.Post, portal.Url + "/v1/chat/completions")
        {
            Content = new StringContent("""{"model":"sandbox-small","messages":[{"role":"user","content":"Hello"}]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Authorization", "Bearer " + key);
        (await portal.Product.Client.SendAsync(request, Cancel)).EnsureSuccessStatusCode();

        await ada.Page.GetByText("Your first call is in the ledger").WaitForAsync();
        (await ada.Page.InnerTextAsync("#waiting")).ShouldContain("sandbox-small");
        ada.Complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_key_is_shown_once_and_a_second_press_makes_no_second_key()
    {
        await using var bob = await portal.VisitAsync();
        await bob.SignUpAsync("bob@first.example", "Second Ltd");
        await bob.Page.CheckAsync("#key-live");
        // Two presses before the first answer: the script that disables the button is told to stand aside.
        var form = await bob.Page.EvaluateAsync<string>("() => new URLSearchParams(new FormData(document.querySelector('#make'))).toString()");
        await bob.Page.ClickAsync("main button:has-text('Make a key')");
        var key = (await bob.Page.InnerTextAsync("#secret")).Trim();
        key.ShouldStartWith("mk_live_");
        var again = await bob.Page.APIRequest.PostAsync(portal.Url + "/start", new() { Headers = new Dictionary<string, string> { ["Content-Type"] = "application/x-www-form-urlencoded" }, DataString = form, MaxRedirects = 0 });
        again.Status.ShouldBe(302);
        again.Headers["location"].ShouldBe("/keys");
        await bob.Page.GotoAsync(bob.Page.Url);
        (await bob.Page.ContentAsync()).ShouldNotContain(key);
        bob.Complaints.ShouldBeEmpty();
    }
}
