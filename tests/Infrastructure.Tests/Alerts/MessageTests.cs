using System.Text.Json;
using Tokonomics.Domain.Alerts;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Mails;

namespace Tokonomics.Tests.Alerts;

/// <summary>Whatever tenants call their things, each receiver takes the message and finds text in it.</summary>
public sealed class MessageTests
{
    private static Alert Alert(string title, string text, int facts = 4, string value = "v") => new(
        "alert_1", "ten_1", "Acme & Sons <!channel>", AlertKind.BudgetExhausted, AlertSeverity.Critical, title, text, new Uri("https://portal.example/budgets/bud_1"),
        [.. Enumerable.Range(0, facts).Select(i => new AlertFact($"fact {i}", value))], new DateTimeOffset(2026, 11, 29, 2, 0, 0, TimeSpan.Zero));

    public static TheoryData<string> Names => ["Search", "<!channel> & <@U123>", "@everyone **bold** [x](https://evil.example)", "🦊" + new string('ü', 6000), "a\"b\\c\n\td", new string('&', 5000)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Slack_takes_it(string name)
    {
        var message = JsonDocument.Parse(AlertMessages.Slack(Alert(name, name, 30, name))).RootElement;
        var blocks = message.GetProperty("blocks").EnumerateArray().ToList();
        blocks.Count.ShouldBeLessThanOrEqualTo(50);
        blocks[0].GetProperty("text").GetProperty("text").GetString()!.Length.ShouldBeLessThanOrEqualTo(150);
        blocks[1].GetProperty("text").GetProperty("text").GetString()!.Length.ShouldBeLessThanOrEqualTo(3000);
        blocks[2].GetProperty("fields").GetArrayLength().ShouldBeLessThanOrEqualTo(10);
        blocks[2].GetProperty("fields").EnumerateArray().ShouldAllBe(f => f.GetProperty("text").GetString()!.Length <= 2000);
        message.GetProperty("blocks").GetRawText().Length.ShouldBeLessThan(60_000);
        blocks.Sum(Texts).ShouldBeLessThanOrEqualTo(13_200);
        // Markup is read in these alone; nothing in them is any.
        foreach (var text in new[] { message.GetProperty("text"), blocks[1].GetProperty("text").GetProperty("text"), blocks[^1].GetProperty("elements")[0].GetProperty("text") })
        {
            var read = text.GetString()!;
            read.ShouldNotContain('<');
            read.ShouldNotContain('>');
            System.Text.RegularExpressions.Regex.IsMatch(read, "&(?!amp;|lt;|gt;)").ShouldBeFalse(read.Length > 200 ? read[..200] : read);
        }
    }

    [Fact]
    public void A_fact_leads_to_its_page_wherever_a_link_can_be_written()
    {
        var fact = new AlertFact("Grew: customer <b> & [x]", "+$3.00, to $9.00", "https://portal.example/explore?tag=customer%3Dacme&by=model");
        var alert = Alert("t", "t", 0) with { Facts = [new("Spent", "$9.00"), fact] };
        JsonElement Read(string json) => JsonDocument.Parse(json).RootElement;
        Read(AlertMessages.Slack(alert)).GetProperty("blocks")[2].GetProperty("fields")[1].GetProperty("text").GetString()
            .ShouldBe("*Grew: customer &lt;b&gt; &amp; [x]*\n<https://portal.example/explore?tag=customer%3Dacme&amp;by=model|+$3.00, to $9.00>");
        Read(AlertMessages.Teams(alert)).GetProperty("attachments")[0].GetProperty("content").GetProperty("body")[2].GetProperty("facts")[1].GetProperty("value").GetString()
            .ShouldBe("[+$3.00, to $9.00](https://portal.example/explore?tag=customer%3Dacme&by=model)");
        Read(AlertMessages.Discord(alert)).GetProperty("embeds")[0].GetProperty("fields")[1].GetProperty("value").GetString().ShouldBe("[+$3.00, to $9.00](https://portal.example/explore?tag=customer%3Dacme&by=model)");
        Read(AlertMessages.Webhook(alert)).GetProperty("data").GetProperty("links").GetProperty("Grew: customer <b> & [x]").GetString().ShouldBe(fact.Link);
        Read(AlertMessages.Webhook(alert)).GetProperty("data").GetProperty("facts").GetProperty("Spent").GetString().ShouldBe("$9.00");
        var mail = AlertMessages.Mail(alert, "a@example.com");
        mail.Text.ShouldContain("Spent: $9.00\nGrew: customer <b> & [x]: +$3.00, to $9.00\n  https://portal.example/explore?tag=customer%3Dacme&by=model\n");
        var html = MailHtml.Of(mail);
        html.ShouldContain("<a href=\"https://portal.example/explore?tag=customer%3Dacme&amp;by=model\" style=\"color:#0b6e6e\">+$3.00, to $9.00</a>");
        html.ShouldContain(">Grew: customer &lt;b&gt; &amp; [x]</td>");
        html.ShouldNotContain("Spent: $9.00"); // in the table alone
    }

    [Fact]
    public void A_mail_shows_its_words_as_text_and_only_addresses_of_the_web_as_links()
    {
        var mail = new Application.Mails.Mail("a@example.com", "<b>s</b>", "one <i>\n\njavascript:alert(1)\n\nhttps://portal.example/x?a=1&b=\"2\"") { Facts = [new("n", "v", "javascript:alert(1)")] };
        var html = MailHtml.Of(mail);
        html.ShouldContain("one &lt;i&gt;");
        html.ShouldNotContain("href=\"javascript");
        html.ShouldContain("href=\"https://portal.example/x?a=1&amp;b=&quot;2&quot;\"");
    }

    private static int Texts(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString()!.Length,
        JsonValueKind.Object => element.EnumerateObject().Sum(p => Texts(p.Value)),
        JsonValueKind.Array => element.EnumerateArray().Sum(Texts),
        _ => 0,
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Discord_takes_it_and_mentions_nobody(string name)
    {
        var message = JsonDocument.Parse(AlertMessages.Discord(Alert(name, name, 30, name))).RootElement;
        message.GetProperty("allowed_mentions").GetProperty("parse").GetArrayLength().ShouldBe(0);
        var embed = message.GetProperty("embeds")[0];
        embed.GetProperty("title").GetString()!.Length.ShouldBeLessThanOrEqualTo(256);
        embed.GetProperty("description").GetString()!.Length.ShouldBeLessThanOrEqualTo(4096);
        embed.GetProperty("fields").GetArrayLength().ShouldBeLessThanOrEqualTo(25);
        var all = embed.GetProperty("title").GetString()!.Length + embed.GetProperty("description").GetString()!.Length + embed.GetProperty("footer").GetProperty("text").GetString()!.Length
            + embed.GetProperty("fields").EnumerateArray().Sum(f => f.GetProperty("name").GetString()!.Length + f.GetProperty("value").GetString()!.Length);
        all.ShouldBeLessThanOrEqualTo(6000);
        embed.GetProperty("description").GetString()!.ShouldNotContain("[x](");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void PagerDuty_Teams_and_programs_take_it(string name)
    {
        var alert = Alert(name, name, 30, name);
        var page = JsonDocument.Parse(AlertMessages.PagerDuty(alert, "0123456789abcdef0123456789abcdef")).RootElement;
        page.GetProperty("payload").GetProperty("summary").GetString()!.Length.ShouldBeLessThanOrEqualTo(1024);
        page.GetProperty("payload").GetProperty("severity").GetString().ShouldBe("critical");
        page.GetProperty("dedup_key").GetString().ShouldBe("alert_1");
        JsonDocument.Parse(AlertMessages.Teams(alert)).RootElement.GetProperty("attachments")[0].GetProperty("content").GetProperty("version").GetString().ShouldBe("1.4");
        var event1 = JsonDocument.Parse(AlertMessages.Webhook(alert)).RootElement;
        (event1.GetProperty("type").GetString(), event1.GetProperty("timestamp").GetString()).ShouldBe(("budget.exhausted", "2026-11-29T02:00:00.000000Z"));
        event1.GetProperty("data").GetProperty("title").GetString().ShouldBe(name);
    }

    [Fact]
    public void A_mail_has_its_facts_and_one_link()
    {
        var mail = AlertMessages.Mail(Alert("The budget is used up", "It is."), "oncall@example.com");
        mail.Subject.ShouldBe("🔴 The budget is used up");
        mail.Text.ShouldContain("\n\nhttps://portal.example/budgets/bud_1\n\n");
        mail.Text.ShouldContain("fact 0: v\nfact 1: v");
    }
}
