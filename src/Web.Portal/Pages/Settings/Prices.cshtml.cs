using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Pricing;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Settings;

/// <summary>By which prices are calls rated, and which of them are the organization's own?</summary>
public sealed class PricesModel(PriceBook book, TimeProvider time) : PortalPage
{
    // As a price sheet names them.
    private static readonly (string Name, Func<PricesModel, string?> Of)[] Units =
    [
        ("input", m => m.Input), ("output", m => m.Output), ("cache_read", m => m.CacheRead), ("cache_write", m => m.CacheWrite),
    ];

    [BindProperty]
    public string Provider { get; set; } = "";

    [BindProperty]
    public string Model { get; set; } = "";

    [BindProperty]
    public string? Input { get; set; }

    [BindProperty]
    public string? Output { get; set; }

    [BindProperty]
    public string? CacheRead { get; set; }

    [BindProperty]
    public string? CacheWrite { get; set; }

    [BindProperty]
    public string Target { get; set; } = "";

    public IReadOnlyList<StoredPriceOverride> Overrides { get; private set; } = null!;

    public PriceBook Book => book;

    public int AgeOf(PriceSheet sheet) => DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).DayNumber - sheet.Checked.DayNumber;

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostSetAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/settings/prices"));
        var rates = new Dictionary<string, string>();
        foreach (var (name, of) in Units)
            if (of(this)?.Trim().TrimStart('$') is { Length: > 0 } rate)
                rates[name] = rate;
        if (await AskAsync(new SetPriceOverride(Caller, TenantId, Provider?.Trim() ?? "", Model?.Trim() ?? "", JsonSerializer.SerializeToElement(rates))) is null)
            return Refused ?? await ShowAsync();
        Said = $"{Model} at {Provider} is rated by your prices from now on.";
        return Redirect(To("/settings/prices"));
    }

    public async Task<IActionResult> OnPostRemoveAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new RemovePriceOverride(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        Said = "The common price sheet holds again.";
        return Redirect(To("/settings/prices"));
    }

    protected override string FieldName(string field) => field == "Rates" ? nameof(Input) : field;

    public static string Words(StoredPriceOverride row)
    {
        using var json = JsonDocument.Parse(row.Rates);
        return string.Join(", ", json.RootElement.EnumerateObject().Select(p => $"{p.Name.Replace('_', ' ')} ${p.Value}"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListPriceOverrides(Caller, TenantId)) is not { } list)
            return Refused ?? NotFound();
        Overrides = list.Overrides;
        return Page();
    }
}
