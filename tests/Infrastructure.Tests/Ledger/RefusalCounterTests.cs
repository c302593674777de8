using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.InProcess;

namespace Tokonomics.Tests.Ledger;

public sealed class RefusalCounterTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 11, 59, 0, TimeSpan.Zero);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<long> StoredAsync(TempStore store) =>
        (await store.Get<IRefusals>().ListAsync("ten_a", KeyEnvironment.Live, Start.AddDays(-1), Start.AddDays(1), Cancel)).Sum(r => r.Calls);

    private static RefusalCounter Counter(IRefusals refusals, Clock clock) => new(refusals, clock, NullLogger<RefusalCounter>.Instance);

    private static Clock At(DateTimeOffset at) => new() { Ahead = at - DateTimeOffset.UtcNow };

    [Fact]
    public async Task An_orderly_stop_loses_no_count_of_any_thread()
    {
        await using var store = new TempStore();
        using var counter = Counter(store.Get<IRefusals>(), At(Start));
        await counter.StartAsync(Cancel);
        using var writing = new CancellationTokenSource();
        var writer = Task.Run(async () =>
        {
            while (!writing.IsCancellationRequested)
                await counter.WriteAsync(Cancel);
        }, Cancel);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(t => Task.Run(() =>
        {
            for (var i = 0; i < 5000; i++)
                counter.Count("ten_a", KeyEnvironment.Live, $"key_{i % 3}", i % 2 == 0 ? "budget_exhausted" : "rate_limited");
        }, Cancel)));
        await writing.CancelAsync();
        await writer;
        await counter.StopAsync(Cancel);
        (await StoredAsync(store)).ShouldBe(20_000); // 4 × 5000
    }

    [Fact]
    public async Task Hours_that_are_over_are_forgotten_once_they_are_written_and_what_is_counted_later_adds_up()
    {
        await using var store = new TempStore();
        var clock = At(Start);
        using var counter = Counter(store.Get<IRefusals>(), clock);
        for (var hour = 0; hour < 5; hour++)
        {
            for (var i = 0; i < 10; i++)
                counter.Count("ten_a", KeyEnvironment.Live, "key_1", "rate_limited");
            await counter.WriteAsync(Cancel);
            clock.Ahead += TimeSpan.FromHours(1);
        }

        clock.Ahead -= TimeSpan.FromHours(4); // a clock that goes back reaches no hour that was forgotten
        counter.Count("ten_a", KeyEnvironment.Live, "key_1", "rate_limited");
        await counter.WriteAsync(Cancel);
        (await StoredAsync(store)).ShouldBe(51);
    }

    [Fact]
    public async Task What_the_store_refused_is_written_with_the_next()
    {
        await using var store = new TempStore();
        var flaky = new Flaky(store.Get<IRefusals>());
        using var counter = Counter(flaky, At(Start));
        counter.Count("ten_a", KeyEnvironment.Live, "key_1", "rate_limited");
        flaky.Away = true;
        await Should.ThrowAsync<TimeoutException>(() => counter.WriteAsync(Cancel));
        counter.Count("ten_a", KeyEnvironment.Live, "key_1", "rate_limited");
        flaky.Away = false;
        await counter.WriteAsync(Cancel);
        (await StoredAsync(store)).ShouldBe(2);
    }

    private sealed class Flaky(IRefusals inner) : IRefusals
    {
        public bool Away { get; set; }

        public Task WriteAsync(string run, IReadOnlyList<RefusalCount> counts, CancellationToken cancellationToken) => Away ? throw new TimeoutException() : inner.WriteAsync(run, counts, cancellationToken);

        public Task<IReadOnlyList<RefusalCount>> ListAsync(string tenantId, KeyEnvironment environment, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) =>
            inner.ListAsync(tenantId, environment, since, until, cancellationToken);
    }
}
