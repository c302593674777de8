using StackExchange.Redis;
using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.RateLimits;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>
/// One call's way through its limits: taken from what is at hand where that is enough, else asked of Redis in the form of enter.lua. Everything but
/// the waiting happens under the locks of its scopes. A question without a call only tells what is owed and what goes back.
/// </summary>
internal sealed class Question
{
    private readonly WindowPart[] _windows;
    private readonly SlotPart[] _slots;
    private readonly long _firstSlot;

    public Question(in CallScopes scopes, long tokens, long firstSlot)
    {
        (Scopes, Tokens, _firstSlot) = (scopes, tokens, firstSlot);
        var (windows, slots) = (new List<WindowPart>(4), new List<SlotPart>(2));
        Add(scopes.Tenant, scopes.TenantLimits, RateScope.Tenant);
        Add(scopes.Key, scopes.KeyLimits, RateScope.Key);
        (_windows, _slots) = ([.. windows], [.. slots]);

        void Add(LimitScope? scope, ScopeLimits limits, RateScope of)
        {
            if (scope?.Shared is not { } shared)
                return;
            shared.Scope = scope;
            if (limits.Requests > 0)
                windows.Add(new WindowPart(of, RateKind.Requests, scope, shared.Requests, scope.Requests, limits.Requests, 1));
            if (limits.Tokens > 0)
                windows.Add(new WindowPart(of, RateKind.Tokens, scope, shared.Tokens, scope.Tokens, limits.Tokens, tokens));
            if (limits.Concurrent > 0)
                slots.Add(new SlotPart(of, scope, shared, limits.Concurrent));
        }
    }

    private Question(LimitScope scope, bool all)
    {
        var shared = scope.Shared!;
        Scopes = new CallScopes(scope, default, null, default);
        var windows = new List<WindowPart>(2);
        if (all ? shared.Requests.Stamp != 0 : !shared.Requests.IsIdle)
            windows.Add(new WindowPart(default, RateKind.Requests, scope, shared.Requests, scope.Requests, 0, 0));
        if (all ? shared.Tokens.Stamp != 0 : !shared.Tokens.IsIdle)
            windows.Add(new WindowPart(default, RateKind.Tokens, scope, shared.Tokens, scope.Tokens, 0, 0));
        (_windows, _slots) = ([.. windows], []);
    }

    /// <param name="all">Also where nothing is owed: Redis may have lost what was charged. Windows that Redis was never asked about are left out.</param>
    public static Question Telling(LimitScope scope, bool all) => new(scope, all);

    public CallScopes Scopes { get; }

    public long Tokens { get; }

    public bool IsEmpty => _windows.Length == 0 && _slots.Length == 0;

    public RedisKey[] Keys { get; private set; } = [];

    public RedisValue[] Values { get; private set; } = [];

    public SharedUse TenantUse => UseOf(RateScope.Tenant);

    public SharedUse KeyUse => UseOf(RateScope.Key);

    private sealed class WindowPart(RateScope of, RateKind kind, LimitScope scope, SharedWindow window, SlidingWindow own, long limit, long need)
    {
        public readonly RateScope Of = of;
        public readonly LimitScope Scope = scope;
        public readonly RateKind Kind = kind;
        public readonly SharedWindow Window = window;
        public readonly SlidingWindow Own = own;
        public readonly long Limit = limit;
        public readonly long Need = need;
        public bool AtHand; // taken from the stock
        public long Second; // in which it was charged
        public long Owed; // told with the question
    }

    private sealed class SlotPart(RateScope of, LimitScope scope, SharedScope shared, long limit)
    {
        public readonly RateScope Of = of;
        public readonly LimitScope Scope = scope;
        public readonly SharedScope Shared = shared;
        public readonly long Limit = limit;
        public bool AtHand;
        public long Slot;
    }

    public static RedisValue Member(string node, long slot) => FormattableString.Invariant($"{node}:{slot}");

