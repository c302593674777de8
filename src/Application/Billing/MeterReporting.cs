using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Application.Billing;

/// <summary>
/// Reports what tenants' customers used to the meters in the tenants' own accounts at Stripe: each amount once. See decision 0015.
/// </summary>
/// <remarks>
/// 1. Plan: what statements say and no report does yet is written as reports, hour by hour, before anything is sent.
/// 2. Mark: from now on Stripe may have it.
/// 3. Send, by an identifier that is made from the report's place alone: sent twice within a day it counts once.
/// 4. Record that Stripe has it.
/// A process that dies after 2 leaves a report of which nobody knows; within 23 hours it is sent again as it was, later Stripe's own sums are asked.
/// </remarks>
public sealed partial class MeterReporting(
    TokonomicsDbContext db, ICustomerUsage usage, IUsageMeters meters, ISecretBox box, PlansInForce plans, TimeProvider time, ILogger<MeterReporting> log)
{
    // An hour's last calls are settled some seconds after it; what comes later is a difference.
    private static readonly TimeSpan Settled = TimeSpan.FromMinutes(5);

    // Stripe knows an identifier for 24 hours at least.
    private static readonly TimeSpan Deduplicated = TimeSpan.FromHours(23);

    // Stripe takes 35 days; an hour less, for what a request may take and clocks may differ.
    private static readonly TimeSpan Taken = TimeSpan.FromDays(35) - TimeSpan.FromHours(1);

    // Stripe's sums lag behind what it was sent.
    private static readonly TimeSpan Summed = TimeSpan.FromHours(1);

    private static readonly TimeSpan LongestRun = TimeSpan.FromMinutes(10);

    // So many tenants in a row whose Stripe is away: it is Stripe's fault, and the next run is soon.
    private const int MostAway = 3;

    private const int MostRefused = 3;

    /// <summary>All tenants that report, those first whose turn is longest ago.</summary>
    /// <returns>How many reports are known to be at Stripe now.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var (done, away) = (0, 0);
        foreach (var tenant in await db.StripeMeters.AsNoTracking().OrderBy(m => m.RanAt != null).ThenBy(m => m.RanAt).Select(m => m.TenantId).ToListAsync(cancellationToken))
        {
            var (reported, passes) = await RunAsync(tenant, cancellationToken);
            done += reported;
            away = passes ? away + 1 : 0;
            if (away == MostAway)
                break;
        }

        return done;
    }

    /// <summary>Asks Stripe whether key, meter and customers are as they must be, and writes down what isn't.</summary>
    public async Task CheckAsync(string tenantId, CancellationToken cancellationToken)
    {
        if (await db.StripeMeters.AsNoTracking().FirstOrDefaultAsync(m => m.TenantId == tenantId, cancellationToken) is not { } row)
            return;
        var problem = "";
        try
        {
            var (key, _, why) = await OpenAsync(row, cancellationToken);
            problem = why;
            if (why.Length == 0)
                foreach (var customer in await db.MeteredCustomers.AsNoTracking().Where(c => c.TenantId == tenantId).ToListAsync(cancellationToken))
                    await IsThereAsync(key, customer, cancellationToken);
        }
        catch (PaymentsException e)
        {
            problem = Say(e);
        }

        await db.StripeMeters.Where(m => m.TenantId == tenantId).ExecuteUpdateAsync(set => set.SetProperty(m => m.Problem, problem), cancellationToken);
    }

    // Whether it went wrong in a way that passes by itself.
    private async Task<(int Done, bool Passes)> RunAsync(string tenantId, CancellationToken cancellationToken)
    {
        // Two workers at one tenant do no harm, since reports are frozen before they are sent; one of them does nothing useful.
        var now = time.GetUtcNow();
        if (await db.StripeMeters.Where(m => m.TenantId == tenantId && (m.BusyUntil == null || m.BusyUntil < now))
            .ExecuteUpdateAsync(set => set.SetProperty(m => m.BusyUntil, (DateTimeOffset?)(now + LongestRun)).SetProperty(m => m.RanAt, (DateTimeOffset?)now), cancellationToken) == 0)
            return (0, false);
        var (problem, done, passes) = ("", 0, false);
        try
        {
            if (await plans.LacksAsync(tenantId, PlanFeatures.Rebilling, "reports to your own Stripe account", cancellationToken) is { } lacks)
                problem = lacks.Message;
            else if (await db.StripeMeters.AsNoTracking().FirstOrDefaultAsync(m => m.TenantId == tenantId, cancellationToken) is { } row)
            {
                await PlanAsync(row, cancellationToken);
                (var key, var meter, problem) = await OpenAsync(row, cancellationToken);
                if (problem.Length == 0)
                    foreach (var customer in await db.MeteredCustomers.AsNoTracking().Where(c => c.TenantId == tenantId).OrderBy(c => c.Customer).ToListAsync(cancellationToken))
                        done += await SendAsync(row, key, meter!, customer, cancellationToken);
            }
        }
        catch (PaymentsException e)
        {
            (problem, passes) = (Say(e), e.Passes);
            NotReported(log, e, tenantId);
        }
        finally
        {
            await db.StripeMeters.Where(m => m.TenantId == tenantId).ExecuteUpdateAsync(
                set => set.SetProperty(m => m.BusyUntil, (DateTimeOffset?)null).SetProperty(m => m.Problem, problem), CancellationToken.None);
        }

        return (done, passes);
    }

    // 1. Everything up to the last hour that is over. One planner at a time, by the store's own order of writers: whoever comes second finds nothing missing.
    private async Task PlanAsync(StripeMeter row, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var until = Floor(now - Settled);
        if (row.PlannedUntil >= until)
            return;
        var tenant = row.TenantId;
        var zone = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == tenant, cancellationToken)).Calendar.Zone;
        var customers = await db.MeteredCustomers.AsNoTracking().Where(c => c.TenantId == tenant).ToListAsync(cancellationToken);
        var running = StatementMonth.Of(until, zone);
        foreach (var month in new[] { running.Before, running })
        {
            var window = month.Window(zone);
            var mine = customers.Where(c => Math.Max(c.FromMonth, row.FromMonth) <= month.Number).Select(c => c.Customer).ToHashSet(StringComparer.Ordinal);
            if (mine.Count == 0 || window.End < now - Taken)
                continue;
            var terms = await StoredCustomerTerms.OfMonthAsync(db, tenant, month, cancellationToken);
            var known = window.End < until ? window : window with { End = until };
            if (known.Start >= known.End)
                continue;
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
            // Read after the turn was taken: what another worker has planned meanwhile is among them.
            var reports = (await db.MeterReports.AsNoTracking().Where(r => r.TenantId == tenant && r.Live == row.Live && r.Hour >= window.Start && r.Hour < window.End).ToListAsync(cancellationToken)).ToLookup(r => r.Customer, StringComparer.Ordinal);
            var used = (await usage.ReadHoursAsync(tenant, known, cancellationToken)).Where(u => mine.Contains(u.Usage.Customer)).ToLookup(u => u.Usage.Customer, StringComparer.Ordinal);
            foreach (var customer in mine)
                foreach (var due in MeterReports.Due(
                    customer, terms.GetValueOrDefault(customer, terms[""]), used[customer], reports[customer].GroupBy(r => r.Hour).Select(h => new ReportedHour(h.Key, h.Sum(r => r.Cents), h.Max(r => r.Serial) + 1))))
                    db.MeterReports.Add(new MeterReport
                    {
                        TenantId = tenant, Live = row.Live, Customer = customer, Hour = due.Start, Serial = due.Serial, Cents = due.Cents, At = due.At, PlannedAt = now,
                        Identifier = Identifier(tenant, row.Live, customer, due.Start, due.Serial),
                    });
            await db.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            db.ChangeTracker.Clear();
        }

        await db.StripeMeters.Where(m => m.TenantId == tenant && m.Live == row.Live && m.StoredAt == row.StoredAt && m.PlannedUntil == row.PlannedUntil)
            .ExecuteUpdateAsync(set => set.SetProperty(m => m.PlannedUntil, (DateTimeOffset?)until), cancellationToken);
    }

    private async Task<int> SendAsync(StripeMeter row, string key, UsageMeter meter, MeteredCustomer customer, CancellationToken cancellationToken)
    {
        var waiting = await db.MeterReports.AsNoTracking()
            .Where(r => r.TenantId == row.TenantId && r.Live == row.Live && r.Customer == customer.Customer && r.State == MeterReportState.Pending).OrderBy(r => r.Hour).ThenBy(r => r.Serial).ToListAsync(cancellationToken);
        if (waiting.Count == 0 || !await IsThereAsync(key, customer, cancellationToken))
            return 0;
        var (done, refused) = (0, 0);
        foreach (var (hour, to, name) in waiting.Where(r => time.GetUtcNow() - r.UnsureSince > Deduplicated).Select(r => (Floor(r.At), r.StripeCustomer!, r.EventName!)).Distinct())
            done += await AskAsync(row, key, meter, to, name, hour, cancellationToken);

        foreach (var report in waiting)
        {
            var now = time.GetUtcNow();
            if (now - report.UnsureSince > Deduplicated)
                continue;
            if (report.At < now - Taken)
            {
                // What Stripe may have is asked for when it no longer takes it either.
                if (report.UnsureSince is null)
                    await EndAsync(report, MeterReportState.Missed, "Stripe takes nothing that is older than 35 days: bill it by hand.", cancellationToken);
                continue;
            }

            // 2. What Stripe may have goes where it went; all else to whom the customer is now.
            var (to, name) = report.UnsureSince is null ? (customer.StripeCustomer, meter.EventName) : (report.StripeCustomer!, report.EventName!);
            var since = report.UnsureSince ?? now;
            if (await One(report).Where(r => r.State == MeterReportState.Pending && r.Tries == report.Tries).ExecuteUpdateAsync(
                set => set.SetProperty(r => r.UnsureSince, (DateTimeOffset?)since).SetProperty(r => r.Tries, report.Tries + 1).SetProperty(r => r.StripeCustomer, to).SetProperty(r => r.EventName, name), cancellationToken) == 0)
                continue; // another worker is at it
            try
            {
                // 3. Each try has a key of its own: by the same one Stripe would repeat an answer that was a failure. What makes it one and the same is the identifier.
                await meters.ReportAsync(key, meter with { EventName = name }, new MeteredUsage(report.Identifier, to, report.Cents, report.At), string.Create(CultureInfo.InvariantCulture, $"{report.Identifier}-{report.Tries}"), cancellationToken);
            }
            catch (PaymentsException e) when (e.Fault is PaymentsFault.Refused or PaymentsFault.NotFound or PaymentsFault.KeyRefused or PaymentsFault.Declined)
            {
                // This try is not there; an earlier one may be.
                var (unsure, why) = (report.UnsureSince, Say(e));
                await One(report).Where(r => r.State == MeterReportState.Pending).ExecuteUpdateAsync(set => set.SetProperty(r => r.UnsureSince, unsure).SetProperty(r => r.Problem, why), cancellationToken);
                await SayAsync(customer, why, cancellationToken);
                if (e.Fault == PaymentsFault.KeyRefused)
                    throw;
                if (++refused == MostRefused)
                    return done;
                continue;
            }

            // 4.
            await EndAsync(report, MeterReportState.Reported, "", cancellationToken);
            done++;
        }

        if (refused == 0)
            await SayAsync(customer, "", cancellationToken);
        return done;
    }

    // Sent more than a day ago, and nobody knows what became of it: sending it again might count twice. Stripe's sum of that hour tells, where nothing else is in it.
    private async Task<int> AskAsync(StripeMeter row, string key, UsageMeter meter, string stripeCustomer, string eventName, DateTimeOffset hour, CancellationToken cancellationToken)
    {
        var (now, end) = (time.GetUtcNow(), hour.AddHours(1));
        // Two of the tenant's customers may be one at Stripe.
        var all = await db.MeterReports.AsNoTracking().Where(r => r.TenantId == row.TenantId && r.Live == row.Live && r.StripeCustomer == stripeCustomer && r.EventName == eventName && r.At >= hour && r.At < end).ToListAsync(cancellationToken);
        var sure = all.FindAll(r => r.State == MeterReportState.Reported);
        var unsure = all.FindAll(r => r.State == MeterReportState.Pending && r.UnsureSince is not null);
        if (unsure.Exists(r => now - r.UnsureSince <= Deduplicated) || sure.Exists(r => r.DoneAt > now - Summed))
            return 0; // not yet: what is sent again, or was a moment ago, isn't in the sum for certain
        var of = eventName == meter.EventName ? meter : await meters.FindAsync(key, eventName, cancellationToken);
        var (without, with) = (sure.Sum(r => r.Cents), sure.Sum(r => r.Cents) + unsure.Sum(r => r.Cents));
        var there = of is null ? (decimal?)null : await meters.SumAsync(key, of, stripeCustomer, hour, end, cancellationToken);
        if (there == with && with != without)
        {
            foreach (var report in unsure)
                await EndAsync(report, MeterReportState.Reported, "", cancellationToken);
            return unsure.Count;
        }

        foreach (var report in unsure)
            if (there == without && with != without)
                await One(report).Where(r => r.State == MeterReportState.Pending).ExecuteUpdateAsync(set => set.SetProperty(r => r.UnsureSince, (DateTimeOffset?)null), cancellationToken);
            else
                await EndAsync(
                    report, MeterReportState.Unclear,
                    there is null ? $"It was sent, and no answer came; the meter {eventName} isn't there any more to ask."
                    : string.Create(CultureInfo.InvariantCulture, $"It was sent, and no answer came. For that hour Stripe has {there:0.####}; with this it would be {with}, without it {without}."),
                    cancellationToken);
        return 0;
    }

    private IQueryable<MeterReport> One(MeterReport r) => db.MeterReports.Where(x => x.TenantId == r.TenantId && x.Live == r.Live && x.Customer == r.Customer && x.Hour == r.Hour && x.Serial == r.Serial);

    private Task<int> EndAsync(MeterReport report, MeterReportState state, string problem, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return One(report).Where(r => r.State == MeterReportState.Pending).ExecuteUpdateAsync(set => set.SetProperty(r => r.State, state).SetProperty(r => r.DoneAt, (DateTimeOffset?)now).SetProperty(r => r.Problem, problem), cancellationToken);
    }

    // Stripe answers an event for an unknown customer with "created", and complains of it later to its own account alone: so it is asked first.
    private async Task<bool> IsThereAsync(string key, MeteredCustomer customer, CancellationToken cancellationToken)
    {
        var there = await meters.HasCustomerAsync(key, customer.StripeCustomer, cancellationToken);
        await SayAsync(customer, there ? "" : $"Your Stripe account has no customer {customer.StripeCustomer}, or it was deleted there: set the right one.", cancellationToken);
        return there;
    }

    private Task<int> SayAsync(MeteredCustomer customer, string problem, CancellationToken cancellationToken) =>
        db.MeteredCustomers.Where(c => c.TenantId == customer.TenantId && c.Customer == customer.Customer && c.StripeCustomer == customer.StripeCustomer && c.Problem != problem)
            .ExecuteUpdateAsync(set => set.SetProperty(c => c.Problem, problem), cancellationToken);

    private async Task<(string Key, UsageMeter? Meter, string Problem)> OpenAsync(StripeMeter row, CancellationToken cancellationToken)
    {
        if (await db.Secrets.AsNoTracking().FirstOrDefaultAsync(s => s.TenantId == row.TenantId && s.Id == row.SecretId, cancellationToken) is not { } secret)
            return ("", null, "The key was changed a moment ago: the next run has it.");
        string key;
        try
        {
            key = box.Open(secret);
        }
        catch (CryptographicException e)
        {
            CannotOpen(log, e, row.TenantId);
            return ("", null, "The stored key can't be opened by this installation any more: store it again.");
        }

        return await meters.FindAsync(key, row.EventName, cancellationToken) is not { } meter
                ? (key, null, $"Your Stripe account has no active meter with the event name {row.EventName}: make one, make the archived one active again, or set another name here.")
            : !meter.Sums ? (key, null, $"The meter {row.EventName} doesn't sum values up: make one whose aggregation is \"Sum\".")
            : (key, meter, "");
    }

    private static string Say(PaymentsException e) => e.Fault switch
    {
        PaymentsFault.Away => "Stripe can't be reached at the moment. What is due is kept, and tried again within minutes.",
        PaymentsFault.Busy => "Stripe has too much to do at the moment. What is due is kept, and tried again within minutes.",
        PaymentsFault.KeyRefused => $"Stripe refuses the key: {e.Message} A restricted key needs customers and meters read, and meter events write.",
        _ => $"Stripe refuses: {e.Message}{(e.RequestId is null ? "" : $" ({e.RequestId})")}",
    };

    private static DateTimeOffset Floor(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    private static string Identifier(string tenant, bool live, string customer, DateTimeOffset hour, int serial) =>
        "tokonomics-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{tenant}\n{live}\n{customer}\n{hour.ToUnixTimeSeconds()}\n{serial}"))).AsSpan(0, 20));

    [LoggerMessage(1, LogLevel.Warning, "Usage of tenant {Tenant}'s customers could not be reported to its Stripe account; what is due is kept")]
    private static partial void NotReported(ILogger logger, Exception e, string tenant);

    [LoggerMessage(2, LogLevel.Error, "The Stripe key of tenant {Tenant} can't be opened")]
    private static partial void CannotOpen(ILogger logger, Exception e, string tenant);
}
