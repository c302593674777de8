using System.Diagnostics;

namespace Tokonomics.Testing;

/// <summary>A program for a provider's own SDK, as somebody copies it from a page: run by Node, with the packages of <c>tests/clients</c> at hand.</summary>
public static class SdkProgram
{
    /// <param name="program">An ES module.</param>
    /// <param name="environment">Over this process's own.</param>
    /// <returns>Its exit code, and all that it printed.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(string program, params IEnumerable<KeyValuePair<string, string>> environment)
    {
        var packages = Path.Combine(TestFolder.Root, "tests/clients/node_modules");
        if (!Directory.Exists(packages))
            throw new InvalidOperationException("this test needs the packages of tests/clients: npm ci --prefix tests/clients");
        using var folder = new TestFolder();
        Directory.CreateSymbolicLink(Path.Combine(folder.Path, "node_modules"), packages);
        var file = Path.Combine(folder.Path, "program.mjs");
        await File.WriteAllTextAsync(file, program);
        return await ToEndAsync(new ProcessStartInfo("node", [file]) { WorkingDirectory = folder.Path }, environment);
    }

    /// <summary>Runs a line of a shell.</summary>
    public static Task<(int ExitCode, string Output)> ShellAsync(string line, params IEnumerable<KeyValuePair<string, string>> environment) => ToEndAsync(new ProcessStartInfo("bash", ["-c", line]), environment);

    private static async Task<(int ExitCode, string Output)> ToEndAsync(ProcessStartInfo start, IEnumerable<KeyValuePair<string, string>> environment)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }
}
