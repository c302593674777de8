using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Infrastructure.Sqlite;

internal static class SqliteSetup
{
    /// <summary>What only SQLite has: the file, its schema, the context's provider, and how events are appended.</summary>
    public static IServiceCollection AddSqlite(this IServiceCollection services)
    {
        services.AddSingleton<SqliteDatabase>();
        services.AddSingleton<ISqlStore>(provider => provider.GetRequiredService<SqliteDatabase>());
        services.AddSingleton<IStoreMigrator, SqliteMigrator>();
        services.AddDbContext<TokonomicsDbContext>((provider, options) =>
        {
            var database = provider.GetRequiredService<SqliteDatabase>();
            options.UseSqlite(database.ConnectionString).AddInterceptors(new SqliteDatabase.Pragmas(database));
        });
        services.AddSingleton<IUsageLedger, SqliteUsageLedger>();
        return services;
    }
}
