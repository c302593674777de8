using System.Data.Common;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>How an event stands in a row of <c>usage_events</c>: the one place that knows the order of its columns.</summary>
internal static class UsageRow
{
    public static readonly string[] Columns =
    [
        "request_id", "attempt", "tenant_id", "key_id", "team_id", "project_id", "environment", "at", "provider", "dialect", "operation",
        "request_model", "response_model", "model", "usage", "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
        "output_tokens", "reasoning_tokens", "usage_source", "pricing_hints", "cost_nano", "price_status", "price_version", "provider_cost_nano",
        "status", "outcome", "finish_reason", "streamed", "latency_us", "first_byte_us", "request_bytes", "response_bytes", "provider_request_id", "tags", "other_models",
        "upper_bound_nano", "budget_nano", "routed", "saved_nano",
    ];

    public static readonly string ColumnList = string.Join(", ", Columns);

    public static long Micros(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMicrosecond;

    public static long Micros(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;

    public static DateTimeOffset Time(long micros) => DateTimeOffset.UnixEpoch.AddTicks(micros * TimeSpan.TicksPerMicrosecond);

    /// <summary>The values in the order of <see cref="Columns"/>: texts and numbers of the columns' own widths, null for none.</summary>
    public static IEnumerable<object?> Values(UsageEvent e)
    {
        yield return e.RequestId;
        yield return e.Attempt;
        yield return e.TenantId;
        yield return e.KeyId;
        yield return e.TeamId ?? "";
        yield return e.ProjectId ?? "";
        yield return (short)e.Environment;
        yield return Micros(e.At);
        yield return e.Provider;
        yield return e.Dialect;
        yield return e.Operation;
        yield return e.RequestModel;
        yield return e.ResponseModel;
        yield return e.ResponseModel ?? e.RequestModel ?? "";
        yield return e.Usage.ToString();
        yield return e.Usage.InputTokens;
        yield return e.Usage.CacheReadTokens;
        yield return e.Usage.CacheWriteTokens;
        yield return e.Usage.Count(UsageUnit.CacheWrite1h);
        yield return e.Usage.OutputTokens;
        yield return e.Usage.Count(UsageUnit.Reasoning);
        yield return e.UsageSource.ToString();
        yield return e.PricingHints;
        yield return e.Cost?.Value;
        yield return e.PriceStatus.ToString();
        yield return e.PriceVersion;
        yield return e.ProviderCost?.Value;
        yield return e.Status;
        yield return e.Outcome.ToString();
        yield return e.FinishReason;
        yield return (short)(e.Streamed ? 1 : 0);
        yield return Math.Max(0, e.Latency.Ticks / TimeSpan.TicksPerMicrosecond);
        yield return e.FirstByte is { } first ? Math.Max(0, first.Ticks / TimeSpan.TicksPerMicrosecond) : null;
        yield return e.RequestBytes;
        yield return e.ResponseBytes;
        yield return e.ProviderRequestId;
        yield return KeyTags.Write(e.Tags);
        yield return ModelUsage.Write(e.OtherModels);
        yield return e.UpperBound?.Value;
        yield return e.BudgetCost?.Value;
        yield return e.Routed;
        yield return e.Saved?.Value;
    }

    /// <summary>Reads a row selected by <see cref="ColumnList"/>.</summary>
    public static UsageEvent Read(DbDataReader row)
    {
        string? Text(int column) => row.IsDBNull(column) ? null : row.GetString(column);
        static string? NoneIfEmpty(string text) => text.Length == 0 ? null : text;

        return new UsageEvent
        {
            RequestId = row.GetString(0),
            Attempt = row.GetInt32(1),
            TenantId = row.GetString(2),
            KeyId = row.GetString(3),
            TeamId = NoneIfEmpty(row.GetString(4)),
            ProjectId = NoneIfEmpty(row.GetString(5)),
            Environment = (KeyEnvironment)row.GetByte(6),
            At = Time(row.GetInt64(7)),
            Provider = row.GetString(8),
            Dialect = row.GetString(9),
            Operation = row.GetString(10),
            RequestModel = Text(11),
            ResponseModel = Text(12),
            Usage = TokenUsage.Parse(row.GetString(14)),
            UsageSource = Enum.Parse<UsageSource>(row.GetString(21)),
            PricingHints = row.GetString(22),
            Cost = row.IsDBNull(23) ? null : new NanoUsd(row.GetInt64(23)),
            PriceStatus = Enum.Parse<PriceStatus>(row.GetString(24)),
            PriceVersion = row.GetString(25),
            ProviderCost = row.IsDBNull(26) ? null : new NanoUsd(row.GetInt64(26)),
            Status = row.GetInt32(27),
            Outcome = Enum.Parse<CallOutcome>(row.GetString(28)),
            FinishReason = Text(29),
            Streamed = row.GetInt64(30) != 0,
            Latency = TimeSpan.FromMicroseconds(row.GetInt64(31)),
            FirstByte = row.IsDBNull(32) ? null : TimeSpan.FromMicroseconds(row.GetInt64(32)),
            RequestBytes = row.GetInt64(33),
            ResponseBytes = row.GetInt64(34),
            ProviderRequestId = Text(35),
            Tags = KeyTags.Read(row.GetString(36)),
            OtherModels = ModelUsage.Read(row.GetString(37)),
            UpperBound = row.IsDBNull(38) ? null : new NanoUsd(row.GetInt64(38)),
            BudgetCost = row.IsDBNull(39) ? null : new NanoUsd(row.GetInt64(39)),
            Routed = Text(40),
            Saved = row.IsDBNull(41) ? null : new NanoUsd(row.GetInt64(41)),
        };
    }
}
