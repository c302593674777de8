using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Infrastructure.InProcess;

public static class BudgetSetup
{
    /// <summary>The budget gate of a host that serves calls, and what keeps it up to date. Reads the settings under <c>Budgets</c>. Register it before the recorder: it drains after it.</summary>
    public static IServiceCollection AddBudgetGate(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddMetrics();
        services.AddOptions<BudgetGateOptions>().Bind(configuration.GetSection("Budgets"))
            .Validate(o => o.Problem() is null, "Budgets: Nodes is 1 to 1000, LeaseAhead 100 ms to 60 s, IdleAfter 100 ms to 10 min, LeaseLifetime 1 s to 1 h.")
            .ValidateOnStart();
        services.AddSingleton(provider => new BudgetGate(
            provider.GetRequiredService<IBudgetTruth>(), LeaseRecovery.NameOf(provider.GetRequiredService<NodeRun>()), provider.GetRequiredService<IOptions<BudgetGateOptions>>().Value, provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<BudgetGate>>(), provider.GetRequiredService<IMeterFactory>()));
        services.AddSingleton<IBudgetGate>(provider => provider.GetRequiredService<BudgetGate>());
        services.AddSingleton<IPostedEvents>(provider => provider.GetRequiredService<BudgetGate>());
        services.AddSingleton<IDirectoryRefresh>(provider => provider.GetRequiredService<BudgetGate>());
        services.AddHostedService<BudgetUpkeep>();
        services.AddHostedService<LeaseRecovery>();
        return services;
    }
}

/// <summary>Reads the budgets before the host takes calls, then looks for changes five times a second and tidies up each second; gives back what is free at the end.</summary>
internal sealed partial class BudgetUpkeep(BudgetGate gate, ILogger<BudgetUpkeep> log) : BackgroundService
{
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(200);
    private const int TidyEveryPolls = 5;
    private const int SayEveryFailures = 25;

    // What is not told then is told by the next start.
    private const int DrainTries = 10;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await gate.RefreshAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(PollEvery);
        var failures = 0;
        for (var poll = 1; await timer.WaitForNextTickAsync(stoppingToken); poll++)
        {
            try
            {
                await gate.RefreshAsync(stoppingToken);
                if (poll % TidyEveryPolls == 0)
                    await gate.TidyAsync(stoppingToken);
                failures = 0;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Whatever it was, the next poll tries again; ending the loop would let lowered limits go unseen.
                if (failures++ % SayEveryFailures == 0)
                    NotRead(e);
            }
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        for (var tries = 1; !await gate.DrainAsync() && tries < DrainTries; tries++)
            await Task.Delay(PollEvery, CancellationToken.None);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The budgets could not be read; the gate goes by what it knows and tries again")]
    private partial void NotRead(Exception e);
}
