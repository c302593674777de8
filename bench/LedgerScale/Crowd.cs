using System.Data.Common;
using System.Diagnostics;
using System.Text.Json;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Tenants;
using Tokonomics.Bench.Load;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Standalone;

namespace Tokonomics.Bench.LedgerScale;

/// <summary>
/// Tenants with keys and budgets on PostgreSQL: one of each is made by the product's use cases, and its row copied with other ids. A tenth of all belongs to one tenant, the others have a hundred keys each.
/// What triggers would note row by row, which takes an hour, is written once as it would stand after them.
/// </summary>
internal static class Crowd
{
    private const int PerTenant = 100;

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (keys, budgets, watch) = (arguments.Count("keys", 0), arguments.Count("budgets", 0), Stopwatch.StartNew());
        await using var services = Product.BuildStore(StoreSetup.DataFolder);
        var store = services.GetRequiredService<ISqlStore>();
        await using var scope = services.CreateAsyncScope();
        var mediator = scope.ServiceProvider.GetRequiredService<IMediator>();
        var (small, first) = (Math.Max(1, keys * 9 / 10 / PerTenant), "");
        if (keys > 0)
        {
            var (big, one) = (await TenantAsync(mediator, "crowd-big"), await TenantAsync(mediator, "crowd-one"));
            (first, var like) = (one, (await mediator.Send(new CreateKey(Caller.Operator, one, "crowd", KeyEnvironment.Live))).Value.Id);
            await RunAsync(store, transaction =>
            {
                transaction.Execute(Copied(transaction, "tenants", $"t.id = '{one}'", $"generate_series(1, {small - 1}) AS n", new()
                {
                    ["id"] = TenantOf("n"), ["name"] = "'crowd-' || n", ["cache_epoch"] = "md5('epoch' || n)",
                }));
                // The first tenth is the big tenant's, then a hundred for each.
                transaction.Execute(Copied(transaction, "metering_keys", $"t.tenant_id = '{one}' AND t.id = '{like}'", $"generate_series(1, {keys}) AS n", new()
                {
                    ["tenant_id"] = Owner($"n <= {keys / 10}", big, $"(n - {keys / 10} - 1) / {PerTenant}", one), ["id"] = KeyOf("n"), ["name"] = "'key ' || n",
                    ["lookup_id"] = "lpad(to_hex(n), length(t.lookup_id), '0')", ["hash"] = "sha256(convert_to('key' || n, 'UTF8'))",
                }));
                Changed(transaction);
            });
        }

        if (budgets > 0)
        {
            await RunAsync(store, transaction => first = (string)transaction.Scalar("SELECT id FROM tenants WHERE name = 'crowd-one'"));
            var big = "";
            var of = 0L;
            await RunAsync(store, transaction => (big, of) = ((string)transaction.Scalar("SELECT id FROM tenants WHERE name = 'crowd-big'"), (long)transaction.Scalar("SELECT count(*) FROM metering_keys WHERE name LIKE 'key %'")));
            var terms = new BudgetTerms { Limit = new NanoUsd(10_000 * NanoUsd.PerUsd) };
            var like = (await mediator.Send(new CreateBudget(Caller.Operator, first, BudgetScope.Key((await mediator.Send(new CreateKey(Caller.Operator, first, "budgeted", KeyEnvironment.Live))).Value.Id), BudgetPeriod.Month, terms))).Value.Id;
            // Of every tenth key, so that they lie over the tenants as the keys do.
            await RunAsync(store, transaction =>
            {
                transaction.Execute(Copied(transaction, "budgets", $"t.tenant_id = '{first}' AND t.id = '{like}'",
                    $"(SELECT tenant_id AS of_tenant, id AS of_key, row_number() OVER (ORDER BY id) AS n FROM metering_keys WHERE name LIKE 'key %' AND substr(name, 5)::bigint % {Math.Max(1, of / budgets)} = 0 ORDER BY id LIMIT {budgets}) AS k", new()
                    {
                        ["tenant_id"] = "of_tenant", ["id"] = "'bud_' || lpad(n::text, 26, '0')", ["scope_value"] = "of_key", ["revision"] = "(SELECT max(revision) FROM budgets) + n",
                    }));
                Changed(transaction);
            });
        }

        await RunAsync(store, transaction =>
            Console.WriteLine(JsonSerializer.Serialize(new
            {
                tenants = transaction.Scalar("SELECT count(*) FROM tenants"), keys = transaction.Scalar("SELECT count(*) FROM metering_keys"), budgets = transaction.Scalar("SELECT count(*) FROM budgets"),
                small = transaction.Scalar("SELECT coalesce((SELECT id FROM tenants WHERE name = 'crowd-one'), '')"), big = transaction.Scalar("SELECT coalesce((SELECT id FROM tenants WHERE name = 'crowd-big'), '')"),
                seconds = Math.Round(watch.Elapsed.TotalSeconds, 1),
            })));
        return 0;
    }

    private static async Task<string> TenantAsync(IMediator mediator, string name) => (await mediator.Send(new ProvisionTenant(Caller.Operator, name, $"{name}@example.com", [], "UTC", TenantPlan.Pro))).Value.TenantId;

    private static string TenantOf(string n) => $"'ten_' || lpad(({n})::text, 26, '0')";

    private static string KeyOf(string n) => $"'key_' || lpad(({n})::text, 26, '0')";

    private static string Owner(string isBig, string big, string small, string first) => $"CASE WHEN {isBig} THEN '{big}' WHEN {small} = 0 THEN '{first}' ELSE {TenantOf(small)} END";

    private static string Copied(DbTransaction transaction, string table, string like, string from, Dictionary<string, string> other)
    {
        var columns = transaction.Columns(table);
        return $"INSERT INTO {table} ({string.Join(", ", columns)}) SELECT {string.Join(", ", columns.Select(c => other.GetValueOrDefault(c, "t." + c)))} FROM {table} AS t, {from} WHERE {like}";
    }

    private static void Changed(DbTransaction transaction) => transaction.Execute("""
        INSERT INTO changes (tenant_id, seq) SELECT id, (SELECT coalesce(max(seq), 0) FROM changes) + row_number() OVER (ORDER BY id) FROM tenants ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq
        """);

    private static Task<int> RunAsync(ISqlStore store, Action<DbTransaction> work) => store.RunAsync(transaction =>
    {
        transaction.Execute("SET LOCAL session_replication_role = replica"); // no triggers
        work(transaction);
    });
}
