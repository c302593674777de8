using System.Diagnostics;
using System.Xml.Linq;

namespace Tokonomics.Testing;

/// <summary>A program for a provider's own SDK, as somebody copies it from a page.</summary>
public static class SdkProgram
{
    /// <summary>By Node, with the packages of <c>tests/clients</c> at hand.</summary>
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

    /// <summary>
    /// By Python. The package <c>openai</c> can't be had from the tests' package sources: a module with the part of it that the portal's program uses stands in for it
    /// (<c>tests/clients/python</c>). So this proves the program's text, address and key, and nothing of the package.
    /// </summary>
    public static async Task<(int ExitCode, string Output)> PythonAsync(string program, params IEnumerable<KeyValuePair<string, string>> environment)
    {
        using var folder = new TestFolder();
        var file = Path.Combine(folder.Path, "program.py");
        await File.WriteAllTextAsync(file, program);
        // The interpreter by itself: no settings of whoever runs the tests.
        return await ToEndAsync(new ProcessStartInfo("python3", ["-B", file]), [.. environment, new("PYTHONPATH", Path.Combine(TestFolder.Root, "tests/clients/python"))]);
    }

    /// <summary>By the .NET SDK, in a console project as <c>dotnet new console</c> makes it, with OpenAI's own package.</summary>
    public static async Task<(int ExitCode, string Output)> CSharpAsync(string program, params IEnumerable<KeyValuePair<string, string>> environment)
    {
        using var folder = new TestFolder();
        var version = XDocument.Load(Path.Combine(TestFolder.Root, "Directory.Packages.props")).Descendants("PackageVersion").Single(p => (string?)p.Attribute("Include") == "OpenAI").Attribute("Version")!.Value;
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "program.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable><TreatWarningsAsErrors>true</TreatWarningsAsErrors></PropertyGroup>
              <ItemGroup><PackageReference Include="OpenAI" Version="{version}" /></ItemGroup>
            </Project>
            """);
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "Program.cs"), program);
        var start = new ProcessStartInfo("dotnet", ["run"]) { WorkingDirectory = folder.Path };
        // What the build that runs the tests has set for itself.
        foreach (var name in start.Environment.Keys.Where(n => n.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
            start.Environment.Remove(name);
        return await ToEndAsync(start, [.. environment, new("MSBUILDDISABLENODEREUSE", "1"), new("DOTNET_CLI_USE_MSBUILD_SERVER", "0")]);
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
