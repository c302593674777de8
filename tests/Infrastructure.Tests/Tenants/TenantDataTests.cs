using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Infrastructure.Tenants;

namespace Tokonomics.Tests.Tenants;

/// <summary>How long data are kept, how they are taken out, and how they end: on every store.</summary>
public abstract class TenantDataTests<TKind>
    where TKind : IStoreKind, new()
{
    private static readonly TKind Kind = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // What belongs to no tenant although it names one, and outlives it: a session is its user's.
    private static readonly string[] Kept = ["changes", "tenant_erasures", "invariant_checks", "sessions"];

    private static List<string> TenantTables(TempStore store)
    {
        using var connection = store.Open();
        using var command = connection.CreateCommand();
        command.CommandText = Kind is OnSqlite
            ? "SELECT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND c.name = 'tenant_id'"
            : "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        using var row = command.ExecuteReader();
        var names = new List<string>();
        while (row.Read())
            names.Add(row.GetString(0));
        return names;
    }

    private static async Task<TenantProvisioned> FullAsync(TempStore store, string name)
    {
        var made = await store.ProvisionAsync(name, new KeyValuePair<string, string>("openai", $"sk-provider-key-of-{name}"));
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var team = (await store.SendAsync(new CreateTeam(owner, t, "Search"))).Value.TeamId;
        await store.SendAsync(new CreateProject(owner, t, "Ranking", team));
        await store.SendAsync(new MoveKey(owner, t, made.LiveKey.Id, team, null));
        await store.SendAsync(new InviteMember(owner, t, "grace@example.com", Role.Viewer));
        await store.SendAsync(new AddCustomEndpoint(owner, t, "my-llm", "https://llm.example.com", "openai"));
        await store.SendAsync(new CreateBudget(owner, t, BudgetScope.Tenant, BudgetPeriod.Day, new BudgetTerms { Limit = new NanoUsd(1000) }));
        await store.SendAsync(new ListBudgets(owner, t));
        await store.Get<IUsageLedger>().AppendAsync([.. Enumerable.Range(0, 30).Select(i => Some.Event($"req_{t}_{i}", t, at: store.Clock.GetUtcNow()) with { KeyId = made.LiveKey.Id, Cost = new NanoUsd(100) })], Cancel);
        return made;
    }

    [Fact]
    public async Task Every_table_with_a_tenant_is_exported_or_deleted_with_it()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        TenantTables(store).Except(Kept).Append("tenants").ShouldBe(TenantData.Known, ignoreOrder: true);
    }

    [Fact]
    public async Task An_export_holds_every_row_and_neither_hash_nor_secret()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await FullAsync(store, "Acme");
        await FullAsync(store, "Zebra");
        var export = (await store.SendAsync(new ExportTenant(new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId))).Value;
        var text = new StringBuilder();
        var tables = new Dictionary<string, int>();
        await foreach (var line in export.Lines)
        {
            tables[line.Table] = tables.GetValueOrDefault(line.Table) + 1;
            text.AppendLine(Encoding.UTF8.GetString(line.Json.Span));
        }

        tables["usage_events"].ShouldBe(30);
        tables["metering_keys"].ShouldBe(2);
        tables["tenants"].ShouldBe(1);
        tables["budget_accounts"].ShouldBe(1);
        tables["usage_hourly"].ShouldBeGreaterThan(0);
        tables["audit_log"].ShouldBe((int)store.Count($"SELECT count(*) FROM audit_log WHERE tenant_id = '{made.TenantId}'"));
        text.ToString().ShouldContain("\"name\":\"Acme\"");
        text.ToString().ShouldNotContain("Zebra");
        foreach (var secret in new[] { made.LiveKey.Secret, made.ApiToken.Secret, "sk-provider-key", "lookup_id", "token_hash", "ciphertext" })
            text.ToString().ShouldNotContain(secret);
        text.ToString().ShouldNotContain(made.LiveKey.Secret[8..18]);
    }

    [Fact]
    public async Task Pages_of_an_export_follow_each_other_without_a_gap()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        await store.Get<IUsageLedger>().AppendAsync([.. Enumerable.Range(0, 2500).Select(i => Some.Event($"req_{i:d5}", made.TenantId, at: Some.Noon.AddSeconds(i / 7)))], Cancel);
        var export = (await store.SendAsync(new ExportTenant(Caller.Operator, made.TenantId))).Value;
        var seen = new HashSet<string>();
        await foreach (var line in export.Lines)
            if (line.Table == "usage_events")
                seen.Add(System.Text.Json.JsonDocument.Parse(line.Json).RootElement.GetProperty("request_id").GetString()!).ShouldBeTrue();
        seen.Count.ShouldBe(2500);
    }

    [Fact]
    public async Task A_tenant_that_is_to_be_deleted_is_refused_at_once_and_can_come_back()
    {
        await using var store = await (await Kind.NewAsync()).StartAsync();
        var made = await FullAsync(store, "Acme");
        var (owner, t) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        (await store.SendAsync(new RequestTenantDeletion(owner, t, "acme"))).Refusal!.Message.ShouldBe("Type the name as it is: Acme");
        var due = (await store.SendAsync(new RequestTenantDeletion(owner, t, "Acme"))).Value.At!.Value;
        due.ShouldBe(store.Clock.GetUtcNow().AddDays(30), TimeSpan.FromMinutes(5));
        store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status.ShouldBe(KeyStatus.Closing);
        (await store.SendAsync(new CreateTeam(owner, t, "New"))).Refusal!.Code.ShouldBe("tenant_closing");
        (await store.SendAsync(new ListKeys(owner, t))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new ExportTenant(owner, t))).Succeeded.ShouldBeTrue();
        (await store.Get<ITenantData>().EraseDueAsync(Cancel)).ShouldBeEmpty();
        (await store.SendAsync(new CancelTenantDeletion(owner, t))).Succeeded.ShouldBeTrue();
        store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status.ShouldBe(KeyStatus.Active);
        (await store.SendAsync(new CancelTenantDeletion(owner, t))).Refusal!.Code.ShouldBe("not_closing");
    }

    [Fact]
    public async Task After_its_grace_nothing_of_a_tenant_is_left_but_its_logs_last_line()
    {
        await using var store = await (await Kind.NewAsync()).StartAsync();
        var made = await FullAsync(store, "Acme");
        var other = await FullAsync(store, "Other");
        var t = made.TenantId;
        await store.SendAsync(new RequestTenantDeletion(new Caller(t, made.OwnerId, Role.Owner), t, "Acme"));
        var last = store.Count($"SELECT max(seq) FROM audit_log WHERE tenant_id = '{t}'");
        store.Clock.Ahead = TimeSpan.FromDays(31);
        (await store.Get<ITenantData>().EraseDueAsync(Cancel)).ShouldBe([t]);
        foreach (var table in TenantTables(store).Except(Kept))
            store.Count($"SELECT count(*) FROM {table} WHERE tenant_id = '{t}'").ShouldBe(0, table);
        store.Count($"SELECT count(*) FROM tenants").ShouldBe(1);
        store.Count($"SELECT count(*) FROM usage_events WHERE tenant_id = '{other.TenantId}'").ShouldBe(30);
        var line = (await store.SendAsync(new ListAudit(Caller.Operator, AuditEntry.SystemTenant) { Action = "erase_tenant" })).Value.Lines.ShouldHaveSingleItem();
        (line.Subject, line.Actor).ShouldBe((t, "workers"));
        line.Detail.ShouldStartWith($"its audit log's last line: {last} ");
        await store.Get<IDirectoryRefresh>().RefreshAsync(Cancel);
        store.Get<IKeyDirectory>().Find(made.LiveKey.Secret).Status.ShouldBe(KeyStatus.Unknown);

        // What a journal brings late goes with the next run; nothing of it is done twice.
        await store.Get<IUsageLedger>().AppendAsync([Some.Event("req_late", t)], Cancel);
        (await store.Get<ITenantData>().EraseDueAsync(Cancel)).ShouldBeEmpty();
        store.Count($"SELECT count(*) FROM usage_events WHERE tenant_id = '{t}'").ShouldBe(0);
        store.Count("SELECT count(*) FROM audit_log WHERE action = 'erase_tenant'").ShouldBe(1);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        Should.Throw<System.Data.Common.DbException>(() => store.Execute($"DELETE FROM audit_log WHERE tenant_id = '{other.TenantId}'")).Message.ShouldContain("append-only");
    }

    [Fact]
    public async Task Retention_deletes_what_its_tenant_keeps_no_longer_and_nothing_of_another()
    {
        await using var store = await Kind.NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync("Acme");
        var other = await store.ProvisionAsync("Other");
        var t = made.TenantId;
        // Partitions of their own for the months of the past, where the store has any.
        foreach (var months in store.Services.GetServices<PostgresPartitions>())
        {
            store.Clock.Ahead = Some.Noon - DateTimeOffset.UtcNow;
            await months.EnsureAsync(Cancel);
        }

        store.Clock.Ahead = Some.Noon.AddDays(100) - DateTimeOffset.UtcNow;
        foreach (var months in store.Services.GetServices<PostgresPartitions>())
            await months.EnsureAsync(Cancel);
        await store.Get<IUsageLedger>().AppendAsync(
            [.. Enumerable.Range(0, 100).Select(i => Some.Event($"req_{i:d3}", t, at: Some.Noon.AddDays(i) + TimeSpan.FromMinutes(i)) with { Cost = new NanoUsd(1) }), Some.Event("req_other", other.TenantId)], Cancel);
        await store.SendAsync(new SetTenantSettings(Caller.Operator, t) { RetentionDays = 35 });
        Should.Throw<System.Data.Common.DbException>(() => store.Execute("DELETE FROM usage_events")).Message.ShouldContain("append-only");

        var report = await store.Get<IRetention>().RunAsync(Cancel);
        // Kept is what was made from day 65 on; day 65 itself, 65 minutes later than the line, stays.
        // On PostgreSQL April's 30 are gone with their partition before that; March has one of the other tenant.
        (report.Tenants, report.Deleted + (report.Dropped.Count * 30)).ShouldBe((1, 65));
        store.Count($"SELECT count(*) FROM usage_events WHERE tenant_id = '{t}'").ShouldBe(35);
        store.Count($"SELECT count(*) FROM usage_events WHERE tenant_id = '{other.TenantId}'").ShouldBe(1);
        store.Count($"SELECT sum(calls) FROM usage_hourly WHERE tenant_id = '{t}'").ShouldBe(100);
        (await store.Get<IRetention>().RunAsync(Cancel)).Deleted.ShouldBe(0);
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
        // Sums of deleted hours are still told.
        var sum = await store.Get<IUsageQueries>().SummarizeAsync(new SummaryQuestion(t, Some.Noon.AddDays(-1), Some.Noon.AddDays(101)), Cancel);
        sum.ShouldHaveSingleItem().Totals.Calls.ShouldBe(100);
        // Another's events are still looked at: the line is the tenant's own.
        store.Execute(Kind.DropTrigger("usage_events_immutable", "usage_events"));
        store.Execute($"UPDATE usage_events SET cost_nano = 5 WHERE tenant_id = '{other.TenantId}'");
        (await store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldContain(f => f.Check == "hourly_equals_events");

        // A longer time brings nothing back and the line doesn't go back either.
        var line = store.Count($"SELECT CAST(value AS bigint) FROM store_facts WHERE name = 'usage_delete_before/{t}'");
        await store.SendAsync(new SetTenantSettings(Caller.Operator, t) { RetentionDays = 365 });
        await store.Get<IRetention>().RunAsync(Cancel);
        store.Count($"SELECT CAST(value AS bigint) FROM store_facts WHERE name = 'usage_delete_before/{t}'").ShouldBe(line);
    }
}

