using System.IO.Compression;
using Microsoft.AspNetCore.ResponseCompression;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.FileProviders;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Web.Portal.Api;
using Tokonomics.Web.Portal.Billing;
using Tokonomics.Web.Portal.Frame;
using Tokonomics.Web.Portal.Users;

namespace Tokonomics.Web.Portal;

/// <summary>The portal as a part of a host: pages for people, <c>/api/v1</c> for programs.</summary>
public static class PortalHost
{
    /// <summary>Pages for those who aren't signed in.</summary>
    private static readonly string[] OpenToAll = ["/Index", "/Error", "/Users/Login", "/Users/Signup", "/Users/Verify", "/Users/VerifyEmail", "/Users/SecondStep", "/Users/Forgot", "/Users/Reset", "/Users/Claim", "/Users/DevMail", "/Team/Invite", "/Pricing"];

    /// <summary>The portal as a process of its own. Proxies see what is changed here within a second: they ask the store five times in each.</summary>
    public static WebApplication Build(string data, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = HostSetup.CreateBuilder("Tokonomics.Web.Portal", "http://localhost:8081", null, configure);
        HostSetup.PrepareFolder(data);
        builder.Services.AddStore(builder.Configuration, data);
        builder.Services.AddNoKeyDirectory();
        builder.Services.AddChangeNotices(builder.Configuration);
        builder.Services.AddStoreCheck();
        builder.Services.AddPortal(builder.Configuration);

        var app = builder.Build();
        app.UseHosting();
        app.UsePortal();
        return app;
    }

    public static IServiceCollection AddPortal(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<PortalOptions>().Bind(configuration.GetSection("Portal")).ValidateDataAnnotations()
            .Validate(o => o.OperatorTokenList.All(t => t.Length >= 32), "Portal:OperatorTokens: each token must have 32 characters or more, from openssl rand -hex 32 for example").ValidateOnStart();
        services.AddSignIn(configuration);
        services.AddMail(configuration);
        services.AddRazorPages(o =>
        {
            o.Conventions.AuthorizeFolder("/");
            foreach (var page in OpenToAll)
                o.Conventions.AllowAnonymousToPage(page);
        }).AddApplicationPart(typeof(PortalHost).Assembly);
        services.AddResponseCompression(o =>
        {
            // Files alone: a page has secrets beside what a visitor can choose, and compressed together their lengths tell.
            o.EnableForHttps = true;
            o.MimeTypes = ["text/css", "text/javascript", "image/svg+xml"];
        });
        // A browser asks for each file once, as its address has its hash.
        services.Configure<BrotliCompressionProviderOptions>(o => o.Level = CompressionLevel.Optimal);
        services.Configure<GzipCompressionProviderOptions>(o => o.Level = CompressionLevel.Optimal);
        services.AddSingleton<PolicyReports>();
        services.AddSingleton<BillingSignal>();
        services.AddHostedService<BillingUpkeep>();
        services.AddApi();
        return services;
    }

    public static void UsePortal(this WebApplication app)
    {
        app.UseSecurityHeaders();
        app.Use((context, next) =>
        {
            context.RequestServices.GetRequiredService<AuditOrigin>().Remote = context.Connection.RemoteIpAddress switch
            {
                { IsIPv4MappedToIPv6: true } mapped => mapped.MapToIPv4().ToString(),
                var address => address?.ToString() ?? "",
            };
            return next(context);
        });
        app.UseResponseCompression();
        app.UseWhen(context => !context.Request.Path.StartsWithSegments("/api"), pages =>
        {
            pages.UseStatusCodePagesWithReExecute("/error/{0}");
            pages.UseExceptionHandler("/error");
        });
        app.UseCookiePolicy();
        var types = new FileExtensionContentTypeProvider();
        types.Mappings[".speculationrules"] = "application/speculationrules+json";
        app.UseStaticFiles(new StaticFileOptions
        {
            ContentTypeProvider = types,
            FileProvider = new PhysicalFileProvider(Path.Combine(AppContext.BaseDirectory, "wwwroot")),
            // Pages name each file with its hash: what is asked for with one never changes.
            OnPrepareResponse = file => file.Context.Response.Headers.CacheControl = file.Context.Request.Query.ContainsKey("v") ? "public, max-age=31536000, immutable" : "no-cache",
        });
        app.UseRouting();
        app.UseRateLimiter();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapRazorPages();
        PolicyReports.Map(app);
        app.MapApi();
        StripeWebhook.Map(app);
    }
}
