using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal.Pages.Budgets;

/// <summary>A budget's bar: spent, held now, room, cap. Widths in thousandths of the cap, or of what is out where that is more.</summary>
public sealed record Anatomy(NanoUsd Spent, NanoUsd Held, NanoUsd Cap)
{
    public static Anatomy Of(BudgetStanding s) => new(s.Posted, s.Leased, s.Limit);

    public NanoUsd Room => Cap - Spent > Held ? Cap - Spent - Held : NanoUsd.Zero;

    private decimal Whole => Math.Max(1, Math.Max(Cap.Value, Spent.Value + Held.Value));

    public int SpentWidth => (int)(Math.Min(Spent.Value, Cap.Value) * 1000m / Whole);

    public int OverWidth => Spent > Cap ? (int)((Spent - Cap).Value * 1000m / Whole) : 0;

    public int HeldWidth => (int)(Held.Value * 1000m / Whole);

    public Figure Used => Figures.Percent(Spent, Cap, "the cap is zero");

    public string Words => $"{Figures.Money(Spent)} of {Figures.Money(Cap)} spent, {Figures.Money(Held)} held, {Figures.Money(Room)} left";
}
