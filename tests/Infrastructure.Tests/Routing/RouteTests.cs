using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Tests.Routing;

/// <summary>A tenant's routes, on every store.</summary>
public abstract class RouteTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    private static RouteForm To(string name, params string[] models) => new(name, [new RuleForm([.. models.Select(m => new TargetForm(m))])]);

    [Fact]
    public async Task A_route_is_made_listed_changed_and_deleted_with_a_line_in_the_audit_log_each_and_keys_see_it_at_once()
    {
        await using var store = await (await Kind.NewAsync()).StartAsync();
        var made = await store.ProvisionAsync("Acme", new("openai", "sk-provider-key-of-acme"), new("anthropic", "sk-ant-key-of-acme-000"));
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        IEnumerable<string> Seen() => store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.Tenant.Routes.Values.Select(r => $"{r.Name}: {string.Join(' ', r.Rules.SelectMany(x => x.Targets).Select(x => x.Model))}");

        var saved = (await store.SendAsync(new SaveRoute(owner, t, To("smart", "openai/gpt-5-mini", "anthropic/claude-haiku-4-5")))).Value;
        saved.Warnings.ShouldBeEmpty();
        Seen().ShouldBe(["smart: openai/gpt-5-mini anthropic/claude-haiku-4-5"]);
        var line = (await store.SendAsync(new ListRoutes(owner, t))).Value.Routes.ShouldHaveSingleItem();
        (line.Id, line.Name, line.CreatedBy, line.ChangedAt).ShouldBe((saved.Id, "smart", owner.Actor, line.CreatedAt));
        line.Route!.Rules[0].Targets.Count.ShouldBe(2);

        (await store.SendAsync(new UpdateRoute(owner, t, saved.Id, To("auto", "gpt-5-mini")))).Value.Id.ShouldBe(saved.Id);
        Seen().ShouldBe(["auto: gpt-5-mini"]);
        (await store.SendAsync(new ListRoutes(owner, t, saved.Id))).Value.Routes.ShouldHaveSingleItem().ChangedAt.ShouldBeGreaterThan(line.CreatedAt);
        (await store.SendAsync(new DeleteRoute(owner, t, saved.Id))).Succeeded.ShouldBeTrue();
        Seen().ShouldBeEmpty();
        (await store.SendAsync(new DeleteRoute(owner, t, saved.Id))).Refusal!.Code.ShouldBe("route_not_found");
        (await store.SendAsync(new UpdateRoute(owner, t, saved.Id, To("auto", "gpt-5-mini")))).Refusal!.Code.ShouldBe("route_not_found");
        (await store.SendAsync(new ListRoutes(owner, t, saved.Id))).Refusal!.Code.ShouldBe("route_not_found");

        var audit = (await store.SendAsync(new ListAudit(owner, t))).Value.Lines.Where(l => l.Action.EndsWith("_route", StringComparison.Ordinal)).ToList();
        audit.Select(l => (l.Action, l.Subject, l.Detail)).ShouldBe([("delete_route", saved.Id, ""), ("update_route", saved.Id, "auto: 1: gpt-5-mini"), ("save_route", saved.Id, "smart: 1: openai/gpt-5-mini, anthropic/claude-haiku-4-5")]);
    }

    [Fact]
    public async Task The_audit_log_says_who_made_which_model_the_judge_and_had_answers_kept()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-provider-key-of-acme"));
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        RouteForm Judged(string? judge, int? cache = null, bool check = true) =>
            new("smart", [new RuleForm([new TargetForm("openai/gpt-5")]) { CacheSeconds = cache, Quality = new QualityForm(["openai/gpt-5-nano"], "10") { Judge = judge, Check = check } }]);
        var id = (await store.SendAsync(new SaveRoute(owner, t, Judged(null)))).Value.Id;
        await store.SendAsync(new UpdateRoute(owner, t, id, Judged("openai/gpt-5.1")));
        await store.SendAsync(new UpdateRoute(Caller.Operator, t, id, Judged("openai/gpt-5-mini", 600, check: false)));
        var audit = (await store.SendAsync(new ListAudit(owner, t))).Value.Lines.Where(l => l.Subject == id).ToList();
        const string Group = "(watching: openai/gpt-5-nano, keep 95 %, samples 3 % up to 10 USD, ";
        audit.Select(l => (l.Actor, l.Action, l.Detail)).ShouldBe(
        [
            ("operator", "update_route", $"smart: 1: openai/gpt-5 (answers kept 600 s) {Group}judge openai/gpt-5-mini, answers unchecked)"),
            (owner.Actor, "update_route", $"smart: 1: openai/gpt-5 {Group}judge openai/gpt-5.1)"),
            (owner.Actor, "save_route", $"smart: 1: openai/gpt-5 {Group}no judge)"),
        ]);
        audit.ShouldAllBe(l => l.At > DateTimeOffset.UnixEpoch);

        // The last of twenty rules of ten long names each has its judge in it too.
        var many = new RouteForm("many", [.. Enumerable.Range(1, 20).Select(rule => new RuleForm([.. Enumerable.Range(0, 10).Select(i => new TargetForm($"openai/model-of-a-long-name-such-as-providers-give-{rule}-{i}"))])
        {
            When = rule == 20 ? null : new ConditionsForm { PromptTokensAtLeast = rule }, Quality = rule == 20 ? new QualityForm(["openai/gpt-5-nano"], "10") { Judge = "openai/gpt-5.1" } : null,
        })]);
        var longest = (await store.SendAsync(new SaveRoute(owner, t, many))).Value.Id;
        (await store.SendAsync(new ListAudit(owner, t))).Value.Lines.Single(l => l.Subject == longest).Detail.ShouldEndWith("judge openai/gpt-5.1)");
    }

    [Fact]
    public async Task What_a_route_can_not_be_is_refused_with_what_to_write()
    {
        await using var store = await Kind.NewAsync(withDirectory: false, settings: s => s["Routes:MaxPerTenant"] = "2");
        var made = await store.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-provider-key-of-acme"));
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        async Task<Refusal> No(RouteForm route) => (await store.SendAsync(new SaveRoute(owner, t, route))).Refusal.ShouldNotBeNull();

        var wrong = await No(To("smart", "openai/gpt-5", "opanai/gpt-5"));
        (wrong.Kind, wrong.Fields.ShouldHaveSingleItem().Field, wrong.Message).ShouldBe((RefusalKind.Invalid, "rules", "Rule 1: 'opanai' in 'opanai/gpt-5' is neither a provider nor an endpoint of this tenant."));
        (await No(To("smart", "gpt-17"))).Message.ShouldBe("Rule 1: no provider's price list has 'gpt-17': write provider/model, such as openai/gpt-17.");
        (await No(To("smart", "my-llm/x"))).Message.ShouldContain("neither a provider nor an endpoint");
        (await No(To("bad name", "openai/gpt-5"))).Fields.ShouldHaveSingleItem().Field.ShouldBe("name");
        (await No(new RouteForm("smart", [new RuleForm([new TargetForm("openai/gpt-5")]) { Retries = 9 }]))).Message.ShouldBe("Rule 1: Retries are 0 to 5; this says 9.");
        (await No(new RouteForm("smart", [new RuleForm([new TargetForm("openai/gpt-5")]) { When = new ConditionsForm { Keys = [made.LiveKey.Id, "key_x"] } }]))).Message.ShouldBe("Rule 1: there is no key 'key_x': name keys by their ids (key_…).");

        await store.SendAsync(new AddCustomEndpoint(owner, t, "my-llm", "https://llm.example.com", "openai"));
        var smart = (await store.SendAsync(new SaveRoute(owner, t, To("smart", "my-llm/x", "gpt-5-mini")))).Value;
        var taken = await No(To("smart", "openai/gpt-5"));
        (taken.Kind, taken.Code).ShouldBe((RefusalKind.Conflict, "route_exists"));
        (await No(To("auto", "smart"))).Message.ShouldBe("Rule 1: 'smart' is a route: a target is a model, never another route.");
        (await No(To("gpt-5-mini", "openai/gpt-5"))).Code.ShouldBe("name_is_target"); // which smart means as a model
        // A route that took a model's name over may send its calls to that model.
        (await store.SendAsync(new SaveRoute(owner, t, To("gpt-5", "gpt-5", "my-llm/x")))).Succeeded.ShouldBeTrue();
        (await No(To("third", "openai/gpt-5"))).Code.ShouldBe("too_many_routes");
        (await store.SendAsync(new UpdateRoute(owner, t, smart.Id, To("gpt-5", "openai/gpt-5")))).Refusal!.Code.ShouldBe("route_exists");
        (await store.SendAsync(new UpdateRoute(owner, t, smart.Id, To("smart", "gpt-5")))).Refusal!.Message.ShouldContain("'gpt-5' is a route");
        (await store.SendAsync(new UpdateRoute(owner, t, smart.Id, To("smart", "openai/gpt-5")))).Succeeded.ShouldBeTrue();
    }

    [Fact]
    public async Task What_is_odd_is_kept_and_said_as_a_warning()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-provider-key-of-acme"));
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        await store.SendAsync(new AddCustomEndpoint(owner, t, "my-llm", "https://llm.example.com", "openai"));
        var saved = (await store.SendAsync(new SaveRoute(owner, t, To("smart", "openai/gpt-5-mini", "anthropic/claude-haiku-4-5", "my-llm/x", "openai/none-such", "ollama/llama3", "anthropic/claude-sonnet-4-5", "mistral-small-2603")))).Value;
        saved.Warnings.ShouldBe(
        [
            "my-llm/x has no price: its calls are recorded without a cost, and a strict budget refuses them.",
            "openai/none-such has no price: its calls are recorded without a cost, and a strict budget refuses them.",
            "No key for anthropic is stored: live calls can't reach anthropic/claude-haiku-4-5, anthropic/claude-sonnet-4-5 unless they bring their own.",
            "No key for mistral or venice is stored: live calls can't reach mistral-small-2603 unless they bring their own.",
        ]);
        (await store.SendAsync(new ListRoutes(owner, t))).Value.Routes.Single(r => r.Name == "smart").Warnings.ShouldBe(saved.Warnings);
        // What is tried in the sandbox has its key and its price there.
        var trial = (await store.SendAsync(new SaveRoute(owner, t, new RouteForm("trial", [new RuleForm([new TargetForm("openai/sandbox-large")]) { Quality = new QualityForm(["anthropic/sandbox-small"], "1") { Judge = "openai/sandbox-grades" } }])))).Value;
        trial.Warnings.ShouldBe(["openai/sandbox-large, anthropic/sandbox-small are models of the sandbox: calls with a test key alone reach them."]);
        (await store.SendAsync(new SaveRoute(owner, t, To("alone", "openai/gpt-5", "openai/sandbox-500")))).Value.Warnings.ShouldBe(["openai/sandbox-500 is a model of the sandbox: calls with a test key alone reach it."]);
        // A judge that can't be asked is told of: else samples would be paid for and teach nothing.
        async Task<IReadOnlyList<string>> JudgedBy(string judge) => (await store.SendAsync(new UpdateRoute(owner, t, trial.Id, new RouteForm("trial", [new RuleForm([new TargetForm("openai/gpt-5")]) { Quality = new QualityForm(["openai/gpt-5-nano"], "1") { Judge = judge } }])))).Value.Warnings;
        (await JudgedBy("openai/gpt-5.1")).ShouldBeEmpty();
        (await JudgedBy("anthropic/claude-sonnet-4-5")).ShouldBe(["No key for anthropic is stored: the judge anthropic/claude-sonnet-4-5 can't be asked, and live answers that need a judge are not compared."]);
        (await JudgedBy("openai/none-such")).ShouldBe(["The judge openai/none-such has no price, and what samples may cost is a strict budget: it is never asked."]);
        // What is gone since is told of too.
        await store.SendAsync(new RemoveCustomEndpoint(owner, t, "my-llm"));
        (await store.SendAsync(new ListRoutes(owner, t))).Value.Routes.Single(r => r.Name == "smart").Warnings.ShouldContain("'my-llm' in 'my-llm/x' is neither a provider nor an endpoint of this tenant.");
        store.Execute("""UPDATE model_routes SET policy = '{"rules":[{"targets":[{"model":"openai/gpt-5"}],"mirror":1}]}'""");
        var unreadable = (await store.SendAsync(new ListRoutes(owner, t))).Value.Routes[0];
        unreadable.Route.ShouldBeNull();
        unreadable.Warnings.ShouldHaveSingleItem().ShouldContain("This version can't read the route");
    }

    [Fact]
    public async Task A_change_of_another_process_is_seen_and_one_tenants_routes_are_not_anothers()
    {
        await using var server = await (await Kind.NewAsync()).StartAsync();
        await using var beside = await Kind.NewAsync(server, withDirectory: false);
        var (made, other) = (await beside.ProvisionAsync("Acme"), await beside.ProvisionAsync("Other"));
        var saved = (await beside.SendAsync(new SaveRoute(Caller.Operator, made.TenantId, To("smart", "openai/gpt-5")))).Value;
        (await beside.SendAsync(new SaveRoute(Caller.Operator, other.TenantId, To("smart", "openai/gpt-5-mini")))).Succeeded.ShouldBeTrue();
        string? Target(TenantProvisioned tenant) => server.Get<IKeyDirectory>().Find(tenant.LiveKey.Secret).Key?.Tenant.Routes.GetValueOrDefault("smart")?.Rules[0].Targets[0].Model;
        for (var tries = 0; Target(other) is null; tries++)
        {
            tries.ShouldBeLessThan(500);
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        (Target(made), Target(other)).ShouldBe(("openai/gpt-5", "openai/gpt-5-mini"));
        (await beside.SendAsync(new DeleteRoute(Caller.Operator, other.TenantId, saved.Id))).Refusal!.Code.ShouldBe("route_not_found");
        (await beside.SendAsync(new ListRoutes(new Caller(other.TenantId, other.OwnerId, Role.Owner), made.TenantId))).Refusal!.Code.ShouldBe("tenant_not_found");
    }
}

public sealed class SqliteRouteTests : RouteTests<OnSqlite>;

public sealed class PostgresRouteTests : RouteTests<OnPostgres>;
