using System.Globalization;
using Microsoft.Extensions.Primitives;
using Tokonomics.Application.RateLimits;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.RateLimits;

/// <summary>What a client is told of its limits; docs/decisions/0010-rate-limits.md says why so.</summary>
internal static class RateAnswers
{
    /// <summary>A limit's 429, with <c>Retry-After</c> where it makes sense to try again.</summary>
    public static Refusal Refuse(RateRefusal refusal) => new(429, RateRefusal.Code, refusal.ToString(), refusal.RetryAfter);

    /// <summary>
    /// Puts our figures into the answer's headers, after the provider's are in it: where the provider has told its own and has no more left than we, its stay; where
    /// ours are tighter they take the name, and the provider's stand under <see cref="RateHeaders.ProvidersPrefix"/>. Does nothing where no limit applies.
    /// </summary>
    public static void Write(IHeaderDictionary headers, in RateVerdict verdict)
    {
        Write(headers, RateHeaders.Requests, verdict.Requests);
        Write(headers, RateHeaders.Tokens, verdict.Tokens);
    }

    private static void Write(IHeaderDictionary headers, RateHeaderNames names, in RateStanding standing)
    {
        if (!standing.Applies)
            return;
        var theirs = headers[names.Remaining];
        if (theirs.Count > 0 || headers.ContainsKey(names.Limit) || headers.ContainsKey(names.Reset))
        {
            if (long.TryParse(theirs.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var remaining) && remaining <= standing.Remaining)
                return;
            Move(headers, names.Limit);
            Move(headers, names.Remaining);
            Move(headers, names.Reset);
        }

        headers[names.Limit] = standing.Limit.ToString(CultureInfo.InvariantCulture);
        headers[names.Remaining] = standing.Remaining.ToString(CultureInfo.InvariantCulture);
        headers[names.Reset] = RateHeaders.Reset(standing.ResetSeconds);
    }

    private static void Move(IHeaderDictionary headers, string name)
    {
        if (headers[name] is { Count: > 0 } theirs)
            headers[RateHeaders.ProvidersPrefix + name[2..]] = theirs; // without its x-
        headers[name] = StringValues.Empty;
    }
}
