using System.Text.Json;
using Tokonomics.Application.Billing;

namespace Tokonomics.Infrastructure.Stripe;

/// <summary>Meters at Stripe, in accounts that are not ours. Read from the API reference and tried with the official SDK, 2026-11-29.</summary>
/// <param name="http">Its base address is the API's; it follows no redirect.</param>
public sealed class StripeUsageMeters(HttpClient http, TimeProvider time) : IUsageMeters
{
    private const int MostMeters = 1000;

    private const int MostSummaries = 1000;

    private StripeClient For(string secretKey) => new(http, secretKey, time);

    public async Task<UsageMeter?> FindAsync(string secretKey, string eventName, CancellationToken cancellationToken)
    {
        foreach (var m in await For(secretKey).ListAsync("/v1/billing/meters", StripeForm.Empty.And("status", "active").And("limit", 100), MostMeters, cancellationToken))
            if (StripeReader.Text(m, "event_name") == eventName)
                return new UsageMeter(
                    StripeReader.Text(m, "id") ?? throw StripeReader.Unreadable("a meter without an id"), eventName, Part(m, "default_aggregation", "formula") == "sum",
                    Part(m, "customer_mapping", "event_payload_key") ?? "stripe_customer_id", Part(m, "value_settings", "event_payload_key") ?? "value");
        return null;
    }

    public async Task<bool> HasCustomerAsync(string secretKey, string customerId, CancellationToken cancellationToken)
    {
        try
        {
            return !StripeReader.Flag(await For(secretKey).GetAsync($"/v1/customers/{Uri.EscapeDataString(customerId)}", StripeForm.Empty, cancellationToken), "deleted");
        }
        catch (PaymentsException e) when (e.Fault == PaymentsFault.NotFound)
        {
            return false;
        }
    }

    public async Task ReportAsync(string secretKey, UsageMeter meter, MeteredUsage usage, string onceKey, CancellationToken cancellationToken)
    {
        var form = StripeForm.Empty.And("event_name", meter.EventName).And("identifier", usage.Identifier).And("timestamp", usage.At.ToUnixTimeSeconds())
            .And($"payload[{meter.CustomerField}]", usage.CustomerId).And($"payload[{meter.ValueField}]", usage.Value);
        try
        {
            await For(secretKey).PostAsync("/v1/billing/meter_events", form, onceKey, cancellationToken);
        }
        catch (PaymentsException e) when (e.Fault == PaymentsFault.Refused && (e.Code == "duplicate_meter_event" || e.Message.Contains("already exists with identifier", StringComparison.OrdinalIgnoreCase)))
        {
            // It is there. The answer has no code in this version of the API, only the sentence.
        }
    }

    public async Task<decimal> SumAsync(string secretKey, UsageMeter meter, string customerId, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken)
    {
        var found = await For(secretKey).ListAsync(
            $"/v1/billing/meters/{Uri.EscapeDataString(meter.Id)}/event_summaries",
            StripeForm.Empty.And("customer", customerId).And("start_time", from.ToUnixTimeSeconds()).And("end_time", until.ToUnixTimeSeconds()).And("limit", 100), MostSummaries, cancellationToken);
        return found.Sum(s => s.TryGetProperty("aggregated_value", out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var sum) ? sum : throw StripeReader.Unreadable("a sum that is no number"));
    }

    private static string? Part(JsonElement e, string name, string part) => e.TryGetProperty(name, out var inner) && inner.ValueKind == JsonValueKind.Object ? StripeReader.Text(inner, part) : null;
}
