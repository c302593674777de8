using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Stripe;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Tests.Billing;

/// <summary>What tenants' customers used, at the tenants' own meters: each amount once, whatever breaks. On every store, over the real client and a fake Stripe.</summary>
public abstract class MeterReportingTests : IAsyncLifetime
{
    private const string Key = "rk_test_0000000000000000abcd";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected abstract Task<BillingStore> NewAsync();

    /// <summary>How many sequences of mishaps.</summary>
    protected abstract int Sequences { get; }

    private BillingStore _billing = null!;
    private Mishaps _meters = null!;
    private Caller _owner = null!;
    private string _tenant = "";
    private string _meter = "";
    private int _calls;

    public async ValueTask InitializeAsync()
    {
        _billing = await NewAsync();
        _meters = (Mishaps)_billing.Store.Get<IUsageMeters>();
        _meter = Make("/v1/billing/meters", "display_name=Spend&event_name=spend&default_aggregation[formula]=sum");
        await TenantAsync();
        // Ten minutes after an hour's end: it is settled.
        _billing.Store.Clock.GoTo(10, 10);
        _billing.Stripe.Ahead = _billing.Store.Clock.Ahead;
    }

    public async ValueTask DisposeAsync()
    {
        await _billing.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private DateTimeOffset Now => _billing.Store.Clock.GetUtcNow();

    private DateTimeOffset LastHour => Now.UtcTicks is var now ? new DateTimeOffset(now - (now % TimeSpan.TicksPerHour), TimeSpan.Zero).AddHours(-1) : default;

    private void Ahead(TimeSpan time)
    {
        _billing.Store.Clock.Ahead += time;
        _billing.Stripe.Ahead += time;
    }

    private string Make(string path, string body) =>
        System.Text.Json.JsonDocument.Parse(_billing.Stripe.Handle("POST", path, body, name => name == "Authorization" ? $"Bearer {FakeStripe.Key}" : null).Json).RootElement.GetProperty("id").GetString()!;

    private async Task TenantAsync() => (_tenant, _owner) = await _billing.TenantAsync("Reseller", TenantPlan.Pro);

    private async Task<string> ConnectAsync(string customer = "acme")
    {
        (await _billing.Store.SendAsync(new SetStripeMeter(_owner, _tenant, Key, "spend"))).Refusal.ShouldBeNull();
        var id = Make("/v1/customers", "name=Acme");
        (await _billing.Store.SendAsync(new ConnectMeteredCustomer(_owner, _tenant, customer, id))).Refusal.ShouldBeNull();
        return id;
    }

    private Task<int> UseAsync(DateTimeOffset at, long nano, string customer = "acme", string model = "gpt-5.1") => _billing.Store.Get<IUsageLedger>().AppendAsync(
        [Some.Event($"req_meter{_calls++}", _tenant, at: at) with { ResponseModel = model, Cost = new NanoUsd(nano), Tags = [new Tag("customer", customer)] }], Cancel);

    private Task<int> ReportAsync() => _billing.WithAsync<MeterReporting, int>(r => r.RunAsync(Cancel));

    private async Task<StripeMeterView> ViewAsync() => (await _billing.Store.SendAsync(new GetStripeMeter(_owner, _tenant))).Value;

    private async Task<long> StatementAsync(string customer = "acme", StatementMonth? month = null) =>
        (await _billing.Store.SendAsync(new GetStatements(_owner, _tenant, month, customer))).Value.Statements.Single().TotalCents;

    private long Rows(string state) => _billing.Store.Count($"SELECT count(*) FROM meter_reports WHERE tenant_id = '{_tenant}' AND state = '{state}'");

    [Fact]
    public async Task Each_hour_is_reported_once_and_a_late_call_by_its_difference()
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_234_000_000);
        await UseAsync(LastHour.AddHours(1), 1_000_000_000); // of the hour that runs
        (await ReportAsync()).ShouldBe(1);
        (await ReportAsync()).ShouldBe(0);
        _billing.Stripe.Metered(id).ShouldBe(123);

