using System.Collections.Concurrent;
using System.Collections.Frozen;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>Which budgets apply to a call: look-ups in immutable snapshots, one for each tenant and environment, replaced when something changes.</summary>
internal sealed class BudgetDirectory(OpenAccount open)
{
    private readonly ConcurrentDictionary<(string TenantId, KeyEnvironment), Snapshot> _snapshots = new();
    private readonly ConcurrentDictionary<string, BudgetSlot> _slots = new(StringComparer.Ordinal);

    // By tenant, the keys of its slots. Only for Apply: at a start with many tenants each must not look at the budgets of all.
    private readonly Dictionary<string, HashSet<string>> _ofTenant = new(StringComparer.Ordinal);

    /// <summary>The point that the last reading reached.</summary>
    public long Seq { get; private set; }

    private sealed record Snapshot(
        BudgetSlot? Quota, BudgetSlot[] Tenant, FrozenDictionary<string, BudgetSlot[]> Teams, FrozenDictionary<string, BudgetSlot[]> Projects, FrozenDictionary<string, BudgetSlot[]> Keys, FrozenDictionary<string, TagSlots> Tags);

    /// <param name="Named">By value: its own budgets, and those for each value whose period none of its own has.</param>
    /// <param name="Each">For all other values.</param>
    private sealed record TagSlots(FrozenDictionary<string, BudgetSlot[]> Named, BudgetSlot[] Each);

    public void Resolve(Hold hold, KeySnapshot key, IReadOnlyList<Tag> tags, DateTimeOffset at)
    {
        if (!_snapshots.TryGetValue((key.Tenant.Id, key.Environment), out var snapshot))
            return;
        Add(hold, snapshot.Tenant, "", at);
        if (key.TeamId is { } team && snapshot.Teams.TryGetValue(team, out var slots))
            Add(hold, slots, "", at);
        if (key.ProjectId is { } project && snapshot.Projects.TryGetValue(project, out slots))
            Add(hold, slots, "", at);
        if (snapshot.Keys.TryGetValue(key.Id, out slots))
            Add(hold, slots, "", at);
        if (snapshot.Tags.Count > 0)
            for (var i = 0; i < tags.Count; i++)
                if (snapshot.Tags.TryGetValue(tags[i].Name, out var tag))
                    Add(hold, tag.Named.TryGetValue(tags[i].Value, out slots) ? slots : tag.Each, tags[i].Value, at);
    }

    public void ResolveQuota(Hold hold, KeySnapshot key, DateTimeOffset at)
    {
        if (_snapshots.TryGetValue((key.Tenant.Id, key.Environment), out var snapshot) && snapshot.Quota is { } quota)
            hold.Add(quota.Account("", at));
    }

    private static void Add(Hold hold, BudgetSlot[] slots, string subject, DateTimeOffset at)
    {
        foreach (var slot in slots)
            hold.Add(slot.Account(slot.Budget.Scope.IsEachValue ? subject : "", at));
    }

    public GateAccount? Find(AccountKey key) => _slots.TryGetValue(key.BudgetId, out var slot) ? slot.Find(key) : null;

    /// <returns>The accounts whose budgets may have other terms now.</returns>
    public List<GateAccount> Apply(BudgetChanges changes)
    {
        Seq = changes.Reached;
        var changed = new List<GateAccount>();
        foreach (var tenant in changes.Tenants)
            Replace(tenant, changed);
        if (changes.All)
        {
            var present = changes.Tenants.Select(t => t.TenantId).ToHashSet(StringComparer.Ordinal);
            foreach (var gone in _snapshots.Keys.Select(k => k.TenantId).Where(t => !present.Contains(t)).Distinct(StringComparer.Ordinal).ToList())
                Replace(new TenantBudgetList(gone, BudgetCalendar.Utc, []), changed);
        }

        return changed;
    }

    private void Replace(TenantBudgetList tenant, List<GateAccount> changed)
    {
        var kept = new HashSet<string>(StringComparer.Ordinal);
        foreach (var budget in tenant.Budgets.Where(b => b.TakesHolds))
        {
            kept.Add(budget.Id);
            if (_slots.TryGetValue(budget.Id, out var slot))
                (slot.Budget, slot.Calendar) = (budget, tenant.Calendar);
            else
                _slots[budget.Id] = slot = new BudgetSlot(budget, tenant.Calendar, open);
            changed.AddRange(slot.Accounts);
        }

        foreach (var id in _ofTenant.GetValueOrDefault(tenant.TenantId, []).Where(id => !kept.Contains(id)))
        {
            if (!_slots.TryRemove(id, out var slot))
                continue;
            slot.End();
            changed.AddRange(slot.Accounts);
        }

        _ofTenant[tenant.TenantId] = kept;
        foreach (var environment in Enum.GetValues<KeyEnvironment>())
            _snapshots[(tenant.TenantId, environment)] = Build([.. kept.Select(id => _slots[id]).Where(s => s.Budget.Environment == environment)]);
    }

    private static Snapshot Build(List<BudgetSlot> slots)
    {
        return new Snapshot(slots.FirstOrDefault(s => s.Budget.Scope.CountsCalls), [.. Of(BudgetScopeKind.Tenant).Where(s => !s.Budget.Scope.CountsCalls)], ById(BudgetScopeKind.Team), ById(BudgetScopeKind.Project), ById(BudgetScopeKind.Key),
            Of(BudgetScopeKind.Tag).GroupBy(s => s.Budget.Scope.Name, StringComparer.Ordinal).ToFrozenDictionary(t => t.Key, Tag, StringComparer.Ordinal));

        IEnumerable<BudgetSlot> Of(BudgetScopeKind kind) => slots.Where(s => s.Budget.Scope.Kind == kind);

        FrozenDictionary<string, BudgetSlot[]> ById(BudgetScopeKind kind) =>
            Of(kind).GroupBy(s => s.Budget.Scope.Value!, StringComparer.Ordinal).ToFrozenDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);

        static TagSlots Tag(IEnumerable<BudgetSlot> ofName)
        {
            var all = ofName.ToList();
            var each = all.Where(s => s.Budget.Scope.IsEachValue).ToArray();
            return new TagSlots(
                all.Where(s => !s.Budget.Scope.IsEachValue).GroupBy(s => s.Budget.Scope.Value!, StringComparer.Ordinal).ToFrozenDictionary(
                    g => g.Key, g => g.Concat(each.Where(e => g.All(own => own.Budget.Period != e.Budget.Period))).ToArray(), StringComparer.Ordinal),
                each);
        }
    }
}
