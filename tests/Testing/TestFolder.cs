namespace Tokonomics.Testing;

/// <summary>A folder that goes with the test, and the places that tests look for.</summary>
public sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;

    /// <summary>The project's root.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A file beside the project that is not part of it; null where this machine has none.</summary>
    public static string? Shared(string path) =>
        System.IO.Path.Combine(Root, "..", "shared", path) is var full && (File.Exists(full) || Directory.Exists(full)) ? System.IO.Path.GetFullPath(full) : null;

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(folder, "Tokonomics.sln")))
            folder = System.IO.Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("the tests don't run inside the project");
        return folder;
    }
}
