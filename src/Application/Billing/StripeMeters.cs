using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Billing;

/// <summary>The meter in a tenant's own account at Stripe to which its customers' usage is reported.</summary>
public sealed class StripeMeter
{
    public const string Purpose = "stripe-meter";

    public required string TenantId { get; init; }

    public required string SecretId { get; set; }

    /// <summary>What is shown of the key: its beginning, which says what it is, and four characters.</summary>
    public required string MaskedKey { get; set; }

    /// <summary>The key is one of live mode. What was reported in one mode says nothing of the other.</summary>
    public required bool Live { get; set; }

    public required string EventName { get; set; }

    public required DateTimeOffset StoredAt { get; set; }

    public required string StoredBy { get; set; }

    /// <summary>The month in which the first key of this mode was stored: none before it is reported. 202611.</summary>
    public required int FromMonth { get; set; }

    /// <summary>Hours before it are planned; null before the first time.</summary>
    public DateTimeOffset? PlannedUntil { get; set; }

    /// <summary>When it was last reported, or tried to be.</summary>
    public DateTimeOffset? RanAt { get; set; }

    /// <summary>A worker is at it until then at most.</summary>
    public DateTimeOffset? BusyUntil { get; set; }

    /// <summary>Why nothing is reported, in a sentence that says what mends it; empty where all is well.</summary>
    public string Problem { get; set; } = "";
}

/// <summary>A customer of the tenant's (a value of the tag <c>customer</c>), and who that is at Stripe.</summary>
public sealed class MeteredCustomer
{
    public required string TenantId { get; init; }

    public required string Customer { get; init; }

    /// <summary><c>cus_…</c></summary>
    public required string StripeCustomer { get; set; }

    /// <summary>The first month that is reported, from its beginning: 202611. So that what is reported of a month is what its statement says.</summary>
    public required int FromMonth { get; init; }

    public required DateTimeOffset ConnectedAt { get; set; }

    public required string ConnectedBy { get; set; }

    /// <inheritdoc cref="StripeMeter.Problem"/>
    public string Problem { get; set; } = "";
}

public enum MeterReportState
{
    /// <summary>Not known to be at Stripe.</summary>
    Pending,
    Reported,

    /// <summary>Too old for Stripe to take.</summary>
    Missed,

    /// <summary>Whether Stripe has it can't be found out: somebody has to look.</summary>
    Unclear,
}

/// <summary>An amount that is to be reported, written before it is sent and frozen from then on: whoever sends it again sends the same.</summary>
public sealed class MeterReport
{
    public required string TenantId { get; init; }

    public required bool Live { get; init; }

    public required string Customer { get; init; }

    /// <summary>The hour's first instant that lies in the month.</summary>
    public required DateTimeOffset Hour { get; init; }

    /// <summary>0 for the hour's first report; each later one is a difference.</summary>
    public required int Serial { get; init; }

    public required long Cents { get; init; }

    /// <summary>When it counts at Stripe.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>What Stripe knows it by; made from all of the above but the amount.</summary>
    public required string Identifier { get; init; }

    public required DateTimeOffset PlannedAt { get; init; }

    public MeterReportState State { get; set; }

    /// <summary>To whom it was sent, as of its last try.</summary>
    public string? StripeCustomer { get; set; }

    public string? EventName { get; set; }

    /// <summary>Since when Stripe may have it; null where it can't.</summary>
    public DateTimeOffset? UnsureSince { get; set; }

    public DateTimeOffset? DoneAt { get; set; }

    public int Tries { get; set; }

    public string Problem { get; set; } = "";
}

/// <summary>
/// Keeps the key and the name of the meter's events. Without a key the one that is stored stays. Asks nothing at Stripe: see <see cref="CheckStripeMeter"/>.
/// </summary>
/// <param name="SecretKey">Of the tenant's own account: a restricted key, or a secret one. Null or empty for the one before.</param>
public sealed record SetStripeMeter(Caller Caller, string TenantId, string? SecretKey, string EventName) : IUseCase<StripeMeterSet>, IChange
{
    public Right Needs => Right.ManageBilling;

