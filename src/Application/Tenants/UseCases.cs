using FluentValidation;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Tokonomics.Application.Alerts;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Users;

namespace Tokonomics.Application.Tenants;

public static class UseCases
{
    /// <summary>
    /// Registers every use case of this assembly, its validators and the pipeline (authorize → validate → audit). Needs a store and secrets
    /// from Infrastructure. Send them through <see cref="IMediator"/>, one scope for each request of a host.
    /// </summary>
    public static IServiceCollection AddUseCases(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddScoped<ServiceFactory>(provider => provider.GetService!);
        services.AddScoped<IMediator, Mediator>();
        services.AddScoped<AuditOrigin>();
        services.AddScoped<AuditLog>();
        services.AddScoped<KeyIssuing>();
        services.AddScoped<RouteChecks>();
        services.AddSingleton<GroupForecast>();
        services.AddScoped<PlansInForce>();
        services.AddScoped<AlertCounts>();
        services.AddScoped<BillingSync>();
        services.AddScoped<PaymentEvents>();
        services.AddScoped<MeterReporting>();
        services.AddScoped(typeof(IPipelineBehavior<,>), typeof(Authorize<,>));
        services.AddScoped(typeof(IPipelineBehavior<,>), typeof(Validate<,>));
        services.AddScoped(typeof(IPipelineBehavior<,>), typeof(Audit<,>));
        return services.AddHandlers(type => !IsOfUsers(type));
    }

    /// <summary>Those of people and their accounts, for a host that signs people in: they need Identity's services as well.</summary>
    public static IServiceCollection AddUserUseCases(this IServiceCollection services) => services.AddHandlers(IsOfUsers);

    private static bool IsOfUsers(Type type) => type.Namespace == typeof(User).Namespace;

    private static IServiceCollection AddHandlers(this IServiceCollection services, Func<Type, bool> which)
    {
        foreach (var type in typeof(UseCases).Assembly.GetTypes())
        {
            if (type.IsAbstract || type.IsGenericTypeDefinition || !which(type))
                continue;
            foreach (var role in type.GetInterfaces())
                if (role.IsGenericType && role.GetGenericTypeDefinition() is { } open
                    && (open == typeof(IRequestHandler<,>) || open == typeof(IValidator<>)))
                    services.AddScoped(role, type);
        }

        return services;
    }
}
