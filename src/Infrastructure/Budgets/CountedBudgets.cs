using System.Data.Common;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Budgets;

/// <summary>
/// Which budgets an event counts on, held or not, without asking the store for each: a tenant's budgets are kept as they were read until one of them
/// changes. <see cref="BudgetRows.CountedOn"/> says the same in SQL, by which the ledger is verified.
/// </summary>
internal sealed class CountedBudgets
{
    private readonly Dictionary<string, OfTenant> _tenants = new(StringComparer.Ordinal);
    private long _revision;

    /// <summary>Forgets what has changed since it was read. In the transaction that posts, once nobody can open an account of these tenants.</summary>
    /// <returns>False where there is no budget at all.</returns>
    public bool Refresh(DbTransaction transaction)
    {
        var reached = transaction.Command("SELECT coalesce(max(revision), 0) FROM budgets").Rows(row => row.GetInt64(0))[0];
        if (reached < _revision) // another database was put in place
            _tenants.Clear();
        else if (reached > _revision && _tenants.Count > 0)
            foreach (var tenant in transaction.Command("SELECT DISTINCT tenant_id FROM budgets WHERE revision > @since", ("@since", _revision)).Rows(row => row.GetString(0)))
                _tenants.Remove(tenant);
        _revision = reached;
        return reached > 0;
    }

    /// <summary>Null where it was deleted, or never was.</summary>
    public Budget? Open(DbTransaction transaction, string tenantId, string id) => Of(transaction, tenantId).ById.GetValueOrDefault(id);

    /// <summary>Adds the accounts that the event counts on, and with how much: nano-dollars, or 1 where calls are counted. None where that is zero.</summary>
    public void Find(DbTransaction transaction, UsageEvent usage, List<Count> found)
    {
        var budgets = Of(transaction, usage.TenantId).Scopes;
        if (budgets.Count == 0)
            return;
        // A repeat that was answered from the cache reached no provider, and a call that went past the proxy is none of its.
        if (CallQuota.Counts(usage.Outcome) && usage.Routed is not (UsageEvent.FromCache or UsageEvent.Direct))
            Add("tenant", "calls", "", "", 1);
        var amount = Math.Min((usage.BudgetCost ?? usage.Cost)?.Value ?? 0, Measures.MostOfEvent);
        if (amount == 0)
            return;
        Add("tenant", "", "", "", amount);
        if (usage.TeamId is { } team)
            Add("team", "", team, "", amount);
        if (usage.ProjectId is { } project)
            Add("project", "", project, "", amount);
        Add("key", "", usage.KeyId, "", amount);
        foreach (var (name, value) in usage.Tags)
        {
            Add("tag", name, value, "", amount);
            Add("each", name, "", value, amount);
        }

        void Add(string kind, string name, string value, string subject, long of)
        {
            if (budgets.TryGetValue(new Scope(usage.Environment, kind, name, value), out var ids))
                foreach (var id in ids)
                    found.Add(new Count(id, subject, of));
        }
    }

    private OfTenant Of(DbTransaction transaction, string tenantId)
    {
        if (_tenants.TryGetValue(tenantId, out var known))
            return known;
        // Of deleted ones too: accounts that are open count on to their end.
        var scopes = new Dictionary<Scope, List<string>>();
        foreach (var (scope, id) in transaction.Command("SELECT environment, scope, scope_name, scope_value, id FROM budgets WHERE tenant_id = @tenant ORDER BY id", ("@tenant", tenantId))
            .Rows(row => (new Scope((KeyEnvironment)row.GetByte(0), string.Intern(row.GetString(1)), row.GetString(2), row.GetString(3)), row.GetString(4))))
        {
            if (!scopes.TryGetValue(scope, out var ids))
                scopes[scope] = ids = [];
            ids.Add(id);
        }

        var open = BudgetRows.Budgets(transaction, "tenant_id = @tenant", ("@tenant", tenantId));
        return _tenants[tenantId] = new OfTenant(scopes, open.ToDictionary(b => b.Id, StringComparer.Ordinal));
    }

    /// <param name="Subject">The tag's value where the budget is for each, otherwise empty.</param>
    public readonly record struct Count(string BudgetId, string Subject, long Amount);

    // As the columns of a budget have it.
    private readonly record struct Scope(KeyEnvironment Environment, string Kind, string Name, string Value);

    private sealed record OfTenant(Dictionary<Scope, List<string>> Scopes, Dictionary<string, Budget> ById);
}
