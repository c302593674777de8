using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Tokonomics.Infrastructure;

/// <summary>A numbered piece of a store's schema. Once it was applied anywhere it never changes.</summary>
/// <param name="Name"><c>0001_tenants.sql</c>.</param>
internal sealed record Script(string Name, string Sql)
{
    public string Hash { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n"))));

    /// <summary>The embedded scripts of a store in the order of their names.</summary>
    /// <param name="store"><c>sqlite</c>, <c>postgres</c>.</param>
    public static IReadOnlyList<Script> Embedded(string store)
    {
        var assembly = Assembly.GetExecutingAssembly();
        return [.. assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(store + "/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .Select(name =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
                return new Script(name[(store.Length + 1)..], reader.ReadToEnd());
            })];
    }

    /// <summary>Those of the scripts that the database doesn't have yet.</summary>
    /// <param name="applied">Name and hash, in the order of the names.</param>
    /// <param name="place">Where the database is.</param>
    /// <exception cref="InvalidOperationException">The database is newer than this program, or was made by other scripts.</exception>
    public static IReadOnlyList<Script> Missing(IReadOnlyList<Script> scripts, IReadOnlyList<(string Name, string Hash)> applied, string place)
    {
        for (var i = 0; i < applied.Count; i++)
        {
            if (i >= scripts.Count)
                throw new InvalidOperationException($"{place} was made by a newer version: it has {applied[i].Name}, which this program doesn't know. Run the newer version, or restore a backup from before the upgrade.");
            if (applied[i].Name != scripts[i].Name || applied[i].Hash != scripts[i].Hash)
                throw new InvalidOperationException($"{place} was made by other scripts: it has {applied[i].Name} ({applied[i].Hash[..8]}), this program {scripts[i].Name} ({scripts[i].Hash[..8]}). A script that was applied must never change; run the version that made the database.");
        }

        return [.. scripts.Skip(applied.Count)];
    }
}
