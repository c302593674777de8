using System.Net.Sockets;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Web.Portal;
using Tokonomics.Web.Proxy;
using Tokonomics.Workers;

namespace Tokonomics.Standalone;

/// <summary>
/// The three hosts in one process: on SQLite, one port, data in one folder. What a newcomer runs, and what a small team keeps.
/// </summary>
public static class Product
{
    public const string DefaultUrl = "http://localhost:8080";

    /// <summary>Everything that serves. The commands that look or change without serving take <see cref="BuildStore"/>.</summary>
    /// <param name="data">The data folder; it exists and can be written.</param>
    /// <param name="configure">Settings over those of the environment; tests give their own here.</param>
    public static WebApplication Build(string data, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, ApplicationName = "Tokonomics.Standalone" });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Proxy:SandboxBill"] = Path.Combine(data, "sandbox-bill.jsonl") });
        builder.Configuration.AddEnvironmentVariables();
        Quieten(builder.Logging);
        if (string.IsNullOrEmpty(builder.Configuration["urls"]) && !builder.Configuration.GetSection("Kestrel:Endpoints").Exists())
            builder.WebHost.UseUrls(DefaultUrl);
        configure?.Invoke(builder);
        if (builder.Configuration["Portal:PublicUrl"] is null && (builder.Configuration["urls"] ?? DefaultUrl).Split(';')[0] is var first && Uri.TryCreate(first.Replace("*", "localhost", StringComparison.Ordinal).Replace("+", "localhost", StringComparison.Ordinal), UriKind.Absolute, out _))
            builder.Configuration["Portal:PublicUrl"] = first.Replace("*", "localhost", StringComparison.Ordinal).Replace("+", "localhost", StringComparison.Ordinal);

        ProxyHost.Harden(builder);
        builder.Services.AddStore(builder.Configuration, data);
        builder.Services.AddHostedService(s => s.GetRequiredService<PriceVersions>());
        builder.Services.AddKeyDirectory();
        builder.Services.AddUsageRecorder(builder.Configuration);
        builder.Services.AddProxy(builder.Configuration);
        builder.Services.AddPortal(builder.Configuration);
        builder.Services.AddWorkers();

        var app = builder.Build();
        // What can't be read is said now, not to the first caller.
        app.Services.GetRequiredService<ProviderCatalogue>();
        app.Services.GetRequiredService<PriceBook>();
        app.UseIngress();
        app.UseHealth();
        app.UseProxy();
        app.UsePortal();
        return app;
    }

    /// <summary>The store and the use cases alone, for a command.</summary>
    public static ServiceProvider BuildStore(string data)
    {
        var configuration = new ConfigurationBuilder().AddEnvironmentVariables().Build();
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(configuration);
        services.AddLogging(Quieten);
        services.AddStore(configuration, data);
        services.AddNoKeyDirectory();
        var provider = services.BuildServiceProvider();
        provider.GetRequiredService<StoreStart>().Run();
        return provider;
    }

    private static void Quieten(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        logging.AddSimpleConsole(o => o.SingleLine = true);
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Quartz", LogLevel.Warning);
        logging.AddFilter("System", LogLevel.Warning);
        // Kestrel's own warnings can quote a request; none of it may stand in a log.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error);
        logging.AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning);
        // It logs the URL of each request, with whatever a client put there, and hangs its path on every line that is logged inside one.
        logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
    }

    /// <summary>Makes the data folder where it is missing, and takes it for this process alone.</summary>
    /// <exception cref="StartupException">It can't be written, or another process serves from it.</exception>
    public static FileStream TakeFolder(string data)
    {
        try
        {
            Directory.CreateDirectory(data);
            return new FileStream(Path.Combine(data, "serving.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (UnauthorizedAccessException)
        {
            throw new StartupException($"the data folder {data} can't be written: give this user the right to, or name another in TOKONOMICS_DATA");
        }
        catch (IOException e) when (e is not DirectoryNotFoundException && File.Exists(Path.Combine(data, "serving.lock")))
        {
            throw new StartupException($"another Tokonomics serves from {data} already: stop it, or name another folder in TOKONOMICS_DATA and another port in ASPNETCORE_URLS");
        }
        catch (IOException e)
        {
            throw new StartupException($"the data folder {data} can't be used: {e.Message}; name another in TOKONOMICS_DATA");
        }
    }

    /// <summary>What a failure to start means to whoever started it; null where nothing more can be said.</summary>
    public static string? Explain(Exception failure) => failure switch
    {
        StartupException e => e.Message,
        IOException { InnerException: { } inner } when inner.GetBaseException() is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } || failure.Message.Contains("already in use", StringComparison.Ordinal) =>
            $"{failure.Message.TrimEnd('.')}: another program listens there; stop it, or choose another address with ASPNETCORE_URLS=http://localhost:8081",
        _ when failure.GetBaseException() is SocketException { SocketErrorCode: SocketError.AccessDenied } => $"{failure.GetBaseException().Message}: this user may not listen there; choose a port above 1023 in ASPNETCORE_URLS",
        System.Data.Common.DbException => $"the database can't be used: {failure.Message}",
        InvalidOperationException or FormatException or Application.Pricing.PriceSheetException or Microsoft.Extensions.Options.OptionsValidationException => failure.Message,
        _ => null,
    };
}

/// <summary>The product can't start; the message says why and what to do.</summary>
public sealed class StartupException(string message) : Exception(message);
