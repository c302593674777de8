using System.Net;
using System.Runtime.Versioning;
using System.Text.Json;
using Tokonomics.Testing;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Standalone.Tests.Hosts;

/// <summary>Who may read what the product writes: its own user alone, also where the process was started with a umask of 0.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class FileRightsTests : IDisposable
{
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnersFolder = OwnersFile | UnixFileMode.UserExecute;
    private static readonly string[] NoUmask = ["sh", "-c", "umask 000; exec \"$@\"", "sh"];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Ledger_journal_and_keys_are_made_for_the_products_user_alone()
    {
        var data = Path.Combine(_folder.Path, "data");
        await using (var proxy = await ProductProcess.ProxyAsync(data, "one", under: NoUmask))
        {
            var made = await ProductProcess.RunAsync(data, ["provision", "--tenant", "t", "--email", "a@b.example", "--json"]);
            made.ExitCode.ShouldBe(0, made.Errors);
            var key = JsonDocument.Parse(made.Output).RootElement.GetProperty("test_key").GetString()!;
            await UntilAsync(async () => await ProxyCalls.CallAsync(proxy.Url, key) == HttpStatusCode.OK);

            File.GetUnixFileMode(data).ShouldBe(OwnersFolder);
            File.GetUnixFileMode(Path.Combine(data, "journal")).ShouldBe(OwnersFolder);
            foreach (var name in (string[])["tokonomics.db", "tokonomics.db-wal", "tokonomics.db-shm", "master.key"])
                File.GetUnixFileMode(Path.Combine(data, name)).ShouldBe(OwnersFile, name);
            var segments = Directory.GetFiles(data, "*.seg", SearchOption.AllDirectories);
            segments.ShouldNotBeEmpty();
            foreach (var segment in segments)
                File.GetUnixFileMode(segment).ShouldBe(OwnersFile, segment);
        }

        var backup = Path.Combine(_folder.Path, "backup");
        (await ProductProcess.RunAsync(data, ["backup", "--to", backup])).ExitCode.ShouldBe(0);
        File.GetUnixFileMode(backup).ShouldBe(OwnersFolder);
        foreach (var file in Directory.GetFiles(backup))
            File.GetUnixFileMode(file).ShouldBe(OwnersFile, file);
    }

    [Fact]
    public async Task Files_that_others_can_read_are_left_and_named_by_the_check_of_the_settings()
    {
        var data = Directory.CreateDirectory(Path.Combine(_folder.Path, "data")).FullName;
        (await ProductProcess.RunAsync(data, ["provision", "--tenant", "t", "--email", "a@b.example"])).ExitCode.ShouldBe(0);
        var file = Path.Combine(data, "tokonomics.db");
        const UnixFileMode Loose = OwnersFile | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        const UnixFileMode Passable = OwnersFolder | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(file, Loose);
        File.SetUnixFileMode(data, Passable);

        (await ProductProcess.RunAsync(data, ["verify"])).ExitCode.ShouldBe(0);
        File.GetUnixFileMode(file).ShouldBe(Loose);
        var named = await ProductProcess.RunAsync(data, ["config", "check"]);
        named.ExitCode.ShouldBe(0, named.Output);
        named.Output.ShouldContain($"NOTE     {file} can be read by every user of this machine; run: chmod -R o-rwx {data}");

        // A folder that keeps them out is enough.
        File.SetUnixFileMode(data, OwnersFolder);
        (await ProductProcess.RunAsync(data, ["config", "check"])).Output.ShouldNotContain("NOTE");
        File.SetUnixFileMode(data, Passable);
        File.SetUnixFileMode(file, OwnersFile);
        (await ProductProcess.RunAsync(data, ["config", "check"])).Output.ShouldNotContain("NOTE");
    }
}
