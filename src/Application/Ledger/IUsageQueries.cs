using Tokonomics.Domain;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Application.Ledger;

/// <summary>What screens and the API ask of the ledger. Every question names its tenant, and no answer holds a row of another.</summary>
public interface IUsageQueries
{
    /// <summary>Newest first, a page at a time.</summary>
    Task<EventPage> ListAsync(EventFilter filter, CancellationToken cancellationToken);

    /// <summary>All attempts of one request, in order; empty where the tenant has no such request.</summary>
    Task<IReadOnlyList<UsageEvent>> FindAsync(string tenantId, string requestId, CancellationToken cancellationToken);

    /// <exception cref="ArgumentException">The question breaks a rule of <see cref="SummaryQuestion.Problem"/>; ask that first.</exception>
    Task<IReadOnlyList<SummaryLine>> SummarizeAsync(SummaryQuestion question, CancellationToken cancellationToken);

    /// <summary>The names of the tags that calls of a time range carry, sorted; at most a hundred.</summary>
    Task<IReadOnlyList<string>> TagNamesAsync(string tenantId, KeyEnvironment environment, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>
    /// Every event of a time range in the order of time, for re-rating and export. A null tenant means all, one after the other: for the operator only.
    /// </summary>
    IAsyncEnumerable<UsageEvent> ReadAsync(string? tenantId, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken);
}

/// <summary>Which events to list. What is null is not filtered by.</summary>
public sealed record EventFilter(string TenantId)
{
    public const int MaxLimit = 1000;

    public DateTimeOffset? From { get; init; }

    /// <summary>Exclusive.</summary>
    public DateTimeOffset? To { get; init; }

    public KeyEnvironment? Environment { get; init; }

    public string? Provider { get; init; }

    /// <summary>The response's model, or the request's where the response named none.</summary>
    public string? Model { get; init; }

    public string? KeyId { get; init; }

    public string? ProjectId { get; init; }

    public string? TeamId { get; init; }

    /// <summary>Events that carry exactly this tag.</summary>
    public Tag? Tag { get; init; }

    public int? Status { get; init; }

    public CallOutcome? Outcome { get; init; }

    /// <summary>Only those that <see cref="UsageTotals.Errors"/> counts.</summary>
    public bool Failed { get; init; }

    public PriceStatus? PriceStatus { get; init; }

    /// <summary>1 to 1000; what lies outside is taken as the nearer end.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Where the page before ended.</summary>
    public EventCursor? After { get; init; }
}

/// <summary>A place in the list of events. Its text is opaque to clients; it grants nothing, since the tenant is in the question and not in it.</summary>
public readonly record struct EventCursor(long At, string RequestId, int Attempt)
{
    public override string ToString() => Convert.ToHexStringLower(System.Text.Encoding.UTF8.GetBytes(FormattableString.Invariant($"{At}.{Attempt}.{RequestId}")));

    /// <summary>Null for a text that <see cref="ToString"/> didn't write.</summary>
    public static EventCursor? Parse(string? text)
    {
        if (text is null || text.Length is < 2 or > 400 || text.Length % 2 != 0 || !text.All(char.IsAsciiHexDigit))
            return null;
        var parts = System.Text.Encoding.UTF8.GetString(Convert.FromHexString(text)).Split('.', 3);
        return parts.Length == 3
            && long.TryParse(parts[0], System.Globalization.NumberStyles.None, null, out var at)
            && int.TryParse(parts[1], System.Globalization.NumberStyles.None, null, out var attempt)
            && parts[2].Length > 0
                ? new EventCursor(at, parts[2], attempt)
                : null;
    }
}

/// <param name="Next">Null on the last page.</param>
public sealed record EventPage(IReadOnlyList<UsageEvent> Events, EventCursor? Next);

public enum TimeGrain
{
    /// <summary>One sum for the whole range.</summary>
    None,
    Hour,
    Day,
    Month,
}

public enum SummaryDimension
{
    Provider,
    Model,
    Key,
    Project,
    Team,
    Environment,
}

/// <summary>
/// What to sum, and by what to group. Read from the hourly rollups wherever they can answer. Events are read for hours that a bucket's edge
/// divides (zones that aren't whole hours from UTC, ranges that begin within an hour), and throughout where a tag meets a key, project or team, or another tag than
/// customer and feature meet each other.
/// </summary>
public sealed record SummaryQuestion(string TenantId, DateTimeOffset From, DateTimeOffset To)
{
    /// <summary>More than three months of hours, or ten years of days.</summary>
    public const int MaxBuckets = 4000;

