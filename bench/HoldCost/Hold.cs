using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using MediatR;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.HoldCost;

/// <summary>The whole product without a request: its gate, journal and recorder, as the hot path uses them.</summary>
[MemoryDiagnoser]
public class Hold
{
    private readonly Domain.Budgets.Hold _hold = new();
    private readonly Tag[] _tags = [new("customer", "acme")];
    private string _folder = "";
    private WebApplication _app = null!;
    private IBudgetGate _gate = null!;
    private IUsageRecorder _recorder = null!;
    private KeySnapshot _key = null!;
    private ModelPrices _model = null!;
    private string _version = "";
    private long _calls;

    /// <summary>What <see cref="HoldAndSettle"/> does, in its order.</summary>
    public static readonly string[] Parts = ["budgets found", "bound", "hold", "id", "charges", "admission into the journal", "settled", "charges and event", "event into the journal"];

    /// <summary>When each part had been done in the last call, the beginning first; null where nobody wants to know.</summary>
    public long[]? Marks { get; set; }

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _folder = Directory.CreateTempSubdirectory("tokonomics-bench-").FullName;
        _app = Product.Build(_folder, builder =>
        {
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders();
        });
        await _app.StartAsync();
        await using var scope = _app.Services.CreateAsyncScope();
        var mediator = scope.ServiceProvider.GetRequiredService<IMediator>();
        var made = (await mediator.Send(new ProvisionTenant(Caller.Operator, "bench", "bench@example.com", [], "UTC", TenantPlan.Pro))).Value;
        var terms = new BudgetTerms { Limit = new NanoUsd(10_000_000 * NanoUsd.PerUsd) };
        foreach (var (scopeOf, period) in new[]
        {
            (BudgetScope.Tenant, BudgetPeriod.Month), (BudgetScope.Tenant, BudgetPeriod.Day), (BudgetScope.Key(made.LiveKey.Id), BudgetPeriod.Month),
            (BudgetScope.Key(made.LiveKey.Id), BudgetPeriod.Week), (BudgetScope.Tag("customer", null), BudgetPeriod.Month),
        })
            (await mediator.Send(new CreateBudget(Caller.Operator, made.TenantId, scopeOf, period, terms))).Succeeded.ToString();
        _gate = _app.Services.GetRequiredService<IBudgetGate>();
        _recorder = _app.Services.GetRequiredService<IUsageRecorder>();
        _key = _app.Services.GetRequiredService<IKeyDirectory>().Find(made.LiveKey.Secret).Key!;
        var book = _app.Services.GetRequiredService<PriceBook>();
        (_model, _version) = (book.FindModel("openai", "gpt-4o-mini")!, book.Version);
        _gate.Resolve(_hold, _key, _tags, DateTimeOffset.UtcNow);
        if (_hold.Count != 5)
            throw new InvalidOperationException($"{_hold.Count} budgets apply, and it should be five");
        await _gate.HoldAsync(_hold, new HoldRequest(new NanoUsd(1000 * NanoUsd.PerUsd)), CancellationToken.None);
        _gate.Void(_hold); // it is leased now, and stays here
    }

    /// <summary>Bound, hold, journal, settle, journal: everything of a call that budgets and recovery add.</summary>
    [Benchmark]
    public void HoldAndSettle()
    {
        Mark(0);
        var at = DateTimeOffset.UtcNow;
        _hold.Clear();
        _gate.Resolve(_hold, _key, _tags, at);
        Mark(1);
        var bound = UpperBound.Of(_model, at, new MostUse { InputTokens = 1500, OutputLimit = 500 }).Most!.Value;
        Mark(2);
        if (!_gate.TryHold(_hold, bound, bound) && _gate.HoldAsync(_hold, new HoldRequest(bound), CancellationToken.None).AsTask().GetAwaiter().GetResult().Verdict != HoldVerdict.Held)
            throw new InvalidOperationException("a hold was refused");
        Mark(3);
        var id = SortableId.New("req", at);
        Mark(4);
        var held = _hold.Charges();
        Mark(5);
        var ticket = _recorder.Admit(
            new CallAdmission
            {
                RequestId = id, TenantId = _key.Tenant.Id, KeyId = _key.Id, Provider = "openai", Dialect = "openai-chat", Operation = "POST /chat/completions", RequestModel = "gpt-4o-mini", PricingHints = "",
                PriceVersion = _version, At = at, Estimate = new TokenUsage { [UsageUnit.Input] = 120 }, UpperBound = _hold.UpperBound, Charges = held, Tags = _tags,
            },
            sent: true);
        Mark(6);
        var cost = new NanoUsd(48_000);
        _gate.Settle(_hold, cost);
        Mark(7);
        var usage = new UsageEvent
            {
                RequestId = id, TenantId = _key.Tenant.Id, KeyId = _key.Id, Provider = "openai", Dialect = "openai-chat", Operation = "POST /chat/completions", RequestModel = "gpt-4o-mini", ResponseModel = "gpt-4o-mini-2024-07-18",
                Usage = new TokenUsage { [UsageUnit.Input] = 120, [UsageUnit.Output] = 50 }, UsageSource = UsageSource.Reported, Cost = cost, PriceStatus = PriceStatus.Priced, PriceVersion = _version, Status = 200, At = at,
                Tags = _tags, UpperBound = _hold.UpperBound, Charges = _hold.Charges(),
            };
        Mark(8);
        _recorder.Record(usage, ticket, last: true);
        Mark(9);
        // As calls come in life: the ledger keeps up.
        if (++_calls % 2000 == 0)
            FlushAsync().GetAwaiter().GetResult();
    }

    private void Mark(int part)
    {
        if (Marks is { } marks)
            marks[part] = Stopwatch.GetTimestamp();
    }

    public Task FlushAsync() => _app.Services.GetRequiredService<UsageRecorder>().FlushAsync(CancellationToken.None);

    [GlobalCleanup]
    public async Task TearDownAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
