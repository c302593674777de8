using System.Diagnostics;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Tests.Sqlite;

public sealed class KillTests(ITestOutputHelper output)
{
    private const string FolderVariable = "TOKONOMICS_KILL_TEST_FOLDER";
    private const int BatchSize = 200;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_writer_killed_at_any_moment_loses_nothing_acknowledged_and_a_repeated_batch_makes_it_whole()
    {
        await using var store = new TempStore();
        var acknowledged = Path.Combine(store.Folder, "acknowledged");
        var random = new Random(1);
        for (var round = 0; round < 6; round++)
        {
            using var writer = Process.Start(new ProcessStartInfo(Path.ChangeExtension(typeof(KillTests).Assembly.Location, OperatingSystem.IsWindows() ? ".exe" : null))
            {
                ArgumentList = { "-method", $"{typeof(KillTests).FullName}.{nameof(Writes_until_it_is_killed)}", "-explicit", "only" },
                Environment = { [FolderVariable] = store.Folder },
                RedirectStandardOutput = true,
            })!;
            var before = Lines(acknowledged);
            while (Lines(acknowledged) < before + 3)
            {
                writer.HasExited.ShouldBeFalse("the writer ended by itself");
                await Task.Delay(10, Cancel);
            }

            await Task.Delay(random.Next(150), Cancel);
            writer.Kill();
            await writer.WaitForExitAsync(Cancel);
            var batches = Lines(acknowledged);
            var rows = store.Count("SELECT count(*) FROM usage_events");
            // Whole batches only: those acknowledged, and at most one more whose acknowledgement was killed.
            rows.ShouldBeOneOf(batches * BatchSize, (batches + 1) * BatchSize);
            (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
            store.Count("SELECT CASE integrity_check WHEN 'ok' THEN 1 ELSE 0 END FROM pragma_integrity_check").ShouldBe(1);
        }

        output.WriteLine($"{Lines(acknowledged)} batches acknowledged over 6 kills");
    }

    [Fact(Explicit = true)]
    public async Task Writes_until_it_is_killed()
    {
        var folder = Environment.GetEnvironmentVariable(FolderVariable) ?? throw new InvalidOperationException($"{FolderVariable} is not set: this is the other process of the test above");
        var store = new TempStore(folder);
        await using var acknowledged = new FileStream(Path.Combine(folder, "acknowledged"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        var next = acknowledged.Length / 2;
        while (true)
        {
            // From the first batch that wasn't acknowledged: it may stand there already.
            await store.Get<IUsageLedger>().AppendAsync([.. Enumerable.Range(0, BatchSize).Select(i => Some.Event($"req_{(next * BatchSize) + i}", at: Some.Noon.AddSeconds(next)))], Cancel);
            await acknowledged.WriteAsync("x\n"u8.ToArray(), Cancel);
            await acknowledged.FlushAsync(Cancel);
            next++;
        }
    }

    private static long Lines(string path) => File.Exists(path) ? new FileInfo(path).Length / 2 : 0;
}
