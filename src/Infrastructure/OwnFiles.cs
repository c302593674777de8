namespace Tokonomics.Infrastructure;

/// <summary>
/// Files and folders that only the product's own user may read: ledger, sealed keys, names of people and customers. By the file's own rights, whatever umask the process was started with; on
/// Windows a new file has its folder's.
/// </summary>
public static class OwnFiles
{
    private const UnixFileMode FileRights = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode FolderRights = FileRights | UnixFileMode.UserExecute;
    private const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>Makes the folder where it is missing, and what is missing above it, as 0700. One that is there keeps its rights: whoever made it may have given them to a group for its backups.</summary>
    public static void MakeFolder(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
            return;
        }

        // .NET gives the rights to the last folder alone, and makes those above it for everybody.
        if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } above && !Directory.Exists(above))
            MakeFolder(above);
        Directory.CreateDirectory(path, FolderRights);
    }

    /// <summary>How to open a file that, where it is made by this, is 0600.</summary>
    public static FileStreamOptions Options(FileMode mode, FileAccess access, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = FileRights;
        return options;
    }

    /// <summary>Makes the file, empty and 0600, for whoever opens files by other ways than .NET's streams. One that is there stays as it is.</summary>
    public static void MakeFile(string path)
    {
        if (File.Exists(path))
            return;
        try
        {
            using var made = new FileStream(path, Options(FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete));
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another process that starts at the same moment was quicker.
        }
    }

    /// <summary>What in a data folder every user of the machine can reach and read or write. Nothing where the folder itself keeps them out.</summary>
    public static IReadOnlyList<string> OpenToOthers(string folder)
    {
        if (OperatingSystem.IsWindows())
            return [];
        if (!Directory.Exists(folder) || (File.GetUnixFileMode(folder) & UnixFileMode.OtherExecute) == 0)
            return [];
        var open = new List<string>();
        foreach (var path in Directory.EnumerateFiles(folder, "tokonomics.db*").Append(Path.Combine(folder, "journal")))
            if (Path.Exists(path) && (File.GetUnixFileMode(path) & Others) != 0)
                open.Add(path);
        open.Sort(StringComparer.Ordinal);
        return open;
    }
}
