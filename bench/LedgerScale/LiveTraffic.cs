using MediatR;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Standalone;
using Tokonomics.Standalone.Demo;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>
/// The whole product without requests, and calls as they would end now: the demonstration's mixture of models, keys, features and customers, each held on its budgets by the product's own gate. Per tenant
/// one budget by month and one by day, of each key one by month and one by week, and one by month for each customer: a customer's call counts on five. None is near its end.
/// </summary>
internal sealed class LiveTraffic : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Hold _hold = new();
    private readonly List<(UsageEvent Call, KeySnapshot Key)> _calls = [];

    private LiveTraffic(WebApplication app) => _app = app;

    public IServiceProvider Services => _app.Services;

    public IBudgetGate Gate => _app.Services.GetRequiredService<IBudgetGate>();

    public static async Task<LiveTraffic> StartAsync(int tenants)
    {
        var data = StoreSetup.DataFolder;
        Directory.CreateDirectory(data);
        var app = Product.Build(data, builder =>
        {
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders();
        });
        await app.StartAsync();
        var traffic = new LiveTraffic(app);
        var kinds = new List<List<(UsageEvent, KeySnapshot)>>();
        for (var i = 0; i < tenants; i++)
            kinds.Add(await MakeAsync(app.Services, (ulong)i + 1, 20_000 / tenants));
        for (var i = 0; kinds.Exists(k => i < k.Count); i++)
            traffic._calls.AddRange(kinds.Where(k => i < k.Count).Select(k => k[i]));
        return traffic;
    }

    /// <summary>So many calls that end one after the other from now on, held and settled.</summary>
    public async Task<List<UsageEvent>> NextAsync(int count)
    {
        var now = DateTimeOffset.UtcNow;
        var made = new List<UsageEvent>(count);
        for (var i = 0; i < count; i++)
        {
            var (call, at) = (Next(out var key), now.AddTicks(i * TimeSpan.TicksPerMicrosecond));
            await HoldAsync(key, call, at);
            Gate.Settle(_hold, call.Cost ?? NanoUsd.Zero);
            made.Add(Ended(call, at));
        }

        return made;
    }

    private int _next;

    public UsageEvent Next(out KeySnapshot key)
    {
        (var call, key) = _calls[_next++ % _calls.Count];
        return call;
    }

    /// <summary>Sets aside what the call may cost at most, as before it is sent.</summary>
    public async ValueTask<Hold> HoldAsync(KeySnapshot key, UsageEvent call, DateTimeOffset at)
    {
        var bound = new NanoUsd(((call.Cost?.Value ?? 0) * 2) + 1000);
        _hold.Clear();
        Gate.Resolve(_hold, key, call.Tags, at);
        if (!Gate.TryHold(_hold, bound, bound) && (await Gate.HoldAsync(_hold, new HoldRequest(bound), CancellationToken.None)).Verdict != HoldVerdict.Held)
            throw new InvalidOperationException("a hold was refused");
        return _hold;
    }

    /// <summary>The event of the call that was held last.</summary>
    public UsageEvent Ended(UsageEvent call, DateTimeOffset at, string? id = null) =>
        call with { RequestId = id ?? SortableId.New("req", at), Attempt = 1, At = at, UpperBound = _hold.UpperBound, Charges = _hold.Charges() };

    private static async Task<List<(UsageEvent, KeySnapshot)>> MakeAsync(IServiceProvider services, ulong seed, int calls)
    {
        await using var scope = services.CreateAsyncScope();
        var (mediator, db, time) = (scope.ServiceProvider.GetRequiredService<IMediator>(), scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>(), scope.ServiceProvider.GetRequiredService<TimeProvider>());
        var made = (await mediator.Send(new ProvisionTenant(Caller.Operator, $"live-{seed}", "live@example.com", [], "UTC", TenantPlan.Pro))).Value;
        var tenant = await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == made.TenantId);
        var book = services.GetRequiredService<PriceBook>();
        services.GetRequiredService<PriceVersions>().Keep(book);
        var places = await new DemoWorld(db, mediator, time).MakeAsync(tenant, CancellationToken.None);
        var terms = new BudgetTerms { Limit = new NanoUsd(10_000_000 * NanoUsd.PerUsd) };
        IEnumerable<(BudgetScope, BudgetPeriod)> budgets = [(BudgetScope.Tenant, BudgetPeriod.Month), (BudgetScope.Tenant, BudgetPeriod.Day), (BudgetScope.Tag("customer", null), BudgetPeriod.Month),
            .. places.Keys.Values.Select(k => (BudgetScope.Key(k), BudgetPeriod.Month)), .. places.Keys.Values.Select(k => (BudgetScope.Key(k), BudgetPeriod.Week))];
        foreach (var (of, period) in budgets)
            if (await mediator.Send(new CreateBudget(Caller.Operator, tenant.Id, of, period, terms)) is { Succeeded: false } refused)
                throw new InvalidOperationException(refused.Refusal!.Message);
        var snapshot = new TenantSnapshot { Id = tenant.Id };
        return [.. new DemoTraffic(places, book, seed, time.GetUtcNow(), 7).Calls(calls).Select(call => (call, new KeySnapshot
        {
            Id = call.KeyId, Tenant = snapshot, Environment = call.Environment, TeamId = call.TeamId, ProjectId = call.ProjectId,
        }))];
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
