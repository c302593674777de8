using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>Settings under <c>Budgets</c>.</summary>
public sealed class BudgetGateOptions
{
    /// <summary>How many nodes share the budgets. 1 to 1000.</summary>
    public int Nodes { get; set; } = 1;

    /// <summary>A lease is to last so long at the rate of spending of late. 100 ms to 60 s.</summary>
    public TimeSpan LeaseAhead { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What nobody took anything from for so long is given back. 100 ms to 10 min.</summary>
    public TimeSpan IdleAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>After that no new hold is taken from a lease until the truth has been asked again: how long a node that lost sight of it goes on. 1 s to 1 h.</summary>
    public TimeSpan LeaseLifetime { get; set; } = TimeSpan.FromMinutes(10);

    internal string? Problem() =>
        Nodes is < 1 or > 1000 ? $"Budgets:Nodes is {Nodes}; it must be 1 to 1000."
        : LeaseAhead < TimeSpan.FromMilliseconds(100) || LeaseAhead > TimeSpan.FromSeconds(60) ? $"Budgets:LeaseAhead is {LeaseAhead}; it must be 100 ms to 60 s."
        : IdleAfter < TimeSpan.FromMilliseconds(100) || IdleAfter > TimeSpan.FromMinutes(10) ? $"Budgets:IdleAfter is {IdleAfter}; it must be 100 ms to 10 min."
        : LeaseLifetime < TimeSpan.FromSeconds(1) || LeaseLifetime > TimeSpan.FromHours(1) ? $"Budgets:LeaseLifetime is {LeaseLifetime}; it must be 1 s to 1 h."
        : null;
}

/// <summary>
/// Holds on budgets in this process's memory, from slices that the truth has leased to it. A hold takes the locks of its accounts in the order of
/// their serials, which is the same for all holds, takes from all or from none, and lets go. The truth is asked outside of any lock, by one call at
/// a time for each account; calls that come meanwhile wait for its answer, which often serves them too.
/// </summary>
public sealed partial class BudgetGate : IBudgetGate, IPostedEvents, IDirectoryRefresh, IDisposable
{
    /// <summary>For <c>AddMeter</c>.</summary>
    public const string MeterName = "Tokonomics.Budgets";

    // Holds of other nodes that end are not heard of here: whoever waits for room asks the truth again after so long.
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(50);

    private static readonly TimeSpan SayAgainAfter = TimeSpan.FromSeconds(5);

    private readonly string _node;
    private readonly BudgetGateOptions _options;
    private readonly IBudgetTruth _truth;
    private readonly TimeProvider _time;
    private readonly ILogger<BudgetGate> _log;
    private readonly BudgetDirectory _directory;
    private readonly ConcurrentDictionary<string, GateAccount> _byOwner = new(StringComparer.Ordinal);
    private readonly Meter? _meter;
    private readonly Counter<long>? _refusals;
    private readonly List<string> _names;
    private readonly SemaphoreSlim _refreshing = new(1, 1);
    private long _serial;
    private long _saidAway;

    /// <param name="node">The name of this run of this node, without <c>#</c>. Another run is another node: what it finds leased to the former is not its own.</param>
    public BudgetGate(IBudgetTruth truth, string node, BudgetGateOptions options, TimeProvider time, ILogger<BudgetGate> log, IMeterFactory? meters = null)
    {
        if (options.Problem() is { } problem)
            throw new InvalidOperationException(problem);
        (_truth, _node, _options, _time, _log) = (truth, node, options, time, log);
        _names = [node];
        _directory = new BudgetDirectory(Open);
        _meter = meters?.Create(MeterName);
        _refusals = _meter?.CreateCounter<long>("tokonomics.budgets.refusals", "{call}", "Calls that a budget refused, by verdict. FullyHeld ones are phantoms: the money was set aside, not spent.");
        _meter?.CreateObservableGauge("tokonomics.budgets.leased.nano_usd", Leased, "{nano_usd}", "Money that budgets have leased to this node, in billionths of a US dollar: held by open calls, free for the next, or spent and not in the ledger yet. Quotas of calls are left out.");
        _meter?.CreateObservableGauge("tokonomics.budgets.accounts", () => AccountCount, "{account}", "Budgets and periods that this node has leases of.");
    }

