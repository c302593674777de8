using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Standalone.Commands;

/// <summary>What the commands that work on the store have in common: the folder, the services, and how they fail.</summary>
internal static class StoreCommand
{
    public static async Task<int> RunAsync(Func<IServiceProvider, Task<int>> work)
    {
        try
        {
            Directory.CreateDirectory(StoreSetup.DataFolder);
            await using var services = Product.BuildStore(StoreSetup.DataFolder);
            await using var scope = services.CreateAsyncScope();
            return await work(scope.ServiceProvider);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            return await FailAsync($"the data folder {StoreSetup.DataFolder} can't be used: {e.Message}");
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
