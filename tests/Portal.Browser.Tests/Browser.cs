using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Testing;

namespace Tokonomics.Portal.Browser.Tests;

/// <summary>One Chromium and one product for the tests of a collection; each visitor has cookies of its own.</summary>
public sealed class PortalInBrowser : IAsyncLifetime
{
    public const string Name = "portal in a browser";

    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private FakeProvider? _openAi;

    public TestProduct Product { get; private set; } = null!;

    /// <summary>Of the product, over its defaults.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Settings { get; init; } = [];

    /// <summary>The name in the address must be one where browsers keep Secure cookies without TLS.</summary>
    public string Url => $"http://localhost:{Product.Url.Port}";

    public async ValueTask InitializeAsync()
    {
        var port = FreePort();
        _openAi = FakeOpenAi.Start();
        var settings = new Dictionary<string, string?>
        {
            ["Providers:openai:BaseUrl"] = _openAi.Url.ToString(),
            ["urls"] = $"http://localhost:{port}",
            ["Portal:PublicUrl"] = $"http://localhost:{port}",
            ["Portal:Operators"] = "operator@tokonomics.example",
        };
        foreach (var (name, value) in Settings)
            settings[name] = value;
        Product = await TestProduct.StartAsync(settings);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = File.Exists("/usr/bin/chromium") ? "/usr/bin/chromium" : throw new InvalidOperationException("this test needs Chromium: ./test.sh installs it (Debian: apt install chromium)"),
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
        if (Product is not null)
            await Product.DisposeAsync();
        if (_openAi is not null)
            await _openAi.DisposeAsync();
    }

    /// <summary>Somebody with a browser of their own. Whatever the console, the content policy or a failed request complains of is in <see cref="Visitor.Complaints"/>.</summary>
    public async Task<Visitor> VisitAsync(bool dark = false, bool phone = false, bool javaScript = true)
    {
        var context = await _browser!.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = Url,
            ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
            ViewportSize = phone ? new ViewportSize { Width = 390, Height = 844 } : new ViewportSize { Width = 1280, Height = 900 },
            JavaScriptEnabled = javaScript,
            TimezoneId = "Europe/Berlin",
        });
        context.SetDefaultTimeout(90_000); // a busy machine is slow, not wrong
        return new Visitor(this, await context.NewPageAsync());
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }
}

[CollectionDefinition(PortalInBrowser.Name)]
public sealed class PortalInBrowserGroup : ICollectionFixture<PortalInBrowser>;

/// <summary>A person with a browser.</summary>
public sealed class Visitor : IAsyncDisposable
{
    private readonly PortalInBrowser _portal;

    public Visitor(PortalInBrowser portal, IPage page)
    {
        (_portal, Page) = (portal, page);
        page.Console += (_, m) =>
        {
            if (m.Type is "error" or "warning")
                Complaints.Add($"{page.Url}: {m.Text}");
        };
        page.PageError += (_, e) => Complaints.Add($"{page.Url}: {e}");
        page.Request += (_, r) =>
        {
            if (!r.Url.StartsWith(portal.Url, StringComparison.Ordinal) && !r.Url.StartsWith("data:", StringComparison.Ordinal) && !r.Url.StartsWith("blob:", StringComparison.Ordinal))
                Complaints.Add($"{page.Url} loads {r.Url}");
        };
    }

    public IPage Page { get; }

    public List<string> Complaints { get; } = [];

    public string Email { get; private set; } = "";

    public const string Password = "correct horse battery staple";

    /// <summary>From the front page to an organization of one's own, as a person does it.</summary>
    public async Task SignUpAsync(string email, string organization)
    {
        await Page.GotoAsync("/signup");
        await FillSignUpAsync(email);
        await Page.WaitForURLAsync("**/welcome");
        await Page.FillAsync("[name=Name]", organization);
        await PressAsync("");
        await Page.WaitForURLAsync("**/start");
    }

    /// <summary>The form that signs up, and the link that comes by mail.</summary>
    public async Task FillSignUpAsync(string email)
    {
        Email = email;
        await Page.FillAsync("[name=Email]", email);
        await Page.FillAsync("[name=Password]", Password);
        await PressAsync("");
        await Page.GetByText("Look into your mail").WaitForAsync();
        await Page.GotoAsync("/dev/mail");
        await Page.Locator("article", new() { HasText = "To " + email }).First.Locator("a").First.ClickAsync();
        await PressAsync("Verify my address");
    }

    public async Task SignInAsync(string? email = null)
    {
        await Page.GotoAsync("/login");
        await Page.FillAsync("[name=Email]", email ?? Email);
        await Page.FillAsync("[name=Password]", Password);
        await PressAsync("Sign in");
        await Page.WaitForURLAsync("**/overview");
    }

    public async Task SignOutAsync()
    {
        await Page.GotoAsync("/logout");
        await PressAsync("Sign out");
        await Page.WaitForURLAsync(u => u.EndsWith('/'));
    }

    /// <summary>Fills fields by their names.</summary>
    public async Task FillAsync(params (string Name, string Value)[] fields)
    {
        foreach (var (name, value) in fields)
            await Page.Locator($"main [name='{name}']").First.FillAsync(value);
    }

    /// <summary>Presses the first button of the page's content that says so and sends a form.</summary>
    public Task PressAsync(string says) => Page.Locator("main button:not([type=button])", new() { HasText = says }).First.ClickAsync();

    /// <summary>What the page says at its top after a form has worked.</summary>
    public async Task SaysAsync(string text) => await Page.GetByText(text).First.WaitForAsync();

    /// <summary>The last mail to that address.</summary>
    public Application.Mails.Mail MailTo(string email) => _portal.Product.Services.GetRequiredService<RecentMails>().All.First(m => m.To == email);

    public static string LinkIn(Application.Mails.Mail mail) => mail.Text.Split('\n').First(l => l.StartsWith("http", StringComparison.Ordinal));

    public async ValueTask DisposeAsync() => await Page.Context.DisposeAsync();
}
