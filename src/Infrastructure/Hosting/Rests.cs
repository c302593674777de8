using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>
/// The rests of a thread that nobody waits for, while others want the processor. A low priority alone leaves it all that is idle, and near its limit a machine needs the idle time: calls that come together wait the less the more of it there is.
/// So, once it had to wait for the processor for more than a quarter of what it ran, it takes a tenth of one, its waits counted as rests; on a machine with time to spare it never rests.
/// </summary>
/// <param name="times">What the thread ran and what it waited for the processor until now, in nanoseconds; null where nobody knows.</param>
/// <param name="sleep">Sleeps.</param>
internal sealed class Rests(Func<(long Ran, long Waited)?> times, Action<TimeSpan> sleep)
{
    private const int ForEachRun = 9;

    // So that it hears soon that it should end.
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(200);

    private (long Ran, long Waited)? _last = times();

    /// <summary>How often it was asked whether it should rest.</summary>
    public int Looks { get; private set; }

    /// <summary>Rests if it should; to be called each millisecond or so.</summary>
    public void Look()
    {
        Looks++;
        if (times() is not { } now || _last is not { } last)
            return;
        _last = now;
        var (ran, waited) = (now.Ran - last.Ran, now.Waited - last.Waited);
        if (waited > ran / 4 && ran * ForEachRun > waited)
            sleep(TimeSpan.FromTicks(Math.Min((ran * ForEachRun - waited) / 100, Longest.Ticks)));
    }

    /// <summary>Of the thread that calls, as Linux counts it for each; where it doesn't, the thread never rests.</summary>
    internal sealed class OwnTimes : IDisposable
    {
        private readonly SafeFileHandle? _file;
        private readonly byte[] _text = new byte[96];

        public OwnTimes()
        {
            try
            {
                _file = File.OpenHandle("/proc/thread-self/schedstat");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
            }
        }

        public (long Ran, long Waited)? Read()
        {
            if (_file is null)
                return null;
            var text = _text.AsSpan(0, RandomAccess.Read(_file, _text, 0));
            return Utf8Parser.TryParse(text, out long ran, out var read) && read < text.Length && Utf8Parser.TryParse(text[(read + 1)..], out long waited, out _) ? (ran, waited) : null;
        }

        public void Dispose() => _file?.Dispose();
    }
}
