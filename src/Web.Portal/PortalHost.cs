using System.Reflection;
using Microsoft.Extensions.FileProviders;
using Tokonomics.Application.Tenants;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Web.Portal.Api;

namespace Tokonomics.Web.Portal;

/// <summary>The portal as a part of a host: pages for people, <c>/api/v1</c> for programs.</summary>
public static class PortalHost
{
    public static string Version { get; } = typeof(PortalHost).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

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
        services.AddOptions<PortalOptions>().Bind(configuration.GetSection("Portal")).ValidateDataAnnotations().ValidateOnStart();
        services.AddRazorPages().AddApplicationPart(typeof(PortalHost).Assembly);
        services.AddApi();
        return services;
    }

    public static void UsePortal(this WebApplication app)
    {
        app.Use((context, next) =>
        {
            var headers = context.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            context.RequestServices.GetRequiredService<AuditOrigin>().Remote = context.Connection.RemoteIpAddress switch
            {
                { IsIPv4MappedToIPv6: true } mapped => mapped.MapToIPv4().ToString(),
                var address => address?.ToString() ?? "",
            };
            headers["Referrer-Policy"] = "same-origin";
            headers["Cross-Origin-Opener-Policy"] = "same-origin";
            headers.ContentSecurityPolicy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
            return next(context);
        });
        app.UseStaticFiles(new StaticFileOptions { FileProvider = new PhysicalFileProvider(Path.Combine(AppContext.BaseDirectory, "wwwroot")) });
        app.MapRazorPages();
        app.MapApi();
    }
}
