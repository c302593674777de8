using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Threading.Channels;
using MediatR;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Standalone.Demo;
using Tokonomics.Web.Portal;

namespace Tokonomics.Standalone.Commands;

/// <summary><c>demo</c>: a tenant with months of believable traffic, to look at and to measure on. Its rows go the ledger's own way, and hold whatever <c>verify</c> checks.</summary>
internal static class DemoCommand
{
    private const int Batch = 10_000;
    private const long MostEvents = 10_000_000;

    public static Command Command()
    {
        var tenant = new Option<string>("--tenant") { Description = "The name of a new tenant, or the id of one that exists", DefaultValueFactory = _ => "Demo" };
        var email = new Option<string>("--email") { Description = "The owner's e-mail address, where the tenant is new", DefaultValueFactory = _ => "demo@localhost.localdomain" };
        var days = new Option<int>("--days") { Description = "How many days back, 1 to 400", DefaultValueFactory = _ => 90 };
        var events = new Option<long>("--events") { Description = "How many calls in all, 100 to 10000000; without it 1,000 for each day" };
        var seed = new Option<int>("--seed") { Description = "Another number, other traffic; the same, the same", DefaultValueFactory = _ => 1 };
        var zone = new Option<string>("--time-zone") { Description = "Where the days of a new tenant begin: an IANA name", DefaultValueFactory = _ => "Europe/Berlin" };
        var command = new Command("demo", "Fills a tenant with days of invented traffic: teams, keys, features, customers and models at their real prices. Works while the product serves.") { tenant, email, days, events, seed, zone };
        command.SetAction((parse, cancellationToken) => StoreCommand.RunAsync(async services =>
        {
            var (d, n) = (parse.GetValue(days), parse.GetValue(events));
            if (d is < 1 or > 400)
                return await StoreCommand.FailAsync($"--days is {d}: it must be 1 to 400");
            if (n == 0)
                n = d * 1000L;
            if (n is < 100 or > MostEvents)
                return await StoreCommand.FailAsync($"--events is {n}: it must be 100 to {MostEvents}");
            return await RunAsync(services, parse.GetValue(tenant)!, parse.GetValue(email)!, parse.GetValue(zone)!, d, n, (ulong)parse.GetValue(seed), cancellationToken);
        }));
        return command;
    }

