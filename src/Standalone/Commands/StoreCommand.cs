using Microsoft.Extensions.Options;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Standalone.Commands;

/// <summary>What the commands that work on the store have in common: the folder, the services, and how they fail.</summary>
internal static class StoreCommand
{
    public static Task<int> RunAsync(Func<IServiceProvider, Task<int>> work) => GuardAsync(
        async () =>
        {
            OwnFiles.MakeFolder(StoreSetup.DataFolder);
            await using var services = Product.BuildStore(StoreSetup.DataFolder);
            await using var scope = services.CreateAsyncScope();
            return await work(scope.ServiceProvider);
        },
        e => $"the data folder {StoreSetup.DataFolder} can't be used: {e.Message}");

    /// <summary>For those that take SQLite's file as a file, and not as the store of this installation.</summary>
    public static Task<int> OnFileAsync(Func<SqliteDatabase, Task<int>> work) => GuardAsync(
        async () =>
        {
            if (!File.Exists(Path.Combine(StoreSetup.DataFolder, "tokonomics.db")))
                return await FailAsync($"there is no tokonomics.db in {StoreSetup.DataFolder}: name its folder in TOKONOMICS_DATA");
            using var database = new SqliteDatabase(Options.Create(new StoreOptions { DataDirectory = StoreSetup.DataFolder }));
            return await work(database);
        },
        e => HostSetup.Explain(e) ?? e.Message);

    private static async Task<int> GuardAsync(Func<Task<int>> work, Func<Exception, string> ofDisk)
    {
        try
        {
            return await work();
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return await FailAsync(ofDisk(e));
        }
        catch (Exception e) when (HostSetup.Explain(e) is { } why)
        {
            return await FailAsync(why);
        }
    }

    public static async Task<int> FailAsync(string message)
    {
        await Console.Error.WriteLineAsync($"tokonomics: {message}");
        return 1;
    }
}