    /// <summary>Accounts that are open here.</summary>
    public int AccountCount => _byOwner.Count;

    /// <summary>
    /// The names that this run has had. A run whose leases were taken from it while it was silent goes on under another name; recovery must close
    /// them all.
    /// </summary>
    public IReadOnlyList<string> NodeNames
    {
        get
        {
            lock (_names)
                return [.. _names];
        }
    }

    /// <summary>Sums over the accounts of this node; each account is looked at by itself, so that they are exact only while nothing moves.</summary>
    public (NanoUsd Free, NanoUsd Held, NanoUsd Unposted) Sums()
    {
        var (free, held, unposted) = (NanoUsd.Zero, NanoUsd.Zero, NanoUsd.Zero);
        foreach (var account in _byOwner.Values)
        {
            account.Sync.Enter();
            (free, held, unposted) = (free + account.Free, held + account.Held, unposted + account.Unposted);
            account.Sync.Exit();
        }

        return (free, held, unposted);
    }

    // A long, since money is no double: whoever shows it divides.
    private Measurement<long>[] Leased()
    {
        var (free, held, unposted) = (NanoUsd.Zero, NanoUsd.Zero, NanoUsd.Zero);
        foreach (var account in _byOwner.Values)
        {
            if (CallQuota.IsOne(account.Account.BudgetId))
                continue;
            account.Sync.Enter();
            (free, held, unposted) = (free + account.Free, held + account.Held, unposted + account.Unposted);
            account.Sync.Exit();
        }

        return [In("free", free), In("held", held), In("unposted", unposted)];

        static Measurement<long> In(string state, NanoUsd amount) => new(amount.Value, new KeyValuePair<string, object?>("tokonomics.lease.state", state));
    }

    public void Resolve(Hold hold, KeySnapshot key, IReadOnlyList<Tag> tags, DateTimeOffset at) => _directory.Resolve(hold, key, tags, at);

    public void ResolveQuota(Hold hold, KeySnapshot key, DateTimeOffset at) => _directory.ResolveQuota(hold, key, at);

    public bool TryHold(Hold hold, NanoUsd upperBound, NanoUsd expected)
    {
        if (hold.State != HoldState.New)
            throw new InvalidOperationException($"The hold is {hold.State}: it can't be taken again before it is cleared.");
        if (!TryTake(hold, upperBound.Value, Math.Min(expected.Value, upperBound.Value)))
            return false;
        hold.Begin(upperBound);
        return true;
    }

    private bool TryTake(Hold hold, long upperBound, long expected)
    {
        var now = _time.GetTimestamp();
        var locked = 0;
        var covered = true;
        while (locked < hold.Count && covered)
        {
            var account = (GateAccount)hold.LeaseAt(locked);
            // Once, since the budget's terms may change meanwhile. One that was deleted limits nothing.
            var (asked, ended) = (account.Slot.Amount(upperBound, expected), account.Slot.Ended);
            hold.Ask(locked++, ended ? 0 : asked);
            account.Sync.Enter();
            covered = ended || account.Covers(asked, now);
        }

        if (covered)
            for (var i = 0; i < locked; i++)
            {
                var account = (GateAccount)hold.LeaseAt(i);
                account.TakeAt(hold.Take(i), now);
            }

        for (var i = locked - 1; i >= 0; i--)
            ((GateAccount)hold.LeaseAt(i)).Sync.Exit();
        return covered;
    }

