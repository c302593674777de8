using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Billing;

/// <summary>The plan, what of it is used, and, for those who may know, what was paid and will be.</summary>
public sealed record GetBilling(Caller Caller, string TenantId) : IUseCase<BillingState>
{
    public Right Needs => Right.ReadUsage;
}

/// <param name="Sold">False in an installation that sells nothing: then there is no more to say.</param>
/// <param name="Window">The month that runs.</param>
/// <param name="Calls">Calls of that month that count.</param>
/// <param name="Held">Calls that run, or are set aside for proxies.</param>
/// <param name="Paying">Null for those who may not know.</param>
public sealed record BillingState(
    bool Sold, Plan Plan, DateTimeOffset? Since, EntitlementReason Reason, DateTimeOffset? EndsAt, PeriodWindow Window, long Calls, long Held, int Members, IReadOnlyList<Plan> Plans, PayingState? Paying);

/// <param name="Problem">Why the provider could not be asked; null where it could.</param>
/// <param name="HasCustomer">Something was bought, or nearly.</param>
/// <param name="Next">Null where no invoice will come.</param>
public sealed record PayingState(bool HasCustomer, SubscriptionStatus? Status, DateTimeOffset? PeriodEnd, bool IsTest, IReadOnlyList<PayInvoice> Invoices, PayInvoice? Next, string? Problem);

internal sealed class GetBillingHandler(TokonomicsDbContext db, IBudgetTruth truth, BillingSync sync, IPayments payments, PlanBook plans, BillingOptions options, TimeProvider time)
    : IRequestHandler<GetBilling, Outcome<BillingState>>
{
    private const int Invoices = 24;

    public async Task<Outcome<BillingState>> Handle(GetBilling request, CancellationToken cancellationToken)
    {
        var tenant = await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == request.TenantId, cancellationToken);
        if (tenant is null)
            return Refusal.NotFound("tenant");
        var window = tenant.Calendar.Containing(BudgetPeriod.Month, time.GetUtcNow(), default);
        var members = await db.Members.CountAsync(m => m.TenantId == tenant.Id, cancellationToken);
        if (!options.Enabled)
            return new BillingState(false, Plan.SelfHosted, null, EntitlementReason.NoSubscription, null, window, 0, 0, members, [], null);
        // First what is asked at the provider: the plan that follows from it stands in the row that is read after.
        var paying = request.Caller.May(Right.ManageBilling) ? await PayingAsync((await sync.FindAsync(tenant.Id, cancellationToken))!, cancellationToken) : null;
        var account = (await sync.FindAsync(tenant.Id, cancellationToken))!;
        var quota = await truth.ReadAsync([new AccountOpening(new AccountKey(tenant.Id, CallQuota.BudgetId(tenant.Id), "", window.StartMicros), window.EndMicros)], cancellationToken);
        return new BillingState(
            true, plans.Find(account.Plan) ?? plans.Free, account.PlanSince, account.Reason, account.EndsAt, window, quota.Count == 0 ? 0 : quota[0].Posted.Value, quota.Count == 0 ? 0 : quota[0].Leased.Value,
            members, plans.Plans, paying);
    }

    private async Task<PayingState> PayingAsync(BillingAccount account, CancellationToken cancellationToken)
    {
        var state = new PayingState(account.CustomerId is not null, account.SubscriptionStatus, account.PeriodEnd, !payments.Live, [], null, null);
        if (account.CustomerId is not { } customer)
            return state;
        try
        {
            // What stands here is at most an hour old; whoever looks at what they pay sees how it is.
            if (await sync.RunAsync(account.TenantId, cancellationToken) is { Account: { CustomerId: not null } now })
                state = state with
                {
                    Status = now.SubscriptionStatus,
                    PeriodEnd = now.PeriodEnd,
                    Invoices = await payments.ListInvoicesAsync(customer, Invoices, cancellationToken),
                    Next = now.SubscriptionId is { } id && now.SubscriptionStatus is SubscriptionStatus.Active or SubscriptionStatus.Trialing or SubscriptionStatus.PastDue
                        ? await payments.PreviewInvoiceAsync(customer, now.SubscriptionId!, cancellationToken) : null,
                };
            else
                state = state with { HasCustomer = false };
            return state;
        }
        catch (PaymentsException e)
        {
            return state with { Problem = BillingRefusals.Of(e).Message };
        }
    }
}
