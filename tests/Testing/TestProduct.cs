using System.Net.Http.Headers;
using System.Text.Json;
using MediatR;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Standalone;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Testing;

/// <summary>
/// The whole product in this process, as <c>dotnet run</c> serves it: real Kestrel on a free port of 127.0.0.1, SQLite in a folder of its
/// own, a provisioned tenant with a key for each provider that the test names. Everything it logs is kept in <see cref="Log"/>.
/// </summary>
public sealed class TestProduct : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly FileStream _folder;

    private TestProduct(WebApplication app, FileStream folder, string data, TestLog log)
    {
        (_app, _folder, DataFolder, Log) = (app, folder, data, log);
        Url = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, MaxResponseDrainSize = 0, UseCookies = false }) { BaseAddress = Url, Timeout = TimeSpan.FromSeconds(60) };
    }

    public Uri Url { get; }

    public string DataFolder { get; }

    public string TenantId { get; private set; } = "";

    public string LiveKey { get; private set; } = "";

    public string TestKey { get; private set; } = "";

    public string Token { get; private set; } = "";

    /// <summary>Follows no redirects, keeps no cookies, drains nothing: closing an answer closes its connection.</summary>
    public HttpClient Client { get; }

    public TestLog Log { get; }

    public IServiceProvider Services => _app.Services;

    public SandboxServer Sandbox => _app.Services.GetRequiredService<SandboxServer>();

    /// <param name="settings">Over the defaults, as configuration keys: <c>Providers:openai:BaseUrl</c>.</param>
    /// <param name="providerKeys">The tenant's provider keys by provider name.</param>
    /// <param name="services">Last changes to what is registered.</param>
    public static async Task<TestProduct> StartAsync(
        IEnumerable<KeyValuePair<string, string?>>? settings = null, IReadOnlyDictionary<string, string>? providerKeys = null, Action<IServiceCollection>? services = null)
    {
        var data = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        var log = new TestLog();
        var folder = Product.TakeFolder(data);
        var app = Product.Build(data, builder =>
        {
            // Tests crowd the machine as they like, and block threads.
            builder.Configuration.AddInMemoryCollection([new("Proxy:ShedAfter", "00:01:00"), .. settings ?? []]);
            if (builder.Configuration["urls"] is null or "" or Product.DefaultUrl && !builder.Configuration.GetSection("Kestrel:Endpoints").Exists())
                builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders().AddProvider(log).SetMinimumLevel(LogLevel.Trace);
            // When it is built, after the product has registered everything: the last registration counts. Passwords of tests are hashed with few iterations: those of the
            // product take a third of a second each.
            builder.Host.ConfigureContainer<IServiceCollection>((_, registered) =>
            {
                registered.AddSingleton<IPasswordHasher<User>>(QuickHasher());
                var clocks = registered.Count(d => d.ServiceType == typeof(TimeProvider));
                services?.Invoke(registered);
                // Quartz 4.7.3 reads the system's clock beside the container's: with one that is a week ahead it works off one missed run for ever, and takes all memory. No job is scheduled then.
                if (registered.Count(d => d.ServiceType == typeof(TimeProvider)) > clocks)
                    registered.Remove(registered.Single(d => d.ImplementationType?.Name == "JobSchedule"));
            });
        });
        await app.StartAsync();
        var product = new TestProduct(app, folder, data, log);
        var made = await product.ProvisionAsync("test", providerKeys ?? new Dictionary<string, string>());
        (product.TenantId, product.LiveKey, product.TestKey, product.Token) = (made.TenantId, made.LiveKey.Secret, made.TestKey.Secret, made.ApiToken.Secret);
        return product;
    }

    /// <summary>Of few iterations.</summary>
    public static PasswordHasher<User> QuickHasher() => new(Options.Create(new PasswordHasherOptions { IterationCount = 1000 }));

    /// <summary>A further tenant.</summary>
    public async Task<TenantProvisioned> ProvisionAsync(string name, IReadOnlyDictionary<string, string> providerKeys, TenantPlan plan = TenantPlan.Pro)
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var made = await scope.ServiceProvider.GetRequiredService<IMediator>().Send(new ProvisionTenant(Caller.Operator, name, "owner@example.com", [.. providerKeys], "UTC", plan));
        return made.Value;
    }

    /// <summary>The ledger's row of a request as the API shows it. The client has its answer a moment before the call is settled: waits for that, ten seconds at most.</summary>
    public async Task<JsonElement> EventAsync(string requestId)
    {
        for (var tries = 0; ; tries++)
        {
            await FlushAsync();
            using var answer = await ApiAsync(HttpMethod.Get, $"usage/events/{requestId}");
            var text = await answer.Content.ReadAsStringAsync();
            if (answer.IsSuccessStatusCode)
                return JsonDocument.Parse(text).RootElement;
            if (tries == 1000)
                throw new InvalidOperationException($"{requestId}: {(int)answer.StatusCode} {text}");
            await Task.Delay(10);
        }
    }

    /// <summary>All events of the tenant, newest first.</summary>
    public async Task<IReadOnlyList<JsonElement>> EventsAsync(string query = "")
    {
        await FlushAsync();
        var (events, cursor) = (new List<JsonElement>(), "");
        do
        {
            using var answer = await ApiAsync(HttpMethod.Get, $"usage/events?limit=1000{query}{(cursor.Length > 0 ? "&cursor=" + Uri.EscapeDataString(cursor) : "")}");
            answer.EnsureSuccessStatusCode();
            var page = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
            events.AddRange(page.GetProperty("data").EnumerateArray());
            cursor = page.TryGetProperty("next_cursor", out var next) ? next.GetString() ?? "" : "";
        }
        while (cursor.Length > 0);
        return events;
    }

    public Task FlushAsync() => _app.Services.GetRequiredService<UsageRecorder>().FlushAsync(CancellationToken.None);

    public Task<HttpResponseMessage> ApiAsync(HttpMethod method, string path, HttpContent? content = null)
    {
        var request = new HttpRequestMessage(method, new Uri(Url, $"/api/v1/{path}")) { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        return Client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _folder.DisposeAsync();
        Directory.Delete(DataFolder, recursive: true);
    }
}
