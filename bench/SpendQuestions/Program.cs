using System.Diagnostics;
using System.Globalization;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure;
using Tokonomics.Standalone;

// How long the questions behind the pages about spend take, on a tenant that `tokonomics demo` filled:
//   TOKONOMICS_DATA=… dotnet run -c Release --project bench/SpendQuestions [rounds]
// "First" is with nothing remembered (another process would begin so), on files that the system may have in memory; "median" is over the rounds after it.
var rounds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 15;
var data = StoreSetup.DataFolder;
Console.WriteLine("| question | first, ms | median, ms | slowest, ms | rows |\n|---|---|---|---|---|");

var (tenant, zone, events) = await With(async (services, _) =>
{
    var db = services.GetRequiredService<TokonomicsDbContext>();
    var t = await db.Tenants.AsNoTracking().OrderByDescending(t => t.Id).FirstAsync();
    var all = await services.GetRequiredService<IUsageQueries>().SummarizeAsync(new SummaryQuestion(t.Id, DateTimeOffset.UnixEpoch, TimeProvider.System.GetUtcNow().AddHours(1)) { WithDurations = false }, CancellationToken.None);
    return (t.Id, TimeZoneInfo.FindSystemTimeZoneById(t.TimeZone), all.Sum(l => l.Totals.Calls));
});
var now = TimeProvider.System.GetUtcNow();
var hourEnd = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerHour) + TimeSpan.TicksPerHour, TimeSpan.Zero);
SummaryQuestion Days(int days) => new(tenant, hourEnd.AddDays(-days), hourEnd) { Grain = days <= 3 ? TimeGrain.Hour : TimeGrain.Day, TimeZone = zone, Environment = KeyEnvironment.Live };
var who = Caller.Operator;

foreach (var by in new[] { "model", "key", "team", "feature", "customer" })
    foreach (var days in new[] { 3, 30, 90 })
        await Measure($"explore by {by}, {days} days", async m => (await m.Send(new ExploreSpend(who, Days(days), SpendDimension.Parse(by)!.Value))).Value.Lines.Count);
await Measure("explore by customer of one feature, 30 days (a tag within a tag)", async m => (await m.Send(new ExploreSpend(who, Days(30) with { Tag = new Tag("feature", "draft") }, SpendDimension.OfTag("customer")))).Value.Lines.Count);
await Measure("overview", async m => (await m.Send(new GetOverview(who, tenant))).Value.TopCalls.Count);
await Measure("forecast", async m => (await m.Send(new ForecastSpend(who, Days(30)))).Value.DaysKnown);
await Measure("what changed, 30 days", async m => (await m.Send(new CompareSpend(who, Days(30)))).Value.Change.Largest.Count);
foreach (var days in new[] { 1, 30, 90 })
    await Ask($"most expensive calls, {days} days", async s => (await s.GetRequiredService<ISpendQueries>().TopCallsAsync(Days(days), 10, CancellationToken.None)).Count);
await Ask("most expensive calls of one model, 30 days", async s => (await s.GetRequiredService<ISpendQueries>().TopCallsAsync(Days(30) with { Model = "gpt-5.1" }, 10, CancellationToken.None)).Count);
await Ask("most expensive calls of the cheapest model, 30 days", async s => (await s.GetRequiredService<ISpendQueries>().TopCallsAsync(Days(30) with { Model = "text-embedding-3-small" }, 10, CancellationToken.None)).Count);
await Ask("what caching saved, 90 days", async s => (await s.GetRequiredService<ISpendQueries>().CacheSavingsAsync(Days(90), CancellationToken.None)) is null ? 0 : 1);
await Ask("refusals, 90 days", async s => (await s.GetRequiredService<IRefusals>().ListAsync(tenant, KeyEnvironment.Live, hourEnd.AddDays(-90), hourEnd, CancellationToken.None)).Count);
await Ask("calls, newest 50", async s => (await s.GetRequiredService<IUsageQueries>().ListAsync(new EventFilter(tenant), CancellationToken.None)).Events.Count);
await Ask("calls, newest 50 of one customer", async s => (await s.GetRequiredService<IUsageQueries>().ListAsync(new EventFilter(tenant) { Tag = new Tag("customer", "octan") }, CancellationToken.None)).Events.Count);
Console.WriteLine($"\n{events.ToString("N0", CultureInfo.InvariantCulture)} events, {rounds} rounds after the first.");

Task Measure(string name, Func<IMediator, Task<int>> ask) => Ask(name, s => ask(s.GetRequiredService<IMediator>()));

Task Ask(string name, Func<IServiceProvider, Task<int>> ask) => With(async (_, scope) =>
{
    var times = new List<double>();
    var rows = 0;
    for (var i = 0; i <= rounds; i++)
    {
        await using var s = scope();
        var start = Stopwatch.GetTimestamp();
        rows = await ask(s.ServiceProvider);
        times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    var after = times.Skip(1).Order().ToList();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {times[0]:F0} | {after[after.Count / 2]:F1} | {after[^1]:F0} | {rows} |"));
    return 0;
});

// Each question on services of its own, so that none profits from what another has read.
async Task<T> With<T>(Func<IServiceProvider, Func<AsyncServiceScope>, Task<T>> work)
{
    await using var services = Product.BuildStore(data);
    await using var scope = services.CreateAsyncScope();
    return await work(scope.ServiceProvider, services.CreateAsyncScope);
}
