using System.Collections.Concurrent;
using System.Diagnostics;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>
/// Callers on a fleet, a third of them on each proxy, with the watch beside them while a fault happens. Its end is the comparison of the books with the bill.
/// </summary>
internal sealed class FaultRun : IAsyncDisposable
{
    private readonly CancellationTokenSource _over = new();
    private readonly ConcurrentQueue<Answer> _answers = new();
    private readonly List<Task> _callers;
    private readonly string _why;

    private FaultRun(Fleet fleet, Caps caps, int callers, bool slow)
    {
        (Fleet, Caps) = (fleet, caps);
        var seed = Environment.TickCount;
        _why = $"seed {seed}";
        Random = new Random(seed);
        Watch = new Watch(fleet, caps);
        _callers = [.. Enumerable.Range(0, callers).Select(c => Task.Run(() => CallAsync(c, new Random(seed + c), slow)))];
    }

    public sealed record Answer(long At, TimeSpan Took, int Proxy, int Status, string Code)
    {
        public override string ToString() => $"{Status} {Code}".TrimEnd();
    }

    public Fleet Fleet { get; }

    public Caps Caps { get; }

    public Watch Watch { get; }

    public Random Random { get; }

    /// <param name="usd">So much may be spent.</param>
    /// <param name="slow">Streams of two seconds instead of quick calls.</param>
    public static async Task<FaultRun> StartAsync(Fleet fleet, Caps caps, decimal usd, int callers = 12, bool slow = false)
    {
        await caps.AllowAsync(usd);
        return new FaultRun(fleet, caps, callers, slow);
    }

    public static long Now => Stopwatch.GetTimestamp();

    /// <summary>Of the calls that were answered in that time.</summary>
    public List<Answer> Answers(long from = 0, long until = long.MaxValue) => [.. _answers.Where(a => a.At >= from && a.At < until)];

    public static string Told(IEnumerable<Answer> answers) => string.Join(", ", answers.GroupBy(a => a.ToString()).OrderBy(g => g.Key).Select(g => $"{g.Key}: {g.Count()}"));

    /// <summary>The answers' median and 99th percentile, in milliseconds.</summary>
    public static string Times(IReadOnlyList<Answer> answers)
    {
        var ordered = answers.Select(a => a.Took.TotalMilliseconds).Order().ToList();
        return ordered.Count == 0 ? "none" : $"p50 {ordered[ordered.Count / 2]:f0} ms, p99 {ordered[ordered.Count * 99 / 100]:f0} ms, most {ordered[^1]:f0} ms";
    }

    /// <summary>Waits until that proxy has served a call again.</summary>
    /// <returns>How long that took.</returns>
    public async Task<TimeSpan> ServedAsync(long since, int? proxy = null, int withinSeconds = 60)
    {
        for (var waited = Stopwatch.StartNew(); ; await Task.Delay(20))
        {
            if (_answers.FirstOrDefault(a => a.At >= since && a.Status == 200 && (proxy is null || a.Proxy == proxy)) is { } served)
                return Stopwatch.GetElapsedTime(since, served.At);
            if (await Caps.UnspentAsync() < Caps.Usd / 100)
                return waited.Elapsed; // others were quicker with the rest
            waited.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(withinSeconds), $"nothing was served again: {Told(Answers(since))}\n{Fleet.Logs}");
        }
    }

    /// <summary>Until the tenant's cap is nearly spent, or that time is over.</summary>
    public async Task SpendRestAsync(int seconds = 20)
    {
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(seconds) && await Caps.UnspentAsync() > Caps.Usd / 50;)
            await Task.Delay(200);
    }

    public async Task StopAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAll(_callers);
    }

    /// <summary>The callers stop; the books are compared with the bill.</summary>
    public async Task<string> FinishAsync()
    {
        await StopAsync();
        return $"{_why}: {await Books.CheckAsync(Fleet, Watch, _why)}; callers got {Told(Answers())}; cap left {await Caps.UnspentAsync()} n$; looked {Watch.Looks} times{string.Concat(Fleet.Broken.TakeLast(5).Select(b => $"\n  broken: {b}"))}";
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Watch.DisposeAsync();
        _over.Dispose();
    }

    private async Task CallAsync(int caller, Random mine, bool slow)
    {
        var proxy = caller % Fleet.Proxies.Count;
        while (!_over.IsCancellationRequested)
        {
            var start = Now;
            var stream = slow || mine.Next(4) == 0;
            var (status, code) = await Fleet.CallAsync(
                proxy, mine.Next(2), mine.Next(Fleet.Customers), stream, stream ? 100 : 1000, slow ? CancellationToken.None : _over.Token, !slow && mine.Next(20) == 0 ? mine.Next(4000) : int.MaxValue, slow ? "slow-" : "");
            if (!_over.IsCancellationRequested || status != 0)
                _answers.Enqueue(new Answer(Now, Stopwatch.GetElapsedTime(start), proxy, status, code));
            if (status != 200)
                await Task.Delay(code == "budget_exhausted" ? 200 : 20);
        }
    }
}
