using System.Globalization;

namespace Tokonomics.Bench.Load;

/// <summary>What the kernel says of a process.</summary>
internal static class Memory
{
    /// <summary>Its resident size in kB; 0 where it is gone.</summary>
    public static long Resident(int pid)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{pid}/status"))
                if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                    return long.Parse(line.AsSpan(6).TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // Ended.
        }

        return 0;
    }

    /// <summary>The median of five readings, a second apart.</summary>
    public static async Task<long> SettledAsync(int pid)
    {
        var seen = new List<long>();
        for (var i = 0; i < 5; i++)
        {
            await Task.Delay(1000);
            seen.Add(Resident(pid));
        }

        return seen.Order().ElementAt(2);
    }
}
