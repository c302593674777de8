using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Idempotency;
using Tokonomics.Application.Jobs;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Billing;
using Tokonomics.Infrastructure.Budgets;
using Tokonomics.Infrastructure.Idempotency;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Jobs;
using Tokonomics.Infrastructure.Keys;
using Tokonomics.Infrastructure.Ledger;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Infrastructure.Routing;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;
using Tokonomics.Infrastructure.Tenants;

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
        services.AddTenantStore(configuration);
        services.AddProviders(configuration);
        services.AddSingleton<PriceVersions>();
        services.AddSingleton<IPriceVersions>(s => s.GetRequiredService<PriceVersions>());
        services.AddSingleton<TenantPrices>();
        services.AddSingleton<PriceOverrideLookup>(s => s.GetRequiredService<TenantPrices>().Find);
        services.AddSingleton<Rerate>();
        services.AddUseCases();
        return services;
    }

    /// <summary>
    /// The store alone: schema, tenants' data, ledger, budgets, their questions and their verification. On PostgreSQL where
    /// <c>ConnectionStrings:Postgres</c> is set, otherwise on SQLite in the data folder. Reads the settings under <c>Store</c>,
    /// <c>Endpoints</c>, <c>Routes</c> and <c>Tenants</c>. Register it before the key directory and the recorder: its hosted service brings the schema up to date first.
    /// A program without a host calls <see cref="StoreStart.Run"/> itself.
    /// </summary>
    public static IServiceCollection AddTenantStore(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<StoreOptions>().Bind(configuration.GetSection("Store"))
            .Validate(o => o.Problem() is null, "Store: DataDirectory must be set, BusyTimeout is 100 ms to 60 s.")
            .ValidateOnStart();
        services.AddOptions<EndpointOptions>().Bind(configuration.GetSection("Endpoints"))
            .Validate(o => o.MaxPerTenant is >= 1 and <= 1000, "Endpoints:MaxPerTenant must be 1 to 1000.")
            .ValidateOnStart();
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<EndpointOptions>>().Value);
        services.AddOptions<ModelRouteOptions>().Bind(configuration.GetSection("Routes"))
            .Validate(o => o.MaxPerTenant is >= 1 and <= 1000, "Routes:MaxPerTenant must be 1 to 1000.")
            .ValidateOnStart();
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<ModelRouteOptions>>().Value);
        services.AddOptions<TenantOptions>().Bind(configuration.GetSection("Tenants"))
            .Validate(o => o.Problem() is null, "Tenants:DeletionGrace is 0 to 365 days.")
            .ValidateOnStart();
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<TenantOptions>>().Value);
        services.AddBilling(configuration);
        services.AddAlerts(configuration);
        if (configuration.GetConnectionString("Postgres") is { Length: > 0 } postgres)
            services.AddPostgres(postgres);
        else
            services.AddSqlite();
        services.AddSingleton<StoreStart>();
        services.AddHostedService(provider => provider.GetRequiredService<StoreStart>());
        services.AddSingleton<IBudgetTruth, SqlBudgetTruth>();
        services.AddSingleton<IIdempotencyKeys, SqlIdempotencyKeys>();
        services.AddSingleton<UsageQueries>();
        services.AddSingleton<SpendQueries>();
        services.AddSingleton<ISpendHours, SpendHours>();
        services.AddSingleton<BudgetForecasts>();
        services.AddHistoryByPlan();
        services.AddSingleton<IPalettePlaces, SqlPalettePlaces>();
        services.AddSingleton<IKeyUsage, KeyUsage>();
        services.AddSingleton<IBudgetHistory, SqlBudgetHistory>();
        services.AddSingleton<IWatchedBudgets, SqlWatchedBudgets>();
        services.AddSingleton<ForecastBudgets>();
        services.AddSingleton<IDigestTenants, SqlDigestTenants>();
        services.AddSingleton<WeeklyDigest>();
        services.AddSingleton<IRetention, Retention>();
        services.AddSingleton<AuditAppender>();
        services.AddSingleton<ITenantData, TenantData>();
        services.AddSingleton<IOperation, SqlOperation>();
        services.AddSingleton<IJobRuns, SqlJobRuns>();
        services.AddSingleton<IRefusals, SqlRefusals>();
        services.AddSingleton<IRoutingStore, SqlRoutingStore>();
        services.AddSingleton<RoutingLearner>();
        services.AddSingleton<ILedgerVerification, LedgerVerification>();
        services.AddSingleton<IPriceOverrideReader, PriceOverrideReader>();
        services.AddSingleton<IDirectorySource, SqlDirectorySource>();
        return services;
    }
}
