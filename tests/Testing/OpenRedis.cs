using StackExchange.Redis;

namespace Tokonomics.Testing;

/// <summary>A connection that ends at once: the library's own end first waits for all that its timeout gives.</summary>
public sealed class OpenRedis : IDisposable
{
    private OpenRedis(ConnectionMultiplexer connection) => Connection = connection;

    public ConnectionMultiplexer Connection { get; }

    public static async Task<OpenRedis> AsAsync(string connectionString) => new(await ConnectionMultiplexer.ConnectAsync(connectionString));

    public void Dispose()
    {
        Connection.Close(allowCommandsToComplete: false);
        Connection.Dispose();
    }
}
