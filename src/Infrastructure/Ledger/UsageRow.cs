using System.Data.Common;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Takes the values of a row, one after another, each of its column's own width.</summary>
internal interface IRowWriter
{
    void Text(string? value);

    void Long(long? value);

    void Int(int value);

    void Short(short value);
}

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

    /// <summary>Writes the values in the order of <see cref="Columns"/>.</summary>
    public static void Write<TRow>(UsageEvent e, TRow row)
        where TRow : IRowWriter
    {
        row.Text(e.RequestId);
        row.Int(e.Attempt);
        row.Text(e.TenantId);
        row.Text(e.KeyId);
        row.Text(e.TeamId ?? "");
        row.Text(e.ProjectId ?? "");
        row.Short((short)e.Environment);
        row.Long(Micros(e.At));
        row.Text(e.Provider);
        row.Text(e.Dialect);
        row.Text(e.Operation);
        row.Text(e.RequestModel);
        row.Text(e.ResponseModel);
        row.Text(e.ResponseModel ?? e.RequestModel ?? "");
        row.Text(e.Usage.ToString());
        row.Long(e.Usage.InputTokens);
        row.Long(e.Usage.CacheReadTokens);
        row.Long(e.Usage.CacheWriteTokens);
        row.Long(e.Usage.Count(UsageUnit.CacheWrite1h));
        row.Long(e.Usage.OutputTokens);
        row.Long(e.Usage.Count(UsageUnit.Reasoning));
        row.Text(e.UsageSource.ToString());
        row.Text(e.PricingHints);
        row.Long(e.Cost?.Value);
        row.Text(e.PriceStatus.ToString());
        row.Text(e.PriceVersion);
        row.Long(e.ProviderCost?.Value);
        row.Int(e.Status);
        row.Text(e.Outcome.ToString());
        row.Text(e.FinishReason);
        row.Short((short)(e.Streamed ? 1 : 0));
        row.Long(Math.Max(0, e.Latency.Ticks / TimeSpan.TicksPerMicrosecond));
        row.Long(e.FirstByte is { } first ? Math.Max(0, first.Ticks / TimeSpan.TicksPerMicrosecond) : null);
        row.Long(e.RequestBytes);
        row.Long(e.ResponseBytes);
        row.Text(e.ProviderRequestId);
        row.Text(KeyTags.Write(e.Tags));
        row.Text(ModelUsage.Write(e.OtherModels));
        row.Long(e.UpperBound?.Value);
        row.Long(e.BudgetCost?.Value);
        row.Text(e.Routed);
        row.Long(e.Saved?.Value);
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
