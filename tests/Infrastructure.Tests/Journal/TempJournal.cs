using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>A journal in a folder of its own, which can be left as a killed process leaves it and opened again.</summary>
public sealed class TempJournal : IDisposable
{
    private readonly JournalOptions _options;
    private readonly bool _ownsFolder;

    internal TempJournal(JournalOptions? options = null, JournalDisk? disk = null, string? folder = null)
    {
        _options = options ?? new JournalOptions { SegmentBytes = 64 * 1024, SyncEvery = TimeSpan.Zero };
        _ownsFolder = folder is null;
        Folder = folder ?? Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        Disk = disk ?? JournalDisk.Real;
        Journal = New();
    }

    public string Folder { get; }

    public CapturedLogs Logs { get; } = new();

    public CallJournal Journal { get; private set; }

    internal JournalDisk Disk { get; }

    public string[] Segments => [.. Directory.GetFiles(Folder, "*.seg").Order(StringComparer.Ordinal)];

    public int Open(IPriceVersions? prices = null) => Journal.Open(prices);

    /// <summary>Nothing is written any more: what the files hold is what a killed process leaves.</summary>
    public TempJournal Kill()
    {
        Journal.Dispose();
        Journal = New();
        return this;
    }

    /// <summary>Takes all events that wait, as the recorder does.</summary>
    internal List<Settled> Take()
    {
        var batch = new List<Settled>();
        while (Journal.ToShip.TryRead(out var settled))
            batch.Add(settled);
        return batch;
    }

    /// <summary>Takes all events and says that they are in the ledger.</summary>
    public List<UsageEvent> Ship()
    {
        var batch = Take();
        Journal.Shipped(batch);
        return batch.ConvertAll(s => s.Event);
    }

    public static CallAdmission Call(string id, int weight = 0) => new()
    {
        RequestId = id,
        TenantId = "ten_a",
        KeyId = "key_1",
        Provider = "openai",
        Dialect = "openai-chat",
        Operation = "POST /chat/completions",
        RequestModel = "gpt-5.1",
        PricingHints = "service_tier=flex",
        PriceVersion = "v1",
        At = Some.Noon,
        RequestBytes = 1234,
        Estimate = new TokenUsage { [UsageUnit.Input] = 25 },
        UpperBound = new NanoUsd(5_000),
        Charges = [new BudgetCharge(new AccountKey("ten_a", "bud_1", "", 1_700_000_000_000_000), "n#1", new NanoUsd(5_000))],
        Tags = weight == 0 ? [] : [new Tag("weight", new string('x', weight))],
    };

    public void Dispose()
    {
        Journal.Dispose();
        if (_ownsFolder)
            Directory.Delete(Folder, recursive: true);
    }

    private CallJournal New() => new(Folder, _options, TimeProvider.System, new Wrapped(Logs), Disk);

    private sealed class Wrapped(ILogger log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => log.Log(logLevel, eventId, state, exception, formatter);
    }
}

/// <summary>A disk that fails when it is told to: by an error as a full one does, with a part written, or by the end of the process.</summary>
internal sealed class FailingDisk(Random random) : JournalDisk
{
    public bool Full { get; set; }

    public bool SyncFails { get; set; }

    /// <summary>So many operations from now the process dies in the middle of one; below zero never.</summary>
    public int DiesIn { get; set; } = -1;

    public override SafeFileHandle Create(string path, long bytes)
    {
        Live();
        return Full ? throw new IOException("No space left on device") : base.Create(path, bytes);
    }

    public override void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long at)
    {
        if (Full || DiesIn == 0)
            base.Write(file, bytes[..random.Next(bytes.Length + 1)], at); // all of it, perhaps, and an error still
        Live();
        if (Full)
            throw new IOException("No space left on device");
        base.Write(file, bytes, at);
    }

    public override void Truncate(SafeFileHandle file, long length)
    {
        Live();
        base.Truncate(file, length);
    }

    /// <summary>Forces nothing: what dies here is the process, not the machine.</summary>
    public override void Sync(SafeFileHandle file)
    {
        Live();
        if (SyncFails)
            throw new IOException("Input/output error");
    }

    private void Live()
    {
        if (DiesIn < 0)
            return;
        if (DiesIn-- == 0)
            throw new ProcessDied();
    }
}

internal sealed class ProcessDied : Exception;
