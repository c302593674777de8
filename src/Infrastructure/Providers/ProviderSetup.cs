using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Pricing;
using Tokonomics.Infrastructure.Pricing;

namespace Tokonomics.Infrastructure.Providers;

public static class ProviderSetup
{
    /// <summary>The providers' rows with the operator's settings, and the price book of the built-in sheets and those in <c>Prices:Folder</c>.</summary>
    public static IServiceCollection AddProviders(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton(_ => ProviderData.Load(configuration));
        services.AddSingleton<IBuiltInProviders, BuiltInProviders>();
        services.AddSingleton<ICredentialProbe, CredentialProbe>();
        services.AddSingleton<PriceBook>(_ => PriceSheetReader.ReadAll(configuration["Prices:Folder"]).ToBook());
        return services;
    }
}
