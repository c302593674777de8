using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using Tokonomics.Infrastructure.Providers;

namespace Tokonomics.Web.Proxy.Forwarding;

/// <summary>What a failed sending, and a provider's answer beside its body, tell.</summary>
internal static class UpstreamFaults
{
    /// <summary>In our own words: an exception of the HTTP client quotes what the provider sent.</summary>
    public static string Why(Exception e) => e switch
    {
        AddressRefusedException refused => refused.Message,
        { InnerException: AddressRefusedException refused } => refused.Message,
        OperationCanceledException => "it doesn't accept connections in time",
        { InnerException: AuthenticationException } => "its certificate is not valid",
        { InnerException: SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData } } => "its host name can't be resolved",
        { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => "it refuses connections",
        HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => "its answer's headers are too large",
        HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } => "its answer is not HTTP",
        _ => "it closed the connection before it answered",
    };

    /// <summary>No connection was made, so that no byte of the request can have reached anybody.</summary>
    public static bool NeverLeft(Exception e) => e is AddressRefusedException or OperationCanceledException or { InnerException: AddressRefusedException }
        or HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError };

    /// <summary>The status that the client's own body earns; null where something else failed.</summary>
    public static int? ClientsFault(Exception e) => e switch
    {
        BadHttpRequestException bad => bad.StatusCode,
        OverflowException => 400, // the size of a chunk, inside an IOException of Kestrel's
        { InnerException: { } inner } => ClientsFault(inner),
        _ => null,
    };

    public static string? ProviderRequestId(HttpResponseMessage answer)
    {
        foreach (var name in (ReadOnlySpan<string>)["x-request-id", "request-id", "apim-request-id", "x-generation-id"])
            if (answer.Headers.NonValidated.TryGetValues(name, out var values) && values.ToString() is { Length: > 0 and <= 128 } id)
                return id;
        return null;
    }

    /// <summary>By either header: seconds or a date, and the milliseconds of OpenAI's and Azure's own.</summary>
    public static TimeSpan? RetryAfter(HttpResponseMessage answer, DateTimeOffset now)
    {
        if (answer.Headers.NonValidated.TryGetValues("retry-after-ms", out var values) && decimal.TryParse(values.ToString(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var ms) && ms < 1_000_000_000)
            return TimeSpan.FromTicks((long)(ms * TimeSpan.TicksPerMillisecond));
        return answer.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - now,
            _ => null,
        };
    }
}
