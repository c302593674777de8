using System.Reflection;
using System.Runtime.CompilerServices;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Caching;
using Tokonomics.Application.Jobs;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Tests.Tenants;

public sealed class PipelineTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Every use case about things in a tenant, with ids that belong to that tenant.
    private static readonly System.Text.Json.JsonElement Rates = System.Text.Json.JsonDocument.Parse("""{"input":"1","output":"2"}""").RootElement;

    private static SummaryQuestion Month(string tenant) => new(tenant, new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 4, 1, 0, 0, 0, TimeSpan.Zero));

    private static async Task<List<(Right Needs, Func<Caller, Task<Refusal?>> Send)>> CasesAsync(TempStore store, TenantProvisioned of)
    {
        var t = of.TenantId;
        await store.SendAsync(new AddCustomEndpoint(Caller.Operator, t, "my-llm", "https://llm.example.com", "openai"));
        var credential = (await store.SendAsync(new StoreProviderCredential(Caller.Operator, t, "openai", "sk-key-of-the-tenant-1"))).Value.Id;
        var price = (await store.SendAsync(new SetPriceOverride(Caller.Operator, t, "openai", "gpt-4o", Rates))).Value.Id;
        var terms = new BudgetTerms { Limit = new NanoUsd(10 * NanoUsd.PerUsd) };
        var budget = (await store.SendAsync(new CreateBudget(Caller.Operator, t, BudgetScope.Tenant, BudgetPeriod.Month, terms))).Value.Id;
        async Task<Refusal?> Send<T>(IUseCase<T> request) where T : class => (await store.SendAsync(request)).Refusal;
        return
        [
            (Right.ReadKeys, c => Send(new ListKeys(c, t))),
            (Right.ReadKeys, c => Send(new ListProviderCredentials(c, t))),
            (Right.ReadKeys, c => Send(new ListCustomEndpoints(c, t))),
            (Right.ManageKeys, c => Send(new CreateKey(c, t, "k", KeyEnvironment.Live))),
            (Right.ManageKeys, c => Send(new UpdateKey(c, t, of.LiveKey.Id, "n", [], null))),
            (Right.ManageKeys, c => Send(new RotateKey(c, t, of.LiveKey.Id, TimeSpan.FromDays(1)))),
            (Right.ManageKeys, c => Send(new RevokeKey(c, t, of.TestKey.Id))),
            (Right.ManageCredentials, c => Send(new ListApiTokens(c, t))),
            (Right.ManageCredentials, c => Send(new StoreProviderCredential(c, t, "anthropic", "sk-ant-some-key-000000"))),
            (Right.ManageCredentials, c => Send(new DeleteProviderCredential(c, t, credential))),
            (Right.ManageCredentials, c => Send(new AddCustomEndpoint(c, t, "other", "https://o.example.com", "openai"))),
            (Right.ManageCredentials, c => Send(new RemoveCustomEndpoint(c, t, "my-llm"))),
            (Right.ManageCredentials, c => Send(new CreateApiToken(c, t, "t", Role.Viewer))),
            (Right.ManageCredentials, c => Send(new RevokeApiToken(c, t, of.ApiToken.Id))),
            (Right.ReadUsage, c => Send(new ListPriceOverrides(c, t))),
            (Right.ManageCredentials, c => Send(new SetPriceOverride(c, t, "openai", "gpt-5", Rates))),
            (Right.ManageCredentials, c => Send(new RemovePriceOverride(c, t, price))),
            (Right.ReadUsage, c => Send(new ListBudgets(c, t))),
            (Right.ManageBudgets, c => Send(new CreateBudget(c, t, BudgetScope.Key(of.LiveKey.Id), BudgetPeriod.Day, terms))),
            (Right.ManageBudgets, c => Send(new UpdateBudget(c, t, budget, terms))),
            (Right.ReadKeys, c => Send(new ListRoutes(c, t))),
            (Right.ReadUsage, c => Send(new GetSavings(c, t, KeyEnvironment.Live))),
            (Right.ReadUsage, c => Send(new GetSuggestions(c, t, KeyEnvironment.Live))),
            (Right.ManageKeys, c => Send(new SaveRoute(c, t, new RouteForm("smart", [new RuleForm([new TargetForm("openai/gpt-5")])])))),
            (Right.ManageKeys, c => Send(new UpdateRoute(c, t, "route_x", new RouteForm("smart", [new RuleForm([new TargetForm("openai/gpt-5")])])))),
            (Right.ManageKeys, c => Send(new EmptyCache(c, t))),
            (Right.ManageKeys, c => Send(new DeleteRoute(c, t, "route_x"))),
            (Right.ReadUsage, c => Send(new GiveFeedback(c, t, "req_x", Good: false))),
            (Right.ReadKeys, c => Send(new GetTenantLimits(c, t))),
            (Right.ManageKeys, c => Send(new SetTenantLimits(c, t, new CallLimits(5)))),
            (Right.ReadUsage, c => Send(new GetTenantSettings(c, t))),
            (Right.ManageKeys, c => Send(new SetTenantSettings(c, t) { OnDisconnect = DisconnectPolicy.ReadOn, Unpriced = UnpricedPolicy.Record })),
            (Right.ManageTenant, c => Send(new SetTenantSettings(c, t) { Name = "Renamed", TimeZone = "Europe/Berlin", RetentionDays = 90 })),
            (Right.ReadKeys, c => Send(new GetKey(c, t, of.LiveKey.Id))),
            (Right.ManageKeys, c => Send(new MoveKey(c, t, of.LiveKey.Id, null, null))),
            (Right.ReadUsage, c => Send(new ListTeams(c, t))),
            (Right.ManageTeams, c => Send(new CreateTeam(c, t, "Search"))),
            (Right.ManageTeams, c => Send(new RenameTeam(c, t, "team_x", "Search 2"))),
            (Right.ManageTeams, c => Send(new ArchiveTeam(c, t, "team_x"))),
            (Right.ManageTeams, c => Send(new RestoreTeam(c, t, "team_x"))),
            (Right.ManageTeams, c => Send(new CreateProject(c, t, "Site"))),
            (Right.ManageTeams, c => Send(new UpdateProject(c, t, "prj_x", "Site 2", null))),
            (Right.ManageTeams, c => Send(new ArchiveProject(c, t, "prj_x"))),
            (Right.ManageTeams, c => Send(new RestoreProject(c, t, "prj_x"))),
            (Right.ManageTeams, c => Send(new ListMembers(c, t))),
            (Right.ManageTeams, c => Send(new ChangeMemberRole(c, t, "mem_x", Role.Viewer))),
            (Right.ManageTeams, c => Send(new RemoveMember(c, t, "mem_x"))),
            (Right.ManageTeams, c => Send(new InviteMember(c, t, "grace@example.com", Role.Viewer))),
            (Right.ManageTeams, c => Send(new ResendInvitation(c, t, "inv_x"))),
            (Right.ManageTeams, c => Send(new WithdrawInvitation(c, t, "inv_x"))),
            (Right.ManageCredentials, c => Send(new TestProviderCredential(c, t, "cred_x"))),
            (Right.ReadUsage, c => Send(new ListBudgetPeriods(c, t, budget))),
            (Right.ReadUsage, c => Send(new WhatIfBudget(c, t, BudgetScope.Tenant, BudgetPeriod.Month, terms.Limit))),
            (Right.ReadUsage, c => Send(new CompareSpend(c, Month(t)))),
            (Right.ReadUsage, c => Send(new ExploreSpend(c, Month(t), SpendDimension.Of(SummaryDimension.Model)))),
            (Right.ReadUsage, c => Send(new ForecastSpend(c, Month(t)))),
            (Right.ReadUsage, c => Send(new GetOverview(c, t))),
            (Right.ReadUsage, c => Send(new GetCall(c, t, "req_x"))),
            (Right.ReadUsage, c => Send(new Search(c, t, "k"))),
            (Right.ReadUsage, c => Send(new GetBilling(c, t))),
            (Right.ManageBilling, c => Send(new StartCheckout(c, t, "pro"))),
            (Right.ManageBilling, c => Send(new ConfirmCheckout(c, t, "cs_x"))),
            (Right.ManageBilling, c => Send(new OpenPaymentPages(c, t))),
            (Right.ManageBilling, c => Send(new GetStatements(c, t, null))),
            (Right.ManageBilling, c => Send(new SetCustomerTerms(c, t, "acme", 10, []))),
            (Right.ReadUsage, c => Send(new ListAlerts(c, t))),
            (Right.ManageKeys, c => Send(new AcknowledgeAlert(c, t, "alert_x"))),
            (Right.ManageKeys, c => Send(new SnoozeAlert(c, t, "alert_x", null))),
            (Right.ReadUsage, c => Send(new ListMutes(c, t))),
            (Right.ManageKeys, c => Send(new MuteAlerts(c, t, AlertKind.WeeklyDigest, AlertSubject.Tenant, null, ""))),
            (Right.ManageKeys, c => Send(new EndMute(c, t, "mute_x"))),
            (Right.ReadUsage, c => Send(new ListAlertRules(c, t))),
            (Right.ManageBudgets, c => Send(new AddAlertRule(c, t, AlertKind.SpendSpike, AlertSubject.Key(of.LiveKey.Id), AlertTerms.Default))),
            (Right.ManageBudgets, c => Send(new ChangeAlertRule(c, t, "rule_x", AlertTerms.Default))),
            (Right.ManageBudgets, c => Send(new RemoveAlertRule(c, t, "rule_x"))),
            (Right.ReadUsage, c => Send(new GetQuietHours(c, t))),
            (Right.ManageBudgets, c => Send(new SetQuietHours(c, t, new QuietHours([DayOfWeek.Sunday], new TimeOnly(22, 0), new TimeOnly(7, 0)), true))),
            (Right.ReadKeys, c => Send(new ListAlertChannels(c, t))),
            (Right.ManageCredentials, c => Send(new AddAlertChannel(c, t, ChannelKind.Email, "on-call", "oncall@example.com", []))),
            (Right.ManageCredentials, c => Send(new ChangeAlertChannel(c, t, "chan_x", "on-call", true, []))),
            (Right.ManageCredentials, c => Send(new TestAlertChannel(c, t, "chan_x"))),
            (Right.ManageCredentials, c => Send(new RotateChannelSecret(c, t, "chan_x"))),
            (Right.ManageCredentials, c => Send(new RemoveAlertChannel(c, t, "chan_x"))),
            (Right.ManageCredentials, c => Send(new ReplayDelivery(c, t, "alert_x", "chan_x"))),
            (Right.ManageBilling, c => Send(new SetStripeMeter(c, t, "rk_test_00000000000000000000", "spend"))),
            (Right.ManageBilling, c => Send(new GetStripeMeter(c, t))),
            (Right.ManageBilling, c => Send(new CheckStripeMeter(c, t))),
            (Right.ManageBilling, c => Send(new ConnectMeteredCustomer(c, t, "acme", "cus_1"))),
            (Right.ManageBilling, c => Send(new SettleMeterReport(c, t, "none", true))),
            (Right.ManageBilling, c => Send(new DisconnectMeteredCustomer(c, t, "acme"))),
            (Right.ManageBilling, c => Send(new RemoveStripeMeter(c, t))),
            (Right.ReadAudit, c => Send(new ListAudit(c, t))),
            (Right.ManageTenant, c => Send(new ExportTenant(c, t))),
            (Right.ManageTenant, c => Send(new RequestTenantDeletion(c, t, "not its name"))),
            (Right.ManageTenant, c => Send(new CancelTenantDeletion(c, t))),
            (Right.ReadUsage, c => Send(new EstimateCall(c, t, null, null, "{}"u8.ToArray(), of.LiveKey.Id, [], null))),
            (Right.ManageBudgets, c => Send(new DeleteBudget(c, t, budget))),
            (Right.Operate, c => Send(new CreateTenant(c, "New", "new@example.com"))),
            (Right.Operate, c => Send(new ProvisionTenant(c, "New", "new@example.com", []))),
            (Right.Operate, c => Send(new SetTenantStatus(c, t, TenantStatus.Active))),
            (Right.Operate, c => Send(new RotateMasterKey(c))),
            (Right.Operate, c => Send(new ListTenants(c))),
            (Right.Operate, c => Send(new GetOperation(c))),
            (Right.Operate, c => Send(new ListJobs(c))),
            (Right.Operate, c => Send(new RunJobNow(c, "verify-ledger"))),
            (Right.Operate, c => Send(new ListAccounts(c))),
            (Right.Operate, c => Send(new ResendVerification(c, "usr_x"))),
        ];
    }

    [Fact]
    public async Task Every_use_case_is_in_the_list_of_cases()
    {
        await using var store = new TempStore();
        var cases = await CasesAsync(store, await store.ProvisionAsync());
        // The settings stand there twice: for calls, and for the tenant itself.
        (cases.Count - 1).ShouldBe(typeof(IUseCase).Assembly.GetTypes().Count(t => !t.IsAbstract && t.IsAssignableTo(typeof(IUseCase))));
    }

    [Fact]
    public async Task An_owner_of_another_tenant_gets_nothing_and_changes_nothing()
    {
        await using var store = new TempStore();
        var victim = await store.ProvisionAsync("Victim");
        var stranger = await store.ProvisionAsync("Stranger");
        var cases = await CasesAsync(store, victim);
        const string State = "SELECT group_concat(name || coalesce(revoked_at, '') || tags) FROM metering_keys";
        string Snapshot() => string.Join('/', Enumerable.Range(0, 1).Select(_ => Text(store, State))) + store.Count("SELECT count(*) FROM provider_credentials WHERE ended_at IS NULL") + store.Count("SELECT count(*) FROM custom_endpoints") + store.Count("SELECT count(*) FROM api_tokens WHERE revoked_at IS NULL") + store.Count("SELECT count(*) FROM tenants") + store.Count("SELECT sum(limit_nano) FROM budgets WHERE ended_at IS NULL");
        var before = Snapshot();
        foreach (var (_, send) in cases)
            (await send(new Caller(stranger.TenantId, stranger.OwnerId, Role.Owner)))!.Kind.ShouldBe(RefusalKind.NotFound);
        Snapshot().ShouldBe(before);
        // Each try stands in the stranger's own audit log.
        store.Count($"SELECT count(*) FROM audit_log WHERE tenant_id = '{stranger.TenantId}' AND result = 'denied'").ShouldBe(cases.Count);
    }

    [Fact]
    public async Task Ids_of_another_tenant_are_not_found_under_ones_own()
    {
        await using var store = new TempStore();
        var victim = await store.ProvisionAsync("Victim", new KeyValuePair<string, string>("openai", "sk-key-of-the-victim-1"));
        var stranger = await store.ProvisionAsync("Stranger");
        var (caller, t) = (new Caller(stranger.TenantId, stranger.OwnerId, Role.Owner), stranger.TenantId);
        var credential = (await store.SendAsync(new ListProviderCredentials(Caller.Operator, victim.TenantId))).Value.Credentials.Single().Id;
        (await store.SendAsync(new RevokeKey(caller, t, victim.LiveKey.Id))).Refusal!.Code.ShouldBe("key_not_found");
        (await store.SendAsync(new UpdateKey(caller, t, victim.LiveKey.Id, "x", [], null))).Refusal!.Code.ShouldBe("key_not_found");
        (await store.SendAsync(new RotateKey(caller, t, victim.LiveKey.Id, TimeSpan.Zero))).Refusal!.Code.ShouldBe("key_not_found");
        (await store.SendAsync(new DeleteProviderCredential(caller, t, credential))).Refusal!.Code.ShouldBe("credential_not_found");
        (await store.SendAsync(new RevokeApiToken(caller, t, victim.ApiToken.Id))).Refusal!.Code.ShouldBe("token_not_found");
        var terms = new BudgetTerms { Limit = NanoUsd.Zero };
        var budget = (await store.SendAsync(new CreateBudget(Caller.Operator, victim.TenantId, BudgetScope.Tenant, BudgetPeriod.Day, terms))).Value.Id;
        (await store.SendAsync(new UpdateBudget(caller, t, budget, terms))).Refusal!.Code.ShouldBe("budget_not_found");
        (await store.SendAsync(new DeleteBudget(caller, t, budget))).Refusal!.Code.ShouldBe("budget_not_found");
        (await store.SendAsync(new ListBudgets(caller, t, budget))).Refusal!.Code.ShouldBe("budget_not_found");
        (await store.SendAsync(new CreateBudget(caller, t, BudgetScope.Key(victim.LiveKey.Id), BudgetPeriod.Day, terms))).Refusal!.Code.ShouldBe("key_not_found");
    }

    [Theory]
    [InlineData(Role.Viewer, new[] { Right.ReadUsage, Right.ReadKeys })]
    [InlineData(Role.Billing, new[] { Right.ReadUsage, Right.ManageBilling })]
    [InlineData(Role.Developer, new[] { Right.ReadUsage, Right.ReadKeys, Right.ManageKeys })]
    [InlineData(Role.Admin, new[] { Right.ReadUsage, Right.ReadKeys, Right.ManageKeys, Right.ManageCredentials, Right.ManageBudgets, Right.ManageTeams, Right.ManageBilling, Right.ReadAudit })]
    [InlineData(Role.Owner, new[] { Right.ReadUsage, Right.ReadKeys, Right.ManageKeys, Right.ManageCredentials, Right.ManageBudgets, Right.ManageTeams, Right.ManageBilling, Right.ReadAudit, Right.ManageTenant })]
    public async Task A_role_may_do_what_it_may_and_nothing_else(Role role, Right[] rights)
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        foreach (var (needs, send) in await CasesAsync(store, made))
        {
            var refusal = await send(new Caller(made.TenantId, "mem_x", role));
            if (needs == Right.Operate)
                refusal!.Kind.ShouldBe(RefusalKind.NotFound);
            else if (rights.Contains(needs))
                refusal?.Kind.ShouldNotBe(RefusalKind.Forbidden);
            else
                refusal!.Code.ShouldBe("role_forbids");
        }
    }

    [Fact]
    public async Task Every_change_leaves_one_audit_line_in_an_unbroken_chain()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var owner = new Caller(made.TenantId, made.OwnerId, Role.Owner);
        foreach (var (_, send) in await CasesAsync(store, made))
            await send(owner);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => store.SendAsync(new CreateKey(owner, made.TenantId, $"k{i}", KeyEnvironment.Live))));
        Text(store, $"SELECT group_concat(action, ' ') FROM (SELECT action FROM audit_log WHERE tenant_id = '{made.TenantId}' AND result = 'done' ORDER BY seq LIMIT 9)")
            .ShouldBe("provision_tenant add_custom_endpoint store_provider_credential set_price_override create_budget create_key update_key rotate_key revoke_key");
        store.Count($"SELECT count(*) FROM audit_log WHERE action = 'create_key'").ShouldBe(21);
        store.Count($"SELECT count(*) FROM audit_log WHERE actor = '{made.OwnerId}' AND action = 'revoke_key' AND subject = '{made.TestKey.Id}'").ShouldBe(1);
        (await store.Get<ILedgerVerification>().RunAsync(made.TenantId, Cancel)).Findings.ShouldBeEmpty();
        store.Execute("DROP TRIGGER audit_log_kept; DELETE FROM audit_log WHERE seq = 3");
        (await store.Get<ILedgerVerification>().RunAsync(made.TenantId, Cancel)).Findings.Count.ShouldBe(2); // a gap, and a line that continues from none
    }

    [Fact]
    public async Task A_suspended_tenant_can_be_read_and_not_changed()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        await store.SendAsync(new SetTenantStatus(Caller.Operator, made.TenantId, TenantStatus.Suspended));
        var owner = new Caller(made.TenantId, made.OwnerId, Role.Owner);
        (await store.SendAsync(new ListKeys(owner, made.TenantId))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new CreateKey(owner, made.TenantId, "k", KeyEnvironment.Live))).Refusal!.Code.ShouldBe("tenant_suspended");
    }

    [Fact]
    public async Task A_token_authenticates_until_it_is_revoked_or_expires_and_never_exceeds_its_maker()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var owner = (await store.SendAsync(new AuthenticateApiToken(made.ApiToken.Secret))).Value;
        owner.ShouldBe(new Caller(made.TenantId, made.ApiToken.Id, Role.Owner));
        var admin = owner with { Role = Role.Admin };
        (await store.SendAsync(new CreateApiToken(admin, made.TenantId, "t", Role.Owner))).Refusal!.Code.ShouldBe("role_forbids");
        var token = (await store.SendAsync(new CreateApiToken(admin, made.TenantId, "t", Role.Viewer, store.Clock.GetUtcNow().AddHours(1)))).Value;
        (await store.SendAsync(new AuthenticateApiToken(token.Secret))).Value.Role.ShouldBe(Role.Viewer);
        store.Clock.Ahead = TimeSpan.FromHours(2);
        (await store.SendAsync(new AuthenticateApiToken(token.Secret))).Refusal!.Code.ShouldBe("token_invalid");
        await store.SendAsync(new RevokeApiToken(owner, made.TenantId, made.ApiToken.Id));
        (await store.SendAsync(new AuthenticateApiToken(made.ApiToken.Secret))).Refusal!.Code.ShouldBe("token_invalid");
        foreach (var other in new[] { null, "", "tk_", made.LiveKey.Secret, Domain.Keys.ApiToken.Generate().Reveal() })
            (await store.SendAsync(new AuthenticateApiToken(other))).Refusal!.Code.ShouldBe("token_invalid");
    }

    [Fact]
    public async Task No_request_or_outcome_prints_a_secret()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var key = (await store.SendAsync(new CreateKey(Caller.Operator, made.TenantId, "k", KeyEnvironment.Live))).Value;
        foreach (var (text, secret) in new[]
                 {
                     (made.ToString(), made.LiveKey.Secret), (made.ToString(), made.ApiToken.Secret), (key.ToString(), key.Secret),
                     (new StoreProviderCredential(Caller.Operator, "t", "openai", "sk-secret").ToString(), "sk-secret"),
                     (new ProvisionTenant(Caller.Operator, "n", "e", [new("openai", "sk-secret")]).ToString(), "sk-secret"),
                     (new AuthenticateApiToken("tk_secret").ToString(), "tk_secret"),
                 })
            text.ShouldNotContain(secret);
    }

    private static string Text(TempStore store, string sql)
    {
        using var connection = store.Database.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToString(command.ExecuteScalar(), null)!;
    }
}
