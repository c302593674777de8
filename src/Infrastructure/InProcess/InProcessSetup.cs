using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Infrastructure.Journal;

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

    /// <summary>
    /// The journal and what takes from it to the ledger; a host's background service, and for one process in each folder. Reads the settings under
    /// <c>Recorder</c> and <c>Journal</c>.
    /// </summary>
    public static IServiceCollection AddUsageRecorder(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddMetrics();
        services.AddOptions<RecorderOptions>().Bind(configuration.GetSection("Recorder"))
            .Validate(o => o.Problem() is null, "Recorder: MaxWaiting is 1000 to 10000000, BatchSize 1 to 10000, BatchDelay 1 ms to 10 s, ShutdownTimeout 1 s to 10 min.")
            .ValidateOnStart();
        services.AddOptions<JournalOptions>().Bind(configuration.GetSection("Journal"))
            .Validate(o => o.Problem() is null, "Journal: Node has letters, digits, '-' and '_'; SegmentBytes is 65536 to 1073741824, MaxBytes at least four times as much, SyncEvery 0 to 1 min.")
            .ValidateOnStart();
        services.AddSingleton(provider => new CallJournal(
            provider.GetRequiredService<IOptions<JournalOptions>>().Value is { Folder.Length: > 0 } journal ? journal.Folder : Path.Combine(provider.GetRequiredService<IOptions<StoreOptions>>().Value.DataDirectory, "journal"),
            provider.GetRequiredService<IOptions<JournalOptions>>().Value,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<CallJournal>>()));
        services.AddSingleton(provider => new NodeRun(provider.GetRequiredService<CallJournal>().Identity, Guid.NewGuid().ToString("n")[..8]));
        services.AddSingleton<UsageRecorder>();
        services.AddSingleton<IUsageRecorder>(provider => provider.GetRequiredService<UsageRecorder>());
        services.AddHostedService(provider => provider.GetRequiredService<UsageRecorder>());
        return services;
    }

    /// <summary>Tells the operator how this proxy is; needs the recorder.</summary>
    public static IServiceCollection AddNodeReport(this IServiceCollection services) => services.AddHostedService<NodeReport>();

    /// <summary>Counts refused calls and takes the counts to the store; a host's background service.</summary>
    public static IServiceCollection AddRefusalCounter(this IServiceCollection services)
    {
        services.AddSingleton<RefusalCounter>();
        services.AddSingleton<IRefusalCounter>(provider => provider.GetRequiredService<RefusalCounter>());
        services.AddHostedService(provider => provider.GetRequiredService<RefusalCounter>());
        return services;
    }

    /// <summary>For a process without a directory of its own, such as the command line: servers see its changes when they poll.</summary>
    public static IServiceCollection AddNoKeyDirectory(this IServiceCollection services) => services.AddSingleton<IDirectoryRefresh, Nobody>();

    private sealed class Nobody : IDirectoryRefresh
    {
        public Task RefreshAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
