using System.Data.Common;
using System.Security.Cryptography;
using Tokonomics.Application.Jobs;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Jobs;

/// <summary>Runs of jobs, as rows. All times in them are the store's.</summary>
public sealed class SqlJobRuns(ISqlStore store) : IJobRuns
{
    private const int KeptOfEach = 50;

    // Past this it isn't the schedule's own slack any more.
    private static readonly TimeSpan Late = TimeSpan.FromMinutes(3);

    private readonly string _silentSince = $"{store.Now} - {UsageRow.Micros(IJobRuns.Silence)}";

    public Task PlanAsync(IReadOnlyList<(string Job, DateTimeOffset? At)> due, CancellationToken cancellationToken) => store.WriteAsync(
        transaction => due.OrderBy(d => d.Job, StringComparer.Ordinal).Sum(d => transaction.Execute(
            "INSERT INTO jobs (job, next_at) VALUES (@job, @next) ON CONFLICT (job) DO UPDATE SET next_at = excluded.next_at",
            ("@job", d.Job), ("@next", d.At is { } at ? UsageRow.Micros(at) : DBNull.Value))),
        cancellationToken);

    public Task<JobStart> StartAsync(string job, string worker, JobCause cause, TimeSpan? notWithin, CancellationToken cancellationToken) => store.WriteAsync(
        transaction =>
        {
            // Whoever else begins the same job waits here, and then finds this run.
            store.Lock(transaction, "job " + job, exclusive: true);
            MarkLost(transaction, job);
            if (Any(transaction, "SELECT 1 FROM job_runs WHERE job = @job AND ended_at IS NULL", ("@job", job)))
                return JobStart.Busy;
            if (notWithin is { } within && Any(
                transaction, $"SELECT 1 FROM job_runs WHERE job = @job AND cause <> 'request' AND outcome IN ('done', 'attention') AND started_at > {store.Now} - @within LIMIT 1",
                ("@job", job), ("@within", UsageRow.Micros(within))))
                return JobStart.NotDue;
            var id = "run_" + RandomNumberGenerator.GetHexString(16, lowercase: true);
            transaction.Execute(
                $"INSERT INTO job_runs (id, job, worker, cause, started_at, seen_at) VALUES (@id, @job, @worker, @cause, {store.Now}, {store.Now})",
                ("@id", id), ("@job", job), ("@worker", worker), ("@cause", Word(cause)));
            return new JobStart(id, false);
        },
        cancellationToken);

    public Task<bool> SayAsync(string runId, CancellationToken cancellationToken) => store.WriteAsync(
        transaction => transaction.Execute($"UPDATE job_runs SET seen_at = {store.Now} WHERE id = @id AND ended_at IS NULL", ("@id", runId)) == 1, cancellationToken);

    public Task EndAsync(string runId, JobOutcome outcome, string? did, string? failure, string? requestId, CancellationToken cancellationToken) => store.WriteAsync(
        transaction =>
        {
            var ended = transaction.Command(
                $"UPDATE job_runs SET ended_at = {store.Now}, seen_at = {store.Now}, outcome = @outcome, did = @did, failure = @failure WHERE id = @id AND ended_at IS NULL RETURNING job, started_at",
                ("@id", runId), ("@outcome", Word(outcome)), ("@did", (object?)did ?? DBNull.Value), ("@failure", (object?)failure ?? DBNull.Value)).Rows(row => (Job: row.GetString(0), StartedAt: row.GetInt64(1)));
            if (ended.Count == 0)
                return 0; // it was taken for lost, and is so for good
            var (job, startedAt) = ended[0];
            if (outcome != JobOutcome.Stopped)
                NoteTrouble(transaction, job, outcome, startedAt);
            if (requestId is not null && outcome != JobOutcome.Stopped)
                transaction.Execute("DELETE FROM job_requests WHERE job = @job AND id = @id", ("@job", job), ("@id", requestId));
            return transaction.Execute(
                $"DELETE FROM job_runs WHERE job = @job AND ended_at IS NOT NULL AND id NOT IN (SELECT id FROM job_runs WHERE job = @job ORDER BY started_at DESC, id LIMIT {KeptOfEach})", ("@job", job));
        },
        cancellationToken);

    public async Task<IReadOnlyList<(string Job, string RequestId)>> LookAsync(CancellationToken cancellationToken)
    {
        var (lost, asked) = await Task.Run(
            () =>
            {
                using var connection = store.Open();
                return (
                    connection.Command(null, $"SELECT DISTINCT job FROM job_runs WHERE ended_at IS NULL AND seen_at < {_silentSince}").Rows(row => row.GetString(0)),
                    connection.Command(null, "SELECT job, id FROM job_requests ORDER BY asked_at, job").Rows(row => (row.GetString(0), row.GetString(1))));
            },
            cancellationToken);
        foreach (var job in lost)
            await store.WriteAsync(
                transaction =>
                {
                    store.Lock(transaction, "job " + job, exclusive: true);
                    MarkLost(transaction, job);
                    return 0;
                },
                cancellationToken);
        return asked;
    }

    public Task LeaveAsync(string job, string by, CancellationToken cancellationToken) => store.WriteAsync(
        transaction => transaction.Execute(
            $"INSERT INTO job_requests (job, id, asked_at, asked_by) VALUES (@job, @id, {store.Now}, @by) ON CONFLICT (job) DO NOTHING", ("@job", job), ("@id", JobRequest.NewId()), ("@by", by)),
        cancellationToken);

