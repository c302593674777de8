using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>R34733 and F45: calls around the moment in which a day and a month end. The clock is the tests'.</summary>
public sealed class PeriodTests(PeriodTests.LastOfNovember cap, ITestOutputHelper output) : IClassFixture<PeriodTests.LastOfNovember>
{
    private static readonly DateTimeOffset Midnight = new(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);

    public sealed class LastOfNovember : CapProduct
    {
        public SetClock Clock { get; } = new();

        protected override Action<IServiceCollection> Services => s => s.AddSingleton<TimeProvider>(Clock);
    }

    /// <summary>Stands still until it is set; timers run by the machine's.</summary>
    public sealed class SetClock : TimeProvider
    {
        private long _ticks = Midnight.AddDays(-5).UtcTicks;

        public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

        public void Set(DateTimeOffset now) => Interlocked.Exchange(ref _ticks, now.UtcTicks);
    }

    // Each event once, in the period of its admission.
    private (long Before, long After, int Rows) Ledger(string customer, DateTimeOffset boundary)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(cap.Product.DataFolder, "tokonomics.db")};Pooling=False;Default Timeout=30");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = """
            SELECT coalesce(sum(CASE WHEN at < $at THEN coalesce(budget_nano, cost_nano) END), 0), coalesce(sum(CASE WHEN at >= $at THEN coalesce(budget_nano, cost_nano) END), 0), count(*)
            FROM usage_events WHERE json_extract(tags, '$.customer') = $customer
            """;
        command.Parameters.AddWithValue("$at", (boundary.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / 10);
        command.Parameters.AddWithValue("$customer", customer);
        using var row = command.ExecuteReader();
        row.Read();
        return (row.GetInt64(0), row.GetInt64(1), row.GetInt32(2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Two_hundred_calls_around_midnight_are_counted_exactly_once_in_the_day_and_month_of_their_admission(int seed)
    {
        var boundary = Midnight.AddMonths(seed - 1);
        cap.Clock.Set(boundary.AddMilliseconds(-1));
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var limit = NanoUsd.Parse("1")!.Value;
        string[] budgets = [await cap.BudgetAsync(customer, limit, period: "day"), await cap.BudgetAsync(customer, limit, period: "month")];
        var random = new Random(seed);
        var turn = 60 + random.Next(80);
        var started = 0;
        await using var witness = new CapWitness(cap.Product.DataFolder, () => 0, budgets);
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 40 }, async (i, _) =>
        {
            if (Interlocked.Increment(ref started) == turn)
                cap.Clock.Set(boundary); // with some forty calls in flight
            using var answer = await cap.ChatAsync(customer, i % 4 == 0 ? "sandbox-small-slow" : "sandbox-small", stream: i % 2 == 0, i % 3 == 0 ? ",\"max_tokens\":60" : "");
            await CapProduct.ReadAsync(answer);
            ((int)answer.StatusCode).ShouldBe(200);
        });
        await cap.SettledAsync();
        var (first, second, rows) = Ledger(customer, boundary);
        rows.ShouldBe(200);
        first.ShouldBeGreaterThan(0);
        second.ShouldBeGreaterThan(0);
        (first + second).ShouldBe((cap.Bill - before).Value);
        foreach (var budget in budgets)
        {
            var accounts = witness.Accounts().Where(a => a.Budget == budget).OrderBy(a => a.Period).ToList();
            accounts.Select(a => a.Posted).ShouldBe([first, second]);
            accounts.ShouldAllBe(a => a.Leased == 0 && a.Excess == 0);
        }

        witness.Violations.ShouldBeEmpty();
        output.WriteLine($"seed {seed}: {first} before, {second} after, {witness.Looks} looks");
    }

    [Fact]
    public async Task Streams_that_run_over_the_end_of_a_month_are_extended_and_counted_in_the_month_that_let_them_in()
    {
        var boundary = Midnight.AddMonths(12);
        cap.Clock.Set(boundary.AddSeconds(-1));
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("5")!.Value);
        // 200 streams of 400 tokens without a limit: each is paid for in slices, on both sides of the boundary.
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => cap.ChatAsync(customer, "sandbox-small-tokens-400", stream: true)));
        answers.ShouldAllBe(a => a.IsSuccessStatusCode);
        cap.Clock.Set(boundary.AddSeconds(1));
        using (var next = await cap.ChatAsync(customer, more: ",\"max_tokens\":60"))
            ((int)next.StatusCode).ShouldBe(200);
        foreach (var answer in answers)
        {
            var (text, _) = await CapProduct.ReadAsync(answer);
            text.ShouldContain("\"finish_reason\":\"stop\"");
            answer.Dispose();
        }

        await cap.SettledAsync();
        var (first, second, rows) = Ledger(customer, boundary);
        rows.ShouldBe(201);
        (first + second).ShouldBe((cap.Bill - before).Value);
        await using var witness = new CapWitness(cap.Product.DataFolder, () => 0, budget);
        witness.Accounts().Where(a => a.Budget == budget).OrderBy(a => a.Period).Select(a => a.Posted).ShouldBe([first, second]);
    }
}
