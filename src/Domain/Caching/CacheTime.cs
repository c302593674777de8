using System.Security.Cryptography;

namespace Tokonomics.Domain.Caching;

/// <summary>For how long an answer may be given again to an exact repeat of its request.</summary>
public static class CacheTime
{
    public static readonly TimeSpan Longest = TimeSpan.FromDays(7);

    /// <summary>In seconds.</summary>
    public const int MostSeconds = 7 * 24 * 3600;

    public const string Problem = "Answers are kept 1 to 604800 seconds (7 days), or not at all.";

    /// <summary>Null, for not at all, is one.</summary>
    public static bool IsAllowed(int? seconds) => seconds is null or (>= 1 and <= MostSeconds);

    public static TimeSpan? Of(int? seconds) => seconds is { } s ? TimeSpan.FromSeconds(s) : null;

    /// <summary>What a tenant's kept answers are named and sealed with besides the installation's keys. A new one empties the tenant's cache, and what was sealed with the old one can't be opened again.</summary>
    public static string NewEpoch() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
