using System.ComponentModel.DataAnnotations;

namespace Tokonomics.Web.Proxy;

/// <summary>Settings of the data plane: section <c>Proxy</c>.</summary>
public sealed class ProxyOptions
{
    /// <summary>The largest body of a metered call, as sent and decompressed. Providers take up to 32 MB (Anthropic) or 50 MB (OpenAI).</summary>
    [Range(1_024, 1_073_741_824)]
    public long MaxBodyBytes { get; set; } = 64 * 1024 * 1024;

    /// <summary>The largest upload to a free route (files). It is relayed, never held in memory.</summary>
    [Range(1_024, 17_179_869_184)]
    public long MaxUploadBytes { get; set; } = 1024L * 1024 * 1024;

    /// <summary>Request bodies held in memory at once, all calls together; past it new ones are refused with 503.</summary>
    [Range(1_048_576, 1_099_511_627_776)]
    public long MaxBufferedBytes { get; set; } = 1024L * 1024 * 1024;

    /// <summary>Where for a second nothing got a thread within that, new calls are refused with 503 (<c>overloaded</c>) until something does: they would only wait.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "00:01:00")]
    public TimeSpan ShedAfter { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The largest answer that is relayed; what comes after is cut off.</summary>
    [Range(1_024, 1_099_511_627_776)]
    public long MaxAnswerBytes { get; set; } = 4L * 1024 * 1024 * 1024;

    /// <summary>To reach a provider and shake hands, TLS included.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:05:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an answer is read on after its client has left, where the tenant wants that.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan ReadOnFor { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long an <c>Idempotency-Key</c> belongs to the call that sent it first.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "30.00:00:00")]
    public TimeSpan IdempotencyKeyLifetime { get; set; } = TimeSpan.FromHours(24);

    /// <summary>A sandbox elsewhere (`tokonomics sandbox`), to which test keys go instead of the one that is built in.</summary>
    public Uri? SandboxUrl { get; set; }

    /// <summary>Where the built-in sandbox keeps its own bill; empty for `sandbox-bill.jsonl` in the data folder, with the node's name where it has one.</summary>
    public string SandboxBill { get; set; } = "";
}
