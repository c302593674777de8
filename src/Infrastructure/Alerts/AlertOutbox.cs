using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Secrets;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Alerts;

/// <summary>A message that somebody has taken to carry: for as long as the lease lasts nobody else does.</summary>
/// <param name="Attempt">1 for the first.</param>
/// <param name="Round">1; more where it is told again after a mute.</param>
internal sealed record DueDelivery(string TenantId, string AlertId, string ChannelId, int Attempt, int Round = 1)
{
    /// <summary>The same for each attempt.</summary>
    public string MessageId => Round == 1 ? $"{AlertId}.{ChannelId}" : FormattableString.Invariant($"{AlertId}.{ChannelId}.{Round}");
}

/// <summary>
/// Alerts on their way out of the store. What the ledger wrote with the call that caused it becomes an alert with one delivery for each channel, in one transaction that marks it as
/// done: once, however many hosts look. A delivery is taken by moving its time on; who takes it and dies is followed by another when that time has come, with the same message id.
/// </summary>
internal sealed class AlertOutbox(ISqlStore store, AlertBook book, ISecretBox box, IPortalLinks links, TimeProvider time)
{
    private const int Batch = 100;
    private const int MostChannels = 1000;

    /// <summary>For how long whoever took a delivery has it for themselves. Longer than an attempt may take.</summary>
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(90);

    private sealed record Cause(
        long Id, string TenantId, string Zone, string BudgetId, string Subject, string Kind, int Threshold, string Request, long Posted, long Limit, long At, string Scope, string ScopeName, string ScopeValue, string? Named, string Period, long PeriodEnd, string Action);

