using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Billing;
using Tokonomics.Infrastructure.Ledger;
using Tokonomics.Infrastructure.Mails;
using Tokonomics.Infrastructure.Stripe;

namespace Tokonomics.Infrastructure.Billing;

public static class BillingSetup
{
    /// <summary>Plans, quotas, and Stripe where it is set up. Reads the settings under <c>Billing</c>.</summary>
    public static IServiceCollection AddBilling(this IServiceCollection services, IConfiguration configuration)
    {
        var given = configuration.GetSection("Billing").Get<BillingOptions>() ?? new BillingOptions();
        services.AddOptions<BillingOptions>().Bind(configuration.GetSection("Billing"))
            .PostConfigure(o => o.UpgradeUrl ??= new Uri((configuration["Portal:PublicUrl"] is { Length: > 0 } url ? url : "http://localhost:8080").TrimEnd('/') + "/billing"))
            .Validate(o => o.Problem() is null, given.Problem() ?? "Billing: see the settings' page.")
            .ValidateOnStart();
        services.AddSingleton(s => s.GetRequiredService<IOptions<BillingOptions>>().Value);
        services.AddSingleton(s => PlanList.Read(s.GetRequiredService<BillingOptions>().PlansFile));
        services.AddSingleton<IQuotaWarnings, SqlQuotaWarnings>();
        services.AddSingleton<ICustomerUsage, SqlCustomerUsage>();
        services.TryAddSingleton<IPayments>(s =>
        {
            var options = s.GetRequiredService<BillingOptions>();
            return new StripePayments(new StripeClient(Client(options.StripeUrl), options.SecretKey, s.GetRequiredService<TimeProvider>()), options.Live);
        });
        services.TryAddSingleton<IUsageMeters>(s => new StripeUsageMeters(Client(s.GetRequiredService<BillingOptions>().StripeUrl), s.GetRequiredService<TimeProvider>()));
        return services.AddPortalLinks();
    }

    // No redirect is followed: the secret key would go with it.
    private static HttpClient Client(Uri stripe) =>
        new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(10), ConnectTimeout = TimeSpan.FromSeconds(10) })
        {
            BaseAddress = stripe,
            Timeout = Timeout.InfiniteTimeSpan,
        };

    /// <summary>Questions about usage, as far back as plans let one look; where nothing is sold, as they are.</summary>
    internal static void AddHistoryByPlan(this IServiceCollection services)
    {
        services.AddSingleton(s => new HistoryByPlan(
            s.GetRequiredService<UsageQueries>(), s.GetRequiredService<SpendQueries>(), s.GetRequiredService<ISqlStore>(), s.GetRequiredService<PlanBook>(), s.GetRequiredService<TimeProvider>()));
        services.AddSingleton<IUsageQueries>(s => s.GetRequiredService<BillingOptions>().Enabled ? s.GetRequiredService<HistoryByPlan>() : s.GetRequiredService<UsageQueries>());
        services.AddSingleton<ISpendQueries>(s => s.GetRequiredService<BillingOptions>().Enabled ? s.GetRequiredService<HistoryByPlan>() : s.GetRequiredService<SpendQueries>());
    }
}
