using System.Globalization;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Web.Portal;

/// <summary>A route's rules in words.</summary>
internal static class RouteSentences
{
    private static readonly DayOfWeek[] Week = [DayOfWeek.Monday, DayOfWeek.Tuesday, DayOfWeek.Wednesday, DayOfWeek.Thursday, DayOfWeek.Friday, DayOfWeek.Saturday, DayOfWeek.Sunday];

    private static readonly (RouteFaults Fault, string Words)[] Faults =
    [
        (RouteFaults.RateLimited, "rate limits"), (RouteFaults.ServerError, "server errors"), (RouteFaults.Timeout, "timeouts"), (RouteFaults.Unreachable, "broken connections"), (RouteFaults.Refused, "refusals"),
    ];

    /// <summary><c>For calls with customer=acme, of 1,000 tokens and more</c>.</summary>
    /// <param name="keys">Names by id; a key that isn't among them is called by its id.</param>
    /// <param name="first">No rule stands before it.</param>
    public static string When(RouteConditions when, IReadOnlyDictionary<string, string> keys, bool first)
    {
        if (when.AreEmpty)
            return first ? "For every call" : "For all other calls";
        var parts = new List<string>();
        if (when.Keys.Count > 0)
            parts.Add("of the key " + Listed([.. when.Keys.Select(k => keys.GetValueOrDefault(k, k))], "or"));
        if (when.Tags.Count > 0)
            parts.Add("with " + Listed([.. when.Tags.Select(t => t.Value == RouteConditions.AnyValue ? $"any {t.Name}" : $"{t.Name}={t.Value}")], "and"));
        if ((when.PromptTokensAtLeast, when.PromptTokensAtMost) is not (null, null) and var (least, most))
            parts.Add((least, most) switch
            {
                ({ } from, { } to) => $"of {Number(from)} to {Number(to)} tokens",
                ({ } from, null) => $"of {Number(from)} tokens and more",
                (_, var to) => $"of {Number(to!.Value)} tokens at most",
            });
        if (when.Tools is { } tools)
            parts.Add(tools ? "with tools" : "without tools");
        if (when.Streaming is { } streams)
            parts.Add(streams ? "that stream" : "that don't stream");
        if (when.Hours is { } h)
            parts.Add(h.From == h.To && h.From == TimeOnly.MinValue ? $"on {Days(h.Days)}" : $"on {Days(h.Days)} from {Clock(h.From)} to {Clock(h.To)}{(h.To > h.From ? "" : " of the next day")}");
        if (when.BudgetUsedAbove is { } percent)
            parts.Add($"once more than {percent} % of a budget is used");
        return "For calls " + string.Join(", ", parts);
    }

    /// <summary><c>openai/gpt-5-mini, then anthropic/claude-haiku-4-5 on errors</c>.</summary>
    public static string Goes(RouteRule rule)
    {
        var names = rule.Targets.Select(t => t.Model).ToList();
        if (names.Count == 1)
            return names[0];
        var onErrors = rule.FallBackOn switch
        {
            RouteFaults.None => "",
            RouteFaults.All => " on errors",
            var some => " on " + Listed([.. Faults.Where(f => some.HasFlag(f.Fault)).Select(f => f.Words)], "or"),
        };
        if (rule.Choose == TargetChoice.Ordered)
            return onErrors.Length == 0 ? $"{names[0]}; the others only while it is failing" : string.Join(", then ", names) + onErrors;
        var all = rule.Targets.Sum(t => t.Weight);
        var chosen = rule.Choose switch
        {
            TargetChoice.Weighted => Listed([.. rule.Targets.Select(t => $"{t.Model} ({(t.Weight * 100m / all).ToString("0.#", CultureInfo.InvariantCulture)} %)")], "or"),
            TargetChoice.Cheapest => "the cheapest of " + Listed(names, "and"),
            _ => "the fastest of " + Listed(names, "and"),
        };
        return onErrors.Length == 0 ? chosen : $"{chosen}, another{onErrors}";
    }

    /// <summary><c>One retry each, 5 s until an answer begins; a conversation stays where it began</c>.</summary>
    public static string Manner(RouteRule rule) =>
        (rule.Retries switch { 0 => "No retries", 1 => "One retry", var n => $"{n} retries" }) + (rule.Targets.Count > 1 ? " each" : "")
        + (rule.FirstByteTimeout is { } timeout ? $", {timeout.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s until an answer begins" : "")
        + (rule.Targets.Count == 1 ? "" : rule.Sticky ? "; a conversation stays where it began" : "; each call is chosen for by itself")
        + (rule.CacheFor switch { null => "", { Ticks: 0 } => "; no answer is kept", { } kept => $"; repeats get the first answer again for {Duration((long)kept.TotalSeconds)}" });

    /// <summary><c>90 s</c>, <c>15 minutes</c>, <c>1 hour</c>: in the largest unit that has no rest.</summary>
    public static string Duration(long seconds)
    {
        foreach (var (unit, of) in ((string, long)[])[("day", 86400), ("hour", 3600), ("minute", 60)])
            if (seconds % of == 0)
                return seconds == of ? $"1 {unit}" : $"{Number(seconds / of)} {unit}s";
        return $"{Number(seconds)} s";
    }

    /// <summary><c>Where labels prove that 95 % of the quality is kept, a/y answers instead of a/x. 3 % of the calls are compared, for $10.00 a month at most; …</c>. Null without a group.</summary>
    public static string? Group(RouteRule rule)
    {
        if (rule.Quality is not { } group)
            return null;
        var (candidates, strong) = (Listed([.. group.Candidates], "or"), rule.Targets[0].Model);
        var keep = (group.Keep.Target * 100).ToString("0.##", CultureInfo.InvariantCulture);
        var does = group.Active
            ? $"Where comparisons prove that {keep} % of the quality is kept, {candidates} answers instead of {strong}."
            : $"It only watches whether {candidates} keeps {keep} % of the quality of {strong}; no call goes there.";
        var comparesNone = group.SamplePercent == 0 || group.SampleLimit == NanoUsd.Zero;
        var compares = comparesNone ? "No call is compared" : $"{group.SamplePercent} % of the calls are compared, for {Figures.Money(group.SampleLimit).Text} a month at most";
        var judges = !comparesNone && group.Judge is { } judge ? $"; {judge} judges answers that differ" : "";
        return $"{does} {compares}{judges}{(group.Check ? "; tool calls and JSON are checked before the client sees them" : "")}.";
    }

    private static string Days(IReadOnlyList<DayOfWeek> days)
    {
        var at = Week.Select((d, i) => (Day: d, Place: i)).Where(d => days.Contains(d.Day)).ToList();
        return at.Count >= 3 && at[^1].Place - at[0].Place == at.Count - 1 ? at.Count == 7 ? "every day" : $"{at[0].Day} to {at[^1].Day}" : Listed([.. at.Select(d => d.Day.ToString())], "and");
    }

    private static string Listed(List<string> items, string last) => items.Count == 1 ? items[0] : string.Join(", ", items.Take(items.Count - 1)) + $" {last} " + items[^1];

    private static string Number(long n) => n.ToString("N0", CultureInfo.InvariantCulture);

    private static string Clock(TimeOnly time) => time.ToString("HH:mm", CultureInfo.InvariantCulture);
}
