using System.Globalization;
using Tokonomics.Testing;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>What a browser loads for each page when it has nothing of it yet.</summary>
[Collection(PortalInBrowser.Name)]
public sealed class WeightTests(PortalInBrowser portal, ITestOutputHelper output)
{
    // Of everything: the page as it is sent (not compressed: it has secrets beside what a visitor chooses), style, scripts, pictures, fonts.
    private const int MaxBytes = 300_000;

    [Fact]
    public async Task Every_page_weighs_less_than_300_kB_with_everything_that_it_loads()
    {
        await using var stranger = await portal.VisitAsync();
        await using var ada = await portal.VisitAsync();
        await ada.SignUpAsync("weight@pages.example", "Weight Ltd");
        var paths = await EveryPageTests.PathsAsync(portal, ada.Email);
        output.WriteLine("| page | requests | page | style | scripts | other | all |");
        output.WriteLine("|---|---|---|---|---|---|---|");
        var heavy = new List<string>();
        foreach (var (visitor, path) in new[] { "/", "/login", "/signup", "/forgot" }.Select(p => (stranger, p)).Concat(paths.Where(p => p != "/").Select(p => (ada, p))))
        {
            var requests = await LoadedAsync(visitor.Page, path);
            var sizes = new Dictionary<string, long>();
            foreach (var request in requests)
            {
                var kind = request.ResourceType is "document" or "stylesheet" or "script" ? request.ResourceType : "other";
                var size = await request.SizesAsync();
                sizes[kind] = sizes.GetValueOrDefault(kind) + size.ResponseBodySize + size.ResponseHeadersSize;
            }

            var all = sizes.Values.Sum();
            string K(long bytes) => (bytes / 1000.0).ToString("0.0", CultureInfo.InvariantCulture);
            output.WriteLine($"| {System.Text.RegularExpressions.Regex.Replace(path.Split("&columns")[0], "(key|bud|req)_[0-9a-z]{20,}", "$1_…")} | {requests.Count} | {K(sizes.GetValueOrDefault("document"))} | {K(sizes.GetValueOrDefault("stylesheet"))} | {K(sizes.GetValueOrDefault("script"))} | {K(sizes.GetValueOrDefault("other"))} | {K(all)} |");
            sizes.GetValueOrDefault("stylesheet").ShouldBeGreaterThan(0, path); // something was measured
            if (all >= MaxBytes)
                heavy.Add($"{path}: {all}");
        }

        heavy.ShouldBeEmpty();
    }

    /// <summary>What the browser asked for, having kept nothing of before.</summary>
    private static async Task<List<Microsoft.Playwright.IRequest>> LoadedAsync(Microsoft.Playwright.IPage page, string path)
    {
        var session = await page.Context.NewCDPSessionAsync(page);
        await session.SendAsync("Network.enable");
        await session.SendAsync("Network.setCacheDisabled", new Dictionary<string, object> { ["cacheDisabled"] = true });
        var requests = new List<Microsoft.Playwright.IRequest>();
        void Add(object? sender, Microsoft.Playwright.IRequest request) => requests.Add(request);
        page.RequestFinished += Add;
        await page.GotoAsync(path, new() { WaitUntil = Microsoft.Playwright.WaitUntilState.NetworkIdle });
        page.RequestFinished -= Add;
        await session.DetachAsync();
        return [.. requests];
    }
}
