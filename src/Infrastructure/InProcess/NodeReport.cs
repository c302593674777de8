using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>Writes every half minute how this proxy is, for the operator's page. A proxy that can't reach the store serves on, and is shown as silent.</summary>
internal sealed partial class NodeReport(ISqlStore store, UsageRecorder recorder, CallJournal journal, NodeRun self, TimeProvider time, ILogger<NodeReport> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(30);

    // A node whose folder is gone for good stops being listed after a week; what it leased is listed until somebody closes it.
    private static readonly TimeSpan Forgotten = TimeSpan.FromDays(7);

    private readonly DateTimeOffset _startedAt = time.GetUtcNow();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        do
        {
            try
            {
                await WriteAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                NotWritten(e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    internal Task<int> WriteAsync(CancellationToken cancellationToken) => store.WriteAsync(
        transaction =>
        {
            var now = time.GetUtcNow();
            transaction.Execute("DELETE FROM proxy_nodes WHERE seen_at < @old", ("@old", UsageRow.Micros(now - Forgotten)));
            return transaction.Execute(
                """
                INSERT INTO proxy_nodes (node, run, version, started_at, seen_at, open_calls, waiting, writable) VALUES (@node, @run, @version, @started, @now, @open, @waiting, @writable)
                ON CONFLICT (node) DO UPDATE SET run = excluded.run, version = excluded.version, started_at = excluded.started_at, seen_at = excluded.seen_at,
                    open_calls = excluded.open_calls, waiting = excluded.waiting, writable = excluded.writable
                """,
                ("@node", self.Node), ("@run", self.Run), ("@version", ProductVersion.Text), ("@started", UsageRow.Micros(_startedAt)), ("@now", UsageRow.Micros(now)),
                ("@open", (long)journal.OpenCalls), ("@waiting", recorder.Waiting), ("@writable", (short)(journal.Writable ? 1 : 0)));
        },
        cancellationToken);

    [LoggerMessage(Level = LogLevel.Warning, Message = "How this proxy is could not be written to the store; it is tried again in half a minute: {Reason}")]
    private partial void NotWritten(string reason);
}
