using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tokonomics.Web.Proxy.Sandbox;

/// <summary>How a call ended, as the sandbox saw it.</summary>
public enum SandboxOutcome
{
    /// <summary>Accepted and not ended: still running, or the process died.</summary>
    Open,
    Ok,

    /// <summary>Refused before any output. Costs nothing.</summary>
    Error,

    /// <summary>The client closed the connection.</summary>
    ClientGone,

    /// <summary>The sandbox broke off on purpose.</summary>
    Cut,
}

/// <summary>One call on the bill. <see cref="CostNanoUsd"/> is null where the sandbox has no rate for it.</summary>
public sealed record SandboxBillLine
{
    public required long Sequence { get; init; }

    /// <summary>What the answer carried as <c>x-request-id</c>; a ledger has it as the provider's request id.</summary>
    public required string Id { get; init; }

    /// <summary>What the caller sent as <c>X-Client-Request-Id</c>: finds a call whose answer nobody saw. Null where it is none, or no id.</summary>
    public string? ClientRequestId { get; init; }

    public required DateTimeOffset At { get; init; }

    public string? Model { get; init; }

    public required string Dialect { get; init; }

    public bool Stream { get; init; }

    public SandboxOutcome Outcome { get; init; }

    /// <summary>The HTTP status; 0 where none was sent.</summary>
    public int Status { get; init; }

    /// <summary>What was generated, delivered or not: this is what is charged.</summary>
    public SandboxUnits Units { get; init; } = new();

    /// <summary>Output tokens, reasoning included, that were written to the connection before it closed.</summary>
    public long DeliveredOutput { get; init; }

    /// <summary>The answer's final usage was written to the connection: from here on both sides must agree to the nano-dollar.</summary>
    public bool UsageDelivered { get; init; }

    public long? CostNanoUsd { get; init; }
}

/// <summary>
/// The sandbox's own record of what it did and what that cost: the witness that the ledger is compared with. JSON lines, only ever appended:
/// one when a call is accepted, one before its answer's first byte with what
/// the input costs, one when it ends, each in a single write, so that a kill loses no line that was there. Never a prompt, never a key.
/// </summary>
public sealed class SandboxBill : IDisposable
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly Lock _gate = new();
    private readonly FileStream? _file;
    private readonly Dictionary<string, SandboxBillLine> _open = [];
    private readonly List<SandboxBillLine> _ended = [];
    private readonly bool _keep;
    private long _sequence;
    private long _total;

    /// <summary>Opens the bill and goes on after what stands in it.</summary>
    public SandboxBill(string? path)
    {
        _keep = path is null;
        if (path is null) return;
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder) Directory.CreateDirectory(folder);
        foreach (var line in File.Exists(path) ? Read(path) : [])
        {
            _sequence = Math.Max(_sequence, line.Sequence);
            _total += line.CostNanoUsd ?? 0;
        }

        _file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        if (EndsInsideALine(path)) _file.Write("\n"u8);
    }

    /// <summary>Nano-dollars of all calls that have ended, those of earlier runs on the same file included; calls without a rate count 0.</summary>
    public long TotalNanoUsd
    {
        get { lock (_gate) return _total; }
    }

    /// <summary>Calls accepted and not ended.</summary>
    public int OpenCalls
    {
        get { lock (_gate) return _open.Count; }
    }

    /// <summary>The bill so far, in the order of acceptance.</summary>
    public IReadOnlyList<SandboxBillLine> Lines
    {
        get
        {
            lock (_gate) return _file is not null ? Read(_file.Name) : [.. _ended.Concat(_open.Values).OrderBy(l => l.Sequence)];
        }
    }

    /// <summary>Reads a bill, also while it is being written and after a kill. A call without its second line is <see cref="SandboxOutcome.Open"/>.</summary>
    public static IReadOnlyList<SandboxBillLine> Read(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file);
        var calls = new Dictionary<string, SandboxBillLine>();
        while (reader.ReadLine() is { } text)
        {
            // A line that was cut by a kill, or is being written right now, is not yet a line.
            if (TryParse(text) is not { } line) continue;
            calls[line.Id] = line;
        }

        return [.. calls.Values.OrderBy(l => l.Sequence)];
    }

    /// <summary>The bill's file in a data folder: processes that share one have each their own, for lines of two writers would cut each other.</summary>
    public static string FileName(string? node) => string.IsNullOrEmpty(node) ? "sandbox-bill.jsonl" : $"sandbox-bill-{node}.jsonl";

    internal SandboxBillLine Accept(string run, DateTimeOffset at, string? model, string dialect, bool stream, string? clientRequestId = null)
    {
        lock (_gate)
        {
            var sequence = ++_sequence;
            var line = new SandboxBillLine { Sequence = sequence, Id = $"sbx_{run}{sequence:D8}", At = at, Model = model, Dialect = dialect, Stream = stream, ClientRequestId = clientRequestId };
            _open.Add(line.Id, line);
            Append(line);
            return line;
        }
    }

    /// <summary>What an open call costs by now.</summary>
    internal void Charge(SandboxBillLine line)
    {
        lock (_gate)
        {
            _open[line.Id] = line;
            Append(line);
        }
    }

    internal void End(SandboxBillLine line)
    {
        lock (_gate)
        {
            if (!_open.Remove(line.Id)) throw new InvalidOperationException($"Call {line.Id} has already ended.");
            _total += line.CostNanoUsd ?? 0;
            if (_keep) _ended.Add(line);
            Append(line);
        }
    }

    private void Append(SandboxBillLine line)
    {
        if (_file is null) return;
        byte[] bytes = [.. JsonSerializer.SerializeToUtf8Bytes(line, Json), (byte)'\n'];
        _file.Write(bytes);
    }

    /// <summary>Null where it is no whole line.</summary>
    internal static SandboxBillLine? TryParse(string text)
    {
        if (!text.StartsWith('{') || !text.EndsWith('}')) return null;
        try
        {
            return JsonSerializer.Deserialize<SandboxBillLine>(text, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static bool EndsInsideALine(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        if (file.Length == 0) return false;
        file.Seek(-1, SeekOrigin.End);
        return file.ReadByte() != '\n';
    }

    public void Dispose()
    {
        lock (_gate) _file?.Dispose();
    }
}