    public string AuditDetail => string.IsNullOrEmpty(SecretKey) ? EventName : $"{EventName}, with a new key";

    public override string ToString() => $"Stripe meter of {TenantId}";
}

public sealed record StripeMeterSet(string MaskedKey, bool Live, string EventName);

internal sealed class SetStripeMeterRules : AbstractValidator<SetStripeMeter>
{
    public const string KeyRule = "A secret key of Stripe begins with rk_live_, rk_test_, sk_live_ or sk_test_, and has no spaces. A key that begins with pk_ is the public one.";

    private static readonly string[] Kinds = ["rk_live_", "rk_test_", "sk_live_", "sk_test_"];

    public SetStripeMeterRules()
    {
        RuleFor(s => s.SecretKey).Must(k => string.IsNullOrEmpty(k) || (k.Length is >= 20 and <= 255 && k.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') && Kinds.Any(kind => k.StartsWith(kind, StringComparison.Ordinal)))).WithMessage(KeyRule);
        RuleFor(s => s.EventName).Must(n => n is { Length: >= 1 and <= 100 } && n.All(c => c is > ' ' and < (char)0x7f)).WithMessage("The event name is the meter's, as Stripe shows it: 1 to 100 characters, no spaces.");
    }
}

internal sealed class SetStripeMeterHandler(TokonomicsDbContext db, PlansInForce plans, ISecretBox box, TimeProvider time) : IRequestHandler<SetStripeMeter, Outcome<StripeMeterSet>>
{
    public async Task<Outcome<StripeMeterSet>> Handle(SetStripeMeter request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Rebilling, "statements for your own customers", cancellationToken) is { } lacks)
            return lacks;
        var (now, key) = (time.GetUtcNow(), request.SecretKey);
        var row = await db.StripeMeters.FirstOrDefaultAsync(m => m.TenantId == request.TenantId, cancellationToken);
        var month = StatementMonth.Of(now, (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken)).Calendar.Zone).Number;
        if (string.IsNullOrEmpty(key))
        {
            if (row is null)
                return Refusal.Invalid(nameof(request.SecretKey), "Stripe's secret key is missing: a restricted key of your own account.");
        }
        else
        {
            var secret = box.Seal(request.TenantId, SortableId.New("sec", now), StripeMeter.Purpose, key);
            var (masked, live) = ($"{key[..8]}…{key[^4..]}", key.Contains("_live_", StringComparison.Ordinal));
            db.Secrets.Add(secret);
            if (row is null)
                db.StripeMeters.Add(row = new StripeMeter { TenantId = request.TenantId, SecretId = secret.Id, MaskedKey = masked, Live = live, EventName = request.EventName, StoredAt = now, StoredBy = request.Caller.Actor, FromMonth = month });
            else
            {
                await db.Secrets.Where(s => s.TenantId == request.TenantId && s.Id == row.SecretId).ExecuteDeleteAsync(cancellationToken);
                // Of the other mode nothing is planned yet.
                if (row.Live != live)
                    (row.PlannedUntil, row.FromMonth) = (null, month);
                (row.SecretId, row.MaskedKey, row.Live) = (secret.Id, masked, live);
            }
        }

        (row.EventName, row.StoredAt, row.StoredBy, row.Problem) = (request.EventName, now, request.Caller.Actor, "");
        return new StripeMeterSet(row.MaskedKey, row.Live, row.EventName);
    }
}

/// <summary>Ends reporting and deletes the key. What was reported, and who is who, stays: should it begin again, nothing is reported twice.</summary>
public sealed record RemoveStripeMeter(Caller Caller, string TenantId) : IUseCase<StripeMeterRemoved>, IChange
{
    public Right Needs => Right.ManageBilling;

    public string AuditDetail => "";
}

public sealed record StripeMeterRemoved;

