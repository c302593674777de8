using System.Globalization;
using System.Text.Json.Nodes;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>Meters and their events, with the rules that those who report have to live with.</summary>
public sealed partial class FakeStripe
{
    private static readonly TimeSpan Remembered = TimeSpan.FromHours(24);

    private readonly Dictionary<string, DateTimeOffset> _identifiers = [];

    /// <summary>Events count, and every answer about one is lost on the way.</summary>
    public bool LoseAnswers { get; set; }

    /// <summary>What a meter has of a customer.</summary>
    public long Metered(string customer) => Metered(customer, 0, long.MaxValue);

    /// <param name="from">Unix seconds, as the next.</param>
    public long Metered(string customer, long from, long until)
    {
        lock (_lock)
            return Every("billing.meter_event").Where(e => e["payload"]!["stripe_customer_id"]?.GetValue<string>() == customer && e["timestamp"]!.GetValue<long>() >= from && e["timestamp"]!.GetValue<long>() < until)
                .Sum(e => long.Parse(e["payload"]!["value"]!.GetValue<string>(), CultureInfo.InvariantCulture));
    }

    private FakeAnswer MakeMeter(Dictionary<string, string> form)
    {
        var name = form.GetValueOrDefault("event_name") ?? "";
        if (Every("billing.meter").Any(m => Text(m, "event_name") == name && Text(m, "status") == "active"))
            return Error(400, "invalid_request_error", null, $"There is already an active meter with the event name {name}.", "event_name");
        return Made("mtr", new JsonObject
        {
            ["object"] = "billing.meter",
            ["status"] = "active",
            ["display_name"] = form.GetValueOrDefault("display_name"),
            ["event_name"] = name,
            ["event_time_window"] = null,
            ["default_aggregation"] = new JsonObject { ["formula"] = form.GetValueOrDefault("default_aggregation[formula]") ?? "sum" },
            ["customer_mapping"] = new JsonObject { ["type"] = "by_id", ["event_payload_key"] = form.GetValueOrDefault("customer_mapping[event_payload_key]") ?? "stripe_customer_id" },
            ["value_settings"] = new JsonObject { ["event_payload_key"] = form.GetValueOrDefault("value_settings[event_payload_key]") ?? "value" },
            ["status_transitions"] = new JsonObject { ["deactivated_at"] = null },
        }, null);
    }

    private FakeAnswer SetMeter(string id, string status)
    {
        if (!_objects.TryGetValue(id, out var meter))
            return Missing("billing.meter", id);
        meter["status"] = status;
        return Ok(meter);
    }

    private FakeAnswer MeterEvent(Dictionary<string, string> form)
    {
        var answer = Take(form);
        return LoseAnswers ? throw new HttpRequestException(HttpRequestError.ResponseEnded, "the answer is lost") : answer;
    }

    private FakeAnswer Take(Dictionary<string, string> form)
    {
        var name = form.GetValueOrDefault("event_name") ?? "";
        var meters = Every("billing.meter").Where(m => Text(m, "event_name") == name).ToList();
        if (meters.Count == 0)
            return Error(400, "invalid_request_error", "no_meter", $"No meter found with the event name {name}.", "event_name");
        if (meters.TrueForAll(m => Text(m, "status") != "active"))
            return Error(400, "invalid_request_error", "archived_meter", $"The meter with the event name {name} is archived.", "event_name");
        if (!long.TryParse(form.GetValueOrDefault("payload[value]"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            return Error(400, "invalid_request_error", "meter_event_invalid_value", "The value of a meter event must be a whole number.", "payload");
        var at = long.Parse(form.GetValueOrDefault("timestamp") ?? Unix(Now).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        if (at < Unix(Now.AddDays(-35)))
            return Error(400, "invalid_request_error", "timestamp_too_far_in_past", "The timestamp must be within the past 35 calendar days.", "timestamp");
        if (at > Unix(Now.AddMinutes(5)))
            return Error(400, "invalid_request_error", "timestamp_in_future", "The timestamp must not be more than 5 minutes in the future.", "timestamp");
        var identifier = form.GetValueOrDefault("identifier") ?? Guid.NewGuid().ToString("n");
        // As Stripe says it: without a code. After a day it has forgotten.
        if (_identifiers.TryGetValue(identifier, out var before) && before > Now - Remembered)
            return Error(400, "invalid_request_error", null, $"An event already exists with identifier {identifier}.", "identifier");
        _identifiers[identifier] = Now;
        var made = new JsonObject
        {
            ["object"] = "billing.meter_event",
            ["event_name"] = name,
            ["identifier"] = identifier,
            ["payload"] = Metadata(form, "payload"),
            ["timestamp"] = at,
        };
        // An event of somebody who isn't a customer is answered as made, and complained of later.
        var customer = form.GetValueOrDefault("payload[stripe_customer_id]") ?? "";
        return _objects.TryGetValue(customer, out var payer) && payer["deleted"] is null ? Made("mevt", made, null) : Ok(made);
    }

    private FakeAnswer Summaries(string path, string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var meter))
            return Missing("billing.meter", id);
        var (from, until) = (long.Parse(form["start_time"], CultureInfo.InvariantCulture), long.Parse(form["end_time"], CultureInfo.InvariantCulture));
        if (from % 60 != 0 || until % 60 != 0)
            return Error(400, "invalid_request_error", null, "start_time and end_time must be aligned with minute boundaries.", "start_time");
        var events = Every("billing.meter_event").Where(e => Text(e, "event_name") == Text(meter, "event_name") && e["payload"]!["stripe_customer_id"]?.GetValue<string>() == form["customer"] && e["timestamp"]!.GetValue<long>() >= from && e["timestamp"]!.GetValue<long>() < until).ToList();
        return List(path, events.Count == 0 ? [] :
        [
            new JsonObject
            {
                ["id"] = $"mtrusg_{from}",
                ["object"] = "billing.meter_event_summary",
                ["aggregated_value"] = events.Sum(e => long.Parse(e["payload"]!["value"]!.GetValue<string>(), CultureInfo.InvariantCulture)),
                ["meter"] = id,
                ["start_time"] = from,
                ["end_time"] = until,
                ["livemode"] = false,
            },
        ], form);
    }
}
