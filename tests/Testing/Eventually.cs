using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Tokonomics.Testing;

/// <summary>What must come to hold, soon: waited for, so that no test depends on a time.</summary>
public static class Eventually
{
    /// <summary>Until it holds.</summary>
    /// <exception cref="TimeoutException">It doesn't, half a minute later.</exception>
    public static Task UntilAsync(Func<bool> holds, [CallerArgumentExpression(nameof(holds))] string what = "") => UntilAsync(() => Task.FromResult(holds()), what);

    /// <inheritdoc cref="UntilAsync(Func{bool}, string)"/>
    public static async Task UntilAsync(Func<Task<bool>> holds, [CallerArgumentExpression(nameof(holds))] string what = "")
    {
        for (var patience = Stopwatch.StartNew(); !await holds(); await Task.Delay(10))
        {
            if (patience.Elapsed > TimeSpan.FromSeconds(30))
                throw new TimeoutException("after 30 s: " + what);
        }
    }
}
