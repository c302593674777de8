using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Budgets;

/// <summary>An account as an estimate finds it.</summary>
/// <param name="Free">What the next hold could be taken from, on the node that answers: free in its lease, or not set aside for any node.</param>
/// <param name="Spent">In the ledger, or on its way there from this node.</param>
/// <param name="HeldHere">In open holds of the node that answers; null where it serves no calls.</param>
public sealed record BudgetRoom(Budget Budget, string Subject, PeriodWindow Window, NanoUsd Limit, NanoUsd Spent, NanoUsd Leased, NanoUsd Free, NanoUsd? HeldHere)
{
    public NanoUsd Unspent => Limit > Spent ? Limit - Spent : NanoUsd.Zero;

    /// <summary>0 to 100. A budget of nothing is full.</summary>
    public int UsedPercent => Limit > NanoUsd.Zero ? (int)Int128.Min(100, (Int128)Spent.Value * 100 / Limit.Value) : 100;

    /// <summary>What such a call takes from it.</summary>
    public NanoUsd Need(NanoUsd upperBound, NanoUsd expected) => Budget.Mode == BudgetMode.Strict || upperBound < expected ? upperBound : expected;

    public HoldRefusal Refusal => new(Budget, Subject, Limit, Spent, Leased, Window.ResetsAt);
}

/// <summary>What the gate would answer to a request at this moment, without waiting and without taking anything.</summary>
/// <param name="Held">How much it would hold; meaningful where the verdict is that it holds.</param>
/// <param name="Binding">The account that refuses, lowers, or comes nearest to it; null where none takes holds.</param>
public readonly record struct HoldForecast(HoldVerdict Verdict, NanoUsd Held, BudgetRoom? Binding)
{
    public static HoldForecast Of(IReadOnlyList<BudgetRoom> rooms, HoldRequest request)
    {
        var (upperBound, room, clamp) = (request.UpperBound, default(NanoUsd?), true);
        var (refusing, spent, nearest) = (default(BudgetRoom), default(BudgetRoom), default(BudgetRoom));
        foreach (var account in rooms)
        {
            var need = account.Need(upperBound, request.Expected);
            if (nearest is null || account.Free - need < nearest.Free - nearest.Need(upperBound, request.Expected))
                nearest = account;
            if (need <= account.Free)
                continue;
            clamp &= account.Budget.Clamp;
            var least = account.Budget.Clamp && request.Least < need ? request.Least : need;
            if (least > account.Unspent)
                spent ??= account;
            if (room is null || account.Free < room)
                (room, refusing) = (account.Free, account);
        }

        if (room is not { } left)
            return new HoldForecast(HoldVerdict.Held, upperBound, nearest);
        if (spent is not null)
            return new HoldForecast(HoldVerdict.Exhausted, default, spent);
        return clamp && left >= request.Least && left < upperBound ? new HoldForecast(HoldVerdict.Held, left, refusing) : new HoldForecast(HoldVerdict.FullyHeld, default, refusing);
    }
}
