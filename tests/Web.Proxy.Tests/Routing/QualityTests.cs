using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Routing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Routing;

/// <summary>Quality groups on live calls: the sandbox's large model is the strong one, and candidates answer alike, worse, or wrongly.</summary>
public sealed class QualityTests(CapProduct cap) : IClassFixture<CapProduct>
{
    private const string Strong = "openai/sandbox-large";
    private const string Good = "groq/sandbox-small";

    private static int _routes;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private IServiceProvider Services => cap.Product.Services;

    private IRoutingStore Store => Services.GetRequiredService<IRoutingStore>();

    private sealed record Group(string Id, string Name);

    private sealed record Seen(string Id, int Status, string Route, string Text, IReadOnlyList<JsonElement> Attempts)
    {
        public string Model => Attempts[^1].GetProperty("request_model").GetString()!;
    }

    private static JsonElement Rules(string candidate, bool active, int samples, string limit, string? judge, bool check = true, decimal keep = 95) =>
        JsonSerializer.SerializeToElement(new[] { new { targets = new[] { new { model = Strong } }, quality = new { candidates = new[] { candidate }, keep_percent = keep, active, sample_percent = samples, sample_limit_usd = limit, judge, check } } });

    private async Task<Group> GroupAsync(string candidate = Good, bool active = false, int samples = 100, string limit = "100", string? judge = null, bool check = true)
    {
        var name = $"group-{Interlocked.Increment(ref _routes)}";
        using var answer = await cap.Product.ApiAsync(HttpMethod.Post, "routes", JsonContent.Create(new { name, rules = Rules(candidate, active, samples, limit, judge, check) }));
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        ((int)answer.StatusCode).ShouldBe(201, text);
        return new Group(JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!, name);
    }

    private async Task ChangeAsync(Group group, JsonElement rules)
    {
        using var answer = await cap.Product.ApiAsync(HttpMethod.Put, $"routes/{group.Id}", JsonContent.Create(new { name = group.Name, rules }));
        ((int)answer.StatusCode).ShouldBeInRange(200, 204, await answer.Content.ReadAsStringAsync(Cancel));
    }

    private async Task<Seen> CallAsync(Group group, string prompt = "Hello", bool stream = false, string more = "", string path = "/v1/chat/completions", string? body = null)
    {
        using var answer = await cap.Product.PostAsync(path, body ?? ProxyCalls.Chat(group.Name, stream, prompt, more));
        var text = (await CapProduct.ReadAsync(answer)).Text;
        var id = answer.Headers.GetValues("x-tokonomics-request-id").Single();
        var row = await cap.Product.EventAsync(id);
        return new Seen(id, (int)answer.StatusCode, answer.Headers.TryGetValues("x-tokonomics-route", out var route) ? route.Single() : "", text, [.. row.GetProperty("attempts").EnumerateArray()]);
    }

    // All samples are compared, and all that was learned is known.
    private async Task LearnedAsync(Group group, string candidate = Good)
    {
        var samples = Services.GetRequiredService<Samples>();
        while (!samples.AreDone)
            await Task.Delay(20, Cancel);
        await Task.Delay(50, Cancel);
        while (!samples.AreDone)
            await Task.Delay(20, Cancel);
        await cap.Product.DrainAsync();
        Services.GetRequiredService<QualityGroups>().Spoil(Pair(group, candidate));
    }

    // What was spoilt is read behind the first call's back.
    private async Task ReadAsync(Group group)
    {
        await CallAsync(group);
        await Task.Delay(100, Cancel);
    }

    private RoutingPair Pair(Group group, string candidate = Good) => new(cap.Product.TenantId, KeyEnvironment.Test, group.Id, Strong, candidate);

    private async Task<IReadOnlyList<RoutedCalls>> RowsAsync(Group group)
    {
        await cap.Product.DrainAsync();
        return await Store.CallsAsync(cap.Product.TenantId, KeyEnvironment.Test, group.Id, DateTimeOffset.UnixEpoch, DateTimeOffset.UtcNow.AddDays(2), Cancel);
    }

