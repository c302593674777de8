using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Tests.Budgets;

public sealed class BudgetAccountTests
{
    private static NanoUsd N(long value) => new(value);

    [Theory]
    [InlineData(100, 10, 40, 1, 40)] // a wish within half of what remains
    [InlineData(100, 10, 90, 1, 50)] // no more than half
    [InlineData(100, 10, 90, 4, 12)] // 100 / (2 * 4)
    [InlineData(100, 30, 90, 4, 30)] // but what is needed
    [InlineData(30, 30, 90, 4, 30)] // to the last
    [InlineData(29, 30, 90, 4, 0)] // and not less
    public void A_lease_is_a_share_of_what_remains_and_at_least_what_is_needed(long remaining, long least, long want, int nodes, long size) =>
        BudgetAccount.LeaseSize(N(remaining), N(least), N(want), nodes).ShouldBe(N(size));

    [Fact]
    public void Nothing_is_granted_above_the_limit()
    {
        var account = new BudgetAccount(N(100), N(60));
        account.TryGrant(N(41)).ShouldBeFalse();
        account.TryGrant(N(40)).ShouldBeTrue();
        account.TryGrant(N(1)).ShouldBeFalse();
        account.Post(N(25), N(25)).ShouldBe(N(0));
        (account.Posted, account.Leased, account.Remaining).ShouldBe((N(85), N(15), N(0)));
    }

    [Fact]
    public void A_lowered_limit_leaves_what_is_out_and_grants_nothing_until_it_is_back()
    {
        var account = new BudgetAccount(N(100), N(10));
        account.TryGrant(N(60)).ShouldBeTrue();
        account.ChangeLimit(N(40));
        (account.Excess, account.Remaining).ShouldBe((N(30), N(0))); // 10 + 60 - 40
        account.TryGrant(N(1)).ShouldBeFalse();
        account.GiveBack(N(45));
        (account.Excess, account.Remaining).ShouldBe((N(0), N(15))); // 40 - 10 - 15
    }

    [Fact]
    public void What_no_lease_covered_is_counted_in_full()
    {
        var account = new BudgetAccount(N(100), N(90));
        account.TryGrant(N(10)).ShouldBeTrue();
        account.Post(N(25), N(10)).ShouldBe(N(15));
        (account.Posted, account.Leased, account.Excess).ShouldBe((N(115), N(0), N(15)));
    }

    [Fact]
    public void More_than_is_leased_can_not_come_back() => Should.Throw<InvalidOperationException>(() => new BudgetAccount(N(100), N(0)).GiveBack(N(1)));

    [Fact]
    public void Thresholds_are_reached_exactly_at_their_percent()
    {
        new BudgetAccount(N(1000), N(799)).Reached([50, 80, 100]).ShouldBe([50]);
        new BudgetAccount(N(1000), N(800)).Reached([50, 80, 100]).ShouldBe([50, 80]);
        new BudgetAccount(Budget.MaxLimit, Budget.MaxLimit).Reached([100, 1000]).ShouldBe([100]); // no overflow
    }
}

public sealed class LeaseTests
{
    private static Lease Granted(long amount)
    {
        var lease = new Lease(new AccountKey("t", "b", "", 0), new LeaseOwner("n", 1));
        lease.Adopt(new NanoUsd(amount), 1, 1000);
        return lease;
    }

    private static (long Free, long Held, long Unposted) Of(Lease l) => (l.Free.Value, l.Held.Value, l.Unposted.Value);

    [Fact]
    public void A_hold_shrinks_to_the_cost_and_the_rest_is_free_again()
    {
        var lease = Granted(100);
        lease.Take(70);
        lease.Settle(70, 25).ShouldBe(25);
        Of(lease).ShouldBe((75, 0, 25));
        lease.Post(25);
        Of(lease).ShouldBe((75, 0, 0));
    }

    [Fact]
    public void A_cost_above_its_hold_takes_from_what_is_free_and_no_more()
    {
        var lease = Granted(100);
        lease.Take(60);
        lease.Settle(60, 80).ShouldBe(80);
        Of(lease).ShouldBe((20, 0, 80));
        lease.Take(20);
        lease.Settle(20, 50).ShouldBe(20);
        Of(lease).ShouldBe((0, 0, 100));
    }

    [Fact]
    public void Nothing_is_covered_past_the_expiry_and_open_holds_go_on()
    {
        var lease = Granted(100);
        lease.Take(10);
        lease.Covers(10, 999).ShouldBeTrue();
        lease.Covers(10, 1000).ShouldBeFalse();
        lease.Void(10);
        Of(lease).ShouldBe((100, 0, 0));
    }

    [Fact]
    public void An_answer_that_was_lost_is_found_in_the_next_and_counted_once()
    {
        var lease = Granted(100);
        lease.ReturnFree();
        (lease.Free, lease.Returned).ShouldBe((new NanoUsd(0), new NanoUsd(100)));
        lease.Adopt(new NanoUsd(140), 1, 2000);
        lease.Adopt(new NanoUsd(140), 1, 2000);
        lease.Free.ShouldBe(new NanoUsd(40));
        Should.Throw<InvalidOperationException>(() => lease.Adopt(new NanoUsd(139), 1, 2000));
    }

    [Fact]
    public void What_is_not_there_can_not_be_taken()
    {
        Should.Throw<InvalidOperationException>(() => Granted(10).Take(11));
        Should.Throw<InvalidOperationException>(() => Granted(10).Settle(1, 1));
        Should.Throw<InvalidOperationException>(() => Granted(10).Void(1));
    }
}

public sealed class HoldTests
{
    [Fact]
    public void It_ends_once_and_is_taken_again_only_after_it_was_cleared()
    {
        var hold = new Hold();
        hold.TryEnd(HoldState.Settled).ShouldBeFalse(); // never taken
        hold.Begin(new NanoUsd(5));
        Should.Throw<InvalidOperationException>(() => hold.Begin(new NanoUsd(5)));
        Should.Throw<InvalidOperationException>(hold.Clear);
        Enumerable.Range(0, 100).AsParallel().Count(_ => hold.TryEnd(HoldState.Settled)).ShouldBe(1);
        hold.TryEnd(HoldState.Void).ShouldBeFalse();
        hold.State.ShouldBe(HoldState.Settled);
        hold.Clear();
        hold.Begin(new NanoUsd(7));
        hold.UpperBound.ShouldBe(new NanoUsd(7));
    }

    [Fact]
    public void Budgets_stand_in_the_order_of_their_locks_however_many()
    {
        var hold = new Hold();
        foreach (var serial in new[] { 5, 2, 9, 1, 7, 3 })
            hold.Add(new Lease(new AccountKey("t", "b", "", serial), new LeaseOwner("n", serial)));
        Enumerable.Range(0, hold.Count).Select(i => hold.LeaseAt(i).Owner.Serial).ShouldBe([1, 2, 3, 5, 7, 9]);
        hold.RemoveAt(2);
        Enumerable.Range(0, hold.Count).Select(i => hold.LeaseAt(i).Owner.Serial).ShouldBe([1, 2, 5, 7, 9]);
    }
}