internal sealed class RemoveStripeMeterHandler(TokonomicsDbContext db) : IRequestHandler<RemoveStripeMeter, Outcome<StripeMeterRemoved>>
{
    public async Task<Outcome<StripeMeterRemoved>> Handle(RemoveStripeMeter request, CancellationToken cancellationToken)
    {
        if (await db.StripeMeters.FirstOrDefaultAsync(m => m.TenantId == request.TenantId, cancellationToken) is not { } row)
            return Refusal.NotFound("meter");
        db.Remove(row);
        await db.SaveChangesAsync(cancellationToken); // before the secret that it refers to
        await db.Secrets.Where(s => s.TenantId == request.TenantId && s.Id == row.SecretId).ExecuteDeleteAsync(cancellationToken);
        return new StripeMeterRemoved();
    }
}

/// <summary>Says who a customer is at Stripe: from the running month's beginning on, what its statement says is reported there.</summary>
/// <param name="Customer">A value of the tag <c>customer</c>.</param>
/// <param name="StripeCustomer"><c>cus_…</c></param>
public sealed record ConnectMeteredCustomer(Caller Caller, string TenantId, string Customer, string StripeCustomer) : IUseCase<MeteredCustomerConnected>, IChange
{
    public Right Needs => Right.ManageBilling;

    public string AuditDetail => $"{Customer} is {StripeCustomer}";
}

public sealed record MeteredCustomerConnected(string Customer, StatementMonth From) : IAuditSubject
{
    public string AuditSubject => Customer;
}

internal sealed class ConnectMeteredCustomerRules : AbstractValidator<ConnectMeteredCustomer>
{
    public ConnectMeteredCustomerRules()
    {
        RuleFor(c => c.Customer).Must(KeyTags.IsValue).WithMessage("A customer is a value of the tag 'customer': 1 to 256 printable characters.");
        RuleFor(c => c.StripeCustomer).Must(id => id is { Length: > 4 and <= 255 } && id.StartsWith("cus_", StringComparison.Ordinal) && id.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            .WithMessage("A customer's id at Stripe begins with cus_: it stands on the customer's page there.");
    }
}

internal sealed class ConnectMeteredCustomerHandler(TokonomicsDbContext db, PlansInForce plans, TimeProvider time) : IRequestHandler<ConnectMeteredCustomer, Outcome<MeteredCustomerConnected>>
{
    public async Task<Outcome<MeteredCustomerConnected>> Handle(ConnectMeteredCustomer request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Rebilling, "statements for your own customers", cancellationToken) is { } lacks)
            return lacks;
        var now = time.GetUtcNow();
        var row = await db.MeteredCustomers.FirstOrDefaultAsync(c => c.TenantId == request.TenantId && c.Customer == request.Customer, cancellationToken);
        if (row is null)
        {
            var zone = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken)).Calendar.Zone;
            db.MeteredCustomers.Add(row = new MeteredCustomer
            {
                TenantId = request.TenantId, Customer = request.Customer, StripeCustomer = request.StripeCustomer, FromMonth = StatementMonth.Of(now, zone).Number, ConnectedAt = now, ConnectedBy = request.Caller.Actor,
            });
            // Its hours of this month may be planned for the others already.
            await db.StripeMeters.Where(m => m.TenantId == request.TenantId).ExecuteUpdateAsync(set => set.SetProperty(m => m.PlannedUntil, (DateTimeOffset?)null), cancellationToken);
        }

        (row.StripeCustomer, row.ConnectedAt, row.ConnectedBy, row.Problem) = (request.StripeCustomer, now, request.Caller.Actor, "");
        return new MeteredCustomerConnected(row.Customer, new StatementMonth(row.FromMonth / 100, row.FromMonth % 100));
    }
}

/// <summary>Nothing more of that customer is reported. What waits and can't be at Stripe is forgotten.</summary>
public sealed record DisconnectMeteredCustomer(Caller Caller, string TenantId, string Customer) : IUseCase<MeteredCustomerDisconnected>, IChange
{
    public Right Needs => Right.ManageBilling;

    public string AuditDetail => Customer;
}

public sealed record MeteredCustomerDisconnected(string Customer) : IAuditSubject
{
    public string AuditSubject => Customer;
}

