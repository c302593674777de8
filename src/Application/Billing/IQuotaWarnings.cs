using System.Globalization;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Mails;
using Tokonomics.Domain.Alerts;

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
    private string Resets => AlertWords.At(PeriodEnd, TimeZoneInfo.FindSystemTimeZoneById(TimeZone));

    public IEnumerable<Mail> Mails(IPortalLinks links)
    {
        var (subject, text) = Threshold >= 100
            ? ($"{TenantName} has used all {Limit} calls of this month", $"{TenantName} has used all {Limit} live calls that its plan has for this month. Further calls are refused with status 429 (quota_exhausted) until {Resets}, or until it has a bigger plan, at once:")
            : ($"{TenantName} has used {Threshold} % of its calls of this month", $"{TenantName} has used {Threshold} % of the {Limit} live calls that its plan has for this month. When all are used, calls are refused with status 429 (quota_exhausted) until {Resets}. A bigger plan:");
        return To.Select(to => new Mail(to, subject, $"{text}\n\n{links.Link("/billing")}\n\nYou get this mail because you own this organization or pay for it."));
    }

    /// <summary>The same for its channels.</summary>
    /// <param name="cause">Of this threshold and month.</param>
    public AlertDraft Alert(string cause, DateTimeOffset at) => new(
        TenantId, cause, AlertKind.PlanQuota, Threshold >= 100 ? AlertSeverity.Critical : AlertSeverity.Warning, AlertSubject.Tenant,
        Threshold >= 100 ? "All calls of the plan are used this month" : $"{Threshold} % of the plan's calls of this month are used",
        $"{(Threshold >= 100 ? "Live calls are refused with status 429 (quota_exhausted)" : $"When all {Limit} are used, live calls are refused with status 429 (quota_exhausted)")} until {Resets}. A bigger plan lifts that at once.", "/billing",
        [new("Calls of the plan", Limit.ToString("#,0", CultureInfo.InvariantCulture)), new("New month", Resets)], at);
}
