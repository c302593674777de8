using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Users;
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
        var builder = HostSetup.CreateBuilder("Tokonomics.Standalone", DefaultUrl, null, configure);
        ProxyHost.Harden(builder);
        builder.Services.AddStore(builder.Configuration, data);
        builder.Services.AddProxy(builder.Configuration, data);
        builder.Services.AddPortal(builder.Configuration);
        builder.Services.AddWorkers(builder.Configuration);

        var app = builder.Build();
        app.ReadData();
        app.UseIngress();
        app.UseProxy();
        app.UsePortal();
        return app;
    }

    /// <summary>The store and the use cases alone, for a command.</summary>
    /// <param name="settings">Over those of the environment.</param>
    public static ServiceProvider BuildStore(string data, IEnumerable<KeyValuePair<string, string?>>? settings = null)
    {
        var configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddInMemoryCollection(settings ?? []).Build();
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(configuration);
        services.AddLogging(HostSetup.Quieten);
        services.AddStore(configuration, data);
        services.AddOptions<PortalOptions>().Bind(configuration.GetSection("Portal")); // the addresses that commands print
        services.AddNoKeyDirectory();
        services.AddUsers();
        var provider = services.BuildServiceProvider();
        provider.GetRequiredService<StoreStart>().Run();
        return provider;
    }

    /// <summary>Makes the data folder where it is missing, and takes it for this process alone.</summary>
    /// <exception cref="StartupException">It can't be written, or another process serves from it.</exception>
    public static FileStream TakeFolder(string data)
    {
        HostSetup.PrepareFolder(data);
        var path = Path.Combine(data, "serving.lock");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (UnauthorizedAccessException)
        {
            throw new StartupException($"the data folder {data} can't be written: give this user the right to, or name another in TOKONOMICS_DATA");
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new StartupException($"another Tokonomics serves from {data} already: stop it, or name another folder in TOKONOMICS_DATA and another port in ASPNETCORE_URLS");
        }
        catch (IOException e)
        {
            throw new StartupException($"the data folder {data} can't be used: {e.Message}; name another in TOKONOMICS_DATA");
        }
    }
}