    /// <summary>The call alone is more than a limit.</summary>
    public RateRefusal? NeverFits()
    {
        foreach (var part in _windows)
            if (part.Need > part.Limit)
                return new RateRefusal(part.Of, part.Kind, part.Limit, null);
        return null;
    }

    /// <summary>Takes what is at hand; the rest is to be asked for, or what was taken put back.</summary>
    /// <param name="till">When it will be used at the latest.</param>
    public void TakeAtHand(long till)
    {
        foreach (var part in _windows)
        {
            part.AtHand = part.Window.TryTakeStock(part.Need, till);
            part.Second = part.Window.StockSecond;
        }

        foreach (var part in _slots)
            part.AtHand = part.Shared.Slots.TryTakeIdle(out part.Slot);
    }

    public void PutBack()
    {
        foreach (var part in _windows)
            if (part.AtHand)
                part.Window.ReturnStock(part.Need, part.Second);
        foreach (var part in _slots)
            if (part.AtHand)
                part.Shared.Slots.AddIdle(part.Slot);
    }

    /// <summary>Redis refused as much a moment ago: whoever hammers at a closed door doesn't reach it.</summary>
    public RateRefusal? RefusedLately(long now, long ticksPerSecond)
    {
        foreach (var part in _windows)
            if (now < part.Window.Refused.Until && part.Need >= part.Window.Refused.Need)
                return new RateRefusal(part.Of, part.Kind, part.Limit, TimeSpan.FromSeconds(Math.Max(1, (part.Window.Refused.FreeAt - now + ticksPerSecond - 1) / ticksPerSecond)));
        return null;
    }

    /// <summary>
    /// Puts into words what is not at hand, with what is owed and what goes back. One question of a scope at a time takes ahead: sixty-four at once would each
    /// take what the others then can't find.
    /// </summary>
    /// <param name="from">Since when it is this Redis, on its clock: windows that are older may lack charges.</param>
    public void Compose(string node, int nodes, long from, long second, TimeSpan lease)
    {
        var keys = new List<RedisKey>(_windows.Length + _slots.Length);
        var values = new List<RedisValue>(48) { 0, node, (long)lease.TotalMilliseconds, nodes, from };
        foreach (var part in _windows)
        {
            if (part.AtHand)
                continue;
            var window = part.Window;
            var used = part.Own.Used(second);
            keys.Add(window.Key);
            part.Owed = window.TakeOwed(used);
            values.AddRange([part.Limit, part.Need, part.Need == 0 || part.Scope.Asking > 0 ? 0 : window.Ahead(part.Limit), window.Stamp, part.Owed, used + window.Stock]);
            window.MoveBack(values);
        }

        values[0] = keys.Count;
        var slot = _firstSlot;
        foreach (var part in _slots)
        {
            if (part.AtHand)
                continue;
            var ahead = Math.Min(part.Shared.Slots.Ahead(part.Limit), part.Scope.Asking > 0 ? 0 : MembersOfQuestion / 2 - 2);
            part.Slot = slot;
            keys.Add(part.Shared.Slots.Key);
            values.AddRange([part.Limit, part.Shared.Slots.Held.Count, slot, ahead]);
            slot += ahead + 1;
        }

        Asking(1);
        (Keys, Values) = ([.. keys], [.. values]);
    }

    // Slots are numbered by the node, a thousand for each question.
    private const int MembersOfQuestion = 1000;

