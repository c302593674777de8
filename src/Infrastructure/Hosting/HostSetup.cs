using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Pricing;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Telemetry;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>What the proxy, the portal, the workers and the three in one have in common as processes: how they start, stop, fail and tell how they are.</summary>
public static class HostSetup
{
    /// <summary>An argument of every builder. To watch the files of settings, .NET watches each folder below the one that it was started in: every write to the journal there would be told to it.</summary>
    public const string SettingsReadOnce = "--hostBuilder:reloadConfigOnChange=false";

    /// <summary>A builder with everything but the host's own pieces.</summary>
    /// <param name="application">The assembly's name.</param>
    /// <param name="url">Where it listens when no setting says so.</param>
    /// <param name="defaults">Settings beneath all others.</param>
    /// <param name="configure">Settings over all others; tests give their own here.</param>
    public static WebApplicationBuilder CreateBuilder(string application, string url, IEnumerable<KeyValuePair<string, string?>>? defaults = null, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, ApplicationName = application, Args = [SettingsReadOnce] });
        builder.Configuration.AddInMemoryCollection(defaults ?? []);
        builder.Configuration.AddEnvironmentVariables();
        // ASP.NET's own switch would believe X-Forwarded-* of everybody; here Proxy:TrustedProxies says whom to believe.
        builder.Configuration["FORWARDEDHEADERS_ENABLED"] = "false";
        Quieten(builder.Logging);
        if (string.IsNullOrEmpty(builder.Configuration["urls"]) && !builder.Configuration.GetSection("Kestrel:Endpoints").Exists())
            builder.WebHost.UseUrls(url);
        configure?.Invoke(builder);
        builder.Configuration["Portal:PublicUrl"] ??= PublicUrl(builder.Configuration, url);
        if (builder.Configuration.GetConnectionString("Postgres") is { Length: > 0 })
            Descriptors.LoadReferencesOf(typeof(Npgsql.NpgsqlConnection).Assembly);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = Descriptors.MaxConnections();
        });
        AddDrain(builder);
        builder.AddTelemetry();
        builder.Services.AddOptions<TransportOptions>().Bind(builder.Configuration.GetSection("Proxy")).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<TransportOptions>, TransportOptions.Check>();
        return builder;
    }

    /// <summary>What every request passes first in every host: the drain's farewell, the probes, the metrics, and the question of TLS.</summary>
    /// <param name="refusePlain">Answers a call over plain http in the caller's own language, given what to say; false leaves it to the others.</param>
    public static void UseHosting(this WebApplication app, Func<HttpContext, string, Task<bool>>? refusePlain = null)
    {
        app.UseConnectionRoom();
        app.UseResetGuard();
        app.UseDrain();
        app.UseProbes();
        app.UseTelemetry();
        app.UseTransport(refusePlain);
    }

    /// <summary>Serves until told to stop. What keeps it from starting is one sentence on standard error.</summary>
    /// <param name="started">Says that it serves; null for one line.</param>
    /// <returns>The process's exit code: 0 after an orderly end, 1 where it could not start.</returns>
    public static async Task<int> RunAsync(Func<WebApplication> build, Func<WebApplication, CancellationToken, Task>? started = null, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var app = build();
            try
            {
                await app.StartAsync(cancellationToken);
                if (started is not null)
                    await started(app, cancellationToken);
                else
                    await Console.Out.WriteLineAsync($"{app.Environment.ApplicationName} {ProductVersion.Text} serves on {string.Join(", ", app.Urls)}. Ctrl+C stops it.");
            }
            catch (Exception e)
            {
                var told = app.Lifetime.ApplicationStopping.IsCancellationRequested || cancellationToken.IsCancellationRequested;
                // What has started ends in order: the journal is closed, and nothing faults while it is taken apart. Services that a signal caught
                // in their start report that as a cancellation once more.
                try
                {
                    await app.StopAsync(CancellationToken.None);
                }
                catch (OperationCanceledException)
                {
                }

                if (told && e is OperationCanceledException)
                    return 0; // told to stop while it was starting
                throw;
            }

            await app.WaitForShutdownAsync(cancellationToken);
            return 0;
        }
        catch (Exception e) when (Explain(e) is { } why)
        {
            await Console.Error.WriteLineAsync($"tokonomics: {why}");
            return 1;
        }
    }

    /// <summary>Logs one line each, without what the frameworks tell of requests; in another of .NET's formats where <c>Logging:Console:FormatterName</c> says so.</summary>
    public static void Quieten(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        // AddSimpleConsole would put its own format over the setting's.
        logging.AddConsole();
        logging.Services.Configure<ConsoleLoggerOptions>(o => o.FormatterName ??= ConsoleFormatterNames.Simple);
        logging.Services.Configure<SimpleConsoleFormatterOptions>(o => o.SingleLine = true);
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", LogLevel.Warning);
        logging.AddFilter("Quartz", LogLevel.Warning);
        logging.AddFilter("System", LogLevel.Warning);
        // Kestrel's own warnings can quote a request; none of it may stand in a log.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error);
        // A client that resets its requests makes it say a critical line for each, 1,700 a second.
        logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.Http2", LogLevel.None);
        logging.AddFilter("Microsoft.Hosting.Lifetime", LogLevel.Warning);
        // A start that fails is said in one sentence (RunAsync), not with a stack trace before it.
        logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        // Its ring is sealed by the master key as it is stored, which it doesn't see.
        logging.AddFilter("Microsoft.AspNetCore.DataProtection.KeyManagement.XmlKeyManager", LogLevel.Error);
        // It says that it sets Cache-Control on pages with forms, each time.
        logging.AddFilter("Microsoft.AspNetCore.Antiforgery", LogLevel.Error);
        // It logs the URL of each request, with whatever a client put there, and hangs its path on every line that is logged inside one.
        logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
    }

    /// <summary>Makes the data folder where it is missing.</summary>
    /// <exception cref="StartupException">It can't be.</exception>
    public static void PrepareFolder(string data)
    {
        try
        {
            OwnFiles.MakeFolder(data);
        }
        catch (UnauthorizedAccessException)
        {
            throw new StartupException($"the data folder {data} can't be written: give this user the right to, or name another in TOKONOMICS_DATA");
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
        System.Security.Cryptography.CryptographicException or FileNotFoundException or DirectoryNotFoundException => $"{failure.Message.TrimEnd('.')}: a certificate that Kestrel's settings name can't be read; see Kestrel:Endpoints and Kestrel:Certificates",
        UnauthorizedAccessException => $"{failure.Message.TrimEnd('.')}: give this user the right to, or name another data folder in TOKONOMICS_DATA",
        System.Data.Common.DbException => $"the database can't be used: {failure.Message}",
        InvalidOperationException or FormatException or PriceSheetException or OptionsValidationException => failure.Message,
        _ => null,
    };

    // Of several addresses people are sent to the one with TLS.
    private static string PublicUrl(ConfigurationManager configuration, string url)
    {
        var addresses = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"]).OfType<string>().ToList();
        if (addresses.Count == 0)
            addresses = [.. (configuration["urls"] is { Length: > 0 } urls ? urls : url).Split(';')];
        var best = (addresses.Find(a => a.StartsWith("https:", StringComparison.OrdinalIgnoreCase)) ?? addresses[0])
            .Replace("*", "localhost", StringComparison.Ordinal).Replace("+", "localhost", StringComparison.Ordinal)
            .Replace("0.0.0.0", "localhost", StringComparison.Ordinal).Replace("[::]", "localhost", StringComparison.Ordinal);
        return Uri.TryCreate(best, UriKind.Absolute, out _) ? best : url;
    }

    private static void AddDrain(WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<DrainOptions>().Bind(builder.Configuration.GetSection("Drain"))
            .Validate(o => o.Problem() is null, "Drain: Notice is 0 to 5 min, Timeout 0 to 1 h.")
            .ValidateOnStart();
        builder.Services.AddSingleton<Drain>();
        builder.Services.AddHostedService(s => s.GetRequiredService<Drain>());
        // Each part of the end has a limit of its own; the host's is beyond them all, so that it is never the one to cut off.
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<DrainOptions>, IOptions<RecorderOptions>>((host, drain, recorder) =>
            host.ShutdownTimeout = drain.Value.Notice + drain.Value.Timeout + recorder.Value.ShutdownTimeout + TimeSpan.FromSeconds(15));
        builder.Services.AddSingleton<ListenSockets>();
        builder.Services.AddOptions<SocketTransportOptions>().Configure<ListenSockets>((sockets, kept) => (sockets.CreateBoundListenSocket, sockets.Backlog) = (kept.Create, ListenSockets.Backlog));
        builder.Services.AddSingleton<ConnectionRoom>();
        builder.WebHost.ConfigureKestrel((_, kestrel) => kestrel.ConfigureEndpointDefaults(listen =>
        {
            listen.Use(next => connection => kestrel.ApplicationServices.GetRequiredService<Drain>().WatchAsync(connection, next));
            listen.Use(next => connection => kestrel.ApplicationServices.GetRequiredService<ConnectionRoom>().WatchAsync(connection, next));
        }));
    }
}

/// <summary>The product can't start; the message says why and what to do.</summary>
public sealed class StartupException(string message) : Exception(message);
