using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Ledger;
using Tokonomics.Bench.Load;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Journal;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>
/// Calls through the product's gate, journal and recorder while the ledger takes nothing: its table is locked. Until the product admits no more, by its own word; then it waits to be killed.
/// </summary>
internal static class Fill
{
    public static async Task<int> RunAsync(Arguments arguments)
    {
        await using var traffic = await LiveTraffic.StartAsync(1);
        var recorder = traffic.Services.GetRequiredService<UsageRecorder>();
        var journal = traffic.Services.GetRequiredService<CallJournal>();
        await using (var services = Product.BuildStore(StoreSetup.DataFolder))
            await services.GetRequiredService<IUsageLedger>().AppendAsync(await traffic.NextAsync(20_000), CancellationToken.None); // every account is open
        using var connection = traffic.Services.GetRequiredService<ISqlStore>().Open();
        using var transaction = connection.BeginTransaction();
        using var command = connection.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, "SET idle_in_transaction_session_timeout = 0; LOCK TABLE usage_events IN ACCESS EXCLUSIVE MODE");
        command.ExecuteNonQuery();
        var (calls, watch) = (0, Stopwatch.StartNew());
        for (; recorder.Accepting; calls++)
        {
            var (call, at) = (traffic.Next(out var key), DateTimeOffset.UtcNow);
            var id = SortableId.New("req", at);
            var hold = await traffic.HoldAsync(key, call, at);
            var ticket = recorder.Admit(
                new CallAdmission
                {
                    RequestId = id, TenantId = call.TenantId, KeyId = call.KeyId, TeamId = call.TeamId, ProjectId = call.ProjectId, Environment = call.Environment, Provider = call.Provider, Dialect = call.Dialect,
                    Operation = call.Operation, RequestModel = call.RequestModel, PricingHints = call.PricingHints, PriceVersion = call.PriceVersion, At = at, Estimate = call.Usage, UpperBound = hold.UpperBound,
                    Charges = hold.Charges(), Tags = call.Tags,
                },
                sent: true);
            if (ticket.IsNone)
            {
                traffic.Gate.Void(hold);
                break;
            }

            traffic.Gate.Settle(hold, call.Cost ?? NanoUsd.Zero);
            recorder.Record(traffic.Ended(call, at, id), ticket, last: true);
        }

        await File.WriteAllTextAsync(arguments.Text("held"), JsonSerializer.Serialize(new { events = calls, journal_bytes = journal.Bytes, full = !recorder.JournalWritable, seconds = Math.Round(watch.Elapsed.TotalSeconds, 1) }));
        await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"  {calls:N0} events wait"));
        await Task.Delay(Timeout.InfiniteTimeSpan);
        return 0;
    }
}
