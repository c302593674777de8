using System.Net;
using System.Text;
using Tokonomics.Application.Mails;

namespace Tokonomics.Infrastructure.Mails;

/// <summary>A mail's text as HTML: paragraphs, and a button for a link on a line of its own. Every letter of it is escaped.</summary>
internal static class MailHtml
{
    public static string Of(Mail mail)
    {
        var body = new StringBuilder();
        foreach (var paragraph in mail.Text.ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var text = WebUtility.HtmlEncode(paragraph.Trim());
            body.Append(IsLink(paragraph.Trim())
                ? $"<p style=\"margin:24px 0\"><a href=\"{text}\" style=\"background:#0b6e6e;color:#ffffff;padding:12px 20px;border-radius:8px;text-decoration:none;font-weight:600;display:inline-block\">Open</a></p><p style=\"font-size:12px;color:#5b6875;word-break:break-all\">{text}</p>"
                : $"<p style=\"margin:0 0 16px;line-height:1.5\">{text.Replace("\n", "<br>", StringComparison.Ordinal)}</p>");
        }

        return $"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{WebUtility.HtmlEncode(mail.Subject)}</title></head>
            <body style="margin:0;padding:24px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:15px"><div style="max-width:520px;margin:0 auto"><p style="font-weight:650;font-size:17px">Tokonomics</p>{body}</div></body></html>
            """;
    }

    private static bool IsLink(string text) => !text.Contains('\n', StringComparison.Ordinal) && !text.Contains(' ', StringComparison.Ordinal) && Uri.TryCreate(text, UriKind.Absolute, out var uri) && (uri.Scheme is "http" or "https");
}
