using System.Data.Common;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>
/// What the events of one batch saved by caching, rated before the transaction that appends them begins, and added in it for those that were new.
/// </summary>
internal sealed class SavingsRollup
{
    // One event counts with at most a million dollars, as in the other rollups.
    private const long Most = 1_000_000_000_000_000;

    private readonly Dictionary<(string, int), CacheSaving> _savings = [];

    /// <param name="versions">Null where no prices are known: then nothing is counted.</param>
    public SavingsRollup(IPriceVersions? versions, IReadOnlyList<UsageEvent> events)
    {
        if (versions is null)
            return;
        var books = new Dictionary<string, PriceBook?>(StringComparer.Ordinal);
        foreach (var usage in events)
        {
            // A row without a version is the store's to refuse.
            if (usage is not { PriceVersion: { } version } || (usage.Usage.CacheReadTokens == 0 && usage.Usage.CacheWriteTokens == 0))
                continue;
            if (!books.TryGetValue(version, out var book))
                books[version] = book = versions.Book(version);
            if (book is not null && CacheSaving.Of(book, usage) is var saving && saving != default)
                _savings.TryAdd((usage.RequestId, usage.Attempt), saving);
        }
    }

    /// <param name="storable">How the store has to have a text; null where it takes any.</param>
    public void Add(DbTransaction transaction, IReadOnlyList<UsageEvent> added, Func<string, string>? storable = null)
    {
        if (_savings.Count == 0)
            return;
        var sums = new HourlySums("cache_savings_hourly", "saved_nano", "extra_nano");
        foreach (var usage in added)
            if (_savings.TryGetValue((usage.RequestId, usage.Attempt), out var saving))
                sums.Add(usage, Math.Clamp(saving.Saved.Value, -Most, Most), Math.Clamp(saving.Extra.Value, -Most, Most));
        sums.Write(transaction, storable);
    }
}
