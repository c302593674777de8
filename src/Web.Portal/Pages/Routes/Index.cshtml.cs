using MediatR;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Routes;

/// <summary>Which names do applications ask for, and where do their calls go?</summary>
public sealed class IndexModel : PortalPage
{
    public IReadOnlyList<RouteLine> Routes { get; private set; } = null!;

    public IReadOnlyDictionary<string, string> KeyNames { get; private set; } = null!;

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(new ListRoutes(Caller, TenantId)) is not { } list)
            return Refused ?? NotFound();
        Routes = list.Routes;
        KeyNames = await KeyNamesAsync(Mediator, Caller, TenantId, Routes, Cancel);
        return Page();
    }

    /// <summary>The names of the keys that rules ask for, by id.</summary>
    internal static async Task<IReadOnlyDictionary<string, string>> KeyNamesAsync(IMediator mediator, Caller caller, string tenantId, IReadOnlyList<RouteLine> routes, CancellationToken cancellationToken)
    {
        var ids = routes.SelectMany(r => r.Route?.Rules ?? []).SelectMany(r => r.When.Keys).Distinct(StringComparer.Ordinal).ToList();
        return ids.Count == 0 ? new Dictionary<string, string>() : (await mediator.Send(new ListKeys(caller, tenantId) { Ids = ids }, cancellationToken)).Value.Keys.ToDictionary(k => k.Id, k => k.Name, StringComparer.Ordinal);
    }
}
