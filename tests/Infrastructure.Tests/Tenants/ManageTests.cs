using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Tests.Tenants;

/// <summary>What tenants manage, on every store.</summary>
public abstract class ManageTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static readonly BudgetTerms Ten = new() { Limit = new NanoUsd(10 * NanoUsd.PerUsd) };

    [Fact]
    public async Task A_team_in_use_is_not_archived_and_the_refusal_says_by_what()
    {
        await using var store = await Kind.NewAsync();
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var team = (await store.SendAsync(new CreateTeam(owner, t, "Search"))).Value.TeamId;
        var other = (await store.SendAsync(new CreateTeam(owner, t, "Chat"))).Value.TeamId;
        var project = (await store.SendAsync(new CreateProject(owner, t, "Ranking", team))).Value.ProjectId;
        var key = (await store.SendAsync(new CreateKey(owner, t, "batch-eu", KeyEnvironment.Live) { ProjectId = project })).Value;
        var budget = (await store.SendAsync(new CreateBudget(owner, t, BudgetScope.Team(team), BudgetPeriod.Month, Ten))).Value.Id;

        var refusal = (await store.SendAsync(new ArchiveTeam(owner, t, team))).Refusal!;
        (refusal.Code, refusal.Kind).ShouldBe(("team_in_use", RefusalKind.Conflict));
        refusal.Message.ShouldBe($"The team is in use: keys 'batch-eu'; projects 'Ranking'; budgets {budget}. Move or end these first.");
        (await store.SendAsync(new ArchiveProject(owner, t, project))).Refusal!.Message.ShouldBe("The project is in use: keys 'batch-eu'. Move or end these first.");
        var line = (await store.SendAsync(new ListTeams(owner, t))).Value.Teams.Single(x => x.Id == team);
        (line.Keys, line.Projects, line.Budgets).ShouldBe((1, 1, 1));

        // The project moves and takes its key along; then only the budget is in the way.
        (await store.SendAsync(new UpdateProject(owner, t, project, "Ranking", other))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new GetKey(owner, t, key.Id))).Value.Key.TeamId.ShouldBe(other);
        await store.SendAsync(new DeleteBudget(owner, t, budget));
        (await store.SendAsync(new ArchiveTeam(owner, t, team))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new ListTeams(owner, t))).Value.Teams.Select(x => x.Name).ShouldBe(["Chat"]);
        (await store.SendAsync(new ListTeams(owner, t, WithArchived: true))).Value.Teams.Select(x => x.Name).ShouldBe(["Chat", "Search"]);

        // Nothing new belongs to it, its name stays its own, and it can come back.
        (await store.SendAsync(new CreateKey(owner, t, "late", KeyEnvironment.Live) { TeamId = team })).Refusal!.Code.ShouldBe("team_not_found");
        (await store.SendAsync(new CreateTeam(owner, t, "Search"))).Refusal!.Message.ShouldBe("An archived team is called 'Search': restore it, or choose another name.");
        (await store.SendAsync(new RenameTeam(owner, t, other, "Search"))).Refusal!.Code.ShouldBe("name_taken");
        (await store.SendAsync(new RestoreTeam(owner, t, team))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new MoveKey(owner, t, key.Id, team, null))).Succeeded.ShouldBeTrue();
        var moved = (await store.SendAsync(new GetKey(owner, t, key.Id))).Value.Key;
        (moved.TeamId, moved.ProjectId).ShouldBe((team, null));
    }

    [Fact]
    public async Task A_moved_key_counts_on_the_other_teams_budget_from_then_on()
    {
        await using var store = await (await Kind.NewAsync()).StartAsync();
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var team = (await store.SendAsync(new CreateTeam(owner, t, "Search"))).Value.TeamId;
        (await store.SendAsync(new MoveKey(owner, t, made.LiveKey.Id, team, null))).Succeeded.ShouldBeTrue();
        store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.TeamId.ShouldBe(team);
    }

    [Fact]
    public async Task Roles_are_given_and_taken_within_ones_own_and_the_last_owner_stays()
    {
        await using var store = await Kind.NewAsync();
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        store.Execute($"INSERT INTO members (tenant_id, id, email, role, created_at) VALUES ('{t}', 'mem_a', 'ada@example.com', 'admin', 0), ('{t}', 'mem_d', 'dan@example.com', 'developer', 0)");
        var admin = new Caller(t, "mem_a", Role.Admin);
        (await store.SendAsync(new ChangeMemberRole(owner, t, made.OwnerId, Role.Admin))).Refusal!.Code.ShouldBe("last_owner");
        (await store.SendAsync(new RemoveMember(owner, t, made.OwnerId))).Refusal!.Code.ShouldBe("last_owner");
        (await store.SendAsync(new ChangeMemberRole(admin, t, "mem_d", Role.Owner))).Refusal!.Code.ShouldBe("role_forbids");
        (await store.SendAsync(new ChangeMemberRole(admin, t, made.OwnerId, Role.Viewer))).Refusal!.Code.ShouldBe("role_forbids");
        (await store.SendAsync(new RemoveMember(admin, t, made.OwnerId))).Refusal!.Code.ShouldBe("role_forbids");
        (await store.SendAsync(new InviteMember(admin, t, "eve@example.com", Role.Owner))).Refusal!.Code.ShouldBe("role_forbids");
        (await store.SendAsync(new ChangeMemberRole(admin, t, "mem_d", Role.Admin))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new ChangeMemberRole(owner, t, "mem_a", Role.Owner))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new RemoveMember(owner, t, made.OwnerId))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new ListMembers(owner, t))).Value.Members.Select(m => (m.Email, m.Role)).ShouldBe([("ada@example.com", Role.Owner), ("dan@example.com", Role.Admin)]);
    }

    [Fact]
    public async Task Two_owners_who_remove_each_other_at_once_leave_one()
    {
        await using var store = await Kind.NewAsync();
        var made = await store.ProvisionAsync();
        var t = made.TenantId;
        store.Execute($"INSERT INTO members (tenant_id, id, email, role, created_at) VALUES ('{t}', 'mem_b', 'bea@example.com', 'owner', 0)");
        var outcomes = await Task.WhenAll(
            store.SendAsync(new RemoveMember(new Caller(t, made.OwnerId, Role.Owner), t, "mem_b")), store.SendAsync(new RemoveMember(new Caller(t, "mem_b", Role.Owner), t, made.OwnerId)));
        outcomes.Count(o => o.Succeeded).ShouldBe(1);
        store.Count($"SELECT count(*) FROM members WHERE tenant_id = '{t}' AND role = 'owner'").ShouldBe(1);
    }

    [Fact]
    public async Task An_invitation_is_shown_once_is_replaced_when_sent_again_and_ends()
    {
        await using var store = await Kind.NewAsync();
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var first = (await store.SendAsync(new InviteMember(owner, t, "Grace@Example.com", Role.Developer))).Value;
        first.ExpiresAt.ShouldBe(store.Clock.GetUtcNow().AddDays(7), TimeSpan.FromMinutes(5));
        first.ToString().ShouldNotContain(first.Token);
        store.Count("SELECT count(*) FROM invitations WHERE email = 'grace@example.com'").ShouldBe(1);
        var offer = (await store.SendAsync(new FindInvitation(first.Token))).Value;
        (offer.TenantName, offer.Email, offer.Role).ShouldBe(("Acme", "grace@example.com", Role.Developer));
        (await store.SendAsync(new InviteMember(owner, t, "grace@example.com", Role.Viewer))).Refusal!.Code.ShouldBe("already_invited");
        (await store.SendAsync(new InviteMember(owner, t, "owner@example.com", Role.Viewer))).Refusal!.Code.ShouldBe("already_member");
        (await store.SendAsync(new InviteMember(owner, t, "no address", Role.Viewer))).Refusal!.Fields.ShouldHaveSingleItem().Field.ShouldBe("Email");

        var again = (await store.SendAsync(new ResendInvitation(owner, t, first.Id))).Value;
        (await store.SendAsync(new FindInvitation(first.Token))).Refusal!.Code.ShouldBe("invitation_not_found");
        (await store.SendAsync(new FindInvitation(again.Token))).Succeeded.ShouldBeTrue();
        store.Clock.Ahead = TimeSpan.FromDays(8);
        (await store.SendAsync(new FindInvitation(again.Token))).Refusal!.Code.ShouldBe("invitation_not_found");
        (await store.SendAsync(new ListMembers(owner, t))).Value.Invitations.ShouldHaveSingleItem().Email.ShouldBe("grace@example.com"); // to be sent again
        (await store.SendAsync(new WithdrawInvitation(owner, t, first.Id))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new WithdrawInvitation(owner, t, first.Id))).Refusal!.Code.ShouldBe("invitation_not_found");
        foreach (var none in new[] { null, "", "iv_", made.LiveKey.Secret, InvitationToken.Generate().Reveal() })
            (await store.SendAsync(new FindInvitation(none))).Refusal!.Code.ShouldBe("invitation_not_found");
        (await store.SendAsync(new InviteMember(owner, t, "grace@example.com", Role.Viewer))).Succeeded.ShouldBeTrue();
    }

    [Fact]
    public async Task Ten_thousand_keys_are_listed_a_page_at_a_time_in_any_order()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        Many(store, t, 10_000);
        var seen = new HashSet<string>();
        string? after = null;
        var names = new List<string>();
        do
        {
            var page = (await store.SendAsync(new ListKeys(owner, t) { Limit = 1000, Order = KeyOrder.Name, After = after })).Value;
            page.Total.ShouldBe(10_002);
            page.Keys.ShouldAllBe(k => seen.Add(k.Id));
            names.AddRange(page.Keys.Select(k => k.Name));
            after = page.Next;
        }
        while (after is not null);
        seen.Count.ShouldBe(10_002);
        names.ShouldBe(names.Order(StringComparer.Ordinal));

        var first = (await store.SendAsync(new ListKeys(owner, t) { Limit = 2, Search = "KEY 1234" })).Value;
        first.Keys.Select(k => k.Name).ShouldBe(["Key 1234"]);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 50, Status = KeyStatus.Revoked })).Value.Total.ShouldBe(1000);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 50, Status = KeyStatus.Active })).Value.Total.ShouldBe(9002);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 50, Search = made.LiveKey.Masked })).Value.Keys.ShouldHaveSingleItem().Id.ShouldBe(made.LiveKey.Id);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 50, Search = made.LiveKey.Id })).Value.Total.ShouldBe(1);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 50, Search = "100%_'" })).Value.Total.ShouldBe(0);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 50, After = "nonsense" })).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        (await store.SendAsync(new ListKeys(owner, t) { Limit = 3, Reversed = true })).Value.Keys[0].CreatedAt.ShouldBeLessThanOrEqualTo(first.Keys[0].CreatedAt);
    }

    /// <summary>Keys with made-up hashes: of each ten the last is revoked.</summary>
    private static void Many(TempStore store, string tenant, int count)
    {
        using var connection = store.Open();
        using var transaction = connection.BeginTransaction();
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "INSERT INTO metering_keys (tenant_id, id, name, environment, lookup_id, hash, tags, created_at, created_by, revoked_at) VALUES (@t, @id, @name, 0, @lookup, @hash, '{}', 0, 'x', @revoked)";
        foreach (var name in new[] { "@t", "@id", "@name", "@lookup", "@hash", "@revoked" })
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            command.Parameters.Add(parameter);
        }

        command.Parameters["@t"].Value = tenant;
        command.Parameters["@hash"].Value = new byte[32];
        for (var i = 0; i < count; i++)
        {
            command.Parameters["@id"].Value = $"key_{i:d26}";
            command.Parameters["@name"].Value = $"Key {i}";
            command.Parameters["@lookup"].Value = $"L{i:d9}";
            command.Parameters["@revoked"].Value = i % 10 == 9 ? 1L : DBNull.Value;
            command.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    [Fact]
    public async Task A_keys_last_day_is_told_with_the_tags_of_its_calls()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var now = store.Clock.GetUtcNow();
        await store.Get<IUsageLedger>().AppendAsync(
            [.. Enumerable.Range(0, 6).Select(i => Some.Event($"req_{i}", t, at: now.AddHours(-i * 10)) with { KeyId = made.LiveKey.Id, Cost = new NanoUsd(100), Tags = [new Tag("feature", $"f{i % 2}")] })], Cancel);
        var use = (await store.SendAsync(new GetKey(owner, t, made.LiveKey.Id))).Value.Use;
        (use.Calls, use.Cost.Value).ShouldBe((3, 300)); // 0, 10 and 20 hours ago
        use.Tags.ShouldHaveSingleItem().ShouldSatisfyAllConditions(x => x.Name.ShouldBe("feature"), x => x.Values.ShouldBe(2), x => x.First.ShouldBe(["f0", "f1"]));
        (await store.SendAsync(new GetKey(owner, t, made.TestKey.Id))).Value.Use.ShouldBe(KeyUse.None);
        (await store.Get<IKeyUsage>().SumAsync(t, [made.LiveKey.Id, made.TestKey.Id], now.AddHours(-24), Cancel)).ShouldHaveSingleItem().Value.Calls.ShouldBe(3);
    }

    [Fact]
    public async Task A_new_time_zone_lets_the_running_period_end_and_opens_none_twice()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        foreach (var period in new[] { BudgetPeriod.Day, BudgetPeriod.Month })
            (await store.SendAsync(new CreateBudget(owner, t, BudgetScope.Tenant, period, Ten))).Succeeded.ShouldBeTrue();
        var before = (await store.SendAsync(new ListBudgets(owner, t))).Value.Budgets;
        var revision = store.Count("SELECT max(revision) FROM budgets");
        var set = (await store.SendAsync(new SetTenantSettings(owner, t) { TimeZone = "America/New_York" })).Value;
        set.TimeZone.ShouldBe("America/New_York");
        store.Count("SELECT max(revision) FROM budgets").ShouldBeGreaterThan(revision); // what nodes watch
        (await store.SendAsync(new SetTenantSettings(owner, t) { TimeZone = "Europe/Berlin" })).Refusal!.Code.ShouldBe("time_zone_changing");
        var after = (await store.SendAsync(new ListBudgets(owner, t))).Value.Budgets;
        after.Select(b => b.Window).ShouldBe(before.Select(b => b.Window));
        store.Count("SELECT count(*) FROM budget_accounts").ShouldBe(2);

        // The next day begins where the old one ended, and ends at a New York midnight.
        store.Clock.Ahead = before[0].Window.End.AddMinutes(5) - DateTimeOffset.UtcNow;
        var next = (await store.SendAsync(new ListBudgets(owner, t))).Value.Budgets[0].Window;
        next.Start.ShouldBe(before[0].Window.End);
        TimeZoneInfo.ConvertTime(next.End, TimeZoneInfo.FindSystemTimeZoneById("America/New_York")).TimeOfDay.ShouldBe(TimeSpan.Zero);
        (next.End - next.Start).ShouldBeInRange(TimeSpan.FromHours(12), TimeSpan.FromHours(36));
        // What a late event opens is by the same calendar.
        await store.Get<IUsageLedger>().AppendAsync([Some.Event("req_late", t, at: store.Clock.GetUtcNow()) with { Cost = new NanoUsd(7) }], Cancel);
        store.Count($"SELECT count(*) FROM budget_accounts WHERE period_start < {Micros(next.End)} AND period_end > {Micros(next.Start)}").ShouldBe(2); // this day, this month
        (await store.Get<ILedgerVerification>().RunAsync(t, Cancel)).Findings.ShouldBeEmpty();

        static long Micros(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;
    }

    [Fact]
    public async Task Settings_that_are_not_named_stay_as_they_are()
    {
        await using var store = await (await Kind.NewAsync()).StartAsync();
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        await store.SendAsync(new SetTenantSettings(owner, t) { Name = "Acme Ltd", RetentionDays = 90, Unpriced = UnpricedPolicy.Refuse });
        store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Key!.Tenant.RefusesUnpriced.ShouldBeTrue();
        var set = (await store.SendAsync(new SetTenantSettings(owner, t) { OnDisconnect = DisconnectPolicy.ReadOn })).Value;
        (set.Name, set.RetentionDays, set.Unpriced, set.OnDisconnect, set.TimeZone).ShouldBe(("Acme Ltd", 90, UnpricedPolicy.Refuse, DisconnectPolicy.ReadOn, "UTC"));
        (await store.SendAsync(new SetTenantSettings(owner, t) { RetentionDays = 0 })).Value.RetentionDays.ShouldBeNull();
        (await store.SendAsync(new SetTenantSettings(owner, t) { RetentionDays = 7 })).Refusal!.Fields[0].Field.ShouldBe("RetentionDays");
        (await store.SendAsync(new SetTenantSettings(owner, t) { TimeZone = "Mars/Olympus" })).Refusal!.Fields[0].Field.ShouldBe("TimeZone");
        (await store.SendAsync(new SetTenantSettings(new Caller(t, "mem_d", Role.Developer), t) { OnDisconnect = DisconnectPolicy.Cancel })).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new SetTenantSettings(new Caller(t, "mem_a", Role.Admin), t) { Name = "Mine" })).Refusal!.Code.ShouldBe("role_forbids");
    }

    [Fact]
    public async Task The_audit_log_says_from_where_and_lines_from_before_that_still_verify()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        // A line as it was written before there was an address.
        var (seq, at, previous) = (store.Count($"SELECT max(seq) FROM audit_log WHERE tenant_id = '{t}'") + 1, DateTimeOffset.UnixEpoch.AddSeconds(1), Hash(store, t));
        var old = AuditEntry.ComputeHash(previous, t, seq, at, "mem_1", "create_key", "key_1", AuditResult.Done, "old", null);
        using (var connection = store.Open())
        using (var command = connection.CreateCommand())
        {
            command.CommandText = $"INSERT INTO audit_log (tenant_id, seq, at, actor, action, subject, result, detail, previous_hash, hash) VALUES ('{t}', {seq}, 1000000, 'mem_1', 'create_key', 'key_1', 'done', 'old', @previous, @hash)";
            foreach (var (name, value) in new[] { ("@previous", previous), ("@hash", old) })
            {
                var parameter = command.CreateParameter();
                (parameter.ParameterName, parameter.Value) = (name, value);
                command.Parameters.Add(parameter);
            }

            command.ExecuteNonQuery();
        }

        await using (var scope = store.Services.CreateAsyncScope())
        {
            scope.ServiceProvider.GetRequiredService<AuditOrigin>().Remote = "192.0.2.7";
            await scope.ServiceProvider.GetRequiredService<MediatR.IMediator>().Send(new CreateTeam(owner, t, "Search"), Cancel);
            await scope.ServiceProvider.GetRequiredService<MediatR.IMediator>().Send(new CreateTeam(new Caller(t, "mem_v", Role.Viewer), t, "Mine"), Cancel);
        }

        var lines = (await store.SendAsync(new ListAudit(owner, t))).Value.Lines;
        lines.Take(3).Select(l => (l.Action, l.Result, l.Remote)).ShouldBe([("create_team", AuditResult.Denied, "192.0.2.7"), ("create_team", AuditResult.Done, "192.0.2.7"), ("create_key", AuditResult.Done, null)]);
        lines[1].ActorName.ShouldBe("owner@example.com");
        (await store.Get<ILedgerVerification>().RunAsync(t, Cancel)).Findings.ShouldBeEmpty();

        // Neither can the address be taken out of a line, nor one be put into an old line.
        store.Execute(Kind.DropTrigger("audit_log_immutable", "audit_log"));
        store.Execute($"UPDATE audit_log SET remote = '' WHERE tenant_id = '{t}' AND seq = {seq}");
        (await store.Get<ILedgerVerification>().RunAsync(t, Cancel)).Findings.ShouldHaveSingleItem().Row.ShouldContain("was changed");
        store.Execute($"UPDATE audit_log SET remote = NULL WHERE tenant_id = '{t}' AND seq >= {seq}");
        (await store.Get<ILedgerVerification>().RunAsync(t, Cancel)).Findings.Count.ShouldBe(2);
    }

    private static byte[] Hash(TempStore store, string tenant)
    {
        using var connection = store.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"SELECT hash FROM audit_log WHERE tenant_id = '{tenant}' ORDER BY seq DESC LIMIT 1";
        return (byte[])command.ExecuteScalar()!;
    }

    [Fact]
    public async Task The_audit_log_is_filtered_and_paged()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        for (var i = 0; i < 5; i++)
            await store.SendAsync(new CreateTeam(i % 2 == 0 ? owner : owner with { Actor = "mem_2" }, t, $"T{i}"));
        var page = (await store.SendAsync(new ListAudit(owner, t) { Limit = 2 })).Value;
        page.Lines.Select(l => l.Detail).ShouldBe(["T4", "T3"]);
        (await store.SendAsync(new ListAudit(owner, t) { Limit = 2, Before = page.Next })).Value.Lines.Select(l => l.Detail).ShouldBe(["T2", "T1"]);
        (await store.SendAsync(new ListAudit(owner, t) { Actor = "mem_2" })).Value.Lines.Select(l => l.Detail).ShouldBe(["T3", "T1"]);
        (await store.SendAsync(new ListAudit(owner, t) { Action = "create_team", Result = AuditResult.Done })).Value.Lines.Count.ShouldBe(5);
        (await store.SendAsync(new ListAudit(owner, t) { Subject = page.Lines[0].Subject })).Value.Lines.ShouldHaveSingleItem().Detail.ShouldBe("T4");
        (await store.SendAsync(new ListAudit(owner, t) { To = page.Lines[1].At })).Value.Lines.ShouldAllBe(l => l.At < page.Lines[1].At);
        (await store.SendAsync(new ListAudit(owner, t) { Limit = 0 })).Refusal!.Kind.ShouldBe(RefusalKind.Invalid);
        (await store.SendAsync(new ListAudit(owner, AuditEntry.SystemTenant))).Refusal!.Kind.ShouldBe(RefusalKind.NotFound);
        (await store.SendAsync(new ListAudit(Caller.Operator, AuditEntry.SystemTenant))).Succeeded.ShouldBeTrue();
    }

    [Fact]
    public async Task What_if_says_when_a_limit_would_have_been_used_up_and_what_came_after()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        // Noon of 10 March is last month in April. Ten calls of a dollar each, one an hour.
        store.Clock.Ahead = new DateTimeOffset(2026, 4, 5, 9, 0, 0, TimeSpan.Zero) - DateTimeOffset.UtcNow;
        await store.Get<IUsageLedger>().AppendAsync(
            [.. Enumerable.Range(0, 10).Select(i => Some.Event($"req_{i}", t, at: Some.Noon.AddMinutes(i * 60)) with { KeyId = made.LiveKey.Id, Cost = new NanoUsd(NanoUsd.PerUsd), Tags = [new Tag("customer", i < 7 ? "acme" : "globex")] })], Cancel);

        var month = (await store.SendAsync(new WhatIfBudget(owner, t, BudgetScope.Tenant, BudgetPeriod.Month, Usd(4)))).Value;
        (month.From, month.To).ShouldBe((new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 4, 1, 0, 0, 0, TimeSpan.Zero)));
        var whole = month.Values.ShouldHaveSingleItem();
        whole.Days.Count.ShouldBe(31);
        whole.Days[9].Spent.ShouldBe(Usd(10));
        // Four dollars are spent with the fourth call; six come after.
        whole.Periods.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            p => p.UsedUpAt.ShouldBe(Some.Noon.AddMinutes(180)), p => p.CallsAfter.ShouldBe(6), p => p.CostAfter.ShouldBe(Usd(6)), p => p.IsExact.ShouldBeTrue());
        (await store.SendAsync(new WhatIfBudget(owner, t, BudgetScope.Tenant, BudgetPeriod.Month, Usd(11)))).Value.Values[0].Periods[0].UsedUpAt.ShouldBeNull();
        var days = (await store.SendAsync(new WhatIfBudget(owner, t, BudgetScope.Key(made.LiveKey.Id), BudgetPeriod.Day, Usd(9)))).Value.Values[0];
        days.Periods.Count.ShouldBe(31);
        (days.CallsAfter, days.CostAfter).ShouldBe((1, Usd(1)));
        var each = (await store.SendAsync(new WhatIfBudget(owner, t, BudgetScope.Tag("customer", null), BudgetPeriod.Month, Usd(5)))).Value.Values;
        each.Select(v => (v.Value, v.CallsAfter)).ShouldBe([("acme", 2L), ("globex", 0L)]);
        (await store.SendAsync(new WhatIfBudget(owner, t, BudgetScope.Key("key_none"), BudgetPeriod.Month, Usd(5)))).Refusal!.Code.ShouldBe("key_not_found");

        static NanoUsd Usd(long dollars) => new(dollars * NanoUsd.PerUsd);
    }

    [Fact]
    public async Task Within_the_hour_what_if_counts_call_by_call()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        store.Clock.Ahead = new DateTimeOffset(2026, 4, 5, 9, 0, 0, TimeSpan.Zero) - DateTimeOffset.UtcNow;
        await store.Get<IUsageLedger>().AppendAsync([.. Enumerable.Range(0, 10).Select(i => Some.Event($"req_{i}", t, at: Some.Noon.AddMinutes(i)) with { Cost = new NanoUsd(100) })], Cancel);
        var period = (await store.SendAsync(new WhatIfBudget(owner, t, BudgetScope.Tenant, BudgetPeriod.Month, new NanoUsd(250)))).Value.Values[0].Periods[0];
        // 100, 200, 300: reached with the third call; the fourth, three minutes past noon, is the first that would have been refused.
        (period.UsedUpAt, period.CallsAfter, period.CostAfter.Value).ShouldBe((Some.Noon.AddMinutes(3), 7, 700));
    }

    [Fact]
    public async Task A_budgets_periods_are_listed_newest_first_with_their_alerts()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var id = (await store.SendAsync(new CreateBudget(owner, t, BudgetScope.Tenant, BudgetPeriod.Day, Ten))).Value.Id;
        for (var day = 0; day < 3; day++)
        {
            store.Clock.Ahead = TimeSpan.FromDays(day);
            await store.SendAsync(new ListBudgets(owner, t));
            await store.Get<IUsageLedger>().AppendAsync([Some.Event($"req_{day}", t, at: store.Clock.GetUtcNow()) with { Cost = new NanoUsd((day + 4) * NanoUsd.PerUsd) }], Cancel);
        }

        var page = (await store.SendAsync(new ListBudgetPeriods(owner, t, id) { Limit = 2 })).Value;
        page.Periods.Select(p => p.Posted.ToString()).ShouldBe(["6", "5"]);
        page.Periods[0].Alerts.ShouldHaveSingleItem().Threshold.ShouldBe(50);
        var rest = (await store.SendAsync(new ListBudgetPeriods(owner, t, id) { Limit = 2, After = page.Next })).Value;
        rest.Periods.ShouldHaveSingleItem().Alerts.ShouldBeEmpty();
        rest.Next.ShouldBeNull();
        (await store.SendAsync(new ListBudgetPeriods(owner, t, "bud_none"))).Refusal!.Code.ShouldBe("budget_not_found");
    }

    [Fact]
    public async Task The_operator_sees_tenants_nodes_sheets_and_the_last_check()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var acme = await store.ProvisionAsync("Acme");
        await store.ProvisionAsync("Globex 100%");
        await store.Get<IUsageLedger>().AppendAsync([Some.Event("req_1", acme.TenantId, at: store.Clock.GetUtcNow()) with { Cost = new NanoUsd(42) }], Cancel);
        await store.Get<ILedgerVerification>().RunAsync(null, Cancel);
        var page = (await store.SendAsync(new ListTenants(Caller.Operator) { Limit = 1 })).Value;
        page.Lines.ShouldHaveSingleItem().Name.ShouldBe("Globex 100%");
        var line = (await store.SendAsync(new ListTenants(Caller.Operator) { Limit = 1, After = page.Next })).Value.Lines.ShouldHaveSingleItem();
        (line.Name, line.SpentThisMonth.Value, line.CallsThisMonth, line.Members, line.Keys).ShouldBe(("Acme", 42, 1, 1, 2));
        line.LastCallAt.ShouldNotBeNull();
        (await store.SendAsync(new ListTenants(Caller.Operator) { Search = "100%" })).Value.Lines.ShouldHaveSingleItem();
        (await store.SendAsync(new ListTenants(Caller.Operator) { Search = "1%0" })).Value.Lines.ShouldBeEmpty();
        var state = (await store.SendAsync(new GetOperation(Caller.Operator))).Value;
        state.Invariants.ShouldContain(i => i.Check == "audit_chain_intact" && i.Findings == 0);
        state.Sheets.ShouldContain(s => s.Provider == "openai" && s.Models > 10);
        (await store.SendAsync(new ListTenants(new Caller(acme.TenantId, acme.OwnerId, Role.Owner)))).Refusal!.Kind.ShouldBe(RefusalKind.NotFound);
    }
}

public sealed class SqliteManageTests : ManageTests<OnSqlite>;

public sealed class PostgresManageTests : ManageTests<OnPostgres>;