internal sealed class DisconnectMeteredCustomerHandler(TokonomicsDbContext db) : IRequestHandler<DisconnectMeteredCustomer, Outcome<MeteredCustomerDisconnected>>
{
    public async Task<Outcome<MeteredCustomerDisconnected>> Handle(DisconnectMeteredCustomer request, CancellationToken cancellationToken)
    {
        if (await db.MeteredCustomers.FirstOrDefaultAsync(c => c.TenantId == request.TenantId && c.Customer == request.Customer, cancellationToken) is not { } row)
            return Refusal.NotFound("customer");
        db.Remove(row);
        await db.MeterReports.Where(r => r.TenantId == request.TenantId && r.Customer == request.Customer && r.State == MeterReportState.Pending && r.UnsureSince == null).ExecuteDeleteAsync(cancellationToken);
        return new MeteredCustomerDisconnected(row.Customer);
    }
}

/// <summary>Somebody has looked at Stripe whether an event is there that nothing else could tell of.</summary>
/// <param name="Arrived">It is there. Otherwise it is sent again.</param>
public sealed record SettleMeterReport(Caller Caller, string TenantId, string Identifier, bool Arrived) : IUseCase<MeterReportSettled>, IChange
{
    public Right Needs => Right.ManageBilling;

    public string AuditDetail => $"{Identifier}: {(Arrived ? "is there" : "is not there")}";
}

public sealed record MeterReportSettled(string Customer) : IAuditSubject
{
    public string AuditSubject => Customer;
}

internal sealed class SettleMeterReportHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<SettleMeterReport, Outcome<MeterReportSettled>>
{
    public async Task<Outcome<MeterReportSettled>> Handle(SettleMeterReport request, CancellationToken cancellationToken)
    {
        if (await db.MeterReports.FirstOrDefaultAsync(r => r.TenantId == request.TenantId && r.Identifier == request.Identifier && r.State == MeterReportState.Unclear, cancellationToken) is not { } row)
            return Refusal.NotFound("report");
        (row.State, row.Problem) = (request.Arrived ? MeterReportState.Reported : MeterReportState.Pending, "");
        if (request.Arrived)
            row.DoneAt = time.GetUtcNow();
        else
            (row.DoneAt, row.UnsureSince) = (null, null);
        return new MeterReportSettled(row.Customer);
    }
}

/// <summary>Asks Stripe whether the key, the meter and the customers are as they must be. Changes nothing but what is known of that.</summary>
public sealed record CheckStripeMeter(Caller Caller, string TenantId) : IUseCase<StripeMeterChecked>
{
    public Right Needs => Right.ManageBilling;
}

/// <param name="Problem">What is wrong and what mends it; empty where nothing is.</param>
/// <param name="Customers">How many customers Stripe doesn't know.</param>
public sealed record StripeMeterChecked(string Problem, int Customers);

internal sealed class CheckStripeMeterHandler(TokonomicsDbContext db, MeterReporting reporting) : IRequestHandler<CheckStripeMeter, Outcome<StripeMeterChecked>>
{
    public async Task<Outcome<StripeMeterChecked>> Handle(CheckStripeMeter request, CancellationToken cancellationToken)
    {
        if (!await db.StripeMeters.AnyAsync(m => m.TenantId == request.TenantId, cancellationToken))
            return Refusal.NotFound("meter");
        await reporting.CheckAsync(request.TenantId, cancellationToken);
        return new StripeMeterChecked(
            await db.StripeMeters.Where(m => m.TenantId == request.TenantId).Select(m => m.Problem).FirstOrDefaultAsync(cancellationToken) ?? "",
            await db.MeteredCustomers.CountAsync(c => c.TenantId == request.TenantId && c.Problem != "", cancellationToken));
    }
}

/// <summary>What is reported, for whom, and what is in the way.</summary>
public sealed record GetStripeMeter(Caller Caller, string TenantId) : IUseCase<StripeMeterView>
{
    public Right Needs => Right.ManageBilling;
}

