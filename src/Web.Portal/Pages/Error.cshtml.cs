using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace Tokonomics.Web.Portal.Pages;

/// <summary>What a person sees in place of a page that isn't there, isn't theirs, or failed.</summary>
[IgnoreAntiforgeryToken]
[ResponseCache(NoStore = true)]
public sealed class ErrorModel : PageModel
{
    public string Title { get; private set; } = "";

    public string Text { get; private set; } = "";

    public void OnGet(int? status) => Show(status);

    public void OnPost(int? status) => Show(status);

    private void Show(int? status)
    {
        (Title, Text) = status switch
        {
            404 => ("There is nothing here", "The address is wrong, or what it named belongs to another organization or is gone."),
            403 => ("Your role doesn't allow that", "Ask an owner or admin of your organization, or switch to an organization where you may."),
            400 => ("That form has expired", "It was open for too long, or you signed in or out in another tab since. Go back, load the page again and send it once more; nothing was changed."),
            429 => ("Too many tries", "Wait a few minutes, then try again."),
            503 => ("The database can't be reached", "Calls through the proxy go on. Try this page again in a moment."),
            _ => ("Something failed on our side", "It was logged. Try again; if it stays, tell whoever runs this installation the time at which it happened."),
        };
        if (status is null)
            Response.StatusCode = 500;
    }
}
