using Tokonomics.Application.Mails;

namespace Tokonomics.Application.Billing;

/// <summary>Tenants whose quota is nearly or wholly used, each threshold of each month once.</summary>
public interface IQuotaWarnings
{
    /// <summary>Those that nobody was told of. Whoever takes one is the only one who does, on any number of nodes.</summary>
    Task<IReadOnlyList<QuotaWarning>> TakeAsync(CancellationToken cancellationToken);
}

/// <param name="Threshold">Percent of the limit that is reached.</param>
/// <param name="Limit">Calls.</param>
/// <param name="PeriodEnd">When counting begins anew.</param>
/// <param name="To">Owners, and those who pay.</param>
public sealed record QuotaWarning(string TenantId, string TenantName, int Threshold, long Limit, DateTimeOffset PeriodEnd, string TimeZone, IReadOnlyList<string> To)
{
    public IEnumerable<Mail> Mails(IPortalLinks links)
    {
        var resets = TimeZoneInfo.ConvertTime(PeriodEnd, TimeZoneInfo.FindSystemTimeZoneById(TimeZone)).ToString("d MMMM yyyy, HH:mm", System.Globalization.CultureInfo.InvariantCulture);
        var (subject, text) = Threshold >= 100
            ? ($"{TenantName} has used all {Limit} calls of this month", $"{TenantName} has used all {Limit} live calls that its plan has for this month. Further calls are refused with status 429 (quota_exhausted) until {resets} ({TimeZone}), or until it has a bigger plan, at once:")
            : ($"{TenantName} has used {Threshold} % of its calls of this month", $"{TenantName} has used {Threshold} % of the {Limit} live calls that its plan has for this month. When all are used, calls are refused with status 429 (quota_exhausted) until {resets} ({TimeZone}). A bigger plan:");
        return To.Select(to => new Mail(to, subject, $"{text}\n\n{links.Link("/billing")}\n\nYou get this mail because you own this organization or pay for it."));
    }
}
