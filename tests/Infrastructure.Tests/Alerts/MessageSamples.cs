using System.Text.Json;
using Tokonomics.Domain.Alerts;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Mails;

namespace Tokonomics.Tests.Alerts;

/// <summary>
/// One message of each sort as people get it. With <c>TOKONOMICS_WRITE_MESSAGES</c> naming a folder they are written there, for <c>docs/screenshots/messages.mjs</c> to make pictures of.
/// </summary>
public sealed class MessageSamples
{
    private static readonly DateTimeOffset At = new(2026, 11, 29, 13, 12, 41, TimeSpan.Zero);

    private static Alert Alert(AlertKind kind, AlertSeverity severity, string title, string text, string path, params AlertFact[] facts) =>
        new("alert_01m8mks1zmss1emfr2v3r9vemn", "ten_1", "Acme & Sons", kind, severity, title, text, new Uri("https://tokonomics.example.com" + path), facts, At);

    private static readonly Alert Spike = Alert(
        AlertKind.SpendSpike, AlertSeverity.Critical, "6 times the usual is spent: customer acme",
        "$41.20 were spent in the last 10 minutes, where $6.80 are usual on a Sunday at this hour. Most of it is gpt-4o by the key batch-eu.", "/explore?by=model&customer=acme",
        new("Spent in 10 minutes", "$41.20"), new("Usual", "$6.80"), new("Mostly by", "key batch-eu"), new("Mostly for", "gpt-4o"));

    private static readonly Dictionary<string, Alert> Samples = new()
    {
        ["threshold"] = Alert(
            AlertKind.BudgetThreshold, AlertSeverity.Warning, "80 % of the monthly budget is spent: team Search",
            "$80.12 of $100.00 are spent this month. At 100 % calls that it counts are refused (status 429), until 1 December 2026, 00:00 (Europe/Berlin).", "/budgets/bud_01",
            new("Budget of", "team Search"), new("Spent", "$80.12"), new("Cap", "$100.00"), new("New period", "1 December 2026, 00:00 (Europe/Berlin)")),
        ["exhausted"] = Alert(
            AlertKind.BudgetExhausted, AlertSeverity.Critical, "The monthly budget is used up: team Search",
            "$100.02 of $100.00 are spent this month. From now on calls that it counts are refused (status 429), until 1 December 2026, 00:00 (Europe/Berlin). To go on at once, raise the cap or give it an increase that ends by itself.", "/budgets/bud_01",
            new("Budget of", "team Search"), new("Spent", "$100.02"), new("Cap", "$100.00"), new("New period", "1 December 2026, 00:00 (Europe/Berlin)")),
        ["spike"] = Spike,
        ["resolved"] = Spike with { Id = "alert_01m8mks1zmss1emfr2v3r9vemp", Severity = AlertSeverity.Info, Title = "Over: " + Spike.Title, Text = "In the last half hour $7.10 were spent, which is usual.", Facts = [new("Lasted", "48 minutes"), new("Spent meanwhile", "$163.40")], At = At.AddMinutes(48), Resolves = Spike.Id },
        ["digest"] = Alert(
            AlertKind.WeeklyDigest, AlertSeverity.Info, "Week 48: $1,204.50, 12 % more than the week before",
            "212,480 calls. The most was spent by team Search, the most more by customer acme.", "/overview",
            new("Spent", "$1,204.50"), new("The week before", "$1,075.10"), new("Calls", "212,480"), new("Failed", "0.4 %"), new("Saved by caching", "$88.20"), new("Dearest model", "gpt-4o, $640.11")),
    };

    public static TheoryData<string> Names => [.. Samples.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_message_says_what_it_is_about_and_leads_to_it(string name)
    {
        var (alert, slack, mail) = (Samples[name], AlertMessages.Slack(Samples[name]), AlertMessages.Mail(Samples[name], "oncall@acme.example"));
        var blocks = JsonDocument.Parse(slack).RootElement.GetProperty("blocks").EnumerateArray().ToList();
        blocks[0].GetProperty("text").GetProperty("text").GetString()!.ShouldEndWith(alert.Title);
        var button = blocks.Single(b => b.GetProperty("type").GetString() == "actions").GetProperty("elements")[0];
        (button.GetProperty("text").GetProperty("text").GetString(), button.GetProperty("url").GetString()).ShouldBe((alert.Kind.Look(), alert.Link.AbsoluteUri));
        mail.Subject.ShouldEndWith(alert.Title);
        var html = MailHtml.Of(mail);
        html.ShouldContain($"href=\"{System.Net.WebUtility.HtmlEncode(alert.Link.AbsoluteUri)}\"");
        foreach (var fact in alert.Facts)
        {
            slack.ShouldContain(JsonEncodedText.Encode(fact.Value).ToString());
            html.ShouldContain(System.Net.WebUtility.HtmlEncode(fact.Value));
        }

        if (Environment.GetEnvironmentVariable("TOKONOMICS_WRITE_MESSAGES") is { Length: > 0 } folder)
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, name + ".slack.json"), slack);
            File.WriteAllText(Path.Combine(folder, name + ".mail.html"), html);
        }
    }
}
