using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Tokonomics.Application.Mails;

namespace Tokonomics.Infrastructure.Mails;

public static class MailSetup
{
    public static IServiceCollection AddMail(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddMailTransport(configuration);
        services.AddSingleton<MailQueue>();
        services.AddSingleton<IMailer>(s => s.GetRequiredService<MailQueue>());
        services.AddHostedService(s => s.GetRequiredService<MailQueue>());
        return services.AddPortalLinks();
    }

    /// <summary>What sends a mail, for hosts that have no queue of them. Reads the settings under <c>Mail</c>.</summary>
    internal static IServiceCollection AddMailTransport(this IServiceCollection services, IConfiguration configuration)
    {
        if (services.Any(s => s.ServiceType == typeof(MailTransport)))
            return services;
        services.AddOptions<MailOptions>().Bind(configuration.GetSection("Mail")).Validate(o => o.Problem() is null, "Mail: Port is 1 to 65535, and From must be an address, such as Tokonomics <noreply@example.com>").ValidateOnStart();
        services.AddSingleton<RecentMails>();
        services.AddSingleton<MailTransport>();
        return services;
    }

    /// <summary>The addresses of the portal's pages, also for hosts that have none.</summary>
    public static IServiceCollection AddPortalLinks(this IServiceCollection services)
    {
        services.TryAddSingleton<IPortalLinks, PortalLinks>();
        return services;
    }

    private sealed class PortalLinks(IConfiguration configuration) : IPortalLinks
    {
        public string Link(string path, params (string Name, string Value)[] query) =>
            (configuration["Portal:PublicUrl"] is { Length: > 0 } url ? url : "http://localhost:8080").TrimEnd('/') + path
            + (query.Length == 0 ? "" : "?" + string.Join('&', query.Select(q => $"{Uri.EscapeDataString(q.Name)}={Uri.EscapeDataString(q.Value)}")));
    }
}
