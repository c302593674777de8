using System.CommandLine;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>backup --to</c>: the database and the master key into a folder, while the product serves. PostgreSQL has tools of its own for this.</summary>
internal static class Backup
{
    public static Command Command()
    {
        var target = new Option<string>("--to") { Description = "A folder that has no backup yet; it is made where it is missing", Required = true };
        var command = new Command("backup", "Copies the SQLite database as it is at this moment, and the master key, while the product serves.") { target };
        command.SetAction((parse, _) => Environment.GetEnvironmentVariable("ConnectionStrings__Postgres") is { Length: > 0 }
            ? StoreCommand.FailAsync("the store is PostgreSQL: back it up by pg_dump or by your server's own means, and keep master.key with it; see docs/operations/backup.md")
            : StoreCommand.OnFileAsync(database => RunAsync(database, Path.GetFullPath(parse.GetValue(target)!))));
        return command;
    }

    private static async Task<int> RunAsync(SqliteDatabase database, string folder)
    {
        OwnFiles.MakeFolder(folder);
        var copy = Path.Combine(folder, "tokonomics.db");
        // The keys first: a database without its keys opens no secret and knows no key.
        var keys = Path.Combine(StoreSetup.DataFolder, "master.key");
        if (File.Exists(keys))
            File.Copy(keys, Path.Combine(folder, "master.key"));
        new SqliteBackup(database).Run(copy);
        await Console.Out.WriteLineAsync($"{copy} ({new FileInfo(copy).Length:N0} bytes){(File.Exists(keys) ? " and master.key, which opens what is sealed in it: keep this folder as you would keep the keys themselves" : "; its keys are in Secrets:MasterKey and Secrets:Pepper, keep those with it")}.");
        return 0;
    }
}