    public async ValueTask<HoldOutcome> HoldAsync(Hold hold, HoldRequest request, CancellationToken cancellationToken)
    {
        var amount = request.UpperBound;
        if (TryHold(hold, amount, request.Expected))
            return default;
        var since = _time.GetTimestamp();
        while (true)
        {
            // 1. Have every account that is short ask the truth, and see which can't get it.
            var room = NanoUsd.Zero;
            var refusing = -1;
            var (refusal, spent, clamp) = (default(HoldRefusal), false, true);
            TaskCompletionSource? change = null;
            for (var i = 0; i < hold.Count; i++)
            {
                var account = Current(hold, ref i);
                if (account is null)
                    continue; // its budget is gone
                var need = account.Slot.Amount(amount.Value, Math.Min(request.Expected.Value, amount.Value));
                var (reply, answer) = await AskAsync(account, need, cancellationToken);
                if (reply == Reply.Away)
                {
                    if (!account.Slot.Budget.FailOpen)
                        return Refused(HoldVerdict.Unverifiable, account.Refusal());
                    hold.RemoveAt(i--); // passes uncounted here; the ledger counts it when it is recorded
                    hold.Unverified = true;
                }
                else if (reply == Reply.Lost)
                    i--; // the next round takes the account that has its place
                else if (reply == Reply.Short)
                {
                    account.Sync.Enter();
                    var here = account.Free + (account.Returned - account.ReturnedForSure) + answer!.Remaining;
                    // Settled by this node and not in the ledger yet is spent as well.
                    var mine = account.Refusal();
                    var unspent = mine.Limit - mine.Spent;
                    change ??= account.Changed();
                    account.Sync.Exit();
                    clamp &= account.Slot.Budget.Clamp;
                    var exhausted = new NanoUsd(account.Slot.Budget.Clamp ? Math.Min(request.Least.Value, need) : need) > unspent;
                    room = refusing < 0 || here < room ? here : room;
                    if (refusing < 0 || (exhausted && !spent))
                        (refusal, refusing) = (mine, i);
                    spent |= exhausted;
                }
            }

            // 2. All have it, or had it: others may have been quicker. Each round that fails is somebody's success.
            if (refusing < 0)
            {
                if (TryHold(hold, amount, request.Expected))
                    return default;
                continue;
            }

            // 3. Spent is spent.
            if (spent)
                return Refused(HoldVerdict.Exhausted, refusal!);

            // 4. What is left, where the output can be limited to it. While others only hold, their holds may shrink first.
            var waited = _time.GetElapsedTime(since);
            var unheldLater = refusal!.Limit - refusal.Spent >= request.UpperBound && waited < refusal.Budget.Wait;
            if (clamp && room >= request.Least && room < amount && !unheldLater)
            {
                amount = room;
                continue;
            }

            if (waited >= refusal.Budget.Wait)
                return Refused(HoldVerdict.FullyHeld, refusal);
            var left = refusal.Budget.Wait - waited;
            // Whichever comes first wakes all that wait on that account: the end of a hold there, the time to ask again, a caller that leaves.
            using (_time.CreateTimer(static c => ((TaskCompletionSource)c!).TrySetResult(), change, left < AskAgain ? left : AskAgain, Timeout.InfiniteTimeSpan))
            using (cancellationToken.Register(static c => ((TaskCompletionSource)c!).TrySetResult(), change))
                await change!.Task;
            cancellationToken.ThrowIfCancellationRequested();
            amount = request.UpperBound;
        }
    }

    public bool IsStrict(Hold hold)
    {
        for (var i = 0; i < hold.Count; i++)
            if (((GateAccount)hold.LeaseAt(i)).Slot.Budget.Mode == BudgetMode.Strict)
                return true;
        return false;
    }

    public HoldRefusal? Tightest(Hold hold)
    {
        var (tightest, least) = (default(GateAccount), NanoUsd.Zero);
        for (var i = 0; i < hold.Count; i++)
        {
            var account = (GateAccount)hold.LeaseAt(i);
            account.Sync.Enter();
            var unspent = account.Limit > account.SpentInAll ? account.Limit - account.SpentInAll : NanoUsd.Zero;
            account.Sync.Exit();
            if (tightest is null || unspent < least)
                (tightest, least) = (account, unspent);
        }

        if (tightest is null)
            return null;
        tightest.Sync.Enter();
        var standing = tightest.Refusal();
        tightest.Sync.Exit();
        return standing;
    }

    public int? MostUsed(Hold hold)
    {
        int? most = null;
        for (var i = 0; i < hold.Count; i++)
        {
            var account = (GateAccount)hold.LeaseAt(i);
            account.Sync.Enter();
            var (limit, spent) = (account.Limit, account.SpentInAll);
            account.Sync.Exit();
            // One that no call has met has not been read here: nothing of it is known to be spent.
            var used = limit > NanoUsd.Zero ? (int)Int128.Min(100, (Int128)spent.Value * 100 / limit.Value) : account.Slot.Budget.Limit > NanoUsd.Zero ? 0 : 100;
            most = most > used ? most : used;
        }

        return most;
    }

