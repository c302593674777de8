using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>The pages of a section, as its second row of links names them; those that would be refused are left out.</summary>
internal static class Sections
{
    public static IReadOnlyList<(string Path, string Name)> Settings(PortalPage page) => Of(
        page, ("/settings", "General", Right.ReadUsage), ("/settings/prices", "Prices", Right.ReadUsage), ("/settings/tokens", "API tokens", Right.ManageCredentials), ("/settings/audit", "Audit log", Right.ReadAudit), ("/settings/data", "Data", Right.ManageTenant));

    public static IReadOnlyList<(string Path, string Name)> Billing(PortalPage page) => Of(page, ("/billing", "Plan", Right.ReadUsage), ("/billing/customers", "Your customers", Right.ManageBilling), ("/billing/meter", "Stripe meter", Right.ManageBilling));

    public static IReadOnlyList<(string Path, string Name)> Alerts(PortalPage page) => Of(page, ("/alerts", "Alerts", Right.ReadUsage), ("/alerts/rules", "Rules", Right.ReadUsage), ("/alerts/channels", "Channels", Right.ReadKeys));

    public static IReadOnlyList<(string Path, string Name)> Routing(PortalPage page) => Of(page, ("/routes", "Routes", Right.ReadKeys), ("/routes/savings", "Savings", Right.ReadUsage));

    public static IReadOnlyList<(string Path, string Name)> Team(PortalPage page) => Of(page, ("/team", "Members", Right.ManageTeams), ("/team/projects", "Teams and projects", Right.ReadUsage));

    public static readonly IReadOnlyList<(string Path, string Name)> Operator = [("/operator", "Tenants"), ("/operator/accounts", "Accounts"), ("/operator/system", "System"), ("/operator/jobs", "Jobs"), ("/operator/audit", "Audit log")];

    private static List<(string, string)> Of(PortalPage page, params ReadOnlySpan<(string Path, string Name, Right Needs)> pages)
    {
        var shown = new List<(string, string)>();
        foreach (var (path, name, needs) in pages)
            if (page.May(needs))
                shown.Add((path, name));
        return shown;
    }
}
