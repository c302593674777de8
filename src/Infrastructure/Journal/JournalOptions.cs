namespace Tokonomics.Infrastructure.Journal;

/// <summary>Settings under <c>Journal</c>.</summary>
public sealed class JournalOptions
{
    /// <summary>Where the journal is; empty for <c>journal</c> in the data folder. It must outlive the process: a local disk, no memory file system.</summary>
    public string Folder { get; set; } = "";

    /// <summary>The node's own subfolder of the journal. Each process that serves needs another, and must come back under the same name: nobody else reads what it left. Letters, digits, '-' and '_'.</summary>
    public string Node { get; set; } = "";

    /// <summary>The journal's files together; past it nothing is admitted until the ledger has taken what is in it. At least four segments.</summary>
    public long MaxBytes { get; set; } = 1024L * 1024 * 1024;

    /// <summary>One file of the journal, set aside on disk before it is written to. 65,536 to 1,073,741,824.</summary>
    public int SegmentBytes { get; set; } = 16 * 1024 * 1024;

    /// <summary>How often what was written is forced to the disk. A killed process loses nothing whatever this is; a power cut loses at most what was written since. 0 leaves it to the operating system, up to 1 min.</summary>
    public TimeSpan SyncEvery { get; set; } = TimeSpan.FromMilliseconds(100);

    internal string? Problem() =>
        Node.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_')) ? $"Journal:Node is '{Node}'; it may have letters, digits, '-' and '_'."
        : SegmentBytes is < 64 * 1024 or > 1024 * 1024 * 1024 ? $"Journal:SegmentBytes is {SegmentBytes}; it must be 65536 to 1073741824."
        : MaxBytes < 4L * SegmentBytes ? $"Journal:MaxBytes is {MaxBytes}; it must be at least four times Journal:SegmentBytes, which is {SegmentBytes}."
        : SyncEvery < TimeSpan.Zero || SyncEvery > TimeSpan.FromMinutes(1) ? $"Journal:SyncEvery is {SyncEvery}; it must be 0 to 1 min."
        : null;
}