    public void Downgraded(Hold hold)
    {
        for (var i = hold.Count - 1; i >= 0; i--)
            if (((GateAccount)hold.LeaseAt(i)).Slot.Budget.Action == BudgetAction.Downgrade)
                hold.RemoveAt(i);
    }

    public async ValueTask<bool> ExtendAsync(Hold hold, NanoUsd by, CancellationToken cancellationToken)
    {
        if (hold.State != HoldState.Held)
            throw new InvalidOperationException($"The hold is {hold.State}: only an open one is extended.");
        while (!TryTake(hold, by.Value, by.Value))
            for (var i = 0; i < hold.Count; i++)
            {
                var account = (GateAccount)hold.LeaseAt(i);
                if (!account.Slot.Ended && (await AskAsync(account, by.Value, cancellationToken)).Reply != Reply.Covered && !account.Slot.Ended)
                    return false;
            }

        hold.Grow(by);
        return true;
    }

    public bool Settle(Hold hold, NanoUsd cost) => End(hold, HoldState.Settled, cost.Value);

    public bool Void(Hold hold) => End(hold, HoldState.Void, 0);

    public bool Abandon(Hold hold) => End(hold, HoldState.Abandoned, hold.UpperBound.Value);

    private static bool End(Hold hold, HoldState how, long cost)
    {
        if (!hold.TryEnd(how))
            return false;
        for (var i = 0; i < hold.Count; i++)
        {
            var account = (GateAccount)hold.LeaseAt(i);
            account.Sync.Enter();
            if (how == HoldState.Void)
                account.Void(hold.AmountAt(i).Value);
            else
                hold.Cover(i, account.Settle(hold.AmountAt(i).Value, cost));
            if (account.Recalled)
                account.ReturnFree();
            var changed = account.TakeChanged();
            account.Sync.Exit();
            changed?.TrySetResult();
        }

        return true;
    }

    public NanoUsd HeldHere(AccountKey account) => _directory.Find(account)?.Held ?? default;

    public AccountHere? StandsHere(AccountKey account)
    {
        if (_directory.Find(account) is not { } found)
            return null;
        found.Sync.Enter();
        var here = new AccountHere(found.Free, found.Held, found.Unposted);
        found.Sync.Exit();
        return here;
    }

    public void Posted(IReadOnlyList<UsageEvent> events)
    {
        foreach (var usage in events)
            foreach (var charge in usage.Charges)
                if (_byOwner.TryGetValue(charge.Owner, out var account))
                {
                    account.Sync.Enter();
                    account.Post(charge.Covered.Value);
                    account.Sync.Exit();
                }
    }

    private HoldOutcome Refused(HoldVerdict verdict, HoldRefusal refusal)
    {
        _refusals?.Add(1, new KeyValuePair<string, object?>("tokonomics.verdict", verdict.ToString()));
        return new HoldOutcome(verdict, refusal);
    }

    // The account in that place, or the one that has taken the place of one that ended here; null where its budget was deleted.
    private static GateAccount? Current(Hold hold, ref int index)
    {
        var account = (GateAccount)hold.LeaseAt(index);
        if (!account.Retired)
            return account;
        hold.RemoveAt(index--);
        if (!account.Slot.Ended)
            hold.Add(account.Slot.Account(account.Account.Subject, account.Window.Start)); // a younger serial: it stands behind, and its turn comes
        return null;
    }

    private GateAccount Open(BudgetSlot slot, string subject, PeriodWindow window)
    {
        string node;
        lock (_names)
            node = _names[^1];
        var account = new GateAccount(slot, window, new AccountKey(slot.Budget.TenantId, slot.Budget.Id, subject, window.StartMicros), new LeaseOwner(node, Interlocked.Increment(ref _serial)));
        _byOwner[account.Owner.ToString()] = account;
        return account;
    }

    public void Dispose()
    {
        _meter?.Dispose();
        _refreshing.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The truth about budget {Budget} can't be asked; what is leased here serves on")]
    private partial void TruthAway(Exception e, string budget);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lease on {Account} was taken from this node: nothing new is held on it")]
    private partial void Fenced(AccountKey account);
}
