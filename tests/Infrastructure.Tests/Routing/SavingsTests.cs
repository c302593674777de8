using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;
using Tokonomics.Testing;

namespace Tokonomics.Tests.Routing;

/// <summary>What quality groups could save and have saved, on every store.</summary>
public abstract class SavingsTests<TKind>
    where TKind : IStoreKind, new()
{
    private const string Strong = "openai/gpt-5";
    private const string Cheap = "openai/gpt-5-nano";
    private const string Other = "openai/gpt-5-mini";

    private static readonly TKind Kind = new();
    private static readonly NanoUsd Cent = new(10_000_000);

    private static RouteForm Form(string name, bool active = false, decimal keep = 95, params string[] candidates) =>
        new(name, [new RuleForm([new TargetForm(Strong)]) { Quality = new QualityForm(candidates.Length == 0 ? [Cheap] : candidates, "10") { Active = active, KeepPercent = keep } }]);

    private static async Task<(TempStore Store, TenantProvisioned Tenant, Caller Owner)> NewAsync()
    {
        var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-provider-key-of-acme"));
        return (store, made, new Caller(made.TenantId, made.OwnerId, Role.Owner));
    }

    private static async Task<string> RouteAsync(TempStore store, TenantProvisioned tenant, RouteForm form)
    {
        var saved = await store.SendAsync(new SaveRoute(Caller.Operator, tenant.TenantId, form));
        return saved.Succeeded ? saved.Value.Id : throw new InvalidOperationException(saved.Refusal!.Message);
    }

    private static TaughtGroup Group(TempStore store, TenantProvisioned tenant, string route, string candidate = Cheap) =>
        new(store.Get<IRoutingStore>(), store.Get<IUsageLedger>(), store.Clock, new RoutingPair(tenant.TenantId, KeyEnvironment.Live, route, Strong, candidate));

    [Fact]
    public async Task Labels_and_calls_of_four_weeks_say_what_each_threshold_would_save_and_what_a_class_still_needs()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Live))).Value.Groups.ShouldBeEmpty();
        var route = await RouteAsync(store, tenant, Form("smart", keep: 96));
        var group = Group(store, tenant, route);
        var (good, few) = (await group.ClassAsync(1, tenant.LiveKey.Id, tools: 3), await group.ClassAsync(2, "key_gone", format: "json"));
        await group.LearnAsync(good, 100);
        await group.LearnAsync(few, 10);
        await group.CallsAsync(good, RouteReason.NotActive, 100, Cent, NanoUsd.Zero);
        await group.CallsAsync(few, RouteReason.NotActive, 10, Cent, NanoUsd.Zero);
        await group.CallsAsync(good, RouteReason.Shadow, 4, new NanoUsd(1_000_000), new NanoUsd(-1_000_000));
        await group.CallsAsync(good, RouteReason.Judge, 4, new NanoUsd(2_000_000), new NanoUsd(-2_000_000), "openai/gpt-5-mini");

        var report = (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Live))).Value;
        (report.Until - report.From).ShouldBe(TimeSpan.FromDays(28));
        var found = report.Groups.ShouldHaveSingleItem();
        (found.RouteId, found.RouteName, found.Rule, found.Strong, found.Calls, found.RoutedCalls, found.Realised).ShouldBe((route, "smart", 1, Strong, 110L, 0L, NanoUsd.Zero));
        found.SampleCost.ShouldBe(new NanoUsd(12_000_000)); // 4 × (0.1 + 0.2) cents
        var candidate = found.Candidates.ShouldHaveSingleItem();
        candidate.Labels.ShouldBe(110);
        (candidate.StrongMean, candidate.CandidateMean, candidate.LabelCost).ShouldBe((1d, 1d, new NanoUsd(3_000_000)));
        candidate.Thresholds.Select(t => (t.Keep.Target, t.IsOwn)).ShouldBe([(0.95, false), (0.96, true), (0.97, false), (0.99, false)]);
        var own = candidate.Thresholds.Single(t => t.IsOwn);
        var (proven, unproven) = (own.Classes.Single(c => c.Class == good), own.Classes.Single(c => c.Class == few));
        // 98 of 100 calls, at 0.9 cents each: all labels are alike, so that the interval is that of the sums' rounding.
        proven.Saving.Saving.Usd.ShouldBe(0.882m, 0.0001m);
        proven.Saving.SavingLow.Usd.ShouldBe(0.882m, 0.001m);
        (proven.Saving.Calls, proven.Saving.LabelsNeeded, proven.NeededCost, proven.KeyName, proven.Facts!.Tools).ShouldBe((100L, 0, NanoUsd.Zero, tenant.LiveKey.Name, 3));
        proven.Saving.QualityKept.ShouldBe(1);
        proven.Saving.QualityLow!.Value.ShouldBeInRange(0.95, 1);
        (unproven.KeyName, unproven.Facts!.Format).ShouldBe((null, "json"));
        var needed = unproven.Saving.LabelsNeeded.ShouldNotBeNull();
        needed.ShouldBeGreaterThanOrEqualTo(40); // fifty prove a class at the least, ten are there
        unproven.NeededCost.ShouldBe(new NanoUsd(3_000_000L * needed));
        (own.All.Saving >= proven.Saving.Saving).ShouldBeTrue();
        // Another environment and another tenant have none of it.
        (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Test))).Value.Groups.ShouldHaveSingleItem().Candidates[0].Labels.ShouldBe(0);
        var stranger = await store.ProvisionAsync("Other");
        (await store.SendAsync(new GetSavings(Caller.Operator, stranger.TenantId, KeyEnvironment.Live))).Value.Groups.ShouldBeEmpty();
        (await store.SendAsync(new GetSavings(Caller.Operator, stranger.TenantId, KeyEnvironment.Live, route))).Refusal!.Code.ShouldBe("route_not_found");
    }

    [Fact]
    public async Task What_was_saved_leaves_out_samples_and_counts_what_was_tried_in_vain()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        var group = Group(store, tenant, await RouteAsync(store, tenant, Form("smart", active: true)));
        var name = await group.ClassAsync(1, tenant.LiveKey.Id);
        await group.CallsAsync(name, RouteReason.ClassProven, 10, new NanoUsd(1_000_000), new NanoUsd(9_000_000));
        await group.CallsAsync(name, RouteReason.PromptProven, 1, new NanoUsd(1_000_000), new NanoUsd(-1_000_000)); // its answer failed…
        await group.CallsAsync(name, RouteReason.Escalated, 1, Cent, NanoUsd.Zero); // …and the strong model was asked
        await group.CallsAsync(name, RouteReason.Holdout, 2, Cent, NanoUsd.Zero);
        await group.CallsAsync(name, RouteReason.Shadow, 2, new NanoUsd(1_000_000), new NanoUsd(-1_000_000));
        await group.DemotedAsync(name, "Answers failed their check.");
        var found = (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Live))).Value.Groups.ShouldHaveSingleItem();
        found.Realised.ShouldBe(new NanoUsd(89_000_000)); // 10 × 0.9 cents − 0.1
        (found.RoutedCalls, found.Calls, found.SampleCost).ShouldBe((11L, 13L, new NanoUsd(2_000_000)));
        found.Incidents.ShouldHaveSingleItem().ShouldSatisfyAllConditions(i => i.Kind.ShouldBe("demoted"), i => i.Class.ShouldBe(name), i => i.Detail.ShouldBe("Answers failed their check."));
    }

    [Fact]
    public async Task Each_week_says_what_was_kept_and_a_promise_that_chance_does_not_explain_is_surely_broken()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        var group = Group(store, tenant, await RouteAsync(store, tenant, Form("smart", active: true)));
        var (name, keep) = (await group.ClassAsync(1, tenant.LiveKey.Id), new QualityTarget(0.95));
        async Task Week(int labels, double score)
        {
            await group.LearnAsync(name, labels, score, keep);
            store.Clock.Ahead += TimeSpan.FromDays(7);
        }

        await Week(20, 1);
        await Week(1, 0.9); // one that is worse tells little
        await Week(100, 0.8);
        await group.LearnAsync(name, 5, 0.945, keep); // within a point
        var weeks = (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Live))).Value.Groups[0].Weeks;
        weeks.Select(w => (Math.Round(w.Kept!.Value, 3), w.Labels, w.Broken, w.SurelyBroken)).ShouldBe([(0.945, 5d, false, false), (0.8, 100d, true, true), (0.9, 1d, true, false), (1d, 20d, false, false)]);
        weeks.ShouldAllBe(w => w.Keep == keep && w.Low < w.Kept && w.Kept < w.High);
        weeks.Zip(weeks.Skip(1)).ShouldAllBe(w => w.First.Week - w.Second.Week == TimeSpan.FromDays(7) && w.First.Week.DayOfWeek == DayOfWeek.Monday);
    }

    [Fact]
    public async Task Suggestions_are_of_groups_that_only_watch_and_save_for_sure_the_best_candidate_of_each_class_first()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        async Task<IReadOnlyList<SavingSuggestion>> Suggested(int most = 3) => (await store.SendAsync(new GetSuggestions(owner, tenant.TenantId, KeyEnvironment.Live, most))).Value.Suggestions;
        (await Suggested()).ShouldBeEmpty();
        var watching = await RouteAsync(store, tenant, Form("watching", candidates: [Cheap, Other]));
        (await Suggested()).ShouldBeEmpty();
        var (cheap, other) = (Group(store, tenant, watching), Group(store, tenant, watching, Other));
        var (one, two, unproven) = (await cheap.ClassAsync(1, tenant.LiveKey.Id, tools: 3), await cheap.ClassAsync(2, tenant.LiveKey.Id), await cheap.ClassAsync(3, tenant.LiveKey.Id));
        await cheap.CallsAsync(one, RouteReason.NotActive, 20, Cent, NanoUsd.Zero);
        await cheap.CallsAsync(two, RouteReason.NotActive, 40, Cent, NanoUsd.Zero);
        await cheap.CallsAsync(unproven, RouteReason.NotActive, 50, Cent, NanoUsd.Zero);
        await cheap.LearnAsync(one, 60);
        await cheap.LearnAsync(two, 60);
        await cheap.LearnAsync(unproven, 80, 0.2);
        await other.LearnAsync(one, 60);
        var found = await Suggested();
        found.Select(s => (s.RouteId, s.Rule, s.Facts!.Class, s.Strong)).ShouldBe([(watching, 1, two, Strong), (watching, 1, one, Strong)]);
        found[0].ShouldSatisfyAllConditions(s => s.Candidate.ShouldBe(Cheap), s => s.KeyName.ShouldBe(tenant.LiveKey.Name), s => s.Kept.ShouldBe(1), s => s.Low.ShouldBeLessThan(1));
        found[0].Saving.Usd.ShouldBe(0.378m, 0.0001m); // 40 × 0.98 × 0.9 cents, for 30 days of 28
        (found[0].SavingLow <= found[0].Saving && found[0].Saving <= found[0].SavingHigh).ShouldBeTrue();
        (await Suggested(most: 1)).ShouldHaveSingleItem().Facts!.Class.ShouldBe(two);
        // Once it routes, there is nothing to suggest.
        (await store.SendAsync(new UpdateRoute(owner, tenant.TenantId, watching, Form("watching", active: true, candidates: [Cheap, Other])))).Succeeded.ShouldBeTrue();
        (await Suggested()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Two_groups_of_a_route_have_their_own_calls()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        RuleForm Rule(string strong, string candidate, bool last) => new([new TargetForm(strong)]) { When = last ? null : new ConditionsForm { Tools = true }, Quality = new QualityForm([candidate], "10") { Active = true } };
        var route = await RouteAsync(store, tenant, new RouteForm("smart", [Rule(Strong, Cheap, false), Rule("gpt-5.1", Other, true)]));
        var group = Group(store, tenant, route);
        var name = await group.ClassAsync(1, tenant.LiveKey.Id);
        await group.CallsAsync(name, RouteReason.ClassProven, 3, Cent, Cent);
        await group.CallsAsync(name, RouteReason.ClassProven, 2, Cent, Cent, Other);
        await group.CallsAsync(name, RouteReason.BelowBound, 5, Cent, NanoUsd.Zero, "openai/gpt-5.1");
        var groups = (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Live))).Value.Groups;
        groups.Select(g => (g.Rule, g.Strong, g.RoutedCalls, g.Calls)).ShouldBe([(1, Strong, 3L, 3L), (2, "gpt-5.1", 2L, 7L)]);
    }

    [Fact]
    public async Task What_a_group_has_learned_goes_with_its_route_and_does_not_come_back()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        var routing = store.Get<IRoutingStore>();
        async Task<TaughtGroup> Taught(string name)
        {
            var group = Group(store, tenant, await RouteAsync(store, tenant, Form(name)));
            await EverythingAsync(group);
            return group;
        }

        async Task EverythingAsync(TaughtGroup group)
        {
            var name = await group.ClassAsync(1, tenant.LiveKey.Id);
            await group.LearnAsync(name, 3, kept: new QualityTarget(0.95));
            await routing.AddSignalsAsync(group.Pair, [new SignalCount(name, true, null, 5)], CancellationToken.None);
            await group.DemotedAsync(name, "Answers failed their check.");
        }

        async Task<int[]> Kept(string route) =>
        [
            (await routing.PairsAsync(tenant.TenantId, KeyEnvironment.Live, route, CancellationToken.None)).Count, (await routing.ClassesAsync(tenant.TenantId, KeyEnvironment.Live, route, CancellationToken.None)).Count,
            (await routing.WeeksAsync(tenant.TenantId, KeyEnvironment.Live, route, CancellationToken.None)).Count, (await routing.IncidentsAsync(tenant.TenantId, KeyEnvironment.Live, route, 10, CancellationToken.None)).Count,
            (await routing.CallsAsync(tenant.TenantId, KeyEnvironment.Live, route, DateTimeOffset.UnixEpoch, store.Clock.GetUtcNow().AddDays(2), CancellationToken.None)).Count, (int)store.Count($"SELECT count(*) FROM routing_signals WHERE route_id = '{route}'"),
        ];

        var (gone, stays) = (await Taught("smart"), await Taught("other"));
        foreach (var group in (TaughtGroup[])[gone, stays])
            await group.CallsAsync(new TrafficClass(1), RouteReason.NotActive, 2, Cent, NanoUsd.Zero);
        (await Kept(gone.Pair.RouteId)).ShouldBe([1, 1, 1, 1, 1, 1]);
        (await store.SendAsync(new DeleteRoute(owner, tenant.TenantId, gone.Pair.RouteId))).Succeeded.ShouldBeTrue();
        (await Kept(gone.Pair.RouteId)).ShouldBe([0, 0, 0, 0, 0, 0]);
        (await Kept(stays.Pair.RouteId)).ShouldBe([1, 1, 1, 1, 1, 1]);

        // What was on its way, from a node that has not heard of it yet.
        await EverythingAsync(gone);
        (await Kept(gone.Pair.RouteId)).ShouldBe([0, 0, 0, 0, 0, 0]);

        // A route of that name that is made later begins with nothing.
        await RouteAsync(store, tenant, Form("smart"));
        var again = (await store.SendAsync(new GetSavings(owner, tenant.TenantId, KeyEnvironment.Live))).Value.Groups.Single(g => g.RouteName == "smart");
        (again.Candidates[0].Labels, again.Calls, again.Incidents.Count, again.Weeks.Count).ShouldBe((0, 0L, 0, 0));
    }

    [Fact]
    public async Task Labels_that_arrive_while_their_route_is_deleted_leave_nothing_behind()
    {
        var (store, tenant, owner) = await NewAsync();
        await using var _ = store;
        for (var round = 0; round < 5; round++)
        {
            var group = Group(store, tenant, await RouteAsync(store, tenant, Form("smart")));
            var learning = Parallel.ForEachAsync(Enumerable.Range(0, 4), async (_, _) => await group.LearnAsync(new TrafficClass(1), 25));
            await Task.Delay(round * 10, TestContext.Current.CancellationToken);
            (await store.SendAsync(new DeleteRoute(owner, tenant.TenantId, group.Pair.RouteId))).Succeeded.ShouldBeTrue();
            await learning;
            store.Count("SELECT count(*) FROM routing_sums").ShouldBe(0);
        }
    }
}

public sealed class SqliteSavingsTests : SavingsTests<OnSqlite>;

public sealed class PostgresSavingsTests : SavingsTests<OnPostgres>;