    public Task<IReadOnlyDictionary<string, DateTimeOffset>> LastEndedWellAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyDictionary<string, DateTimeOffset>>(
        () =>
        {
            using var connection = store.Open();
            return connection.Command(null, """
                SELECT job, max(at) FROM (
                    SELECT job, ended_at AS at FROM job_runs WHERE outcome IN ('done', 'attention')
                    UNION ALL SELECT job, trouble_since FROM jobs WHERE trouble = 'failed' AND NOT EXISTS (SELECT 1 FROM job_runs AS r WHERE r.job = jobs.job AND r.outcome IN ('done', 'attention'))
                ) AS ended GROUP BY job
                """).Rows(row => (Job: row.GetString(0), At: UsageRow.Time(row.GetInt64(1)))).ToDictionary(e => e.Job, e => e.At, StringComparer.Ordinal);
        },
        cancellationToken);

    public Task<IReadOnlyList<JobLine>> LinesAsync(CancellationToken cancellationToken) => Task.Run<IReadOnlyList<JobLine>>(Lines, cancellationToken);

    private List<JobLine> Lines()
    {
        using var connection = store.Open();
        using var transaction = store.BeginReading(connection);
        var states = transaction.Command($"SELECT job, next_at, trouble, trouble_since, CASE WHEN next_at < {store.Now} - {UsageRow.Micros(Late)} THEN 1 ELSE 0 END FROM jobs").Rows(row => (
            Job: row.GetString(0), NextAt: Time(row, 1), Trouble: row.IsDBNull(2) ? null : row.GetString(2), Since: Time(row, 3), Late: row.GetInt32(4) == 1)).ToDictionary(s => s.Job);
        var asked = transaction.Command("SELECT job, asked_at FROM job_requests").Rows(row => (Job: row.GetString(0), At: UsageRow.Time(row.GetInt64(1)))).ToDictionary(r => r.Job, r => r.At);
        // A run whose worker is silent is lost, whether or not another worker is there to note it.
        var runs = transaction.Command($"""
            SELECT job, id, worker, cause, started_at, coalesce(ended_at, CASE WHEN seen_at < {_silentSince} THEN seen_at END),
                coalesce(outcome, CASE WHEN seen_at < {_silentSince} THEN 'lost' END), did, failure FROM job_runs ORDER BY job, started_at DESC, id
            """).Rows(row => (Job: row.GetString(0), Run: new JobRun(
                row.GetString(1), row.GetString(2), Enum.Parse<JobCause>(row.GetString(3), true), UsageRow.Time(row.GetInt64(4)), Time(row, 5),
                row.IsDBNull(6) ? null : Enum.Parse<JobOutcome>(row.GetString(6), true), row.IsDBNull(7) ? null : row.GetString(7), row.IsDBNull(8) ? null : row.GetString(8)))).ToLookup(r => r.Job, r => r.Run);
        return [.. JobPlan.All.Select(plan =>
        {
            var state = states.GetValueOrDefault(plan.Name);
            IReadOnlyList<JobRun> mine = [.. runs[plan.Name]];
            // What nobody has noted yet.
            var lost = mine is [{ Outcome: JobOutcome.Lost } newest, ..] ? newest.StartedAt : (DateTimeOffset?)null;
            return new JobLine(
                plan, state.NextAt, state.Late && mine is not [{ Outcome: null }, ..], state.Trouble == "failed" ? state.Since : lost, state.Trouble == "attention" && lost is null ? state.Since : null,
                asked.TryGetValue(plan.Name, out var at) ? at : null, mine);
        })];
    }

    private void MarkLost(DbTransaction transaction, string job)
    {
        var lost = transaction.Command(
            $"""
            UPDATE job_runs SET ended_at = seen_at, outcome = 'lost', failure = 'nothing was heard of its worker any more'
            WHERE job = @job AND ended_at IS NULL AND seen_at < {_silentSince} RETURNING started_at
            """,
            ("@job", job)).Rows(row => row.GetInt64(0));
        foreach (var startedAt in lost)
            NoteTrouble(transaction, job, JobOutcome.Lost, startedAt);
    }

    // Since when: the first of the row of runs that ended alike.
    private static void NoteTrouble(DbTransaction transaction, string job, JobOutcome outcome, long startedAt)
    {
        var trouble = outcome switch { JobOutcome.Failed or JobOutcome.Lost => "failed", JobOutcome.Attention => "attention", _ => null };
        transaction.Execute(
            """
            INSERT INTO jobs (job, trouble, trouble_since) VALUES (@job, @trouble, @since)
            ON CONFLICT (job) DO UPDATE SET trouble = excluded.trouble, trouble_since = CASE WHEN jobs.trouble = excluded.trouble THEN jobs.trouble_since ELSE excluded.trouble_since END
            """,
            ("@job", job), ("@trouble", (object?)trouble ?? DBNull.Value), ("@since", trouble is null ? DBNull.Value : startedAt));
    }

    private static bool Any(DbTransaction transaction, string sql, params (string Name, object Value)[] parameters) => transaction.Command(sql, parameters).Rows(_ => true).Count > 0;

    private static DateTimeOffset? Time(DbDataReader row, int column) => row.IsDBNull(column) ? null : UsageRow.Time(row.GetInt64(column));

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
