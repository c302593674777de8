namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Adds new events to the hourly sums, in the transaction that inserts them. The rows are written in the order of their keys, so that two nodes that add to the same ones never wait for each other.</summary>
internal static class Rollups
{
    private const string HourlyKey = "tenant_id, environment, hour, provider, model, key_id, project_id, team_id";
    private const string TagKey = "tenant_id, environment, tag, hour, tag_value, provider, model";

    /// <param name="events">A table with the columns of usage_events.</param>
    /// <param name="where">Which of its rows are new.</param>
    public static string AddHourly(string events, string where) => $"""
        INSERT INTO usage_hourly ({HourlyKey}, {Measures.Columns})
        SELECT tenant_id, environment, at - at % {Measures.Hour}, provider, model, key_id, project_id, team_id, {Measures.SumOfEvents}
        FROM {events} WHERE {where}
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
        ON CONFLICT ({HourlyKey}) DO UPDATE SET {Measures.AddExcluded("usage_hourly")}
        """;

    public static string AddHourlyTags(ISqlStore store, string events, string where) => $"""
        INSERT INTO usage_hourly_tags ({TagKey}, {Measures.Columns})
        SELECT tenant_id, environment, t.key, at - at % {Measures.Hour}, t.value, provider, model, {Measures.SumOfEvents}
        FROM {events}, {store.EachTag($"{events}.tags")} AS t WHERE {where}
        GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
        ON CONFLICT ({TagKey}) DO UPDATE SET {Measures.AddExcluded("usage_hourly_tags")}
        """;

    /// <summary>How old an event is at least that counts as late. Sums of hours that were over for longer than this only change with <c>usage_late</c>.</summary>
    public static readonly TimeSpan Late = TimeSpan.FromHours(3);

    /// <summary>Notes which tenants' events came late. Parameter <c>@late</c>: unix microseconds.</summary>
    public static string NoteLate(string events, string where) => $"""
        INSERT INTO usage_late (tenant_id, events)
        SELECT tenant_id, count(*) FROM {events} WHERE {where} AND at < @late GROUP BY tenant_id ORDER BY tenant_id
        ON CONFLICT (tenant_id) DO UPDATE SET events = usage_late.events + excluded.events
        """;
}
