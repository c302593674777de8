using Microsoft.Data.Sqlite;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>
/// The budgets' part of appending to the ledger, in its transaction: each new event counts on every open account that it lies in, held there or
/// not, and what leases covered is taken off them. Periods that no call opened, since their budget takes no holds or the call was admitted before it
/// was made, are opened here, so that their alerts come.
/// </summary>
internal static class BudgetPosting
{
    private const string NewWithCost = "rowid > $after AND coalesce(budget_nano, cost_nano, 0) <> 0";

    private static readonly string NewByAccount = $"SELECT account, sum(amount) FROM ({BudgetRows.CountedOn(NewWithCost)}) GROUP BY account";

    private static readonly string NewNotOpen = BudgetRows.NotOpen(NewWithCost);

    /// <param name="after">The highest rowid of usage_events before this batch.</param>
    /// <param name="added">The events that were new.</param>
    public static void Post(SqliteConnection connection, SqliteTransaction transaction, long after, IReadOnlyList<UsageEvent> added, DateTimeOffset now)
    {
        var rows = new BudgetRows(connection, transaction, now);
        using (var any = rows.Command("SELECT EXISTS (SELECT 1 FROM budgets)"))
            if ((long)any.ExecuteScalar()! == 0)
                return;

        var changes = new SortedDictionary<long, (NanoUsd Cost, NanoUsd Covered)>();
        using (var command = rows.Command(NewByAccount, ("$after", after)))
        using (var row = command.ExecuteReader())
            while (row.Read())
                changes[row.GetInt64(0)] = (new NanoUsd(row.GetInt64(1)), NanoUsd.Zero);

        var covered = new Dictionary<(AccountKey, string), NanoUsd>();
        foreach (var usage in added)
            foreach (var charge in usage.Charges)
                covered[(charge.Account, charge.Owner)] = covered.GetValueOrDefault((charge.Account, charge.Owner)) + charge.Covered;
        foreach (var ((key, owner), amount) in covered)
        {
            if (rows.Account(key) is not var (rowId, _))
                continue;
            var (fromLease, fromForfeit) = (NanoUsd.Zero, NanoUsd.Zero);
            if (rows.Lease(key, owner) is var (line, epoch))
            {
                fromLease = amount < line.Outstanding ? amount : line.Outstanding;
                rows.SaveLease(key, owner, line with { Consumed = line.Consumed + fromLease }, epoch);
            }
            else
                fromForfeit = rows.Forfeit(key, owner, NanoUsd.Zero - amount); // it counted as spent when the lease was taken
            var (cost, off) = changes.GetValueOrDefault(rowId);
            changes[rowId] = (cost + fromForfeit, off + fromLease);
        }

        foreach (var (rowId, (cost, off)) in changes)
        {
            var (key, account) = rows.Account(rowId);
            account.Post(cost, off);
            rows.Save(rowId, key, account);
        }

        OpenMissing(rows, after);
        foreach (var usage in added)
            if (usage.UpperBound is { } bound && (usage.BudgetCost ?? usage.Cost ?? NanoUsd.Zero) > bound)
                foreach (var charge in usage.Charges)
                    rows.Overrun(charge.Account, usage);
    }

    // After the others are posted: what opens now finds the new events in the ledger already, and counts them by that.
    private static void OpenMissing(BudgetRows rows, long after)
    {
        var missing = new List<(string Tenant, string Budget, string Subject, DateTimeOffset At, string Zone)>();
        using (var command = rows.Command(NewNotOpen, ("$after", after)))
        using (var row = command.ExecuteReader())
            while (row.Read())
                missing.Add((row.GetString(0), row.GetString(1), row.GetString(2), UsageRow.Time(row.GetInt64(3)), row.GetString(4)));
        foreach (var (tenant, id, subject, at, zone) in missing)
        {
            var budget = rows.Budget(tenant, id)!;
            var window = BudgetPeriods.Containing(budget.Period, TimeZoneInfo.FindSystemTimeZoneById(zone), at, budget.CreatedAt);
            var key = new AccountKey(tenant, id, subject, window.StartMicros);
            // Not a period that was over when the budget was made, nor what came before a total began.
            if (window.End > budget.CreatedAt && window.Contains(at) && rows.Account(key) is null)
                rows.Open(new AccountOpening(key, window.EndMicros), budget);
        }
    }
}
