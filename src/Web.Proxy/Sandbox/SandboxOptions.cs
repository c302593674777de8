namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>How one <see cref="SandboxServer"/> runs.</summary>
public sealed record SandboxOptions
{
    /// <summary>The bill's file, appended to; its folder is created. Null: the bill is kept in memory only.</summary>
    public string? BillPath { get; init; }

    /// <summary>The port on 127.0.0.1; 0 takes a free one.</summary>
    public int Port { get; init; }

    public SandboxPace Pace { get; init; } = SandboxPace.Default;

    /// <summary>The largest request body that is read.</summary>
    public long MaxBodyBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>How many of the last requests <see cref="SandboxServer.Requests"/> remembers, headers and body. 0: none, as it must be outside tests.</summary>
    public int RememberRequests { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>How fast answers come.</summary>
/// <param name="FirstByte">From the request to the answer's first byte.</param>
/// <param name="PerChunk">Before each streamed chunk.</param>
public sealed record SandboxPace(TimeSpan FirstByte, TimeSpan PerChunk)
{
    public static SandboxPace Default { get; } = new(TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(2));

    /// <summary>As fast as the machine goes; for load tests.</summary>
    public static SandboxPace None { get; } = new(TimeSpan.Zero, TimeSpan.Zero);
}

/// <summary>A request as it reached the sandbox, for tests that assert what a proxy let through.</summary>
public sealed record SandboxRequest(
    string Id,
    string Method,
    string PathAndQuery,
    IReadOnlyDictionary<string, string> Headers,
    ReadOnlyMemory<byte> Body);
