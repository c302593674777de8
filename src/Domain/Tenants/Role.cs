namespace Tokonomics.Domain.Tenants;

/// <summary>What a member or an API token is in its tenant.</summary>
public enum Role
{
    Viewer,

    /// <summary>Reads usage and pays the bill; sees no key, not even masked.</summary>
    Billing,

    /// <summary>Makes and revokes metering keys.</summary>
    Developer,

    /// <summary>Everything but the tenant itself.</summary>
    Admin,
    Owner,
}

/// <summary>What a use case needs its caller to be allowed to do.</summary>
public enum Right
{
    ReadUsage,
    ReadKeys,
    ManageKeys,

    /// <summary>Provider keys, custom endpoints, API tokens: what could take money or data elsewhere.</summary>
    ManageCredentials,

    /// <summary>Limits on spend.</summary>
    ManageBudgets,

    /// <summary>Teams, projects, members and invitations.</summary>
    ManageTeams,

    /// <summary>The plan, its payment and its invoices.</summary>
    ManageBilling,

    /// <summary>Who did what.</summary>
    ReadAudit,

    /// <summary>The tenant itself: its name, time zone and policies, its data, its end.</summary>
    ManageTenant,

    /// <summary>What only the operator of the installation does: new tenants, master keys.</summary>
    Operate,
}

public static class Roles
{
    /// <summary>The one table of who may do what.</summary>
    public static bool May(this Role role, Right right) => right switch
    {
        Right.ReadUsage => true,
        Right.ReadKeys => role is Role.Viewer or Role.Developer or Role.Admin or Role.Owner,
        Right.ManageKeys => role is Role.Developer or Role.Admin or Role.Owner,
        Right.ManageCredentials or Right.ManageBudgets or Right.ManageTeams or Right.ReadAudit => role is Role.Admin or Role.Owner,
        Right.ManageBilling => role is Role.Billing or Role.Admin or Role.Owner,
        Right.ManageTenant => role is Role.Owner,
        _ => false,
    };

    /// <summary>A role that may be handed on: nobody makes a token that may do more than they may themselves.</summary>
    public static bool Covers(this Role role, Role other) => Enum.GetValues<Right>().All(p => !other.May(p) || role.May(p));
}
