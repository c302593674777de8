using System.Text;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Providers;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Caching;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Providers;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Web.Proxy.Caching;
using Tokonomics.Web.Proxy.DirectCalls;
using Tokonomics.Web.Proxy.Forwarding;
using Tokonomics.Web.Proxy.Ingress;
using Tokonomics.Web.Proxy.Routing;
using Tokonomics.Web.Proxy.Catalogue;
using Tokonomics.Web.Proxy.Sandbox;
using Tokonomics.Web.Proxy.Telemetry;

namespace Tokonomics.Web.Proxy;

/// <summary>The data plane as a part of a host: by itself in <c>Web.Proxy</c>, beside the portal in <c>Standalone</c>.</summary>
public static class ProxyHost
{
    /// <summary>The proxy as a process of its own. Several may share a store, each with a journal of its own (<c>Journal:Node</c>).</summary>
    public static WebApplication Build(string data, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = HostSetup.CreateBuilder("Tokonomics.Web.Proxy", "http://localhost:8080", [new("Portal:PublicUrl", "http://localhost:8081")], configure);
        Harden(builder);
        HostSetup.PrepareFolder(data);
        builder.Services.AddStore(builder.Configuration, data);
        builder.Services.AddProxy(builder.Configuration, data);

        var app = builder.Build();
        app.ReadData();
        app.UseIngress();
        app.UseProxy();
        app.MapGet("/", () => Results.Json(new Pointer("tokonomics-proxy", app.Configuration["Portal:PublicUrl"]!, "/v1 and /proxy/{provider}: send a metering key as your SDK sends its API key")));
        return app;
    }

    /// <summary>What the root says where no portal is.</summary>
    private sealed record Pointer(string Service, string Portal, string Calls);