/// <param name="Month">The one that runs.</param>
/// <param name="Meter">Null where none is set.</param>
/// <param name="Others">Customers of this month who are nobody at Stripe yet.</param>
/// <param name="Unclear">Reports that somebody has to look after.</param>
public sealed record StripeMeterView(StatementMonth Month, StripeMeterLine? Meter, IReadOnlyList<MeteredLine> Customers, IReadOnlyList<string> Others, IReadOnlyList<UnclearReport> Unclear);

public sealed record StripeMeterLine(string MaskedKey, bool Live, string EventName, DateTimeOffset StoredAt, DateTimeOffset? RanAt, string Problem);

/// <param name="StatementCents">What its statement of the month says so far.</param>
/// <param name="ReportedCents">What of that is at Stripe.</param>
/// <param name="WaitingCents">What is on its way.</param>
/// <param name="MissedCents">What Stripe didn't take because it had become too old, in this month and all before.</param>
public sealed record MeteredLine(string Customer, string StripeCustomer, StatementMonth From, long StatementCents, long ReportedCents, long WaitingCents, long MissedCents, string Problem);

public sealed record UnclearReport(string Identifier, string Customer, string StripeCustomer, DateTimeOffset At, long Cents, string Problem);

internal sealed class GetStripeMeterHandler(TokonomicsDbContext db, IMediator mediator) : IRequestHandler<GetStripeMeter, Outcome<StripeMeterView>>
{
    public async Task<Outcome<StripeMeterView>> Handle(GetStripeMeter request, CancellationToken cancellationToken)
    {
        var tenant = request.TenantId;
        var statements = await mediator.Send(new GetStatements(request.Caller, tenant, null), cancellationToken);
        if (!statements.Succeeded)
            return statements.Refusal!;
        var (list, charged) = (statements.Value, statements.Value.Statements.ToDictionary(s => s.Customer, s => s.TotalCents, StringComparer.Ordinal));
        var meter = await db.StripeMeters.AsNoTracking().FirstOrDefaultAsync(m => m.TenantId == tenant, cancellationToken);
        var customers = await db.MeteredCustomers.AsNoTracking().Where(c => c.TenantId == tenant).OrderBy(c => c.Customer).ToListAsync(cancellationToken);
        var live = meter?.Live ?? false;
        var (start, end) = (list.Window.Start, list.Window.End);
        var sums = await db.MeterReports.Where(r => r.TenantId == tenant && r.Live == live && ((r.Hour >= start && r.Hour < end) || r.State == MeterReportState.Missed))
            .GroupBy(r => new { r.Customer, r.State }).Select(g => new { g.Key.Customer, g.Key.State, Cents = g.Sum(r => r.Cents) }).ToListAsync(cancellationToken);
        var unclear = await db.MeterReports.AsNoTracking().Where(r => r.TenantId == tenant && r.Live == live && r.State == MeterReportState.Unclear).OrderBy(r => r.Hour).Take(100).ToListAsync(cancellationToken);
        long Sum(string customer, params ReadOnlySpan<MeterReportState> states)
        {
            var sum = 0L;
            foreach (var s in sums)
                if (s.Customer == customer && states.Contains(s.State))
                    sum += s.Cents;
            return sum;
        }

        return new StripeMeterView(
            list.Month,
            meter is null ? null : new StripeMeterLine(meter.MaskedKey, meter.Live, meter.EventName, meter.StoredAt, meter.RanAt, meter.Problem),
            [.. customers.Select(c => new MeteredLine(
                c.Customer, c.StripeCustomer, new StatementMonth(c.FromMonth / 100, c.FromMonth % 100), charged.GetValueOrDefault(c.Customer),
                Sum(c.Customer, MeterReportState.Reported), Sum(c.Customer, MeterReportState.Pending, MeterReportState.Unclear), Sum(c.Customer, MeterReportState.Missed), c.Problem))],
            [.. charged.Keys.Except(customers.Select(c => c.Customer), StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            [.. unclear.Select(r => new UnclearReport(r.Identifier, r.Customer, r.StripeCustomer ?? "", r.At, r.Cents, r.Problem))]);
    }
}
