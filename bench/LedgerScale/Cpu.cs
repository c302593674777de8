using System.Globalization;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>Processor time of a server that has a process for each connection.</summary>
internal static class Cpu
{
    private const long TicksPerSecond = 100; // of /proc, on every Linux that .NET runs on

    /// <summary>Of its children, those that have ended included; zero for process 0.</summary>
    public static TimeSpan OfChildren(int pid)
    {
        if (pid == 0)
            return TimeSpan.Zero;
        var ticks = Fields(pid) is { } own ? own[13] + own[14] : 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && Fields(id) is { } fields && fields[1] == pid)
                ticks += fields[11] + fields[12];
        return TimeSpan.FromSeconds(ticks / (double)TicksPerSecond);
    }

    // From the state on, which follows the name in brackets: 1 is the parent, 11 to 14 user and system time of the process and of its ended children.
    private static long[]? Fields(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return Array.ConvertAll(text[(text.LastIndexOf(')') + 2)..].Split(' '), f => long.TryParse(f, CultureInfo.InvariantCulture, out var number) ? number : 0);
        }
        catch (IOException)
        {
            return null; // it ended
        }
    }
}