    /// <summary>Switches that have to be set before the server starts.</summary>
    public static void Harden(WebApplicationBuilder builder)
    {
        // A bare line feed ends no line: some other server on the way may not think that it does.
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = 64 * 1024 * 1024;
            kestrel.RequestHeaderEncodingSelector = HeaderDecoding.Of;
            kestrel.ResponseHeaderEncodingSelector = _ => Encoding.Latin1;
        });
    }

    /// <param name="data">The data folder, where the built-in sandbox keeps its bill.</param>
    public static IServiceCollection AddProxy(this IServiceCollection services, IConfiguration configuration, string data)
    {
        services.AddHostedService(s => s.GetRequiredService<PriceVersions>());
        services.AddKeyDirectory();
        services.AddBudgetGate(configuration);
        services.AddUsageRecorder(configuration);
        services.AddNodeReport();
        services.AddRefusalCounter();
        services.AddRateLimits(configuration);
        services.AddAnswerCache(configuration);
        services.AddChangeNotices(configuration);
        services.AddReadiness();
        services.AddOptions<ProxyOptions>().Bind(configuration.GetSection("Proxy")).ValidateDataAnnotations().ValidateOnStart();
        services.AddSingleton(s => new UpstreamClients(Options(s).ConnectTimeout, s.GetRequiredService<EndpointOptions>().AllowPrivate));
        services.AddSingleton<Crowding>();
        services.AddHostedService(s => s.GetRequiredService<Crowding>());
        services.AddSingleton(s => new BufferBudget(Options(s).MaxBufferedBytes));
        services.AddSingleton(s => new SandboxServer(new SandboxOptions { BillPath = Options(s).SandboxBill is { Length: > 0 } path ? path : Path.Combine(data, SandboxBill.FileName(configuration["Journal:Node"])) }));
        if (string.IsNullOrEmpty(configuration["Proxy:SandboxUrl"]))
            services.AddHostedService(s => s.GetRequiredService<SandboxServer>());
        // Asked for by the first request at the earliest: the sandbox has its address by then.
        services.AddSingleton(s => new Upstreams(s.GetRequiredService<ProviderCatalogue>(), s.GetRequiredService<PriceBook>(), Options(s).SandboxUrl ?? s.GetRequiredService<SandboxServer>().BaseUrl));
        services.AddSingleton<GenAiNames>();
        services.AddSingleton<CallMetrics>();
        services.AddSingleton<RecentOutputs>();
        services.AddSingleton<Corrections>();
        services.AddSingleton<Admission>();
        services.AddSingleton<Idempotency>();
        services.AddSingleton<Settlement>();
        services.AddSingleton<Relay>();
        services.AddSingleton<TargetHealth>();
        services.AddSingleton<Conversations>();
        services.AddSingleton<QualitySignals>();
        services.AddHostedService(s => s.GetRequiredService<QualitySignals>());
        services.AddSingleton<QualityGroups>();
        services.AddSingleton<OwnCalls>();
        services.AddSingleton<Samples>();
        services.AddHostedService(s => s.GetRequiredService<Samples>());
        services.AddSingleton<QualityWatch>();
        services.AddSingleton<Router>();
        services.AddSingleton(s => new Lazy<Router>(s.GetRequiredService<Router>)); // a hosted service is made before the sandbox has its address
        services.AddSingleton<CallCache>();
        services.AddSingleton<Forwarder>();
        services.AddSingleton<ModelsEndpoint>();
        services.AddSingleton<DirectCallMeter>();
        services.AddSingleton<DirectCallsEndpoint>();
        return services;
    }

    /// <summary>What can't be read is said now, not to the first caller.</summary>
    public static void ReadData(this WebApplication app)
    {
        app.Services.GetRequiredService<ProviderCatalogue>();
        app.Services.GetRequiredService<PriceBook>();
    }

    /// <summary>
    /// What every request passes first, whoever answers it: the last resort against failures, the strictness that the server lacks, and what all
    /// hosts have, with calls in the clear refused as the client's SDK expects it.
    /// </summary>
    public static void UseIngress(this WebApplication app)
    {
        app.UseMiddleware<LastResort>();
        app.UseMiddleware<StrictFraming>();
        app.UseHosting(PlainCalls.RefuseAsync);
    }

    /// <summary>Takes the proxy's own requests out of the pipeline; everything else goes on to the next.</summary>
    public static void UseProxy(this WebApplication app)
    {
        app.Use(async (context, next) =>
        {
            if (ProxyTarget.Of(context) is { } target)
                await app.Services.GetRequiredService<Forwarder>().HandleAsync(context, target);
            else if (context.Request.Path.Equals(DirectCallReport.Path, StringComparison.Ordinal))
                await app.Services.GetRequiredService<DirectCallsEndpoint>().HandleAsync(context);
            else if (!context.Request.Path.StartsWithSegments("/api") && PresentedKey.Find(context.Request).Key is not null)
                await app.Services.GetRequiredService<Forwarder>().RefuseNowhereAsync(context);
            else
                await next(context);
        });
    }

    // The proxy serves on without the store: keys are in memory, and the journal keeps what the store doesn't take.
    private static void AddReadiness(this IServiceCollection services)
    {
        services.AddSingleton(s => new ReadinessCheck("journal", true, _ => new(s.GetRequiredService<IUsageRecorder>() is { JournalWritable: false } ? "the journal can't be written" : null)));
        services.AddSingleton(s => new ReadinessCheck("ledger", true, _ => new(s.GetRequiredService<IUsageRecorder>() is { JournalWritable: true, Accepting: false } ? "the ledger is behind" : null)));
        services.AddSingleton(s => new ReadinessCheck("ledger_lag", false, _ => new(s.GetRequiredService<UsageRecorder>() is { Lag: var lag, Waiting: var waiting } && lag >= LedgerSilence
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{waiting} calls wait for the ledger, the oldest for {lag.TotalSeconds:f0} s; the log says why the store doesn't take them") : null)));
        services.AddSingleton(s => new ReadinessCheck("store", false, _ =>
        {
            var age = s.GetRequiredService<TimeProvider>().GetUtcNow() - s.GetRequiredService<KeyDirectory>().ReadAt;
            return new(age > StoreSilence ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"the store was last read {age.TotalSeconds:f0} s ago; keys are as they were then") : null);
        }));
    }

    // As the alert TokonomicsLedgerLag has it.
    private static readonly TimeSpan LedgerSilence = TimeSpan.FromMinutes(1);

    // Twenty-five times the key directory's interval.
    private static readonly TimeSpan StoreSilence = TimeSpan.FromSeconds(5);

    private static ProxyOptions Options(IServiceProvider services) => services.GetRequiredService<IOptions<ProxyOptions>>().Value;
}