        Ahead(TimeSpan.FromHours(1));
        await UseAsync(LastHour.AddHours(-1), 500_000_000); // late
        (await ReportAsync()).ShouldBe(2);
        _billing.Stripe.Metered(id).ShouldBe(await StatementAsync());
        var events = _billing.Stripe.All("mevt");
        events.Select(e => e["identifier"]!.GetValue<string>()).Distinct().Count().ShouldBe(3);
        events.ShouldAllBe(e => e["identifier"]!.GetValue<string>().Length <= 100);
        _billing.Stripe.Metered(id, LastHour.AddHours(-1).ToUnixTimeSeconds(), LastHour.ToUnixTimeSeconds()).ShouldBe(173); // 1.234 + 0.5 dollars

        var line = (await ViewAsync()).Customers.Single();
        (line.StatementCents, line.ReportedCents, line.WaitingCents, line.MissedCents, line.Problem).ShouldBe((273, 273, 0, 0, ""));
        // No key is anywhere but sealed.
        (await ViewAsync()).Meter!.MaskedKey.ShouldBe("rk_test_…abcd");
        _billing.Store.Logs.Text.ShouldNotContain(Key);
    }

    [Fact]
    public async Task An_answer_that_is_lost_counts_once()
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);
        _billing.Stripe.LoseAnswers = true;
        (await ReportAsync()).ShouldBe(0);
        _billing.Stripe.LoseAnswers = false;
        (await ViewAsync()).Meter!.Problem.ShouldContain("can't be reached");
        Ahead(TimeSpan.FromMinutes(10));
        (await ReportAsync()).ShouldBe(1); // "An event already exists with identifier …"
        _billing.Stripe.Metered(id).ShouldBe(100);
        (await ViewAsync()).Meter!.Problem.ShouldBeEmpty();
    }

    [Fact]
    public async Task Without_its_identifier_a_report_would_count_twice_and_this_would_be_seen()
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);
        _meters.ForgetIdentifiers = true;
        _meters.DieAt = Mishap.AfterSending;
        await Should.ThrowAsync<ProcessDied>(ReportAsync);
        (await ReportAsync()).ShouldBe(1);
        _billing.Stripe.Metered(id).ShouldBe(200);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_a_day_of_not_knowing_Stripe_s_sum_is_asked_and_nothing_is_sent_blindly(bool arrived)
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);
        _meters.DieAt = arrived ? Mishap.AfterSending : Mishap.BeforeSending;
        await Should.ThrowAsync<ProcessDied>(ReportAsync);
        _billing.Stripe.Metered(id).ShouldBe(arrived ? 100 : 0);
        Ahead(TimeSpan.FromHours(30)); // by now Stripe has forgotten the identifier
        await ReportAsync();
        await ReportAsync();
        _billing.Stripe.Metered(id).ShouldBe(100);
        (Rows("reported"), Rows("pending"), Rows("unclear")).ShouldBe((1, 0, 0));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_Stripe_s_sum_doesn_t_tell_a_person_is_asked(bool arrived)
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);
        _meters.DieAt = Mishap.BeforeSending;
        await Should.ThrowAsync<ProcessDied>(ReportAsync);
        // Another program of the tenant's reports to the same hour.
        _billing.Stripe.Handle("POST", "/v1/billing/meter_events", $"event_name=spend&payload[stripe_customer_id]={id}&payload[value]=7&timestamp={LastHour.ToUnixTimeSeconds()}", name => name == "Authorization" ? $"Bearer {FakeStripe.Key}" : null).Status.ShouldBe(200);
        Ahead(TimeSpan.FromHours(30));
        await ReportAsync();
        var unclear = (await ViewAsync()).Unclear.Single();
        unclear.Problem.ShouldContain("Stripe has 7; with this it would be 100, without it 0");
        await ReportAsync();
        _billing.Stripe.Metered(id).ShouldBe(7); // never by itself
        (await _billing.Store.SendAsync(new SettleMeterReport(_owner, _tenant, unclear.Identifier, arrived))).Refusal.ShouldBeNull();
        await ReportAsync();
        _billing.Stripe.Metered(id).ShouldBe(arrived ? 7 : 107);
        (await _billing.Store.SendAsync(new SettleMeterReport(_owner, _tenant, unclear.Identifier, arrived))).Refusal!.Kind.ShouldBe(RefusalKind.NotFound);
    }

    [Fact]
    public async Task What_is_in_the_way_is_said_and_mended_without_losing_or_doubling_anything()
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);

        // The customer isn't there.
        (await _billing.Store.SendAsync(new ConnectMeteredCustomer(_owner, _tenant, "acme", "cus_wrong"))).Refusal.ShouldBeNull();
        (await ReportAsync()).ShouldBe(0);
        (await ViewAsync()).Customers.Single().Problem.ShouldContain("no customer cus_wrong");
        (await _billing.Store.SendAsync(new ConnectMeteredCustomer(_owner, _tenant, "acme", id))).Refusal.ShouldBeNull();

        // The meter is archived; then it counts instead of summing; then there is none of that name.
        Make($"/v1/billing/meters/{_meter}/deactivate", "");
        (await ReportAsync()).ShouldBe(0);
        (await ViewAsync()).Meter!.Problem.ShouldContain("no active meter with the event name spend");
        Make($"/v1/billing/meters/{_meter}/reactivate", "");
        Make("/v1/billing/meters", "event_name=counted&default_aggregation[formula]=count");
        (await _billing.Store.SendAsync(new SetStripeMeter(_owner, _tenant, null, "counted"))).Refusal.ShouldBeNull();
        (await _billing.Store.SendAsync(new CheckStripeMeter(_owner, _tenant))).Value.Problem.ShouldContain("doesn't sum");
        (await _billing.Store.SendAsync(new SetStripeMeter(_owner, _tenant, null, "spend"))).Refusal.ShouldBeNull();

        // The key is refused.
        _billing.Stripe.FailNext(401, "invalid_request_error", "api_key_expired");
        (await ReportAsync()).ShouldBe(0);
        (await ViewAsync()).Meter!.Problem.ShouldContain("Stripe refuses the key");
        _billing.Stripe.Metered(id).ShouldBe(0);

        // Too much at once, four times; away.
        for (var i = 0; i < 4; i++)
            _billing.Stripe.FailNext(429, "invalid_request_error", "rate_limit");
        (await ReportAsync()).ShouldBe(0);
        (await ViewAsync()).Meter!.Problem.ShouldContain("too much to do");
        _billing.Stripe.Down = true;
        (await ReportAsync()).ShouldBe(0);
        _billing.Stripe.Down = false;

        (await ReportAsync()).ShouldBe(1);
        _billing.Stripe.Metered(id).ShouldBe(100);
        var view = await ViewAsync();
        (view.Meter!.Problem, view.Customers.Single().Problem).ShouldBe(("", ""));
    }

    [Fact]
    public async Task What_became_too_old_for_Stripe_is_said_and_not_reported_later()
    {
        var id = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);
        _billing.Stripe.Down = true;
        (await ReportAsync()).ShouldBe(0);
        _billing.Stripe.Down = false;
        Ahead(TimeSpan.FromDays(36));
        await ReportAsync();
        _billing.Stripe.Metered(id).ShouldBe(0);
        (await ViewAsync()).Customers.Single().MissedCents.ShouldBe(100);
        await ReportAsync();
        (Rows("missed"), _billing.Stripe.All("mevt").Count).ShouldBe((1, 0));
    }

    [Fact]
    public async Task A_customer_that_is_connected_later_or_again_and_the_other_mode()
    {
        await UseAsync(LastHour, 2_000_000_000, "globex");
        var acme = await ConnectAsync();
        await UseAsync(LastHour, 1_000_000_000);
        (await ReportAsync()).ShouldBe(1);
        (await ViewAsync()).Others.ShouldBe(["globex"]);
        var globex = await ConnectAsync("globex");
        (await ReportAsync()).ShouldBe(1);
        (_billing.Stripe.Metered(acme), _billing.Stripe.Metered(globex)).ShouldBe((100, 200));
        (await _billing.Store.SendAsync(new DisconnectMeteredCustomer(_owner, _tenant, "globex"))).Refusal.ShouldBeNull();
        globex = await ConnectAsync("globex");
        (await ReportAsync()).ShouldBe(0);
        // Live mode has had nothing of this month.
        (await _billing.Store.SendAsync(new SetStripeMeter(_owner, _tenant, "rk_live_0000000000000000abcd", "spend"))).Refusal.ShouldBeNull();
        (await ViewAsync()).Customers.ShouldAllBe(c => c.ReportedCents == 0);
        (await _billing.Store.SendAsync(new RemoveStripeMeter(_owner, _tenant))).Refusal.ShouldBeNull();
        _billing.Store.Count($"SELECT count(*) FROM secrets WHERE tenant_id = '{_tenant}'").ShouldBe(0);
        (await ViewAsync()).Meter.ShouldBeNull();
    }

    [Fact]
    public async Task What_can_t_be_is_refused_with_what_is_wrong()
    {
        async Task<string> Meter(string? key, string name) => (await _billing.Store.SendAsync(new SetStripeMeter(_owner, _tenant, key, name))).Refusal!.Message;
        (await Meter("pk_live_00000000000000000000", "spend")).ShouldContain("the public one");
        (await Meter($"{Key} ", "spend")).ShouldContain("no spaces");
        (await Meter(null, "spend")).ShouldContain("secret key is missing");
        (await Meter(Key, "a b")).ShouldContain("no spaces");
        (await _billing.Store.SendAsync(new ConnectMeteredCustomer(_owner, _tenant, "acme", "acme"))).Refusal!.Message.ShouldContain("begins with cus_");
        (await _billing.Store.SendAsync(new ConnectMeteredCustomer(_owner, _tenant, "", "cus_1"))).Refusal!.Message.ShouldContain("1 to 256 printable");
        (await _billing.Store.SendAsync(new CheckStripeMeter(_owner, _tenant))).Refusal!.Code.ShouldBe("meter_not_found");
        var (free, owner) = await _billing.TenantAsync("Free");
        (await _billing.Store.SendAsync(new SetStripeMeter(owner, free, Key, "spend"))).Refusal!.Code.ShouldBe("plan_exceeded");
    }

    [Fact]
    public async Task Processes_that_die_anywhere_and_two_workers_at_once_report_each_amount_once()
    {
        var (deaths, runs, sent) = (0, 0, 0);
        for (var seed = 0; seed < Sequences; seed++)
        {
            var random = new Random(seed);
            if (LastHour.Month != Now.Month)
                Ahead(TimeSpan.FromHours(1)); // what was used before the month in which a customer is connected is not reported
            await TenantAsync();
            var customers = new[] { "acme", "globex" };
            var ids = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var customer in customers)
                ids[customer] = await ConnectAsync(customer);
            var first = LastHour;
            for (var step = 0; step < 12; step++)
            {
                for (var i = random.Next(4); i > 0; i--)
                    // Some late by hours.
                    await UseAsync(LastHour.AddHours(random.Next(3) == 0 ? -random.Next((int)(LastHour - first).TotalHours + 1) : 0).AddMinutes(random.Next(60)), random.Next(400_000_000), customers[random.Next(2)], random.Next(2) == 0 ? "a" : "b");
                _meters.DieAt = random.Next(6) switch { 0 => Mishap.BeforeSending, 1 or 2 => Mishap.AfterSending, _ => Mishap.None };
                _billing.Stripe.LoseAnswers = random.Next(6) == 0;
                _billing.Stripe.Down = random.Next(8) == 0;
                if (random.Next(6) == 0)
                    _billing.Stripe.FailNext(429, "invalid_request_error", "rate_limit");
                var at = Enumerable.Range(0, random.Next(3) == 0 ? 2 : 1).Select(async worker =>
                {
                    runs++;
                    if (worker > 0)
                    {
                        // A second worker, which the first's claim doesn't keep away.
                        await Task.Delay(random.Next(20));
                        _billing.Store.Execute("UPDATE stripe_meters SET busy_until = NULL");
                    }

                    try
                    {
                        await ReportAsync();
                    }
                    catch (ProcessDied)
                    {
                        Interlocked.Increment(ref deaths);
                        // It let go of nothing.
                        if (random.Next(2) == 0)
                            _billing.Store.Execute($"UPDATE stripe_meters SET busy_until = {(Now.AddMinutes(10).UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / 10} WHERE tenant_id = '{_tenant}'");
                    }
                });
                await Task.WhenAll(at);
                (_meters.DieAt, _billing.Stripe.LoseAnswers, _billing.Stripe.Down) = (Mishap.None, false, false);
                // Mostly the next run, sometimes the next hour, now and then after more than a day.
                Ahead(random.Next(12) switch { 0 => TimeSpan.FromHours(26), < 5 => TimeSpan.FromMinutes(11), _ => TimeSpan.FromMinutes(60) });
            }

            for (var quiet = 0; quiet < 4; quiet++)
            {
                Ahead(TimeSpan.FromMinutes(70));
                await ReportAsync();
            }

            foreach (var customer in customers)
            {
                var zone = TimeZoneInfo.Utc;
                for (var month = StatementMonth.Of(first, zone); month.Window(zone).Start <= Now; month = month.After)
                    _billing.Stripe.Metered(ids[customer], month.Window(zone).Start.ToUnixTimeSeconds(), month.Window(zone).End.ToUnixTimeSeconds()).ShouldBe(await StatementAsync(customer, month), $"seed {seed}: {customer}, {month}");
            }

            (Rows("pending"), Rows("unclear"), Rows("missed")).ShouldBe((0, 0, 0), $"seed {seed}");
            sent += (int)Rows("reported");
            (await _billing.Store.SendAsync(new RemoveStripeMeter(_owner, _tenant))).Refusal.ShouldBeNull();
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{Sequences} sequences, {runs} runs, {deaths} deaths, {sent} amounts, each once");
    }
}

