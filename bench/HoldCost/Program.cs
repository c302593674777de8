using System.Diagnostics;
using BenchmarkDotNet.Running;
using Tokonomics.Bench.HoldCost;

// What a hold costs a call: budgets found, the most it can cost set aside on five of them, the call put on file, settled, its event put on file. On SQLite,
// with the ledger's writer running beside it.
//   dotnet run -c Release --project bench/HoldCost                 BenchmarkDotNet: mean, median, bytes
//   dotnet run -c Release --project bench/HoldCost -- percentiles  each call timed by itself: median, p99, p99.9
//   dotnet run -c Release --project bench/HoldCost -- parts        and each of its parts: taking the time adds to all of them
if (args is not ["percentiles" or "parts"])
{
    BenchmarkRunner.Run<Hold>(args: args);
    return;
}

var hold = new Hold();
await hold.SetUpAsync();
try
{
    const int calls = 200_000;
    for (var i = 0; i < 50_000; i++)
        hold.HoldAndSettle();
    var ticks = new long[calls];
    var parts = args is ["parts"] ? Array.ConvertAll(Hold.Parts, _ => new long[calls]) : [];
    hold.Marks = parts.Length > 0 ? new long[parts.Length + 1] : null;
    for (var i = 0; i < calls; i++)
    {
        if (i % 1000 == 0)
            await hold.FlushAsync(); // the ledger is slower than this loop, and nobody calls so often
        var start = Stopwatch.GetTimestamp();
        hold.HoldAndSettle();
        ticks[i] = Stopwatch.GetTimestamp() - start;
        for (var part = 0; part < parts.Length; part++)
            parts[part][i] = hold.Marks![part + 1] - hold.Marks[part];
    }

    Console.WriteLine($"{calls} calls, five budgets: {Of(ticks)}");
    for (var part = 0; part < parts.Length; part++)
        Console.WriteLine($"  {Hold.Parts[part]}: {Of(parts[part])}");

    static string Of(long[] ticks)
    {
        Array.Sort(ticks);
        return $"median {At(0.5)}, p99 {At(0.99)}, p99.9 {At(0.999)}";
        string At(double share) => $"{ticks[(int)((ticks.Length - 1) * share)] * 1e6 / Stopwatch.Frequency:f2} us";
    }
}
finally
{
    await hold.TearDownAsync();
}
