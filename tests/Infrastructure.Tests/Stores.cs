using Tokonomics.Testing;

namespace Tokonomics.Tests;

/// <summary>A kind of store: the tests of what every store promises run on each, in the same words.</summary>
public interface IStoreKind
{
    /// <param name="beside">The other process whose data this one shares; null for data of its own.</param>
    Task<TempStore> NewAsync(TempStore? beside = null, bool withDirectory = true, Action<Dictionary<string, string?>>? settings = null);

    /// <summary>Another writer that doesn't finish until it is disposed.</summary>
    IDisposable BlockWriters(TempStore store);

    /// <summary>SQL that takes a trigger away.</summary>
    string DropTrigger(string name, string table);
}

public sealed class OnSqlite : IStoreKind
{
    public Task<TempStore> NewAsync(TempStore? beside = null, bool withDirectory = true, Action<Dictionary<string, string?>>? settings = null) =>
        Task.FromResult(new TempStore(beside?.Folder, withDirectory, settings));

    public IDisposable BlockWriters(TempStore store)
    {
        var connection = store.Database.OpenFile();
        connection.BeginTransaction(deferred: false);
        return connection;
    }

    public string DropTrigger(string name, string table) => $"DROP TRIGGER {name}";
}

public sealed class OnPostgres : IStoreKind
{
    public async Task<TempStore> NewAsync(TempStore? beside = null, bool withDirectory = true, Action<Dictionary<string, string?>>? settings = null)
    {
        if (beside is not null)
            return On(ConnectionString(beside), beside.Folder, withDirectory, settings);
        var server = await PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync();
        var store = On(database, null, withDirectory, settings);
        store.Gone = () => server.DropAsync(database);
        return store;
    }

    public static TempStore On(string connectionString, string? folder = null, bool withDirectory = true, Action<Dictionary<string, string?>>? settings = null) => new(folder, withDirectory, values =>
    {
        values["ConnectionStrings:Postgres"] = connectionString;
        settings?.Invoke(values);
    });

    public static string ConnectionString(TempStore store) =>
        store.Get<Microsoft.Extensions.Configuration.IConfiguration>()["ConnectionStrings:Postgres"]!;

    public IDisposable BlockWriters(TempStore store)
    {
        var connection = store.Open();
        connection.BeginTransaction();
        using var command = connection.CreateCommand();
        command.CommandText = "LOCK TABLE usage_events";
        command.ExecuteNonQuery();
        return connection;
    }

    public string DropTrigger(string name, string table) => $"DROP TRIGGER {name} ON {table}";
}
