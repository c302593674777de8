using System.Buffers;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>
/// Keeps what is held for a stream ahead of what has passed of it: extends the hold while there is room, and says when there is none, and ends the
/// stream then as its protocol would at the output limit.
/// </summary>
internal sealed class PaidStream(ProxyCall call, IBudgetGate gate, IUsageRecorder recorder, StreamCut? cut)
{
    /// <summary>Room ran out: as soon as the event at hand is over, the stream ends.</summary>
    public bool Ending { get; private set; }

    /// <summary>The provider goes on far beyond the limit that it was sent, or that its model has. Twice, since what passes is counted by its bytes.</summary>
    public bool Overrun => MostTokens is > 0 and var most && call.Reader!.EstimatedOutputTokens > (most * 2) + 64;

    /// <summary>Room ran out in the middle of an event that goes on and on: what it has already is more than was paid for.</summary>
    public bool Runaway => Ending && call.Reader!.EstimatedOutputTokens > call.PaidTokens;

    /// <summary>The protocol's own end has passed: nothing is to be cut.</summary>
    public bool IsOver => cut is { IsOver: true };

    /// <summary>The stream can't be ended in order: its connection has to be closed.</summary>
    public bool Endless => cut is null;

    /// <summary>Pays for what has passed and for what may be on its way.</summary>
    public ValueTask PayAsync(CancellationToken cancellationToken)
    {
        if (call.PaidTokens == 0 || Ending || call.Reader!.OutputTokensAtMost + HoldPlan.Margin is var needed && needed <= call.PaidTokens)
            return ValueTask.CompletedTask;
        return PayForAsync(needed, Math.Max(needed + HoldPlan.Margin, call.PaidTokens * 2), cancellationToken);
    }

    /// <summary>Pays for all that can still come: while the client doesn't read, nobody sees how far the provider is.</summary>
    public ValueTask PayWholeAsync(CancellationToken cancellationToken)
    {
        if (call.PaidTokens == 0 || Ending || (call.Bound.Limit > 0 && call.PaidTokens >= call.Bound.Limit))
            return ValueTask.CompletedTask;
        if (call.Bound.Limit > 0)
            return PayForAsync(call.Bound.Limit, call.Bound.Limit, cancellationToken);
        Ending = true;
        return ValueTask.CompletedTask;
    }

    /// <summary>Bytes that have gone to the client.</summary>
    public void Relayed(ReadOnlySpan<byte> bytes) => cut?.Feed(bytes);

    /// <summary>How many of these bytes still belong to the event that has begun; -1 for all of them.</summary>
    public int UntilBoundary(ReadOnlySpan<byte> next) => cut!.UntilBoundary(next);

    /// <summary>Nothing is open: the stream may be ended here.</summary>
    public bool AtBoundary => cut is { AtBoundary: true };

    /// <summary>Writes the protocol's own ending for reason of length.</summary>
    public void WriteEnd(IBufferWriter<byte> output)
    {
        call.CutAtBudget = true;
        // What was asked of the provider in the client's stead is not told to the client.
        var used = call.Reader!.UsageSoFar;
        cut!.Write(output, new CutUsage(used.InputTokens, used.OutputTokens), usageAsked: call.Peek.UsageSplice is null);
    }

    // What the provider may put out; 0 where that can't be told.
    private long MostTokens => call.PaidTokens > 0 ? call.Bound.Limit
        : call.OutputLimit is not { } limit ? call.Bound.OutputTokens
        : call.Bound.Limit > 0 ? call.Bound.OutputTokens - (call.Bound.Limit - limit)
        : call.Peek.Extent is { ServerTools: ServerTools.None } ? limit * Math.Max(1, call.Peek.Choices)
        : 0;

    private async ValueTask PayForAsync(long needed, long wanted, CancellationToken cancellationToken)
    {
        if (call.Bound.Limit > 0)
        {
            wanted = Math.Min(wanted, call.Bound.Limit);
            needed = Math.Min(needed, call.Bound.Limit);
        }

        if (needed <= call.PaidTokens)
            return; // all that the model can put out is paid for
        if (!await TryPayAsync(wanted, cancellationToken) && (wanted == needed || !await TryPayAsync(needed, cancellationToken)))
            Ending = true;
    }

    private async ValueTask<bool> TryPayAsync(long tokens, CancellationToken cancellationToken)
    {
        var by = call.Bound.MostWith(tokens) - call.Hold.UpperBound;
        if (by > NanoUsd.Zero && !await gate.ExtendAsync(call.Hold, by, cancellationToken))
            return false;
        call.PaidTokens = tokens;
        // On file before anything that it pays for is passed on: a killed process must not forget it.
        return recorder.Extend(call.Ticket, call.Hold.UpperBound, call.Charges());
    }
}

/// <summary>Shows all that is written to the client to the stream's payer as well.</summary>
internal sealed class PaidWriter(IBufferWriter<byte> inner, PaidStream paid) : IBufferWriter<byte>
{
    private Memory<byte> _memory;

    public void Advance(int count)
    {
        paid.Relayed(_memory.Span[..count]);
        inner.Advance(count);
    }

    public Memory<byte> GetMemory(int sizeHint = 0) => _memory = inner.GetMemory(sizeHint);

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;
}
