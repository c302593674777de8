using System.Runtime.InteropServices;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>Work that takes the processor for long while calls want it, on a thread of its own that gives way to those that serve them.</summary>
internal static class LowPriority
{
    /// <summary>For what nobody waits for. While calls want the processor it rests, too, where it is asked to.</summary>
    public const int Last = 19;

    /// <summary>For what calls need in the end, and what holds a lock that they may want: about a tenth of a processor is left to it.</summary>
    public const int Behind = 10;

    // For how long Linux lets it run before a thread that has waited gets the processor: the shortest time that it knows, where a millisecond or more is usual. Since 6.12; earlier kernels have one time for all.
    private const ulong SliceNanoseconds = 100_000;

    [ThreadStatic]
    private static Rests? _rests;

    [ThreadStatic]
    private static CancellationToken _end;

    /// <summary>This thread does what nobody waits for.</summary>
    public static bool IsLast => _rests is not null;

    /// <summary>How often this thread was asked to rest.</summary>
    public static int Looks => _rests?.Looks ?? 0;

    /// <summary>Rests, where this thread does what nobody waits for and others want the processor. Never with a lock that somebody may want.</summary>
    /// <returns>False where it should end.</returns>
    public static bool Rest()
    {
        if (_rests is not { } rests)
            return true;
        rests.Look();
        return !_end.IsCancellationRequested;
    }

    /// <param name="name">The thread's.</param>
    /// <param name="nice">From 0, as others are, to 19.</param>
    /// <param name="cancellationToken">Ends what asks <see cref="Rest"/>, as SQLite's statements do; what else runs has to look itself.</param>
    public static Task<T> RunAsync<T>(string name, int nice, Func<T> work, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        // Never a thread of the pool: a thread that gave way may not take its turn again.
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            // Refused, it runs as others do.
            if (OperatingSystem.IsLinux())
                GiveWay(nice);
            using var times = nice == Last ? new Rests.OwnTimes() : null;
            if (times is not null)
                (_rests, _end) = (new Rests(times.Read, Thread.Sleep), cancellationToken);
            try
            {
                done.SetResult(work());
            }
            catch (OperationCanceledException e)
            {
                done.SetCanceled(e.CancellationToken);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                done.SetCanceled(cancellationToken);
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        })
        { IsBackground = true, Name = name, Priority = ThreadPriority.Lowest }.Start();
        return done.Task;
    }

    // To Linux each thread has a priority of its own, though POSIX says otherwise and .NET does nothing there; elsewhere .NET does.
    private static void GiveWay(int nice)
    {
        var attributes = new SchedulingAttributes { Size = (uint)Marshal.SizeOf<SchedulingAttributes>(), Nice = nice, Runtime = SliceNanoseconds };
        nint call = RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => 314, Architecture.Arm64 => 274, _ => -1 };
        // Its C library may be too old to know the call by name.
        if (call < 0 || SystemCall(call, 0, ref attributes, 0) != 0)
            _ = SetPriority(0, 0, nice);
    }

    /// <summary>As sched_setattr(2) takes them; policy 0 is the usual one.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct SchedulingAttributes
    {
        public uint Size;
        public uint Policy;
        public ulong Flags;
        public int Nice;
        public uint Priority;
        public ulong Runtime;
        public ulong Deadline;
        public ulong Period;
    }

    [DllImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint SystemCall(nint number, nint thread, ref SchedulingAttributes attributes, nint flags);

    [DllImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetPriority(int which, uint who, int priority);
}
