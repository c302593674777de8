using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Application.Billing;

/// <summary>
/// What the payment provider says happened. An event is kept once by its id and answered at once; afterwards the customer that it concerns is asked for
/// there. So it doesn't matter how often an event comes, nor in which order, nor whether this process dies in between.
/// </summary>
public sealed partial class PaymentEvents(TokonomicsDbContext db, BillingSync sync, IPayments payments, PlanBook plans, BillingOptions options, TimeProvider time, ILogger<PaymentEvents> log)
{
    /// <summary>What to subscribe to; all else is answered and forgotten.</summary>
    public static readonly IReadOnlyList<string> Types =
    [
        "checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed", "checkout.session.expired",
        "customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted", "customer.subscription.paused", "customer.subscription.resumed",
        "customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired", "customer.subscription.trial_will_end",
        "invoice.paid", "invoice.payment_failed", "invoice.payment_action_required", "invoice.finalization_failed", "invoice.voided", "invoice.marked_uncollectible", "invoice.upcoming",
        "customer.updated", "customer.deleted", "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated", "charge.refunded",
    ];

    private const int Batch = 200;

    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestWait = TimeSpan.FromHours(1);

    // The provider tries for three days to deliver an event.
    private static readonly TimeSpan Looked = TimeSpan.FromDays(4);

    private static readonly TimeSpan Kept = TimeSpan.FromDays(60);

    /// <summary>Keeps an event, durably, before it is answered.</summary>
    /// <returns>False where it was known, or is none that matters.</returns>
    public async Task<bool> TakeAsync(PaymentEvent e, CancellationToken cancellationToken)
    {
        if (!Types.Contains(e.Type))
            return false;
        if (e.Live != payments.Live)
        {
            OtherMode(log, e.Id, e.Live ? "live" : "test");
            return false;
        }

        var now = Micros(time.GetUtcNow());
        return await db.Database.ExecuteSqlAsync(
            $"INSERT INTO payment_events (id, type, object_id, customer_id, created_at, received_at, next_try_at) VALUES ({e.Id}, {e.Type}, {e.ObjectId}, {e.CustomerId}, {Micros(e.At)}, {now}, {now}) ON CONFLICT (id) DO NOTHING",
            cancellationToken) > 0;
    }

    /// <summary>Works off what waits: one question at the provider for each customer, whatever the number of events.</summary>
    /// <returns>How many events are done with.</returns>
    public async Task<int> ProcessAsync(CancellationToken cancellationToken)
    {
        var done = 0;
        while (true)
        {
            var now = time.GetUtcNow();
            var waiting = await db.PaymentEvents.AsNoTracking().Where(e => e.ProcessedAt == null && e.NextTryAt <= now).OrderBy(e => e.NextTryAt).Take(Batch).ToListAsync(cancellationToken);
            if (waiting.Count == 0)
                return done;
            foreach (var customer in waiting.GroupBy(e => e.CustomerId, StringComparer.Ordinal))
                done += await ProcessAsync(customer.Key, [.. customer], cancellationToken);
        }
    }

    private async Task<int> ProcessAsync(string? customer, IReadOnlyList<StoredPaymentEvent> events, CancellationToken cancellationToken)
    {
        var ids = events.Select(e => e.Id).ToList();
        var tries = events.Max(e => e.Tries) + 1;
        try
        {
            var outcome = await LookAsync(customer, events, cancellationToken);
            var at = time.GetUtcNow();
            await db.PaymentEvents.Where(e => ids.Contains(e.Id)).ExecuteUpdateAsync(
                set => set.SetProperty(e => e.ProcessedAt, (DateTimeOffset?)at).SetProperty(e => e.Tries, tries).SetProperty(e => e.Outcome, outcome), cancellationToken);
            return ids.Count;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            NotProcessed(log, e, customer ?? "", tries);
            var wait = TimeSpan.FromTicks(Math.Min(LongestWait.Ticks, FirstWait.Ticks << Math.Min(tries - 1, 12)));
            var (next, why) = (time.GetUtcNow() + wait, e is PaymentsException known ? $"{known.Fault}: {known.Message}" : e.GetType().Name);
            await db.PaymentEvents.Where(x => ids.Contains(x.Id)).ExecuteUpdateAsync(
                set => set.SetProperty(x => x.NextTryAt, next).SetProperty(x => x.Tries, tries).SetProperty(x => x.Outcome, why), cancellationToken);
            return 0;
        }
    }

    private async Task<string> LookAsync(string? customer, IReadOnlyList<StoredPaymentEvent> events, CancellationToken cancellationToken)
    {
        var customers = new HashSet<string>(StringComparer.Ordinal);
        if (customer is not null)
            customers.Add(customer);
        else
            // A dispute names the payment, not who paid it.
            foreach (var dispute in events.Where(e => e.Type.StartsWith("charge.dispute.", StringComparison.Ordinal)).Select(e => e.ObjectId).OfType<string>().Distinct(StringComparer.Ordinal))
                if (await payments.FindPayerAsync(dispute, cancellationToken) is { } payer)
                    customers.Add(payer);
        var synced = false;
        foreach (var one in customers)
            if (await SyncAsync(one, cancellationToken) is { } tenant)
            {
                synced = true;
                if (events.Any(e => e.Type.StartsWith("charge.", StringComparison.Ordinal)))
                    await sync.LookAtPaymentsAsync(tenant, cancellationToken);
            }

        return customers.Count == 0 ? "ignored" : synced ? "synced" : "parked";
    }