    private async Task<RoutingSums?> SumsAsync(Group group, string candidate = Good) =>
        await Store.LoadAsync(Pair(group, candidate), Cancel) is { } stored ? RoutingSums.Read(stored.Sums, stored.Fingerprint) : null;

    // As many labels as prove any class, as samples would have made them.
    private async Task TeachAsync(Group group, string candidate, double score, int labels = 120)
    {
        var pair = Pair(group, candidate);
        var (book, now) = (Services.GetRequiredService<PriceBook>(), DateTimeOffset.UtcNow);
        ModelPrices? Priced(string model) => CallRating.Model(book, model.Split('/')[0], model.Split('/')[1], null, KeyEnvironment.Test, now);
        var facts = (await Store.ClassesAsync(cap.Product.TenantId, KeyEnvironment.Test, group.Id, Cancel)).Single();
        for (var i = 0; i < labels; i++)
        {
            var label = new RoutingLabel(facts.Class, new double[PromptFeatures.Count], 1, score, new NanoUsd(1000), new NanoUsd(100));
            await Services.GetRequiredService<RoutingLearner>().LearnAsync(
                pair, RoutingLearner.FingerprintOf(pair, Priced(Strong), Priced(candidate), now), label, new AnswerReading("", [], AnswerEnd.Whole, null), new AnswerReading("", [], AnswerEnd.Whole, null), null, Cancel);
        }

        Services.GetRequiredService<QualityGroups>().Spoil(pair);
    }

    // A group that routes, with as many labels of its one class as prove it.
    private async Task<Group> ProvenAsync(string candidate, string more = "", int samples = 0)
    {
        var group = await GroupAsync(candidate, samples: 0);
        await CallAsync(group, more: more);
        await TeachAsync(group, candidate, 1);
        await ChangeAsync(group, Rules(candidate, active: true, samples, "100", null));
        await CallAsync(group, more: more);
        await Task.Delay(100, Cancel);
        return group;
    }

    // The first of some prompts for which it is so: two in a hundred conversations stay on the strong model.
    private async Task<Seen> FirstAsync(Group group, Func<Seen, bool> isSo, bool stream = false, string more = "")
    {
        for (var i = 0; i < 20; i++)
            if (await CallAsync(group, $"Prompt {i}", stream, more) is var seen && isSo(seen))
                return seen;
        throw new ShouldAssertException("no call was so");
    }

    [Fact]
    public async Task A_group_that_only_watches_learns_from_samples_and_routes_nothing()
    {
        var before = cap.Bill;
        var group = await GroupAsync();
        for (var i = 0; i < 8; i++)
        {
            var seen = await CallAsync(group, $"Question {i}", stream: i % 2 == 1);
            seen.Status.ShouldBe(200, seen.Text);
            seen.Model.ShouldBe("sandbox-large");
            seen.Route.ShouldEndWith("why=quality NotActive");
        }

        await LearnedAsync(group);
        var sums = (await SumsAsync(group)).ShouldNotBeNull();
        sums.Labels.ShouldBe(8);
        (sums.All.Strong, sums.All.Candidate).ShouldBe((8, 8)); // both said the same
        var rows = await RowsAsync(group);
        rows.Single(r => r.Reason == RouteReason.NotActive).ShouldSatisfyAllConditions(r => r.Calls.ShouldBe(8), r => r.Model.ShouldBe(Strong), r => r.SavedNano.ShouldBe(0));
        rows.Single(r => r.Reason == RouteReason.Shadow).ShouldSatisfyAllConditions(r => r.Calls.ShouldBe(8), r => r.Model.ShouldBe(Good), r => r.SavedNano.ShouldBe(-r.CostNano), r => r.CostNano.ShouldBeGreaterThan(0));
        rows.Sum(r => r.CostNano).ShouldBe((cap.Bill - before).Value);
        await cap.SettledAsync();
    }