public sealed class SqliteTenantDataTests : TenantDataTests<OnSqlite>;

public sealed class PostgresTenantDataTests : TenantDataTests<OnPostgres>
{
    [Fact]
    public async Task A_month_of_which_nobody_keeps_anything_goes_with_its_partition()
    {
        await using var store = await new OnPostgres().NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        store.Clock.Ahead = Some.Noon - DateTimeOffset.UtcNow;
        await store.Get<PostgresPartitions>().EnsureAsync(TestContext.Current.CancellationToken); // March to June 2026
        store.Clock.Ahead = Some.Noon.AddDays(100) - DateTimeOffset.UtcNow; // 18 June
        await store.Get<PostgresPartitions>().EnsureAsync(TestContext.Current.CancellationToken);
        await store.Get<IUsageLedger>().AppendAsync([.. Enumerable.Range(0, 100).Select(i => Some.Event($"req_{i:d3}", made.TenantId, at: Some.Noon.AddDays(i)))], TestContext.Current.CancellationToken);
        await store.SendAsync(new SetTenantSettings(Caller.Operator, made.TenantId) { RetentionDays = 35 });
        var report = await store.Get<IRetention>().RunAsync(TestContext.Current.CancellationToken);
        // 35 days before 18 June noon is 14 May noon: March (22 events) and April (30) go whole, of May the first 13 row by row.
        report.Dropped.ShouldBe(["usage_events_202603", "usage_events_202604"]);
        report.Deleted.ShouldBe(13);
        store.Count("SELECT count(*) FROM usage_events").ShouldBe(35);
        (await store.Get<ILedgerVerification>().RunAsync(null, TestContext.Current.CancellationToken)).Findings.ShouldBeEmpty();
    }
}
