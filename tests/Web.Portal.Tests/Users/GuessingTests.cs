using System.Net;
using System.Text.RegularExpressions;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>What somebody gets who guesses: few tries, and no word about who has an account.</summary>
public sealed partial class GuessingTests(Portal portal) : IClassFixture<Portal>
{
    private const string Wrong = "The e-mail address or the password is wrong, or there were too many tries";

    [Fact]
    public async Task V33_After_ten_wrong_passwords_the_right_one_is_refused_too_with_the_same_words_until_the_window_ends()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        var mallory = new PortalVisitor(portal.Product);
        var answers = new HashSet<string>();
        for (var i = 0; i < 10; i++)
            answers.Add(Plain(await PostAsync(mallory, ada.Email, $"guess number {i}")));
        answers.Add(Plain(await PostAsync(mallory, ada.Email, PortalVisitor.Password)));
        answers.Count.ShouldBe(1);
        answers.Single().ShouldContain(Wrong);

        portal.Time.Ahead += TimeSpan.FromMinutes(15.1);
        using var right = await ada.SignInAsync();
        right.StatusCode.ShouldBe(HttpStatusCode.Found);
    }

    [Fact]
    public async Task V33_Tries_at_the_same_time_are_counted_each()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        var visitors = Enumerable.Range(0, 12).Select(_ => new PortalVisitor(portal.Product)).ToList();
        await Task.WhenAll(visitors.Select(v => PostAsync(v, ada.Email, "a guess like any other")));
        (await PostAsync(new PortalVisitor(portal.Product), ada.Email, PortalVisitor.Password)).ShouldContain(Wrong);
    }

    [Fact]
    public async Task V33_Who_guesses_elsewhere_does_not_lock_the_owner_out_of_a_browser_that_they_signed_in_from()
    {
        var ada = await portal.SignedInAsync();
        using (await ada.PostAsync("/logout", []))
        {
        }

        var mallory = new PortalVisitor(portal.Product);
        for (var i = 0; i < 30; i++)
            await PostAsync(mallory, ada.Email, $"guess number {i}");
        (await PostAsync(mallory, ada.Email, PortalVisitor.Password)).ShouldContain(Wrong);
        using var right = await ada.SignInAsync();
        right.StatusCode.ShouldBe(HttpStatusCode.Found);
    }

    [Fact]
    public async Task V33_A_known_browser_has_no_more_tries_than_another()
    {
        var ada = await portal.SignedInAsync();
        using (await ada.PostAsync("/logout", []))
        {
        }

        for (var i = 0; i < 10; i++)
            await PostAsync(ada, ada.Email, $"guess number {i}");
        (await PostAsync(ada, ada.Email, PortalVisitor.Password)).ShouldContain(Wrong);
    }

    [Fact]
    public async Task V33_One_address_gets_429_beyond_its_tries_whichever_accounts_it_tries()
    {
        await using var product = await TestProduct.StartAsync([new("Portal:TriesPerAddress", "5")]);
        var mallory = new PortalVisitor(product);
        var codes = new List<HttpStatusCode>();
        for (var i = 0; i < 7; i++)
        {
            using var answer = await mallory.PostAsync("/login", [new("Email", $"somebody{i}@guess.example"), new("Password", "password password")]);
            codes.Add(answer.StatusCode);
            if (answer.StatusCode == HttpStatusCode.TooManyRequests)
            {
                (await answer.Content.ReadAsStringAsync()).ShouldContain("Too many tries");
                answer.Headers.RetryAfter.ShouldNotBeNull();
            }
        }

        codes.ShouldBe([.. Enumerable.Repeat(HttpStatusCode.OK, 5), HttpStatusCode.TooManyRequests, HttpStatusCode.TooManyRequests]);
        using var reading = await mallory.GetAsync("/login");
        reading.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task V15_Whoever_names_other_addresses_in_a_header_is_still_one_address()
    {
        await using var product = await TestProduct.StartAsync([new("Portal:TriesPerAddress", "5")]);
        var mallory = new PortalVisitor(product);
        using (await mallory.GetAsync("/login"))
        {
        }

        HttpStatusCode last = default;
        for (var i = 0; i < 6; i++)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/login", UriKind.Relative)) { Content = new FormUrlEncodedContent([new("Email", "a@guess.example"), new("Password", "password password")]) };
            request.Headers.Add("X-Forwarded-For", $"198.51.100.{i}");
            using var answer = await mallory.SendAsync(request);
            last = answer.StatusCode;
        }

        last.ShouldBe(HttpStatusCode.TooManyRequests);
    }

    [Fact]
    public async Task V34_A_wrong_password_and_an_unknown_address_get_the_same_answer_after_the_same_work()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        await PostAsync(new PortalVisitor(portal.Product), "first@nobody.example", "makes the hash that unknown addresses are compared with");
        var start = portal.Hashes;
        var known = await PostAsync(new PortalVisitor(portal.Product), ada.Email, "some wrong password");
        var middle = portal.Hashes;
        var unknown = await PostAsync(new PortalVisitor(portal.Product), "nobody@nobody.example", "some wrong password");
        Plain(unknown).ShouldBe(Plain(known));
        (portal.Hashes - middle).ShouldBe(middle - start);
        (middle - start).ShouldBe(1);
    }

    [Fact]
    public async Task V34_Asking_for_a_new_password_gets_the_same_answer_and_only_a_known_mailbox_a_mail()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        var start = portal.Hashes;
        var known = await ForgotAsync(ada.Email);
        var unknown = await ForgotAsync("nobody2@nobody.example");
        Plain(unknown).ShouldBe(Plain(known));
        portal.Hashes.ShouldBe(start);
        portal.MailsTo(ada.Email).Count.ShouldBe(1);
        portal.MailsTo("nobody2@nobody.example").ShouldBeEmpty();
    }

    [Fact]
    public async Task V34_Signing_up_gets_the_same_answer_after_the_same_hashing_and_tells_the_mailbox_alone()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        var start = portal.Hashes;
        var known = await SignUpAsync(ada.Email);
        var middle = portal.Hashes;
        var unknown = await SignUpAsync("new@nobody.example");
        Plain(unknown).ShouldBe(Plain(known));
        (middle - start).ShouldBe(1);
        (portal.Hashes - middle).ShouldBe(1);
        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("You have a Tokonomics account already");
        portal.MailsTo("new@nobody.example")[0].Subject.ShouldBe("Verify your address for Tokonomics");
        (await PostAsync(new PortalVisitor(portal.Product), ada.Email, "another password of mine")).ShouldContain(Wrong); // the known account's password is what it was
    }

    [Fact]
    public async Task V15_One_mailbox_gets_a_few_mails_in_a_quarter_of_an_hour_whoever_asks()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        for (var i = 0; i < 8; i++)
            (await ForgotAsync(ada.Email)).ShouldContain("a link to set a new password is on its way");
        portal.MailsTo(ada.Email).Count.ShouldBe(3);
    }

    [Fact]
    public async Task V23_A_mailed_link_is_built_from_the_settings_whatever_the_request_calls_the_portal()
    {
        var ada = new PortalVisitor(portal.Product);
        await ada.JoinAsync(portal.Product.TenantId, Role.Owner);
        using (var page = await ada.GetAsync("/forgot"))
            page.EnsureSuccessStatusCode();
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/forgot", UriKind.Relative)) { Content = new FormUrlEncodedContent([new("Email", ada.Email)]) };
        request.Headers.Host = "evil.example";
        request.Headers.Add("X-Forwarded-Host", "evil.example");
        using var refused = await ada.SendAsync(request);
        refused.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        portal.MailsTo(ada.Email).ShouldBeEmpty();

        await ForgotAsync(ada.Email, ("X-Forwarded-Host", "evil.example"));
        portal.MailsTo(ada.Email)[0].Text.ShouldNotContain("evil.example");
    }

    [Theory]
    [InlineData(SignupPolicy.Closed)]
    [InlineData(SignupPolicy.Invite)]
    public async Task Where_signing_up_is_not_open_nobody_signs_up_without_an_invitation(SignupPolicy policy)
    {
        await using var product = await TestProduct.StartAsync([new("Portal:Signup", policy.ToString())]);
        var mallory = new PortalVisitor(product);
        (await mallory.ReadAsync("/signup")).ShouldContain("Signing up is closed here");
        using (await mallory.PostAsync("/login", [])) // for its form token
        {
        }

        using var answer = await mallory.PostAsync("/signup?invitation=inv_wrong", [new("Email", "m@nobody.example"), new("Password", "four new words together")]);
        answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    private static async Task<string> PostAsync(PortalVisitor visitor, string email, string password)
    {
        using var answer = await visitor.PostAsync("/login", [new("Email", email), new("Password", password)]);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        return (await answer.Content.ReadAsStringAsync()).Replace(email, "", StringComparison.Ordinal);
    }

    private async Task<string> ForgotAsync(string email, (string Name, string Value)? header = null)
    {
        var visitor = new PortalVisitor(portal.Product);
        if (header is { } h)
            portal.Product.Client.DefaultRequestHeaders.Add(h.Name, h.Value);
        using var answer = await visitor.PostAsync("/forgot", [new("Email", email)]);
        portal.Product.Client.DefaultRequestHeaders.Clear();
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        return (await answer.Content.ReadAsStringAsync()).Replace(email, "", StringComparison.Ordinal);
    }

    private async Task<string> SignUpAsync(string email)
    {
        using var answer = await new PortalVisitor(portal.Product).PostAsync("/signup", [new("Email", email), new("Password", "four new words together")]);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        return (await answer.Content.ReadAsStringAsync()).Replace(email, "", StringComparison.Ordinal);
    }

    // But for what is random in each page.
    private static string Plain(string page) => Token().Replace(page, "");

    [GeneratedRegex("""name="form_token"[^>]*>""")]
    private static partial Regex Token();
}
