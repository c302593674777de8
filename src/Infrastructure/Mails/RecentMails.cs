using Tokonomics.Application.Mails;

namespace Tokonomics.Infrastructure.Mails;

/// <summary>What would have been mailed if there were a server: printed to the console, the last fifty kept for the page that shows them.</summary>
public sealed class RecentMails
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Mail> _mails = new();

    /// <summary>The newest first.</summary>
    public IReadOnlyList<Mail> All
    {
        get
        {
            lock (_lock)
                return [.. _mails];
        }
    }

    internal void Show(Mail mail)
    {
        lock (_lock)
        {
            _mails.AddFirst(mail);
            if (_mails.Count > 50)
                _mails.RemoveLast();
        }

        Console.WriteLine($"\nNo mail server is set (Mail:Host), so this mail to {mail.To} is shown here:\n{mail.Subject}\n\n{mail.Text}\n");
    }
}
