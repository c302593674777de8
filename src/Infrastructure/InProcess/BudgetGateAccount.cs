using System.Collections.Concurrent;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>A lease with what the gate needs around it. Everything but <see cref="Slot"/>, <see cref="Window"/> and <see cref="Turn"/> is read and written under <see cref="Sync"/>.</summary>
internal sealed class GateAccount(BudgetSlot slot, PeriodWindow window, AccountKey key, LeaseOwner owner) : Lease(key, owner)
{
    private TaskCompletionSource? _changed;
    private volatile int _failures;
    private long _takenSinceAsked;
    private long _askedAt;
    private long _refusedAt;
    private long _refusedLeast;
    private LeaseAnswer? _refusal;
    private NanoUsd _posted;
    private NanoUsd _leased;
    private NanoUsd? _consumed; // of this lease, in _posted already

    public BudgetSlot Slot { get; } = slot;

    public PeriodWindow Window { get; } = window;

    public Lock Sync { get; } = new();

    /// <summary>One call to the truth at a time.</summary>
    public SemaphoreSlim Turn { get; } = new(1, 1);

    /// <summary>No hold is taken from it any more; another has its place.</summary>
    public bool Retired { get; set; }

    /// <summary>A call to the truth was not answered: whether it was heard is not known.</summary>
    public bool Uncertain { get; set; }

    /// <summary>How often the truth could not be asked. Written by who has the turn, read by anybody.</summary>
    public int Failures
    {
        get => _failures;
        set => _failures = value;
    }

    /// <summary>
    /// More is out than the limit, which was lowered: what holds don't need goes back instead of to the next hold, until the truth says that it fits again.
    /// </summary>
    public bool Recalled { get; set; }

    /// <summary>On the monotonic clock.</summary>
    public long LastTaken { get; private set; }

    /// <summary>What the truth has acknowledged as returned.</summary>
    public NanoUsd ReturnedForSure { get; set; }

    public void TakeAt(long amount, long now)
    {
        Take(amount);
        _takenSinceAsked += amount;
        LastTaken = now;
    }

    /// <summary>The call that tells the truth what this node knows, and asks for nothing.</summary>
    public LeaseCall Call(int nodes) => new(new AccountOpening(Account, Window.EndMicros), Owner) { Epoch = Epoch, Granted = Granted, Returned = Returned, Nodes = nodes };

    /// <summary>What it likely needs within that time: at the rate at which holds were taken since the truth was last asked, but four calls at least.</summary>
    public NanoUsd Likely(TimeProvider time, long need, TimeSpan ahead)
    {
        var now = time.GetTimestamp();
        var since = _askedAt == 0 ? ahead : time.GetElapsedTime(_askedAt, now);
        if (since < TimeSpan.FromMilliseconds(10))
            since = TimeSpan.FromMilliseconds(10);
        var likely = Int128.Max((Int128)_takenSinceAsked * ahead.Ticks / since.Ticks, (Int128)need * 4);
        (_takenSinceAsked, _askedAt) = (0, now);
        LastTaken = now; // it is being used, even where nothing could be taken
        return new NanoUsd((long)Int128.Min(likely, Budget.MaxLimit.Value));
    }

    /// <param name="returned">What the call said: more may have been given back since.</param>
    public void Told(LeaseAnswer answer, NanoUsd returned)
    {
        ReturnedForSure = returned;
        Recalled = answer.Posted + answer.Leased > answer.Limit;
        if (Recalled)
            ReturnFree();
        (Limit, _posted, _leased) = (answer.Limit, answer.Posted, answer.Leased);
        _consumed = answer.Outstanding is { } outstanding ? answer.Granted - returned - outstanding : null;
    }

    /// <summary>Remembers that so much was refused: whoever needs as much within a moment needn't ask again.</summary>
    public void Refuse(TimeProvider time, long least, LeaseAnswer answer) => (_refusedAt, _refusedLeast, _refusal) = (time.GetTimestamp(), least, answer);

    public LeaseAnswer? RefusedBefore(TimeProvider time, long least, TimeSpan within) =>
        _refusal is not null && least >= _refusedLeast && time.GetElapsedTime(_refusedAt) < within ? _refusal : null;

    public void ForgetRefusal() => _refusal = null;

    /// <summary>
    /// Settled here, and not in what the truth last said was posted. Not what still waits for the ledger: an event may be in the answer already while
    /// the ledger's word of it is on its way, or be posted since, and would count twice or not at all.
    /// </summary>
    public NanoUsd SpentSince => _consumed is { } known && Spent > known ? Spent - known : _consumed is null ? Unposted : NanoUsd.Zero;

    public HoldRefusal Refusal()
    {
        var since = SpentSince;
        var held = _leased > since ? _leased - since : NanoUsd.Zero;
        return new HoldRefusal(Slot.Budget, Account.Subject, Limit, _posted + since, held, Window.ResetsAt);
    }

    /// <summary>As the truth last said it: 0 before it was asked.</summary>
    public NanoUsd Limit { get; private set; }

    public NanoUsd SpentInAll => _posted + SpentSince;

    /// <summary>Completes when a hold on it ends.</summary>
    public TaskCompletionSource Changed() => _changed is { Task.IsCompleted: false } waiting ? waiting : _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>To be completed outside of the lock; null where nobody waits.</summary>
    public TaskCompletionSource? TakeChanged()
    {
        var changed = _changed;
        _changed = null;
        return changed;
    }
}

internal delegate GateAccount OpenAccount(BudgetSlot slot, string subject, PeriodWindow window);

/// <summary>A budget's place in the gate: its terms, which change, and its accounts by period and value.</summary>
internal sealed class BudgetSlot(Budget budget, BudgetCalendar calendar, OpenAccount open)
{
    private readonly ConcurrentDictionary<(string Subject, long PeriodStart), GateAccount> _accounts = new();
    private volatile Budget _budget = budget;
    private volatile BudgetCalendar _calendar = calendar;
    private volatile GateAccount? _latest;

    public Budget Budget
    {
        get => _budget;
        set => _budget = value;
    }

    /// <summary>A change of it moves no window that has begun: accounts that are open stay as they are.</summary>
    public BudgetCalendar Calendar
    {
        get => _calendar;
        set => _calendar = value;
    }

    /// <summary>The budget was deleted: calls that found it already pass it by.</summary>
    public bool Ended { get; private set; }

    public ICollection<GateAccount> Accounts => _accounts.Values;

    public void End() => Ended = true;

    public long Amount(long upperBound, long expected) => _budget.Mode == BudgetMode.Expected ? expected : upperBound;

    public GateAccount Account(string subject, DateTimeOffset at)
    {
        if (_latest is { } latest && latest.Window.Contains(at) && latest.Account.Subject == subject && !latest.Retired)
            return latest;
        var window = _calendar.Containing(_budget.Period, at, _budget.CreatedAt);
        var start = window.StartMicros;
        if (!_accounts.TryGetValue((subject, start), out var account))
            lock (_accounts) // one account for each, so that no serial is spent on one that nobody keeps
                if (!_accounts.TryGetValue((subject, start), out account))
                    _accounts[(subject, start)] = account = open(this, subject, window);
        _latest = account;
        return account;
    }

    public GateAccount? Find(AccountKey key) => _accounts.GetValueOrDefault((key.Subject, key.PeriodStart));

    public void Forget(GateAccount account)
    {
        _accounts.TryRemove(new KeyValuePair<(string, long), GateAccount>((account.Account.Subject, account.Account.PeriodStart), account));
        if (ReferenceEquals(_latest, account))
            _latest = null;
    }
}