public sealed class MeterReportingOnSqlite : MeterReportingTests
{
    protected override int Sequences => 40;

    private protected override Task<BillingStore> NewAsync() => Task.FromResult(new BillingStore());
}

public sealed class MeterReportingOnPostgres : MeterReportingTests
{
    protected override int Sequences => 10;

    private protected override async Task<BillingStore> NewAsync()
    {
        var server = await PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync();
        var billing = new BillingStore(postgres: database);
        billing.Store.Gone = () => server.DropAsync(database);
        return billing;
    }
}

internal enum Mishap
{
    None,
    BeforeSending,
    AfterSending,
}

/// <summary>As if the process had been killed: nothing catches it but the test.</summary>
internal sealed class ProcessDied : Exception;

/// <summary>Meters at a fake Stripe, and processes that die around a report.</summary>
internal sealed class Mishaps(IUsageMeters inner) : IUsageMeters
{
    private int _dieAt;

    /// <summary>The next report is the last thing that its process does; once.</summary>
    public Mishap DieAt
    {
        get => (Mishap)_dieAt;
        set => _dieAt = (int)value;
    }

    /// <summary>A negative control: each try has an identifier of its own.</summary>
    public bool ForgetIdentifiers { get; set; }

    public Task<UsageMeter?> FindAsync(string secretKey, string eventName, CancellationToken cancellationToken) => inner.FindAsync(secretKey, eventName, cancellationToken);

    public Task<bool> HasCustomerAsync(string secretKey, string customerId, CancellationToken cancellationToken) => inner.HasCustomerAsync(secretKey, customerId, cancellationToken);

    public async Task ReportAsync(string secretKey, UsageMeter meter, MeteredUsage usage, string onceKey, CancellationToken cancellationToken)
    {
        if (Interlocked.CompareExchange(ref _dieAt, (int)Mishap.None, (int)Mishap.BeforeSending) == (int)Mishap.BeforeSending)
            throw new ProcessDied();
        var die = Interlocked.CompareExchange(ref _dieAt, (int)Mishap.None, (int)Mishap.AfterSending) == (int)Mishap.AfterSending;
        await inner.ReportAsync(secretKey, meter, ForgetIdentifiers ? usage with { Identifier = Guid.NewGuid().ToString("n") } : usage, onceKey, cancellationToken);
        if (die)
            throw new ProcessDied();
    }

    public Task<decimal> SumAsync(string secretKey, UsageMeter meter, string customerId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken) => inner.SumAsync(secretKey, meter, customerId, from, until, cancellationToken);
}
