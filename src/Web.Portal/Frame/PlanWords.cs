using System.Globalization;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>Plans and payments in words.</summary>
public static class PlanWords
{
    /// <summary>What a plan gives, a line each.</summary>
    public static IEnumerable<string> Lines(Plan plan)
    {
        yield return plan.CallsPerMonth is { } calls ? $"{Figures.Count(calls)} calls a month" : "Any number of calls";
        yield return plan.Members is { } members ? members == 1 ? "One member" : $"{members} members" : "Any number of members";
        yield return plan.HistoryDays is { } days ? $"{History(days)} of history" : "History without end";
        yield return plan.Has(PlanFeatures.ScopedCaps) ? "Hard caps at every level: organization, team, project, key, tag" : "A hard cap for the organization";
        if (plan.Has(PlanFeatures.Teams))
            yield return "Teams and projects";
        if (plan.Has(PlanFeatures.Alerts))
            yield return "Alerts by Slack, e-mail, Teams, Discord, PagerDuty and webhook";
        if (plan.Has(PlanFeatures.Rebilling))
            yield return "Statements for your own customers";
    }

    public static string History(int days) => days switch
    {
        1 => "one day",
        < 60 => $"{days} days",
        < 730 => $"{days / 30} months",
        _ => $"{days / 365} years",
    };

    /// <summary>An amount in a currency's smallest unit: <c>49.00 USD</c>.</summary>
    public static string Amount(long amount, string currency) =>
        // Stripe's list of currencies without decimals, 2026-11-21.
        "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".Contains(currency.ToUpperInvariant(), StringComparison.Ordinal)
            ? string.Create(CultureInfo.InvariantCulture, $"{amount} {currency.ToUpperInvariant()}")
            : string.Create(CultureInfo.InvariantCulture, $"{amount / 100m:0.00} {currency.ToUpperInvariant()}");

    /// <summary>The plan in force, and why it is that where it isn't plain: <c>Pro until 3 December, payment overdue</c>.</summary>
    public static string Standing(PlanStanding plan, TimeZoneInfo zone)
    {
        var until = plan.EndsAt is { } at ? " until " + TimeZoneInfo.ConvertTime(at, zone).ToString("d MMMM", CultureInfo.InvariantCulture) : "";
        var why = plan.Reason switch
        {
            EntitlementReason.Granted => "granted",
            EntitlementReason.Paid when plan.EndsAt is not null => "cancelled",
            EntitlementReason.Trial => "trial",
            EntitlementReason.PaymentDue or EntitlementReason.GraceOver => "payment overdue",
            EntitlementReason.Unpaid => "all payments failed",
            EntitlementReason.Paused => "trial over",
            EntitlementReason.Incomplete => "first payment not made yet",
            EntitlementReason.Canceled => "subscription ended",
            EntitlementReason.CustomerDeleted => "customer deleted at Stripe",
            EntitlementReason.UnknownPrice => "paid for no plan of the list",
            _ => "",
        };
        return why.Length == 0 ? plan.Title + until : $"{plan.Title}{until}, {why}";
    }

    /// <summary>Why the plan is what it is, where that is worth a sentence: what is wrong with a payment, and what mends it. Null where all is well.</summary>
    public static string? Trouble(EntitlementReason reason, string plan, string? ends) => reason switch
    {
        EntitlementReason.PaymentDue => $"The last payment failed. {plan} stays until {ends}; it is tried again meanwhile. Look at your card under \"Card, invoices, cancelling\".",
        EntitlementReason.GraceOver => "The last payment failed, and the days of grace are over: calls count against the free plan. As soon as the open invoice is paid, your plan is back.",
        EntitlementReason.Unpaid => "All tries to charge your card have failed: calls count against the free plan. Pay the open invoice under \"Card, invoices, cancelling\", and your plan is back.",
        EntitlementReason.Paused => "The trial ended without a card: add one under \"Card, invoices, cancelling\", and your plan goes on.",
        EntitlementReason.Incomplete => "The first payment is not made yet. If your bank asked you to confirm it, do so, or start again.",
        EntitlementReason.Expired => "The first payment was never made, so that nothing was bought. You can start again.",
        EntitlementReason.CustomerDeleted => "Your customer record at Stripe was deleted, and with it every subscription. You can start again.",
        EntitlementReason.UnknownPrice => "What was bought belongs to no plan of this installation. Whoever runs it has to look at its price list.",
        _ => null,
    };

    /// <summary>What a payment is flagged with: <c>disputed</c>.</summary>
    public static string Flag(PaymentTrouble trouble) =>
        trouble.Kind == PaymentTroubleKind.Refund ? trouble.Status == "full" ? "refunded" : "partly refunded" : trouble.Open ? "disputed" : $"dispute {Words(trouble.Status)}";

    /// <summary>What there is to know besides: <c>49.00 USD, fraudulent, needs response</c>.</summary>
    public static string Say(PaymentTrouble trouble) =>
        Amount(trouble.Amount, trouble.Currency) + (trouble.Kind == PaymentTroubleKind.Refund ? "" : $", {Words(trouble.Reason)}{(trouble.Open ? $", {Words(trouble.Status)}" : "")}");

    private static string Words(string code) => code.Replace('_', ' ');

    public static string Say(PayInvoice invoice) => invoice.Status switch
    {
        "paid" => "paid",
        "open" => invoice.Attempts > 0 ? "payment failed" : "open",
        "void" => "cancelled",
        "uncollectible" => "not paid",
        _ => "not made yet",
    };
}