    /// <summary>Makes alerts of what the ledger has noted. One that can't be made keeps no other from being.</summary>
    /// <returns>How many were made.</returns>
    public async Task<int> TakeUpAsync(CancellationToken cancellationToken)
    {
        var (made, failed) = (0, default(Exception));
        foreach (var cause in await Task.Run(Causes, cancellationToken))
        {
            try
            {
                made += await store.WriteAsync(transaction => Make(transaction, cause), cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed = e;
            }
        }

        return made == 0 && failed is not null ? throw failed : made;
    }

    /// <summary>Takes what is due, the longest waiting first.</summary>
    /// <param name="busy">Channels that something is on its way to already: one after the other.</param>
    /// <param name="most">How many at most.</param>
    public async Task<IReadOnlyList<DueDelivery>> TakeDueAsync(IReadOnlySet<(string, string)> busy, int most, CancellationToken cancellationToken)
    {
        if (most <= 0)
            return [];
        var now = UsageRow.Micros(time.GetUtcNow());
        var due = await Task.Run(() => Due(now), cancellationToken);
        var taken = new List<DueDelivery>();
        foreach (var (delivery, nextAt, moot) in due.Where(d => !busy.Contains((d.Delivery.TenantId, d.Delivery.ChannelId))).Take(most))
        {
            if (moot)
                await DropAsync(delivery, "not needed: its beginning did not arrive", now, cancellationToken);
            else if (await store.WriteAsync(
                transaction => transaction.Execute(
                    "UPDATE alert_deliveries SET next_at = @lease, attempts = @attempt, tried_at = @now WHERE tenant_id = @tenant AND alert_id = @alert AND channel_id = @channel AND next_at = @seen AND attempts = @before",
                    [.. Key(delivery), ("@lease", now + ((long)Lease.TotalMilliseconds * 1000)), ("@attempt", delivery.Attempt), ("@now", now), ("@seen", nextAt), ("@before", delivery.Attempt - 1)]) == 1,
                cancellationToken))
                taken.Add(delivery);
        }

        return taken;
    }

    private Task<int> DropAsync(DueDelivery delivery, string why, long now, CancellationToken cancellationToken) => store.WriteAsync(
        transaction => transaction.Execute(
            "UPDATE alert_deliveries SET next_at = NULL, dropped_at = @now, answer = @why WHERE tenant_id = @tenant AND alert_id = @alert AND channel_id = @channel AND next_at IS NOT NULL AND attempts = @before",
            [.. Key(delivery), ("@now", now), ("@why", why), ("@before", delivery.Attempt - 1)]),
        cancellationToken);

    /// <summary>What is to be sent, and where; null where the channel has been removed or switched off meanwhile, which ends the delivery.</summary>
    public async Task<(OpenChannel Channel, Alert Alert)?> OpenAsync(DueDelivery delivery, CancellationToken cancellationToken)
    {
        var opened = await Task.Run(() => Open(delivery), cancellationToken);
        if (opened is null)
            await store.WriteAsync(
                transaction => transaction.Execute(
                    "UPDATE alert_deliveries SET next_at = NULL, failed_at = @now, answer = @answer WHERE tenant_id = @tenant AND alert_id = @alert AND channel_id = @channel AND attempts = @attempt AND next_at IS NOT NULL",
                    [.. Key(delivery), ("@now", UsageRow.Micros(time.GetUtcNow())), ("@answer", "the channel is off"), ("@attempt", delivery.Attempt)]),
                cancellationToken);
        return opened;
    }

    /// <summary>Writes down what came of an attempt. One that another has taken meanwhile stays theirs.</summary>
    public Task DoneAsync(DueDelivery delivery, SendResult result, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var wait = result.Delivered || result.Closed || result.Hopeless ? null : DeliverySchedule.After(delivery.Attempt, result.RetryAfter, RandomNumberGenerator.GetInt32(1000) / 1000d);
        return store.WriteAsync(
            transaction =>
            {
                var mine = transaction.Execute(
                    $"""
                    UPDATE alert_deliveries SET next_at = {(wait is null ? "NULL" : "@next")}, delivered_at = {(result.Delivered ? "@now" : "NULL")}, failed_at = {(!result.Delivered && wait is null ? "@now" : "NULL")}, answer = @answer
                    WHERE tenant_id = @tenant AND alert_id = @alert AND channel_id = @channel AND attempts = @attempt AND next_at IS NOT NULL
                    """,
                    [.. Key(delivery), ("@now", UsageRow.Micros(now)), ("@next", UsageRow.Micros(now + (wait ?? TimeSpan.Zero))), ("@answer", result.Answer), ("@attempt", delivery.Attempt)]);
                // A receiver that wants no more, and one that was silent for a day: nothing further is sent there until somebody looks.
                if (mine == 1 && !result.Delivered && wait is null && !result.Hopeless)
                {
                    transaction.Execute(
                        "UPDATE alert_channels SET disabled_at = @now, disabled_why = @why WHERE tenant_id = @tenant AND id = @channel AND disabled_at IS NULL AND removed_at IS NULL",
                        ("@tenant", delivery.TenantId), ("@channel", delivery.ChannelId), ("@now", UsageRow.Micros(now)),
                        ("@why", result.Closed ? $"its receiver refused it: {result.Answer}" : $"nothing arrived for a day: {result.Answer}"));
                    transaction.Execute(
                        "UPDATE alert_deliveries SET next_at = NULL, failed_at = @now, answer = @answer WHERE tenant_id = @tenant AND channel_id = @channel AND next_at IS NOT NULL",
                        ("@tenant", delivery.TenantId), ("@channel", delivery.ChannelId), ("@now", UsageRow.Micros(now)), ("@answer", "the channel is off"));
                }

                return mine;
            },
            cancellationToken);
    }

    private static (string, object)[] Key(DueDelivery delivery) => [("@tenant", delivery.TenantId), ("@alert", delivery.AlertId), ("@channel", delivery.ChannelId)];

    // A plan's quota of calls is told by mail to those who pay: that is billing's.
    private List<Cause> Causes()
    {
        using var connection = store.Open();
        return connection.Command(null, """
            SELECT a.id, a.tenant_id, t.time_zone, a.budget_id, a.subject, a.kind, a.threshold, a.request, a.posted_nano, a.limit_nano, a.at, b.scope, b.scope_name, b.scope_value,
                   coalesce(team.name, project.name, k.name), b.period, p.period_end, b.action
            FROM budget_alerts AS a
            JOIN budgets AS b ON b.tenant_id = a.tenant_id AND b.id = a.budget_id AND NOT (b.scope = 'tenant' AND b.scope_name = 'calls')
            JOIN budget_accounts AS p ON p.tenant_id = a.tenant_id AND p.budget_id = a.budget_id AND p.subject = a.subject AND p.period_start = a.period_start
            JOIN tenants AS t ON t.id = a.tenant_id
            LEFT JOIN teams AS team ON b.scope = 'team' AND team.tenant_id = b.tenant_id AND team.id = b.scope_value
            LEFT JOIN projects AS project ON b.scope = 'project' AND project.tenant_id = b.tenant_id AND project.id = b.scope_value
            LEFT JOIN metering_keys AS k ON b.scope = 'key' AND k.tenant_id = b.tenant_id AND k.id = b.scope_value
            WHERE a.delivered_at IS NULL ORDER BY a.id LIMIT @limit
            """, ("@limit", Batch)).Rows(row => new Cause(
            row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetInt32(6), row.GetString(7), row.GetInt64(8), row.GetInt64(9), row.GetInt64(10), row.GetString(11),
            row.GetString(12), row.GetString(13), row.IsDBNull(14) ? null : row.GetString(14), row.GetString(15), row.GetInt64(16), row.GetString(17)));
    }

    private int Make(DbTransaction transaction, Cause cause)
    {
        var now = time.GetUtcNow();
        if (transaction.Execute("UPDATE budget_alerts SET delivered_at = @now WHERE id = @id AND delivered_at IS NULL", ("@now", UsageRow.Micros(now)), ("@id", cause.Id)) != 1)
            return 0;
        var (kind, severity, title, text, facts) = Words(cause);
        var subject = AlertSubject.Of(StoredBudget.ReadScope(cause.Scope, cause.ScopeName, cause.ScopeValue), cause.Subject);
        var told = book.Tell(transaction, new AlertDraft(
            cause.TenantId, "budget_alert:" + cause.Id.ToString(CultureInfo.InvariantCulture), kind, severity, subject, title, text, "/budgets/" + cause.BudgetId, facts, UsageRow.Time(cause.At)));
        return told ? 1 : 0;
    }

    private static (AlertKind Kind, AlertSeverity Severity, string Title, string Text, IReadOnlyList<AlertFact> Facts) Words(Cause cause)
    {
        var whose = cause.Scope switch
        {
            "tenant" => "the whole organization",
            "tag" or "each" => $"{cause.ScopeName} {(cause.Scope == "each" ? cause.Subject : cause.ScopeValue)}",
            _ => $"{cause.Scope} {cause.Named ?? cause.ScopeValue}",
        };
        var (per, period) = BudgetWords.Of(Enum.Parse<BudgetPeriod>(cause.Period, ignoreCase: true));
        var (posted, limit) = (AlertWords.Usd(new NanoUsd(cause.Posted)), AlertWords.Usd(new NanoUsd(cause.Limit)));
        var ends = cause.Period == "total" ? null : AlertWords.At(UsageRow.Time(cause.PeriodEnd), TimeZoneInfo.FindSystemTimeZoneById(cause.Zone));
        var after = BudgetWords.WhenSpent(Enum.Parse<BudgetAction>(cause.Action, ignoreCase: true), ends);
        List<AlertFact> facts = [new("Budget of", whose), new("Spent", posted), new("Cap", limit)];
        if (ends is not null)
            facts.Add(new("New period", ends));
        if (cause.Kind == "overrun")
        {
            facts.Add(new("Call", cause.Request));
            return (AlertKind.BudgetOverrun, AlertSeverity.Warning, $"A call cost more than was held for it: {whose}",
                $"The provider charged more for one call than the most that it could cost by the price list and its limits. It is counted in full in the {per} budget of {whose}, which stands at {posted} of {limit}. Look at the call: a provider that keeps no output limit, or a price that has changed.", facts);
        }

        if (cause.Threshold < 100)
            return (AlertKind.BudgetThreshold, AlertSeverity.Warning, $"{cause.Threshold} % of the {per} budget is spent: {whose}",
                $"{posted} of {limit} {(cause.Period == "total" ? "is" : "are")} spent {period}. At 100 % {after}.", facts);
        return (AlertKind.BudgetExhausted, cause.Action == "alert" ? AlertSeverity.Warning : AlertSeverity.Critical, $"{(cause.Threshold == 100 ? "The" : $"{cause.Threshold} % of the")} {per} budget is used up: {whose}",
            $"{posted} of {limit} are spent {period}. From now on {after}.{(cause.Action == "alert" ? "" : " To go on at once, raise the cap or give it an increase that ends by itself.")}", facts);
    }

    private List<(DueDelivery Delivery, long NextAt, bool Moot)> Due(long now)
    {
        using var connection = store.Open();
        // The first of each channel: however much waits for one that is dead, the others have their turn. The end of something waits while its beginning does, and is moot where that was given up.
        return connection.Command(null, """
            SELECT tenant_id, alert_id, channel_id, attempts, next_at, round, moot
            FROM (SELECT d.tenant_id, d.alert_id, d.channel_id, d.attempts, d.next_at, d.round, CASE WHEN (a.resolves IS NOT NULL AND b.alert_id IS NULL) OR b.failed_at IS NOT NULL OR (b.dropped_at IS NOT NULL AND b.round = 1) THEN 1 ELSE 0 END AS moot,
                         row_number() OVER (PARTITION BY d.tenant_id, d.channel_id ORDER BY d.next_at, d.alert_id) AS place
                  FROM alert_deliveries AS d
                  JOIN alerts AS a ON a.tenant_id = d.tenant_id AND a.id = d.alert_id
                  LEFT JOIN alert_deliveries AS b ON b.tenant_id = d.tenant_id AND b.alert_id = a.resolves AND b.channel_id = d.channel_id
                  WHERE d.next_at IS NOT NULL AND d.next_at <= @now AND b.next_at IS NULL) AS due
            WHERE place = 1 ORDER BY next_at, alert_id LIMIT @limit
            """, ("@now", now), ("@limit", MostChannels))
            .Rows(row => (new DueDelivery(row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt32(3) + 1, row.GetInt32(5)), row.GetInt64(4), row.GetInt32(6) == 1));
    }

    private (OpenChannel, Alert)? Open(DueDelivery delivery)
    {
        using var connection = store.Open();
        var now = time.GetUtcNow();
        var found = connection.Command(null, """
            SELECT c.kind, c.address_id, c.signing_id, c.signing_old_id, c.signing_old_end, t.name, a.kind, a.severity, a.title, a.text, a.path, a.facts, a.at, a.resolves
            FROM alert_channels AS c
            JOIN tenants AS t ON t.id = c.tenant_id
            JOIN alerts AS a ON a.tenant_id = c.tenant_id AND a.id = @alert
            WHERE c.tenant_id = @tenant AND c.id = @channel AND c.disabled_at IS NULL AND c.removed_at IS NULL
            """, Key(delivery)).Rows(row => (
            Kind: Enum.Parse<ChannelKind>(row.GetString(0), ignoreCase: true),
            Secrets: AlertChannel.InUse(row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.IsDBNull(3) ? null : row.GetString(3), row.IsDBNull(4) ? null : UsageRow.Time(row.GetInt64(4)), now),
            Alert: new Alert(
                delivery.AlertId, delivery.TenantId, row.GetString(5), AlertKinds.Parse(row.GetString(6)) ?? AlertKind.Test, Enum.Parse<AlertSeverity>(row.GetString(7), ignoreCase: true),
                delivery.Round > 1 && row.IsDBNull(13) ? "Still: " + row.GetString(8) : row.GetString(8), row.GetString(9),
                new Uri(links.Link(row.GetString(10))), [.. AlertFacts.Read(row.GetString(11)).Select(f => f.Link is null ? f : f with { Link = links.Link(f.Link) })], UsageRow.Time(row.GetInt64(12)), row.IsDBNull(13) ? null : row.GetString(13))));
        if (found.Count == 0)
            return null;
        var opened = found[0].Secrets.Select(id => Secret(connection, delivery.TenantId, id)).ToList();
        return (new OpenChannel(found[0].Kind, opened[0], opened[1..]), found[0].Alert);
    }

    private string Secret(DbConnection connection, string tenantId, string id) => connection.Command(
        null, "SELECT purpose, kek_id, wrapped_key, ciphertext, created_at FROM secrets WHERE tenant_id = @tenant AND id = @id", ("@tenant", tenantId), ("@id", id))
        .Rows(row => box.Open(new SealedSecret
        {
            TenantId = tenantId,
            Id = id,
            Purpose = row.GetString(0),
            KekId = row.GetString(1),
            WrappedKey = row.GetFieldValue<byte[]>(2),
            Ciphertext = row.GetFieldValue<byte[]>(3),
            CreatedAt = UsageRow.Time(row.GetInt64(4)),
        }))[0];
}
