using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Tokonomics.Infrastructure.Telemetry;

/// <summary><c>/metrics</c> for Prometheus.</summary>
internal static class Scrape
{
    public const string Path = "/metrics";

    private const string Scheme = "Bearer ";

    public static void Use(WebApplication app, TelemetryOptions options)
    {
        // Hashes have one length: what the comparison takes tells nothing of the token.
        var expected = options.PrometheusOpen ? null : SHA256.HashData(Encoding.UTF8.GetBytes(options.PrometheusToken));
        app.Use((context, next) =>
        {
            if (context.Request.Path != Path || expected is null || IsAllowed(context.Request.Headers.Authorization.ToString(), expected))
                return next(context);
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Task.CompletedTask;
        });
        app.UseOpenTelemetryPrometheusScrapingEndpoint(context => context.Request.Path == Path);
    }

    private static bool IsAllowed(string authorization, byte[] expected) =>
        authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(authorization[Scheme.Length..])), expected);
}
