using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>The gate's other half: what it asks the truth, and when.</summary>
public sealed partial class BudgetGate
{
    private enum Reply
    {
        /// <summary>A hold of that size can be taken now, unless others are quicker.</summary>
        Covered,

        /// <summary>The truth has too little left.</summary>
        Short,

        /// <summary>The truth can't be asked.</summary>
        Away,

        /// <summary>The account ended here: its place is taken by another, or its budget is gone.</summary>
        Lost,
    }

    private async ValueTask<(Reply Reply, LeaseAnswer? Answer)> AskAsync(GateAccount account, long need, CancellationToken cancellationToken)
    {
        var failures = account.Failures;
        await account.Turn.WaitAsync(cancellationToken);
        try
        {
            LeaseCall request;
            account.Sync.Enter();
            try
            {
                if (account.Retired)
                    return (Reply.Lost, null);
                var now = _time.GetTimestamp();
                if (account.Covers(need, now))
                    return (Reply.Covered, null); // while this call waited for its turn
                // Who went before found the truth away. With a store that hangs, each finding it out anew would wait for a timeout of its own, one behind the other.
                if (account.Failures != failures)
                    return (Reply.Away, null);
                // Past its expiry a lease is not what it was: the limit may have been lowered. All that is free goes back and is asked for anew.
                if (now >= account.ExpiresAt)
                    account.ReturnFree();
                if (account.RefusedBefore(_time, need - account.Free.Value, AskAgain / 2) is { } before)
                    return (Reply.Short, before);
                request = account.Call(_options.Nodes) with { Least = new NanoUsd(need) - account.Free, Want = account.Likely(_time, need, _options.LeaseAhead) };
            }
            finally
            {
                account.Sync.Exit();
            }

            LeaseAnswer answer;
            try
            {
                // Not by the caller's token: a grant whose caller left is this node's all the same.
                answer = await _truth.LeaseAsync(request, CancellationToken.None);
            }
            catch (Exception e)
            {
                // Whatever the store's reason is: what happened there is found out by the next call, since it names totals.
                if (SaySo())
                    TruthAway(e, account.Account.BudgetId);
                account.Uncertain = true;
                account.Failures++;
                return (Reply.Away, null);
            }

            if (!Apply(account, answer, request.Returned))
                return (Reply.Lost, null);
            account.Sync.Enter();
            var covered = account.Covers(need, _time.GetTimestamp());
            // What is free here and doesn't suffice is no use to anybody while it stays here: with what others give back it may suffice for one.
            if (answer.Verdict == LeaseVerdict.Refused && !covered && account.Free > NanoUsd.Zero)
                account.ReturnFree();
            else if (answer.Verdict == LeaseVerdict.Refused)
                account.Refuse(_time, request.Least.Value, answer);
            account.Sync.Exit();
            return (covered || answer.Verdict == LeaseVerdict.Granted ? Reply.Covered : Reply.Short, answer);
        }
        finally
        {
            account.Turn.Release();
        }
    }

    // Once in a while: with the store away every call would say it.
    private bool SaySo()
    {
        var (now, last) = (_time.GetTimestamp(), Interlocked.Read(ref _saidAway));
        return (last == 0 || _time.GetElapsedTime(last, now) >= SayAgainAfter) && Interlocked.CompareExchange(ref _saidAway, now, last) == last;
    }

    // False where the account ended.
    private bool Apply(GateAccount account, LeaseAnswer answer, NanoUsd returned)
    {
        if (answer.Verdict == LeaseVerdict.Fenced)
        {
            Fenced(account.Account);
            lock (_names)
                if (_names[^1] == account.Owner.Node)
                    _names.Add($"{_node}.{_names.Count + 1}");
            Retire(account);
            return false;
        }

        account.Sync.Enter();
        if (answer.Granted >= account.Granted)
        {
            var lifetime = answer.LimitHoldsFor is { } holds && holds < _options.LeaseLifetime ? holds : _options.LeaseLifetime;
            account.Adopt(answer.Granted, answer.Epoch, _time.GetTimestamp() + (long)((Int128)lifetime.Ticks * _time.TimestampFrequency / TimeSpan.TicksPerSecond));
        }

        account.Told(answer, returned);
        account.Uncertain = false;
        if (account.Retired)
        {
            // It was tidied away while this answer was on its way: what came with it goes back, and nobody takes from it meanwhile.
            account.ReturnFree();
            account.Lose();
        }

        account.Sync.Exit();
        if (answer.Verdict == LeaseVerdict.Gone)
        {
            account.Slot.End();
            Retire(account);
            return false;
        }

        return true;
    }

