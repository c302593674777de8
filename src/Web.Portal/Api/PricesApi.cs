using System.Text.Json;
using MediatR;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Prices: the book in force, and the tenant's own rates over it.</summary>
internal static class PricesApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var prices = api.MapGroup("/prices").WithTags("Prices");
        prices.MapGet("", (PriceBook book) => new BookShape(book.Version, [.. book.Sheets.Select(s => new SheetShape(s.Provider, s.Models.Count, s.Checked, [.. s.Sources.Select(u => u.ToString())]))]))
            .WithSummary("The price book in force: its version and its sheets");
        prices.MapGet("/overrides", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListPriceOverrides(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new OverridePage([.. l.Overrides.Select(OverrideShape.Of)])))
            .Produces<OverridePage>().WithSummary("The tenant's own rates");
        prices.MapPost("/overrides", async (HttpContext http, IMediator mediator, NewOverride body) =>
            (await mediator.Send(new SetPriceOverride(http.Caller(), http.Tenant(), body.Provider, body.Model, body.Rates), http.RequestAborted)).Answer(o => new OverrideSetShape(o.Id), 201))
            .Produces<OverrideSetShape>(201).WithSummary("Sets the tenant's own rates for a model: decimal strings in USD per million tokens, as in a price sheet");
        prices.MapDelete("/overrides/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RemovePriceOverride(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Takes the tenant's own rates for a model away");
    }

    internal sealed record BookShape(string Version, IReadOnlyList<SheetShape> Sheets);

    internal sealed record SheetShape(string Provider, int Models, DateOnly Checked, IReadOnlyList<string> Sources);

    internal sealed record NewOverride(string Provider, string Model, JsonElement Rates);

    internal sealed record OverrideSetShape(string Id);

    internal sealed record OverrideShape(string Id, string Provider, string Model, JsonElement Rates, DateTimeOffset CreatedAt, string CreatedBy)
    {
        public static OverrideShape Of(StoredPriceOverride o) => new(o.Id, o.Provider, o.Model, JsonDocument.Parse(o.Rates).RootElement, o.CreatedAt, o.CreatedBy);
    }

    internal sealed record OverridePage(IReadOnlyList<OverrideShape> Data);
}
