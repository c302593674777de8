using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Alerts.Watching;
using Tokonomics.Infrastructure.Mails;

namespace Tokonomics.Infrastructure.Alerts;

public static class AlertSetup
{
    /// <summary>What sends alerts, for every host: one tries channels, another carries. Reads the settings under <c>Alerts</c>.</summary>
    internal static IServiceCollection AddAlerts(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<AlertOptions>().Bind(configuration.GetSection("Alerts"))
            .Validate(o => o.Problem() is null, "Alerts: MaxChannels is 1 to 1000, Patience 1 to 60 seconds.")
            .ValidateOnStart();
        services.AddSingleton(s => s.GetRequiredService<IOptions<AlertOptions>>().Value);
        services.AddMailTransport(configuration);
        services.AddSingleton<IAlertSender, AlertSender>();
        services.AddSingleton<AlertBook>();
        services.AddSingleton<IAlertBook>(s => s.GetRequiredService<AlertBook>());
        services.AddSingleton<IAlertRules, SqlAlertRules>();
        services.AddSingleton<AlertOutbox>();
        services.AddSingleton<TestPace>();
        services.AddSingleton<IWatchQueries, WatchQueries>();
        services.AddSingleton<IStoreClock, StoreClock>();
        services.AddSingleton<SpendWatch>();
        return services;
    }

    /// <summary>Carries alerts in this host.</summary>
    public static IServiceCollection AddAlertDeliveries(this IServiceCollection services) => services.AddHostedService<AlertDeliveries>().AddHostedService<OutboxWatch>();
}
