using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Tokonomics.Application.Users;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Users;

/// <summary>One-time codes, as <c>oathtool</c> makes them: a generator that shares no code with ours.</summary>
public sealed class OneTimeCodeTests(Portal portal) : IClassFixture<Portal>
{
    // RFC 6238, appendix B, SHA-1, its last six digits. The seed is the ASCII text 12345678901234567890.
    [Theory]
    [InlineData(59, "287082")]
    [InlineData(1111111109, "081804")]
    [InlineData(1111111111, "050471")]
    [InlineData(1234567890, "005924")]
    [InlineData(2000000000, "279037")]
    [InlineData(20000000000, "353130")]
    public void V37_Codes_are_those_of_the_RFC(long seconds, string code) =>
        Totp.Code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Totp.StepOf(DateTimeOffset.FromUnixTimeSeconds(seconds))).ShouldBe(code);

    [Fact]
    public void V37_A_code_is_taken_one_step_around_its_own_and_never_twice_nor_an_older_one()
    {
        var (seed, now) = (Totp.NewSeed(), DateTimeOffset.FromUnixTimeSeconds(1_800_000_000));
        var step = Totp.StepOf(now);
        for (var beside = -3; beside <= 3; beside++)
            Totp.Match(seed, Totp.Code(seed, step + beside), now, 0).ShouldBe(Math.Abs(beside) <= 1 ? step + beside : null);
        Totp.Match(seed, Totp.Code(seed, step), now, step).ShouldBeNull();
        Totp.Match(seed, Totp.Code(seed, step - 1), now, step).ShouldBeNull();
        Totp.Match(seed, Totp.Code(seed, step + 1), now, step).ShouldBe(step + 1);
        foreach (var wrong in new[] { "", "00000", "abcdef", "٠١٢٣٤٥" })
            Totp.Match(seed, wrong, now, 0).ShouldBeNull();
    }

    [Fact]
    public async Task V37_Signing_in_asks_for_the_code_after_the_password_and_a_code_works_once()
    {
        var ada = await portal.SignedInAsync();
        var (seed, _) = await Portal.TurnOnCodesAsync(ada, Code);
        using (await ada.PostAsync("/logout", []))
        {
        }

        portal.Time.Ahead += TimeSpan.FromMinutes(2);
        using (var password = await ada.SignInAsync())
            password.Headers.Location!.ToString().ShouldStartWith("/login/code");
        ada.Cookies.Keys.ShouldNotContain("__Host-session");
        (await Portal.IsInAsync(ada)).ShouldBeFalse();
        var code = Code(seed);
        using (var wrong = await ada.PostAsync("/login/code", [new("Code", code == "000000" ? "000001" : "000000")]))
            (await wrong.Content.ReadAsStringAsync()).ShouldContain("That code is wrong or was used already");
        using (var right = await ada.PostAsync("/login/code?returnUrl=/account", [new("Code", $"{code[..3]} {code[3..]}")]))
            right.Headers.Location!.ToString().ShouldBe("/account");
        (await Portal.IsInAsync(ada)).ShouldBeTrue();

        var eve = new PortalVisitor(portal.Product); // who looked over the shoulder
        using (await eve.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        using (var replay = await eve.PostAsync("/login/code", [new("Code", code)]))
            (await replay.Content.ReadAsStringAsync()).ShouldContain("was used already");
    }

    [Fact]
    public async Task V37_The_same_code_sent_twice_at_once_lets_one_in()
    {
        var ada = await portal.SignedInAsync();
        var (seed, _) = await Portal.TurnOnCodesAsync(ada, Code);
        portal.Time.Ahead += TimeSpan.FromMinutes(2);
        var visitors = Enumerable.Range(0, 4).Select(_ => new PortalVisitor(portal.Product)).ToList();
        foreach (var visitor in visitors)
        {
            using (await visitor.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
            using (await visitor.GetAsync("/login/code"))
            {
            }
        }

        var code = Code(seed);
        var answers = await Task.WhenAll(visitors.Select(v => v.PostAsync("/login/code", [new("Code", code)])));
        answers.Count(a => a.StatusCode == HttpStatusCode.Found).ShouldBe(1);
        visitors.Count(v => v.Cookies.ContainsKey("__Host-session")).ShouldBe(1);
    }

    [Fact]
    public async Task V33_Five_wrong_codes_and_no_more_and_the_owner_hears_that_the_password_is_known()
    {
        var ada = await portal.SignedInAsync();
        var (seed, _) = await Portal.TurnOnCodesAsync(ada, Code);
        portal.Time.Ahead += TimeSpan.FromMinutes(2);
        var mallory = new PortalVisitor(portal.Product);
        using (await mallory.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        {
        }

        var right = Code(seed);
        for (var i = 0; i < 5; i++)
            using (await mallory.PostAsync("/login/code", [new("Code", right == $"{i:d6}" ? "999999" : $"{i:d6}")]))
            {
            }

        using (var late = await mallory.PostAsync("/login/code", [new("Code", right)]))
            late.StatusCode.ShouldBe(HttpStatusCode.OK);
        mallory.Cookies.Keys.ShouldNotContain("__Host-session");
        portal.MailsTo(ada.Email)[0].Subject.ShouldBe("Somebody knows your password");

        // Ada's own browser has its own tries.
        using (await ada.PostAsync("/logout", []))
        using (await ada.SignInAsync())
        using (var mine = await ada.PostAsync("/login/code", [new("Code", right)]))
            mine.StatusCode.ShouldBe(HttpStatusCode.Found);
    }

    [Fact]
    public async Task V37_A_recovery_code_works_once_and_is_kept_as_a_hash_and_the_seed_sealed()
    {
        var ada = await portal.SignedInAsync();
        var (seed, codes) = await Portal.TurnOnCodesAsync(ada, Code);
        codes.Length.ShouldBe(10);
        codes.Distinct().Count().ShouldBe(10);
        var kept = string.Join('\n', portal.Rows("SELECT value FROM user_tokens WHERE user_id = @p", ada.UserId, r => r.GetString(0)));
        foreach (var secret in codes.Append(seed))
            kept.Contains(secret, StringComparison.OrdinalIgnoreCase).ShouldBeFalse();

        for (var i = 0; i < 2; i++)
        {
            var elsewhere = new PortalVisitor(portal.Product);
            using (await elsewhere.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
            using (var answer = await elsewhere.PostAsync("/login/code", [new("Code", codes[3].ToLowerInvariant())]))
                answer.StatusCode.ShouldBe(i == 0 ? HttpStatusCode.Found : HttpStatusCode.OK);
            if (i == 0)
                (await elsewhere.ReadAsync("/account")).ShouldContain("9 are left");
        }

        portal.MailsTo(ada.Email).Select(m => m.Subject).ShouldContain("A recovery code was used");
    }

    [Fact]
    public async Task New_recovery_codes_take_the_place_of_the_old_ones_and_turning_off_ends_them_and_the_seed()
    {
        var ada = await portal.SignedInAsync();
        var (seed, old) = await Portal.TurnOnCodesAsync(ada, Code);
        using (var answer = await ada.PostAsync("/account/security?handler=Codes", []))
            (await answer.Content.ReadAsStringAsync()).ShouldContain("Your recovery codes");
        var eve = new PortalVisitor(portal.Product);
        using (await eve.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        using (var refused = await eve.PostAsync("/login/code", [new("Code", old[0])]))
            refused.StatusCode.ShouldBe(HttpStatusCode.OK);

        using (var off = await ada.PostAsync("/account/security?handler=Off", []))
            off.Headers.Location!.ToString().ShouldBe("/account/security");
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
        using (var plain = await new PortalVisitor(portal.Product).PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
            plain.Headers.Location!.ToString().ShouldBe("/overview");
        portal.MailsTo(ada.Email).Select(m => m.Subject).ShouldContain("One-time codes are off");
        var page = await ada.ReadAsync("/account/totp");
        Portal.SeedOn(page).ShouldNotBe(seed);
    }

    [Fact]
    public async Task V39_A_reset_password_does_not_pass_by_the_second_factor()
    {
        var ada = await portal.SignedInAsync();
        await Portal.TurnOnCodesAsync(ada, Code);
        var elsewhere = new PortalVisitor(portal.Product);
        using (await elsewhere.PostAsync("/forgot", [new("Email", ada.Email)]))
        using (await elsewhere.PostAsync("/reset", Portal.Fields(portal.LinkTo(ada.Email), new KeyValuePair<string, string>("Password", "four new words together"))))
        using (var answer = await elsewhere.PostAsync("/login", [new("Email", ada.Email), new("Password", "four new words together")]))
            answer.Headers.Location!.ToString().ShouldStartWith("/login/code");
        elsewhere.Cookies.Keys.ShouldNotContain("__Host-session");
    }

    [Fact]
    public async Task V31_Turning_codes_on_or_off_ends_all_other_sessions()
    {
        var ada = await portal.SignedInAsync();
        var phone = new PortalVisitor(portal.Product);
        using (await phone.PostAsync("/login", [new("Email", ada.Email), new("Password", PortalVisitor.Password)]))
        {
        }

        await Portal.TurnOnCodesAsync(ada, Code);
        (await Portal.IsInAsync(phone)).ShouldBeFalse();
        (await Portal.IsInAsync(ada)).ShouldBeTrue();
    }

    [Fact]
    public async Task V32_Whoever_has_codes_proves_it_by_a_code_and_not_by_the_password()
    {
        var ada = await portal.SignedInAsync();
        var (seed, _) = await Portal.TurnOnCodesAsync(ada, Code);
        portal.Time.Ahead += TimeSpan.FromMinutes(16);
        using (var password = await ada.PostAsync("/prove?returnUrl=/account/security", [new("Password", PortalVisitor.Password)]))
            password.StatusCode.ShouldBe(HttpStatusCode.OK);
        using (var off = await ada.PostAsync("/account/security?handler=Off", []))
            off.Headers.Location!.ToString().ShouldStartWith("/prove");
        using (var code = await ada.PostAsync("/prove?returnUrl=/account/security", [new("Code", Code(seed))]))
            code.Headers.Location!.ToString().ShouldBe("/account/security");
        using (var off = await ada.PostAsync("/account/security?handler=Off", []))
            off.Headers.Location!.ToString().ShouldBe("/account/security");
    }

    [Fact]
    public async Task The_picture_is_svg_without_style_and_no_seed_is_kept_before_a_code_proves_it()
    {
        var ada = await portal.SignedInAsync();
        var page = await ada.ReadAsync("/account/totp");
        page.ShouldContain("<svg class=\"qr\"");
        page[page.IndexOf("<svg class=\"qr\"", StringComparison.Ordinal)..].ShouldNotContain("style=");
        portal.Rows("SELECT value FROM user_tokens WHERE user_id = @p", ada.UserId, r => r.GetString(0)).ShouldBeEmpty();
        using var answer = await ada.PostAsync("/account/totp", [new("Setup", "forged"), new("Code", "000000")]);
        portal.Rows("SELECT value FROM user_tokens WHERE user_id = @p", ada.UserId, r => r.GetString(0)).ShouldBeEmpty();
    }

    private string Code(string seed)
    {
        var start = new ProcessStartInfo("oathtool") { RedirectStandardOutput = true, StandardOutputEncoding = Encoding.ASCII };
        foreach (var argument in new[] { "--totp", "-b", "--now", portal.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + " UTC", seed })
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        process.ExitCode.ShouldBe(0, "this test needs oathtool: ./test.sh installs it (Debian: apt install oathtool)");
        return text;
    }
}
