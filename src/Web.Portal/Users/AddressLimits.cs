using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.Extensions.Options;

namespace Tokonomics.Web.Portal.Users;

/// <summary>How often one address may send the forms that somebody without an account can send. Beyond that the answer is 429.</summary>
internal static class AddressLimits
{
    /// <summary>Forms that try a credential.</summary>
    public const string Tries = "tries";

    /// <summary>Forms that make an account or send a mail.</summary>
    public const string Mails = "mails";

    /// <summary>What browsers report by themselves: a page that is wrong reports often.</summary>
    public const string Reports = "reports";

    /// <summary>Reports of one address a minute.</summary>
    public const int ReportsPerMinute = 30;

    public static void AddAddressLimits(this IServiceCollection services) => services.AddRateLimiter(o =>
    {
        o.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
        o.OnRejected = (context, _) =>
        {
            if (context.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after))
                context.HttpContext.Response.Headers.RetryAfter = ((int)after.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return ValueTask.CompletedTask;
        };
        o.AddPolicy(Tries, http => Window(http, TimeSpan.FromMinutes(5)));
        o.AddPolicy(Mails, http => Window(http, TimeSpan.FromHours(1)));
        o.AddPolicy(Reports, http => RateLimitPartition.GetFixedWindowLimiter(Visitors.Network(http), _ => new FixedWindowRateLimiterOptions { PermitLimit = ReportsPerMinute, Window = TimeSpan.FromMinutes(1) }));
    });

    private static RateLimitPartition<string> Window(HttpContext http, TimeSpan window)
    {
        var most = http.RequestServices.GetRequiredService<IOptions<PortalOptions>>().Value.TriesPerAddress;
        return HttpMethods.IsPost(http.Request.Method)
            ? RateLimitPartition.GetFixedWindowLimiter(Visitors.Network(http), _ => new FixedWindowRateLimiterOptions { PermitLimit = most, Window = window })
            : RateLimitPartition.GetNoLimiter("reading");
    }
}
