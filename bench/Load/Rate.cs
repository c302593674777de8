using System.Net.Sockets;
using System.Text.Json;

namespace Tokonomics.Bench.Load;

/// <summary>
/// Calls at a given rate, spread evenly over connections of a thread each. A call is timed from when it was due, also where the answer before it came too
/// late to send it then: what a slow server kept from being sent counts as waiting (coordinated omission). What was due and wasn't sent until the end is
/// <c>unsent</c>.
/// </summary>
internal sealed class Rate
{
    // What was due in time is sent so much later still: a thread's waking takes some time.
    private const long Grace = Clock.Second / 20;

    private readonly Uri _url;
    private readonly byte[] _plain;
    private readonly byte[]? _stream;
    private readonly double _rate, _streamShare, _leaveShare;
    private readonly int _connections;
    private readonly long _window, _start, _end;
    private readonly Window[] _windows;
    private long _unsent;

    private Rate(Arguments arguments)
    {
        _url = arguments.Url();
        _plain = arguments.Request()!;
        _stream = arguments.Request("stream-url", "stream-body");
        (_rate, _streamShare, _leaveShare) = (arguments.Number("rate", 0), arguments.Number("stream-share", 0), arguments.Number("leave-share", 0));
        _connections = arguments.Count("connections", 32);
        var seconds = arguments.Number("seconds", 10);
        _window = (long)(arguments.Number("every", seconds) * Clock.Second);
        _start = Clock.Now + (Clock.Second / 5);
        _end = _start + (long)(seconds * Clock.Second);
        _windows = Enumerable.Range(0, (int)((_end - _start + _window - 1) / _window)).Select(_ => new Window()).ToArray();
    }

    public static int Run(Arguments arguments)
    {
        var rate = new Rate(arguments);
        var callers = Enumerable.Range(0, rate._connections).Select(i => new Thread(() => rate.Call(i), 256 * 1024)).ToList();
        callers.ForEach(c => c.Start());
        if (rate._windows.Length > 1)
            for (var i = 0; i < rate._windows.Length; i++)
            {
                Clock.WaitUntil(rate._start + ((i + 1) * rate._window));
                Console.WriteLine(Told(rate._windows[i], (i + 1) * rate._window / (double)Clock.Second, rate._window / (double)Clock.Second, 0));
            }

        callers.ForEach(c => c.Join());
        var all = new Window();
        foreach (var window in rate._windows)
            all.Take(window);
        Console.WriteLine(Told(all, 0, (rate._end - rate._start) / (double)Clock.Second, rate._unsent));
        return 0;
    }

    private void Call(int index)
    {
        Clock.Sharpen();
        Wire? wire = null;
        // Two incommensurable steps choose who streams and who leaves: the same in each run, and in no rhythm with each other.
        double streamed = index * 0.618, left = index * 0.414;
        var interval = _rate > 0 ? (long)(Clock.Second * _connections / _rate) : 0;
        var due = _start + (interval * index / _connections);
        for (; due < _end; due = interval > 0 ? due + interval : Clock.Now)
        {
            Clock.WaitUntil(due);
            if (Clock.Now > _end + Grace)
            {
                Interlocked.Add(ref _unsent, interval > 0 ? ((_end - due) / interval) + 1 : 0);
                break;
            }

            var streams = _stream is not null && (streamed += _streamShare) >= 1;
            var leaves = streams && (left += _leaveShare) >= 1;
            streamed -= streams ? 1 : 0;
            left -= leaves ? 1 : 0;
            var (status, sent) = (0, Clock.Now);
            try
            {
                wire ??= new Wire(_url);
                status = wire.Call(streams ? _stream! : _plain, leaves ? static _ => false : null);
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                status = 0;
            }

            var now = Clock.Now;
            _windows[Math.Min((now - _start) / _window, _windows.Length - 1)].Add(status, now - due, now - sent);
            if (status == 0 || leaves || wire!.Closing)
            {
                wire?.Dispose();
                wire = null;
            }
        }

        wire?.Dispose();
    }

    private static string Told(Window window, double until, double seconds, long unsent) => JsonSerializer.Serialize(new
    {
        until_s = until,
        calls = window.Times.Count,
        per_second = Math.Round(window.Ok / seconds, 1),
        ok = window.Ok,
        shed = window.Shed,
        refused = window.Refused,
        broken = window.Broken,
        unsent,
        p50_us = Math.Round(window.Times.Percentile(0.5), 1),
        p99_us = Math.Round(window.Times.Percentile(0.99), 1),
        p999_us = Math.Round(window.Times.Percentile(0.999), 1),
        max_us = Math.Round(window.Times.MaxMicroseconds, 1),
        sent_p50_us = Math.Round(window.Answers.Percentile(0.5), 1),
        sent_p99_us = Math.Round(window.Answers.Percentile(0.99), 1),
    });

    /// <summary>What ended in a span of time: answered with 200, shed with 503, refused with another status, or broken.</summary>
    private sealed class Window
    {
        private long _ok, _shed, _refused, _broken;

        public Latencies Times { get; } = new();

        /// <summary>From sending, however late that was.</summary>
        public Latencies Answers { get; } = new();

        public long Ok => _ok;

        public long Shed => _shed;

        public long Refused => _refused;

        public long Broken => _broken;

        public void Add(int status, long fromDue, long fromSent)
        {
            Interlocked.Increment(ref status == 200 ? ref _ok : ref status == 503 ? ref _shed : ref status == 0 ? ref _broken : ref _refused);
            Times.Add(fromDue);
            Answers.Add(fromSent);
        }

        public void Take(Window other)
        {
            (_ok, _shed, _refused, _broken) = (_ok + other._ok, _shed + other._shed, _refused + other._refused, _broken + other._broken);
            Times.Take(other.Times);
            Answers.Take(other.Answers);
        }
    }
}
