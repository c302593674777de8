using System.Threading.Channels;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Mails;

namespace Tokonomics.Web.Portal.Billing;

/// <summary>Something waits to be processed.</summary>
internal sealed class BillingSignal
{
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Set() => _signals.Writer.TryWrite(true);

    /// <summary>Returns when it is set, or after that time.</summary>
    public async Task WaitAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(time);
        try
        {
            await _signals.Reader.ReadAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
        }
    }
}

/// <summary>
/// Beside the portal: events of the payment provider are worked off as they come, and those that a process left behind some seconds later; whoever nears
/// the end of a quota is told by mail.
/// </summary>
internal sealed partial class BillingUpkeep(IServiceScopeFactory scopes, BillingSignal signal, IQuotaWarnings warnings, IMailer mailer, IPortalLinks links, BillingOptions options, ILogger<BillingUpkeep> log) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    private const int SayEveryFailures = 60;

    // Before the host takes calls: where nothing is sold nobody has a quota, and where plans are, everybody has theirs.
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await using (var scope = scopes.CreateAsyncScope())
            await scope.ServiceProvider.GetRequiredService<PaymentEvents>().PrepareAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.Enabled)
            return;
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using (var scope = scopes.CreateAsyncScope())
                    await scope.ServiceProvider.GetRequiredService<PaymentEvents>().ProcessAsync(stoppingToken);
                foreach (var warning in await warnings.TakeAsync(stoppingToken))
                    foreach (var mail in warning.Mails(links))
                        mailer.Send(mail);
                failures = 0;
                await signal.WaitAsync(LookEvery, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The store is away, most likely; what waits is still there when it comes back.
                if (failures++ % SayEveryFailures == 0)
                    NotYet(log, e);
                await Task.Delay(LookEvery, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Payment events and quota warnings could not be worked off; trying again")]
    private static partial void NotYet(ILogger logger, Exception e);
}
