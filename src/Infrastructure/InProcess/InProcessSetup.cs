using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Infrastructure.InProcess;

public static class InProcessSetup
{
    /// <summary>The key directory, which follows the store; a host's background service.</summary>
    public static IServiceCollection AddKeyDirectory(this IServiceCollection services)
    {
        services.AddSingleton(provider => new KeyDirectory(
            provider.GetRequiredService<IDirectorySource>(),
            provider.GetRequiredService<IKeyHasher>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<KeyDirectory>>(),
            provider.GetService<PriceOverrideLookup>()));
        services.AddSingleton<IKeyDirectory>(provider => provider.GetRequiredService<KeyDirectory>());
        services.AddSingleton<IDirectoryRefresh>(provider => provider.GetRequiredService<KeyDirectory>());
        services.AddHostedService(provider => provider.GetRequiredService<KeyDirectory>());
        return services;
    }

    /// <summary>The queue in front of the ledger; a host's background service. Reads the settings under <c>Recorder</c>.</summary>
    public static IServiceCollection AddUsageRecorder(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddMetrics();
        services.AddOptions<RecorderOptions>().Bind(configuration.GetSection("Recorder"))
            .Validate(o => o.Problem() is null, "Recorder: MaxWaiting is 1000 to 10000000, BatchSize 1 to 10000, BatchDelay 1 ms to 10 s, ShutdownTimeout 1 s to 10 min.")
            .ValidateOnStart();
        services.AddSingleton<UsageRecorder>();
        services.AddSingleton<IUsageRecorder>(provider => provider.GetRequiredService<UsageRecorder>());
        services.AddHostedService(provider => provider.GetRequiredService<UsageRecorder>());
        return services;
    }

    /// <summary>For a process without a directory of its own, such as the command line: servers see its changes when they poll.</summary>
    public static IServiceCollection AddNoKeyDirectory(this IServiceCollection services) => services.AddSingleton<IDirectoryRefresh, Nobody>();

    private sealed class Nobody : IDirectoryRefresh
    {
        public Task RefreshAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
