using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Pricing;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Infrastructure;

/// <summary>What every host and every command stands on: the store, its secrets, the providers with their prices, the use cases.</summary>
public static class StoreSetup
{
    /// <summary>The data folder: <c>TOKONOMICS_DATA</c>, or <c>./data</c>.</summary>
    public static string DataFolder { get; } = Path.GetFullPath(Environment.GetEnvironmentVariable("TOKONOMICS_DATA") is { Length: > 0 } folder ? folder : "data");

    public static IServiceCollection AddStore(this IServiceCollection services, IConfiguration configuration, string data)
    {
        services.AddSingleton(TimeProvider.System);
        services.Configure<StoreOptions>(o => o.DataDirectory = data);
        services.AddSecrets(configuration);
        services.AddSqliteStore(configuration);
        services.AddProviders(configuration);
        services.AddSingleton<PriceVersions>();
        services.AddSingleton<IPriceVersions>(s => s.GetRequiredService<PriceVersions>());
        services.AddSingleton<TenantPrices>();
        services.AddSingleton<PriceOverrideLookup>(s => s.GetRequiredService<TenantPrices>().Find);
        services.AddSingleton<Rerate>();
        services.AddUseCases();
        return services;
    }
}
