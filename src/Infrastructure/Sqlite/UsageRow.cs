using Microsoft.Data.Sqlite;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Money;

namespace Tokonomics.Infrastructure.Sqlite;

/// <summary>How an event stands in a row of <c>usage_events</c>: the one place that knows the order of its columns.</summary>
internal static class UsageRow
{
    public static readonly string[] Columns =
    [
        "request_id", "attempt", "tenant_id", "key_id", "team_id", "project_id", "environment", "at", "provider", "dialect", "operation",
        "request_model", "response_model", "model", "usage", "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
        "output_tokens", "reasoning_tokens", "usage_source", "pricing_hints", "cost_nano", "price_status", "price_version", "provider_cost_nano",
        "status", "outcome", "finish_reason", "streamed", "latency_us", "first_byte_us", "request_bytes", "response_bytes", "provider_request_id", "tags", "other_models",
        "upper_bound_nano", "budget_nano",
    ];

    public static readonly string ColumnList = string.Join(", ", Columns);

    public static readonly string Insert =
        $"INSERT INTO usage_events ({ColumnList}) VALUES ({string.Join(", ", Columns.Select(c => "$" + c))}) ON CONFLICT (request_id, attempt) DO NOTHING";

    public static long Micros(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;

    public static DateTimeOffset Time(long micros) => DateTimeOffset.UnixEpoch.AddTicks(micros * TimeSpan.TicksPerMicrosecond);

    /// <summary>Sets the parameters of <see cref="Insert"/>, which stand in the order of <see cref="Columns"/>.</summary>
    public static void Bind(SqliteParameterCollection to, UsageEvent e)
    {
        var i = 0;
        void Set(object? value) => to[i++].Value = value ?? DBNull.Value;

        Set(e.RequestId);
        Set(e.Attempt);
        Set(e.TenantId);
        Set(e.KeyId);
        Set(e.TeamId ?? "");
        Set(e.ProjectId ?? "");
        Set((int)e.Environment);
        Set(Micros(e.At));
        Set(e.Provider);
        Set(e.Dialect);
        Set(e.Operation);
        Set(e.RequestModel);
        Set(e.ResponseModel);
        Set(e.ResponseModel ?? e.RequestModel ?? "");
        Set(e.Usage.ToString());
        Set(e.Usage.InputTokens);
        Set(e.Usage.CacheReadTokens);
        Set(e.Usage.CacheWriteTokens);
        Set(e.Usage.Count(UsageUnit.CacheWrite1h));
        Set(e.Usage.OutputTokens);
        Set(e.Usage.Count(UsageUnit.Reasoning));
        Set(e.UsageSource.ToString());
        Set(e.PricingHints);
        Set(e.Cost?.Value);
        Set(e.PriceStatus.ToString());
        Set(e.PriceVersion);
        Set(e.ProviderCost?.Value);
        Set(e.Status);
        Set(e.Outcome.ToString());
        Set(e.FinishReason);
        Set(e.Streamed ? 1 : 0);
        Set(Math.Max(0, e.Latency.Ticks / TimeSpan.TicksPerMicrosecond));
        Set(e.FirstByte is { } first ? Math.Max(0, first.Ticks / TimeSpan.TicksPerMicrosecond) : null);
        Set(e.RequestBytes);
        Set(e.ResponseBytes);
        Set(e.ProviderRequestId);
        Set(KeyTags.Write(e.Tags));
        Set(ModelUsage.Write(e.OtherModels));
        Set(e.UpperBound?.Value);
        Set(e.BudgetCost?.Value);
    }

    /// <summary>Reads a row selected by <see cref="ColumnList"/>.</summary>
    public static UsageEvent Read(SqliteDataReader row)
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
        };
    }
}
