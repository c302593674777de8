using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>A page of those who run the installation (<c>Portal:Operators</c>, or whoever claimed it first), with two factors shown. For everybody else it isn't there.</summary>
[OperatorsOnly]
[ProveIdentity]
public abstract class OperatorPage : PortalPage
{
    protected override bool NeedsTenant => false;

    public Caller Operator => Me.Operator!;
}
