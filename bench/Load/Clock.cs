using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Tokonomics.Bench.Load;

/// <summary>The system's monotonic clock in nanoseconds, which all processes of a machine share: the provider says by it when it sent an event.</summary>
internal static class Clock
{
    public const long Second = 1_000_000_000;

    private const int Monotonic = 1, AbsoluteTime = 1, SetTimerSlack = 29;

    public static long Now => Stopwatch.GetTimestamp();

    /// <summary>Lets the calling thread's waits end when they are due; otherwise Linux may add 50 us to each.</summary>
    public static void Sharpen() => _ = Prctl(SetTimerSlack, 1, 0, 0, 0);

    public static void WaitUntil(long due)
    {
        var time = new TimeSpec { Seconds = due / Second, Nanoseconds = due % Second };
        while (Now < due && Sleep(Monotonic, AbsoluteTime, ref time, IntPtr.Zero) != 0)
        {
            // A signal woke it.
        }
    }

    public static void Terminate(int pid) => _ = Kill(pid, 15);

    [DllImport("libc", EntryPoint = "clock_nanosleep")]
    private static extern int Sleep(int clock, int flags, ref TimeSpec time, IntPtr remaining);

    [DllImport("libc", EntryPoint = "prctl")]
    private static extern int Prctl(int option, nuint value, nuint a, nuint b, nuint c);

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int pid, int signal);

    private struct TimeSpec
    {
        public long Seconds, Nanoseconds;
    }
}
