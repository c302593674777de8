using Tokonomics.Application.Alerts;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;

namespace Tokonomics.Tests.Alerts;

/// <summary>What those who find something write: each cause once, one alert for as long as a condition lasts, and its end to those who heard of its beginning.</summary>
public abstract class BookTests<TStore>
    where TStore : IStoreKind, new()
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static AlertDraft Draft(TempStore store, string tenant, string cause, string? condition = null, AlertKind kind = AlertKind.SpendSpike) => new(
        tenant, cause, kind, AlertSeverity.Warning, AlertSubject.Key("key_1"), "Three times the usual: key one", "Look.", "/spend", [new("Spent", "$3.00")], store.Clock.GetUtcNow(), condition);

    private static async Task<string> ChannelAsync(TempStore store, string tenant, string name, ChannelKind kind = ChannelKind.Email, params AlertKind[] leavesOut) =>
        (await store.SendAsync(new AddAlertChannel(Caller.Operator, tenant, kind, name, kind == ChannelKind.Email ? $"{name}@example.com" : "0123456789abcdef0123456789abcdef", leavesOut))).Value.ChannelId;

    private static async Task<IReadOnlyList<AlertLine>> AlertsAsync(TempStore store, string tenant) => (await store.SendAsync(new ListAlerts(Caller.Operator, tenant))).Value.Alerts;

    [Fact]
    public async Task What_many_workers_find_at_once_is_told_once()
    {
        await using var store = await new TStore().NewAsync();
        var tenant = (await store.ProvisionAsync()).TenantId;
        await ChannelAsync(store, tenant, "one");
        var book = store.Get<IAlertBook>();
        var told = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(() => book.TellAsync(Draft(store, tenant, $"spike:{i % 3}", "spike:key_1"), Cancel))));
        told.Count(t => t).ShouldBe(1);
        told = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Task.Run(() => book.TellAsync(Draft(store, tenant, "once"), Cancel))));
        told.Count(t => t).ShouldBe(1);
        (await AlertsAsync(store, tenant)).Select(a => a.Deliveries.Count).ShouldBe([1, 1]);
    }

    [Fact]
    public async Task The_end_of_what_lasted_is_told_once_and_to_those_who_heard_of_it_and_then_it_may_begin_again()
    {
        await using var store = await new TStore().NewAsync();
        var tenant = (await store.ProvisionAsync()).TenantId;
        var heard = await ChannelAsync(store, tenant, "heard");
        await ChannelAsync(store, tenant, "deaf", ChannelKind.Email, AlertKind.SpendSpike);
        var book = store.Get<IAlertBook>();
        var ending = new AlertEnd(tenant, "spike:key_1", "It is as usual again.", [], store.Clock.GetUtcNow());
        (await book.ResolveAsync(ending, Cancel)).ShouldBeFalse();

        (await book.TellAsync(Draft(store, tenant, "first", "spike:key_1"), Cancel)).ShouldBeTrue();
        await ChannelAsync(store, tenant, "later");
        (await book.OpenAsync(AlertKind.SpendSpike, Cancel)).Select(o => (o.TenantId, o.Condition)).ShouldBe([(tenant, "spike:key_1")]);
        (await book.OpenAsync(AlertKind.BudgetBurn, Cancel)).ShouldBeEmpty();
        (await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => book.ResolveAsync(ending, Cancel))))).Count(t => t).ShouldBe(1);
        (await book.OpenAsync(AlertKind.SpendSpike, Cancel)).ShouldBeEmpty();

        var alerts = await AlertsAsync(store, tenant);
        alerts.Select(a => (a.Title, a.Severity)).ShouldBe([("Over: Three times the usual: key one", AlertSeverity.Info), ("Three times the usual: key one", AlertSeverity.Warning)]);
        alerts[0].Deliveries.Select(d => d.ChannelId).ShouldBe([heard]);
        (await book.TellAsync(Draft(store, tenant, "second", "spike:key_1"), Cancel)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_name_that_a_stranger_chose_makes_no_line_of_its_own()
    {
        await using var store = await new TStore().NewAsync();
        var tenant = (await store.ProvisionAsync()).TenantId;
        var name = "a\n\nhttps://elsewhere.example/login\n\nb\u202e\u0000";
        (await store.Get<IAlertBook>().TellAsync(Draft(store, tenant, "x") with { Title = $"No price: {name}", Text = name, Facts = [new("Model\n", name)] }, Cancel)).ShouldBeTrue();
        var alert = (await AlertsAsync(store, tenant)).Single();
        alert.Title.ShouldBe("No price: a  https://elsewhere.example/login  b  ");
        foreach (var text in (string[])[alert.Title, alert.Text, alert.Facts[0].Name, alert.Facts[0].Value])
            text.ShouldNotContain(c => char.IsControl(c) || c == '\u202e');
    }

    [Fact]
    public async Task What_was_told_last_is_told_apart_by_all_of_its_name()
    {
        await using var store = await new TStore().NewAsync();
        var (tenant, book) = ((await store.ProvisionAsync()).TenantId, store.Get<IAlertBook>());
        AlertSubject bob = new("tag", "customer", "bob"), mail = new("tag", "customer", "bob@example.com");
        await book.TellAsync(Draft(store, tenant, "spike:tag:customer:bob@1@5") with { Subject = bob }, Cancel);
        await book.TellAsync(Draft(store, tenant, "spike:tag:customer:bob@example.com@2@7") with { Subject = mail }, Cancel);
        (await book.LastCauseAsync(tenant, AlertKind.SpendSpike, bob, Cancel)).ShouldBe("spike:tag:customer:bob@1@5");
        (await book.LastCauseAsync(tenant, AlertKind.SpendSpike, mail, Cancel)).ShouldBe("spike:tag:customer:bob@example.com@2@7");
        (await book.LastCauseAsync(tenant, AlertKind.BudgetBurn, bob, Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Nobody_is_woken_by_a_digest()
    {
        await using var store = await new TStore().NewAsync();
        var tenant = (await store.ProvisionAsync()).TenantId;
        var mail = await ChannelAsync(store, tenant, "mail");
        await ChannelAsync(store, tenant, "pager", ChannelKind.PagerDuty);
        (await store.Get<IAlertBook>().TellAsync(Draft(store, tenant, "digest:2026-W48", null, AlertKind.WeeklyDigest), Cancel)).ShouldBeTrue();
        (await AlertsAsync(store, tenant)).Single().Deliveries.Select(d => d.ChannelId).ShouldBe([mail]);
    }
}

public sealed class SqliteBookTests : BookTests<OnSqlite>;

public sealed class PostgresBookTests : BookTests<OnPostgres>;
