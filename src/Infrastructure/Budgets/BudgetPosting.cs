using System.Data.Common;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Budgets;

/// <summary>
/// The budgets' part of appending to the ledger, in its transaction: each new event counts on every open account that it lies in, held there or
/// not, and what leases covered is taken off them.
/// </summary>
/// <param name="events">A table with the columns of usage_events, as it stands behind FROM.</param>
/// <param name="isNew">Which of its rows were added by the transaction.</param>
internal sealed class BudgetPosting(ISqlStore store, string events, string isNew)
{
    private readonly string _newByAccount = BudgetRows.SumsOfFew(store, events, isNew);

    private readonly string _notOpen = BudgetRows.NotOpen(store, events, isNew);

    /// <summary>What is asked of the new rows of each batch.</summary>
    internal IReadOnlyList<string> Questions => [_newByAccount, _notOpen];

    /// <param name="added">The events that were new.</param>
    /// <param name="parameters">What <c>isNew</c> needs.</param>
    public void Post(DbTransaction transaction, IReadOnlyList<UsageEvent> added, DateTimeOffset now, params (string, object)[] parameters)
    {
        var rows = new BudgetRows(store, transaction, now);
        if (!rows.AnyBudget())
            return;

        // In the order of the keys, like everybody who locks more than one account: two that post to the same ones never wait for each other.
        var changes = new SortedDictionary<AccountKey, Change>(ByText);
        foreach (var (key, cost) in transaction.Command(_newByAccount, parameters).Rows(row => (BudgetRows.ReadKey(row), new NanoUsd(row.GetInt64(4)))))
            Of(key).Cost = cost;
        foreach (var usage in added)
            foreach (var charge in usage.Charges)
                Of(charge.Account).Covered[charge.Owner] = Of(charge.Account).Covered.GetValueOrDefault(charge.Owner) + charge.Covered;

        foreach (var (key, change) in changes)
        {
            if (rows.Account(key) is not { } account)
                continue;
            var (cost, off) = (change.Cost, NanoUsd.Zero);
            foreach (var (owner, amount) in change.Covered)
            {
                if (rows.Lease(key, owner) is var (line, epoch))
                {
                    var fromLease = amount < line.Outstanding ? amount : line.Outstanding;
                    rows.SaveLease(key, owner, line with { Consumed = line.Consumed + fromLease }, epoch);
                    off += fromLease;
                }
                else
                    cost += rows.Forfeit(key, owner, NanoUsd.Zero - amount); // it counted as spent when the lease was taken
            }

            account.Post(cost, off);
            rows.Save(key, account);
        }

        foreach (var usage in added)
            if (usage.UpperBound is { } bound && (usage.BudgetCost ?? usage.Cost ?? NanoUsd.Zero) > bound)
                foreach (var charge in usage.Charges)
                    if (rows.Budget(charge.Account.TenantId, charge.Account.BudgetId) is not { Scope.CountsCalls: true })
                        rows.Overrun(charge.Account, usage);

        Change Of(in AccountKey key)
        {
            if (!changes.TryGetValue(key, out var change))
                changes[key] = change = new Change();
            return change;
        }
    }

    /// <summary>
    /// The periods in which events cost something and which no call opened, since their budget takes no holds or the call was admitted before it
    /// was made. They are to be opened, so that their alerts come.
    /// </summary>
    public IReadOnlyList<(AccountOpening Opening, Budget Budget)> NotOpen(DbTransaction transaction, DateTimeOffset now, params (string, object)[] parameters)
    {
        var rows = new BudgetRows(store, transaction, now);
        var found = new SortedDictionary<AccountKey, (AccountOpening, Budget)>(ByText);
        foreach (var (tenant, id, subject, at, calendar) in transaction.Command(_notOpen, parameters)
            .Rows(row => (row.GetString(0), row.GetString(1), row.GetString(2), UsageRow.Time(row.GetInt64(3)), BudgetCalendar.Read(row.GetString(4), row.GetString(5)))))
        {
            if (rows.Budget(tenant, id) is not { } budget)
                continue;
            var window = calendar.Containing(budget.Period, at, budget.CreatedAt);
            // Not a period that was over when the budget was made, nor what came before a total began.
            if (window.End > budget.CreatedAt && window.Contains(at))
            {
                var key = new AccountKey(tenant, id, subject, window.StartMicros);
                found[key] = (new AccountOpening(key, window.EndMicros), budget);
            }
        }

        return [.. found.Values];
    }

    public static readonly IComparer<AccountKey> ByText = Comparer<AccountKey>.Create((a, b) =>
        string.CompareOrdinal(a.TenantId, b.TenantId) is not 0 and var tenant ? tenant
        : string.CompareOrdinal(a.BudgetId, b.BudgetId) is not 0 and var budget ? budget
        : string.CompareOrdinal(a.Subject, b.Subject) is not 0 and var subject ? subject
        : a.PeriodStart.CompareTo(b.PeriodStart));

    private sealed class Change
    {
        public NanoUsd Cost { get; set; }

        /// <summary>By the lease's owner.</summary>
        public Dictionary<string, NanoUsd> Covered { get; } = [];
    }
}
