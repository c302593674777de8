using System.Globalization;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Portal;

/// <summary>What quality groups did and could do, in words.</summary>
internal static class SavingsSentences
{
    private const char Space = '\u00a0';
    private const char Minus = '\u2212';

    /// <summary>Of the strong model's quality, one decimal place, never rounded up: <c>98.4 %</c>.</summary>
    public static Figure Kept(double? share, string whyUnknown = "the strong model scored nothing") => share is not { } known
        ? Figures.Unknown(whyUnknown)
        : new Figure(Percent(known, "0.0"), Percent(known, "0.0###"));

    /// <summary>A promise: <c>95 %</c>, <c>97.5 %</c>.</summary>
    public static string Keep(QualityTarget keep) => $"{(keep.Target * 100).ToString("0.##", CultureInfo.InvariantCulture)}{Space}%";

    /// <summary><c>$412</c>, <c>$4.12</c>, <c>$0.04120</c>: an estimate isn't told to the cent where it is large.</summary>
    public static string About(NanoUsd amount) => Math.Abs(amount.Usd) >= 100
        ? $"{(amount.Value < 0 ? Minus.ToString() : "")}${Math.Abs(amount.Usd).ToString("#,0", CultureInfo.InvariantCulture)}"
        : Figures.Money(amount).Text;

    /// <summary><c>$380 to $440</c>.</summary>
    public static string Between(NanoUsd low, NanoUsd high) => $"{About(low)} to {About(high)}";

    /// <summary><c>checkout-prod, with instructions, 3 tools, answers as JSON</c>.</summary>
    public static string Class(string? keyName, ClassFacts? facts) => facts is null
        ? "all further classes"
        : $"{keyName ?? "a key that is gone"}, {(facts.HasSystem ? "with instructions" : "no system prompt")}, {Tools(facts.Tools)}{Format(facts.Format)}";

    /// <summary><c>Calls of key checkout-prod with 3 tools: groq/x kept 98.1 % (at least 96.4 %) of openai/y, saves about $412 a month ($380 to $440)</c>.</summary>
    public static string Suggestion(SavingSuggestion s) =>
        $"{Calls(s)}: {s.Candidate} kept {Kept(s.Kept).Text} (at least {Kept(s.Low).Text}) of {s.Strong}, saves about {About(s.Saving)} a month ({Between(s.SavingLow, s.SavingHigh)})";

    /// <summary>What a group is doing, and how much it knows.</summary>
    public static string State(GroupSavings group)
    {
        var (quality, labels) = (group.Quality, group.Candidates.Sum(c => c.Labels));
        var does = quality.Active
            ? $"Calls go to a cheaper model where comparisons prove that {Keep(quality.Keep)} of the quality is kept."
            : $"It only watches: every call goes to {group.Strong}.";
        return labels == 0 ? $"{does} {Learning(group)}" : $"{does} {Rounded(labels)} comparisons are known.";
    }

    /// <summary>How long it takes until there is something to say; what stands in its way.</summary>
    public static string Learning(GroupSavings group)
    {
        var quality = group.Quality;
        if (quality.SamplePercent == 0 || quality.SampleLimit == NanoUsd.Zero)
            return "Nothing is compared, so nothing can be proven: let it compare some of the calls.";
        var monthly = group.Calls * quality.SamplePercent / 100.0 / Math.Max(1, quality.Candidates.Count);
        return group.Calls == 0
            ? "No call has come yet in these four weeks."
            : $"With these calls about {Rounded(monthly)} comparisons{(quality.Candidates.Count > 1 ? " of each model" : "")} come in four weeks.";
    }

    /// <summary>What one attempt of a call was for its quality group; null where none decided.</summary>
    public static string? Call(UsageEvent call)
    {
        if (RoutedMark.Read(call.Routed) is not { } mark)
            return null;
        var why = mark.Reason switch
        {
            RouteReason.NoLabels => "It went to the strong model: nothing is known yet about the cheaper one.",
            RouteReason.Holdout => "It stayed on the strong model on purpose: one call in fifty does, to see whether quality is kept.",
            RouteReason.NotCheaper => "It went to the strong model: the other would not have cost less.",
            RouteReason.Demoted => "It went to the strong model: lately answers of the cheaper one to such calls went wrong.",
            RouteReason.NotActive => "It went to the strong model: the group only watches.",
            RouteReason.Conversation => "It stayed where its conversation is.",
            RouteReason.BelowBound => "It went to the strong model: nothing proves that the cheaper one is as good for such calls.",
            RouteReason.ClassProven => "It went to the cheaper model: for calls of its class it is proven to be as good.",
            RouteReason.PromptProven => "It went to the cheaper model: for prompts like it that is proven to be as good.",
            RouteReason.Escalated => "The cheaper model's answer failed its check, so the strong model was asked.",
            RouteReason.Shadow => "It is a comparison: the same request was asked of another model too. Its answer went to nobody.",
            _ => "It judged which of two answers is better.",
        };
        return call.Saved is { Value: not 0 } saved && mark.Reason is RouteReason.ClassProven or RouteReason.PromptProven ? $"{why} {Saved(call.Saved!.Value)}" : why;
    }

    /// <summary>A word for a list; null where nothing was changed about the call.</summary>
    public static string? Mark(UsageEvent call) => RoutedMark.Read(call.Routed)?.Reason switch
    {
        RouteReason.ClassProven or RouteReason.PromptProven => "routed",
        RouteReason.Escalated => "asked again",
        RouteReason.Shadow => "comparison",
        RouteReason.Judge => "judge",
        _ => null,
    };

    /// <summary>A count that fades and is no whole number.</summary>
    public static string Rounded(double count) => Math.Round(count).ToString("#,0", CultureInfo.InvariantCulture);

    private static string Saved(NanoUsd saved) => saved.Value > 0
        ? $"That saved {Figures.ExactDollars(saved)}."
        : $"That cost {Figures.ExactDollars(new NanoUsd(-saved.Value))} more: its answer was of no use, or longer than thought.";

    private static string Calls(SavingSuggestion s) => s.Facts is null ? $"Further calls of {s.RouteName}" : $"Calls of {(s.KeyName is { } name ? $"key {name}" : "a key that is gone")} with {Tools(s.Facts.Tools)}{Format(s.Facts.Format)}";

    private static string Tools(int tools) => tools switch { 0 => "no tools", 1 => "1 tool", _ => $"{tools} tools" };

    private static string Format(string format) => format switch { "text" or "" => "", "json" => ", answers as JSON", "json_schema" => ", answers by a JSON schema", _ => $", answers as {format}" };

    private static string Percent(double share, string digits)
    {
        var floor = Math.Floor(Math.Round(share * 1000, 6)) / 10;
        var percent = digits == "0.0" ? floor : share * 100;
        return $"{(percent < 0 ? Minus.ToString() : "")}{Math.Abs(percent).ToString(digits, CultureInfo.InvariantCulture)}{Space}%";
    }
}
