using System.Globalization;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>Where a request came from.</summary>
/// <param name="Address">The remote address; a balancer's is believed of trusted ones alone.</param>
/// <param name="Device">Browser and system in known words: "Firefox on Linux".</param>
public sealed record CameFrom(string Address, string Device);

/// <summary>
/// What happens to an account, for others to see: a line in the audit log of each tenant that the user is a member of, and a mail to the user. What concerns
/// nobody who is known stands in the installation's own log, without the address that was tried.
/// </summary>
public sealed class AccountLog(TokonomicsDbContext db, AuditLog audit, IMailer mailer, IPortalLinks links, TimeProvider time)
{
    /// <summary>In the transaction that is open, or in one of its own.</summary>
    public async Task WriteAsync(User? user, string action, AuditResult result, CameFrom from, string detail, CancellationToken cancellationToken)
    {
        var transaction = db.Database.CurrentTransaction is null ? await db.Database.BeginTransactionAsync(cancellationToken) : null;
        await using (transaction)
        {
            var userId = user?.Id ?? "";
            var places = await db.Members.AsNoTracking().Where(m => m.UserId == userId).OrderBy(m => m.TenantId).Select(m => new { m.TenantId, Actor = m.Id }).ToListAsync(cancellationToken);
            if (places.Count == 0)
                places.Add(new { TenantId = AuditEntry.SystemTenant, Actor = user?.Id ?? "anonymous" });
            var text = detail.Length > 0 ? $"{detail}; {from.Device}" : from.Device; // the address has a column of its own
            foreach (var place in places)
                await audit.AppendAsync(place.TenantId, place.Actor, action, user?.Id ?? "account", result, text, cancellationToken);
            if (transaction is not null)
                await transaction.CommitAsync(cancellationToken);
        }
    }

    /// <summary>Says to the user by mail that a credential changed or was used.</summary>
    /// <param name="to">Where it isn't their address of now.</param>
    public void Tell(User user, string subject, string what, CameFrom from, string? to = null) => mailer.Send(new Mail(
        to ?? user.Email!,
        subject,
        $"{what}\n\nWhen: {time.GetUtcNow().ToString("d MMMM yyyy, HH:mm", CultureInfo.InvariantCulture)} UTC\nFrom: {from.Address}, {from.Device}\n\nIf it was you, there is nothing to do. If it wasn't, somebody else can get into your account: set a new password now, which signs everybody out.\n\n{links.Link("/forgot")}"));
}
