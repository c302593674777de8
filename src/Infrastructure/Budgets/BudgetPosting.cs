using System.Buffers;
using System.Data.Common;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.Ledger;

namespace Tokonomics.Infrastructure.Budgets;

/// <summary>
/// The budgets' part of appending to the ledger, in its transaction: each new event counts on every open account that it lies in, held there or
/// not, and what leases covered is taken off them. However many accounts there are, they are read and written by a handful of statements.
/// </summary>
internal sealed class BudgetPosting
{
    private readonly ISqlStore _store;
    private readonly CountedBudgets _budgets = new();
    private readonly string _lockAccounts;
    private readonly string _leases;
    private readonly string _saveLeases;
    private readonly string _saveAccounts;
    private readonly string _alert;

    public BudgetPosting(ISqlStore store)
    {
        const string Columns = BudgetRows.AccountColumns;
        string[] key = ["tenant", "budget", "subject_is", "start bigint"];
        const string IsGiven = "tenant_id = given.tenant AND budget_id = given.budget AND subject = given.subject_is";
        const string IsAccount = $"{IsGiven} AND period_start = given.start";
        const string IsLease = $"{IsAccount} AND owner = given.owned_by";
        _store = store;
        _lockAccounts = $"""
            SELECT {Columns}, period_end, limit_nano, posted_nano, leased_nano, excess_nano, epoch
            FROM {store.LockEach(store.RowsIn("@rows", "tenant", "budget", "subject_is", "first bigint", "last bigint"), "budget_accounts", $"{IsGiven} AND period_start <= given.last AND period_end > given.first", "period_start")}
            """;
        _leases = $"SELECT {Columns}, owner, granted_nano, returned_nano, consumed_nano FROM {store.ForEach(store.RowsIn("@rows", [.. key, "owned_by"]), "budget_leases", IsLease)}";
        _saveLeases = $"UPDATE budget_leases SET consumed_nano = given.consumed, asked_at = @at FROM {store.RowsIn("@rows", [.. key, "owned_by", "consumed bigint"])} WHERE {IsLease}";
        _saveAccounts = $"""
            UPDATE budget_accounts SET limit_nano = given.most, posted_nano = given.posted, leased_nano = given.leased, excess_nano = given.excess
            FROM {store.RowsIn("@rows", [.. key, "most bigint", "posted bigint", "leased bigint", "excess bigint"])} WHERE {IsAccount}
            """;
        _alert = $"""
            INSERT INTO budget_alerts ({Columns}, kind, threshold, request, posted_nano, limit_nano, at)
            SELECT tenant, budget, subject_is, start, 'threshold', reached, '', posted, most, @at FROM {store.RowsIn("@rows", [.. key, "reached bigint", "posted bigint", "most bigint"])} WHERE TRUE ON CONFLICT DO NOTHING
            """;
    }

    /// <summary>What is asked and written for each batch: parameters <c>@rows</c>, <c>@at</c>.</summary>
    internal IReadOnlyList<string> Statements => [_lockAccounts, _leases, _saveLeases, _saveAccounts, _alert];

    /// <param name="batch">All events of the batch: those that stood in the ledger already count on nothing again.</param>
    /// <param name="added">Those that were new.</param>
    /// <returns>
    /// The periods in which events of the batch cost something and which no call opened, since their budget takes no holds or the call was admitted before
    /// it was made. They are to be opened, so that their alerts come.
    /// </returns>
    public IReadOnlyList<(AccountOpening Opening, Budget Budget)> Post(DbTransaction transaction, IReadOnlyCollection<UsageEvent> batch, IReadOnlyList<UsageEvent> added, DateTimeOffset now)
    {
        if (!_budgets.Refresh(transaction))
            return [];
        var places = new SortedDictionary<Place, Due>(ByText);
        var isNew = added.Count == batch.Count ? null : new HashSet<UsageEvent>(added, ReferenceEqualityComparer.Instance);
        var counts = new List<CountedBudgets.Count>();
        foreach (var usage in batch)
        {
            counts.Clear();
            _budgets.Find(transaction, usage, counts);
            var (at, counted) = (UsageRow.Micros(usage.At), isNew is null || isNew.Contains(usage));
            foreach (var (budget, subject, amount) in counts)
                Of(new Place(usage.TenantId, budget, subject)).Costs.Add((at, counted ? amount : 0));
        }

        foreach (var usage in added)
            foreach (var (account, owner, covered) in usage.Charges)
            {
                var charged = Of(new Place(account.TenantId, account.BudgetId, account.Subject)).Covered;
                charged[(account.PeriodStart, owner)] = charged.GetValueOrDefault((account.PeriodStart, owner)) + covered;
            }

        if (places.Count == 0)
            return [];
        var rows = new BudgetRows(_store, transaction, now);
        var accounts = Locked(transaction, places, now);
        PostLeases(transaction, rows, accounts, now);
        Save(transaction, accounts, now);
        foreach (var usage in added)
            if (usage.UpperBound is { } bound && (usage.BudgetCost ?? usage.Cost ?? NanoUsd.Zero) > bound)
                foreach (var charge in usage.Charges)
                    if (_budgets.Open(transaction, charge.Account.TenantId, charge.Account.BudgetId) is not { Scope.CountsCalls: true })
                        rows.Overrun(charge.Account, usage);
        return NotOpen(transaction, rows, places, accounts);

        Due Of(in Place place)
        {
            if (!places.TryGetValue(place, out var due))
                places[place] = due = new Due();
            return due;
        }
    }

