using System.Globalization;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>A strict budget on a fleet.</summary>
/// <param name="Share">Of what the tenant may spend, so much.</param>
/// <param name="Subject">Which of its accounts a line of the bill belongs to; null where it doesn't count on it.</param>
internal sealed record Cap(string Name, string Id, decimal Share, Func<SandboxBillLine, string?> Subject)
{
    public long Limit { get; set; }
}

/// <summary>
/// Budgets at five levels. The tenant's binds; the others are near enough to be reached by chance. Each is compared with the bill of what was called since they were
/// made.
/// </summary>
internal sealed class Caps
{
    public const long Usd = 1_000_000_000;

    private readonly Fleet _fleet;

    private Caps(Fleet fleet, IReadOnlyList<Cap> all) => (_fleet, All) = (fleet, all);

    public IReadOnlyList<Cap> All { get; }

    public Cap Tenant => All[0];

    public static async Task<Caps> MakeAsync(Fleet fleet, decimal usd)
    {
        List<Cap> caps =
        [
            await OfAsync("tenant", 1m, new { type = "tenant" }, _ => ""),
            await OfAsync("team", 0.6m, new { type = "team", id = "team_a" }, l => Fleet.MadeBy(l).Key == 0 ? "" : null),
            await OfAsync("project", 0.6m, new { type = "project", id = "proj_a" }, l => Fleet.MadeBy(l).Key == 0 ? "" : null),
            await OfAsync("key", 0.6m, new { type = "key", id = fleet.KeyIds[1] }, l => Fleet.MadeBy(l).Key == 1 ? "" : null),
            await OfAsync("customer", 0.35m, new { type = "tag", key = "customer" }, l => $"c{Fleet.MadeBy(l).Customer}"),
        ];
        // Within a second every proxy knows of a budget; what is called sooner may not be held on it.
        await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        return new Caps(fleet, caps);

        async Task<Cap> OfAsync(string name, decimal share, object scope, Func<SandboxBillLine, string?> subject)
        {
            var id = await fleet.BudgetAsync((usd * share).ToString(CultureInfo.InvariantCulture), scope);
            return new Cap(name, id, share, l => Fleet.IsLive(l) ? null : subject(l)) { Limit = (long)(usd * share * Usd) };
        }
    }

    /// <summary>So much more than what is out may be spent from now on.</summary>
    public async Task AllowAsync(decimal usd)
    {
        var accounts = await _fleet.AccountsAsync();
        foreach (var cap in All)
        {
            var limit = accounts.Where(a => a.Budget == cap.Id).Select(a => a.Posted + a.Leased).DefaultIfEmpty().Max() + (long)(usd * cap.Share * Usd);
            cap.Limit = Math.Max(cap.Limit, limit); // before: whoever watches meanwhile must not take what is allowed now for too much
            await _fleet.LimitAsync(cap.Id, limit);
            cap.Limit = limit;
        }

        await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
    }

    /// <summary>What the tenant's cap leaves in the period that it is now; a month that a faked clock was in has its own.</summary>
    public async Task<long> UnspentAsync()
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1000;
        return (await _fleet.AccountsAsync()).Where(a => a.Budget == Tenant.Id && a.PeriodStart <= now).OrderByDescending(a => a.PeriodStart).Select(a => a.Limit - a.Posted).FirstOrDefault(long.MaxValue);
    }
}

/// <summary>Looks at the bill and then at the books, again and again: what was billed must be posted or leased, and within the cap.</summary>
internal sealed class Watch : IAsyncDisposable
{
    private readonly CancellationTokenSource _over = new();
    private readonly Task _looking;
    private readonly Caps _caps;
    private readonly Fleet _fleet;

    public Watch(Fleet fleet, Caps caps)
    {
        (_fleet, _caps) = (fleet, caps);
        _looking = LookAsync();
    }

    public int Looks { get; private set; }

    public List<string> Overshoots { get; } = [];

    public async Task StopAsync()
    {
        await _over.CancelAsync();
        await _looking;
        await CompareAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _looking;
        _over.Dispose();
    }

