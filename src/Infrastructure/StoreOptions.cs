namespace Tokonomics.Infrastructure;

/// <summary>Settings under <c>Store</c>.</summary>
public sealed class StoreOptions
{
    /// <summary>Holds the journal, <c>master.key</c> and, where no other store is named, <c>tokonomics.db</c>; made where it doesn't exist.</summary>
    public string DataDirectory { get; set; } = "data";

    /// <summary>SQLite: how long a writer waits for another process to finish its transaction. 100 ms to 60 s.</summary>
    public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(10);

    internal string? Problem() =>
        string.IsNullOrWhiteSpace(DataDirectory) ? "Store:DataDirectory is empty."
        : BusyTimeout < TimeSpan.FromMilliseconds(100) || BusyTimeout > TimeSpan.FromSeconds(60) ? $"Store:BusyTimeout is {BusyTimeout}; it must be 100 ms to 60 s."
        : null;
}
