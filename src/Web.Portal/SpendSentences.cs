using System.Globalization;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Web.Portal;

/// <summary>What pages say about spend, from figures alone: the same figures make the same sentence.</summary>
public static class SpendSentences
{
    /// <summary><c>You spent $412.08 this month, 82 % of your $500.00 cap, on course for $498–$561 by 30 Nov.</c></summary>
    /// <param name="cap">The limit of the month for the whole tenant; null where there is none.</param>
    public static string Month(NanoUsd spent, NanoUsd? cap, SpendForecast? forecast, int daysKnown, DateTimeOffset end, TimeZoneInfo zone, DateTimeOffset now)
    {
        var share = cap switch
        {
            null => "",
            { Value: 0 } => ", against a cap of $0",
            { } limit when spent > limit => $", {Figures.Money(spent - limit).Text} over your {Figures.Money(limit).Text} cap",
            { } limit => $", {Figures.Percent(spent, limit).Text} of your {Figures.Money(limit).Text} cap",
        };
        return spent.Value == 0
            ? $"You spent $0 this month{(share.Length == 0 ? "" : share)}."
            : $"You spent {Figures.Money(spent).Text} this month{share}{Course(spent, cap, forecast, daysKnown, end, zone, now)}.";
    }

    private static string Course(NanoUsd spent, NanoUsd? cap, SpendForecast? forecast, int daysKnown, DateTimeOffset end, TimeZoneInfo zone, DateTimeOffset now)
    {
        // The last day, not the midnight that ends it.
        var by = Figures.Day(end.AddMinutes(-1), zone, now);
        if (forecast is null)
            return daysKnown == 0
                ? $"; the first whole day is still to come, so nobody can say yet where it ends"
                : $"; {Number(daysKnown)} {(daysKnown == 1 ? "day is" : "days are")} too little to say where it ends";
        var range = Range(forecast.Low, forecast.High);
        return cap is { } limit && forecast.Low > limit && spent <= limit ? $", on course for {range} by {by}, past the cap" : $", on course for {range} by {by}";
    }

    /// <summary><c>Will end at about $412 ($380–$450); the cap is reached about 23 November.</c> Null where nothing can be said, or nothing more: the budget is used up.</summary>
    public static string? Ends(SpendForecast? forecast, NanoUsd spent, NanoUsd cap, TimeZoneInfo zone, DateTimeOffset now)
    {
        if (forecast is null || spent >= cap)
            return null;
        var end = $"Will end at about {Rough(forecast.Expected)} ({Range(forecast.Low, forecast.High)})";
        return forecast.ReachedAt is { } at ? $"{end}; the cap is reached about {Reached(at, zone, now)}."
            : forecast.High > cap ? $"{end}; the cap may be reached."
            : $"{end}; the cap is not reached.";
    }

    /// <summary><c>about $412 at the end, cap reached about 23 November</c>: for a column. Null as <see cref="Ends"/>.</summary>
    public static string? EndsBriefly(SpendForecast? forecast, NanoUsd spent, NanoUsd cap, TimeZoneInfo zone, DateTimeOffset now) => forecast is null || spent >= cap ? null
        : $"about {Rough(forecast.Expected)} at the end{(forecast.ReachedAt is { } at ? $", cap reached about {Reached(at, zone, now)}" : "")}";

    /// <summary><c>14:00</c> for today; <c>23 November</c> for a later day, of which the hour can't be said.</summary>
    public static string Reached(DateTimeOffset at, TimeZoneInfo zone, DateTimeOffset now) => BudgetWords.Around(at, zone, now);

    /// <summary><c>$498–$561</c>: whole dollars from ten dollars on; one amount where both are the same.</summary>
    public static string Range(NanoUsd low, NanoUsd high)
    {
        var (a, b) = (Rough(low), Rough(high));
        return a == b ? a : $"{a}–{b}";
    }