    // In the order of the keys, like everybody who locks more than one account: two that post to the same ones never wait for each other.
    private List<Account> Locked(DbTransaction transaction, SortedDictionary<Place, Due> places, DateTimeOffset now) =>
        transaction.Command(_lockAccounts, ("@rows", Rows(places, p => new AccountKey(p.Key.TenantId, p.Key.BudgetId, p.Key.Subject, p.Value.First), (json, p) =>
        {
            json.WriteNumber("first", p.Value.First);
            json.WriteNumber("last", p.Value.Last);
        }))).Rows(row =>
        {
            var key = BudgetRows.ReadKey(row);
            return new Account(key, row.GetInt64(4), new BudgetAccount(new NanoUsd(row.GetInt64(5)), new NanoUsd(row.GetInt64(6)), new NanoUsd(row.GetInt64(7)), row.GetInt64(9)), places[new Place(key.TenantId, key.BudgetId, key.Subject)])
            {
                Stored = (row.GetInt64(5), row.GetInt64(6), row.GetInt64(7), row.GetInt64(8)),
            };
        }).ConvertAll(account =>
        {
            // Not while the rows are read: it may have to ask for the tenant's budgets.
            if (_budgets.Open(transaction, account.Key.TenantId, account.Key.BudgetId)?.LimitAt(now) is { } limit && limit != account.Of.Limit)
                account.Of.ChangeLimit(limit);
            return account;
        });

    private void PostLeases(DbTransaction transaction, BudgetRows rows, List<Account> accounts, DateTimeOffset now)
    {
        var covered = accounts.ToDictionary(a => a.Key, a => a.Due.Covered.Where(c => c.Key.PeriodStart == a.Key.PeriodStart).Select(c => (c.Key.Owner, Amount: c.Value)).ToList());
        var lines = new Dictionary<(AccountKey, string), LeaseLine>();
        if (covered.Values.Any(c => c.Count > 0))
            foreach (var (key, owner, line) in transaction.Command(_leases, ("@rows", Rows(covered.SelectMany(a => a.Value.Select(c => (a.Key, c.Owner))), l => l.Key, (json, l) => json.WriteString("owned_by", l.Owner))))
                .Rows(row => (BudgetRows.ReadKey(row), row.GetString(4), new LeaseLine(new NanoUsd(row.GetInt64(5)), new NanoUsd(row.GetInt64(6)), new NanoUsd(row.GetInt64(7))))))
                lines[(key, owner)] = line;

        var consumed = new List<(AccountKey Key, string Owner, NanoUsd Consumed)>(lines.Count);
        foreach (var account in accounts)
        {
            var (cost, off) = (account.Due.Within(account.Key.PeriodStart, account.PeriodEnd), NanoUsd.Zero);
            foreach (var (owner, amount) in covered[account.Key])
            {
                if (lines.TryGetValue((account.Key, owner), out var line))
                {
                    var fromLease = amount < line.Outstanding ? amount : line.Outstanding;
                    consumed.Add((account.Key, owner, line.Consumed + fromLease));
                    off += fromLease;
                }
                else
                    cost += rows.Forfeit(account.Key, owner, NanoUsd.Zero - amount); // it counted as spent when the lease was taken
            }

            account.Of.Post(cost, off);
        }

        if (consumed.Count > 0)
            transaction.Execute(_saveLeases, ("@at", UsageRow.Micros(now)), ("@rows", Rows(consumed, l => l.Key, (json, l) =>
            {
                json.WriteString("owned_by", l.Owner);
                json.WriteNumber("consumed", l.Consumed.Value);
            })));
    }

