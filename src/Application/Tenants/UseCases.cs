using FluentValidation;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Tokonomics.Application.Keys;

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
        services.AddScoped(typeof(IPipelineBehavior<,>), typeof(Authorize<,>));
        services.AddScoped(typeof(IPipelineBehavior<,>), typeof(Validate<,>));
        services.AddScoped(typeof(IPipelineBehavior<,>), typeof(Audit<,>));
        foreach (var type in typeof(UseCases).Assembly.GetTypes())
        {
            if (type.IsAbstract || type.IsGenericTypeDefinition)
                continue;
            foreach (var role in type.GetInterfaces())
                if (role.IsGenericType && role.GetGenericTypeDefinition() is { } open
                    && (open == typeof(IRequestHandler<,>) || open == typeof(IValidator<>)))
                    services.AddScoped(role, type);
        }

        return services;
    }
}
