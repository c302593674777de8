using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Keys;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Infrastructure.Sqlite;
using Tokonomics.Testing;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Redis;

/// <summary>Two nodes on one store. What one changes the other sees by a notice at once, and by polling when there is none.</summary>
public sealed class ChangeNoticeTests(ITestOutputHelper output) : IAsyncLifetime
{
    private RedisServer _redis = null!;
    private TempStore _one = null!;
    private TempStore _other = null!;

    public async ValueTask InitializeAsync()
    {
        _redis = await RedisServer.StartAsync();
        _one = Node(null);
        _other = Node(_one.Folder);
        foreach (var node in new[] { _one, _other })
            foreach (var service in node.Services.GetServices<IHostedService>().Where(s => s is KeyDirectory or ChangeNotices or BudgetUpkeep or RedisRateLimiter))
                await service.StartAsync(CancellationToken.None);
        await HeardByBothAsync();
    }

    private Task HeardByBothAsync() => UntilAsync(() => _redis.CommandAsync("PUBLISH tokonomics:changes nobody").Result == ":2", "the nodes don't listen");

    public async ValueTask DisposeAsync()
    {
        await _other.DisposeAsync();
        await _one.DisposeAsync();
        await _redis.DisposeAsync();
    }

    private TempStore Node(string? folder) => new(
        folder,
        settings: s => (s["ConnectionStrings:Redis"], s["Redis:Timeout"]) = (_redis.ConnectionString, "00:00:01"),
        more: (services, configuration) =>
        {
            services.AddSingleton<IDirectorySource>(p => new SlowlyPolled(ActivatorUtilities.CreateInstance<SqlDirectorySource>(p)));
            services.AddBudgetGate(configuration);
            services.AddSingleton<Counting>();
            services.AddSingleton<IDirectoryRefresh>(p => p.GetRequiredService<Counting>());
            services.AddRateLimits(configuration);
            services.AddChangeNotices(configuration);
        });

    private static SlowlyPolled Source(TempStore node) => (SlowlyPolled)node.Get<IDirectorySource>();

    [Fact]
    public async Task A_revoked_key_is_refused_on_the_other_node_though_it_does_not_poll()
    {
        Source(_other).Polls = false;
        var slowest = TimeSpan.Zero;
        for (var i = 0; i < 5; i++)
        {
            var made = await _one.ProvisionAsync($"Tenant {i}");
            await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status == KeyStatus.Active);
            await _one.SendAsync(new RevokeKey(Caller.Operator, made.TenantId, made.LiveKey.Id));
            var took = await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status == KeyStatus.Revoked);
            slowest = took > slowest ? took : slowest;
        }

        output.WriteLine($"slowest: {slowest.TotalMilliseconds:f1} ms");
        _other.Get<Counting>().Refreshed.ShouldBeGreaterThan(0); // all directories, the budgets' too
    }

    [Fact]
    public async Task Limits_that_are_set_on_one_node_hold_on_the_other()
    {
        var made = await _one.ProvisionAsync();
        await _one.SendAsync(new SetTenantLimits(Caller.Operator, made.TenantId, new CallLimits(3)));
        await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key?.Tenant.Limits == new CallLimits(3));
        var admitted = 0;
        for (var i = 0; i < 10; i++)
            foreach (var node in new[] { _one, _other })
                if ((await node.Get<IRateLimiter>().EnterAsync(node.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!, 1)).IsAllowed)
                    admitted++;
        admitted.ShouldBe(3);
    }

    [Fact]
    public async Task Without_Redis_the_change_is_made_all_the_same_and_seen_by_polling()
    {
        var made = await _one.ProvisionAsync();
        await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status == KeyStatus.Active);
        await _redis.KillAsync();
        (await _one.SendAsync(new RevokeKey(Caller.Operator, made.TenantId, made.LiveKey.Id))).Succeeded.ShouldBeTrue();
        await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status == KeyStatus.Revoked);
    }

    [Fact]
    public async Task Notices_are_heard_again_when_Redis_is_back_and_a_hanging_one_delays_no_change()
    {
        var made = await _one.ProvisionAsync();
        Source(_other).Polls = false;
        await _redis.PauseAsync();
        var watch = Stopwatch.StartNew();
        await _one.SendAsync(new CreateKey(Caller.Operator, made.TenantId, "k", Domain.Ledger.KeyEnvironment.Live));
        watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20));
        await _redis.KillAsync();
        await _redis.RestartAsync();
        foreach (var node in new[] { _one, _other })
            await UntilAsync(() => node.Get<RedisConnection>().IsUsable, "Redis was not found again");
        // The other node reads everything when it finds Redis again; then notices cross once its subscription stands.
        await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status == KeyStatus.Active);
        await HeardByBothAsync();
        await _one.SendAsync(new RevokeKey(Caller.Operator, made.TenantId, made.LiveKey.Id));
        await SeenAsync(() => _other.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status == KeyStatus.Revoked);
    }

    // Milliseconds by a notice, a fifth of a second by polling; what is waited for here is a machine that is very busy.
    private static async Task<TimeSpan> SeenAsync(Func<bool> seen)
    {
        var watch = Stopwatch.StartNew();
        while (!seen())
        {
            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30));
            await Task.Delay(1);
        }

        return watch.Elapsed;
    }

    internal sealed class SlowlyPolled(IDirectorySource source) : IDirectorySource
    {
        public bool Polls { get; set; } = true;

        public bool MayHaveChanged() => Polls && source.MayHaveChanged();

        public DirectoryChanges Read(long since) => source.Read(since);

        public void Dispose() => source.Dispose();
    }

    private sealed class Counting : IDirectoryRefresh
    {
        private int _refreshed;

        public int Refreshed => _refreshed;

        public Task RefreshAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _refreshed);
            return Task.CompletedTask;
        }
    }
}
