using System.Data.Common;
using MediatR;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Infrastructure.Secrets;
using Tokonomics.Infrastructure.Sqlite;

namespace Tokonomics.Tests;

/// <summary>
/// Everything on a database of its own, with a folder of its own, which go with it: SQLite, or PostgreSQL where the settings say so. A second store on the same
/// folder (and, on PostgreSQL, the same database) is a second process's.
/// </summary>
public sealed class TempStore : IAsyncDisposable
{
    private readonly bool _ownsFolder;

    public TempStore(string? folder = null, bool withDirectory = true, Action<Dictionary<string, string?>>? settings = null, Action<IServiceCollection, IConfiguration>? more = null)
    {
        _ownsFolder = folder is null;
        Folder = folder ?? Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        var values = new Dictionary<string, string?> { ["Store:DataDirectory"] = Folder };
        settings?.Invoke(values);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
        var services = new ServiceCollection();
        services.AddLogging(log => log.AddProvider(Logs));
        services.AddSingleton<IConfiguration>(configuration);
        services.AddSingleton<TimeProvider>(Clock);
        services.AddSecrets(configuration);
        services.AddTenantStore(configuration);
        services.AddUseCases();
        services.AddProviders(configuration);
        services.AddSingleton<IBuiltInProviders>(new Providers());
        services.AddSingleton<IPriceVersions, PriceVersions>();
        if (withDirectory)
            services.AddKeyDirectory();
        else
            services.AddNoKeyDirectory();
        services.AddUsageRecorder(configuration);
        more?.Invoke(services, configuration);
        Services = services.BuildServiceProvider(new ServiceProviderOptions { ValidateScopes = true, ValidateOnBuild = true });
        Services.GetRequiredService<StoreStart>().Run();
    }

    public string Folder { get; }

    public ServiceProvider Services { get; }

    public Clock Clock { get; } = new();

    public CapturedLogs Logs { get; } = new();

    /// <summary>On SQLite.</summary>
    public SqliteDatabase Database => Get<SqliteDatabase>();

    public ISqlStore Sql => Get<ISqlStore>();

    /// <summary>Called when everything else is gone.</summary>
    public Func<Task>? Gone { get; set; }

    public DbConnection Open() => Sql.Open();

    public T Get<T>()
        where T : notnull => Services.GetRequiredService<T>();

    /// <summary>Runs the background services, as a host does.</summary>
    public async Task<TempStore> StartAsync()
    {
        foreach (var service in Services.GetServices<IHostedService>())
            await service.StartAsync(CancellationToken.None);
        return this;
    }

    public async Task<T> SendAsync<T>(IRequest<T> request)
    {
        await using var scope = Services.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request);
    }

    public async Task<TenantProvisioned> ProvisionAsync(string name = "Acme", params KeyValuePair<string, string>[] keys) =>
        (await SendAsync(new ProvisionTenant(Caller.Operator, name, "owner@example.com", keys))).Value;

    public long Count(string sql)
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), null);
    }

    public void Execute(string sql)
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in Services.GetServices<IHostedService>().Reverse())
            await service.StopAsync(CancellationToken.None);
        await Services.DisposeAsync();
        if (Gone is not null)
            await Gone();
        if (!_ownsFolder)
            return;
        SqliteConnection.ClearAllPools();
        Directory.Delete(Folder, recursive: true);
    }

    private sealed class Providers : IBuiltInProviders
    {
        public bool Contains(string name) => name is "openai" or "anthropic";
    }
}

public sealed class Clock : TimeProvider
{
    public TimeSpan Ahead { get; set; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;

    /// <summary>Goes ahead, by five days at most, to a time that no minute, hour, day or month ends soon after: the given one, in UTC, of a day inside a month.</summary>
    public void GoTo(int hour, int minute)
    {
        var now = GetUtcNow();
        var at = new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero) + new TimeSpan(hour, minute, 15);
        while (at <= now || at.Day is < 2 or > 26)
            at = at.AddDays(1);
        Ahead += at - now;
    }
}

public sealed class CapturedLogs : ILoggerProvider, ILogger
{
    private readonly List<string> _lines = [];

