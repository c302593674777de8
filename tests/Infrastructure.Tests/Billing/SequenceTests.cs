using System.Text.Json.Nodes;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Infrastructure.Stripe;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Tests.Billing;

/// <summary>
/// Ten flows of a subscription's life, and their events in thousands of orders: late, twice, swapped, before and after the next change at Stripe, with a process that
/// dies between storing and processing. Whatever comes how: when all have come, the plan is what Stripe's state says.
/// </summary>
public sealed class SequenceTests(ITestOutputHelper output)
{
    private const int Sequences = 10_000;

    private sealed record Flow(string Name, string Ends, params Action<FakeStripe, World>[] Steps);

    private sealed class World
    {
        public required string Customer { get; init; }

        public required string Price { get; init; }

        public string Subscription { get; set; } = "";
    }

    private static readonly Flow[] Flows =
    [
        new("bought", "pro", Buy),
        new("bought and cancelled at once", "free", Buy, (s, w) => s.CancelNow(w.Subscription)),
        new("cancelled at the period's end, and undone", "pro", Buy, (s, w) => s.EndAtPeriod(w.Subscription, true), (s, w) => s.EndAtPeriod(w.Subscription, false), (s, w) => s.Renew(w.Subscription)),
        new("cancelled at the period's end, which came", "free", Buy, (s, w) => s.EndAtPeriod(w.Subscription, true), (s, w) => s.Renew(w.Subscription)),
        new("a renewal that failed, and was paid", "pro", Buy, (s, w) => s.Renew(w.Subscription, pays: false), (s, w) => s.PayOpen(w.Subscription)),
        new("a renewal that failed for good", "free", Buy, (s, w) => s.Renew(w.Subscription, pays: false), (s, w) => s.GiveUp(w.Subscription, "unpaid")),
        new("unpaid, then cancelled, then bought again", "pro", Buy, (s, w) => s.Renew(w.Subscription, pays: false), (s, w) => s.GiveUp(w.Subscription, "canceled"), Buy),
        new("a first payment that was never made", "free", (s, w) => w.Subscription = s.Subscribe(w.Customer, w.Price, "incomplete"), (s, w) => s.ExpireFirst(w.Subscription)),
        new("a trial that was paused, and went on", "pro", (s, w) => w.Subscription = s.Subscribe(w.Customer, w.Price, "trialing", 14), (s, w) => s.Pause(w.Subscription), (s, w) => s.Resume(w.Subscription)),
        new("the customer was deleted", "free", Buy, (s, w) => s.DeleteCustomer(w.Customer)),
    ];

    private static void Buy(FakeStripe stripe, World world) => world.Subscription = stripe.Subscribe(world.Customer, world.Price, "active");

    [Fact]
    public async Task However_events_come_the_plan_ends_as_Stripe_s_state_says()
    {
        // In memory where there is a folder for it: that nothing is lost with the machine is not what this is about.
        var folder = Directory.Exists("/dev/shm") ? Directory.CreateDirectory($"/dev/shm/tokonomics-{Guid.NewGuid():n}") : Directory.CreateTempSubdirectory("tokonomics-test-");
        try
        {
            await using var billing = new BillingStore(folder.FullName);
            await RunAsync(billing);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task RunAsync(BillingStore billing)
    {
        var plans = billing.Store.Get<PlanBook>();
        var (delivered, repeated, crashed) = (0L, 0L, 0L);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (var seed = 0; seed < Sequences; seed++)
        {
            var (random, flow, tenant) = (new Random(seed), Flows[seed % Flows.Length], $"ten_{seed}");
            var stripe = new FakeStripe { Mark = $"{seed}x" };
            var payments = BillingStore.Payments(stripe);
            var world = new World { Price = stripe.AddPrice("tokonomics_pro_monthly", 4900), Customer = await payments.CreateCustomerAsync(new NewCustomer(tenant, "Acme", ""), "once", CancellationToken.None) };
            stripe.Events.Clear();
            billing.Store.Execute($"""
                INSERT INTO tenants (id, name, plan, time_zone, status, created_at) VALUES ('{tenant}', 'Acme', 'free', 'UTC', 'active', 1);
                INSERT INTO billing_accounts (tenant_id, plan, plan_since, reason, customer_id) VALUES ('{tenant}', 'free', 1, 'nosubscription', '{world.Customer}');
                """);
            await using var scope = billing.Store.Services.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>();
            var (options, time) = (billing.Store.Get<BillingOptions>(), billing.Store.Get<TimeProvider>());
            var sync = new BillingSync(db, scope.ServiceProvider.GetRequiredService<AuditLog>(), payments, plans, options, [], time);
            var events = new PaymentEvents(db, sync, payments, plans, options, time, NullLogger<PaymentEvents>.Instance);

            var happened = new List<JsonObject>();
            var arrived = new HashSet<string>(StringComparer.Ordinal);
            foreach (var step in flow.Steps)
            {
                step(stripe, world);
                while (stripe.Events.TryDequeue(out var e))
                    happened.Add(e);
                // Some come before the next change, in any order, one or the other twice; the rest later.
                for (var i = random.Next(4); i > 0; i--)
                    await DeliverAsync(happened[random.Next(happened.Count)]);
            }

            foreach (var e in happened.Where(e => !arrived.Contains(Id(e)) || random.Next(4) == 0).OrderBy(_ => random.Next()).ToList())
                await DeliverAsync(e);
            await events.ProcessAsync(CancellationToken.None);

            var account = await db.BillingAccounts.AsNoTracking().SingleAsync(a => a.TenantId == tenant);
            var truth = Entitlement.Of(
                plans, new BillingFacts { CustomerDeleted = stripe.Find(world.Customer)["deleted"] is not null, Subscriptions = await payments.ListSubscriptionsAsync(world.Customer, CancellationToken.None) },
                time.GetUtcNow(), options.Grace);
            (account.Plan, account.Reason).ShouldBe((truth.Plan.Name, truth.Reason), $"seed {seed}: {flow.Name}");
            account.Plan.ShouldBe(flow.Ends, $"seed {seed}: {flow.Name}");
            billing.Store.Count($"SELECT count(*) FROM payment_events WHERE processed_at IS NULL").ShouldBe(0);

            async Task DeliverAsync(JsonObject e)
            {
                delivered++;
                arrived.Add(Id(e));
                if (!await events.TakeAsync(StripeEvents.Read(System.Text.Json.JsonSerializer.SerializeToElement(e)), CancellationToken.None))
                    repeated++;
                // The process that stored it dies before it processes it: whoever comes next does that.
                if (random.Next(2) == 0)
                    crashed++;
                else
                    await events.ProcessAsync(CancellationToken.None);
            }
        }

        output.WriteLine($"{Sequences} sequences of {Flows.Length} flows: {delivered} deliveries, {repeated} of them repeated, {crashed} left behind by a process that died; {clock.Elapsed.TotalSeconds:f0} s");
        repeated.ShouldBeGreaterThan(Sequences / 2);
        crashed.ShouldBeGreaterThan(Sequences / 2);

        static string Id(JsonObject e) => e["id"]!.GetValue<string>();
    }
}
