using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Tests.Hosting;

public sealed class RestsTests
{
    private const long Millisecond = 1_000_000;

    private readonly List<TimeSpan> _slept = [];
    private (long Ran, long Waited)? _times = (5 * Millisecond, Millisecond);

    [Fact]
    public void While_others_want_the_processor_it_takes_a_tenth_of_one()
    {
        var rests = Begin();
        Pass(ran: Millisecond, waited: 2 * Millisecond);
        rests.Look();
        Pass(ran: 3 * Millisecond, waited: Millisecond);
        rests.Look();
        Pass(ran: Millisecond, waited: 20 * Millisecond);
        rests.Look();
        _slept.ShouldBe([TimeSpan.FromMilliseconds(7), TimeSpan.FromMilliseconds(26)]);
    }

    [Fact]
    public void Where_there_is_time_to_spare_it_never_rests()
    {
        var rests = Begin();
        for (var i = 0; i < 100; i++)
        {
            Pass(ran: Millisecond, waited: Millisecond / 4);
            rests.Look();
        }

        _slept.ShouldBeEmpty();
        rests.Looks.ShouldBe(100);
    }

    [Fact]
    public void It_hears_soon_that_it_should_end()
    {
        var rests = Begin();
        Pass(ran: 1000 * Millisecond, waited: 1000 * Millisecond);
        rests.Look();
        _slept.ShouldBe([TimeSpan.FromMilliseconds(200)]);
    }

    [Fact]
    public void Where_nobody_knows_how_long_it_waited_it_never_rests()
    {
        _times = null;
        var rests = Begin();
        rests.Look();
        _times = (Millisecond, 9 * Millisecond);
        rests.Look();
        _slept.ShouldBeEmpty();
    }

    [Fact]
    public void Linux_counts_what_a_thread_ran()
    {
        Assert.SkipUnless(File.Exists("/proc/thread-self/schedstat"), "Linux alone counts, where it is built to.");
        using var times = new Rests.OwnTimes();
        var before = times.Read().ShouldNotBeNull();
        long after;
        do
            after = times.Read().ShouldNotBeNull().Ran;
        while (after == before.Ran);
        after.ShouldBeGreaterThan(before.Ran);
        before.Waited.ShouldBeGreaterThanOrEqualTo(0);
    }

    [Fact]
    public async Task A_long_question_to_SQLite_rests_on_a_thread_that_nobody_waits_for_and_on_no_other()
    {
        await using var store = new TempStore(withDirectory: false);
        (await LowPriority.RunAsync("test", LowPriority.Last, () => Ask(store, 300_000))).ShouldBeGreaterThan(10);
        (await LowPriority.RunAsync("test", LowPriority.Behind, () => Ask(store, 300_000))).ShouldBe(0);
        (await Task.Run(() => Ask(store, 300_000), TestContext.Current.CancellationToken)).ShouldBe(0);
    }

    [Fact]
    public async Task A_long_question_ends_when_it_is_told_to()
    {
        await using var store = new TempStore(withDirectory: false);
        using var end = new CancellationTokenSource();
        var begun = new TaskCompletionSource();
        var asked = LowPriority.RunAsync(
            "test", LowPriority.Last,
            () =>
            {
                begun.SetResult();
                return Ask(store, long.MaxValue);
            },
            end.Token);
        await begun.Task;
        await end.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => asked);
    }

    private static int Ask(TempStore store, long rows)
    {
        using var connection = store.Database.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT count(*) FROM n";
        command.ExecuteScalar().ShouldBe(rows);
        return LowPriority.Looks;
    }

    private Rests Begin() => new(() => _times, _slept.Add);

    private void Pass(long ran, long waited) => _times = (_times!.Value.Ran + ran, _times.Value.Waited + waited);
}
