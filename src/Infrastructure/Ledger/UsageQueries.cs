using System.Data.Common;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Questions to the ledger in a relational store. Its calls block: none is made on the thread of whoever asks.</summary>
public sealed class UsageQueries(ISqlStore store, TimeProvider time) : IUsageQueries
{
    private readonly ClosedSums _closed = new();

    public Task<EventPage> ListAsync(EventFilter filter, CancellationToken cancellationToken) => Task.Run(() => List(filter), cancellationToken);

    private EventPage List(EventFilter filter)
    {
        using var connection = store.Open();
        using var command = connection.CreateCommand();
        var where = new Where(store, command);
        where.Is("tenant_id", filter.TenantId);
        where.Compare("at", ">=", filter.From is { } from ? UsageRow.Micros(from) : null);
        where.Compare("at", "<", filter.To is { } to ? UsageRow.Micros(to) : null);
        where.Is("environment", (int?)filter.Environment);
        where.Is("provider", filter.Provider);
        where.Is("model", filter.Model);
        where.Is("key_id", filter.KeyId);
        where.Is("project_id", filter.ProjectId);
        where.Is("team_id", filter.TeamId);
        where.Is("status", filter.Status);
        where.Is("outcome", filter.Outcome?.ToString());
        where.Is("price_status", filter.PriceStatus?.ToString());
        if (filter.Failed)
            where.Text(Measures.IsError);
        if (filter.Tag is { } tag)
        {
            if (KeyTags.NormalName(tag.Name) is not { } name)
                return new EventPage([], null);
            where.Tag("tags", name, tag.Value);
        }

        if (filter.After is { } after)
            where.Before(after);
        var limit = Math.Clamp(filter.Limit, 1, EventFilter.MaxLimit);
        command.CommandText = $"SELECT {UsageRow.ColumnList} FROM usage_events WHERE {where} ORDER BY at DESC, request_id DESC, attempt DESC LIMIT {limit + 1}";
        var events = command.Rows(UsageRow.Read);
        if (events.Count <= limit)
            return new EventPage(events, null);
        events.RemoveAt(limit);
        var last = events[^1];
        return new EventPage(events, new EventCursor(UsageRow.Micros(last.At), last.RequestId, last.Attempt));
    }

