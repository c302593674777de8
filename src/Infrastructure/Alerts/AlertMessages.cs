using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tokonomics.Application.Mails;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>An alert in the words of each receiver, within what each takes. What tenants named stands as text everywhere: nobody is mentioned, nothing is markup.</summary>
internal static class AlertMessages
{
    // Slack, by @slack/types 3.2.0: header 150 characters, a section 3,000, ten fields of 2,000; all blocks together some 13,200.
    private const int SlackTitle = 150;
    private const int SlackText = 2_900;
    private const int SlackFields = 10;
    private const int SlackField = 400;

    // Discord, by its API reference: title 256, description 4,096, 25 fields with 256 and 1,024, all together 6,000.
    private const int DiscordTitle = 256;
    private const int DiscordText = 3_000;
    private const int DiscordFields = 10;
    private const int DiscordField = 200;

    // PagerDuty, by the Events API v2: summary 1,024.
    private const int PagerDutySummary = 1_024;

    public static string Slack(Alert alert)
    {
        var blocks = new JsonArray
        {
            new JsonObject { ["type"] = "header", ["text"] = Plain(Cut($"{Sign(alert)} {alert.Title}", SlackTitle)) },
            new JsonObject { ["type"] = "section", ["text"] = Mrkdwn(Cut(Escaped(alert.Text), SlackText)) },
        };
        if (alert.Facts.Count > 0)
            blocks.Add(new JsonObject
            {
                ["type"] = "section",
                ["fields"] = new JsonArray([.. alert.Facts.Take(SlackFields).Select(f => (JsonNode)Mrkdwn($"*{Cut(Escaped(f.Name), SlackField)}*\n{Linked(f)}"))]),
            });
        blocks.Add(new JsonObject
        {
            ["type"] = "actions",
            ["elements"] = new JsonArray(new JsonObject { ["type"] = "button", ["text"] = Plain(alert.Kind.Look()), ["url"] = alert.Link.AbsoluteUri }),
        });
        blocks.Add(new JsonObject { ["type"] = "context", ["elements"] = new JsonArray(Mrkdwn(Cut(Escaped($"{alert.Tenant} · {At(alert)} UTC · {alert.Id}"), SlackField))) });
        return new JsonObject { ["text"] = Cut(Escaped(alert.Title), SlackText), ["blocks"] = blocks }.ToJsonString();

        static JsonObject Plain(string text) => new() { ["type"] = "plain_text", ["text"] = text };
        static string Linked(AlertFact f) => f.Link is null ? Cut(Escaped(f.Value), SlackField) : $"<{Escaped(f.Link)}|{Cut(Escaped(f.Value), SlackField)}>";
        static JsonObject Mrkdwn(string text) => new() { ["type"] = "mrkdwn", ["text"] = text, ["verbatim"] = true };
    }

    public static string Teams(Alert alert) => new JsonObject
    {
        ["type"] = "message",
        ["attachments"] = new JsonArray(new JsonObject
        {
            ["contentType"] = "application/vnd.microsoft.card.adaptive",
            ["content"] = new JsonObject
            {
                ["$schema"] = "http://adaptivecards.io/schemas/adaptive-card.json",
                ["type"] = "AdaptiveCard",
                ["version"] = "1.4",
                ["body"] = new JsonArray(
                    new JsonObject { ["type"] = "TextBlock", ["size"] = "Medium", ["weight"] = "Bolder", ["wrap"] = true, ["text"] = Unmarked($"{Sign(alert)} {alert.Title}") },
                    new JsonObject { ["type"] = "TextBlock", ["wrap"] = true, ["text"] = Unmarked(alert.Text) },
                    new JsonObject
                    {
                        ["type"] = "FactSet",
                        ["facts"] = new JsonArray([.. alert.Facts.Append(new AlertFact("Organization", alert.Tenant)).Append(new AlertFact("At", $"{At(alert)} UTC")).Select(f => (JsonNode)new JsonObject { ["title"] = Unmarked(f.Name), ["value"] = Marked(f, Unmarked(f.Value)) })]),
                    }),
                ["actions"] = new JsonArray(new JsonObject { ["type"] = "Action.OpenUrl", ["title"] = alert.Kind.Look(), ["url"] = alert.Link.AbsoluteUri }),
            },
        }),
    }.ToJsonString();