    /// <summary>Enters the answer. Null where the call may go.</summary>
    public RateRefusal? Apply(long[] answer, long askedAt, TimeProvider time, TimeSpan refusedFor)
    {
        Asking(-1);
        var (at, number) = (2, 0);
        RateRefusal? refusal = null;
        var wait = TimeSpan.FromSeconds(answer[1]);
        foreach (var part in _windows)
        {
            if (part.AtHand)
                continue;
            var granted = answer[at];
            part.Second = answer[at + 2];
            part.Window.Told(answer[at + 3], answer[at + 1], granted - part.Need, part.Second, askedAt, time.TimestampFrequency);
            at += 4;
            if (++number != answer[0])
                continue;
            refusal = new RateRefusal(part.Of, part.Kind, part.Limit, wait);
            part.Window.Refused = (askedAt + Ticks(wait < refusedFor ? wait : refusedFor), part.Need, askedAt + Ticks(wait));
        }

        foreach (var part in _slots)
        {
            if (part.AtHand)
                continue;
            if (++number == answer[0])
                refusal = new RateRefusal(part.Of, RateKind.Concurrency, part.Limit, TimeSpan.FromSeconds(1));
            var granted = answer[at++];
            if (granted > 0)
                part.Shared.Slots.Held.Add(part.Slot);
            for (var ahead = 1; ahead < granted; ahead++)
                part.Shared.Slots.AddIdle(part.Slot + ahead);
        }

        if (refusal is not null)
            PutBack();
        return refusal;

        long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
    }

    /// <summary>No answer: what was owed is owed still, and may be charged twice; what went back may have come back, and is not given back again.</summary>
    public void Fail()
    {
        Asking(-1);
        foreach (var part in _windows)
            part.Window.Owe(part.Owed);
        PutBack();
    }

    private void Asking(int change)
    {
        if (Scopes.Tenant is { } tenant)
            tenant.Asking += change;
        if (Scopes.Key is { } key)
            key.Asking += change;
    }

    /// <summary>The answer came after <see cref="Fail"/>: gives back what it granted.</summary>
    public void Undo(long[] answer, string node, List<(SharedScope Shared, RedisValue[] Members)> slots)
    {
        var at = 2;
        foreach (var part in _windows)
        {
            if (part.AtHand)
                continue;
            if (part.Window.Knows(answer[at + 3]))
                part.Window.GiveBack(answer[at + 2], answer[at]);
            at += 4;
        }

        foreach (var part in _slots)
            if (!part.AtHand && answer[at++] is > 0 and var granted)
                slots.Add((part.Shared, [.. Enumerable.Range(0, (int)granted).Select(i => Member(node, part.Slot + i))]));
    }

    /// <summary>The call goes: counted in how busy its limits are.</summary>
    public void Use(long second)
    {
        foreach (var part in _windows)
            part.Window.Use(part.Need, second);
        foreach (var part in _slots)
            part.Shared.Slots.Use(second);
    }

    /// <summary>The call was admitted by this node's share.</summary>
    public SharedUse Owe(RateScope of)
    {
        var (requests, tokens, slot) = (0L, 0L, 0L);
        foreach (var part in _windows)
        {
            if (part.Of != of)
                continue;
            part.Window.Owe(part.Need);
            if (part.Kind == RateKind.Requests)
                requests = SharedUse.Owed;
            else
                tokens = SharedUse.Owed;
        }

        foreach (var part in _slots)
        {
            if (part.Of != of)
                continue;
            // A number of its own, of those that a question may have used before it failed: Redis hears of it when leases are renewed.
            slot = _firstSlot + MembersOfQuestion - 1 - (int)of;
            part.Shared.Slots.Held.Add(slot);
        }

        return new SharedUse(requests, tokens, slot);
    }

    private SharedUse UseOf(RateScope of)
    {
        var (requests, tokens, slot) = (0L, 0L, 0L);
        foreach (var part in _windows)
            if (part.Of == of)
            {
                if (part.Kind == RateKind.Requests)
                    requests = part.Second;
                else
                    tokens = part.Second;
            }

        foreach (var part in _slots)
            if (part.Of == of)
                slot = part.Slot;
        return new SharedUse(requests, tokens, slot);
    }

    public RateStanding Standing(RateKind kind, long second)
    {
        var standing = default(RateStanding);
        foreach (var part in _windows)
            if (part.Kind == kind)
            {
                part.Own.Used(second); // brings it up to date
                standing = RateStanding.Tighter(part.Window.Standing(part.Limit, part.Own), standing);
            }

        return standing;
    }
}
