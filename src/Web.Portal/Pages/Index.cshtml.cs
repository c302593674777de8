using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Options;

namespace Tokonomics.Web.Portal.Pages;

public sealed class IndexModel(IOptions<PortalOptions> options) : PageModel
{
    public string BaseUrl { get; } = options.Value.CallsUrl.ToString().TrimEnd('/');

    public string ApiUrl { get; } = options.Value.PublicUrl.ToString().TrimEnd('/');

    public bool SignupOpen => options.Value.Signup == SignupPolicy.Open;
}