    public static string Discord(Alert alert) => new JsonObject
    {
        ["allowed_mentions"] = new JsonObject { ["parse"] = new JsonArray() },
        ["embeds"] = new JsonArray(new JsonObject
        {
            ["title"] = Cut(Unmarked(alert.Title), DiscordTitle),
            ["description"] = Cut(Unmarked(alert.Text), DiscordText),
            ["url"] = alert.Link.AbsoluteUri,
            ["color"] = alert.Severity switch { AlertSeverity.Critical => 0xC92A2A, AlertSeverity.Warning => 0xD98E04, _ => 0x0B6E6E },
            // Links as far as they fit: they count among the 6,000.
            ["fields"] = new JsonArray([.. alert.Facts.Take(DiscordFields).Select(f => (JsonNode)new JsonObject
            {
                ["name"] = Cut(Unmarked(f.Name), DiscordField),
                ["value"] = alert.Text.Length < DiscordText / 4 && f.Link?.Length < DiscordField && f.Name.Length < DiscordField / 4 ? Marked(f, Cut(Unmarked(f.Value), DiscordField / 2)) : Cut(Unmarked(f.Value), DiscordField),
                ["inline"] = true,
            })]),
            ["footer"] = new JsonObject { ["text"] = Cut($"{alert.Tenant} · {alert.Id}", DiscordField) },
            ["timestamp"] = alert.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        }),
    }.ToJsonString();

    /// <param name="key">The integration key of the service.</param>
    public static string PagerDuty(Alert alert, string key) => new JsonObject
    {
        ["routing_key"] = key,
        ["event_action"] = alert.Resolves is null ? "trigger" : "resolve",
        ["dedup_key"] = alert.Resolves ?? alert.Id,
        ["payload"] = new JsonObject
        {
            ["summary"] = Cut($"{alert.Tenant}: {alert.Title}", PagerDutySummary),
            ["source"] = "tokonomics",
            ["severity"] = alert.Severity switch { AlertSeverity.Critical => "critical", AlertSeverity.Warning => "warning", _ => "info" },
            ["timestamp"] = alert.At.UtcDateTime.ToString("O", CultureInfo.InvariantCulture),
            ["class"] = alert.Kind.Word(),
            ["custom_details"] = new JsonObject([new("what", alert.Text), .. alert.Facts.DistinctBy(f => f.Name).Where(f => f.Name != "what").Select(f => new KeyValuePair<string, JsonNode?>(f.Name, f.Value))]),
        },
        ["links"] = new JsonArray(new JsonObject { ["href"] = alert.Link.AbsoluteUri, ["text"] = alert.Kind.Look() }),
    }.ToJsonString();

    /// <summary>For programs: documented in docs/alerts.md.</summary>
    public static string Webhook(Alert alert) => new JsonObject
    {
        ["type"] = alert.Kind.Word(),
        ["timestamp"] = alert.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
        ["data"] = new JsonObject
        {
            ["id"] = alert.Id,
            ["tenant_id"] = alert.TenantId,
            ["severity"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(alert.Severity.ToString()),
            ["title"] = alert.Title,
            ["text"] = alert.Text,
            ["link"] = alert.Link.AbsoluteUri,
            ["facts"] = new JsonObject([.. alert.Facts.DistinctBy(f => f.Name).Select(f => new KeyValuePair<string, JsonNode?>(f.Name, f.Value))]),
            ["links"] = new JsonObject([.. alert.Facts.Where(f => f.Link is not null).DistinctBy(f => f.Name).Select(f => new KeyValuePair<string, JsonNode?>(f.Name, f.Link))]),
            ["resolves"] = alert.Resolves,
        },
    }.ToJsonString();

    public static Mail Mail(Alert alert, string to) => new(
        to, $"{Sign(alert)} {alert.Title}", $"{alert.Text}\n\n{Application.Mails.Mail.Lines(alert.Facts)}\n\n{alert.Link.AbsoluteUri}\n\n{alert.Tenant}, {At(alert)} UTC. You get this mail because this address is an alert channel of {alert.Tenant}; it can be removed under Alerts.") { Facts = alert.Facts };

    private static string Marked(AlertFact f, string value) => f.Link is null ? value : $"[{value}]({f.Link})";

    private static string Sign(Alert alert) => alert.Resolves is not null ? "✅" : alert.Severity switch { AlertSeverity.Critical => "🔴", AlertSeverity.Warning => "🟠", _ => "🔵" };

    private static string At(Alert alert) => alert.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    // Slack reads these three; <!channel> and <@U…> are nothing without the bracket.
    private static string Escaped(string text) => text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    // For receivers of Markdown: a name with brackets makes no link, one with stars nothing bold, one with an @ no mention.
    private static string Unmarked(string text)
    {
        var plain = new System.Text.StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            if (c is '\\' or '*' or '_' or '~' or '`' or '[' or ']' or '<' or '>' or '|' or '#')
                plain.Append('\\');
            plain.Append(c);
            if (c == '@')
                plain.Append('\u200b');
        }

        return plain.ToString();
    }

    private static string Cut(string text, int most)
    {
        if (text.Length <= most)
            return text;
        var end = most - 1;
        if (char.IsHighSurrogate(text[end - 1]))
            end--;
        // Not in the middle of &amp;
        if (text.LastIndexOf('&', end - 1, Math.Min(5, end)) is >= 0 and var mark && text.IndexOf(';', mark, end - mark) < 0)
            end = mark;
        return text[..end] + "…";
    }
}
