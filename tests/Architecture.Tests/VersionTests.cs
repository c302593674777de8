using System.Diagnostics;
using Tokonomics.Testing;

namespace Tokonomics.Architecture.Tests;

/// <summary>The version that a build gets, asked of the shipped build files in small repositories of their own.</summary>
public sealed class VersionTests
{
    [Fact]
    public async Task A_version_comes_from_the_tag_or_from_the_commits_after_it_and_says_where_there_is_none()
    {
        using var folder = new TestFolder();
        var project = Path.Combine(folder.Path, "src", "Product");
        Directory.CreateDirectory(project);
        foreach (var file in (string[])["Directory.Build.props", "Directory.Build.targets", "global.json"])
            File.Copy(Path.Combine(TestFolder.Root, file), Path.Combine(folder.Path, file));
        await File.WriteAllTextAsync(Path.Combine(project, "Product.csproj"), "<Project Sdk=\"Microsoft.NET.Sdk\" />");

        // An archive of the sources.
        (await VersionAsync(project)).ShouldBe("0.1.0-unversioned");

        // A clone without tags.
        await GitAsync(folder.Path, "init", "-q");
        await CommitAsync(folder.Path);
        await CommitAsync(folder.Path);
        (await VersionAsync(project)).ShouldBe($"0.1.0-dev.2+{await GitAsync(folder.Path, "rev-parse", "--short=7", "HEAD")}");

        await GitAsync(folder.Path, "tag", "v1.2.3");
        (await VersionAsync(project)).ShouldBe("1.2.3");

        // Tags that name no version are not asked.
        await CommitAsync(folder.Path);
        await GitAsync(folder.Path, "tag", "nightly");
        (await VersionAsync(project)).ShouldBe($"1.2.4-dev.1+{await GitAsync(folder.Path, "rev-parse", "--short=7", "HEAD")}");

        await GitAsync(folder.Path, "tag", "v2.0.0-rc.1");
        (await VersionAsync(project)).ShouldBe("2.0.0-rc.1");
        await CommitAsync(folder.Path);
        (await VersionAsync(project)).ShouldBe($"2.0.0-rc.1.dev.1+{await GitAsync(folder.Path, "rev-parse", "--short=7", "HEAD")}");

        // In Debug no commit makes anything new to compile, and whoever builds an image says what git would.
        (await VersionAsync(project, "-p:Configuration=Debug")).ShouldBe("0.1.0-debug");
        (await VersionAsync(project, "-p:Configuration=Debug", "-p:StampVersion=true")).ShouldStartWith("2.0.0-rc.1.dev.1+");
        (await VersionAsync(project, "-p:InformationalVersion=1.2.3")).ShouldBe("1.2.3");

        // An archive that was unpacked in somebody else's repository has nothing of its version.
        var inner = Path.Combine(folder.Path, "vendor");
        Directory.CreateDirectory(Path.Combine(inner, "src"));
        foreach (var file in (string[])["Directory.Build.props", "Directory.Build.targets", "global.json"])
            File.Copy(Path.Combine(folder.Path, file), Path.Combine(inner, file));
        Directory.Move(project, Path.Combine(inner, "src", "Product"));
        (await VersionAsync(Path.Combine(inner, "src", "Product"))).ShouldBe("0.1.0-unversioned");
    }

    private static Task<string> CommitAsync(string folder) => GitAsync(folder, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "a commit");

    private static Task<string> GitAsync(string folder, params string[] arguments) => RunAsync("git", folder, arguments);

    private static Task<string> VersionAsync(string project, params string[] more) => RunAsync("dotnet", project, ["msbuild", "-t:PrintVersion", "-p:Configuration=Release", "-nologo", "-nodeReuse:false", .. more]);

    private static async Task<string> RunAsync(string program, string folder, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(n => n.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || n.StartsWith("GIT_", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0, await output + await errors);
        return (await output).Trim();
    }
}