    public Task<IReadOnlyList<string>> TagNamesAsync(string tenantId, KeyEnvironment environment, DateTimeOffset since, DateTimeOffset until, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<string>>(
        () =>
        {
            using var connection = store.Open();
            // From one name to the next by the index, however many hours and values there are. Whole hours: a tag of the hour in which the range begins is named too.
            using var next = connection.Command(null, "SELECT min(tag) FROM usage_hourly_tags WHERE tenant_id = @tenant AND environment = @environment AND tag > @last", ("@tenant", tenantId), ("@environment", (short)environment));
            var last = next.Add("@last", "");
            using var seen = connection.Command(
                null, "SELECT 1 FROM usage_hourly_tags WHERE tenant_id = @tenant AND environment = @environment AND tag = @tag AND hour > @since AND hour < @until LIMIT 1",
                ("@tenant", tenantId), ("@environment", (short)environment), ("@since", UsageRow.Micros(since) - Measures.Hour), ("@until", UsageRow.Micros(until)));
            var tag = seen.Add("@tag", "");
            var names = new List<string>();
            while (names.Count < 100 && next.ExecuteScalar() is string name)
            {
                (last.Value, tag.Value) = (name, name);
                if (seen.ExecuteScalar() is not null)
                    names.Add(name);
            }

            return names;
        },
        cancellationToken);

    public Task<IReadOnlyList<UsageEvent>> FindAsync(string tenantId, string requestId, CancellationToken cancellationToken) => Task.Run<IReadOnlyList<UsageEvent>>(
        () =>
        {
            using var connection = store.Open();
            using var command = connection.CreateCommand();
            var where = new Where(store, command);
            where.Is("tenant_id", tenantId);
            where.Is("request_id", requestId);
            command.CommandText = $"SELECT {UsageRow.ColumnList} FROM usage_events WHERE {where} ORDER BY attempt";
            return command.Rows(UsageRow.Read);
        },
        cancellationToken);

    public async IAsyncEnumerable<UsageEvent> ReadAsync(string? tenantId, DateTimeOffset since, DateTimeOffset until, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Tenant by tenant, since the index by time begins with the tenant; and in pages, so that no read transaction stays open for as long as
        // the reader takes: it would keep the WAL from being reset.
        var tenants = tenantId is not null ? [tenantId] : await Task.Run(TenantIds, cancellationToken);
        foreach (var tenant in tenants)
        {
            (long At, string RequestId, int Attempt) place = (UsageRow.Micros(since), "", 0);
            while (true)
            {
                var page = await Task.Run(() => ReadPage(tenant, place, until), cancellationToken);
                foreach (var usage in page)
                    yield return usage;
                if (page.Count < PageSize)
                    break;
                place = (UsageRow.Micros(page[^1].At), page[^1].RequestId, page[^1].Attempt);
            }
        }
    }

    private const int PageSize = 2000;

    private List<UsageEvent> ReadPage(string tenant, (long At, string RequestId, int Attempt) after, DateTimeOffset until)
    {
        using var connection = store.Open();
        using var command = connection.CreateCommand();
        var where = new Where(store, command);
        where.Is("tenant_id", tenant);
        where.Compare("at", "<", UsageRow.Micros(until));
        where.After(after);
        command.CommandText = $"SELECT {UsageRow.ColumnList} FROM usage_events WHERE {where} ORDER BY at, request_id, attempt LIMIT {PageSize}";
        return command.Rows(UsageRow.Read);
    }

    // From one tenant to the next by the index: one step for each tenant, however many events there are.
    private List<string> TenantIds()
    {
        using var connection = store.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT min(tenant_id) FROM usage_events WHERE tenant_id > @last";
        var last = command.Add("@last", "");
        var ids = new List<string>();
        while (command.ExecuteScalar() is string id)
        {
            ids.Add(id);
            last.Value = id;
        }

        return ids;
    }

    public Task<IReadOnlyList<SummaryLine>> SummarizeAsync(SummaryQuestion question, CancellationToken cancellationToken)
    {
        if (question.Problem() is { } problem)
            throw new ArgumentException(problem, nameof(question));
        return Task.Run<IReadOnlyList<SummaryLine>>(() => Summarize(question), cancellationToken);
    }

    private List<SummaryLine> Summarize(SummaryQuestion question)
    {
        using var connection = store.Open();
        // One transaction: all statements see the same rows, whatever is appended meanwhile.
        using var transaction = store.BeginReading(connection);
        var buckets = Buckets(question, connection);
        var sums = Known(question, buckets, connection);
        var ends = buckets.ToDictionary(b => b.Low, b => b.High);
        return [.. sums
            .Select(pair => new SummaryLine
            {
                BucketStart = UsageRow.Time(pair.Key.Bucket),
                BucketEnd = UsageRow.Time(ends[pair.Key.Bucket]),
                Group = pair.Key.Values.Length == 0 ? [] : pair.Key.Values.Split('\u001f')[1..],
                TagValue = pair.Key.TagValue,
                Totals = Totals(pair.Value),
            })
            .OrderBy(line => line.BucketStart)
            .ThenByDescending(line => line.Totals.Cost)
            .ThenByDescending(line => line.Totals.Calls)
            .ThenBy(line => string.Join('\u001f', line.Group), StringComparer.Ordinal)
            .ThenBy(line => line.TagValue, StringComparer.Ordinal)];
    }

    // What is over and was read before is taken from memory; the rest is read, and what of it is over is kept.
    private Dictionary<GroupKey, long[]> Known(SummaryQuestion question, List<(long Low, long High)> buckets, DbConnection connection)
    {
        if (ClosedSums.ShapeOf(question) is not { } shape)
            return Answer(question, buckets, connection);
        var late = connection.Scalar("SELECT events FROM usage_late WHERE tenant_id = @tenant", ("@tenant", question.TenantId)) as long? ?? 0;
        var (sums, missing) = (new Dictionary<GroupKey, long[]>(), new List<(long Low, long High)>());
        foreach (var bucket in buckets)
            if (_closed.Find(shape, bucket, late) is { } groups)
                foreach (var (key, values) in groups)
                    sums[key] = values;
            else
                missing.Add(bucket);
        if (missing.Count == 0)
            return sums;
        var read = Answer(question, missing, connection);
        var byBucket = read.ToLookup(g => g.Key.Bucket);
        var closed = UsageRow.Micros(time.GetUtcNow() - ClosedSums.ClosedAfter);
        foreach (var bucket in missing.Where(b => b.High <= closed))
            _closed.Keep(shape, bucket, late, [.. byBucket[bucket.Low]]);
        foreach (var (key, values) in read)
            sums[key] = values;
        return sums;
    }

    private Dictionary<GroupKey, long[]> Answer(SummaryQuestion question, List<(long Low, long High)> buckets, DbConnection connection)
    {
        var sums = Sum(question, buckets, connection);
        if (question.GroupByTag is null || question.Tag?.Name == question.GroupByTag)
            return sums;
        // Events without the tag have no row among the tag's: they are what is left of the whole.
        var rests = Sum(question with { GroupByTag = null }, buckets, connection);
        foreach (var (group, tagged) in sums)
            if (rests.TryGetValue(group with { TagValue = null }, out var rest))
                for (var i = 0; i < rest.Length; i++)
                    rest[i] -= tagged[i];
        foreach (var (whole, rest) in rests)
            if (rest[0] != 0)
                sums[whole] = rest;
        return sums;
    }

    private Dictionary<GroupKey, long[]> Sum(SummaryQuestion question, List<(long Low, long High)> buckets, DbConnection connection)
    {
        var sums = new Dictionary<GroupKey, long[]>();
        var tag = question.GroupByTag ?? question.Tag?.Name;
        var ofOneTag = tag is null || question.Tag is null || question.Tag.Value.Name == tag;
        var ofKey = question.KeyId is not null || question.ProjectId is not null || question.TeamId is not null
            || question.GroupBy.Any(d => d is SummaryDimension.Key or SummaryDimension.Project or SummaryDimension.Team);
        if (tag is null || (!ofKey && ofOneTag))
        {
            FromRollup(question, tag is null ? "usage_hourly" : "usage_hourly_tags", tag, buckets, connection, sums);
            FromEvents(question, PartialHours(buckets), connection, sums);
        }
        else if (OfPair(question))
        {
            var uncounted = Uncounted(question, buckets, connection);
            FromRollup(question, "usage_hourly_pairs", null, buckets, connection, sums, uncounted);
            FromEvents(question, PartialHours(buckets).Concat(uncounted.SelectMany(hour => buckets.Where(b => b.Low <= hour && hour <= b.High - Measures.Hour).Select(b => (b.Low, hour, hour + Measures.Hour)))), connection, sums);
        }
        else
        {
            FromEvents(question, buckets.Select(b => (b.Low, b.Low, b.High)), connection, sums);
        }

        return sums;
    }

    // One value of customer by feature, or the other way round, of nothing narrower.
    private static bool OfPair(SummaryQuestion question) =>
        (question.Tag?.Name, question.GroupByTag) is ("customer", "feature") or ("feature", "customer") && question is { Provider: null, Model: null, KeyId: null, ProjectId: null, TeamId: null }
        && question.GroupBy.All(d => d is SummaryDimension.Environment);

    // Hours that have calls of a node which kept no pairs: an older version, before it was replaced.
    private List<long> Uncounted(SummaryQuestion question, List<(long Low, long High)> buckets, DbConnection connection)
    {
        using var command = connection.CreateCommand();
        var where = new Where(store, command);
        where.Is("tenant_id", question.TenantId);
        where.Text(question.Environment is { } environment ? $"environment = {(int)environment}" : "environment IN (0, 1)");
        where.Compare("hour", ">=", buckets.Min(b => b.Low));
        where.Compare("hour", "<", buckets.Max(b => b.High));
        where.Text("counted <> calls");
        command.CommandText = $"SELECT DISTINCT hour FROM usage_hourly WHERE {where}";
        return command.Rows(row => row.GetInt64(0));
    }

    // Rollups answer for the hours that lie whole in a bucket.
    private void FromRollup(SummaryQuestion question, string rollup, string? tag, List<(long Low, long High)> buckets, DbConnection connection, Dictionary<GroupKey, long[]> sums, IReadOnlyList<long>? without = null)
    {
        using var command = connection.CreateCommand();
        var where = new Where(store, command);
        where.Is("tenant_id", question.TenantId);
        where.Text(question.Environment is { } environment ? $"environment = {(int)environment}" : "environment IN (0, 1)");
        if (tag is not null)
        {
            where.Is("tag", tag);
            where.Is("tag_value", question.Tag?.Value);
        }
        else if (question.Tag is { } of)
        {
            where.Is(of.Name, of.Value); // a pair's column has its tag's name
        }

        where.Matches(question);
        where.Text($"hour >= b.low AND hour <= b.high - {Measures.Hour}"); // bare column on the left: each bucket is one range of the primary key
        if (without is { Count: > 0 })
            where.Text($"hour NOT IN ({string.Join(", ", without.Select(hour => hour.ToString(CultureInfo.InvariantCulture)))})");
        var groups = Groups(question, tag is null ? question.GroupByTag ?? "" : "tag_value");
        command.CommandText = $"""
            WITH b (bucket, low, high) AS ({Rows(buckets.Select(b => (b.Low, b.Low, b.High)))})
            SELECT b.bucket{groups}, {Measures.SumOfRollups(question.WithDurations)}
            FROM {store.ForEach("b", rollup, where.ToString())}
            GROUP BY b.bucket{groups}
            """;
        AddTo(sums, question, command);
    }

    // Events answer for parts of hours, and for what no rollup keeps together.
    private void FromEvents(SummaryQuestion question, IEnumerable<(long Bucket, long Low, long High)> parts, DbConnection connection, Dictionary<GroupKey, long[]> sums)
    {
        var list = parts.ToList();
        if (list.Count == 0)
            return;
        using var command = connection.CreateCommand();
        var where = new Where(store, command);
        where.Is("tenant_id", question.TenantId);
        where.Is("environment", (int?)question.Environment);
        where.Matches(question);
        if (question.Tag is { } tag)
            where.Tag("tags", tag.Name, tag.Value);
        where.Text("at >= b.low AND at < b.high");
        var tagValue = "NULL";
        if (question.GroupByTag is { } name)
        {
            command.Add("@by_tag", name);
            tagValue = store.TagValue("tags", "@by_tag");
            where.Text(tagValue + " IS NOT NULL");
        }

        var groups = Groups(question, tagValue);
        command.CommandText = $"""
            WITH b (bucket, low, high) AS ({Rows(list)})
            SELECT b.bucket{groups}, {Measures.SumOf(question.WithDurations)}
            FROM {store.ForEach("b", "usage_events", where.ToString())}
            GROUP BY b.bucket{groups}
            """;
        AddTo(sums, question, command);
    }

    private static string Groups(SummaryQuestion question, string tagValue) =>
        string.Concat(question.GroupBy.Select(d => ", " + d switch
        {
            SummaryDimension.Provider => "provider",
            SummaryDimension.Model => "model",
            SummaryDimension.Key => "key_id",
            SummaryDimension.Project => "project_id",
            SummaryDimension.Team => "team_id",
            _ => "environment",
        })) + (question.GroupByTag is null ? "" : ", " + tagValue);

    private static void AddTo(Dictionary<GroupKey, long[]> sums, SummaryQuestion question, DbCommand command)
    {
        using var row = command.ExecuteReader();
        var values = new StringBuilder();
        while (row.Read())
        {
            values.Clear();
            var column = 1;
            foreach (var dimension in question.GroupBy)
            {
                values.Append('\u001f').Append(dimension == SummaryDimension.Environment ? ((KeyEnvironment)row.GetInt64(column)).ToString() : row.GetString(column));
                column++;
            }

            var key = new GroupKey(row.GetInt64(0), values.ToString(), question.GroupByTag is null ? null : row.GetString(column++));
            if (!sums.TryGetValue(key, out var totals))
                sums[key] = totals = new long[Measures.All.Length];
            for (var i = 0; i < Measures.Count(question.WithDurations); i++)
                totals[i] += row.GetInt64(column + i);
        }
    }

    // Hours whose events retention has deleted can't be divided any more: there an edge moves back to the hour's beginning.
    private static List<(long Low, long High)> Buckets(SummaryQuestion question, DbConnection connection)
    {
        var kept = (long)connection.Scalar($"SELECT {LedgerVerification.KeptOf("@tenant")}", ("@tenant", question.TenantId))!;
        var edges = new List<long>();
        foreach (var edge in question.Edges())
        {
            var at = UsageRow.Micros(edge);
            if (at < kept)
                at -= at % Measures.Hour;
            if (edges.Count == 0 || at > edges[^1])
                edges.Add(at);
        }

        if (edges.Count == 1)
            edges.Add(edges[0] + Measures.Hour);
        return [.. edges.Zip(edges.Skip(1))];
    }

    private static IEnumerable<(long Bucket, long Low, long High)> PartialHours(List<(long Low, long High)> buckets)
    {
        foreach (var (low, high) in buckets)
        {
            var firstWhole = low + ((Measures.Hour - (low % Measures.Hour)) % Measures.Hour);
            var lastWhole = high - (high % Measures.Hour);
            if (firstWhole > lastWhole)
            {
                yield return (low, low, high);
                continue;
            }

            if (low < firstWhole)
                yield return (low, low, firstWhole);
            if (lastWhole < high)
                yield return (low, lastWhole, high);
        }
    }

    private static string Rows(IEnumerable<(long Bucket, long Low, long High)> parts) =>
        "VALUES " + string.Join(", ", parts.Select(p => string.Create(CultureInfo.InvariantCulture, $"({p.Bucket}, {p.Low}, {p.High})")));

    private static UsageTotals Totals(long[] sums)
    {
        long Of(string column) => sums[Measures.IndexOf(column)];
        Durations Histogram(string first, long count, long sum) => new(count, sum, sums[Measures.IndexOf(first)..][..Measures.Buckets]);

        return new UsageTotals
        {
            Calls = Of("calls"),
            Errors = Of("errors"),
            InputTokens = Of("input_tokens"),
            CacheReadTokens = Of("cache_read_tokens"),
            CacheWriteTokens = Of("cache_write_tokens"),
            CacheWrite1hTokens = Of("cache_write_1h_tokens"),
            OutputTokens = Of("output_tokens"),
            ReasoningTokens = Of("reasoning_tokens"),
            Cost = new NanoUsd(Of("cost_nano")),
            Unpriced = Of("unpriced"),
            Estimated = Of("estimated"),
            Latency = Histogram("latency_50ms", Of("calls"), Of("latency_us")),
            FirstByte = Histogram("first_byte_50ms", Of("first_byte_calls"), Of("first_byte_us")),
        };
    }
}
