using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Tests.Billing;

public sealed class HistoryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_plan_s_history_hides_what_is_older_and_a_bigger_plan_shows_it_again()
    {
        await using var billing = new BillingStore();
        billing.Stripe.AddPrice("tokonomics_pro_monthly", 4900);
        var (tenant, owner) = await billing.TenantAsync();
        var now = billing.Store.Clock.GetUtcNow();
        UsageEvent At(string id, double days) => Some.Event(id, tenant, at: now.AddDays(-days)) with { Cost = new NanoUsd(1) };
        await billing.Store.Get<IUsageLedger>().AppendAsync([At("req_new", 1), At("req_old", 8), At("req_older", 60)], Cancel);
        var usage = billing.Store.Get<IUsageQueries>();
        async Task<(string, int, int, long)> Seen() => (
            string.Join(' ', (await usage.ListAsync(new EventFilter(tenant), Cancel)).Events.Select(e => e.RequestId)),
            (await usage.FindAsync(tenant, "req_old", Cancel)).Count,
            (await billing.Store.Get<ISpendQueries>().TopCallsAsync(Question(now.AddDays(-90), now), 10, Cancel)).Count,
            (await usage.SummarizeAsync(Question(now.AddDays(-90), now.AddDays(-45)), Cancel)).Sum(l => l.Totals.Calls));
        SummaryQuestion Question(DateTimeOffset from, DateTimeOffset to) => new(tenant, Hour(from), Hour(to)) { Environment = KeyEnvironment.Live };

        (await Seen()).ShouldBe(("req_new", 0, 1, 0));
        (await usage.ListAsync(new EventFilter(tenant) { To = now.AddDays(-30) }, Cancel)).Events.ShouldBeEmpty();
        // The running month is summed whole: caps and quotas count in it.
        var month = new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero);
        (await usage.SummarizeAsync(Question(month, now.AddHours(1)), Cancel)).Sum(l => l.Totals.Calls).ShouldBe(new[] { 1, 8, 60 }.Count(d => now.AddDays(-d) >= month));

        billing.Stripe.Complete(await billing.CheckoutAsync(owner));
        await billing.SettleAsync();
        for (var tries = 0; (await Seen()).Item2 == 0 && tries < 100; tries++)
            await Task.Delay(100, Cancel);
        (await Seen()).ShouldBe(("req_new req_old req_older", 1, 3, 1));

        static DateTimeOffset Hour(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);
    }

    [Fact]
    public async Task What_the_operator_rates_again_and_a_pro_tenant_sees_is_not_cut()
    {
        await using var billing = new BillingStore();
        var (pro, _) = await billing.TenantAsync("Pro", TenantPlan.Pro);
        var (free, _) = await billing.TenantAsync();
        var now = billing.Store.Clock.GetUtcNow();
        await billing.Store.Get<IUsageLedger>().AppendAsync([Some.Event("req_1", pro, at: now.AddDays(-100)), Some.Event("req_2", pro, at: now.AddDays(-400)), Some.Event("req_3", free, at: now.AddDays(-100))], Cancel);
        var usage = billing.Store.Get<IUsageQueries>();
        (await usage.ListAsync(new EventFilter(pro), Cancel)).Events.Select(e => e.RequestId).ShouldBe(["req_1"]); // 13 months
        var all = 0;
        await foreach (var e in usage.ReadAsync(null, now.AddDays(-500), now, Cancel))
            all++;
        all.ShouldBe(3);
    }
}
