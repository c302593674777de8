using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Ledger;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>move --to</c>: from the SQLite file to PostgreSQL, everything in one transaction, checked before the file is left.</summary>
internal static class Move
{
    public static Command Command()
    {
        var target = new Option<string>("--to") { Description = "The connection string of an empty PostgreSQL database: Host=…;Database=…;Username=…;Password=…", Required = true };
        var command = new Command("move", "Moves everything from SQLite to an empty PostgreSQL database. Stop the product first; what its journal still has is shipped there at the next start.") { target };
        command.SetAction((parse, cancellationToken) => StoreCommand.OnFileAsync(async from =>
        {
            await using var folder = Product.TakeFolder(StoreSetup.DataFolder);
            return await RunAsync(from, parse.GetValue(target)!, cancellationToken);
        }));
        return command;
    }

    private static async Task<int> RunAsync(SqliteDatabase from, string connectionString, CancellationToken cancellationToken)
    {
        // 1. Both of this program's version.
        using var to = new PostgresDatabase(connectionString);
        var partitions = new PostgresPartitions(to, TimeProvider.System, NullLogger<PostgresPartitions>.Instance);
        var move = new PostgresMove(from, to, partitions);
        new SqliteMigrator(from, TimeProvider.System).Migrate();
        new PostgresMigrator(to, partitions, TimeProvider.System).Migrate();

        // 2. All of it.
        var tables = move.Run(t => Console.Out.WriteLine($"{t.Rows,12:N0}  {t.Name}"));

        // 3. What arrived holds.
        await using (var services = Product.BuildStore(StoreSetup.DataFolder, [new("ConnectionStrings:Postgres", connectionString)]))
        {
            var report = await services.GetRequiredService<ILedgerVerification>().RunAsync(null, cancellationToken);
            foreach (var finding in report.Findings)
                await Console.Out.WriteLineAsync($"BROKEN  {finding.Check}: {finding.Row}");
            if (!report.Intact)
                return await StoreCommand.FailAsync($"everything was copied to {to.Place}, and not all of it holds there. Run `tokonomics verify` on the file: what was broken before is broken now. The file goes on as it was.");
            await Console.Out.WriteLineAsync($"{tables.Sum(t => t.Rows):N0} rows of {tables.Count} tables are in {to.Place}, and all {report.Checks.Count} invariants hold there.");
        }

        // 4. Nobody starts on the file by mistake.
        move.Leave();
        await Console.Out.WriteLineAsync($"Start with ConnectionStrings__Postgres set, and with the same data folder: its master.key opens the secrets, and its journal goes to PostgreSQL. {from.Place} stays as it is, and nothing starts on it any more.");
        return 0;
    }
}
