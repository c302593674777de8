using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Ledger;

/// <summary>The store of usage events and of their hourly rollups.</summary>
public interface IUsageLedger
{
    /// <summary>
    /// Appends events and adds them to their rollups, all in one transaction. An event whose request id and attempt already stand there is
    /// left out, rollups included, so that a repeated batch changes nothing.
    /// </summary>
    /// <returns>How many were new.</returns>
    Task<int> AppendAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken);

    /// <summary>The same where nobody waits for it: a store that works in this process lets those that serve calls have the processors first.</summary>
    Task<int> AppendBehindCallsAsync(IReadOnlyList<UsageEvent> events, CancellationToken cancellationToken) => AppendAsync(events, cancellationToken);
}

/// <summary>A call that stands open in the journal. <c>default</c> for none.</summary>
public readonly record struct CallTicket(long Value)
{
    public bool IsNone => Value == 0;
}

/// <summary>
/// Where the hot path leaves what happens to a call: first in the node's journal on disk, which outlives the process, then in batches in the
/// <see cref="IUsageLedger"/>. A call is <c>admitted → sent → recorded</c>, or <c>admitted → void</c>. What a killed process leaves open is closed
/// at the next start: void where it was not sent, otherwise with the outcome <see cref="CallOutcome.Abandoned"/>.
/// </summary>
public interface IUsageRecorder
{
    /// <summary>False where nothing should be admitted: the ledger is away and too much waits for it, or the journal can't be written.</summary>
    bool Accepting { get; }

    /// <summary>False while the journal can't be written: the disk is full, broken, or the journal has reached its bound.</summary>
    bool JournalWritable { get; }

    /// <summary>Puts a call on file. Allocates nothing and waits for no disk.</summary>
    /// <param name="sent">True where nothing lies between this and sending it; otherwise <see cref="Sent"/> has to come before the first byte.</param>
    /// <returns>None where it can't be written: the call must not be sent.</returns>
    CallTicket Admit(in CallAdmission admission, bool sent);

    /// <summary>Puts on file that an attempt is about to go out.</summary>
    /// <param name="attempt">1 for the first.</param>
    /// <returns>False where it can't be written: the attempt must not be sent.</returns>
    bool Sent(CallTicket ticket, int attempt);

    /// <summary>Puts on file that more is held for a call.</summary>
    /// <param name="upperBound">The new one.</param>
    /// <param name="charges">All that each lease covers now.</param>
    /// <returns>False where it can't be written: the call must not use what it was given.</returns>
    bool Extend(CallTicket ticket, NanoUsd upperBound, IReadOnlyList<BudgetCharge> charges);

    /// <summary>Puts on file how far a call came: its row is estimated by that, should the process die. What budgets count then doesn't change. Where it can't be written, the one before stands.</summary>
    /// <param name="usage">The whole of it so far.</param>
    void Progress(CallTicket ticket, in TokenUsage usage);

    /// <summary>Closes a call that was not sent: there will be no row.</summary>
    void Void(CallTicket ticket);

    /// <summary>Takes an event that stands for itself. Never blocks and never loses it while the process lives.</summary>
    void Record(UsageEvent usage) => Record(usage, default, last: true);

    /// <summary>
    /// Takes the event of an attempt. Never blocks; on file when it returns, or, where the journal can't be written, safe while the process lives.
    /// </summary>
    /// <param name="last">No further attempt of this call follows: the call is closed.</param>
    void Record(UsageEvent usage, CallTicket ticket, bool last);
}
