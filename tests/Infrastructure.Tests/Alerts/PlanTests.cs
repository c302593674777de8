using Tokonomics.Application.Alerts;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Tests.Billing;

namespace Tokonomics.Tests.Alerts;

/// <summary>Where plans are sold, being told is what some of them have.</summary>
public sealed class PlanTests
{
    [Fact]
    public async Task On_a_plan_without_alerts_no_channel_is_added_and_those_of_a_better_time_are_told_nothing()
    {
        await using var billing = new BillingStore();
        var (free, owner) = await billing.TenantAsync("Free");
        (await billing.Store.SendAsync(new AddAlertChannel(owner, free, ChannelKind.Email, "a", "a@b.example", []))).Refusal!.Code.ShouldBe("plan_exceeded");

        var (pro, payer) = await billing.TenantAsync("Pro", TenantPlan.Pro);
        (await billing.Store.SendAsync(new AddAlertChannel(payer, pro, ChannelKind.Email, "a", "a@b.example", []))).Succeeded.ShouldBeTrue();
        void Note(string request) => billing.Store.Execute($"""
            INSERT INTO budget_alerts (tenant_id, budget_id, subject, period_start, kind, threshold, request, posted_nano, limit_nano, at)
            SELECT tenant_id, budget_id, subject, period_start, 'overrun', 0, '{request}', 1, 1, 1 FROM budget_accounts WHERE tenant_id = '{pro}' LIMIT 1
            """);
        billing.Store.Execute($"""
            INSERT INTO budgets (tenant_id, id, scope, scope_name, scope_value, environment, period, limit_nano, action, mode, clamp, wait_ms, fail_open, increase_nano, thresholds, created_at, created_by)
            VALUES ('{pro}', 'bud_1', 'tenant', '', '', 0, 'month', 100, 'block', 'strict', 1, 0, 0, 0, '', 1, 'test')
            """);
        billing.Store.Execute($"INSERT INTO budget_accounts (tenant_id, budget_id, subject, period_start, period_end, limit_nano, posted_nano, leased_nano, excess_nano, epoch, opened_at) VALUES ('{pro}', 'bud_1', '', 1, 2, 100, 0, 0, 0, 1, 1)");
        var outbox = billing.Store.Get<AlertOutbox>();
        Note("req_1/1");
        (await outbox.TakeUpAsync(CancellationToken.None)).ShouldBe(1);
        billing.Store.Count("SELECT count(*) FROM alert_deliveries").ShouldBe(1);

        billing.Store.Execute($"UPDATE billing_accounts SET plan = 'free' WHERE tenant_id = '{pro}'");
        Note("req_2/1");
        (await outbox.TakeUpAsync(CancellationToken.None)).ShouldBe(1);
        (await billing.Store.SendAsync(new ListAlerts(payer, pro))).Value.Alerts.Count.ShouldBe(2); // it stands on the page
        billing.Store.Count("SELECT count(*) FROM alert_deliveries").ShouldBe(1);
    }
}
