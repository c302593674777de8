using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Application.Billing;

/// <summary>What a tenant's plan is now, and the subscriptions that it follows from.</summary>
public sealed record BillingNow(BillingAccount Account, Entitlement Entitlement, IReadOnlyList<Subscription> Subscriptions);

/// <summary>
/// Writes the plan that the payment provider's present state gives. Two that do so at once: who read first and writes last would put an old state over a
/// newer one, so that each writes only over the version that it had before it asked, and asks again where that has changed.
/// </summary>
public sealed class BillingSync(
    TokonomicsDbContext db, AuditLog audit, IPayments payments, PlanBook plans, BillingOptions options, IEnumerable<IDirectoryRefresh> directories, TimeProvider time)
{
    private const int Tries = 20;

    private static readonly TimeSpan SayAgainAfter = TimeSpan.FromMinutes(1);

    /// <summary>The tenant's row; made where the tenant is from before billing.</summary>
    /// <returns>Null where there is no such tenant.</returns>
    public async Task<BillingAccount?> FindAsync(string tenantId, CancellationToken cancellationToken)
    {
        var account = await db.BillingAccounts.AsNoTracking().FirstOrDefaultAsync(a => a.TenantId == tenantId, cancellationToken);
        if (account is not null)
            return account;
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            var tenant = await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == tenantId, cancellationToken);
            if (tenant is null)
                return null;
            if (!await db.BillingAccounts.AnyAsync(a => a.TenantId == tenantId, cancellationToken))
            {
                var begun = new PlansInForce(db, plans, options).Begin(tenantId, PlansInForce.Granted(tenant.Plan), time.GetUtcNow()).ToList();
                if (await db.Budgets.IgnoreQueryFilters().AnyAsync(b => b.TenantId == tenantId && b.Id == CallQuota.BudgetId(tenantId), cancellationToken))
                    begun.RemoveAll(row => row is Budgets.StoredBudget);
                db.AddRange(begun);
                await db.SaveChangesAsync(cancellationToken);
            }

            await transaction.CommitAsync(cancellationToken);
            db.ChangeTracker.Clear();
        }

        return await db.BillingAccounts.AsNoTracking().FirstOrDefaultAsync(a => a.TenantId == tenantId, cancellationToken);
    }

    /// <returns>Null where there is no such tenant.</returns>
    /// <exception cref="PaymentsException">The provider could not be asked; nothing was changed.</exception>
    public async Task<BillingNow?> RunAsync(string tenantId, CancellationToken cancellationToken)
    {
        for (var tries = 0; tries < Tries; tries++)
        {
            if (await FindAsync(tenantId, cancellationToken) is not { } account)
                return null;
            // The order matters: whatever changed before these questions is in their answers, and whoever writes meanwhile makes this one ask again.
            var facts = await ReadAsync(account, cancellationToken);
            var entitlement = Entitlement.Of(plans, facts, time.GetUtcNow(), options.Grace);
            if (await WriteAsync(account, facts, entitlement, cancellationToken))
                return new BillingNow((await FindAsync(tenantId, cancellationToken))!, entitlement, facts.Subscriptions);
        }

        throw new InvalidOperationException($"The billing account of {tenantId} was changed by others {Tries} times while it was being brought up to date.");
    }

    /// <summary>
    /// Writes which of a tenant's payments are disputed or were paid back, and each change into its audit log and the operator's. The plan stays what its
    /// subscription gives: a dispute may be won, and who cancels it is a person.
    /// </summary>
    /// <exception cref="PaymentsException">The provider could not be asked; nothing was changed.</exception>
    public async Task LookAtPaymentsAsync(string tenantId, CancellationToken cancellationToken)
    {
        if (await FindAsync(tenantId, cancellationToken) is not { CustomerId: { } customer })
            return;
        var now = time.GetUtcNow();
        var found = await payments.ListTroublesAsync(customer, cancellationToken);
        if (found.Count == 0)
            return;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var known = await db.PaymentTroubles.Where(t => t.TenantId == tenantId).ToDictionaryAsync(t => t.Id, StringComparer.Ordinal, cancellationToken);
        foreach (var trouble in found)
        {
            if (!known.TryGetValue(trouble.Id, out var row))
                db.PaymentTroubles.Add(row = new StoredPaymentTrouble { TenantId = tenantId, Id = trouble.Id, Kind = trouble.Kind, Currency = trouble.Currency, Status = "", Reason = "", At = trouble.At, AskedAt = now });
            else if (row.AskedAt > now)
                continue;
            row.AskedAt = now;
            if (row.Status == trouble.Status && row.Amount == trouble.Amount)
                continue;
            (row.Amount, row.Status, row.Reason, row.IsOpen) = (trouble.Amount, trouble.Status, trouble.Reason, trouble.Open);
            var detail = $"{trouble.Amount} {trouble.Currency} (smallest unit), {trouble.Status}{(trouble.Reason.Length == 0 ? "" : $", {trouble.Reason}")}";
            await db.SaveChangesAsync(cancellationToken);
            await audit.AppendAsync(tenantId, "billing", $"payment_{trouble.Kind}".ToLowerInvariant(), trouble.Id, AuditResult.Done, detail, cancellationToken);
            await audit.AppendAsync(AuditEntry.SystemTenant, "billing", $"payment_{trouble.Kind}".ToLowerInvariant(), tenantId, AuditResult.Done, $"{trouble.Id}: {detail}", cancellationToken);
        }

        await db.SaveChangesAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        db.ChangeTracker.Clear();
    }

    /// <summary>Changes the row where it still has the version that was read.</summary>
    public Task<int> ChangeAsync(BillingAccount read, string? customerId, string? checkoutId, string? checkoutPlan, int checkoutSerial, CancellationToken cancellationToken) =>
        db.BillingAccounts.Where(a => a.TenantId == read.TenantId && a.Version == read.Version).ExecuteUpdateAsync(
            set => set.SetProperty(a => a.CustomerId, customerId).SetProperty(a => a.CheckoutId, checkoutId).SetProperty(a => a.CheckoutPlan, checkoutPlan)
                .SetProperty(a => a.CheckoutSerial, checkoutSerial).SetProperty(a => a.Version, read.Version + 1),
            cancellationToken);

    private async Task<BillingFacts> ReadAsync(BillingAccount account, CancellationToken cancellationToken)
    {
        var facts = new BillingFacts { Granted = account.GrantedPlan };
        if (account.CustomerId is not { } customer)
            return facts;
        if (await payments.FindCustomerAsync(customer, cancellationToken) is null)
            return facts with { CustomerDeleted = true };
        facts = facts with { Subscriptions = await payments.ListSubscriptionsAsync(customer, cancellationToken) };
        // Who is about to be deleted is charged no more; taking that back doesn't bring the subscription back.
        if (facts.Subscriptions.Any(s => s.IsOpen) && await db.Tenants.AnyAsync(t => t.Id == account.TenantId && t.DeleteAt != null, cancellationToken))
        {
            foreach (var open in facts.Subscriptions.Where(s => s.IsOpen))
                await payments.CancelSubscriptionAsync(open.Id, cancellationToken);
            facts = facts with { Subscriptions = await payments.ListSubscriptionsAsync(customer, cancellationToken) };
        }

        // A price that has given its lookup key away is known by its product, which only the price that has the key now tells.
        if (facts.Subscriptions.Any(s => s.IsOpen && s.Prices.Any(p => plans.FindByLookupKey(p.LookupKey) is null)))
        {
            var sold = await payments.FindPricesAsync([.. plans.Plans.Select(p => p.LookupKey).OfType<string>()], cancellationToken);
            facts = facts with { PlanByProduct = sold.DistinctBy(p => p.ProductId).ToDictionary(p => p.ProductId, p => plans.FindByLookupKey(p.LookupKey)!.Name, StringComparer.Ordinal) };
        }

        return facts;
    }

    private async Task<bool> WriteAsync(BillingAccount read, BillingFacts facts, Entitlement entitlement, CancellationToken cancellationToken)
    {
        var (now, plan) = (time.GetUtcNow(), entitlement.Plan);
        var changes = read.Plan != plan.Name;
        // Of several the one that gives the plan; of none that gives one, whichever can still take money.
        var subscription = entitlement.Subscription ?? facts.Subscriptions.FirstOrDefault(s => s.IsOpen);
        if (!changes && !facts.CustomerDeleted && read.SyncedAt > now - SayAgainAfter && read.Reason == entitlement.Reason && read.EndsAt == entitlement.EndsAt
            && read.SubscriptionId == subscription?.Id && read.SubscriptionStatus == subscription?.Status && read.PeriodEnd == subscription?.PeriodEnd)
            return true; // as it stands there already
        await using (var transaction = await db.Database.BeginTransactionAsync(cancellationToken))
        {
            var written = await db.BillingAccounts.Where(a => a.TenantId == read.TenantId && a.Version == read.Version).ExecuteUpdateAsync(
                set => set.SetProperty(a => a.Plan, plan.Name)
                    .SetProperty(a => a.PlanSince, changes ? now : read.PlanSince)
                    .SetProperty(a => a.Reason, entitlement.Reason)
                    .SetProperty(a => a.EndsAt, entitlement.EndsAt)
                    .SetProperty(a => a.SubscriptionId, subscription == null ? null : subscription.Id)
                    .SetProperty(a => a.SubscriptionStatus, subscription == null ? null : (SubscriptionStatus?)subscription.Status)
                    .SetProperty(a => a.PeriodEnd, subscription == null ? null : subscription.PeriodEnd)
                    .SetProperty(a => a.CustomerId, facts.CustomerDeleted ? null : read.CustomerId)
                    .SetProperty(a => a.CustomerSerial, read.CustomerSerial + (facts.CustomerDeleted ? 1 : 0))
                    .SetProperty(a => a.CheckoutId, facts.CustomerDeleted ? null : read.CheckoutId)
                    .SetProperty(a => a.CheckoutSerial, read.CheckoutSerial + (facts.CustomerDeleted ? 1 : 0))
                    .SetProperty(a => a.SyncedAt, (DateTimeOffset?)now)
                    .SetProperty(a => a.Version, read.Version + 1),
                cancellationToken);
            if (written == 0)
                return false;
            if (changes)
            {
                var (limit, action) = CallQuota.Terms(plan);
                var id = CallQuota.BudgetId(read.TenantId);
                await db.Budgets.IgnoreQueryFilters().Where(b => b.TenantId == read.TenantId && b.Id == id)
                    .ExecuteUpdateAsync(set => set.SetProperty(b => b.LimitNano, limit.Value).SetProperty(b => b.Action, action), cancellationToken);
                await audit.AppendAsync(read.TenantId, "billing", "change_plan", read.TenantId, AuditResult.Done, $"{read.Plan} to {plan.Name}: {entitlement.Reason}", cancellationToken);
            }

            await transaction.CommitAsync(cancellationToken);
        }

        db.ChangeTracker.Clear();
        if (changes)
            foreach (var directory in directories)
                await directory.RefreshAsync(CancellationToken.None);
        return true;
    }
}
