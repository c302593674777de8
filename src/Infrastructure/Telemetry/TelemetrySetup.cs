using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Infrastructure.Telemetry;

/// <summary>
/// What a host measures leaves it by OTLP, by Prometheus's <c>/metrics</c>, by both or, unless a setting says so, by neither: then no object of OpenTelemetry's is made and none of its assemblies is
/// loaded, and an instrument that nobody listens to is a field that is read.
/// </summary>
public static class TelemetrySetup
{
    /// <summary>OpenTelemetry's own name of the setting; read from the environment like ours.</summary>
    public const string StandardEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// <exception cref="StartupException">A setting under <c>Telemetry</c> is not what it must be.</exception>
    internal static void AddTelemetry(this WebApplicationBuilder builder)
    {
        builder.Services.AddMetrics();
        var options = new TelemetryOptions();
        builder.Configuration.GetSection("Telemetry").Bind(options);
        if (options.Problem() is { } problem)
            throw new StartupException(problem);
        builder.Services.AddSingleton(options);
        var sends = options.OtlpEndpoint.Length > 0 || builder.Configuration[StandardEndpoint] is { Length: > 0 };
        if (!sends && !options.Prometheus)
            return;
        OpenTelemetrySetup.Add(builder, options, sends);
        builder.Services.AddHostedService<StorePulse>();
    }

    /// <summary>Answers <c>/metrics</c> where that is on. Before the question of TLS, like the probes: whoever scrapes asks the process itself, and not through the balancer at which TLS ends.</summary>
    internal static void UseTelemetry(this WebApplication app)
    {
        if (app.Services.GetRequiredService<TelemetryOptions>() is { Prometheus: true } options)
            Scrape.Use(app, options);
    }
}
