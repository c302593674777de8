using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Tokonomics.Infrastructure.Hosting;

namespace Tokonomics.Infrastructure.Telemetry;

/// <summary>All that touches OpenTelemetry's types, so that its assemblies are loaded by whoever wants them and by nobody else.</summary>
internal static class OpenTelemetrySetup
{
    /// <summary>Ours, the runtime's, the server's and the clients'.</summary>
    private static readonly string[] Meters = ["Tokonomics.*", "System.Runtime", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Net.Http", "System.Net.NameResolution"];

    // The clients' own would have each host in them, and hosts are what tenants name for endpoints and webhooks: as many as they like.
    private static readonly string[] ClientTags = ["http.request.method", "http.response.status_code", "http.connection.state", "error.type"];

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Add(WebApplicationBuilder builder, TelemetryOptions options, bool sends)
    {
        var configuration = builder.Configuration;
        var telemetry = builder.Services.AddOpenTelemetry();
        telemetry.ConfigureResource(resource =>
        {
            if (configuration["OTEL_SERVICE_NAME"] is not { Length: > 0 })
                resource.AddService(ServiceName(builder.Environment.ApplicationName), serviceVersion: ProductVersion.Text);
        });
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(Meters);
            metrics.AddView(View);
            if (options.Prometheus)
                metrics.AddPrometheusExporter();
            if (sends)
                metrics.AddOtlpExporter((exporter, _) => Direct(exporter, "v1/metrics"));
        });
        if (sends)
            telemetry.WithTracing(traces => traces.AddSource("Tokonomics.*").AddOtlpExporter(exporter => Direct(exporter, "v1/traces")));

        // An address that is set in code is taken as it is, and with it HTTP, which needs no HTTP/2 in the clear; where OpenTelemetry's own settings say where to, they say how as well.
        void Direct(OtlpExporterOptions exporter, string path)
        {
            if (options.OtlpEndpoint.Length == 0)
                return;
            var grpc = configuration["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc";
            exporter.Protocol = grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
            exporter.Endpoint = new Uri(grpc ? options.OtlpEndpoint : $"{options.OtlpEndpoint.TrimEnd('/')}/{path}");
        }
    }

    /// <summary>From <c>Tokonomics.Web.Proxy</c> <c>tokonomics-proxy</c>.</summary>
    internal static string ServiceName(string application) => "tokonomics-" + application[(application.LastIndexOf('.') + 1)..].ToLowerInvariant();

    private static MetricStreamConfiguration? View(Instrument instrument) => instrument.Meter.Name switch
    {
        "System.Net.Http" or "System.Net.NameResolution" => new MetricStreamConfiguration { TagKeys = ClientTags },
        // In Prometheus a name that ends so is a histogram's: its own check refuses the scrape. How many assemblies, processors and timers there are nobody misses.
        "System.Runtime" when instrument.Name.EndsWith(".count", StringComparison.Ordinal) => MetricStreamConfiguration.Drop,
        _ => null,
    };
}
