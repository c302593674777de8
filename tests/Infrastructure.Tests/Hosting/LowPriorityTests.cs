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
        (await LowPriority.RunAsync("test", Nice)).ShouldBe(19);
        (await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(Nice)))).ShouldAllBe(nice => nice == before);
    }

    [Fact]
    public async Task What_went_wrong_in_it_comes_out()
    {
        (await Should.ThrowAsync<InvalidOperationException>(() => LowPriority.RunAsync<int>("test", () => throw new InvalidOperationException("so")))).Message.ShouldBe("so");
        await Should.ThrowAsync<OperationCanceledException>(() => LowPriority.RunAsync<int>("test", () => throw new OperationCanceledException(new CancellationToken(true))));
    }

    // The 19th field of a thread's stat; the second is its name, in parentheses.
    private static int Nice() => int.Parse(File.ReadAllText("/proc/thread-self/stat").Split(") ")[1].Split(' ')[16], CultureInfo.InvariantCulture);
}