    /// <summary><c>Most of the rise is summarise on gpt-5.1.</c> With how much it was, and whether by more calls or by dearer ones.</summary>
    /// <param name="name">What people call an id.</param>
    public static string Cause(SpendChange change, Func<string, string> name)
    {
        if (change.Change.Value == 0)
            return change.Now.Value == 0 ? "Nothing was spent, now or before." : "As much as in the comparable time before.";
        if (change.Before.Value == 0)
            return change.Cause is null ? "Nothing was spent in the comparable time before." : $"Nothing was spent before; {Lead(change)} of it is {Who(change, name)}.";
        var move = change.Change.Value > 0 ? "rise" : "fall";
        if (change.Cause is not { } cause)
            return $"The {move} is spread: no one model, key, project, feature or customer explains it.";
        var others = change.Share > 1.1m ? $" It {(move == "rise" ? "rose" : "fell")} by {Figures.Money(Size(cause.Change)).Text}; others went the other way." : "";
        return $"{Capital(Lead(change))} of the {move} is {Who(change, name)}{How(change.CauseOnModel ?? cause)}.{others}";
    }

    /// <summary><c>Up $120.00 (+41 %) against 1–28 Oct.</c></summary>
    public static string Compared(SpendChange change, DateTimeOffset from, DateTimeOffset to, TimeZoneInfo zone, DateTimeOffset now)
    {
        var span = Span(from, to, zone, now);
        if (change.Before.Value == 0)
            return change.Now.Value == 0 ? $"Nothing was spent, and nothing in {span}." : $"Nothing was spent in {span}.";
        var delta = Figures.Change(change.Before, change.Now);
        return delta.Word == "unchanged" ? $"Exactly as much as in {span}." : $"{(delta.Word == "more" ? "Up" : "Down")} {Figures.Money(Size(change.Change)).Text} ({delta.Percent.Text}) against {span}.";
    }

    /// <summary><c>14 calls were refused this month, last 02:00 on 28 Nov: 12 because a budget was used up (key batch-eu).</c></summary>
    public static string Refusals(IReadOnlyList<RefusedLine> refused, Func<string, string> name, TimeZoneInfo zone)
    {
        if (refused.Count == 0)
            return "No call was refused.";
        var (calls, first) = (refused.Sum(r => r.Calls), refused[0]);
        var last = TimeZoneInfo.ConvertTime(refused.Max(r => r.Last), zone).ToString("HH:00 'on' d MMM", CultureInfo.InvariantCulture);
        return $"{Number(calls)} {(calls == 1 ? "call was" : "calls were")} refused, the last after {last}: {(refused.Count == 1 ? "" : $"{Number(first.Calls)} of them ")}{WhyRefused(first.Code)} (key {name(first.KeyId)}).";
    }

    /// <summary>What a code of the proxy's means, in words.</summary>
    public static string WhyRefused(string code) => code switch
    {
        "budget_exhausted" => "because a budget was used up",
        "budget_held" => "because all that a budget had left was held by running calls",
        "budget_unverifiable" => "because a budget could not be verified",
        "rate_limited" => "by a rate limit",
        "unknown_model" => "for a model that no provider of the key has",
        "unknown_provider" => "for a provider that isn't there",
        "unmetered_route" => "on a route that nothing meters",
        "no_provider_key" => "because no key of the provider is stored",
        "bad_request_body" => "because their bodies could not be read",
        "idempotency_done" or "idempotency_in_progress" => "because the same call was made before",
        _ => $"as {code}",
    };

    /// <summary><c>Caching saved $42.57: cache reads were $46.05 cheaper than plain input, cache writes $3.48 dearer.</c></summary>
    public static string Caching(CacheSavings savings) => (savings.Saved.Value, savings.Extra.Value) switch
    {
        (0, 0) => "Nothing was cached.",
        (_, 0) => $"Caching saved {Figures.Money(savings.Saved).Text}.",
        _ when savings.Net.Value < 0 => $"Caching cost {Figures.Money(Size(savings.Net)).Text} more than it saved: writes were {Figures.Money(savings.Extra).Text} dearer than plain input, reads {Figures.Money(savings.Saved).Text} cheaper.",
        _ => $"Caching saved {Figures.Money(savings.Net).Text}: reads were {Figures.Money(savings.Saved).Text} cheaper than plain input, writes {Figures.Money(savings.Extra).Text} dearer.",
    };