    public TimeGrain Grain { get; init; }

    /// <summary>Where days and months begin.</summary>
    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Utc;

    public IReadOnlyList<SummaryDimension> GroupBy { get; init; } = [];

    /// <summary>False where no histogram of durations is wanted: the answer comes sooner, with none in it.</summary>
    public bool WithDurations { get; init; } = true;

    /// <summary>Group by the values of this tag. Events without it stand under the value null.</summary>
    public string? GroupByTag { get; init; }

    public KeyEnvironment? Environment { get; init; }

    public string? Provider { get; init; }

    public string? Model { get; init; }

    public string? KeyId { get; init; }

    public string? ProjectId { get; init; }

    public string? TeamId { get; init; }

    public Tag? Tag { get; init; }

    /// <summary>Null where the question can be answered; otherwise a sentence for a 400.</summary>
    public string? Problem()
    {
        if (From >= To)
            return $"The range is empty: from {From:O} is not before {To:O}.";
        if (From < DateTimeOffset.UnixEpoch)
            return "The range begins before 1970.";
        if (GroupByTag is not null && Domain.Keys.KeyTags.NormalName(GroupByTag) != GroupByTag)
            return $"'{GroupByTag}' is no tag's name: a small letter, then small letters, digits, '_', '.' or '-'.";
        var longest = Grain switch
        {
            TimeGrain.Hour => TimeSpan.FromHours(MaxBuckets - 2),
            TimeGrain.Day => TimeSpan.FromDays(MaxBuckets - 2),
            _ => TimeSpan.FromDays(28L * (MaxBuckets - 2)),
        };
        return To - From > longest ? $"The range is too long for its grain: more than {MaxBuckets} buckets." : null;
    }

    /// <summary>The instants at which buckets begin, the range's own ends included.</summary>
    public IReadOnlyList<DateTimeOffset> Edges()
    {
        var edges = new List<DateTimeOffset> { From.ToUniversalTime() };
        if (Grain != TimeGrain.None)
        {
            var local = TimeZoneInfo.ConvertTime(From, TimeZone).DateTime;
            // Hours are steps of absolute time, so that the hour repeated in autumn is two buckets; their phase is the zone's.
            var hour = From.ToUniversalTime() - new TimeSpan(0, 0, local.Minute, local.Second) - TimeSpan.FromTicks(local.Ticks % TimeSpan.TicksPerSecond);
            var day = Grain == TimeGrain.Month ? new DateTime(local.Year, local.Month, 1) : local.Date;
            while (true)
            {
                DateTimeOffset edge;
                if (Grain == TimeGrain.Hour)
                    edge = hour += TimeSpan.FromHours(1);
                else
                    edge = Clocks.At(day = Grain == TimeGrain.Month ? day.AddMonths(1) : day.AddDays(1), TimeZone);
                if (edge >= To)
                    break;
                if (edge > edges[^1])
                    edges.Add(edge);
            }
        }

        edges.Add(To.ToUniversalTime());
        return edges;
    }
}

/// <summary>One group's sums.</summary>
public sealed record SummaryLine
{
    /// <summary>When its bucket begins; the range's start for the first, and where no grain was asked.</summary>
    public required DateTimeOffset BucketStart { get; init; }

    public required DateTimeOffset BucketEnd { get; init; }

    /// <summary>The dimensions that were asked, in the order asked; <c>""</c> for none (a key without project).</summary>
    public required IReadOnlyList<string> Group { get; init; }

    /// <summary>The value of <see cref="SummaryQuestion.GroupByTag"/>; null where it wasn't asked or the events don't carry it.</summary>
    public string? TagValue { get; init; }

