using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Alerts;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Infrastructure.Jobs;
using Tokonomics.Infrastructure.Pricing;
using Tokonomics.Infrastructure.Redis;
using Tokonomics.Workers.Jobs;

namespace Tokonomics.Workers;

/// <summary>The jobs that run beside the proxy and the portal.</summary>
public static class WorkersHost
{
    /// <summary>The workers as a process of its own, which answers probes and nothing else.</summary>
    public static WebApplication Build(string data, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = HostSetup.CreateBuilder("Tokonomics.Workers", "http://localhost:8082", null, configure);
        HostSetup.PrepareFolder(data);
        builder.Services.AddStore(builder.Configuration, data);
        builder.Services.AddNoKeyDirectory();
        builder.Services.AddChangeNotices(builder.Configuration);
        builder.Services.AddStoreCheck();
        builder.Services.AddWorkers(builder.Configuration);

        var app = builder.Build();
        app.UseHosting();
        return app;
    }

    /// <summary>The jobs, and the deliveries of alerts beside them.</summary>
    public static IServiceCollection AddWorkers(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddAlertDeliveries();
        services.AddSingleton<OperatorMails>();
        services.AddSingleton<PriceSheetAge>();
        return services.AddJobs(configuration);
    }
}
