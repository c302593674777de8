using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.InProcess;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Tests.Alerts;

/// <summary>From the call that crosses a threshold to the message, on every store: each threshold once, each message at least once and with one id, whatever happens to who carries it.</summary>
public abstract class OutboxTests : IAsyncLifetime
{
    private TempStore _store = null!;
    private string _tenant = "";
    private int _calls;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private protected abstract Task<TempStore> NewAsync();

    public async ValueTask InitializeAsync()
    {
        _store = await NewAsync();
        _tenant = (await _store.ProvisionAsync()).TenantId;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private async Task<string> ChannelAsync(string name, ChannelKind kind = ChannelKind.Webhook, params AlertKind[] leavesOut)
    {
        var address = kind switch { ChannelKind.Email => $"{name}@example.com", ChannelKind.Slack => "https://hooks.slack.com/services/T0/B0/secret", _ => $"https://{name}.example.com/hook?key=secret"[..^11] };
        var added = await _store.SendAsync(new AddAlertChannel(Caller.Operator, _tenant, kind, name, address, leavesOut));
        added.Succeeded.ShouldBeTrue(added.Refusal?.Message);
        return added.Value.ChannelId;
    }

    private async Task<string> BudgetAsync(NanoUsd limit, params int[] thresholds) =>
        (await _store.SendAsync(new CreateBudget(Caller.Operator, _tenant, BudgetScope.Tenant, BudgetPeriod.Month, new BudgetTerms { Limit = limit, Thresholds = thresholds }))).Value.Id;

    private async Task<BudgetGate> GateAsync(string node)
    {
        var gate = new BudgetGate(_store.Get<IBudgetTruth>(), node, new BudgetGateOptions { Nodes = 3, IdleAfter = TimeSpan.FromMilliseconds(200) }, _store.Clock, NullLogger<BudgetGate>.Instance);
        await gate.RefreshAsync(Cancel);
        return gate;
    }

    // A call as the proxy makes it: held, sent, settled, and in the ledger.
    private async Task<bool> CallAsync(BudgetGate gate, NanoUsd cost)
    {
        var (hold, at) = (new Hold(), _store.Clock.GetUtcNow());
        gate.Resolve(hold, new KeySnapshot { Id = "key_1", Tenant = new TenantSnapshot { Id = _tenant }, Environment = KeyEnvironment.Live }, [], at);
        if (hold.Count > 0 && !gate.TryHold(hold, cost, cost) && (await gate.HoldAsync(hold, new HoldRequest(cost), Cancel)).Verdict != HoldVerdict.Held)
            return false;
        gate.Settle(hold, cost);
        UsageEvent[] events = [Some.Event($"req_{Interlocked.Increment(ref _calls):d8}", _tenant, at: at) with { Cost = cost, Charges = hold.Charges(), Tags = [] }];
        await _store.Get<IUsageLedger>().AppendAsync(events, Cancel);
        gate.Posted(events);
        return true;
    }

    private sealed class Receiver(Func<OpenChannel, string, int, SendResult> answer, TimeSpan takes = default) : IAlertSender
    {
        private readonly ConcurrentDictionary<string, int> _tries = new();

        public ConcurrentQueue<(string Address, Alert Alert, string MessageId, DateTimeOffset At)> Got { get; } = [];

        public async Task<SendResult> SendAsync(OpenChannel channel, Alert alert, string messageId, CancellationToken cancellationToken)
        {
            if (takes > TimeSpan.Zero)
                await Task.Delay(takes, cancellationToken);
            Got.Enqueue((channel.Address, alert, messageId, DateTimeOffset.UtcNow));
            return answer(channel, messageId, _tries.AddOrUpdate(messageId, 1, (_, n) => n + 1));
        }
    }

    private static readonly SendResult Taken = new(true, "200");

    private AlertDeliveries Carrier(IAlertSender sender) => new(_store.Get<AlertOutbox>(), _store.Get<AlertBook>(), sender, Meters, NullLogger<AlertDeliveries>.Instance);

    private static readonly IMeterFactory Meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();

    private async Task<IReadOnlyList<AlertLine>> AlertsAsync() => (await _store.SendAsync(new ListAlerts(Caller.Operator, _tenant))).Value.Alerts;

    [Fact]
    public async Task Each_threshold_is_told_once_to_each_channel_however_many_nodes_settle_and_however_many_hosts_carry()
    {
        await ChannelAsync("one");
        await ChannelAsync("two", ChannelKind.Email);
        await ChannelAsync("quiet", ChannelKind.Slack, AlertKind.BudgetThreshold);
        var limit = new NanoUsd(100_000_000);
        await BudgetAsync(limit, 50, 80, 100);
        BudgetGate[] nodes = [await GateAsync("node-a"), await GateAsync("node-b"), await GateAsync("node-c")];
        var receiver = new Receiver((_, _, _) => Taken, TimeSpan.FromMilliseconds(20));
        AlertDeliveries[] carriers = [Carrier(receiver), Carrier(receiver), Carrier(receiver)];
        foreach (var carrier in carriers)
            await carrier.StartAsync(Cancel);

        var admitted = 0;
        await Task.WhenAll(nodes.Select(async (node, i) =>
        {
            for (var call = 0; call < 60; call++)
                if (await CallAsync(node, new NanoUsd(1_000_000)))
                    Interlocked.Increment(ref admitted);
        }));
        foreach (var node in nodes)
            await node.DrainAsync();
        while (await CallAsync(nodes[0], new NanoUsd(1_000_000)))
            admitted++;
        admitted.ShouldBe(100);
        await UntilAsync(async () => (await AlertsAsync()) is { Count: 3 } all && all.All(a => a.Deliveries.All(d => d.DeliveredAt is not null)), "three alerts are delivered");
        foreach (var carrier in carriers)
            await carrier.StopAsync(CancellationToken.None);

        var alerts = await AlertsAsync();
        alerts.Select(a => a.Kind).ShouldBe([AlertKind.BudgetExhausted, AlertKind.BudgetThreshold, AlertKind.BudgetThreshold]);
        alerts.Select(a => a.Title).ShouldBe(["The monthly budget is used up: the whole organization", "80 % of the monthly budget is spent: the whole organization", "50 % of the monthly budget is spent: the whole organization"]);
        alerts[0].Severity.ShouldBe(AlertSeverity.Critical);
        alerts[0].Text.ShouldContain("$0.10 of $0.10 are spent this month. From now on calls that it counts are refused (status 429), until ");
        receiver.Got.Count.ShouldBe(3 * 2 + 1); // the quiet one hears of the end alone
        receiver.Got.Select(g => g.MessageId).Distinct().Count().ShouldBe(7);
        _store.Count("SELECT count(*) FROM budget_alerts WHERE delivered_at IS NULL").ShouldBe(0);
    }

    [Fact]
    public async Task What_waits_and_for_how_long_it_has_been_due_is_counted_beside_the_deliveries()
    {
        await ChannelAsync("one");
        await ChannelAsync("two");
        await BudgetAsync(new NanoUsd(10_000_000), 50);
        using var watch = new OutboxWatch(_store.Get<ISqlStore>(), _store.Clock, Meters, NullLogger<OutboxWatch>.Instance);
        await watch.CountAsync(Cancel);
        watch.Counts.ShouldBe((0, TimeSpan.Zero));

        (await CallAsync(await GateAsync("node"), new NanoUsd(6_000_000))).ShouldBeTrue();
        (await _store.Get<AlertOutbox>().TakeUpAsync(Cancel)).ShouldBe(1);
        await watch.CountAsync(Cancel);
        watch.Counts.Waiting.ShouldBe(2); // one alert, two channels
        var due = watch.Counts.Overdue;
        await UntilAsync(async () => { await watch.CountAsync(Cancel); return watch.Counts.Overdue > due; }, "nobody carries, and the time goes on");

        using var carrier = Carrier(new Receiver((_, _, _) => Taken));
        await carrier.StartAsync(Cancel);
        await UntilAsync(async () => { await watch.CountAsync(Cancel); return watch.Counts == (0, TimeSpan.Zero); }, "all have arrived");
        await carrier.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task What_did_not_arrive_is_tried_again_with_the_same_id_and_a_dead_channel_delays_no_other()
    {
        var (dead, late, closed) = (await ChannelAsync("dead"), await ChannelAsync("late"), await ChannelAsync("closed"));
        await ChannelAsync("well");
        await BudgetAsync(new NanoUsd(10_000_000), 10, 20, 30, 40, 50);
        var gate = await GateAsync("node");
        var receiver = new Receiver((channel, _, tries) => new Uri(channel.Address).Host.Split('.')[0] switch
        {
            "dead" => new SendResult(false, "500: no"),
            "late" => tries < 3 ? new SendResult(false, "429", RetryAfter: TimeSpan.FromMinutes(7)) : Taken,
            "closed" => new SendResult(false, "410: gone", Closed: true),
            _ => Taken,
        });
        var carrier = Carrier(receiver);
        await carrier.StartAsync(Cancel);
        for (var call = 0; call < 6; call++)
            (await CallAsync(gate, new NanoUsd(1_000_000))).ShouldBeTrue();

        string Host((string Address, Alert, string, DateTimeOffset) got) => new Uri(got.Address).Host.Split('.')[0];
        await UntilAsync(() => Task.FromResult(receiver.Got.Count(g => Host(g) == "well") == 5), "the one that is well has all five");
        await carrier.StopAsync(CancellationToken.None);

        // The rest of the day, as fast as it goes.
        var outbox = _store.Get<AlertOutbox>();
        for (var minutes = 0; minutes < 40 * 60; minutes += 15)
        {
            _store.Clock.Ahead += TimeSpan.FromMinutes(15);
            while (await outbox.TakeDueAsync(new HashSet<(string, string)>(), 100, Cancel) is { Count: > 0 } due)
                foreach (var delivery in due)
                    if (await outbox.OpenAsync(delivery, Cancel) is { } open)
                        await outbox.DoneAsync(delivery, await receiver.SendAsync(open.Channel, open.Alert, delivery.MessageId, Cancel), Cancel);
        }

        receiver.Got.Where(g => Host(g) == "late").GroupBy(g => g.MessageId).ToDictionary(g => g.Key, g => g.Count()).Values.ShouldBe([3, 3, 3, 3, 3]);
        receiver.Got.Count(g => Host(g) == "closed").ShouldBe(1); // and no other was sent there
        receiver.Got.Where(g => Host(g) == "dead").GroupBy(g => g.MessageId).Max(g => g.Count()).ShouldBe(DeliverySchedule.Attempts);
        var channels = (await _store.SendAsync(new ListAlertChannels(Caller.Operator, _tenant))).Value.Channels.ToDictionary(c => c.Id);
        channels[closed].DisabledWhy!.ShouldContain("410: gone");
        channels[dead].DisabledWhy!.ShouldContain("nothing arrived for a day: 500: no");
        channels[late].DisabledAt.ShouldBeNull();
        channels.Values.Sum(c => c.Waiting).ShouldBe(0);
        _store.Count("SELECT count(*) FROM alert_deliveries WHERE delivered_at IS NULL AND failed_at IS NULL").ShouldBe(0); // none is lost: it arrived, or it is said that it did not

        // Once somebody has looked, it goes on where they say.
        var alert = receiver.Got.Single(g => Host(g) == "closed").Alert; // later ones may have been made when it was closed already
        (await _store.SendAsync(new ReplayDelivery(Caller.Operator, _tenant, alert.Id, closed))).Refusal!.Code.ShouldBe("channel_disabled");
        (await _store.SendAsync(new ChangeAlertChannel(Caller.Operator, _tenant, closed, "open", true, []))).Succeeded.ShouldBeTrue();
        (await _store.SendAsync(new ReplayDelivery(Caller.Operator, _tenant, alert.Id, closed))).Succeeded.ShouldBeTrue();
        var well = new Receiver((_, _, _) => Taken);
        var again = Carrier(well);
        await again.StartAsync(Cancel);
        await UntilAsync(() => Task.FromResult(!well.Got.IsEmpty), "it is sent again");
        await again.StopAsync(CancellationToken.None);
        well.Got.Single().MessageId.ShouldBe($"{alert.Id}.{closed}");
    }

    [Fact]
    public async Task Whoever_dies_with_a_message_in_hand_is_followed_by_another_with_the_same_id()
    {
        var channel = await ChannelAsync("one");
        await BudgetAsync(new NanoUsd(10_000_000), 10);
        (await CallAsync(await GateAsync("node"), new NanoUsd(1_000_000))).ShouldBeTrue();
        var outbox = _store.Get<AlertOutbox>();
        (await outbox.TakeUpAsync(Cancel)).ShouldBe(1);
        var taken = (await outbox.TakeDueAsync(new HashSet<(string, string)>(), 10, Cancel)).Single(); // and dies
        (await outbox.TakeDueAsync(new HashSet<(string, string)>(), 10, Cancel)).ShouldBeEmpty();

        _store.Clock.Ahead += TimeSpan.FromSeconds(91);
        var next = (await outbox.TakeDueAsync(new HashSet<(string, string)>(), 10, Cancel)).Single();
        (next.MessageId, next.Attempt).ShouldBe((taken.MessageId, 2));
        await outbox.DoneAsync(taken, new SendResult(false, "too late"), Cancel); // the first wasn't dead, only slow: it changes nothing any more
        await outbox.DoneAsync(next, Taken, Cancel);
        var told = (await AlertsAsync()).Single().Deliveries.Single();
        (told.ChannelId, told.Attempts, told.Answer, told.DeliveredAt is not null, told.NextAt).ShouldBe((channel, 2, "200", true, null));
    }

    [Fact]
    public async Task An_alert_that_can_not_be_made_keeps_no_other_from_being_told()
    {
        await ChannelAsync("one");
        await BudgetAsync(new NanoUsd(10_000_000), 10, 20);
        var gate = await GateAsync("node");
        for (var call = 0; call < 2; call++)
            (await CallAsync(gate, new NanoUsd(1_000_000))).ShouldBeTrue();
        // The first is there already under its cause, as after a restore of half the tables.
        _store.Execute($"""
            INSERT INTO alerts (tenant_id, id, cause, kind, severity, title, text, path, facts, at)
            SELECT tenant_id, 'alert_old', 'budget_alert:' || min(id), 'budget.threshold', 'warning', 't', 't', '/', '[]', 1 FROM budget_alerts GROUP BY tenant_id
            """);
        var receiver = new Receiver((_, _, _) => Taken);
        var carrier = Carrier(receiver);
        await carrier.StartAsync(Cancel);
        await UntilAsync(() => Task.FromResult(!receiver.Got.IsEmpty), "the other is told");
        await carrier.StopAsync(CancellationToken.None);
        receiver.Got.Single().Alert.Title.ShouldStartWith("20 %");
    }

    [Fact]
    public async Task Somebody_elses_mailbox_is_not_filled_by_the_button()
    {
        var channel = await ChannelAsync("one", ChannelKind.Email); // without a mail server they are shown
        for (var i = 0; i < 10; i++)
            (await _store.SendAsync(new TestAlertChannel(Caller.Operator, _tenant, channel))).Value.Delivered.ShouldBeTrue();
        (await _store.SendAsync(new TestAlertChannel(Caller.Operator, _tenant, channel))).Refusal!.Code.ShouldBe("too_many_tests");
        _store.Clock.Ahead += TimeSpan.FromMinutes(11);
        (await _store.SendAsync(new TestAlertChannel(Caller.Operator, _tenant, channel))).Value.Delivered.ShouldBeTrue();
    }

    [Fact]
    public async Task A_channel_that_is_removed_leaves_no_address_and_gets_nothing_more()
    {
        var channel = await ChannelAsync("one");
        (await _store.SendAsync(new RotateChannelSecret(Caller.Operator, _tenant, channel))).Value.SigningSecret.ShouldStartWith("whsec_");
        _store.Count("SELECT count(*) FROM secrets WHERE purpose LIKE 'alert-%'").ShouldBe(3);
        await BudgetAsync(new NanoUsd(10_000_000), 10);
        (await CallAsync(await GateAsync("node"), new NanoUsd(1_000_000))).ShouldBeTrue();
        (await _store.Get<AlertOutbox>().TakeUpAsync(Cancel)).ShouldBe(1);
        (await _store.SendAsync(new RemoveAlertChannel(Caller.Operator, _tenant, channel))).Succeeded.ShouldBeTrue();
        _store.Count("SELECT count(*) FROM secrets WHERE purpose LIKE 'alert-%'").ShouldBe(0);
        (await _store.Get<AlertOutbox>().TakeDueAsync(new HashSet<(string, string)>(), 10, Cancel)).ShouldBeEmpty();
        var told = (await AlertsAsync()).Single().Deliveries.Single();
        (told.Channel, told.FailedAt is not null, told.Answer).ShouldBe(("one", true, "the channel was removed"));
        (await _store.SendAsync(new TestAlertChannel(Caller.Operator, _tenant, channel))).Refusal!.Code.ShouldBe("channel_not_found");
    }
}

public sealed class SqliteOutboxTests : OutboxTests
{
    private protected override Task<TempStore> NewAsync() => new OnSqlite().NewAsync();
}

public sealed class PostgresOutboxTests : OutboxTests
{
    private protected override Task<TempStore> NewAsync() => new OnPostgres().NewAsync();
}