    [Fact]
    public async Task Once_the_labels_prove_it_calls_go_to_the_candidate_and_say_what_they_saved()
    {
        var group = await ProvenAsync(Good);
        var routed = await FirstAsync(group, s => s.Model == "sandbox-small");
        routed.Route.ShouldEndWith($"target=groq/sandbox-small; attempt=1; why=quality ClassProven");
        var row = (await RowsAsync(group)).First(r => r.Reason == RouteReason.ClassProven);
        row.Model.ShouldBe(Good);
        row.SavedNano.ShouldBeGreaterThan(row.CostNano); // ten times as dear in, twenty times out
        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_candidate_that_a_judge_finds_worse_gets_no_calls()
    {
        const string Poor = "groq/sandbox-small-words-3";
        var group = await GroupAsync(Poor, judge: "openai/sandbox-grades");
        for (var i = 0; i < 3; i++)
            await CallAsync(group, $"Question {i}");
        await LearnedAsync(group, Poor);
        var all = (await SumsAsync(group, Poor)).ShouldNotBeNull().All;
        all.Count.ShouldBe(3);
        (all.Strong / 3).ShouldBe(1);
        (all.Candidate / 3).ShouldBeInRange(0.05, 0.3);
        (await RowsAsync(group)).Single(r => r.Reason == RouteReason.Judge).Calls.ShouldBe(6); // each pair in both orders
        await TeachAsync(group, Poor, 0.2);
        await ChangeAsync(group, Rules(Poor, active: true, 0, "100", null));
        await ReadAsync(group);
        (await CallAsync(group)).Route.ShouldEndWith("target=openai/sandbox-large; attempt=1; why=quality BelowBound");
    }

    [Fact]
    public async Task Without_a_judge_long_answers_that_differ_teach_nothing_and_short_ones_do()
    {
        const string Essay = "groq/sandbox-small-words-60";
        var group = await GroupAsync(Essay);
        await CallAsync(group);
        await LearnedAsync(group, Essay);
        (await SumsAsync(group, Essay)).ShouldBeNull();
        (await RowsAsync(group)).ShouldContain(r => r.Reason == RouteReason.Shadow);
        AnswerJudge.Compare(RequestReading.Of("openai-chat", """{"messages":[{"role":"user","content":"?"}]}"""u8.ToArray())!, new("Yes.", [], AnswerEnd.Whole, null), new("no", [], AnswerEnd.Whole, null), last: true).ShouldBe(new PairVerdict(1, 0));
    }

    [Fact]
    public async Task Samples_and_their_judge_never_cost_more_than_their_limit()
    {
        var group = await GroupAsync("groq/sandbox-small-words-40", limit: "0.02", judge: "openai/sandbox-grades");
        await Parallel.ForEachAsync(Enumerable.Range(0, 40), Cancel, async (i, _) => (await CallAsync(group, $"Question {i}")).Status.ShouldBe(200));
        await LearnedAsync(group, "groq/sandbox-small-words-40");
        var rows = await RowsAsync(group);
        rows.Where(r => r.Reason is RouteReason.Shadow or RouteReason.Judge).Sum(r => r.CostNano).ShouldBeInRange(1, 20_000_000);
        rows.Single(r => r.Reason == RouteReason.NotActive).Calls.ShouldBe(40);
        await cap.SettledAsync();
    }

    [Fact]
    public async Task Without_a_limit_nothing_is_sampled()
    {
        var group = await GroupAsync(limit: "0");
        await CallAsync(group);
        await LearnedAsync(group);
        (await RowsAsync(group)).ShouldAllBe(r => r.Reason == RouteReason.NotActive);
    }

    private const string Tools = ""","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]""";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tool_call_that_fails_its_check_is_asked_of_the_strong_model_once_and_both_are_billed(bool stream)
    {
        const string Wrong = "groq/sandbox-small-wrong";
        var group = await ProvenAsync(Wrong, Tools);
        var (escalated, before) = ((Seen?)null, cap.Bill);
        for (var i = 0; i < 20 && escalated is null; i++)
        {
            before = cap.Bill;
            if (await CallAsync(group, $"Weather {i}", stream, Tools) is { Attempts.Count: 2 } twice)
                escalated = twice;
        }

        escalated.ShouldNotBeNull().Status.ShouldBe(200);
        escalated.Route.ShouldEndWith("target=openai/sandbox-large; attempt=2; why=the answer of groq/sandbox-small-wrong failed its check: Missing");
        escalated.Text.ShouldContain("weather");
        escalated.Text.ShouldNotContain("wrong\\\"");
        escalated.Attempts.Sum(a => NanoUsd.Parse(a.GetProperty("cost_usd").GetString())!.Value.Value).ShouldBe((cap.Bill - before).Value);
        escalated.Attempts.ShouldAllBe(a => NanoUsd.Parse(a.GetProperty("cost_usd").GetString())!.Value > NanoUsd.Zero);
        var rows = await RowsAsync(group);
        rows.ShouldContain(r => r.Reason == RouteReason.Escalated && r.Model == Strong && r.SavedNano == 0);
        rows.Single(r => r.Reason == RouteReason.ClassProven).ShouldSatisfyAllConditions(r => r.SavedNano.ShouldBe(-r.CostNano));
        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_tool_call_that_is_well_goes_to_the_client_as_it_came()
    {
        var group = await ProvenAsync(Good, Tools);
        foreach (var stream in (bool[])[false, true])
        {
            var routed = await FirstAsync(group, s => s.Model == "sandbox-small", stream, more: Tools);
            routed.Attempts.Count.ShouldBe(1);
            AnswerReading.Of("openai-chat", System.Text.Encoding.UTF8.GetBytes(routed.Text), stream, ProviderQuirks.None)!.Calls.ShouldBe([new MadeCall("weather", """{"city":"sandbox"}""")]);
            routed.Text.ShouldContain(stream ? "data: [DONE]" : "\"finish_reason\":\"tool_calls\"");
        }
    }

    [Fact]
    public async Task An_answer_that_breaks_off_before_it_could_be_checked_is_asked_of_the_strong_model()
    {
        const string Broken = "groq/sandbox-small-cut";
        var group = await ProvenAsync(Broken, Tools);
        var escalated = await FirstAsync(group, s => s.Attempts.Count == 2, more: Tools);
        escalated.Status.ShouldBe(200, escalated.Text);
        escalated.Route.ShouldEndWith("failed its check: BrokenOff");
        escalated.Attempts.Select(a => a.GetProperty("outcome").GetString()).ShouldBe(["truncated", "completed"]);
        await cap.Product.DrainAsync();
        (await SumsAsync(group, Broken))!.Labels.ShouldBe(120);
    }

    [Fact]
    public async Task Failed_checks_send_a_class_back_to_the_strong_model()
    {
        const string Wrong = "groq/sandbox-large-wrong";
        var group = await ProvenAsync(Wrong, Tools);
        for (var i = 0; i < 60; i++)
            await CallAsync(group, $"Weather {i}", more: Tools);
        await Services.GetRequiredService<QualitySignals>().FlushAsync(Cancel);
        var incident = (await Store.IncidentsAsync(cap.Product.TenantId, KeyEnvironment.Test, group.Id, 10, Cancel)).ShouldHaveSingleItem();
        incident.Kind.ShouldBe("demoted");
        incident.Detail.ShouldStartWith("Answers failed their check in ");
        Services.GetRequiredService<QualityGroups>().Spoil(Pair(group, Wrong));
        await CallAsync(group, more: Tools);
        await Task.Delay(100, Cancel);
        for (var i = 0; i < 5; i++)
            (await CallAsync(group, $"After {i}", more: Tools)).Model.ShouldBe("sandbox-large");
    }

    private sealed record Foretold(string GoesTo, string Why, bool Certain, string Notes, string Model, NanoUsd Most, IReadOnlyDictionary<string, NanoUsd> MostOf);

    private async Task<Foretold> EstimateAsync(Group group, string body, bool withKey = true)
    {
        using var keys = await cap.Product.ApiAsync(HttpMethod.Get, "keys");
        var key = JsonDocument.Parse(await keys.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("data").EnumerateArray().First(k => k.GetProperty("environment").GetString() == "test").GetProperty("id").GetString();
        using var answer = await cap.Product.ApiAsync(
            HttpMethod.Post, "estimate", JsonContent.Create(new { path = "/v1/chat/completions", body = JsonDocument.Parse(body).RootElement, key_id = withKey ? key : null, environment = "test" }));
        var text = await answer.Content.ReadAsStringAsync(Cancel);
        ((int)answer.StatusCode).ShouldBe(200, text);
        var told = JsonDocument.Parse(text).RootElement;
        var quality = told.GetProperty("route").GetProperty("quality");
        static NanoUsd Most(JsonElement e) => NanoUsd.Parse(e.GetProperty("upper_bound_usd").GetString())!.Value;
        return new Foretold(
            quality.GetProperty("goes_to").GetString()!, quality.GetProperty("why").GetString()!, quality.GetProperty("certain").GetBoolean(), string.Join(" ", quality.GetProperty("notes").EnumerateArray().Select(n => n.GetString())),
            told.GetProperty("model").GetString()!, Most(told), told.GetProperty("route").GetProperty("targets").EnumerateArray().ToDictionary(t => t.GetProperty("target").GetString()!, Most));
    }

    [Fact]
    public async Task An_estimate_says_where_the_group_sends_a_call_as_the_call_then_goes_and_counts_as_none()
    {
        string Body(Group group, int i) => ProxyCalls.Chat(group.Name, false, $"Foretold {i}", ",\"max_tokens\":50");
        var watching = await GroupAsync(samples: 100);
        (await EstimateAsync(watching, Body(watching, 0))).ShouldSatisfyAllConditions(e => e.GoesTo.ShouldBe(Strong), e => e.Why.ShouldBe("NotActive"), e => e.Certain.ShouldBeTrue(), e => e.Model.ShouldBe("sandbox-large"));
        var group = await ProvenAsync(Good);
        await FirstAsync(group, s => s.Model == "sandbox-small");
        var before = (await RowsAsync(group)).Sum(r => r.Calls);

        // What goes to the candidate, and the first that is of the holdout: 1 in 500 million runs there would be none of 1,000.
        var foretold = new List<(int Prompt, Foretold Estimate)>();
        for (var i = 0; i < 1000 && (foretold.Count < 3 || foretold.TrueForAll(f => f.Estimate.Why != "Holdout")); i++)
            if (await EstimateAsync(group, Body(group, i)) is var estimate && (foretold.Count < 2 || estimate.Why == "Holdout"))
                foretold.Add((i, estimate));
        foretold.ShouldContain(f => f.Estimate.Why == "Holdout");
        foretold.ShouldContain(f => f.Estimate.GoesTo == Good);
        await cap.Product.DrainAsync();
        Services.GetRequiredService<Samples>().AreDone.ShouldBeTrue();
        (await RowsAsync(group)).Sum(r => r.Calls).ShouldBe(before);
        (await SumsAsync(group))!.Labels.ShouldBe(120);
        (await RowsAsync(watching)).ShouldBeEmpty();
        (await Store.ClassesAsync(cap.Product.TenantId, KeyEnvironment.Test, watching.Id, Cancel)).ShouldBeEmpty();

        foreach (var (prompt, estimate) in foretold)
        {
            var seen = await CallAsync(group, body: Body(group, prompt));
            seen.Route.ShouldEndWith($"target={estimate.GoesTo}; attempt=1; why=quality {estimate.Why}");
            seen.Model.ShouldBe(estimate.Model);
            (estimate.Certain, estimate.Notes).ShouldBe((true, ""));
            estimate.Most.ShouldBe(estimate.MostOf[estimate.GoesTo]);
        }
    }

    [Fact]
    public async Task Where_the_lot_is_drawn_when_the_call_is_made_its_estimate_says_so_and_bounds_both_models()
    {
        // Instructions alone: no message by which the conversation were known.
        var group = await GroupAsync(samples: 0);
        var body = $$"""{"model":"{{group.Name}}","max_tokens":50,"messages":[{"role":"system","content":"Say something."}]}""";
        await CallAsync(group, body: body);
        await TeachAsync(group, Good, 1);
        await ChangeAsync(group, Rules(Good, active: true, 0, "100", null));
        var estimate = await EstimateAsync(group, body);
        (estimate.GoesTo, estimate.Why, estimate.Certain).ShouldBe((Good, "ClassProven", false));
        estimate.Notes.ShouldStartWith("Two in a hundred calls stay on openai/sandbox-large for ever.");
        estimate.MostOf[Strong].ShouldBeGreaterThan(estimate.MostOf[Good]);
        estimate.Most.ShouldBe(estimate.MostOf[Strong]);
    }

    [Fact]
    public async Task Where_an_answer_is_checked_the_estimate_bounds_both_models_together_and_without_a_key_no_class_is_known()
    {
        var group = await ProvenAsync(Good, Tools);
        for (var i = 0; i < 50; i++)
        {
            var body = ProxyCalls.Chat(group.Name, false, $"Checked {i}", Tools + ",\"max_tokens\":50");
            var estimate = await EstimateAsync(group, body);
            if (estimate.Why == "Holdout")
                continue;
            (estimate.GoesTo, estimate.Why, estimate.Certain).ShouldBe((Good, "ClassProven", true));
            estimate.Most.ShouldBe(estimate.MostOf[Strong] + estimate.MostOf[Good]);
            estimate.Notes.ShouldContain("both are billed");
            var stranger = await EstimateAsync(group, body, withKey: false);
            (stranger.GoesTo, stranger.Why).ShouldBe((Strong, "BelowBound"));
            stranger.Notes.ShouldBe("Classes of calls are told by their key too: without key_id none is known.");
            return;
        }

        Assert.Fail("no conversation went to the candidate");
    }

    [Fact]
    public async Task A_holdout_stays_on_the_strong_model_and_says_what_quality_is_kept()
    {
        var group = await ProvenAsync(Good, samples: 1);
        await Parallel.ForEachAsync(Enumerable.Range(0, 400), Cancel, async (i, _) => (await CallAsync(group, $"Prompt number {i}")).Status.ShouldBe(200));
        await LearnedAsync(group);
        var rows = await RowsAsync(group);
        var held = rows.Single(r => r.Reason == RouteReason.Holdout); // 1 in 1,500 runs there would be none of 400
        held.Model.ShouldBe(Strong);
        held.Calls.ShouldBeLessThan(40);
        rows.Single(r => r.Reason == RouteReason.ClassProven).Calls.ShouldBeGreaterThan(340, string.Join("; ", rows));
        var week = (await Store.WeeksAsync(cap.Product.TenantId, KeyEnvironment.Test, group.Id, Cancel)).ShouldHaveSingleItem();
        week.Scores.Count.ShouldBeLessThanOrEqualTo(held.Calls);
        week.Scores.Count.ShouldBeGreaterThan(0);
        (week.Scores.Strong, week.Scores.Candidate, week.KeepPermille).ShouldBe((week.Scores.Count, week.Scores.Count, 950));
        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_candidate_of_another_dialect_is_asked_and_compared_as_well()
    {
        const string Other = "anthropic/sandbox-small";
        var group = await GroupAsync(Other, judge: "openai/sandbox-grades");
        foreach (var stream in (bool[])[false, true])
            (await CallAsync(group, "Hello there", stream)).Status.ShouldBe(200);
        await LearnedAsync(group, Other);
        (await SumsAsync(group, Other)).ShouldNotBeNull().Labels.ShouldBe(2);
        await cap.SettledAsync();
    }

    [Fact]
    public async Task Requests_of_every_dialect_are_sampled()
    {
        var group = await GroupAsync(judge: "openai/sandbox-grades");
        foreach (var stream in (string[])["false", "true"])
        {
            (await CallAsync(group, path: "/v1/responses", body: $$"""{"model":"{{group.Name}}","stream":{{stream}},"max_output_tokens":100,"input":"Hello"}""")).Status.ShouldBe(200);
            (await CallAsync(group, path: "/v1/messages", body: $$"""{"model":"{{group.Name}}","stream":{{stream}},"max_tokens":100,"messages":[{"role":"user","content":"Hello"}]}""")).Status.ShouldBe(200);
        }

        await LearnedAsync(group);
        (await SumsAsync(group)).ShouldNotBeNull().Labels.ShouldBe(4);
    }

    [Fact]
    public async Task What_speaks_against_an_answer_of_the_candidate_is_counted()
    {
        var group = await ProvenAsync(Good);
        Seen? routed = null;
        var prompt = "";
        for (var i = 0; i < 20 && routed is null; i++)
            if (await CallAsync(group, prompt = $"Prompt {i}") is { Model: "sandbox-small" } there)
                routed = there;

        // 1. The same request again, and again: once.
        await CallAsync(group, prompt);
        await CallAsync(group, prompt);

        // 2. Somebody says that it was bad; that it was good counts nowhere.
        foreach (var (good, counts) in ((bool, bool)[])[(true, false), (false, true)])
        {
            using var feedback = await cap.Product.ApiAsync(HttpMethod.Post, "feedback", JsonContent.Create(new { request_id = routed!.Id, good }));
            (await feedback.Content.ReadAsStringAsync(Cancel)).ShouldBe(counts ? """{"counts":true}""" : """{"counts":false}""");
        }

        using var unknown = await cap.Product.ApiAsync(HttpMethod.Post, "feedback", JsonContent.Create(new { request_id = "req_x", good = false }));
        ((int)unknown.StatusCode).ShouldBe(404);

        // 3. A tool that it called reports an error in the next turn.
        await CallAsync(group, body: $$$"""
            {"model":"{{{group.Name}}}","messages":[{"role":"user","content":"{{{prompt}}}"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"Error: no such city"}]}
            """);

        // 4. An answer is cut off at the most tokens that the client allows.
        await FirstAsync(group, s => s.Model == "sandbox-small", more: ",\"max_tokens\":1");
        await Services.GetRequiredService<QualitySignals>().FlushAsync(Cancel);
        var signals = new Dictionary<string, long>();
        await using (var connection = new SqliteConnection($"Data Source={cap.Product.DataFolder}/tokonomics.db;Mode=ReadOnly"))
        {
            await connection.OpenAsync(Cancel);
            await using var command = connection.CreateCommand();
            command.CommandText = "SELECT signal, sum(times) FROM routing_signals WHERE route_id = $route AND of_candidate = 1 GROUP BY signal";
            command.Parameters.AddWithValue("$route", group.Id);
            await using var row = await command.ExecuteReaderAsync(Cancel);
            while (await row.ReadAsync(Cancel))
                signals.Add(row.GetString(0), row.GetInt64(1));
        }

        signals["Calls"].ShouldBeGreaterThanOrEqualTo(3);
        (signals["Regenerated"], signals["ThumbsDown"], signals["ToolError"], signals["CutShort"]).ShouldBe((1, 1, 1, 1));
    }

    [Fact]
    public async Task In_the_middle_of_a_tool_loop_a_conversation_stays_where_it_is()
    {
        var group = await GroupAsync(Good, samples: 0);
        const string Turn = """{"role":"user","content":"Weather, please?"}""";
        const string Loop = Turn + """,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"rain"}""";
        string Body(string messages) => $$"""{"model":"{{group.Name}}","messages":[{{messages}}]{{Tools}}}""";
        (await CallAsync(group, body: Body(Turn))).Model.ShouldBe("sandbox-large");
        await TeachAsync(group, Good, 1);
        await ChangeAsync(group, Rules(Good, active: true, 0, "100", null));
        await CallAsync(group, "Something else", more: Tools);
        await Task.Delay(100, Cancel);
        var seen = await CallAsync(group, body: Body(Loop));
        seen.Status.ShouldBe(200, seen.Text);
        seen.Route.ShouldEndWith("target=openai/sandbox-large; attempt=1; why=quality Conversation");
    }

    [Fact]
    public async Task A_tool_loop_at_the_candidate_stays_there_and_says_what_it_saves()
    {
        var group = await ProvenAsync(Good, Tools);
        for (var i = 0; i < 20; i++)
        {
            var turn = $$"""{"role":"user","content":"Weather {{i}}?"}""";
            if ((await CallAsync(group, body: $$"""{"model":"{{group.Name}}","messages":[{{turn}}]{{Tools}}}""")).Model != "sandbox-small")
                continue;
            const string Loop = """,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"rain"}""";
            var loop = await CallAsync(group, body: $$"""{"model":"{{group.Name}}","messages":[{{turn}}{{Loop}}]{{Tools}}}""");
            loop.Route.ShouldEndWith("target=groq/sandbox-small; attempt=1; why=quality Conversation");
            (await RowsAsync(group)).Single(r => r.Reason == RouteReason.Conversation).ShouldSatisfyAllConditions(r => r.Model.ShouldBe(Good), r => r.SavedNano.ShouldBeGreaterThan(r.CostNano));
            return;
        }

        Assert.Fail("no conversation went to the candidate");
    }

    [Fact]
    public async Task Another_version_of_the_candidate_is_learned_anew()
    {
        var group = await GroupAsync(samples: 0);
        await CallAsync(group);
        await TeachAsync(group, Good, 1);
        var learner = Services.GetRequiredService<RoutingLearner>();
        var stored = (await Store.LoadAsync(Pair(group), Cancel))!;
        var facts = (await Store.ClassesAsync(cap.Product.TenantId, KeyEnvironment.Test, group.Id, Cancel)).Single();
        var label = new RoutingLabel(facts.Class, new double[PromptFeatures.Count], 1, 1, NanoUsd.Zero, NanoUsd.Zero);
        async Task LearnAsync(PairFingerprint fingerprint, string answered) => await learner.LearnAsync(
            Pair(group), fingerprint, label, new AnswerReading("", [], AnswerEnd.Whole, "large-1"), new AnswerReading("", [], AnswerEnd.Whole, answered), null, Cancel);
        await LearnAsync(stored.Fingerprint, "small-1");
        (await SumsAsync(group))!.Labels.ShouldBe(121);
        await LearnAsync(stored.Fingerprint, "small-2");
        (await SumsAsync(group))!.Labels.ShouldBe(1);
        await LearnAsync(new PairFingerprint(7), "small-2"); // a price is another
        (await SumsAsync(group))!.Labels.ShouldBe(1);
        await learner.ResetAsync(Pair(group), "small-3", Cancel);
        (await SumsAsync(group))!.Labels.ShouldBe(0);
        (await Store.IncidentsAsync(cap.Product.TenantId, KeyEnvironment.Test, group.Id, 10, Cancel)).Select(i => i.Detail).ShouldBe(
        [
            "Learning began anew: the candidate answers as small-3, and was small-2.", "Learning began anew: a model's name or a price is another.", "Learning began anew: the candidate answers as small-2, and was small-1.",
        ]);
    }
}
