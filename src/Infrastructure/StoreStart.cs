using Microsoft.Extensions.Hosting;
using Tokonomics.Infrastructure.Secrets;

namespace Tokonomics.Infrastructure;

/// <summary>Brings the schema up to date and makes sure that the keys at hand are the ones the database was written with.</summary>
public sealed class StoreStart(IStoreMigrator migrator, ISqlStore store, MasterKeyRing ring) : IHostedService
{
    /// <summary>Where a store was moved to; nothing where it wasn't.</summary>
    internal const string MovedTo = "SELECT value FROM store_facts WHERE name = 'moved_to'";

    /// <exception cref="InvalidOperationException">The database is of another version, was written with another pepper, or was moved elsewhere.</exception>
    public void Run()
    {
        migrator.Migrate();
        using var connection = store.Open();
        if (connection.Scalar(MovedTo) is string elsewhere)
            throw new InvalidOperationException($"{store.Place} was moved to {elsewhere}, and what happened since is there: set ConnectionStrings:Postgres to it. To go back to how it was before the move, delete the fact: sqlite3 {store.Place} \"DELETE FROM store_facts WHERE name = 'moved_to'\".");
        var written = Written();
        if (written is not null && !ring.Exists)
            throw new InvalidOperationException($"{ring.Source} is missing, and {store.Place} was written with the keys in it. Restore it from your backup, or from the node that made it: without it no key is recognised and no secret can be opened.");
        var mine = ring.PepperFingerprint();
        if (written is null)
        {
            using var command = connection.Command(null, "INSERT INTO store_facts (name, value) VALUES ('pepper_check', @mine) ON CONFLICT (name) DO NOTHING", ("@mine", mine));
            command.ExecuteNonQuery();
            written = Written(); // another node may have been first
        }

        if (written != mine)
            throw new InvalidOperationException($"{ring.Source} is not the one that {store.Place} was written with (pepper {mine[..8]}, the database has {written![..8]}): no metering key would be recognised. Put the right one in place.");

        string? Written() => connection.Scalar("SELECT value FROM store_facts WHERE name = 'pepper_check'") as string;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(Run, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
