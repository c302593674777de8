using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Idempotency;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Tests.Budgets;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Journal;

/// <summary>What a killed process had leased: freed only after everything that its journal knows has been counted, and never where a part of the journal is lost.</summary>
public sealed class LeaseRecoveryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly KeySnapshot Key = new() { Id = "key_1", Tenant = new TenantSnapshot { Id = "ten_a" } };

    private static NanoUsd N(long value) => new(value);

    // A process that dies with one call on its way, one that it never sent, and a lease of more than both.
    private static async Task<(string Folder, string Segment)> KilledAsync(TempStore store)
    {
        BudgetStore.AddTenant(store, "ten_a");
        BudgetStore.Put(store, new Budget { TenantId = "ten_a", Id = "bud_1", Scope = BudgetScope.Tenant, Period = BudgetPeriod.Month, Limit = N(100_000), CreatedAt = DateTimeOffset.UnixEpoch });
        var folder = Path.Combine(store.Folder, "journal");
        using var killed = new TempJournal(folder: folder);
        using var gate = new BudgetGate(store.Get<IBudgetTruth>(), $"{killed.Journal.Identity}{LeaseRecovery.RunMark}dead", new BudgetGateOptions(), store.Clock, NullLogger<BudgetGate>.Instance);
        await gate.RefreshAsync(Cancel);
        killed.Open();
        foreach (var (id, sent) in new[] { ("req_sent", true), ("req_unsent", false) })
        {
            var hold = new Hold();
            gate.Resolve(hold, Key, [], store.Clock.GetUtcNow());
            (await gate.HoldAsync(hold, new HoldRequest(N(7_000)), Cancel)).Verdict.ShouldBe(HoldVerdict.Held);
            killed.Journal.Admit(TempJournal.Call(id) with { At = store.Clock.GetUtcNow(), UpperBound = hold.UpperBound, Charges = hold.Charges() }, sent).IsNone.ShouldBeFalse();
        }

        return (folder, killed.Segments.Single());
    }

    private static (long Posted, long Leased) Account(TempStore store) =>
        (store.Count("SELECT posted_nano FROM budget_accounts"), store.Count("SELECT leased_nano FROM budget_accounts"));

    private static (BudgetGate Gate, LeaseRecovery Recovery) Next(TempStore store)
    {
        var journal = store.Get<CallJournal>();
        var gate = new BudgetGate(store.Get<IBudgetTruth>(), $"{journal.Identity}{LeaseRecovery.RunMark}alive", new BudgetGateOptions(), store.Clock, NullLogger<BudgetGate>.Instance);
        return (gate, new LeaseRecovery(gate, store.Get<UsageRecorder>(), journal, store.Get<IBudgetTruth>(), store.Get<IIdempotencyKeys>(), new NodeRun(journal.Identity, "alive"), NullLogger<LeaseRecovery>.Instance));
    }

    [Fact]
    public async Task Nothing_is_freed_before_the_journal_is_read_and_then_all_but_what_was_sent()
    {
        await using var store = new TempStore(withDirectory: false);
        await KilledAsync(store);
        var (posted, leased) = Account(store);
        posted.ShouldBe(0);
        leased.ShouldBeGreaterThanOrEqualTo(14_000);

        // In a host it starts before the recorder does.
        var (gate, recovery) = Next(store);
        await recovery.StartAsync(Cancel);
        await Task.Delay(300, Cancel);
        Account(store).ShouldBe((0, leased));

        await store.StartAsync();
        await UntilAsync(() => store.Count("SELECT count(*) FROM budget_leases") == 0);
        Account(store).ShouldBe((7_000, 0)); // the upper bound of the call that was on its way
        store.Count("SELECT budget_nano FROM usage_events WHERE outcome = 'Abandoned'").ShouldBe(7_000);
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(1);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        await recovery.StopAsync(Cancel);
        gate.Dispose();
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(0.7)]
    [InlineData(1)]
    public async Task Where_records_are_lost_the_leases_count_as_spent_for_good_and_those_of_later_runs_do_not(double at)
    {
        await using var store = new TempStore(withDirectory: false);
        var (folder, segment) = await KilledAsync(store);
        var leased = Account(store).Leased;
        var bytes = await File.ReadAllBytesAsync(segment, Cancel);
        bytes[(int)((bytes.Length - 1) * at)] ^= 0x10;
        await File.WriteAllBytesAsync(segment, bytes, Cancel);

        var (gate, recovery) = Next(store);
        await recovery.StartAsync(Cancel);
        await store.StartAsync();
        await UntilAsync(() => store.Count("SELECT count(*) FROM budget_leases") == 0 && !store.Get<CallJournal>().LostRecords);
        // Whatever of it the journal still tells comes off what was forfeited: nothing counts twice.
        Account(store).ShouldBe((leased, 0));
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        await recovery.StopAsync(Cancel);
        Directory.GetFiles(folder, "records-lost").ShouldBeEmpty();

        // A run after that which dies in its turn, its journal whole, gets its lease back.
        await gate.RefreshAsync(Cancel);
        var hold = new Hold();
        gate.Resolve(hold, Key, [], store.Clock.GetUtcNow());
        (await gate.HoldAsync(hold, new HoldRequest(N(3_000)), Cancel)).Verdict.ShouldBe(HoldVerdict.Held);
        Account(store).Leased.ShouldBeGreaterThanOrEqualTo(3_000);
        using var later = new BudgetGate(store.Get<IBudgetTruth>(), $"{store.Get<CallJournal>().Identity}{LeaseRecovery.RunMark}later", new BudgetGateOptions(), store.Clock, NullLogger<BudgetGate>.Instance);
        var again = new LeaseRecovery(later, store.Get<UsageRecorder>(), store.Get<CallJournal>(), store.Get<IBudgetTruth>(), store.Get<IIdempotencyKeys>(), new NodeRun(store.Get<CallJournal>().Identity, "later"), NullLogger<LeaseRecovery>.Instance);
        await again.StartAsync(Cancel);
        await UntilAsync(() => Account(store) == (leased, 0));
        await again.StopAsync(Cancel);
        gate.Dispose();
    }
}
