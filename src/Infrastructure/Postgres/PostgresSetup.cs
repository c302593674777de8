using System.Data.Common;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Infrastructure.Postgres;

internal static class PostgresSetup
{
    /// <summary>What only PostgreSQL has: the pools, its schema and partitions, the context's provider, and how events are appended.</summary>
    public static IServiceCollection AddPostgres(this IServiceCollection services, string connectionString)
    {
        services.AddSingleton(_ => new PostgresDatabase(connectionString));
        services.AddSingleton<ISqlStore>(provider => provider.GetRequiredService<PostgresDatabase>());
        services.AddSingleton<PostgresPartitions>();
        services.AddSingleton<PostgresMigrator>();
        services.AddSingleton<IStoreMigrator>(provider => provider.GetRequiredService<PostgresMigrator>());
        services.AddDbContext<TokonomicsDbContext>((provider, options) =>
            options.UseNpgsql(provider.GetRequiredService<PostgresDatabase>().Source).AddInterceptors(OneWriter.Instance, new Broken(provider.GetRequiredService<PostgresDatabase>().Source)));
        services.AddSingleton<IUsageLedger, PostgresUsageLedger>();
        return services;
    }

    /// <summary>
    /// After a restart of the server every connection in the pool is dead, and each would fail one request. The first that fails takes the others out.
    /// </summary>
    private sealed class Broken(NpgsqlDataSource source) : DbCommandInterceptor
    {
        public override void CommandFailed(DbCommand command, CommandErrorEventData eventData) => Clear(eventData.Exception);

        public override Task CommandFailedAsync(DbCommand command, CommandErrorEventData eventData, CancellationToken cancellationToken = default)
        {
            Clear(eventData.Exception);
            return Task.CompletedTask;
        }

        private void Clear(Exception e)
        {
            if (e is NpgsqlException { InnerException: IOException } or PostgresException { SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown })
                source.Clear();
        }
    }

    /// <summary>
    /// Changes of tenants, keys and budgets are made one after the other, as on SQLite: the audit log counts its lines without a gap, and nodes see changes in
    /// the order of their numbers. The triggers take the same lock for those who come another way.
    /// </summary>
    private sealed class OneWriter : DbTransactionInterceptor
    {
        public static readonly OneWriter Instance = new();

        public override DbTransaction TransactionStarted(DbConnection connection, TransactionEndEventData eventData, DbTransaction result)
        {
            result.Execute("SELECT one_writer()");
            return result;
        }

        public override async ValueTask<DbTransaction> TransactionStartedAsync(DbConnection connection, TransactionEndEventData eventData, DbTransaction result, CancellationToken cancellationToken = default)
        {
            await using var command = result.Command("SELECT one_writer()");
            await command.ExecuteNonQueryAsync(cancellationToken);
            return result;
        }
    }
}
