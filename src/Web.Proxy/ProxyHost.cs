using System.Text;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.Catalogue;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Web.Proxy;

/// <summary>The data plane as a part of a host: by itself in <c>Web.Proxy</c>, beside the portal in <c>Standalone</c>.</summary>
public static class ProxyHost
{
    /// <summary>Switches that have to be set before the server starts.</summary>
    public static void Harden(WebApplicationBuilder builder)
    {
        // A bare line feed ends no line: some other server on the way may not think that it does.
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 64 * 1024 * 1024;
            kestrel.RequestHeaderEncodingSelector = HeaderDecoding.Of;
            kestrel.ResponseHeaderEncodingSelector = _ => Encoding.Latin1;
        });
    }

    public static IServiceCollection AddProxy(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<ProxyOptions>().Bind(configuration.GetSection("Proxy")).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton(s => new UpstreamClients(Options(s).ConnectTimeout, s.GetRequiredService<EndpointOptions>().AllowPrivate));
        services.AddSingleton(s => new BufferBudget(Options(s).MaxBufferedBytes));
        services.AddSingleton(s => new SandboxServer(new SandboxOptions { BillPath = Options(s).SandboxBill is { Length: > 0 } path ? path : null }));
        services.AddHostedService(s => s.GetRequiredService<SandboxServer>());
        // Asked for by the first request at the earliest: the sandbox has its address by then.
        services.AddSingleton(s => new Upstreams(s.GetRequiredService<ProviderCatalogue>(), s.GetRequiredService<PriceBook>(), s.GetRequiredService<SandboxServer>().BaseUrl));
        services.AddSingleton<RecentOutputs>();
        services.AddSingleton<Admission>();
        services.AddSingleton<Idempotency>();
        services.AddSingleton<Settlement>();
        services.AddSingleton<Forwarder>();
        services.AddSingleton<ModelsEndpoint>();
        return services;
    }

    /// <summary>What every request passes first, whoever answers it: the last resort against failures, and the strictness that the server lacks.</summary>
    public static void UseIngress(this WebApplication app)
    {
        app.UseMiddleware<LastResort>();
        app.UseMiddleware<StrictFraming>();
    }

    /// <summary>Takes the proxy's own requests out of the pipeline; everything else goes on to the next.</summary>
    public static void UseProxy(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            if (ProxyTarget.Of(context) is { } target)
                await app.Services.GetRequiredService<Forwarder>().HandleAsync(context, target);
            else if (!context.Request.Path.StartsWithSegments("/api") && PresentedKey.Find(context.Request).Key is not null)
                await app.Services.GetRequiredService<Forwarder>().RefuseNowhereAsync(context);
            else
                await next(context);
        });
    }

    private static ProxyOptions Options(IServiceProvider services) => services.GetRequiredService<IOptions<ProxyOptions>>().Value;
}
