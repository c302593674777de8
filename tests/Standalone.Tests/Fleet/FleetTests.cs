using System.Diagnostics;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Fleet;

/// <summary>
/// Caps on three proxies that share PostgreSQL and Redis, at five levels, against the provider's own bill: never beyond, at no moment, whatever is killed.
/// <c>TOKONOMICS_FLEET_KILLS</c> sets how many kills.
/// </summary>
public sealed class FleetTests(ITestOutputHelper output)
{
    private const long Usd = 1_000_000_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static int Kills => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_FLEET_KILLS"), out var kills) ? kills : 15;

    [Fact]
    public async Task A_thousand_parallel_calls_on_three_proxies_spend_the_cap_to_its_end_and_never_beyond()
    {
        await using var fleet = await Fleet.StartAsync();
        var caps = await CapsAsync(fleet, tenant: 1.0m);
        await using var watch = new Watch(fleet, caps);
        var answers = await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => PatientAsync(fleet, i % 3, key: i % 2, customer: i / 2 % 4, stream: i % 5 == 0, tokens: 1000)));
        await FinishAsync(fleet, caps, watch);

        answers.Count(a => a.Status == 200).ShouldBeGreaterThan(400);
        answers.Where(a => a.Status != 200).ShouldAllBe(a => a.Code == "budget_exhausted" || a.Code == "budget_held");
        (Fleet.Sum(fleet.Bill()) / (double)Usd).ShouldBeInRange(0.98, 1.0);
        output.WriteLine($"1,000 calls: {answers.Count(a => a.Status == 200)} answered, {answers.Count(a => a.Code == "budget_held")} found all held; bill {Fleet.Sum(fleet.Bill())} of {Usd} n$; looked {watch.Looks} times; {answers.Sum(a => a.Held)} waits for holds");
    }

    [Fact]
    public async Task Proxies_killed_at_random_lose_no_row_double_none_and_overshoot_no_cap()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var clock = Stopwatch.StartNew();
        await using var fleet = await Fleet.StartAsync();
        var caps = await CapsAsync(fleet, tenant: Kills * 0.2m);
        await using var watch = new Watch(fleet, caps);
        using var over = new CancellationTokenSource();
        var made = 0;
        var codes = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        var load = Enumerable.Range(0, 12).Select(async client =>
        {
            var mine = new Random(seed + client);
            while (!over.IsCancellationRequested)
            {
                Interlocked.Increment(ref made);
                var stream = mine.Next(4) == 0;
                var (status, code) = await fleet.CallAsync(mine.Next(3), mine.Next(2), mine.Next(4), stream, stream ? 100 : 1000, over.Token, mine.Next(20) == 0 ? mine.Next(4000) : int.MaxValue);
                codes.AddOrUpdate($"{status} {code}", 1, (_, n) => n + 1);
                if (status != 200)
                    await Task.Delay(code == "budget_exhausted" ? 200 : 20, CancellationToken.None);
            }
        }).ToList();
        var restarts = new List<double>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await Task.Delay(random.Next(100, 2000), Cancel);
            var victim = random.Next(3);
            await fleet.KillProxyAsync(victim);
            var start = Stopwatch.GetTimestamp();
            await fleet.StartProxyAsync(victim);
            restarts.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        // What is left is spent without further faults.
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < TimeSpan.FromSeconds(60) && await UnspentAsync(fleet, caps[0].Id) > caps[0].Limit / 50;)
            await Task.Delay(200, Cancel);
        await over.CancelAsync();
        await Task.WhenAll(load);
        var why = $"seed {seed}";
        output.WriteLine(string.Join(", ", codes.Select(c => $"{c.Key}: {c.Value}")));
        var figures = await FinishAsync(fleet, caps, watch, why);
        var usable = Fleet.Sum(fleet.Bill()) / (double)caps[0].Limit;
        output.WriteLine($"{why}: {Kills} kills, {made} calls ({string.Join(", ", codes.Select(c => $"{c.Key}: {c.Value}"))}), {figures}; usable {usable:p1}; restart to ready median {restarts.Order().ElementAt(restarts.Count / 2):f1} s; looked {watch.Looks} times; {clock.Elapsed.TotalSeconds:f0} s");
        usable.ShouldBeGreaterThanOrEqualTo(0.9, why);
    }

    private sealed record Cap(string Name, string Id, long Limit, Func<SandboxBillLine, string?> Subject);

    // Five levels. The tenant's binds; the others are near enough to be reached by chance.
    private static async Task<List<Cap>> CapsAsync(Fleet fleet, decimal tenant)
    {
        var half = (tenant * 0.6m).ToString(System.Globalization.CultureInfo.InvariantCulture);
        // Within a second every proxy knows of a budget; what is called sooner may not be held on it.
        var third = (tenant * 0.35m).ToString(System.Globalization.CultureInfo.InvariantCulture);
        List<Cap> caps =
        [
            new("tenant", await fleet.BudgetAsync(tenant.ToString(System.Globalization.CultureInfo.InvariantCulture), new { type = "tenant" }), (long)(tenant * Usd), _ => ""),
            new("team", await fleet.BudgetAsync(half, new { type = "team", id = "team_a" }), (long)(tenant * 0.6m * Usd), l => Fleet.MadeBy(l).Key == 0 ? "" : null),
            new("project", await fleet.BudgetAsync(half, new { type = "project", id = "proj_a" }), (long)(tenant * 0.6m * Usd), l => Fleet.MadeBy(l).Key == 0 ? "" : null),
            new("key", await fleet.BudgetAsync(half, new { type = "key", id = fleet.KeyIds[1] }), (long)(tenant * 0.6m * Usd), l => Fleet.MadeBy(l).Key == 1 ? "" : null),
            new("customer", await fleet.BudgetAsync(third, new { type = "tag", key = "customer" }), (long)(tenant * 0.35m * Usd), l => $"c{Fleet.MadeBy(l).Customer}"),
        ];
        await Task.Delay(TimeSpan.FromSeconds(1), Cancel);
        return caps;
    }

    // As an SDK does: what is only held is tried again.
    private static async Task<(int Status, string Code, int Held)> PatientAsync(Fleet fleet, int proxy, int key, int customer, bool stream, int tokens)
    {
        for (var held = 0; ; held++)
        {
            var (status, code) = await fleet.CallAsync(proxy, key, customer, stream, tokens, Cancel);
            if (code != "budget_held" || held == 10)
                return (status, code, held);
            await Task.Delay(Random.Shared.Next(500, 1500), Cancel);
        }
    }

    private static async Task<long> UnspentAsync(Fleet fleet, string budget) =>
        (await fleet.ReadAsync($"SELECT limit_nano - posted_nano FROM budget_accounts WHERE budget_id = '{budget}'", r => r.GetInt64(0))).FirstOrDefault(long.MaxValue);

    private static async Task<string> FinishAsync(Fleet fleet, List<Cap> caps, Watch watch, string why = "")
    {
        for (var waited = Stopwatch.StartNew(); fleet.Bill().Any(l => l.Outcome == SandboxOutcome.Open) && waited.Elapsed < TimeSpan.FromSeconds(30);)
            await Task.Delay(100, Cancel);
        await fleet.StopProxiesAsync();
        await watch.StopAsync();
        string.Join('\n', watch.Overshoots.Take(20)).ShouldBeEmpty($"{why}\n{fleet.Logs}");

        var bill = fleet.Bill();
        var accounts = await AccountsAsync(fleet);
        var leases = await fleet.ReadAsync("SELECT owner, granted_nano, returned_nano, consumed_nano FROM budget_leases", r => $"{r.GetString(0)} granted {r.GetInt64(1)} returned {r.GetInt64(2)} consumed {r.GetInt64(3)}");
        accounts.Where(a => a.Leased != 0).ShouldBeEmpty($"{why}: something is still leased\n{string.Join('\n', leases)}\n{fleet.Logs}");
        foreach (var account in accounts)
            account.Posted.ShouldBeLessThanOrEqualTo(account.Limit, why);

        // Every call on the bill has one row; that of a killed proxy doesn't know its id at the provider, and counts with the whole hold.
        var rows = await fleet.ReadAsync(
            "SELECT provider_request_id, outcome, usage_source, cost_nano, budget_nano FROM usage_events",
            r => (Id: r.IsDBNull(0) ? null : r.GetString(0), Outcome: r.GetString(1), Source: r.GetString(2), Cost: r.IsDBNull(3) ? 0 : r.GetInt64(3), Budget: r.IsDBNull(4) ? (long?)null : r.GetInt64(4)));
        var byId = rows.Where(r => r.Id is not null).ToLookup(r => r.Id);
        byId.Where(g => g.Count() > 1).ShouldBeEmpty($"{why}: doubled");
        var without = bill.Where(l => l.Outcome != SandboxOutcome.Error && !byId.Contains(l.Id)).ToList();
        var nameless = rows.Count(r => r.Id is null);
        without.Count.ShouldBeLessThanOrEqualTo(nameless, $"{why}: lost {string.Join('\n', without.Take(5))}\n{fleet.Logs}");
        foreach (var line in bill.Where(l => l.UsageDelivered && byId.Contains(l.Id)))
            if (byId[line.Id].Single() is { Source: "Reported" } row)
                row.Cost.ShouldBe(line.CostNanoUsd ?? -1, $"{why} {line.Id}");
        var verified = await fleet.RunAsync("verify");
        verified.ExitCode.ShouldBe(0, $"{why}: {verified.Output}{verified.Errors}");
        var (exact, ledger) = (rows.Where(r => r.Source == "Reported").Sum(r => r.Cost), rows.Sum(r => r.Budget ?? r.Cost));
        return $"bill {Fleet.Sum(bill)} n$ on {bill.Count} calls, ledger {rows.Count} rows, {rows.Count(r => r.Outcome == "Abandoned")} abandoned, {exact} n$ reported by the provider, {ledger} n$ counted by budgets; overshoot 0, lost 0, doubled 0";
    }

    private static Task<List<(string Budget, string Subject, long Limit, long Posted, long Leased)>> AccountsAsync(Fleet fleet) => fleet.ReadAsync(
        "SELECT budget_id, subject, limit_nano, posted_nano, leased_nano FROM budget_accounts", r => (r.GetString(0), r.GetString(1), r.GetInt64(2), r.GetInt64(3), r.GetInt64(4)));

    /// <summary>Looks at the bill and then at the books, again and again: what was billed must be posted or leased, and within the cap.</summary>
    private sealed class Watch : IAsyncDisposable
    {
        private readonly CancellationTokenSource _over = new();
        private readonly Task _looking;
        private readonly List<Cap> _caps;
        private readonly Fleet _fleet;

        public Watch(Fleet fleet, List<Cap> caps)
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
                catch (Exception e) when (e is Npgsql.NpgsqlException or OperationCanceledException)
                {
                    // The database is away; the bill alone is looked at again when it is back.
                }
            }
        }

        private async Task CompareAsync()
        {
            var bill = _fleet.Bill();
            var accounts = (await AccountsAsync(_fleet)).ToDictionary(a => (a.Budget, a.Subject));
            foreach (var cap in _caps)
                foreach (var subject in bill.Where(l => l.Model is not null).GroupBy(l => cap.Subject(l)).Where(g => g.Key is not null))
                {
                    var billed = Fleet.Sum(subject);
                    if (billed > cap.Limit)
                        Overshoots.Add($"{cap.Name} {subject.Key}: billed {billed} of {cap.Limit}");
                    if (billed > 0 && (!accounts.TryGetValue((cap.Id, subject.Key!), out var account) || billed > account.Posted + account.Leased))
                        Overshoots.Add($"{cap.Name} {subject.Key}: billed {billed}, posted {account.Posted}, leased {account.Leased}");
                }

            Looks++;
        }
    }
}
