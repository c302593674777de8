using System.Text.Json.Nodes;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>Payments that are disputed or paid back.</summary>
public sealed partial class FakeStripe
{
    /// <summary>A payment of a customer's, in cents.</summary>
    public string Charge(string customer, long amount)
    {
        lock (_lock)
            return Text(
                Put("ch", new JsonObject
                {
                    ["object"] = "charge",
                    ["amount"] = amount,
                    ["amount_refunded"] = 0L,
                    ["currency"] = "usd",
                    ["customer"] = customer,
                    ["disputed"] = false,
                    ["paid"] = true,
                    ["refunded"] = false,
                    ["status"] = "succeeded",
                }), "id")!;
    }

    /// <summary>Whoever paid asks their bank for it. The dispute names the payment, and no customer.</summary>
    public string Dispute(string charge, string reason = "fraudulent")
    {
        lock (_lock)
        {
            _objects[charge]["disputed"] = true;
            var dispute = Put("dp", new JsonObject
            {
                ["object"] = "dispute",
                ["amount"] = _objects[charge]["amount"]!.GetValue<long>(),
                ["charge"] = charge,
                ["currency"] = "usd",
                ["reason"] = reason,
                ["status"] = "needs_response",
            });
            Emit("charge.dispute.created", dispute);
            return Text(dispute, "id")!;
        }
    }

    /// <param name="status"><c>won</c>, <c>lost</c>.</param>
    public void Close(string dispute, string status)
    {
        lock (_lock)
        {
            _objects[dispute]["status"] = status;
            Emit("charge.dispute.closed", _objects[dispute]);
        }
    }

    public void Refund(string charge, long amount)
    {
        lock (_lock)
        {
            var c = _objects[charge];
            c["amount_refunded"] = c["amount_refunded"]!.GetValue<long>() + amount;
            c["refunded"] = c["amount_refunded"]!.GetValue<long>() == c["amount"]!.GetValue<long>();
            Emit("charge.refunded", c);
        }
    }

    private FakeAnswer Dispute(string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var found) || Text(found, "object") != "dispute")
            return Missing("dispute", id);
        var dispute = (JsonObject)found.DeepClone();
        if (Each(form, "expand").Contains("charge"))
            dispute["charge"] = _objects[Text(found, "charge")!].DeepClone();
        return Ok(dispute);
    }
}
