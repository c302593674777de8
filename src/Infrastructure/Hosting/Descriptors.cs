using System.Globalization;
using System.Reflection;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>
/// How many connections a process takes at once. One that runs out of file descriptors doesn't only refuse connections: .NET can't load the assemblies that it meets for
/// the first time, remembers that for good, and ends with "Out of memory" or serves nothing any more (seen on .NET 10.0 with 500 descriptors and 500 connections).
/// So a part is kept back.
/// </summary>
public static class Descriptors
{
    /// <summary>For assemblies, the database, the journal: some 400 are in use before the first call.</summary>
    public const int Reserve = 768;

    /// <summary>Half of what is left, since a call has a connection to its provider as well; never below 16. Null where there is no limit, or none that can be read.</summary>
    /// <param name="limits">The lines of <c>/proc/self/limits</c>. .NET has raised the soft limit to the hard one by then.</param>
    public static long? MaxConnections(IEnumerable<string> limits)
    {
        // Max open files            20000                20000                files
        var words = limits.FirstOrDefault(l => l.StartsWith("Max open files ", StringComparison.Ordinal))?.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words is { Length: > 3 } && long.TryParse(words[3], NumberStyles.None, CultureInfo.InvariantCulture, out var soft) ? Math.Max(16, (soft - Reserve) / 2) : null;
    }

    /// <summary>
    /// Loads what a library refers to, so that it meets nothing for the first time when there is no descriptor left: the loader remembers a failure for good. To the ledger nothing was written any more in such a process,
    /// since the database's driver met an assembly for a type that nobody uses. Each that is loaded keeps a descriptor, so that it is these and not all.
    /// </summary>
    internal static void LoadReferencesOf(Assembly library)
    {
        foreach (var name in library.GetReferencedAssemblies())
            Assembly.Load(name);
    }

    internal static long? MaxConnections()
    {
        try
        {
            return OperatingSystem.IsLinux() ? MaxConnections(File.ReadLines("/proc/self/limits")) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
