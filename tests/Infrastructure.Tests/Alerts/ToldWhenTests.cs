using System.Globalization;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Alerts;

namespace Tokonomics.Tests.Alerts;

/// <summary>Who is told of what, and when, on every store: rules as they are stored, mutes, quiet hours, and that no end overtakes its beginning.</summary>
public abstract class ToldWhenTests<TStore> : IAsyncLifetime
    where TStore : IStoreKind, new()
{
    private readonly List<(string Channel, Alert Alert, string MessageId)> _got = [];
    private Func<string, bool> _takes = _ => true;
    private TempStore _store = null!;
    private string _tenant = "";
    private AlertSubject _key;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private IAlertBook Book => _store.Get<IAlertBook>();

    public async ValueTask InitializeAsync()
    {
        _store = await new TStore().NewAsync();
        var made = await _store.ProvisionAsync();
        (_tenant, _key) = (made.TenantId, AlertSubject.Key(made.LiveKey.Id));
        (await _store.SendAsync(new SetTenantSettings(Caller.Operator, _tenant) { TimeZone = "Europe/Berlin" })).Succeeded.ShouldBeTrue();
        At("2027-03-10T12:00"); // a Wednesday; Berlin is an hour ahead
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private void At(string utc) => _store.Clock.Ahead += DateTimeOffset.Parse(utc, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal) - _store.Clock.GetUtcNow();

    private DateTimeOffset Now => _store.Clock.GetUtcNow();

    private AlertDraft Draft(string cause, string? condition = null, AlertSeverity severity = AlertSeverity.Warning, AlertKind kind = AlertKind.SpendSpike, AlertSubject? subject = null) => new(
        _tenant, cause, kind, severity, subject ?? _key, cause, "Look.", "/explore", [], Now, condition);

    private AlertEnd End(string condition) => new(_tenant, condition, "It is as usual again.", [], Now);

    private async Task<string> ChannelAsync(string name, ChannelKind kind = ChannelKind.Email) => (await _store.SendAsync(new AddAlertChannel(
        Caller.Operator, _tenant, kind, name, kind switch { ChannelKind.Email => $"{name}@example.com", ChannelKind.Webhook => $"https://{name}.example.com/", _ => "0123456789abcdef0123456789abcdef" }, []))).Value.ChannelId;

    private async Task QuietAsync(bool pagerWaits = true) =>
        (await _store.SendAsync(new SetQuietHours(Caller.Operator, _tenant, new QuietHours(Enum.GetValues<DayOfWeek>(), new TimeOnly(22, 0), new TimeOnly(7, 0)), pagerWaits))).Succeeded.ShouldBeTrue();

    private async Task<string> MuteAsync(AlertKind? kind, AlertSubject subject, TimeSpan lasts)
    {
        var muted = await _store.SendAsync(new MuteAlerts(Caller.Operator, _tenant, kind, subject, Now + lasts, "a load test"));
        muted.Succeeded.ShouldBeTrue(muted.Refusal?.Message);
        return muted.Value.MuteId;
    }

    /// <summary>What is due now goes out, as a worker does it; what came to whom since the last time.</summary>
    private async Task<IReadOnlyList<string>> CarryAsync()
    {
        var (outbox, book, before) = (_store.Get<AlertOutbox>(), _store.Get<AlertBook>(), _got.Count);
        while (await book.MindMutesAsync(Cancel) > 0)
        {
        }

        var names = (await _store.SendAsync(new ListAlertChannels(Caller.Operator, _tenant))).Value.Channels.ToDictionary(c => c.Id, c => c.Name);
        for (IReadOnlyList<DueDelivery> due; (due = await outbox.TakeDueAsync(new HashSet<(string, string)>(), 10, Cancel)).Count > 0;)
            foreach (var delivery in due)
            {
                if (await outbox.OpenAsync(delivery, Cancel) is not { } open)
                    continue;
                var takes = _takes(names[delivery.ChannelId]);
                if (takes)
                    _got.Add((names[delivery.ChannelId], open.Alert, delivery.MessageId));
                await outbox.DoneAsync(delivery, new SendResult(takes, takes ? "200" : "500"), Cancel);
            }

        return [.. _got.Skip(before).Select(g => $"{g.Channel}: {g.Alert.Title}").Order(StringComparer.Ordinal)];
    }

    private async Task<IReadOnlyList<AlertLine>> AlertsAsync() => (await _store.SendAsync(new ListAlerts(Caller.Operator, _tenant) { Ends = false })).Value.Alerts;

    [Fact]
    public async Task Rules_are_read_as_they_were_set_and_without_one_the_defaults_hold()
    {
        var rules = _store.Get<IAlertRules>();
        (await rules.OfAsync(_tenant, Cancel)).For(AlertKind.SpendSpike, []).ShouldBe(AlertTerms.Default);
        var terms = new AlertTerms { On = true, FloorPerHour = NanoUsd.Round(12.34m), Ratio = 3.25m, Hours = 6, FailingPercent = 40, LeastCalls = 7, UnusedDays = 90 };
        var tag = new AlertSubject("tag", "customer", "acme");
        var made = await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.SpendSpike, tag, terms));
        (await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.KeyAwake, AlertSubject.Tenant, terms with { On = false }))).Succeeded.ShouldBeTrue();
        var read = await rules.OfAsync(_tenant, Cancel);
        read.For(AlertKind.SpendSpike, [tag]).ShouldBe(terms);
        read.For(AlertKind.SpendSpike, []).ShouldBe(AlertTerms.Default);
        read.For(AlertKind.KeyAwake, [tag]).On.ShouldBeFalse();

        (await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.SpendSpike, tag, terms))).Refusal!.Code.ShouldBe("rule_exists");
        (await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.SpendSpike, new("team", "", "team_none"), terms))).Refusal!.Code.ShouldBe("team_not_found");
        (await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.BudgetThreshold, AlertSubject.Tenant, terms))).Refusal!.Message.ShouldContain("at the budget");
        (await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.PlanQuota, tag, terms))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        (await _store.SendAsync(new AddAlertRule(Caller.Operator, _tenant, AlertKind.SpendSpike, AlertSubject.Tenant, terms with { Hours = 0 }))).Refusal!.Fields.Single().Field.ShouldEndWith("hours");

        (await _store.SendAsync(new ChangeAlertRule(Caller.Operator, _tenant, made.Value.RuleId, terms with { Hours = 3 }))).Succeeded.ShouldBeTrue();
        (await rules.OfAsync(_tenant, Cancel)).For(AlertKind.SpendSpike, [tag]).Hours.ShouldBe(3);
        (await _store.SendAsync(new RemoveAlertRule(Caller.Operator, _tenant, made.Value.RuleId))).Succeeded.ShouldBeTrue();
        (await rules.OfAsync(_tenant, Cancel)).For(AlertKind.SpendSpike, [tag]).ShouldBe(AlertTerms.Default);
    }

    [Fact]
    public async Task What_is_muted_stands_on_the_page_and_is_told_as_the_mute_ends_while_it_is_open()
    {
        await ChannelAsync("mail");
        var mute = await MuteAsync(AlertKind.SpendSpike, _key, TimeSpan.FromHours(1));
        (await Book.TellAsync(Draft("lasts", "a"), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("passes", "b"), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("happened"), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("another key", "c", subject: AlertSubject.Key("key_2")), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: another key"]);
        var line = (await AlertsAsync()).Single(a => a.Title == "lasts");
        (line.Muted!.MuteId, line.Muted.By, line.Muted.Why, line.Muted.Runs, line.Deliveries.Count).ShouldBe((mute, "operator", "a load test", true, 0));

        (await Book.ResolveAsync(End("b"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBeEmpty(); // who never heard of it needn't hear of its end
        _store.Clock.Ahead += TimeSpan.FromMinutes(61);
        (await CarryAsync()).ShouldBe(["mail: lasts"]);
        (await CarryAsync()).ShouldBeEmpty();
        (await AlertsAsync()).Single(a => a.Title == "lasts").Muted.ShouldBeNull();
        (await AlertsAsync()).Single(a => a.Title == "happened").Muted!.Runs.ShouldBeFalse();
        (await Book.ResolveAsync(End("a"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: Over: lasts"]);
    }

    [Fact]
    public async Task A_mute_that_is_ended_by_hand_lets_go_at_once_and_stays_for_the_record()
    {
        await ChannelAsync("mail");
        var (first, second) = (await MuteAsync(null, AlertSubject.Tenant, TimeSpan.FromHours(5)), await MuteAsync(AlertKind.SpendSpike, AlertSubject.Tenant, TimeSpan.FromHours(1)));
        (await Book.TellAsync(Draft("lasts", "a"), Cancel)).ShouldBeTrue();
        (await _store.SendAsync(new EndMute(Caller.Operator, _tenant, first))).Succeeded.ShouldBeTrue();
        (await CarryAsync()).ShouldBeEmpty(); // the other still covers it
        (await AlertsAsync()).Single().Muted!.MuteId.ShouldBe(second);
        (await _store.SendAsync(new EndMute(Caller.Operator, _tenant, second))).Succeeded.ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: lasts"]);
        (await _store.SendAsync(new EndMute(Caller.Operator, _tenant, second))).Refusal!.Code.ShouldBe("mute_not_found");
        (await _store.SendAsync(new ListMutes(Caller.Operator, _tenant))).Value.Mutes.Select(m => (m.Id, m.Runs, m.EndedBy)).ShouldBe([(second, false, "operator"), (first, false, "operator")], ignoreOrder: true);
    }

    [Fact]
    public async Task Snoozed_is_told_again_as_another_message_when_it_is_still_open_and_its_end_is_told_meanwhile()
    {
        await ChannelAsync("mail");
        (await Book.TellAsync(Draft("lasts", "a"), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("passes", "b"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).Count.ShouldBe(2);
        var alert = (await AlertsAsync()).Single(a => a.Title == "lasts");
        (await _store.SendAsync(new SnoozeAlert(Caller.Operator, _tenant, alert.Id, Now.AddHours(8)))).Succeeded.ShouldBeTrue();
        (await AlertsAsync()).Single(a => a.Title == "lasts").Muted!.Runs.ShouldBeTrue(); // at once, for whoever pressed
        (await CarryAsync()).ShouldBeEmpty();
        (await Book.ResolveAsync(End("b"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: Over: passes"]); // what was lit is put out, also while it is muted
        _store.Clock.Ahead += TimeSpan.FromHours(8.1);
        (await CarryAsync()).ShouldBe(["mail: Still: lasts"]);
        _got[^1].MessageId.ShouldBe($"{_got[0].MessageId}.2");
        _got[^1].Alert.Id.ShouldBe(alert.Id);
    }

    [Fact]
    public async Task A_mute_of_a_team_covers_its_projects_and_their_keys()
    {
        await ChannelAsync("mail");
        var team = (await _store.SendAsync(new CreateTeam(Caller.Operator, _tenant, "Search"))).Value.TeamId;
        var project = (await _store.SendAsync(new CreateProject(Caller.Operator, _tenant, "Site", team))).Value.ProjectId;
        var key = (await _store.SendAsync(new Application.Keys.CreateKey(Caller.Operator, _tenant, "site", Domain.Ledger.KeyEnvironment.Live) { ProjectId = project })).Value;
        await MuteAsync(null, new AlertSubject("team", "", team), TimeSpan.FromHours(1));
        (await Book.TellAsync(Draft("key", subject: AlertSubject.Key(key.Id)), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("project", subject: new("project", "", project)), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("tenant", subject: AlertSubject.Tenant), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: tenant"]);
    }

    [Fact]
    public async Task What_is_critical_is_muted_for_seven_days_at_most()
    {
        async Task<string?> RefusedAsync(AlertKind? kind, DateTimeOffset? until) => (await _store.SendAsync(new MuteAlerts(Caller.Operator, _tenant, kind, AlertSubject.Tenant, until, ""))).Refusal?.Message;
        (await RefusedAsync(AlertKind.BudgetExhausted, null))!.ShouldContain("seven days");
        (await RefusedAsync(null, Now.AddDays(30)))!.ShouldContain("seven days");
        (await RefusedAsync(AlertKind.WeeklyDigest, null)).ShouldBeNull();
        (await RefusedAsync(AlertKind.KeyAwake, null)).ShouldBeNull();
        await ChannelAsync("mail");
        (await Book.TellAsync(Draft("critical all the same", severity: AlertSeverity.Critical, kind: AlertKind.KeyAwake), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: critical all the same"]);
        var alert = (await AlertsAsync()).Single();
        (await _store.SendAsync(new SnoozeAlert(Caller.Operator, _tenant, alert.Id, null))).Refusal!.Message.ShouldContain("seven days");
        (await _store.SendAsync(new SnoozeAlert(Caller.Operator, _tenant, alert.Id, Now.AddDays(7)))).Succeeded.ShouldBeTrue();
    }

    [Fact]
    public async Task Quiet_hours_hold_what_can_wait_for_people_and_nothing_critical_and_no_program()
    {
        foreach (var (name, kind) in ((string, ChannelKind)[])[("mail", ChannelKind.Email), ("pager", ChannelKind.PagerDuty), ("program", ChannelKind.Webhook)])
            await ChannelAsync(name, kind);
        await QuietAsync();
        (await Book.TellAsync(Draft("by day", "a"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: by day", "pager: by day", "program: by day"]);

        At("2027-03-10T22:00"); // 23:00 in Berlin
        (await Book.TellAsync(Draft("by night", "b"), Cancel)).ShouldBeTrue();
        (await Book.TellAsync(Draft("critical", "c", AlertSeverity.Critical), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: critical", "pager: critical", "program: by night", "program: critical"]);
        (await AlertsAsync()).Single(a => a.Title == "by night").Deliveries.Single(d => d.Channel == "mail").NextAt.ShouldBe(new DateTimeOffset(2027, 3, 11, 6, 0, 0, TimeSpan.Zero));
        // The end of what was told by day waits for people; a pager is put out; what was critical is told to be over.
        (await Book.ResolveAsync(End("a"), Cancel)).ShouldBeTrue();
        (await Book.ResolveAsync(End("c"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["mail: Over: critical", "pager: Over: by day", "pager: Over: critical", "program: Over: by day", "program: Over: critical"]);
        At("2027-03-11T05:59");
        (await CarryAsync()).ShouldBeEmpty();
        At("2027-03-11T06:00");
        (await CarryAsync()).ShouldBe(["mail: Over: by day", "mail: by night", "pager: by night"]);

        await QuietAsync(pagerWaits: false);
        At("2027-03-11T22:00");
        (await Book.TellAsync(Draft("next night"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["pager: next night", "program: next night"]);
    }

    [Fact]
    public async Task What_is_over_before_the_quiet_time_is_told_neither_as_begun_nor_as_ended()
    {
        await ChannelAsync("mail");
        await ChannelAsync("program", ChannelKind.Webhook);
        await QuietAsync();
        At("2027-03-10T22:00");
        (await Book.TellAsync(Draft("a short one", "a"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["program: a short one"]);
        (await Book.ResolveAsync(End("a"), Cancel)).ShouldBeTrue();
        At("2027-03-11T08:00");
        (await CarryAsync()).ShouldBe(["program: Over: a short one"]);
        var line = (await AlertsAsync()).Single();
        var mail = line.Deliveries.Single(d => d.Channel == "mail");
        (mail.DroppedAt is not null, mail.NextAt, mail.Answer).ShouldBe((true, null, "not needed: it was over before"));
        line.End!.Deliveries.Select(d => d.Channel).ShouldBe(["program"]);
    }

    [Fact]
    public async Task A_mute_holds_back_what_waits_for_the_morning()
    {
        await ChannelAsync("mail");
        await QuietAsync();
        At("2027-03-10T22:00");
        (await Book.TellAsync(Draft("lasts", "a"), Cancel)).ShouldBeTrue();
        await MuteAsync(AlertKind.SpendSpike, AlertSubject.Tenant, TimeSpan.FromHours(12)); // until 11:00 in Berlin
        (await CarryAsync()).ShouldBeEmpty();
        At("2027-03-11T09:00");
        (await CarryAsync()).ShouldBeEmpty();
        At("2027-03-11T10:01");
        (await CarryAsync()).ShouldBe(["mail: lasts"]); // for the first time: nobody has heard of it
    }

    [Fact]
    public async Task An_end_whose_beginning_a_mute_took_back_is_not_sent()
    {
        await ChannelAsync("mail");
        (await Book.TellAsync(Draft("a short one", "a"), Cancel)).ShouldBeTrue();
        (await Book.ResolveAsync(End("a"), Cancel)).ShouldBeTrue();
        await MuteAsync(AlertKind.SpendSpike, AlertSubject.Tenant, TimeSpan.FromHours(1));
        (await CarryAsync()).ShouldBeEmpty();
        _store.Clock.Ahead += TimeSpan.FromHours(2);
        (await CarryAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_end_never_overtakes_its_beginning_and_is_dropped_where_that_is_given_up()
    {
        await ChannelAsync("slow");
        await ChannelAsync("well");
        _takes = name => name == "well";
        (await Book.TellAsync(Draft("lasts", "a"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["well: lasts"]);
        (await Book.ResolveAsync(End("a"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["well: Over: lasts"]);
        _takes = _ => true;
        (await CarryAsync()).ShouldBeEmpty(); // the beginning waits for its next attempt, and the end for it
        (await Book.TellAsync(Draft("other"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["slow: other", "well: other"]); // which keeps nothing else
        _store.Clock.Ahead += TimeSpan.FromMinutes(1);
        (await CarryAsync()).ShouldBe(["slow: Over: lasts", "slow: lasts"]);
        _got.Where(g => g.Channel == "slow").Select(g => g.Alert.Title).ShouldBe(["other", "lasts", "Over: lasts"]);

        _takes = name => name == "well";
        (await Book.TellAsync(Draft("dead letter", "b"), Cancel)).ShouldBeTrue();
        (await CarryAsync()).ShouldBe(["well: dead letter"]);
        (await Book.ResolveAsync(End("b"), Cancel)).ShouldBeTrue();
        _store.Execute("UPDATE alert_deliveries SET next_at = NULL, failed_at = 1 WHERE next_at IS NOT NULL AND attempts > 0");
        _takes = _ => true;
        (await CarryAsync()).ShouldBe(["well: Over: dead letter"]);
        var end = (await AlertsAsync()).Single(a => a.Title == "dead letter").End!.Deliveries.Single(d => d.Channel == "slow");
        (end.DroppedAt is not null, end.Answer).ShouldBe((true, "not needed: its beginning did not arrive"));

        // Sent again by hand: the beginning, and then its end.
        var alert = (await AlertsAsync()).Single(a => a.Title == "dead letter");
        (await _store.SendAsync(new ReplayDelivery(Caller.Operator, _tenant, alert.Id, end.ChannelId))).Succeeded.ShouldBeTrue();
        (await CarryAsync()).Count.ShouldBe(2);
        _got.TakeLast(2).Select(g => g.Alert.Title).ShouldBe(["dead letter", "Over: dead letter"]);
    }

    [Fact]
    public async Task Counts_and_filters_leave_out_what_is_over()
    {
        foreach (var (cause, condition, severity) in ((string, string?, AlertSeverity)[])[("open", "a", AlertSeverity.Critical), ("over", "b", AlertSeverity.Warning), ("happened", null, AlertSeverity.Warning), ("seen", null, AlertSeverity.Info)])
        {
            _store.Clock.Ahead += TimeSpan.FromSeconds(1);
            (await Book.TellAsync(Draft(cause, condition, severity, cause == "seen" ? AlertKind.WeeklyDigest : AlertKind.SpendSpike), Cancel)).ShouldBeTrue();
        }

        (await Book.ResolveAsync(End("b"), Cancel)).ShouldBeTrue();
        var all = (await _store.SendAsync(new ListAlerts(Caller.Operator, _tenant) { Ends = false })).Value;
        all.Alerts.Select(a => a.Title).ShouldBe(["seen", "happened", "over", "open"]);
        all.Unseen.ShouldBe(3);
        (await _store.SendAsync(new AcknowledgeAlert(Caller.Operator, _tenant, all.Alerts[0].Id))).Succeeded.ShouldBeTrue();
        (await _store.SendAsync(new AcknowledgeAlert(Caller.Operator, _tenant, all.Alerts[3].Id))).Succeeded.ShouldBeTrue();
        async Task<(string Titles, int Unseen)> ListAsync(ListAlerts list) => (await _store.SendAsync(list)).Value is var page ? (string.Join(' ', page.Alerts.Select(a => a.Title)), page.Unseen) : default;
        (await ListAsync(new ListAlerts(Caller.Operator, _tenant) { Open = true })).ShouldBe(("happened open", 1)); // somebody looks after it, and it is open
        (await ListAsync(new ListAlerts(Caller.Operator, _tenant) { Kind = AlertKind.WeeklyDigest })).ShouldBe(("seen", 1));
        (await ListAsync(new ListAlerts(Caller.Operator, _tenant) { Severity = AlertSeverity.Critical })).ShouldBe(("open", 1));
        var over = all.Alerts[2];
        (over.ResolvedAt is not null, over.End!.Text, over.IsOpen).ShouldBe((true, "It is as usual again.", false));
        (await _store.SendAsync(new ListAlerts(Caller.Operator, _tenant))).Value.Alerts.Count(a => a.Resolves == over.Id).ShouldBe(1);
    }
}

public sealed class SqliteToldWhenTests : ToldWhenTests<OnSqlite>;

public sealed class PostgresToldWhenTests : ToldWhenTests<OnPostgres>;
