using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Tests.Keys;

public sealed class KeyUseCaseTests
{
    [Fact]
    public async Task A_key_is_shown_once_and_listed_masked()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var owner = new Caller(made.TenantId, made.OwnerId, Role.Owner);
        var key = (await store.SendAsync(new CreateKey(owner, made.TenantId, "batch-eu", KeyEnvironment.Live) { Tags = [new Tag("Feature", "search")] })).Value;
        key.Secret.ShouldStartWith("mk_live_");
        var list = (await store.SendAsync(new ListKeys(owner, made.TenantId))).Value.Keys;
        list.Count.ShouldBe(3); // two from provisioning
        var line = list.Single(k => k.Id == key.Id);
        line.Masked.ShouldBe(key.Secret[..18] + "…");
        line.Tags.ShouldBe([new Tag("feature", "search")]);
        line.CreatedBy.ShouldBe(made.OwnerId);
        line.Status.ShouldBe(KeyStatus.Active);
        var hidden = key.Secret[18..];
        list.ShouldAllBe(k => !k.ToString().Contains(hidden, StringComparison.Ordinal));
        (await store.SendAsync(new ListKeys(owner, made.TenantId, KeyEnvironment.Test))).Value.Keys.ShouldHaveSingleItem().Id.ShouldBe(made.TestKey.Id);
    }

    [Fact]
    public async Task Limits_reach_the_directory_when_the_use_case_returns_and_none_is_null()
    {
        await using var store = await new TempStore().StartAsync();
        var made = await store.ProvisionAsync();
        var directory = store.Get<IKeyDirectory>();
        KeySnapshot Found() => directory.Find(made.LiveKey.Secret).Key!;
        (Found().Limits, Found().Tenant.Limits).ShouldBe((null, null));
        await store.SendAsync(new UpdateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, "k", [], null) { Limits = new CallLimits(60, 1_000_000_000_000, 5) });
        await store.SendAsync(new SetTenantLimits(Caller.Operator, made.TenantId, new CallLimits(TokensPerMinute: 7)));
        (Found().Limits, Found().Tenant.Limits).ShouldBe((new CallLimits(60, 1_000_000_000_000, 5), new CallLimits(null, 7)));
        await store.SendAsync(new UpdateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, "k", [], null));
        await store.SendAsync(new SetTenantLimits(Caller.Operator, made.TenantId, new CallLimits()));
        (Found().Limits, Found().Tenant.Limits).ShouldBe((null, null));
        store.Count("SELECT count(*) FROM audit_log WHERE detail LIKE '%tokens/min 7%' OR detail LIKE '%requests/min 60%'").ShouldBe(2);
    }

    [Fact]
    public async Task Who_may_only_read_sets_no_limits()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var viewer = new Caller(made.TenantId, "mem_v", Role.Viewer);
        (await store.SendAsync(new SetTenantLimits(viewer, made.TenantId, new CallLimits(5)))).Refusal!.Code.ShouldBe("role_forbids");
        (await store.SendAsync(new SetTenantLimits(new Caller("ten_other", "mem_o", Role.Owner), made.TenantId, new CallLimits(5)))).Refusal!.Code.ShouldBe("tenant_not_found");
        (await store.SendAsync(new GetTenantLimits(viewer, made.TenantId))).Value.Limits.ShouldBe(new CallLimits());
    }

    [Fact]
    public async Task Revoking_twice_keeps_the_first_moment_and_a_revoked_key_can_not_be_changed()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var first = (await store.SendAsync(new RevokeKey(Caller.Operator, made.TenantId, made.LiveKey.Id))).Value;
        store.Clock.Ahead = TimeSpan.FromHours(1);
        var second = (await store.SendAsync(new RevokeKey(Caller.Operator, made.TenantId, made.LiveKey.Id))).Value;
        (second.At - first.At).ShouldBeLessThan(TimeSpan.FromSeconds(1));
        (await store.SendAsync(new UpdateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, "x", [], null))).Refusal!.Code.ShouldBe("key_ended");
        (await store.SendAsync(new RotateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, TimeSpan.Zero))).Refusal!.Code.ShouldBe("key_ended");
    }

    [Fact]
    public async Task Rotating_with_an_overlap_lets_the_old_key_end_by_the_clock()
    {
        await using var store = await new TempStore().StartAsync();
        var made = await store.ProvisionAsync();
        await store.SendAsync(new UpdateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, "svc", [new Tag("a", "1")], null));
        var next = (await store.SendAsync(new RotateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, TimeSpan.FromHours(1)))).Value;
        next.Name.ShouldBe("svc");
        var directory = store.Get<IKeyDirectory>();
        directory.Find(made.LiveKey.Secret).Status.ShouldBe(KeyStatus.Active);
        directory.Find(next.Secret).Key!.Tags.ShouldBe([new Tag("a", "1")]);
        store.Clock.Ahead = TimeSpan.FromMinutes(61);
        directory.Find(made.LiveKey.Secret).Status.ShouldBe(KeyStatus.Expired);
        directory.Find(next.Secret).Status.ShouldBe(KeyStatus.Active);
        var last = (await store.SendAsync(new RotateKey(Caller.Operator, made.TenantId, next.Id, TimeSpan.Zero))).Value;
        directory.Find(next.Secret).Status.ShouldBe(KeyStatus.Revoked);
        directory.Find(last.Secret).Status.ShouldBe(KeyStatus.Active);
    }

    [Fact]
    public async Task What_breaks_a_rule_is_refused_with_the_field_and_nothing_is_written()
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        var before = store.Count("SELECT (SELECT count(*) FROM metering_keys) + (SELECT count(*) FROM audit_log)");
        var wrong = await store.SendAsync(new CreateKey(Caller.Operator, made.TenantId, " ", KeyEnvironment.Live)
        {
            Tags = [new Tag("1", "x")],
            ExpiresAt = store.Clock.GetUtcNow().AddSeconds(-1),
        });
        wrong.Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        wrong.Refusal.Fields.Select(f => f.Field).ShouldBe(["Name", "Tags", "ExpiresAt"]);
        Should.Throw<InvalidOperationException>(() => wrong.Value).Message.ShouldContain("invalid");
        (await store.SendAsync(new CreateKey(Caller.Operator, made.TenantId, "x", KeyEnvironment.Live) { ProjectId = "prj_none" })).Refusal!.Code.ShouldBe("project_not_found");
        (await store.SendAsync(new CreateKey(Caller.Operator, made.TenantId, "x", KeyEnvironment.Live) { TeamId = "team_none" })).Refusal!.Code.ShouldBe("team_not_found");
        (await store.SendAsync(new RotateKey(Caller.Operator, made.TenantId, made.LiveKey.Id, TimeSpan.FromDays(31)))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        store.Count("SELECT (SELECT count(*) FROM metering_keys) + (SELECT count(*) FROM audit_log)").ShouldBe(before);
    }

    [Fact]
    public async Task A_key_of_a_project_belongs_to_its_team()
    {
        await using var store = await new TempStore().StartAsync();
        var made = await store.ProvisionAsync();
        store.Execute($"INSERT INTO teams (tenant_id, id, name, created_at) VALUES ('{made.TenantId}', 'team_1', 'Search', 0); INSERT INTO projects (tenant_id, id, team_id, name, created_at) VALUES ('{made.TenantId}', 'prj_1', 'team_1', 'Ranking', 0)");
        var key = (await store.SendAsync(new CreateKey(Caller.Operator, made.TenantId, "x", KeyEnvironment.Live) { ProjectId = "prj_1" })).Value;
        var found = store.Get<IKeyDirectory>().Find(key.Secret).Key!;
        (found.ProjectId, found.TeamId).ShouldBe(("prj_1", "team_1"));
    }

    [Fact]
    public async Task Storing_a_credential_again_replaces_it_keeps_history_and_deletes_the_old_secret()
    {
        await using var store = await new TempStore().StartAsync();
        var made = await store.ProvisionAsync("Acme", new KeyValuePair<string, string>("openai", "sk-first-key-of-acme-1111"));
        var stored = (await store.SendAsync(new StoreProviderCredential(Caller.Operator, made.TenantId, "openai", "sk-second-key-of-acme-2222"))).Value;
        stored.Masked.ShouldBe("…2222");
        (await store.SendAsync(new ListProviderCredentials(Caller.Operator, made.TenantId))).Value.Credentials.ShouldHaveSingleItem().Masked.ShouldBe("…2222");
        var history = (await store.SendAsync(new ListProviderCredentials(Caller.Operator, made.TenantId, WithHistory: true))).Value.Credentials;
        history.Select(c => (c.Masked, Ended: c.EndedAt is not null)).ShouldBe([("…2222", false), ("…1111", true)], ignoreOrder: true);
        store.Count("SELECT count(*) FROM secrets").ShouldBe(1);
        var directory = store.Get<IKeyDirectory>();
        directory.Find(made.LiveKey.Secret).Key!.Tenant.Credentials["openai"].Secret.ShouldBe("sk-second-key-of-acme-2222");
        await store.SendAsync(new DeleteProviderCredential(Caller.Operator, made.TenantId, stored.Id));
        directory.Find(made.LiveKey.Secret).Key!.Tenant.Credentials.ShouldBeEmpty();
        store.Count("SELECT count(*) FROM secrets").ShouldBe(0);
        (await store.SendAsync(new DeleteProviderCredential(Caller.Operator, made.TenantId, stored.Id))).Refusal!.Code.ShouldBe("credential_not_found");
    }

    [Theory]
    [InlineData("sk-abc\r\nX-Evil: 1")]
    [InlineData("sk-abc\n")]
    [InlineData(" sk-abc")]
    [InlineData("sk abc")]
    [InlineData("sk-\u0000")]
    [InlineData("sk-ä")]
    [InlineData("")]
    public async Task A_credential_that_could_split_a_header_is_refused_not_trimmed(string secret)
    {
        await using var store = new TempStore();
        var made = await store.ProvisionAsync();
        (await store.SendAsync(new StoreProviderCredential(Caller.Operator, made.TenantId, "openai", secret))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        (await store.SendAsync(new ProvisionTenant(Caller.Operator, "B", "b@example.com", [new("openai", secret)]))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        store.Count("SELECT count(*) FROM secrets").ShouldBe(0);
    }

    [Fact]
    public async Task Endpoints_are_added_listed_and_removed_with_their_credential()
    {
        await using var store = await new TempStore().StartAsync();
        var made = await store.ProvisionAsync();
        (await store.SendAsync(new StoreProviderCredential(Caller.Operator, made.TenantId, "my-llm", "sk-of-my-own-endpoint"))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        (await store.SendAsync(new AddCustomEndpoint(Caller.Operator, made.TenantId, "my-llm", "https://llm.example.com/v1", "openai"))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new StoreProviderCredential(Caller.Operator, made.TenantId, "my-llm", "sk-of-my-own-endpoint"))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new AddCustomEndpoint(Caller.Operator, made.TenantId, "my-llm", "https://b.example.com", "openai"))).Refusal!.Code.ShouldBe("name_taken");
        (await store.SendAsync(new AddCustomEndpoint(Caller.Operator, made.TenantId, "openai", "https://b.example.com", "openai"))).Refusal!.Code.ShouldBe("name_taken");
        foreach (var name in new[] { "a", "My-llm", "1llm", "my_llm", "my-llm\n", new string('a', 33) })
            (await store.SendAsync(new AddCustomEndpoint(Caller.Operator, made.TenantId, name, "https://b.example.com", "openai"))).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        (await store.SendAsync(new AddCustomEndpoint(Caller.Operator, made.TenantId, "inner", "http://169.254.169.254/", "openai"))).Refusal!.Fields.ShouldHaveSingleItem().Field.ShouldBe("BaseUrl");
        (await store.SendAsync(new ListCustomEndpoints(Caller.Operator, made.TenantId))).Value.Endpoints.ShouldHaveSingleItem().Name.ShouldBe("my-llm");
        (await store.SendAsync(new RemoveCustomEndpoint(Caller.Operator, made.TenantId, "my-llm"))).Succeeded.ShouldBeTrue();
        store.Count("SELECT count(*) FROM secrets").ShouldBe(0);
        var tenant = store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.Tenant;
        tenant.Endpoints.ShouldBeEmpty();
        tenant.Credentials.ShouldBeEmpty();
    }
}
