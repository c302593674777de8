using MailKit.Net.Smtp;
using MailKit.Security;
using Microsoft.Extensions.Options;
using MimeKit;
using Tokonomics.Application.Mails;

namespace Tokonomics.Infrastructure.Mails;

/// <summary>Hands one mail to the SMTP server.</summary>
public sealed class MailTransport(IOptions<MailOptions> options, RecentMails recent)
{
    /// <summary>Where no server is set, a mail is shown instead of sent.</summary>
    /// <returns>False where there is a server.</returns>
    internal bool ShowInstead(Mail mail)
    {
        if (options.Value.Host.Length > 0)
            return false;
        recent.Show(mail);
        return true;
    }

    /// <summary>One attempt; when it returns, the server has the mail.</summary>
    /// <param name="id">Its Message-Id is made of it, the same for each attempt, so that mailboxes can tell a second one; null for a fresh one.</param>
    /// <exception cref="SmtpCommandException">The server refused; 4xx means later.</exception>
    /// <exception cref="AuthenticationException">The server doesn't know the user.</exception>
    internal async Task SendAsync(Mail mail, string? id, CancellationToken cancellationToken)
    {
        var o = options.Value;
        using var message = new MimeMessage();
        var from = MailboxAddress.Parse(o.From);
        message.From.Add(from);
        message.To.Add(new MailboxAddress("", mail.To));
        message.Subject = mail.Subject;
        if (id is not null)
            message.MessageId = $"{id}@{from.Domain}";
        message.Headers.Add("Auto-Submitted", "auto-generated");
        message.Body = new BodyBuilder { TextBody = mail.Text, HtmlBody = MailHtml.Of(mail) }.ToMessageBody();
        using var smtp = new SmtpClient { Timeout = 20_000 };
        await smtp.ConnectAsync(o.Host, o.Port, o.Tls switch { MailTls.StartTls => SecureSocketOptions.StartTls, MailTls.Tls => SecureSocketOptions.SslOnConnect, _ => SecureSocketOptions.None }, cancellationToken);
        if (o.User.Length > 0)
            await smtp.AuthenticateAsync(o.User, o.Password, cancellationToken);
        await smtp.SendAsync(message, cancellationToken);
        try
        {
            await smtp.DisconnectAsync(true, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // It has said that it has the mail: how the farewell went doesn't matter.
        }
    }
}
