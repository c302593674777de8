using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Bench.Load;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>
/// Events into the ledger by the product's writer, in batches as shipping appends them: rows, hourly sums and the budgets' postings. They are made and held before the clock runs. Each writer has services
/// of its own, as another node would.
/// </summary>
internal static class Ingest
{
    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (events, rounds, tenants, seconds, store) = (arguments.Count("events", 100_000), arguments.Count("rounds", 3), arguments.Count("tenants", 1), arguments.Number("seconds", 600), arguments.Count("store", 0));
        await using var traffic = await LiveTraffic.StartAsync(tenants);
        await RoundAsync(traffic, 1000, 1, 10_000, TimeSpan.FromSeconds(60), 0); // compiled, and every account open
        if (arguments.Text("wait", "") is { Length: > 0 } file)
        {
            // Another is about to call: told that the events are made, and when to begin.
            await MeasureAsync(Of(arguments, "batches")[0], Of(arguments, "writers")[0], async () =>
            {
                await File.WriteAllTextAsync(file, "");
                while (File.Exists(file))
                    await Task.Delay(5);
            });
            return 0;
        }

        foreach (var batch in Of(arguments, "batches"))
            foreach (var writers in Of(arguments, "writers"))
                for (var round = 1; round <= rounds; round++)
                    await MeasureAsync(batch, writers, null);
        return 0;

        async Task MeasureAsync(int batch, int writers, Func<Task>? before) =>
            // Small batches take long: a fifth of the events says as much.
            Console.WriteLine(JsonSerializer.Serialize(await RoundAsync(traffic, batch, writers, batch < 500 ? events / 5 : events, TimeSpan.FromSeconds(seconds), store, before)));

        async Task<object> RoundAsync(LiveTraffic from, int batch, int writers, int count, TimeSpan most, int storePid, Func<Task>? before = null)
        {
            var batches = (await from.NextAsync(count)).Chunk(batch).ToList();
            var stores = Enumerable.Range(0, writers).Select(_ => Product.BuildStore(StoreSetup.DataFolder)).ToList();
            var ledgers = stores.ConvertAll(s => s.GetRequiredService<IUsageLedger>());
            GC.Collect();
            await (before?.Invoke() ?? Task.CompletedTask);
            using var self = Process.GetCurrentProcess();
            var (own, theirs, start) = (self.TotalProcessorTime, Cpu.OfChildren(storePid), Stopwatch.GetTimestamp());
            var added = (await Task.WhenAll(ledgers.Select((ledger, w) => Task.Run(() => WriteAsync(ledger, batches.Where((_, i) => i % writers == w), start, most))))).Sum();
            var took = Stopwatch.GetElapsedTime(start);
            self.Refresh();
            (own, theirs) = (self.TotalProcessorTime - own, Cpu.OfChildren(storePid) - theirs);
            foreach (var services in stores)
                await services.DisposeAsync();
            return new
            {
                batch, writers, tenants, events = added, seconds = Math.Round(took.TotalSeconds, 2), per_second = Math.Round(added / took.TotalSeconds),
                writer_us = Math.Round(own.TotalMicroseconds / added, 1), store_us = Math.Round(theirs.TotalMicroseconds / added, 1),
            };
        }
    }

    private static async Task<long> WriteAsync(IUsageLedger ledger, IEnumerable<UsageEvent[]> batches, long start, TimeSpan most)
    {
        var all = 0L;
        foreach (var batch in batches)
        {
            if (Stopwatch.GetElapsedTime(start) >= most)
                break;
            var added = await ledger.AppendAsync(batch, CancellationToken.None);
            if (added != batch.Length)
                throw new InvalidOperationException($"of {batch.Length} events {added} were new");
            all += added;
        }

        return all;
    }

    private static int[] Of(Arguments arguments, string name) => Array.ConvertAll(arguments.Text(name).Split(','), n => int.Parse(n, CultureInfo.InvariantCulture));
}
