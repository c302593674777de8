using System.Text.Json;
using System.Text.Json.Serialization;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Web.Portal.Api;

/// <summary>An event as the API shows it.</summary>
internal sealed record EventShape
{
    public required string Id { get; init; }
    public required int Attempt { get; init; }
    public required DateTimeOffset At { get; init; }
    public required KeyEnvironment Environment { get; init; }
    public required string KeyId { get; init; }
    public string? ProjectId { get; init; }
    public string? TeamId { get; init; }
    public required string Provider { get; init; }
    public required string Dialect { get; init; }
    public required string Operation { get; init; }
    public string? RequestModel { get; init; }
    public string? ResponseModel { get; init; }
    public required UsageShape Usage { get; init; }
    public required UsageSource UsageSource { get; init; }

    /// <summary>USD as a decimal string; null where the price is unknown.</summary>
    public string? CostUsd { get; init; }
    public required PriceStatus PriceStatus { get; init; }
    public required string PriceVersion { get; init; }
    public required string PricingHints { get; init; }

    /// <summary>What the provider itself says that the call cost; null where it says nothing.</summary>
    public string? ProviderCostUsd { get; init; }

    /// <summary>It repeated an earlier call and got its kept answer; no provider was asked.</summary>
    public bool FromCache { get; init; }

    /// <summary>The application made it at the provider itself while the proxy was away, and reported it afterwards.</summary>
    public bool Direct { get; init; }

    /// <summary>What it cost less than without that: of a repeat all that its answer had cost; null where there was nothing to save.</summary>
    public string? SavedUsd { get; init; }

    /// <summary>The provider's HTTP status; 0 where it sent none.</summary>
    public required int Status { get; init; }
    public required CallOutcome Outcome { get; init; }
    public string? FinishReason { get; init; }
    public required bool Streamed { get; init; }
    public required double LatencyMs { get; init; }
    public double? FirstByteMs { get; init; }
    public required long RequestBytes { get; init; }
    public required long ResponseBytes { get; init; }
    public string? ProviderRequestId { get; init; }
    public required IReadOnlyDictionary<string, string> Tags { get; init; }

    public static EventShape Of(UsageEvent e) => new()
    {
        Id = e.RequestId,
        Attempt = e.Attempt,
        At = e.At,
        Environment = e.Environment,
        KeyId = e.KeyId,
        ProjectId = e.ProjectId,
        TeamId = e.TeamId,
        Provider = e.Provider,
        Dialect = e.Dialect,
        Operation = e.Operation,
        RequestModel = e.RequestModel,
        ResponseModel = e.ResponseModel,
        Usage = UsageShape.Of(e.Usage),
        UsageSource = e.UsageSource,
        CostUsd = e.Cost?.ToString(),
        PriceStatus = e.PriceStatus,
        PriceVersion = e.PriceVersion,
        PricingHints = e.PricingHints,
        ProviderCostUsd = e.ProviderCost?.ToString(),
        FromCache = e.IsRepeat,
        Direct = e.IsDirect,
        SavedUsd = e.Saved?.ToString(),
        Status = e.Status,
        Outcome = e.Outcome,
        FinishReason = e.FinishReason,
        Streamed = e.Streamed,
        LatencyMs = Math.Round(e.Latency.TotalMilliseconds, 3),
        FirstByteMs = e.FirstByte is { } first ? Math.Round(first.TotalMilliseconds, 3) : null,
        RequestBytes = e.RequestBytes,
        ResponseBytes = e.ResponseBytes,
        ProviderRequestId = e.ProviderRequestId,
        Tags = e.Tags.ToDictionary(t => t.Name, t => t.Value),
    };
}

/// <summary>What a call used. Totals include their parts; null where the provider did not report a part.</summary>
internal sealed record UsageShape
{
    /// <summary>All input tokens, cache reads and writes included.</summary>
    public required long InputTokens { get; init; }
    public long? CacheReadTokens { get; init; }

    /// <summary>Written with the provider's default lifetime (Anthropic: five minutes).</summary>
    public long? CacheWriteTokens { get; init; }
    [JsonPropertyName("cache_write_1h_tokens")]
    public long? CacheWrite1hTokens { get; init; }

    /// <summary>All output tokens, reasoning included.</summary>
    public required long OutputTokens { get; init; }
    public long? ReasoningTokens { get; init; }

    /// <summary>Every unit that is billed, disjoint: the basis of the cost.</summary>
    public required IReadOnlyDictionary<string, long> Units { get; init; }

    /// <summary>A unit's name in the API: <c>cache_write_1h</c>.</summary>
    public static string NameOf(UsageUnit unit) => unit == UsageUnit.CacheWrite1h ? "cache_write_1h" : JsonNamingPolicy.SnakeCaseLower.ConvertName(unit.ToString());

    public static UsageShape Of(TokenUsage usage) => new()
    {
        InputTokens = usage.InputTokens,
        CacheReadTokens = usage[UsageUnit.CacheRead] is null && usage.CacheReadTokens == 0 ? null : usage.CacheReadTokens,
        CacheWriteTokens = usage[UsageUnit.CacheWrite],
        CacheWrite1hTokens = usage[UsageUnit.CacheWrite1h],
        OutputTokens = usage.OutputTokens,
        ReasoningTokens = usage[UsageUnit.Reasoning],
        Units = Enum.GetValues<UsageUnit>().Where(u => usage[u] is not null).ToDictionary(NameOf, u => usage.Count(u)),
    };
}
