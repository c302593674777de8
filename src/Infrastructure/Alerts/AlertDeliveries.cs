using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Alerts;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>
/// Carries alerts, beside everything else: looks twice a second for what the ledger has noted and for what is due. To each channel one message at a time, to all channels at once: a dead one
/// delays no other. Any number of hosts may do this.
/// </summary>
internal sealed partial class AlertDeliveries(AlertOutbox outbox, AlertBook book, IAlertSender sender, IMeterFactory meters, ILogger<AlertDeliveries> log) : BackgroundService
{
    public const string MeterName = "Tokonomics.Alerts";

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(5);

    private const int AtOnce = 64;
    private const int SayEveryFailures = 60;

    private readonly ConcurrentDictionary<(string Tenant, string Channel), Task> _running = new();
    private readonly Counter<long> _attempts = meters.Create(MeterName).CreateCounter<long>("tokonomics.alerts.attempts", "{attempt}", "Attempts to deliver an alert, by the kind of the channel and by whether it arrived.");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        for (var failures = 0; !stoppingToken.IsCancellationRequested;)
        {
            var wait = LookEvery;
            try
            {
                await LookAsync(stoppingToken);
                failures = 0;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                // The store is away, most likely; what waits is still there when it comes back.
                if (failures++ % SayEveryFailures == 0)
                    NotYet(e);
                wait = AfterFailure;
            }

            await Task.Delay(wait, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(_running.Values).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var takingUp = TakeUpAsync(cancellationToken);
        await takingUp.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // what is due goes out whether or not something new can be made
        foreach (var delivery in await outbox.TakeDueAsync(_running.Keys.ToHashSet(), AtOnce - _running.Count, cancellationToken))
        {
            var channel = (delivery.TenantId, delivery.ChannelId);
            // Added before it begins: it takes itself away at its end.
            var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _running[channel] = CarryAsync(delivery, channel, begin.Task, cancellationToken);
            begin.SetResult();
        }

        await takingUp;
    }

    private async Task TakeUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (await outbox.TakeUpAsync(cancellationToken) > 0)
            {
            }
        }
        finally
        {
            while (await book.MindMutesAsync(cancellationToken) > 0)
            {
            }
        }
    }

    private async Task CarryAsync(DueDelivery delivery, (string, string) channel, Task begin, CancellationToken cancellationToken)
    {
        await begin;
        try
        {
            if (await outbox.OpenAsync(delivery, cancellationToken) is not { } open)
                return;
            var result = await sender.SendAsync(open.Channel, open.Alert, delivery.MessageId, cancellationToken);
            _attempts.Add(1, new("tokonomics.alert.channel", open.Channel.Kind.ToString().ToLowerInvariant()), new("tokonomics.alert.delivered", result.Delivered ? "true" : "false"));
            if (!result.Delivered)
                NotDelivered(delivery.MessageId, open.Channel.Kind.ToString(), delivery.Attempt, result.Answer);
            // Also when the host is stopping: what arrived is not sent again.
            await outbox.DoneAsync(delivery, result, CancellationToken.None);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Its lease ends, and it is tried again.
            NotCarried(e, delivery.MessageId);
        }
        catch (OperationCanceledException)
        {
            // The host stops; another takes it when the lease has ended.
        }
        finally
        {
            _running.TryRemove(channel, out _);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Alerts could not be looked for; trying again")]
    private partial void NotYet(Exception e);

    [LoggerMessage(2, LogLevel.Warning, "Alert {Message} did not arrive by {Kind}, attempt {Attempt}: {Answer}")]
    private partial void NotDelivered(string message, string kind, int attempt, string answer);

    [LoggerMessage(3, LogLevel.Error, "Alert {Message} could not be carried; it is tried again")]
    private partial void NotCarried(Exception e, string message);
}
