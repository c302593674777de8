using System.Globalization;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Tests.Hosting;

public sealed class LowPriorityTests
{
    [Fact]
    public async Task Its_thread_gives_way_and_no_other_does()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux alone tells of a thread's priority.");
        var before = Nice();
        (await LowPriority.RunAsync("test", LowPriority.Last, Nice)).ShouldBe(19);
        (await LowPriority.RunAsync("test", LowPriority.Behind, Nice)).ShouldBe(10);
        (await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(Nice)))).ShouldAllBe(nice => nice == before);
    }

    [Fact]
    public async Task It_is_soon_interrupted()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.OSVersion.Version >= new Version(6, 12) && Slice() is not null, "Since 6.12 Linux has such a time for each thread, where it is built to tell.");
        (await LowPriority.RunAsync("test", LowPriority.Behind, Slice)).ShouldBe(100_000);
    }

    [Fact]
    public async Task What_went_wrong_in_it_comes_out()
    {
        (await Should.ThrowAsync<InvalidOperationException>(() => LowPriority.RunAsync<int>("test", LowPriority.Last, () => throw new InvalidOperationException("so")))).Message.ShouldBe("so");
        await Should.ThrowAsync<OperationCanceledException>(() => LowPriority.RunAsync<int>("test", LowPriority.Last, () => throw new OperationCanceledException(new CancellationToken(true))));
    }

    // Nanoseconds.
    private static long? Slice() =>
        File.Exists("/proc/thread-self/sched") && File.ReadLines("/proc/thread-self/sched").FirstOrDefault(l => l.StartsWith("se.slice ", StringComparison.Ordinal)) is { } line ? long.Parse(line.Split(':')[1], CultureInfo.InvariantCulture) : null;

    // The 19th field of a thread's stat; the second is its name, in parentheses.
    private static int Nice() => int.Parse(File.ReadAllText("/proc/thread-self/stat").Split(") ")[1].Split(' ')[16], CultureInfo.InvariantCulture);
}
