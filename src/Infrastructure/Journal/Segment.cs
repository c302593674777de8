using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tokonomics.Infrastructure.Journal;

/// <summary>How the journal touches a disk; tests put a failing one in its place.</summary>
internal class JournalDisk
{
    public static readonly JournalDisk Real = new();

    /// <summary>Makes a file with its bytes set aside, so that a full disk shows here and not in the middle of a call.</summary>
    /// <exception cref="IOException">There is no room.</exception>
    public virtual SafeFileHandle Create(string path, long bytes)
    {
        // In two steps: OpenHandle can't be told with which rights.
        using (new FileStream(path, OwnFiles.Options(FileMode.CreateNew, FileAccess.Write, FileShare.Read)))
        {
        }

        try
        {
            return File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read, FileOptions.None, bytes);
        }
        catch
        {
            File.Delete(path);
            throw;
        }
    }

    public virtual void Write(SafeFileHandle file, ReadOnlySpan<byte> bytes, long at) => RandomAccess.Write(file, bytes, at);

    public virtual void Truncate(SafeFileHandle file, long length) => RandomAccess.SetLength(file, length);

    /// <exception cref="IOException">What was written may not be on the disk.</exception>
    public virtual void Sync(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS())
        {
            RandomAccess.FlushToDisk(file);
            return;
        }

        // Not RandomAccess.FlushToDisk: on .NET 10.0 it says nothing where fsync fails (EIO injected with strace, 2026-11-22), and a journal that can't be kept would be
        // taken for one that is.
        var held = false;
        try
        {
            file.DangerousAddRef(ref held);
            while (FSync((int)file.DangerousGetHandle()) != 0)
                if (Marshal.GetLastPInvokeError() is var error and not Interrupted)
                    throw new IOException($"fsync failed: {Marshal.GetPInvokeErrorMessage(error)}");
        }
        finally
        {
            if (held)
                file.DangerousRelease();
        }
    }

    private const int Interrupted = 4; // EINTR

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int FSync(int file);
}

/// <summary>One file of the journal. All but <see cref="File"/> is guarded by the journal's lock.</summary>
internal sealed class Segment(long number, string path, SafeFileHandle? file) : IDisposable
{
    public const int FormatVersion = 6;

    /// <summary>Says the same in the same way, but has no <see cref="RecordType.Progress"/> before 3, each charge's tenant and owner in full before 4, and no attempt's number in an admission before 5: it is the first. Before 6 nothing says who chose.</summary>
    public const int OldestReadable = 2;

    public long Number { get; } = number;

    public string Path { get; } = path;

    /// <summary>Null for those of an earlier process.</summary>
    public SafeFileHandle? File { get; } = file;

    /// <summary>Where the next record goes.</summary>
    public long Length { get; set; }

    /// <summary>Calls whose admission stands here and that are neither recorded nor void.</summary>
    public int Open { get; set; }

    /// <summary>Events that are to go to the ledger and stand here, or, from an earlier process, belong to calls admitted here.</summary>
    public int Unshipped { get; set; }

    /// <summary>Written to since it was last forced to the disk.</summary>
    public bool Dirty { get; set; }

    /// <summary>It could not be forced to the disk: what the disk has of it is not known.</summary>
    public bool Suspect { get; set; }

    /// <summary>Something of it could not be read: it is kept aside, not deleted.</summary>
    public bool Damaged { get; set; }

    public static string PathOf(string folder, long number) => System.IO.Path.Combine(folder, number.ToString("d8", CultureInfo.InvariantCulture) + ".seg");

    public void Dispose() => File?.Dispose();
}
