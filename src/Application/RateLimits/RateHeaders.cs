using System.Globalization;

namespace Tokonomics.Application.RateLimits;

/// <summary>The names and forms in which limits are told; which figures stand under which name is decided in docs/decisions/0010-rate-limits.md.</summary>
public static class RateHeaders
{
    /// <summary>OpenAI's names, which its SDKs and many others read. Source: platform.openai.com/docs/guides/rate-limits, 2026-11-20.</summary>
    public static readonly RateHeaderNames Requests = new("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");

    public static readonly RateHeaderNames Tokens = new("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");

    /// <summary>Where a provider's figures stand when ours, being tighter, stand under <see cref="Requests"/> and <see cref="Tokens"/>.</summary>
    public const string ProvidersPrefix = "x-tokonomics-provider-";

    /// <summary>As OpenAI writes a duration: <c>1s</c>, <c>1m0s</c>.</summary>
    public static string Reset(int seconds) => seconds < 60
        ? string.Create(CultureInfo.InvariantCulture, $"{seconds}s")
        : string.Create(CultureInfo.InvariantCulture, $"{seconds / 60}m{seconds % 60}s");
}

public sealed record RateHeaderNames(string Limit, string Remaining, string Reset);