    private async Task LookAsync()
    {
        await Task.Yield();
        while (!_over.IsCancellationRequested)
        {
            try
            {
                await CompareAsync();
                await Task.Delay(100, _over.Token);
            }
            catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException or OperationCanceledException)
            {
                // The database is away; the bill is compared with it again when it is back.
            }
        }
    }

    // A cap that stands for several periods may be spent in each; the ledger's own check looks at them one by one.
    private async Task CompareAsync()
    {
        var bill = _fleet.Bill();
        var accounts = (await _fleet.AccountsAsync()).ToLookup(a => (a.Budget, a.Subject));
        foreach (var cap in _caps.All)
            foreach (var subject in bill.Where(l => l.Model is not null).GroupBy(l => cap.Subject(l)).Where(g => g.Key is not null))
            {
                var billed = Fleet.Sum(subject);
                var periods = accounts[(cap.Id, subject.Key!)].ToList();
                if (billed > cap.Limit * Math.Max(1, periods.Count))
                    Overshoots.Add($"{cap.Name} {subject.Key}: billed {billed} of {cap.Limit} in {periods.Count} periods");
                if (billed > 0 && billed > periods.Sum(a => a.Posted + a.Leased))
                    Overshoots.Add($"{cap.Name} {subject.Key}: billed {billed}, posted {periods.Sum(a => a.Posted)}, leased {periods.Sum(a => a.Leased)}");
            }

        Looks++;
    }
}

/// <summary>The ledger against the provider's bill, call by call, when everything has ended.</summary>
internal static class Books
{
    /// <returns>The figures, in words.</returns>
    public static async Task<string> CheckAsync(Fleet fleet, Watch watch, string why)
    {
        for (var waited = System.Diagnostics.Stopwatch.StartNew(); fleet.Bill().Any(l => l.Outcome == SandboxOutcome.Open) && waited.Elapsed < TimeSpan.FromSeconds(30);)
            await Task.Delay(100);
        // What is idle goes back by itself, when its events are in the ledger; stopped proxies have given all back.
        var drained = System.Diagnostics.Stopwatch.StartNew();
        while ((await fleet.AccountsAsync()).Any(a => a.Leased != 0) && drained.Elapsed < TimeSpan.FromSeconds(60))
            await Task.Delay(100);
        var drain = drained.Elapsed;
        await watch.StopAsync();
        string.Join('\n', watch.Overshoots.Take(20)).ShouldBeEmpty($"{why}\n{fleet.Logs}");

        var bill = fleet.Bill();
        var leases = await fleet.ReadAsync("SELECT owner, granted_nano, returned_nano, consumed_nano FROM budget_leases", r => $"{r.GetString(0)} granted {r.GetInt64(1)} returned {r.GetInt64(2)} consumed {r.GetInt64(3)}");
        var accounts = await fleet.AccountsAsync();
        accounts.Where(a => a.Leased != 0).ShouldBeEmpty($"{why}: something is still leased\n{string.Join('\n', leases)}\n{fleet.Logs}");
        foreach (var account in accounts)
            account.Posted.ShouldBeLessThanOrEqualTo(account.Limit, why);

        var rows = await fleet.ReadAsync(
            "SELECT CAST(tags AS json) ->> 'call', provider_request_id, outcome, usage_source, cost_nano, coalesce(budget_nano, cost_nano, 0) FROM usage_events",
            r => (Name: r.GetString(0), Id: r.IsDBNull(1) ? null : r.GetString(1), Outcome: r.GetString(2), Source: r.GetString(3), Cost: r.IsDBNull(4) ? 0 : r.GetInt64(4), Counted: r.GetInt64(5)));
        rows.GroupBy(r => r.Name).Where(g => g.Count() > 1).ShouldBeEmpty($"{why}: doubled");
        rows.Where(r => r.Id is not null).GroupBy(r => r.Id).Where(g => g.Count() > 1).ShouldBeEmpty($"{why}: doubled");
        bill.GroupBy(l => l.ClientRequestId).Where(g => g.Count() > 1).ShouldBeEmpty($"{why}: sent twice");
        var byName = rows.ToDictionary(r => r.Name);
        var lost = bill.Where(l => !byName.ContainsKey(l.ClientRequestId!)).ToList();
        lost.ShouldBeEmpty($"{why}: lost\n{fleet.Logs}");
        foreach (var line in bill)
        {
            var row = byName[line.ClientRequestId!];
            row.Counted.ShouldBeGreaterThanOrEqualTo(line.CostNanoUsd ?? 0, $"{why} {line.Id}: budgets count less than was charged");
            if (line.UsageDelivered && row.Source == "Reported")
                row.Cost.ShouldBe(line.CostNanoUsd ?? -1, $"{why} {line.Id}");
        }

        var verified = await fleet.RunAsync("verify");
        verified.ExitCode.ShouldBe(0, $"{why}: {verified.Output}{verified.Errors}");
        return $"bill {Fleet.Sum(bill)} n$ on {bill.Count} calls, ledger {rows.Count} rows, {rows.Count(r => r.Outcome == "Abandoned")} abandoned, {rows.Where(r => r.Source == "Reported").Sum(r => r.Cost)} n$ reported by the provider, "
            + $"{rows.Sum(r => r.Counted)} n$ counted by budgets; overshoot 0, lost 0, doubled 0, leased 0 after {drain.TotalSeconds:f1} s";
    }
}