    /// <summary><c>1,204 repeats were answered from the cache: they would have cost $42.57.</c></summary>
    public static string Repeats(RepeatSavings repeats) => repeats.Repeats switch
    {
        0 => "No repeat was answered from the cache.",
        1 => $"One repeat was answered from the cache: it would have cost {Figures.Money(repeats.Saved).Text}.",
        _ => $"{Figures.Count(repeats.Repeats).Text} repeats were answered from the cache: they would have cost {Figures.Money(repeats.Saved).Text}.",
    };

    /// <summary><c>1–28 Oct</c>, <c>28 Oct – 3 Nov</c>; the last day that has a part in it.</summary>
    public static string Span(DateTimeOffset from, DateTimeOffset to, TimeZoneInfo zone, DateTimeOffset now)
    {
        var (a, b) = (TimeZoneInfo.ConvertTime(from, zone), TimeZoneInfo.ConvertTime(to.AddTicks(-1), zone));
        var last = Figures.Day(to.AddTicks(-1), zone, now);
        return a.Date == b.Date ? last
            : (a.Year, a.Month) == (b.Year, b.Month) ? $"{a.Day}–{last}"
            : $"{Figures.Day(from, zone, now)} – {last}";
    }

    // In words for people: an empty value is calls that carry none.
    private static string Who(SpendChange change, Func<string, string> name)
    {
        var cause = change.Cause!;
        var value = cause.Value.Length > 0 ? name(cause.Value) : "calls without a " + cause.Dimension;
        var kind = cause.Dimension is "model" or "feature" || cause.Value.Length == 0 ? "" : cause.Dimension + " ";
        return change.CauseOnModel?.Model is { Length: > 0 } model ? $"{kind}{value} on {model}" : kind + value;
    }

    private static string Lead(SpendChange change) => change.Share switch { >= 0.9m => "nearly all", >= 0.5m => "most", _ => "the largest part" };

    // Whether it were more calls or dearer ones, where one of them says it.
    private static string How(Contribution cause)
    {
        if (cause.CallsBefore == 0 || cause.CallsNow == 0 || cause.Before.Value <= 0)
            return cause.CallsBefore == 0 && cause.CallsNow > 0 ? ", which is new" : cause.CallsNow == 0 && cause.CallsBefore > 0 ? ", which has stopped" : "";
        var calls = (decimal)cause.CallsNow / cause.CallsBefore;
        var each = (decimal)cause.Now.Value / cause.Before.Value / calls;
        return Math.Abs(calls - 1) >= 2 * Math.Abs(each - 1) ? calls >= 3 ? $", with {Times(calls)} the calls" : $", by {Figures.Percent(Math.Abs(calls - 1)).Text} {(calls > 1 ? "more" : "fewer")} calls"
            : Math.Abs(each - 1) >= 2 * Math.Abs(calls - 1) ? each >= 3 ? $", whose calls cost {Times(each)} as much" : $", whose calls cost {Figures.Percent(Math.Abs(each - 1)).Text} {(each > 1 ? "more" : "less")} each"
            : "";
    }

    private static string Times(decimal factor) => factor.ToString(factor < 20 ? "0.#" : "#,0", CultureInfo.InvariantCulture) + "\u00a0times";

    private static string Rough(NanoUsd amount) => amount.Usd >= 10 ? "$" + decimal.Round(amount.Usd, 0, MidpointRounding.AwayFromZero).ToString("#,0", CultureInfo.InvariantCulture) : Figures.Money(amount).Text;

    private static NanoUsd Size(NanoUsd amount) => amount.Value < 0 ? NanoUsd.Zero - amount : amount;

    private static string Number(long count) => Figures.Count(count).Text;

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
