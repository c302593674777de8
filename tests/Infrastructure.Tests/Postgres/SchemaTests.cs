using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Tests.Budgets;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Ledger;
using Tokonomics.Infrastructure.Postgres;
using Tokonomics.Testing;

namespace Tokonomics.Tests.Postgres;

public sealed class SchemaTests : PostgresTests
{
    private static readonly DateTimeOffset MonthsEnd = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Four_processes_that_start_at_once_on_an_empty_database_make_one_schema()
    {
        var server = await PostgresServer.SharedAsync();
        var text = await server.CreateDatabaseAsync(migrated: false);
        var folder = Directory.CreateTempSubdirectory("tokonomics-test-").FullName;
        var stores = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => OnPostgres.On(text, folder))));
        stores[0].Count("SELECT count(*) FROM schema_migrations").ShouldBe(Script.Embedded("postgres").Count);
        stores[0].Count("SELECT count(*) FROM pg_inherits WHERE inhparent = 'usage_events'::regclass").ShouldBe(5); // this month, three more, the default
        foreach (var store in stores)
            await store.DisposeAsync();
        await server.DropAsync(text);
        Directory.Delete(folder, true);
    }

    [Fact]
    public async Task Both_stores_have_the_same_tables_and_columns()
    {
        await using var sqlite = new TempStore();
        var there = Columns(sqlite, "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'");
        var here = Columns(Store, """
            SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            """);
        there.Except(here).ShouldBeEmpty();
        here.Except(there).ShouldBeSubsetOf([.. from table in new[] { "metering_keys", "tenants" } from column in new[] { "requests_per_minute", "tokens_per_minute", "concurrent_requests" } select $"{table}.{column}"]);

        static List<string> Columns(TempStore store, string sql)
        {
            using var connection = store.Open();
            using var command = connection.CreateCommand();
            command.CommandText = sql;
            using var row = command.ExecuteReader();
            var columns = new List<string>();
            while (row.Read())
                columns.Add($"{row.GetString(0)}.{row.GetString(1)}");
            return columns;
        }
    }

    [Fact]
    public async Task At_a_months_end_each_event_goes_to_its_own_months_partition()
    {
        At(MonthsEnd.AddDays(-1));
        await Store.Get<PostgresPartitions>().EnsureAsync(Cancel);
        var events = Enumerable.Range(-3, 6).Select(i => Some.Event($"req_{i + 3}", at: MonthsEnd.AddTicks(i * 10)) with { Cost = new NanoUsd(1), Tags = [new Tag("customer", "c0"), new Tag("feature", "search")] }).ToList();
        (await Store.Get<IUsageLedger>().AppendAsync(events, Cancel)).ShouldBe(6);
        (await Store.Get<IUsageLedger>().AppendAsync(events, Cancel)).ShouldBe(0);
        Store.Count("SELECT count(*) FROM usage_events_202603").ShouldBe(3);
        Store.Count("SELECT count(*) FROM usage_events_202604").ShouldBe(3);
        Store.Count("SELECT count(*) FROM usage_events_default").ShouldBe(0);
        var page = await Store.Get<IUsageQueries>().ListAsync(new EventFilter("ten_a") { Limit = 4 }, Cancel);
        page.Events.Select(e => e.RequestId).ShouldBe(["req_5", "req_4", "req_3", "req_2"]);
        (await Store.Get<IUsageQueries>().ListAsync(new EventFilter("ten_a") { Limit = 4, After = page.Next }, Cancel)).Events.Select(e => e.RequestId).ShouldBe(["req_1", "req_0"]);
        Store.Count("SELECT posted_nano FROM budget_accounts WHERE budget_id = 'bud_1' ORDER BY period_start LIMIT 1").ShouldBe(3);
        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Events_that_come_before_their_months_partition_move_to_it_when_it_is_made()
    {
        var at = Store.Clock.GetUtcNow().AddMonths(4); // beyond what is made ahead
        var events = Enumerable.Range(0, 50).Select(i => Some.Event($"req_{i}", at: at.AddSeconds(i))).ToList();
        await Store.Get<IUsageLedger>().AppendAsync([.. events, Some.Event("req_old")], Cancel);
        Store.Count("SELECT count(*) FROM usage_events_default").ShouldBe(51);
        Store.Clock.Ahead = at - DateTimeOffset.UtcNow;
        // All nodes at once, while others append.
        await using var second = await Kind.NewAsync(Store, withDirectory: false, settings: null);
        second.Clock.Ahead = Store.Clock.Ahead;
        var made = await Task.WhenAll(
            Store.Get<PostgresPartitions>().EnsureAsync(Cancel), second.Get<PostgresPartitions>().EnsureAsync(Cancel),
            second.Get<IUsageLedger>().AppendAsync([.. events[..10], Some.Event("req_more", at: at)], Cancel).ContinueWith(a => a.Result - 1, TaskScheduler.Default));
        made.Sum().ShouldBe(4); // that month, three more
        Store.Count("SELECT count(*) FROM usage_events_default").ShouldBe(1);
        Store.Count($"SELECT count(*) FROM {PostgresPartitions.NameOf(at.UtcDateTime)}").ShouldBe(51);
        (await Store.Get<IUsageLedger>().AppendAsync(events, Cancel)).ShouldBe(0);
        foreach (var table in new[] { "usage_events", PostgresPartitions.NameOf(at.UtcDateTime), "usage_events_default" })
        {
            Should.Throw<PostgresException>(() => Store.Execute($"UPDATE {table} SET cost_nano = 0")).Message.ShouldContain("append-only");
            Should.Throw<PostgresException>(() => Store.Execute($"DELETE FROM {table}")).Message.ShouldContain("append-only");
        }

        Should.Throw<PostgresException>(() => Store.Execute("TRUNCATE usage_events")).Message.ShouldContain("append-only");
        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task Verification_finds_a_month_without_a_partition()
    {
        var next = PostgresPartitions.NameOf(Store.Clock.GetUtcNow().UtcDateTime.AddMonths(1));
        Store.Execute($"ALTER TABLE usage_events DETACH PARTITION {next}; DROP TABLE {next}");
        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldHaveSingleItem().ToString().ShouldBe($"partitions_ahead: missing={next}");
        (await Store.Get<PostgresPartitions>().EnsureAsync(Cancel)).ShouldBe(1);
        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_partition_that_can_not_be_made_now_is_logged_and_made_the_next_time()
    {
        var next = PostgresPartitions.NameOf(Store.Clock.GetUtcNow().UtcDateTime.AddMonths(3));
        Store.Execute($"ALTER TABLE usage_events DETACH PARTITION {next}; DROP TABLE {next}; CREATE TABLE {next} (in_the_way bigint)");
        (await Store.Get<PostgresPartitions>().EnsureAsync(Cancel)).ShouldBe(0);
        Store.Logs.Text.ShouldContain($"The partition {next} could not be made");
        Store.Execute($"DROP TABLE {next}");
        (await Store.Get<PostgresPartitions>().EnsureAsync(Cancel)).ShouldBe(1);
    }

    [Fact]
    public async Task A_text_that_PostgreSQL_can_not_hold_holds_nobody_up()
    {
        var usage = Some.Event("req_1") with { ResponseModel = "m\0odel", FinishReason = "half \ud83d of a pair", ProviderRequestId = "whole \ud83d\ude00 pair" };
        (await Store.Get<IUsageLedger>().AppendAsync([usage], Cancel)).ShouldBe(1);
        var found = (await Store.Get<IUsageQueries>().FindAsync("ten_a", "req_1", Cancel)).Single();
        (found.ResponseModel, found.FinishReason, found.ProviderRequestId).ShouldBe(("m\uFFFDodel", "half \uFFFD of a pair", "whole \ud83d\ude00 pair"));
    }

    [Fact]
    public async Task A_change_is_never_seen_before_one_with_a_lower_number()
    {
        for (var i = 0; i < 8; i++)
            BudgetStore.AddTenant(Store, $"ten_{i}");
        using var source = new Infrastructure.Keys.SqlDirectorySource(Store.Sql, Store.Get<Application.Secrets.ISecretBox>(), NullLogger<Infrastructure.Keys.SqlDirectorySource>.Instance);
        var seen = new Dictionary<string, int>();
        using var stop = new CancellationTokenSource();
        var reached = 0L;
        var reading = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                Read();
        });
        // Each change holds its transaction open for a while after it got its number.
        await Task.WhenAll(Enumerable.Range(0, 8).Select(t => Task.Run(async () =>
        {
            await using var connection = new NpgsqlConnection(OnPostgres.ConnectionString(Store));
            await connection.OpenAsync(Cancel);
            var random = new Random(t);
            for (var i = 1; i <= 15; i++)
            {
                await using var transaction = await connection.BeginTransactionAsync(Cancel);
                await using var command = new NpgsqlCommand($"INSERT INTO custom_endpoints VALUES ('ten_{t}', 'e{i}', 'https://example.com', 'openai', 0, 'test')", connection, transaction);
                await command.ExecuteNonQueryAsync(Cancel);
                await Task.Delay(random.Next(4), Cancel);
                await transaction.CommitAsync(Cancel);
            }
        })));
        await stop.CancelAsync();
        await reading;
        Read();
        for (var t = 0; t < 8; t++)
            seen[$"ten_{t}"].ShouldBe(15);

        void Read()
        {
            var changes = source.Read(reached);
            reached.ShouldBeLessThanOrEqualTo(changes.Seq);
            reached = changes.Seq;
            foreach (var tenant in changes.Tenants)
                seen[tenant.Id] = tenant.Endpoints.Count;
        }
    }

    [Fact]
    public async Task Changes_made_at_once_on_two_nodes_leave_an_audit_log_without_a_gap()
    {
        var made = await Store.ProvisionAsync();
        await using var second = await Kind.NewAsync(Store, withDirectory: false);
        await Task.WhenAll(Enumerable.Range(0, 24).Select(i => Task.Run(async () =>
        {
            var node = i % 2 == 0 ? Store : second;
            // Keys have a trigger that makes them wait for each other; tokens have none.
            if (i % 4 < 2)
                (await node.SendAsync(new CreateKey(Caller.Operator, made.TenantId, $"k{i}", KeyEnvironment.Live))).Succeeded.ShouldBeTrue();
            else
                (await node.SendAsync(new CreateApiToken(Caller.Operator, made.TenantId, $"t{i}", Role.Viewer))).Succeeded.ShouldBeTrue();
        })));
        Store.Count($"SELECT max(seq) FROM audit_log WHERE tenant_id = '{made.TenantId}'").ShouldBe(25);
        (await Store.Get<ILedgerVerification>().RunAsync(null, Cancel)).Findings.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("Database=tokonomics", "names no host")]
    [InlineData("Host=db;Nonsense=1", "can't be read")]
    public void A_connection_string_that_can_not_be_is_said_with_its_remedy(string text, string problem)
    {
        var message = Should.Throw<InvalidOperationException>(() => new PostgresDatabase(text)).Message;
        message.ShouldContain("ConnectionStrings:Postgres");
        message.ShouldContain(problem);
        message.ShouldContain("Host=db.example.com");
    }

    [Fact]
    public void What_a_connection_string_says_is_kept_and_its_password_is_in_no_message()
    {
        using var database = new PostgresDatabase("Host=db;Port=1;Database=d;Username=u;Password=secret-of-the-database;MaxPoolSize=3;CommandTimeout=77");
        database.Place.ShouldBe("PostgreSQL db:1/d");
        var text = new NpgsqlConnectionStringBuilder(database.Source.ConnectionString);
        (text.MaxPoolSize, text.CommandTimeout).ShouldBe((3, 77));
        (text.Timeout, text.ApplicationName).ShouldBe((5, "tokonomics")); // not named: ours
        text.Options!.ShouldContain("idle_in_transaction_session_timeout=30s");
    }

    private void At(DateTimeOffset now) => Store.Clock.Ahead = now - DateTimeOffset.UtcNow;
}
