using Microsoft.Extensions.Options;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>What every answer of the portal says to the browser, and under which names it answers at all.</summary>
internal static class SecurityHeaders
{
    // No inline script or style, nothing from elsewhere, no frame, no plug-in. Browsers report to report-uri at once; with a report-to beside it Chromium
    // leaves that alone, and no report came within a minute and a half over plain http (156, tried 2026-11-29).
    private const string Policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; report-uri " + PolicyReports.Path;

    public static void UseSecurityHeaders(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<IOptions<PortalOptions>>().Value;
        app.Use(async (context, next) =>
        {
            var headers = context.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            headers["Referrer-Policy"] = "same-origin";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            headers["Cross-Origin-Resource-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
            headers.ContentSecurityPolicy = Policy;
            if (context.Request.IsHttps)
                headers.StrictTransportSecurity = "max-age=31536000; includeSubDomains";
            // Programs reach the API under whatever name the network has for it; they send a token, and no link is built for them.
            if (!context.Request.Path.StartsWithSegments("/api") && !options.Answers(context.Request.Host.Host))
            {
                context.Response.StatusCode = 400;
                context.Response.ContentType = "text/plain; charset=utf-8";
                await context.Response.WriteAsync($"This portal answers as {options.PublicUrl.Host}. To reach it under another name, set Portal:PublicUrl (environment: Portal__PublicUrl), or add the name to Portal:Hosts.\n");
                return;
            }

            await next(context);
        });
    }
}
