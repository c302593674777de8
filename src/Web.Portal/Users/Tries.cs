using System.Collections.Concurrent;

namespace Tokonomics.Web.Portal.Users;

/// <summary>
/// Counts tries of one account's password or code, whether there is such an account or not, in the memory of this process: with several portals each counts
/// for itself. Who has used theirs up waits until the window ends; nothing can make it longer.
/// </summary>
public sealed class Tries(TimeProvider time)
{
    /// <summary>From the first try on.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(15);

    /// <summary>Wrong passwords in a window.</summary>
    public const int OfPasswords = 10;

    /// <summary>Wrong codes in a window: three of a million are right.</summary>
    public const int OfCodes = 5;

    /// <summary>Mails to one address in a window that anybody can ask for.</summary>
    public const int OfMails = 3;

    private const int Most = 100_000;

    private readonly ConcurrentDictionary<string, (int Count, DateTimeOffset Since)> _counts = new(StringComparer.Ordinal);

    /// <summary>Counts first and asks then, so that tries at the same time don't pass together.</summary>
    /// <returns>Which try of the window it is, from 1.</returns>
    public int Count(string key)
    {
        var now = time.GetUtcNow();
        if (_counts.Count >= Most)
            Prune(now);
        return _counts.AddOrUpdate(key, _ => (1, now), (_, old) => now - old.Since < Window ? (old.Count + 1, old.Since) : (1, now)).Count;
    }

    /// <summary>It was right.</summary>
    public void Forget(string key) => _counts.TryRemove(key, out _);

    /// <summary>The last one came to nothing.</summary>
    public void GiveBack(string key)
    {
        if (_counts.TryGetValue(key, out var count))
            _counts.TryUpdate(key, count with { Count = count.Count - 1 }, count);
    }

    // Those whose window has ended; where that isn't enough, all: then the limits by address still hold.
    private void Prune(DateTimeOffset now)
    {
        foreach (var (key, count) in _counts)
            if (now - count.Since >= Window)
                _counts.TryRemove(key, out _);
        if (_counts.Count >= Most)
            _counts.Clear();
    }
}
