using System.Data.Common;
using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Tokonomics.Application.Mails;
using Tokonomics.Infrastructure.Ledger;
using Tokonomics.Infrastructure.Mails;

namespace Tokonomics.Infrastructure.Jobs;

/// <summary>
/// Mails to those who run the installation: written in the transaction that notes what they are about, then sent, then marked. Whoever dies in between is followed by
/// another that sends the same mail with the same Message-Id.
/// </summary>
public sealed class OperatorMails(ISqlStore store, MailTransport transport, IConfiguration configuration)
{
    private static readonly TimeSpan Kept = TimeSpan.FromDays(90);

    /// <summary>Writes one mail for each operator: whom the settings name (<c>Portal:Operators</c>), and whoever claimed the installation.</summary>
    /// <returns>To how many it goes.</returns>
    internal int Plan(DbTransaction transaction, string subject, string text, DateTimeOffset now)
    {
        var addresses = (configuration["Portal:Operators"] ?? "").Split([',', ' ', ';'], StringSplitOptions.RemoveEmptyEntries)
            .Concat(transaction.Command("SELECT email FROM users WHERE is_operator AND email_confirmed ORDER BY email").Rows(row => row.GetString(0)))
            .Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        foreach (var address in addresses)
            transaction.Execute(
                "INSERT INTO operator_mails (id, address, subject, text, planned_at) VALUES (@id, @address, @subject, @text, @now)",
                ("@id", "omail_" + RandomNumberGenerator.GetHexString(20, lowercase: true)), ("@address", address), ("@subject", subject), ("@text", text), ("@now", UsageRow.Micros(now)));
        transaction.Execute("DELETE FROM operator_mails WHERE sent_at < @old", ("@old", UsageRow.Micros(now - Kept)));
        return addresses.Count;
    }

    /// <summary>Sends what waits, oldest first.</summary>
    /// <returns>How many were sent.</returns>
    /// <exception cref="IOException">The mail server is away. What it throws of MailKit's own is let through as well; what was not sent waits for the next time.</exception>
    public async Task<int> SendAsync(CancellationToken cancellationToken)
    {
        var waiting = await Task.Run(
            () =>
            {
                using var connection = store.Open();
                return connection.Command(null, "SELECT id, address, subject, text FROM operator_mails WHERE sent_at IS NULL ORDER BY planned_at, id")
                    .Rows(row => (Id: row.GetString(0), Mail: new Mail(row.GetString(1), row.GetString(2), row.GetString(3))));
            },
            cancellationToken);
        var (sent, failed) = (0, default(Exception));
        foreach (var (id, mail) in waiting)
        {
            try
            {
                if (!transport.ShowInstead(mail))
                    await transport.SendAsync(mail, id, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                failed = e; // an address that isn't one keeps no other operator's mail
                continue;
            }

            sent++;
            // Also when the host is stopping: what was sent is not sent again.
            await store.WriteAsync(transaction => transaction.Execute($"UPDATE operator_mails SET sent_at = {store.Now} WHERE id = @id", ("@id", id)), CancellationToken.None);
        }

        return failed is not null ? throw failed : sent;
    }
}
