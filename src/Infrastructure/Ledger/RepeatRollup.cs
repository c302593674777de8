using System.Data.Common;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Adds the new events that repeat a kept answer to their sums by hour, in the transaction that appends them.</summary>
internal static class RepeatRollup
{
    /// <param name="storable">How the store has to have a text; null where it takes any.</param>
    public static void Add(DbTransaction transaction, IReadOnlyList<UsageEvent> added, Func<string, string>? storable = null)
    {
        HourlySums? sums = null;
        foreach (var usage in added)
            if (usage.IsRepeat)
                (sums ??= new HourlySums("repeat_savings_hourly", "repeats", "saved_nano")).Add(usage, 1, Math.Min(usage.Saved?.Value ?? 0, Measures.MostOfEvent));
        sums?.Write(transaction, storable);
    }
}
