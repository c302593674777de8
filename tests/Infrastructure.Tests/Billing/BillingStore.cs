using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Stripe;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Tests.Billing;

/// <summary>A store whose payments are a fake Stripe's, which the real client asks.</summary>
internal sealed class BillingStore : IAsyncDisposable
{
    /// <param name="folder">Of another process whose data this one shares; null for data of its own.</param>
    public BillingStore(string? folder = null, FakeStripe? stripe = null, string? postgres = null, IPayments? payments = null)
    {
        Stripe = stripe ?? new FakeStripe();
        Store = new TempStore(
            folder, withDirectory: false,
            values =>
            {
                values["Billing:SecretKey"] = FakeStripe.Key;
                values["Billing:WebhookSecrets"] = FakeStripe.Secret;
                values["Portal:PublicUrl"] = "https://t.example";
                if (postgres is not null)
                    values["ConnectionStrings:Postgres"] = postgres;
            },
            (services, _) => services.AddSingleton(payments ?? Payments(Stripe)).AddSingleton<IUsageMeters>(new Mishaps(new StripeUsageMeters(Stripe.Client(), new Quick()))));
    }

    public FakeStripe Stripe { get; }

    public TempStore Store { get; }

    public static IPayments Payments(FakeStripe stripe) => new StripePayments(new StripeClient(stripe.Client(), FakeStripe.Key, new Quick()), live: false);

    /// <summary>A tenant without anything bought.</summary>
    public async Task<(string TenantId, Caller Owner)> TenantAsync(string name = "Acme", TenantPlan plan = TenantPlan.Free)
    {
        var made = (await Store.SendAsync(new CreateTenant(Caller.Operator, name, "owner@example.com", "UTC", plan))).Value;
        return (made.TenantId, new Caller(made.TenantId, made.OwnerId, Role.Owner));
    }

    public async Task<T> WithAsync<TService, T>(Func<TService, Task<T>> act)
        where TService : notnull
    {
        await using var scope = Store.Services.CreateAsyncScope();
        return await act(scope.ServiceProvider.GetRequiredService<TService>());
    }

    public Task<int> ProcessAsync() => WithAsync<PaymentEvents, int>(e => e.ProcessAsync(CancellationToken.None));

    public Task<int> ReconcileAsync() => WithAsync<PaymentEvents, int>(e => e.ReconcileAsync(CancellationToken.None));

    public Task<BillingAccount> AccountAsync(string tenantId) => WithAsync<BillingSync, BillingAccount>(async s => (await s.FindAsync(tenantId, CancellationToken.None))!);

    /// <summary>The first upgrade as a person does it, up to the payment page.</summary>
    public async Task<string> CheckoutAsync(Caller owner)
    {
        var started = await Store.SendAsync(new StartCheckout(owner, owner.TenantId!, "pro"));
        return started.Value.Url.Segments[^1];
    }

    /// <summary>Nothing happens meanwhile: every event is taken and processed.</summary>
    public async Task SettleAsync()
    {
        while (Stripe.Events.TryDequeue(out var e))
            await TakeAsync(e);
        await ProcessAsync();
    }

    public Task<bool> TakeAsync(System.Text.Json.Nodes.JsonObject e) =>
        WithAsync<PaymentEvents, bool>(events => events.TakeAsync(StripeEvents.Read(System.Text.Json.JsonDocument.Parse(e.ToJsonString()).RootElement), CancellationToken.None));

    public ValueTask DisposeAsync() => Store.DisposeAsync();

    // Nobody waits between two tries.
    private sealed class Quick : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => base.CreateTimer(callback, state, dueTime > TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : dueTime, period);
    }
}
