using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Idempotency;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Infrastructure.Secrets;
using Microsoft.Extensions.Options;

namespace Tokonomics.Infrastructure.Sqlite;

public static class SqliteSetup
{
    /// <summary>
    /// The store on SQLite: schema, tenants' data, ledger, its questions and its verification. Reads the settings under <c>Store</c> and
    /// <c>Endpoints</c>. Register it before the key directory and the recorder: its hosted service brings the schema up to date first.
    /// A program without a host calls <see cref="StoreStart.Run"/> itself.
    /// </summary>
    public static IServiceCollection AddSqliteStore(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<StoreOptions>().Bind(configuration.GetSection("Store"))
            .Validate(o => o.Problem() is null, "Store: DataDirectory must be set, BusyTimeout is 100 ms to 60 s.")
            .ValidateOnStart();
        services.AddOptions<EndpointOptions>().Bind(configuration.GetSection("Endpoints"))
            .Validate(o => o.MaxPerTenant is >= 1 and <= 1000, "Endpoints:MaxPerTenant must be 1 to 1000.")
            .ValidateOnStart();
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<EndpointOptions>>().Value);
        services.AddSingleton<SqliteDatabase>();
        services.AddSingleton<SqliteMigrator>();
        services.AddSingleton<StoreStart>();
        services.AddHostedService(provider => provider.GetRequiredService<StoreStart>());
        services.AddDbContext<TokonomicsDbContext>((provider, options) =>
        {
            var database = provider.GetRequiredService<SqliteDatabase>();
            options.UseSqlite(database.ConnectionString).AddInterceptors(new SqliteDatabase.Pragmas(database));
        });
        services.AddSingleton<IUsageLedger, SqliteUsageLedger>();
        services.AddSingleton<IBudgetTruth, SqliteBudgetTruth>();
        services.AddSingleton<IIdempotencyKeys, SqliteIdempotencyKeys>();
        services.AddSingleton<IUsageQueries, SqliteUsageQueries>();
        services.AddSingleton<ILedgerVerification, LedgerVerification>();
        services.AddSingleton<IPriceOverrideReader, PriceOverrideReader>();
        services.AddSingleton<IDirectorySource, SqliteDirectorySource>();
        return services;
    }
}

/// <summary>Brings the schema up to date and makes sure that the keys at hand are the ones the database was written with.</summary>
public sealed class StoreStart(SqliteMigrator migrator, SqliteDatabase database, MasterKeyRing ring) : IHostedService
{
    /// <exception cref="InvalidOperationException">The database is of another version, or was written with another pepper.</exception>
    public void Run()
    {
        migrator.Migrate();
        using var connection = database.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT value FROM store_facts WHERE name = 'pepper_check'";
        var written = command.ExecuteScalar() as string;
        if (written is not null && !ring.Exists)
            throw new InvalidOperationException($"{ring.Source} is missing, and {database.FilePath} was written with the keys in it. Restore it from your backup: without it no key is recognised and no secret can be opened.");
        var mine = ring.PepperFingerprint();
        if (written is not null && written != mine)
            throw new InvalidOperationException($"{ring.Source} is not the one that {database.FilePath} was written with (pepper {mine[..8]}, the database has {written[..8]}): no metering key would be recognised. Put the right one in place.");
        command.CommandText = "INSERT INTO store_facts (name, value) VALUES ('pepper_check', $mine) ON CONFLICT (name) DO NOTHING";
        command.Parameters.AddWithValue("$mine", mine);
        command.ExecuteNonQuery();
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(Run, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
