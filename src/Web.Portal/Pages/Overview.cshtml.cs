using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages;

public sealed class OverviewModel : PortalPage
{
    public void OnGet()
    {
    }
}