    // Whose it is; null where the customer is nobody's here: made by hand, or by another program.
    private async Task<string?> SyncAsync(string customer, CancellationToken cancellationToken)
    {
        var tenant = await db.BillingAccounts.Where(a => a.CustomerId == customer).Select(a => a.TenantId).FirstOrDefaultAsync(cancellationToken);
        // Made for a tenant of ours that doesn't know it: the process that made it died before it had stored it, or the database is older than the customer.
        if (tenant is null && await payments.FindCustomerAsync(customer, cancellationToken) is { TenantId: { } made } && await sync.FindAsync(made, cancellationToken) is { CustomerId: null } account)
        {
            await sync.ChangeAsync(account, customer, account.CheckoutId, account.CheckoutPlan, account.CheckoutSerial, cancellationToken);
            tenant = made;
        }

        return tenant is not null && await sync.RunAsync(tenant, cancellationToken) is not null ? tenant : null;
    }

    /// <summary>
    /// Finds what webhooks missed: events that were not delivered, and every customer's present state. Rows for tenants from before, and quotas as the price
    /// list has them, are brought up to date too.
    /// </summary>
    /// <returns>How many customers were asked for.</returns>
    public async Task<int> ReconcileAsync(CancellationToken cancellationToken)
    {
        await PrepareAsync(cancellationToken);
        if (!options.Enabled)
            return 0;
        var now = time.GetUtcNow();
        await db.PaymentEvents.Where(e => e.ProcessedAt != null && e.ReceivedAt < now - Kept).ExecuteDeleteAsync(cancellationToken);
        try
        {
            foreach (var e in await payments.ListUndeliveredAsync(Types, now - Looked, cancellationToken))
                await TakeAsync(e, cancellationToken);
        }
        catch (PaymentsException e)
        {
            NotListed(log, e); // every customer is asked for all the same
        }

        await ProcessAsync(cancellationToken);
        var (asked, last) = (0, "");
        while (true)
        {
            var tenants = await db.BillingAccounts.Where(a => a.CustomerId != null && string.Compare(a.TenantId, last) > 0).OrderBy(a => a.TenantId).Select(a => a.TenantId).Take(Batch).ToListAsync(cancellationToken);
            if (tenants.Count == 0)
                return asked;
            last = tenants[^1];
            foreach (var tenant in tenants)
            {
                try
                {
                    await sync.RunAsync(tenant, cancellationToken);
                    asked++;
                    if (await db.PaymentTroubles.AnyAsync(t => t.TenantId == tenant && t.IsOpen, cancellationToken))
                        await sync.LookAtPaymentsAsync(tenant, cancellationToken);
                }
                catch (PaymentsException e)
                {
                    NotReconciled(log, e, tenant);
                    if (e.Fault is PaymentsFault.KeyRefused)
                        return asked;
                }
            }
        }
    }

    /// <summary>Every tenant has its row and its quota as the price list has it; where nothing is sold, no tenant has a quota.</summary>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        var quotas = db.Budgets.IgnoreQueryFilters().Where(b => b.Scope == "tenant" && b.ScopeName == "calls");
        var now = time.GetUtcNow();
        if (!options.Enabled)
        {
            if (await quotas.AnyAsync(b => b.EndedAt == null, cancellationToken))
                await quotas.Where(b => b.EndedAt == null).ExecuteUpdateAsync(set => set.SetProperty(b => b.EndedAt, (DateTimeOffset?)now), cancellationToken);
            return;
        }

        while (true)
        {
            // Whose deletion is due may have lost its row to it already.
            var without = await db.Tenants.Where(t => (t.DeleteAt == null || t.DeleteAt > now) && !db.BillingAccounts.Any(a => a.TenantId == t.Id)).OrderBy(t => t.Id).Select(t => t.Id).Take(Batch).ToListAsync(cancellationToken);
            foreach (var tenant in without)
                await sync.FindAsync(tenant, cancellationToken);
            if (without.Count < Batch)
                break;
        }

        var names = plans.Plans.Select(p => p.Name).ToList();
        foreach (var plan in plans.Plans)
        {
            var (limit, action) = CallQuota.Terms(plan);
            var isFree = plan == plans.Free; // a plan that the list no longer has is none
            var differ = quotas.Where(b => (b.LimitNano != limit.Value || b.Action != action || b.EndedAt != null)
                && db.BillingAccounts.Any(a => a.TenantId == b.TenantId && (a.Plan == plan.Name || (isFree && !names.Contains(a.Plan)))));
            if (await differ.AnyAsync(cancellationToken))
                await differ.ExecuteUpdateAsync(set => set.SetProperty(b => b.LimitNano, limit.Value).SetProperty(b => b.Action, action).SetProperty(b => b.EndedAt, (DateTimeOffset?)null), cancellationToken);
        }
    }

    private static long Micros(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;

    [LoggerMessage(1, LogLevel.Error, "The payment event {Id} is of the {Mode} mode and the secret key is not: it is not applied. Is the webhook's secret that of the other mode?")]
    private static partial void OtherMode(ILogger logger, string id, string mode);

    [LoggerMessage(2, LogLevel.Warning, "Events of the customer {Customer} could not be processed (try {Tries}); they are tried again")]
    private static partial void NotProcessed(ILogger logger, Exception e, string customer, int tries);

    [LoggerMessage(3, LogLevel.Warning, "Events that were not delivered could not be listed")]
    private static partial void NotListed(ILogger logger, Exception e);

    [LoggerMessage(4, LogLevel.Warning, "The payments of tenant {Tenant} could not be looked at; tried again in an hour")]
    private static partial void NotReconciled(ILogger logger, Exception e, string tenant);
}