    public required UsageTotals Totals { get; init; }
}

/// <summary>Sums over calls. All token counts are totals: input includes cache reads and writes, output includes reasoning.</summary>
public sealed record UsageTotals
{
    public long Calls { get; init; }

    /// <summary>Answers with a status of 400 or more, and calls that ended unreachable, timed out, truncated, cut or abandoned. Clients that left are none.</summary>
    public long Errors { get; init; }

    public long InputTokens { get; init; }

    public long CacheReadTokens { get; init; }

    public long CacheWriteTokens { get; init; }

    public long CacheWrite1hTokens { get; init; }

    public long OutputTokens { get; init; }

    public long ReasoningTokens { get; init; }

    /// <summary>Of the calls whose cost is known.</summary>
    public NanoUsd Cost { get; init; }

    /// <summary>Calls whose cost is unknown.</summary>
    public long Unpriced { get; init; }

    /// <summary>Calls whose counts are an estimate, wholly or in part.</summary>
    public long Estimated { get; init; }

    public required Durations Latency { get; init; }

    /// <summary>Of the calls that had a first byte.</summary>
    public required Durations FirstByte { get; init; }

    public static UsageTotals Sum(IEnumerable<UsageTotals> all)
    {
        var sum = new UsageTotals { Latency = Durations.None, FirstByte = Durations.None };
        foreach (var t in all)
            sum = new UsageTotals
            {
                Calls = sum.Calls + t.Calls,
                Errors = sum.Errors + t.Errors,
                InputTokens = sum.InputTokens + t.InputTokens,
                CacheReadTokens = sum.CacheReadTokens + t.CacheReadTokens,
                CacheWriteTokens = sum.CacheWriteTokens + t.CacheWriteTokens,
                CacheWrite1hTokens = sum.CacheWrite1hTokens + t.CacheWrite1hTokens,
                OutputTokens = sum.OutputTokens + t.OutputTokens,
                ReasoningTokens = sum.ReasoningTokens + t.ReasoningTokens,
                Cost = sum.Cost + t.Cost,
                Unpriced = sum.Unpriced + t.Unpriced,
                Estimated = sum.Estimated + t.Estimated,
                Latency = sum.Latency.Plus(t.Latency),
                FirstByte = sum.FirstByte.Plus(t.FirstByte),
            };
        return sum;
    }
}

/// <summary>A histogram of durations with fixed bounds, which can be added up over hours and groups.</summary>
public sealed record Durations(long Count, long SumMicroseconds, IReadOnlyList<long> Buckets)
{
    /// <summary>The upper bounds of all buckets but the last, which has none.</summary>
    public static readonly IReadOnlyList<TimeSpan> Bounds =
        [.. new[] { 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000 }.Select(ms => TimeSpan.FromMilliseconds(ms))];

    public static Durations None { get; } = new(0, 0, new long[Bounds.Count + 1]);

    public Durations Plus(Durations other) => new(Count + other.Count, SumMicroseconds + other.SumMicroseconds, [.. Buckets.Zip(other.Buckets, (a, b) => a + b)]);

    public TimeSpan? Mean => Count == 0 ? null : TimeSpan.FromMicroseconds(SumMicroseconds / Count);

    /// <summary>The duration below which that share of calls lies, interpolated within its bucket; null without calls. Beyond the last bound it says the bound.</summary>
    /// <param name="share">0 to 1.</param>
    public TimeSpan? Quantile(double share)
    {
        var total = Buckets.Sum();
        if (total == 0)
            return null;
        var rank = Math.Clamp(share, 0, 1) * total;
        long below = 0;
        for (var i = 0; i < Bounds.Count; i++)
        {
            if (Buckets[i] > 0 && below + Buckets[i] >= rank)
            {
                var low = i == 0 ? TimeSpan.Zero : Bounds[i - 1];
                return low + ((Bounds[i] - low) * ((rank - below) / Buckets[i]));
            }

            below += Buckets[i];
        }

        return Bounds[^1];
    }
}
