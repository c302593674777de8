namespace Tokonomics.Infrastructure.Telemetry;

/// <summary>Settings under <c>Telemetry</c>.</summary>
public sealed class TelemetryOptions
{
    /// <summary>Where metrics and traces are sent by OTLP: the collector's base address, `http://collector:4318`, to which `/v1/metrics` and `/v1/traces` are added. Empty: where OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT says; without either nothing is sent.</summary>
    public string OtlpEndpoint { get; set; } = "";

    /// <summary>Answers `/metrics` in Prometheus's format.</summary>
    public bool Prometheus { get; set; }

    /// <summary>What whoever asks for `/metrics` has to send as `Authorization: Bearer …`. 32 characters or more, from `openssl rand -hex 32` for example.</summary>
    public string PrometheusToken { get; set; } = "";

    /// <summary>`/metrics` is answered without a token: only where nobody else reaches the port.</summary>
    public bool PrometheusOpen { get; set; }

    internal string? Problem() =>
        OtlpEndpoint.Length > 0 && !(Uri.TryCreate(OtlpEndpoint, UriKind.Absolute, out var address) && address.Scheme is "http" or "https") ? $"Telemetry:OtlpEndpoint is '{OtlpEndpoint}'; it must be an address such as http://collector:4318."
        : PrometheusToken.Length is > 0 and < 32 ? $"Telemetry:PrometheusToken has {PrometheusToken.Length} characters; it must have 32 or more, from openssl rand -hex 32 for example."
        : Prometheus && PrometheusToken.Length == 0 && !PrometheusOpen ? "Telemetry:Prometheus is on and Telemetry:PrometheusToken is empty: set a token, or Telemetry:PrometheusOpen where nobody else reaches the port."
        : PrometheusOpen && PrometheusToken.Length > 0 ? "Telemetry:PrometheusOpen is on and Telemetry:PrometheusToken is set; it must be one of them."
        : null;
}
