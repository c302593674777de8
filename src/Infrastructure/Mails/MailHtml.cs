using System.Net;
using System.Text;
using Tokonomics.Application.Mails;

namespace Tokonomics.Infrastructure.Mails;

/// <summary>
/// A mail's text as HTML: its subject, paragraphs, facts as a table, and a button for a link on a line of its own. Every letter of it is escaped. What a client that drops the style sheet shows is the
/// light one: colours stand in the elements as well, since many drop it.
/// </summary>
internal static class MailHtml
{
    private const string Style = """
        @media (prefers-color-scheme: dark) {
          body, .page { background: #10191d !important; }
          .card { background: #18242a !important; border-color: #2a3a42 !important; }
          .card, .card h1, .card p, .value { color: #e6edf0 !important; }
          .soft, .name, .card .small { color: #9db0ba !important; }
          .value a { color: #6fd0cb !important; }
        }
        @media (max-width: 480px) {
          .page { padding: 12px !important; }
          .card { padding: 20px 16px !important; }
          .row td { display: block !important; width: auto !important; border-top: 0 !important; padding: 0 0 10px !important; text-align: left !important; }
          .row .name { padding: 10px 0 2px !important; border-top: 1px solid #e3e9eb !important; }
        }
        @media (prefers-color-scheme: dark) { .row td, .row .name { border-color: #2a3a42 !important; } }
        """;

    public static string Of(Mail mail)
    {
        var (body, facts, open) = (new StringBuilder(), mail.Facts.Count == 0 ? null : Mail.Lines(mail.Facts).Trim(), false);
        foreach (var paragraph in mail.Text.ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(p => p.Trim()))
        {
            var text = WebUtility.HtmlEncode(paragraph);
            if (paragraph == facts)
                body.Append(Table(mail));
            else if (IsLink(paragraph))
            {
                open = true;
                body.Append($"<p style=\"margin:24px 0 8px\"><a href=\"{text}\" style=\"background:#0b6e6e;color:#ffffff;padding:12px 20px;border-radius:8px;text-decoration:none;font-weight:600;display:inline-block\">Open</a></p>")
                    .Append($"<p class=\"small\" style=\"margin:0 0 16px;font-size:12px;color:#5b6875;word-break:break-all\">{text}</p>");
            }
            else
                // What follows the button of an alert is about the mail, not in it.
                body.Append(open && facts is not null ? "<p class=\"small\" style=\"margin:16px 0 0;font-size:12px;line-height:1.5;color:#5b6875\">" : "<p style=\"margin:0 0 16px;line-height:1.5\">")
                    .Append(text.Replace("\n", "<br>", StringComparison.Ordinal)).Append("</p>");
        }

        return $"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>{WebUtility.HtmlEncode(mail.Subject)}</title><style>{Style}</style></head>
            <body style="margin:0;background:#f2f5f5;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:15px"><div class="page" style="background:#f2f5f5;padding:24px"><div style="max-width:560px;margin:0 auto"><p class="soft" style="margin:0 0 12px;font-weight:650;font-size:14px;color:#3d4a52">Tokonomics</p><div class="card" style="background:#ffffff;border:1px solid #dfe6e8;border-radius:12px;padding:28px;color:#17222a"><h1 style="margin:0 0 16px;font-size:20px;line-height:1.3;font-weight:650;color:#17222a;overflow-wrap:anywhere">{WebUtility.HtmlEncode(mail.Subject)}</h1>{body}</div></div></div></body></html>
            """;
    }

    private static string Table(Mail mail)
    {
        var table = new StringBuilder("<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%;border-collapse:collapse;margin:0 0 16px\">");
        foreach (var fact in mail.Facts)
        {
            var value = WebUtility.HtmlEncode(fact.Value);
            if (fact.Link is { } link && IsLink(link))
                value = $"<a href=\"{WebUtility.HtmlEncode(link)}\" style=\"color:#0b6e6e\">{value}</a>";
            table.Append("<tr class=\"row\"><td class=\"name\" style=\"padding:8px 16px 8px 0;border-top:1px solid #e3e9eb;vertical-align:top;color:#5b6875;width:40%;overflow-wrap:anywhere\">").Append(WebUtility.HtmlEncode(fact.Name))
                .Append("</td><td class=\"value\" style=\"padding:8px 0;border-top:1px solid #e3e9eb;vertical-align:top;color:#17222a;font-weight:600;overflow-wrap:anywhere\">").Append(value).Append("</td></tr>");
        }

        return table.Append("</table>").ToString();
    }

    private static bool IsLink(string text) => !text.Contains('\n', StringComparison.Ordinal) && !text.Contains(' ', StringComparison.Ordinal) && Uri.TryCreate(text, UriKind.Absolute, out var uri) && (uri.Scheme is "http" or "https");
}
