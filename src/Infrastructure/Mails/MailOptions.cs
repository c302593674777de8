namespace Tokonomics.Infrastructure.Mails;

/// <summary>Settings under <c>Mail</c>. Without a host mails are not sent: their links are printed to the console, and shown on /dev/mail to whoever sits at the machine.</summary>
public sealed class MailOptions
{
    /// <summary>The SMTP server; empty for none.</summary>
    public string Host { get; set; } = "";

    /// <summary>1 to 65535.</summary>
    public int Port { get; set; } = 587;

    /// <summary>Whom the server knows; empty where it asks for nobody.</summary>
    public string User { get; set; } = "";

    /// <summary>That user's password.</summary>
    public string Password { get; set; } = "";

    /// <summary>The sender, an address or `Name &lt;address&gt;`.</summary>
    public string From { get; set; } = "Tokonomics <tokonomics@localhost>";

    /// <summary>`StartTls` (required: never in the clear), `Tls` (from the first byte, port 465), or `None` for a server on the same machine.</summary>
    public MailTls Tls { get; set; } = MailTls.StartTls;

    internal string? Problem() =>
        Port is < 1 or > 65535 ? $"Mail:Port is {Port}; it must be 1 to 65535"
        : !MimeKit.MailboxAddress.TryParse(From, out _) ? $"Mail:From is '{From}'; it must be an address, such as Tokonomics <noreply@example.com>"
        : null;
}

public enum MailTls
{
    StartTls,
    Tls,
    None,
}