    public string Text
    {
        get
        {
            lock (_lines)
                return string.Join('\n', _lines);
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
            _lines.Add(formatter(state, exception) + exception);
    }

    public void Dispose()
    {
    }
}

/// <summary>Events for tests: one by hand, or many by a seed.</summary>
public static class Some
{
    public static readonly DateTimeOffset Noon = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);

    public static UsageEvent Event(string requestId, string tenantId = "ten_a", int attempt = 1, DateTimeOffset? at = null) => new()
    {
        RequestId = requestId,
        Attempt = attempt,
        TenantId = tenantId,
        KeyId = "key_1",
        Provider = "openai",
        Dialect = "openai-chat",
        Operation = "POST /chat/completions",
        RequestModel = "gpt-5.1",
        ResponseModel = "gpt-5.1-2026-01-01",
        Usage = TokenUsage.Parse("Input=100,CacheRead=20,CacheWrite1h=5,Output=30,Reasoning=7"),
        UsageSource = UsageSource.Reported,
        PricingHints = "service_tier=flex",
        Cost = new NanoUsd(123_456),
        PriceStatus = PriceStatus.Priced,
        PriceVersion = "v1",
        ProviderCost = new NanoUsd(123_000),
        Status = 200,
        FinishReason = "stop",
        Streamed = true,
        At = at ?? Noon,
        Latency = TimeSpan.FromMilliseconds(740),
        FirstByte = TimeSpan.FromMilliseconds(120),
        RequestBytes = 1234,
        ResponseBytes = 5678,
        ProviderRequestId = "up_1",
        Tags = [new Tag("customer", "acme"), new Tag("feature", "search")],
    };

    public static List<UsageEvent> Events(int seed, int count, string tenantId = "ten_a", int hours = 72)
    {
        var random = new Random(seed);
        T Pick<T>(params T[] of) => of[random.Next(of.Length)];
        var events = new List<UsageEvent>(count);
        for (var i = 0; i < count; i++)
        {
            var usage = new TokenUsage();
            foreach (var unit in Enum.GetValues<UsageUnit>())
                if (random.Next(4) == 0)
                    usage[unit] = random.Next(5000);
            var status = Pick(PriceStatus.Priced, PriceStatus.Priced, PriceStatus.Unpriced, PriceStatus.Free);
            events.Add(new UsageEvent
            {
                RequestId = $"req_{seed:d4}{i:d8}",
                TenantId = tenantId,
                KeyId = Pick("key_1", "key_2", "key_3"),
                TeamId = Pick(null, "team_1", "team_2"),
                ProjectId = Pick(null, "prj_1"),
                Environment = Pick(KeyEnvironment.Live, KeyEnvironment.Live, KeyEnvironment.Test),
                Provider = Pick("openai", "anthropic"),
                Dialect = "openai-chat",
                Operation = "POST /chat/completions",
                RequestModel = Pick("m-1", "m-2", null),
                ResponseModel = Pick("m-1", null, "m-3"),
                Usage = usage,
                UsageSource = Pick(Enum.GetValues<UsageSource>()),
                Cost = status switch { PriceStatus.Priced => new NanoUsd(random.NextInt64(1_000_000_000)), PriceStatus.Free => NanoUsd.Zero, _ => null },
                PriceStatus = status,
                PriceVersion = "v1",
                Status = Pick(200, 200, 200, 429, 500, 0),
                Outcome = Pick(Enum.GetValues<CallOutcome>()),
                At = Noon.AddHours(-hours).AddTicks(random.NextInt64(TimeSpan.FromHours(hours).Ticks) / 10 * 10),
                Latency = TimeSpan.FromMicroseconds(random.Next(90_000_000)),
                FirstByte = random.Next(3) == 0 ? null : TimeSpan.FromMicroseconds(random.Next(5_000_000)),
                Tags = random.Next(3) == 0 ? [] : [new Tag("customer", Pick("acme", "globex", "it's \"quoted\"")), new Tag("feature", Pick("search", "chat"))],
            });
        }

        return events;
    }
}
