namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Adds new events to the hourly sums, in the transaction that inserts them. The rows are written in the order of their keys, so that two nodes that add to the same ones never wait for each other.</summary>
internal static class Rollups
{
    private const string HourlyKey = "tenant_id, environment, hour, provider, model, key_id, project_id, team_id";
    private const string TagKey = "tenant_id, environment, tag, hour, tag_value, provider, model";

    private const string PairKey = "tenant_id, environment, hour, customer, feature";

    // How dear the dearest call is, and how many calls were added together with that and with the pairs. A node that still runs a version from before adds calls and
    // nothing of these: where counted isn't calls, they aren't known.
    private const string Dearest = "dearest_nano, counted";
    private const string DearestOfEvents = "max(coalesce(cost_nano, 0)), count(*)";

    private static string KeepDearest(string table) =>
        $"dearest_nano = CASE WHEN {table}.dearest_nano > excluded.dearest_nano THEN {table}.dearest_nano ELSE excluded.dearest_nano END, counted = {table}.counted + excluded.counted";

    /// <param name="events">A table with the columns of usage_events, as it stands behind FROM.</param>
    /// <param name="where">Which of its rows are new.</param>
    public static string AddHourly(string events, string where) => $"""
        INSERT INTO usage_hourly ({HourlyKey}, {Measures.Columns}, {Dearest})
        SELECT tenant_id, environment, at - at % {Measures.Hour}, provider, model, key_id, project_id, team_id, {Measures.SumOfEvents}, {DearestOfEvents}
        FROM {events} WHERE {where}
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        ON CONFLICT ({HourlyKey}) DO UPDATE SET {Measures.AddExcluded("usage_hourly")}, {KeepDearest("usage_hourly")}
        """;

    public static string AddHourlyTags(ISqlStore store, string events, string where) => $"""
        INSERT INTO usage_hourly_tags ({TagKey}, {Measures.Columns}, {Dearest})
        SELECT tenant_id, environment, t.key, at - at % {Measures.Hour}, t.value, provider, model, {Measures.SumOfEvents}, {DearestOfEvents}
        FROM {events}, {store.EachTag("tags")} AS t WHERE {where}
        GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT ({TagKey}) DO UPDATE SET {Measures.AddExcluded("usage_hourly_tags")}, {KeepDearest("usage_hourly_tags")}
        """;

    /// <summary>The two tags that pages know by name, for the calls that have both: so many values of the one in each of the other would be more than an hour's rows by model.</summary>
    public static string AddPairs(ISqlStore store, string events, string where)
    {
        var (customer, feature) = (store.TagValue("tags", "'customer'"), store.TagValue("tags", "'feature'"));
        return $"""
            INSERT INTO usage_hourly_pairs ({PairKey}, {Measures.Columns})
            SELECT tenant_id, environment, at - at % {Measures.Hour}, {customer}, {feature}, {Measures.SumOfEvents}
            FROM {events} WHERE {where} AND {customer} IS NOT NULL AND {feature} IS NOT NULL
            GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
            ON CONFLICT ({PairKey}) DO UPDATE SET {Measures.AddExcluded("usage_hourly_pairs")}
            """;
    }

    /// <summary>How old an event is at least that counts as late. Sums of hours that were over for longer than this only change with <c>usage_late</c>.</summary>
    public static readonly TimeSpan Late = TimeSpan.FromHours(3);

    /// <summary>Notes which tenants' events came late. Parameter <c>@late</c>: unix microseconds.</summary>
    public static string NoteLate(string events, string where) => $"""
        INSERT INTO usage_late (tenant_id, events)
        SELECT tenant_id, count(*) FROM {events} WHERE {where} AND at < @late GROUP BY tenant_id ORDER BY tenant_id
        ON CONFLICT (tenant_id) DO UPDATE SET events = usage_late.events + excluded.events
        """;
}
