namespace Tokonomics.Infrastructure.Ledger;

/// <summary>
/// What is summed, and how each is computed from an event. The same expressions make the rollups, check them, and answer where no rollup can:
/// they can't drift apart.
/// </summary>
/// <remarks>
/// One event counts with at most 10^12 tokens, a million dollars and a day. A provider that reports nonsense (a tenant's own endpoint may be
/// any) is recorded as it said, but must not make a sum overflow and so hold up everyone's ledger.
/// </remarks>
internal static class Measures
{
    public const long Hour = 3_600_000_000;

    /// <summary>A call that counts as an error.</summary>
    public const string IsError = "(status >= 400 OR outcome IN ('Unreachable', 'TimedOut', 'Truncated', 'CutByProxy', 'Abandoned'))";

    private static readonly string[] BucketNames = ["50ms", "100ms", "250ms", "500ms", "1s", "2500ms", "5s", "10s", "30s", "60s", "longer"];

    public static readonly (string Column, string OfEvent)[] All =
    [
        ("calls", "1"),
        ("errors", $"CASE WHEN {IsError} THEN 1 ELSE 0 END"),
        ("input_tokens", AtMost("input_tokens", 1_000_000_000_000)),
        ("cache_read_tokens", AtMost("cache_read_tokens", 1_000_000_000_000)),
        ("cache_write_tokens", AtMost("cache_write_tokens", 1_000_000_000_000)),
        ("cache_write_1h_tokens", AtMost("cache_write_1h_tokens", 1_000_000_000_000)),
        ("output_tokens", AtMost("output_tokens", 1_000_000_000_000)),
        ("reasoning_tokens", AtMost("reasoning_tokens", 1_000_000_000_000)),
        ("cost_nano", $"coalesce({MoneyOf("cost_nano")}, 0)"),
        ("unpriced", "CASE WHEN price_status = 'Unpriced' THEN 1 ELSE 0 END"),
        ("estimated", "CASE WHEN usage_source IN ('Partial', 'Estimated') THEN 1 ELSE 0 END"),
        ("latency_us", AtMost("latency_us", 86_400_000_000)),
        .. Histogram("latency"),
        ("first_byte_calls", "CASE WHEN first_byte_us IS NOT NULL THEN 1 ELSE 0 END"),
        ("first_byte_us", $"coalesce({AtMost("first_byte_us", 86_400_000_000)}, 0)"),
        .. Histogram("first_byte"),
    ];

    public static readonly string Columns = string.Join(", ", All.Select(m => m.Column));

    /// <summary>How many of <see cref="All"/> a question takes: those of durations come last, and are two thirds of the work.</summary>
    public static int Count(bool withDurations) => withDurations ? All.Length : IndexOf("latency_us");

    /// <summary>For a SELECT over a rollup.</summary>
    public static string SumOfRollups(bool withDurations) => string.Join(", ", All.Take(Count(withDurations)).Select(m => $"CAST(sum({m.Column}) AS bigint)"));

    /// <summary>For a SELECT over events, whose columns need no prefix.</summary>
    public static string SumOf(bool withDurations) => string.Join(", ", All.Take(Count(withDurations)).Select(m => $"CAST(sum({m.OfEvent}) AS bigint)"));

    /// <summary>For a SELECT over events, whose columns need no prefix.</summary>
    public static readonly string SumOfEvents = string.Join(", ", All.Select(m => $"CAST(sum({m.OfEvent}) AS bigint)"));

    /// <summary>For an upsert. Saturates rather than overflows: see the remarks.</summary>
    public static string AddExcluded(string table) => string.Join(", ", All.Select(m =>
        $"{m.Column} = CASE WHEN {table}.{m.Column} > 9000000000000000000 - excluded.{m.Column} THEN 9000000000000000000 ELSE {table}.{m.Column} + excluded.{m.Column} END"));

    /// <summary>With more, nano-dollars, one event counts in no sum: a million dollars.</summary>
    public const long MostOfEvent = 1_000_000_000_000_000;

    /// <summary>A column with nano-dollars as it counts in sums; null where it is.</summary>
    public static string MoneyOf(string column) => AtMost(column, MostOfEvent);

    // No min(): SQLite's is null where one of the two is, PostgreSQL's least() the other one.
    private static string AtMost(string column, long most) => $"CASE WHEN {column} > {most} THEN {most} ELSE {column} END";

    public static int IndexOf(string column) => Array.FindIndex(All, m => m.Column == column);

    public static int Buckets => BucketNames.Length;

    private static IEnumerable<(string, string)> Histogram(string what)
    {
        var bounds = Application.Ledger.Durations.Bounds;
        for (var i = 0; i < BucketNames.Length; i++)
        {
            var atLeast = i == 0 ? 0 : bounds[i - 1].Ticks / TimeSpan.TicksPerMicrosecond;
            var below = i == bounds.Count ? "" : $" AND {what}_us < {bounds[i].Ticks / TimeSpan.TicksPerMicrosecond}";
            yield return ($"{what}_{BucketNames[i]}", $"CASE WHEN {what}_us >= {atLeast}{below} THEN 1 ELSE 0 END");
        }
    }
}
