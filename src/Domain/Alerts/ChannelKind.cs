using System.Buffers;
using System.Net.Mail;
using Tokonomics.Domain.Keys;

namespace Tokonomics.Domain.Alerts;

/// <summary>How people are told.</summary>
public enum ChannelKind
{
    Email,
    Slack,
    Teams,
    Discord,
    PagerDuty,

    /// <summary>A program of the tenant's own, by the Standard Webhooks specification.</summary>
    Webhook,
}

/// <summary>The rules for where a channel leads. All but mail addresses are secrets: who has one can write to it.</summary>
public static class ChannelAddress
{
    private static readonly SearchValues<char> Several = SearchValues.Create(",;<>\r\n ");

    /// <summary>Null where the address is allowed; otherwise the sentence that says what is wrong.</summary>
    /// <param name="address">As typed.</param>
    /// <param name="hosts">The hosts that channels of this kind may lead to, a leading dot standing for every host below; empty for any public one.</param>
    /// <param name="allowPrivate">The operator allows addresses in the private network, and plain http.</param>
    public static string? Problem(ChannelKind kind, string? address, IReadOnlyList<string> hosts, bool allowPrivate)
    {
        if (string.IsNullOrWhiteSpace(address))
            return "An address is needed.";
        switch (kind)
        {
            case ChannelKind.Email:
                // One recipient: a list would be mailed to all of it.
                return address.Length <= 254 && !address.AsSpan().ContainsAny(Several) && MailAddress.TryCreate(address, out var mail) && mail.Address == address
                    ? null
                    : "The address must be one mail address, such as oncall@example.com.";
            case ChannelKind.PagerDuty:
                return address.Length is >= 20 and <= 64 && address.All(char.IsAsciiLetterOrDigit) ? null : "A PagerDuty integration key is needed, 32 letters and digits: Services, Integrations, Events API v2.";
        }

        if (EndpointAddress.Problem(WithoutQuery(kind, address), allowPrivate) is { } problem)
            return problem.Replace("The base URL", "The URL", StringComparison.Ordinal);
        var host = new Uri(address).Host;
        return hosts.Count == 0 || hosts.Any(h => h.StartsWith('.') ? host.EndsWith(h, StringComparison.OrdinalIgnoreCase) : host.Equals(h, StringComparison.OrdinalIgnoreCase))
            ? null
            : $"A {kind} webhook begins with https:// and one of these hosts: {string.Join(", ", hosts.Select(h => h.StartsWith('.') ? "*" + h : h))}.";
    }

    /// <summary>What may be shown of it: a mail address whole, of a URL the host, of a key its last four characters.</summary>
    public static string Shown(ChannelKind kind, string address) => kind switch
    {
        ChannelKind.Email => address,
        ChannelKind.PagerDuty => "…" + address[^4..],
        _ => new Uri(address).Host,
    };

    // A Teams workflow's address carries its signature in the query.
    private static string WithoutQuery(ChannelKind kind, string address) => kind == ChannelKind.Teams && address.IndexOf('?', StringComparison.Ordinal) is > 0 and var at ? address[..at] : address;
}