    private void Save(DbTransaction transaction, List<Account> accounts, DateTimeOffset now)
    {
        // Where nothing differs nothing is written, and the commit costs no fsync.
        var changed = accounts.FindAll(a => a.Stored != a.Now);
        if (changed.Count == 0)
            return;
        transaction.Execute(_saveAccounts, ("@rows", Rows(changed, a => a.Key, (json, a) =>
        {
            json.WriteNumber("most", a.Now.Limit);
            json.WriteNumber("posted", a.Now.Posted);
            json.WriteNumber("leased", a.Now.Leased);
            json.WriteNumber("excess", a.Now.Excess);
        })));
        var alerts = changed.SelectMany(a => a.Of.Reached(_budgets.Open(transaction, a.Key.TenantId, a.Key.BudgetId)?.Thresholds ?? []).Select(threshold => (Account: a, Threshold: threshold))).ToList();
        if (alerts.Count > 0)
            transaction.Execute(_alert, ("@at", UsageRow.Micros(now)), ("@rows", Rows(alerts, r => r.Account.Key, (json, r) =>
            {
                json.WriteNumber("reached", r.Threshold);
                json.WriteNumber("posted", r.Account.Now.Posted);
                json.WriteNumber("most", r.Account.Now.Limit);
            })));
    }

    private static List<(AccountOpening, Budget)> NotOpen(DbTransaction transaction, BudgetRows rows, SortedDictionary<Place, Due> places, List<Account> accounts)
    {
        foreach (var account in accounts)
            account.Due.Costs.RemoveAll(c => c.At >= account.Key.PeriodStart && c.At < account.PeriodEnd);
        var found = new List<(AccountOpening, Budget)>();
        var calendars = new Dictionary<string, BudgetCalendar>(StringComparer.Ordinal);
        foreach (var (place, due) in places)
        {
            if (due.Costs.Count == 0 || rows.Budget(place.TenantId, place.BudgetId) is not { } budget)
                continue;
            if (!calendars.TryGetValue(place.TenantId, out var calendar))
                calendars[place.TenantId] = calendar = transaction.Command("SELECT time_zone, earlier_zones FROM tenants WHERE id = @tenant", ("@tenant", place.TenantId))
                    .Rows(row => BudgetCalendar.Read(row.GetString(0), row.GetString(1)))[0];
            var starts = new HashSet<long>();
            foreach (var (micros, _) in due.Costs)
            {
                var at = UsageRow.Time(micros);
                var window = calendar.Containing(budget.Period, at, budget.CreatedAt);
                // Not a period that was over when the budget was made, nor what came before a total began.
                if (window.End > budget.CreatedAt && window.Contains(at) && starts.Add(window.StartMicros))
                    found.Add((new AccountOpening(new AccountKey(place.TenantId, place.BudgetId, place.Subject, window.StartMicros), window.EndMicros), budget));
            }
        }

        return found;
    }

    // What a statement is given as @rows: of each row the account, and what more its columns have.
    private static string Rows<T>(IEnumerable<T> rows, Func<T, AccountKey> account, Action<Utf8JsonWriter, T> more)
    {
        var text = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartArray();
            foreach (var row in rows)
            {
                var key = account(row);
                json.WriteStartObject();
                json.WriteString("tenant", key.TenantId);
                json.WriteString("budget", key.BudgetId);
                json.WriteString("subject_is", key.Subject);
                json.WriteNumber("start", key.PeriodStart);
                more(json, row);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    // A budget and, where it is for each value of a tag, one of them: its accounts, one for each period, lie beside each other.
    private readonly record struct Place(string TenantId, string BudgetId, string Subject);

    private static readonly IComparer<Place> ByText = Comparer<Place>.Create((a, b) =>
        string.CompareOrdinal(a.TenantId, b.TenantId) is not 0 and var tenant ? tenant
        : string.CompareOrdinal(a.BudgetId, b.BudgetId) is not 0 and var budget ? budget
        : string.CompareOrdinal(a.Subject, b.Subject));

    // What the batch brings to a place.
    private sealed class Due
    {
        public List<(long At, long Amount)> Costs { get; } = [];

        /// <summary>What leases covered, by the account's period and the lease's owner.</summary>
        public Dictionary<(long PeriodStart, string Owner), NanoUsd> Covered { get; } = [];

        public long First => Math.Min(Costs.Count > 0 ? Costs.Min(c => c.At) : long.MaxValue, Covered.Count > 0 ? Covered.Keys.Min(c => c.PeriodStart) : long.MaxValue);

        public long Last => Math.Max(Costs.Count > 0 ? Costs.Max(c => c.At) : long.MinValue, Covered.Count > 0 ? Covered.Keys.Max(c => c.PeriodStart) : long.MinValue);

        public NanoUsd Within(long start, long end)
        {
            var sum = 0L;
            foreach (var (at, amount) in Costs)
                if (at >= start && at < end)
                    sum += amount;
            return new NanoUsd(sum);
        }
    }

    private sealed record Account(AccountKey Key, long PeriodEnd, BudgetAccount Of, Due Due)
    {
        public required (long Limit, long Posted, long Leased, long Excess) Stored { get; init; }

        public (long Limit, long Posted, long Leased, long Excess) Now => (Of.Limit.Value, Of.Posted.Value, Of.Leased.Value, Of.Excess.Value);
    }
}
