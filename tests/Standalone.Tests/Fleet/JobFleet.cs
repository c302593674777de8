using System.Globalization;
using System.Text.Json;
using MediatR;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Jobs;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>Workers, each a process of its own, on one PostgreSQL, and something to do for each of their jobs.</summary>
internal sealed class JobFleet : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<ProductProcess> _workers = [];
    private readonly Dictionary<string, string> _settings = [];
    private PostgresServer _postgres = null!;
    private FakeStripeServer _stripe = null!;
    private ServiceProvider _services = null!;
    private string _database = "";
    private int _events;

    public FakeStripe Stripe => _stripe.Stripe;

    /// <summary>To Stripe.</summary>
    public FaultyLink Link { get; private set; } = null!;

    public string Tenant { get; private set; } = "";

    public Caller Owner { get; private set; } = null!;

    public string Folder => _folder.Path;

    public string Logs => string.Concat(_workers.Select((w, i) => $"--- worker {i}\n{w.Output}"));

    public static async Task<JobFleet> StartAsync()
    {
        var fleet = new JobFleet { _postgres = await PostgresServer.SharedAsync() };
        try
        {
            await fleet.SetUpAsync();
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    private async Task SetUpAsync()
    {
        _database = await _postgres.CreateDatabaseAsync();
        _stripe = await FakeStripeServer.StartAsync();
        Link = new FaultyLink(_stripe.Url.Port);
        Stripe.AddPrice("tokonomics_pro_monthly", 4900);
        _settings["ConnectionStrings__Postgres"] = _database;
        _settings["Billing__SecretKey"] = FakeStripe.Key;
        _settings["Billing__WebhookSecrets"] = FakeStripe.Secret;
        _settings["Billing__StripeUrl"] = $"http://127.0.0.1:{Link.Port}";
        _settings["Portal__Operators"] = "ops@example.com, second@example.com";
        _settings["Prices__Folder"] = OldSheet();
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(_settings.ToDictionary(s => s.Key.Replace("__", ":", StringComparison.Ordinal), s => (string?)s.Value)).Build();
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(configuration);
        services.AddLogging();
        services.AddStore(configuration, _folder.Path);
        services.AddNoKeyDirectory();
        _services = services.BuildServiceProvider();
        _services.GetRequiredService<StoreStart>().Run();
        var made = (await SendAsync(new CreateTenant(Caller.Operator, "Reseller", "owner@example.com", "UTC", TenantPlan.Pro))).Value;
        (Tenant, Owner) = (made.TenantId, new Caller(made.TenantId, made.OwnerId, Role.Owner));
    }

    // A sheet of the installation's own that nobody has looked at since 2026 began.
    private string OldSheet()
    {
        var folder = ProductProcess.SandboxPrices(Path.Combine(_folder.Path, "prices"), "old-llm");
        var path = Path.Combine(folder, "old-llm.json");
        File.WriteAllText(path, System.Text.RegularExpressions.Regex.Replace(File.ReadAllText(path), "\"checked\": \"[^\"]+\"", "\"checked\": \"2026-01-01\""));
        return folder;
    }

    public T Get<T>()
        where T : notnull => _services.GetRequiredService<T>();

    public async Task<T> SendAsync<T>(IRequest<T> request)
    {
        await using var scope = _services.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<IMediator>().Send(request);
    }

    public async Task<ProductProcess> WorkerAsync(params (string Name, string Value)[] settings)
    {
        var worker = await ProductProcess.WorkersAsync(_folder.Path, _settings.Concat(settings.Select(s => KeyValuePair.Create(s.Name, s.Value))));
        lock (_workers)
            _workers.Add(worker);
        return worker;
    }

    /// <summary>A call of the tenant's customer, in the ledger.</summary>
    /// <param name="nano">What it cost; null where its model has no price.</param>
    public Task UseAsync(DateTimeOffset at, long? nano) => Get<IUsageLedger>().AppendAsync(
        [
            new UsageEvent
            {
                RequestId = $"req_job{_events++}", Attempt = 1, TenantId = Tenant, KeyId = "key_1", Provider = "openai", Dialect = "openai-chat", Operation = "POST /chat/completions", RequestModel = "gpt-5.1",
                ResponseModel = "gpt-5.1", Usage = TokenUsage.Parse("Input=100,Output=30"), UsageSource = UsageSource.Reported, PricingHints = "", Cost = nano is { } cost ? new NanoUsd(cost) : null, PriceStatus = nano is null ? PriceStatus.Unpriced : PriceStatus.Priced, PriceVersion = "v1",
                Status = 200, FinishReason = "stop", At = at, Latency = TimeSpan.FromMilliseconds(740), Tags = [new Tag("customer", "acme")],
            },
        ],
        CancellationToken.None);

    /// <summary>An object of the fake Stripe's, by its API.</summary>
    public string Make(string path, string body) =>
        JsonDocument.Parse(Stripe.Handle("POST", path, body, name => name == "Authorization" ? $"Bearer {FakeStripe.Key}" : null).Json).RootElement.GetProperty("id").GetString()!;

    /// <summary>These jobs, or all, are due now, as if their last runs were long ago.</summary>
    public Task DueAsync(params string[] jobs) => ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"""
        UPDATE job_runs SET started_at = started_at - 172800000000 WHERE ended_at IS NOT NULL AND started_at > extract(epoch FROM now()) * 1000000 - 172800000000;
        UPDATE qrtz_triggers SET next_fire_time = {DateTime.UtcNow.Ticks} WHERE trigger_group = 'DEFAULT' {(jobs.Length == 0 ? $"AND trigger_name <> '{EachMinute}'" : $"AND trigger_name IN ('{string.Join("', '", jobs)}')")}
        """));

    public async Task ExecuteAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_database + ";Pooling=false");
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>A connection whose transaction holds what the SQL locks, until it is disposed.</summary>
    public async Task<NpgsqlConnection> HoldAsync(string sql)
    {
        var connection = new NpgsqlConnection(_database + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; " + sql, connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    public async Task<List<T>> ReadAsync<T>(string sql, Func<NpgsqlDataReader, T> read)
    {
        await using var source = NpgsqlDataSource.Create(_database + ";Pooling=false");
        await using var command = source.CreateCommand(sql);
        await using var row = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await row.ReadAsync())
            rows.Add(read(row));
        return rows;
    }

    public async Task<long> CountAsync(string sql) => (await ReadAsync($"SELECT ({sql})::bigint", r => r.GetInt64(0)))[0];

    public Task<List<(string Job, string Worker, string Cause, string? Outcome, string? Text)>> RunsAsync(string where = "TRUE") => ReadAsync(
        $"SELECT job, worker, cause, outcome, coalesce(failure, did) FROM job_runs WHERE job <> '{EachMinute}' AND ({where}) ORDER BY job, started_at",
        r => (r.GetString(0), r.GetString(1), r.GetString(2), r.IsDBNull(3) ? null : r.GetString(3), r.IsDBNull(4) ? null : r.GetString(4)));

    public async Task UntilAsync(string what, Func<Task<bool>> holds, int seconds = 60)
    {
        for (var waited = System.Diagnostics.Stopwatch.StartNew(); !await holds(); await Task.Delay(100))
            if (waited.Elapsed > TimeSpan.FromSeconds(seconds))
                throw new InvalidOperationException($"not within {seconds} s: {what}\n{string.Join('\n', await TimesAsync())}\n{string.Join('\n', await WaitsAsync())}\n{Logs}");
    }

    private Task<List<string>> TimesAsync() => ReadAsync(
        """
        SELECT job || ' of ' || worker || ', ' || cause || ': began ' || round(extract(epoch FROM now()) - started_at / 1000000.0, 1) || ' s ago, '
            || coalesce('ended ' || round(extract(epoch FROM now()) - ended_at / 1000000.0, 1) || ' s ago: ' || outcome || ', ' || coalesce(failure, did, ''), 'runs') FROM job_runs ORDER BY job, started_at
        """, r => r.GetString(0));

    private Task<List<string>> WaitsAsync() => ReadAsync(
        "SELECT coalesce(wait_event_type, '') || ' ' || coalesce(wait_event, '') || ': ' || left(query, 150) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'", r => r.GetString(0));

    public async ValueTask DisposeAsync()
    {
        foreach (var worker in _workers)
            if (!worker.HasExited)
                await worker.KillAsync();
        foreach (var worker in _workers)
            await worker.DisposeAsync();
        if (_services is not null)
            await _services.DisposeAsync();
        if (Link is not null)
            await Link.DisposeAsync();
        if (_stripe is not null)
            await _stripe.DisposeAsync();
        if (_database.Length > 0)
            await _postgres.DropAsync(_database);
        _folder.Dispose();
    }

    /// <summary>How often this has run says nothing: it is due while a test waits for others. It is in no count.</summary>
    public const string EachMinute = "watch-spend";

    /// <summary>As <see cref="JobPlan.All"/> has them, <see cref="EachMinute"/> left out.</summary>
    public static IReadOnlyList<string> Jobs { get; } = [.. JobPlan.All.Select(p => p.Name).Where(j => j != EachMinute).Order(StringComparer.Ordinal)];
}
