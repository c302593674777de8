using System.Diagnostics;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Tests.Sqlite;

public sealed class SpeedTests(ITestOutputHelper output)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)] // as in production: a batch falls into one hour
    [InlineData(72)] // the worst case: nearly every event has a rollup row of its own
    public async Task The_ledger_takes_thousands_of_events_a_second(int hours)
    {
        await using var store = new TempStore();
        var ledger = store.Get<IUsageLedger>();
        var events = Some.Events(7, 30_000, hours: hours);
        await ledger.AppendAsync(events[..1000], Cancel);
        var watch = Stopwatch.StartNew();
        for (var i = 1000; i < events.Count; i += 1000)
            await ledger.AppendAsync(events.GetRange(i, 1000), Cancel);
        var rate = 29_000 / watch.Elapsed.TotalSeconds;
        output.WriteLine($"{rate:f0} events/s in batches of 1000 over {hours} h, rollups and fsync included");
        rate.ShouldBeGreaterThan(1000);
    }
}
