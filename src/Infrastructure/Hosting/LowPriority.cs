using System.Runtime.InteropServices;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>
/// Work that takes the processor for long and that nobody waits for, on a thread of its own that gives way to those that serve calls: where all that is
/// left goes to calls, it gets about a hundredth of a processor.
/// </summary>
internal static class LowPriority
{
    /// <summary>Of -20 to 19: the last of all.</summary>
    private const int Nice = 19;

    /// <param name="name">The thread's.</param>
    /// <param name="cancellationToken">Before it begins; what runs has to look itself.</param>
    public static Task<T> RunAsync<T>(string name, Func<T> work, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        // Never a thread of the pool: a thread that gave way may not take its turn again.
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            // To Linux each thread has a priority of its own, though POSIX says otherwise and .NET does nothing there; elsewhere .NET does. Refused, it runs as others do.
            if (OperatingSystem.IsLinux())
                _ = SetPriority(0, 0, Nice);
            try
            {
                done.SetResult(work());
            }
            catch (OperationCanceledException e)
            {
                done.SetCanceled(e.CancellationToken);
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        })
        { IsBackground = true, Name = name, Priority = ThreadPriority.Lowest }.Start();
        return done.Task;
    }

    [DllImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetPriority(int which, uint who, int priority);
}