    /// <summary>Its holds go on; nothing new is taken from it.</summary>
    private static void Retire(GateAccount account)
    {
        account.Sync.Enter();
        account.Lose();
        account.Retired = true;
        var changed = account.TakeChanged();
        account.Sync.Exit();
        account.Slot.Forget(account);
        changed?.TrySetResult();
    }

    /// <summary>Reads what changed in the budgets. When it completes no hold is taken from what was leased under the terms before.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        // One after the other: who finds nothing changed must not be told so before whoever found the change is done with it.
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            var changed = _directory.Apply(await _truth.ChangesAsync(_directory.Seq, cancellationToken)).OrderBy(a => a.Owner.Serial).ToList();
            foreach (var account in changed)
            {
                account.Sync.Enter();
                account.Recalled = true; // until the truth has said how it stands under the new terms
                account.ReturnFree();
                account.ForgetRefusal();
                account.Sync.Exit();
            }

            foreach (var account in changed)
                await GiveBackAsync(account);
        }
        finally
        {
            _refreshing.Release();
        }
    }

    /// <summary>
    /// Gives back what is not needed: what was idle, what belongs to a period that is over, what an earlier attempt could not tell the truth.
    /// To be called about once a second.
    /// </summary>
    public async Task TidyAsync(CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        // In the order of their making: the dictionary's own order differs from run to run, and a simulation's seed must mean the same in each.
        foreach (var account in _byOwner.Values.OrderBy(a => a.Owner.Serial))
        {
            cancellationToken.ThrowIfCancellationRequested();
            account.Sync.Enter();
            var over = now >= account.Window.End;
            var idle = over || _time.GetElapsedTime(account.LastTaken) >= _options.IdleAfter;
            if (idle && !account.Retired)
                account.ReturnFree();
            var done = idle && account.Held == NanoUsd.Zero && account.Unposted == NanoUsd.Zero;
            var due = account.Returned != account.ReturnedForSure || account.Uncertain || account.Recalled;
            if (done && !account.Retired && !due)
            {
                // Whoever has found it already is told, and finds its successor.
                account.Lose();
                account.Retired = true;
            }

            account.Sync.Exit();
            if (due && !account.Retired)
                await GiveBackAsync(account);
            else if (done && account.Retired)
            {
                account.Slot.Forget(account);
                if (await GiveBackAsync(account, close: true))
                    _byOwner.TryRemove(account.Owner.ToString(), out _);
            }
        }
    }

    /// <summary>Gives everything back that is free, for a node that stops. Open holds must have ended.</summary>
    /// <returns>False where the truth could not be told of all.</returns>
    public async Task<bool> DrainAsync()
    {
        var told = true;
        foreach (var account in _byOwner.Values.OrderBy(a => a.Owner.Serial))
        {
            account.Sync.Enter();
            account.ReturnFree();
            account.Sync.Exit();
            await GiveBackAsync(account);
            told &= !account.Uncertain && (account.Epoch == 0 || account.Returned == account.ReturnedForSure);
        }

        return told;
    }

    private async Task<bool> GiveBackAsync(GateAccount account, bool close = false)
    {
        await account.Turn.WaitAsync();
        try
        {
            LeaseCall request;
            account.Sync.Enter();
            try
            {
                if (!account.Uncertain && !account.Recalled && (account.Epoch == 0 || (account.Returned == account.ReturnedForSure && !close)))
                    return true; // the truth knows it all, or was never asked
                // A grant that was on its way when its limit was lowered came in while this call waited for its turn.
                if (close || account.Recalled)
                    account.ReturnFree();
                request = account.Call(_options.Nodes) with { Close = close };
            }
            finally
            {
                account.Sync.Exit();
            }

            var answer = await _truth.LeaseAsync(request, CancellationToken.None);
            if (close && answer.Verdict == LeaseVerdict.Fenced)
                return true; // closed already: an answer was lost
            var lives = Apply(account, answer, request.Returned);
            if (!close)
                return lives;
            // More may have come to light: a grant whose answer was lost. Then it is closed another time.
            account.Sync.Enter();
            var closed = account.Returned == account.ReturnedForSure && account.Held == NanoUsd.Zero && account.Unposted == NanoUsd.Zero;
            account.Sync.Exit();
            return closed;
        }
        catch (Exception e)
        {
            if (SaySo())
                TruthAway(e, account.Account.BudgetId);
            account.Uncertain = true;
            account.Failures++;
            return false; // the totals are told again with the next call
        }
        finally
        {
            account.Turn.Release();
        }
    }
}