    private static async Task<int> RunAsync(IServiceProvider services, string tenant, string email, string zone, int days, long events, ulong seed, CancellationToken cancellationToken)
    {
        var (mediator, db, time) = (services.GetRequiredService<IMediator>(), services.GetRequiredService<TokonomicsDbContext>(), services.GetRequiredService<TimeProvider>());
        var found = await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == tenant, cancellationToken);
        TenantProvisioned? made = null;
        if (found is null)
        {
            var outcome = await mediator.Send(new ProvisionTenant(Caller.Operator, tenant, email, [], zone, TenantPlan.Pro), cancellationToken);
            if (!outcome.Succeeded)
                return await StoreCommand.FailAsync(string.Join(" ", outcome.Refusal!.Fields.Select(f => f.Message).DefaultIfEmpty(outcome.Refusal.Message)));
            made = outcome.Value;
            found = await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == made.TenantId, cancellationToken);
        }

        var now = time.GetUtcNow();
        var book = services.GetRequiredService<PriceBook>();
        services.GetRequiredService<PriceVersions>().Keep(book);
        services.GetService<PostgresPartitions>()?.Ensure(now.AddDays(-days));
        var places = await new DemoWorld(db, mediator, time).MakeAsync(found, cancellationToken);
        await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{found.Name} ({found.Id}): {events:N0} calls over {days} days"));

        var groups = await DemoGroups.MakeAsync(mediator, places, book, seed, now, cancellationToken);
        var watch = Stopwatch.StartNew();
        await FillAsync(services.GetRequiredService<IUsageLedger>(), new DemoTraffic(places, book, seed, now, days).Calls(events).Select(groups.Mark), watch, cancellationToken);
        await DemoRefusals.WriteAsync(services.GetRequiredService<IRefusals>(), places, seed, now, days, events, cancellationToken);
        await BudgetsAsync(services, found, places, now, cancellationToken);
        await RoutesAsync(mediator, found, cancellationToken);
        await groups.TeachAsync(services.GetRequiredService<IRoutingStore>(), cancellationToken);
        await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"done in {watch.Elapsed.TotalSeconds:F0} s"));

        var url = services.GetRequiredService<IOptions<PortalOptions>>().Value.PublicUrl.ToString().TrimEnd('/');
        await Console.Out.WriteLineAsync(made is null
            ? $"\nLook:  {url}/overview   (sign in as a member of {found.Name})"
            : $"""

                Sign in:  {url}/login as {email}, {await OwnerAsync(services, made, email)}
                Look:     {url}/overview, {url}/explore
                API:      curl "{url}/api/v1/usage/summary?group_by=model" -H "Authorization: Bearer {made.ApiToken.Secret}"
                What is secret here is shown this once.
                """);
        return 0;
    }

    // Somebody who can sign in at once: whoever runs commands on the machine needs no mailed link.
    private static async Task<string> OwnerAsync(IServiceProvider services, TenantProvisioned made, string email)
    {
        var (users, db) = (services.GetRequiredService<UserManager<User>>(), services.GetRequiredService<TokonomicsDbContext>());
        var (password, user) = (Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(9)), await users.FindByEmailAsync(email));
        var isNew = user is null;
        if (user is null)
        {
            var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
            user = new User { Id = SortableId.New("usr", now), UserName = email.ToLowerInvariant(), Email = email.ToLowerInvariant(), EmailConfirmed = true, CreatedAt = now };
            if (await users.CreateAsync(user, password) is { Succeeded: false } failed)
                return string.Join(" ", failed.Errors.Select(e => e.Description));
        }

        (await db.Members.FirstAsync(m => m.TenantId == made.TenantId && m.Id == made.OwnerId)).UserId = user.Id;
        await db.SaveChangesAsync();
        return isNew ? $"password {password}" : "with the password that the account has already";
    }

    // One makes calls while the other appends them.
    private static async Task FillAsync(IUsageLedger ledger, IEnumerable<UsageEvent> calls, Stopwatch watch, CancellationToken cancellationToken)
    {
        var batches = Channel.CreateBounded<UsageEvent[]>(2);
        var making = Task.Run(
            async () =>
            {
                try
                {
                    foreach (var batch in calls.Chunk(Batch))
                        await batches.Writer.WriteAsync(batch, cancellationToken);
                    batches.Writer.Complete();
                }
                catch (Exception e)
                {
                    batches.Writer.Complete(e);
                }
            },
            cancellationToken);
        var (written, told) = (0L, TimeSpan.Zero);
        await foreach (var batch in batches.Reader.ReadAllAsync(cancellationToken))
        {
            written += await ledger.AppendAsync(batch, cancellationToken);
            if (watch.Elapsed - told < TimeSpan.FromSeconds(10))
                continue;
            told = watch.Elapsed;
            await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"  {written:N0} calls, {written / told.TotalSeconds:N0} a second"));
        }

        await making;
    }

    // After the calls, so that appending them posts nowhere; what the running periods have of them counts when an account is opened, which looking at it does.
    private static async Task BudgetsAsync(IServiceProvider services, Tenant tenant, DemoPlaces places, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var (mediator, queries) = (services.GetRequiredService<IMediator>(), services.GetRequiredService<IUsageQueries>());
        var month = BudgetPeriods.Containing(BudgetPeriod.Month, places.Zone, now, now);
        var question = new SummaryQuestion(tenant.Id, now.AddDays(-28), now) { WithDurations = false, Environment = KeyEnvironment.Live, GroupBy = [SummaryDimension.Project] };
        var lines = await queries.SummarizeAsync(question, cancellationToken);
        var perDay = lines.Sum(l => l.Totals.Cost.Usd) / 28;
        var length = (decimal)(month.End - month.Start).TotalDays;
        decimal PerDay(string project) => lines.Where(l => l.Group[0] == places.Projects[project]).Sum(l => l.Totals.Cost.Usd) / 28;

        (BudgetScope Scope, BudgetPeriod Period, decimal Usd, BudgetAction Action)[] budgets =
        [
            (BudgetScope.Tenant, BudgetPeriod.Month, perDay * length * 1.08m, BudgetAction.Block),
            (BudgetScope.Project(places.Projects["Call summaries"]), BudgetPeriod.Month, PerDay("Call summaries") * length * 0.97m, BudgetAction.Alert),
            (BudgetScope.Key(places.Keys["evals-batch"]), BudgetPeriod.Day, PerDay("Evals") * 1.6m, BudgetAction.Block),
            (BudgetScope.Tag("customer", null), BudgetPeriod.Month, perDay * length * 0.12m, BudgetAction.Alert),
        ];
        foreach (var (scope, period, usd, action) in budgets)
        {
            var limit = new NanoUsd((long)(Rounded(usd) * NanoUsd.PerUsd));
            var made = await mediator.Send(new CreateBudget(Caller.Operator, tenant.Id, scope, period, new BudgetTerms { Limit = limit, Action = action }), cancellationToken);
            if (!made.Succeeded || !scope.IsEachValue)
                continue; // one that the tenant has already stays as it is
            foreach (var customer in DemoFlow.Customers)
                await services.GetRequiredService<IBudgetTruth>().ReadAsync([new AccountOpening(new AccountKey(tenant.Id, made.Value.Id, customer, month.StartMicros), month.EndMicros)], cancellationToken);
        }

        await mediator.Send(new ListBudgets(Caller.Operator, tenant.Id), cancellationToken);
    }

    private static async Task RoutesAsync(IMediator mediator, Tenant tenant, CancellationToken cancellationToken)
    {
        // One that the tenant has already stays as it is.
        await mediator.Send(new SaveRoute(Caller.Operator, tenant.Id, new RouteForm("smart",
        [
            new RuleForm([new TargetForm("openai/gpt-5-mini"), new TargetForm("anthropic/claude-haiku-4-5")]) { When = new ConditionsForm { Tags = new Dictionary<string, string> { ["customer"] = DemoFlow.Customers[0] }, PromptTokensAtLeast = 1000 }, FirstByteTimeoutMs = 5000 },
            new RuleForm([new TargetForm("openai/gpt-5-nano"), new TargetForm("gemini/gemini-2.5-flash-lite")]) { Choose = TargetChoice.Cheapest },
        ])), cancellationToken);
        await mediator.Send(new SaveRoute(Caller.Operator, tenant.Id, new RouteForm("batch",
        [
            new RuleForm([new TargetForm("openai/gpt-5-mini", 3), new TargetForm("anthropic/claude-haiku-4-5")]) { When = new ConditionsForm { Hours = new HoursForm(["mon", "tue", "wed", "thu", "fri"], "20:00", "06:00") }, Choose = TargetChoice.Weighted, Sticky = false },
        ])), cancellationToken);
    }

    // As people set limits: two digits and zeros.
    private static decimal Rounded(decimal usd)
    {
        var unit = 0.01m;
        while (usd / unit >= 100)
            unit *= 10;
        return Math.Max(0.01m, Math.Ceiling(usd / unit) * unit);
    }
}
