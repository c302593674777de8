using System.Globalization;
using System.Text.Json.Nodes;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>The routes.</summary>
public sealed partial class FakeStripe
{
    private FakeAnswer Answer(string method, string path, Dictionary<string, string> form)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts is not ["v1" or "v2", ..])
            return Error(404, "invalid_request_error", null, $"Unrecognized request URL ({method}: {path}).");
        return (method, parts[1..]) switch
        {
            ("POST", ["customers"]) => MakeCustomer(form),
            ("GET", ["customers"]) => List(path, [.. Every("customer").Where(c => c["deleted"] is null)], form),
            ("GET", ["customers", var id]) => Get("customer", id, form),
            ("POST", ["customers", var id]) => ChangeCustomer(id, form),
            ("DELETE", ["customers", var id]) => DeleteCustomerAnswer(id),
            ("POST", ["products"]) => Made("prod", new JsonObject { ["object"] = "product", ["active"] = true, ["name"] = form.GetValueOrDefault("name"), ["description"] = form.GetValueOrDefault("description"), ["metadata"] = Metadata(form) }, "product.created"),
            ("POST", ["prices"]) => MakePrice(form),
            ("GET", ["prices"]) => List(path, [.. Every("price").Where(p => PriceFits(p, form))], form),
            ("GET", ["prices", var id]) => Get("price", id, form),
            ("POST", ["payment_methods"]) => Made("pm", PaymentMethod(form), null),
            ("POST", ["payment_methods", var id, "attach"]) => Attach(id, form),
            ("POST", ["checkout", "sessions"]) => MakeCheckout(form),
            ("GET", ["checkout", "sessions", var id]) => Checkout(id, form),
            ("POST", ["checkout", "sessions", var id, "expire"]) => ExpireCheckout(id),
            ("GET", ["payment_pages", var id]) => Checkout(id, form),
            ("POST", ["payment_pages", var id, "confirm"]) => ConfirmPage(id),
            ("POST", ["subscriptions"]) => MakeSubscription(form),
            ("GET", ["subscriptions"]) => List(path, [.. Every("subscription").Where(s => SubscriptionFits(s, form)).Select(s => Expanded(s, form, "data."))], form),
            ("GET", ["subscriptions", var id]) => Get("subscription", id, form),
            ("POST", ["subscriptions", var id]) => ChangeSubscription(id, form),
            ("DELETE", ["subscriptions", var id]) => CancelAnswer(id),
            ("GET", ["invoices"]) => List(path, [.. Every("invoice").Where(i => Fits(i, form, "customer") && Fits(i, form, "status") && (!form.TryGetValue("subscription", out var s) || SubscriptionOf(i) == s))], form),
            ("POST", ["invoices", "create_preview"]) => Preview(form),
            ("POST", ["invoices"]) => MakeInvoice(form),
            ("GET", ["invoices", var id]) => Get("invoice", id, form),
            ("POST", ["invoices", var id, "finalize"]) => FinalizeInvoice(id),
            ("POST", ["invoices", var id, "pay"]) => PayAnswer(id),
            ("POST", ["invoiceitems"]) => MakeItem(form),
            ("POST", ["billing_portal", "configurations"]) => Made("bpc", new JsonObject { ["object"] = "billing_portal.configuration", ["active"] = true }, "billing_portal.configuration.created"),
            ("POST", ["billing_portal", "sessions"]) => MakePortal(form),
            ("GET", ["events"]) => List(path, [.. Every("event").Where(e => EventFits(e, form))], form),
            ("GET", ["events", var id]) => Get("event", id, form),
            ("GET", ["charges"]) => List(path, [.. Every("charge").Where(c => Fits(c, form, "customer"))], form),
            ("GET", ["charges", var id]) => Get("charge", id, form),
            ("GET", ["disputes"]) => List(path, [.. Every("dispute").Where(d => Fits(d, form, "charge"))], form),
            ("GET", ["disputes", var id]) => Dispute(id, form),
            ("POST", ["billing", "meters"]) => MakeMeter(form),
            ("GET", ["billing", "meters"]) => List(path, [.. Every("billing.meter").Where(m => Fits(m, form, "status"))], form),
            ("GET", ["billing", "meters", var id]) => Get("billing.meter", id, form),
            ("POST", ["billing", "meters", var id, "deactivate"]) => SetMeter(id, "inactive"),
            ("POST", ["billing", "meters", var id, "reactivate"]) => SetMeter(id, "active"),
            ("GET", ["billing", "meters", var id, "event_summaries"]) => Summaries(path, id, form),
            ("POST", ["billing", "meter_events"]) => MeterEvent(form),
            ("POST", ["test_helpers", "test_clocks"]) => Made("clock", new JsonObject { ["object"] = "test_helpers.test_clock", ["frozen_time"] = long.Parse(form["frozen_time"], CultureInfo.InvariantCulture), ["status"] = "ready" }, null),
            _ => Error(404, "invalid_request_error", null, $"Unrecognized request URL ({method}: {path})."),
        };
    }

    private List<JsonObject> Every(string kind) => [.. Enumerable.Reverse(_order).Select(id => _objects[id]).Where(o => Text(o, "object") == kind)];

    private static bool Fits(JsonObject o, Dictionary<string, string> form, string name) => !form.TryGetValue(name, out var wanted) || Text(o, name) == wanted;

    private static IEnumerable<string> Each(Dictionary<string, string> form, string name) => form.Where(f => f.Key.StartsWith(name + "[", StringComparison.Ordinal)).Select(f => f.Value);

    private static bool PriceFits(JsonObject p, Dictionary<string, string> form) =>
        (!form.TryGetValue("active", out var active) || p["active"]!.GetValue<bool>() == (active == "true")) && (Each(form, "lookup_keys").ToList() is not { Count: > 0 } keys || keys.Contains(Text(p, "lookup_key")!));

    private static bool SubscriptionFits(JsonObject s, Dictionary<string, string> form) =>
        Fits(s, form, "customer") && (form.GetValueOrDefault("status") is "all" || (form.TryGetValue("status", out var status) ? Text(s, "status") == status : Text(s, "status") != "canceled"));

    private static bool EventFits(JsonObject e, Dictionary<string, string> form)
    {
        var types = Each(form, "types").ToList();
        return (types.Count == 0 || types.Contains(Text(e, "type")!)) && (!form.TryGetValue("created[gte]", out var since) || e["created"]!.GetValue<long>() >= long.Parse(since, CultureInfo.InvariantCulture))
            && (!form.TryGetValue("delivery_success", out var delivered) || (e["pending_webhooks"]!.GetValue<int>() == 0) == (delivered == "true"));
    }

    private FakeAnswer Get(string kind, string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var found) || Text(found, "object") != kind)
            return Missing(kind, id);
        return Ok(found["deleted"] is not null ? new JsonObject { ["id"] = id, ["object"] = kind, ["deleted"] = true } : Expanded(found, form, ""));
    }

    private JsonObject Expanded(JsonObject o, Dictionary<string, string> form, string prefix)
    {
        var copy = (JsonObject)o.DeepClone();
        foreach (var path in Each(form, "expand"))
            if (path.StartsWith(prefix, StringComparison.Ordinal) && path[prefix.Length..] is "latest_invoice" or "subscription" or "customer" && Text(copy, path[prefix.Length..]) is { } id && _objects.TryGetValue(id, out var target))
                copy[path[prefix.Length..]] = target.DeepClone();
        return copy;
    }

    private FakeAnswer Made(string prefix, JsonObject made, string? type)
    {
        Put(prefix, made);
        if (type is not null)
            Emit(type, made);
        return Ok(made);
    }

    private FakeAnswer MakeCustomer(Dictionary<string, string> form) => Made("cus", new JsonObject
    {
        ["object"] = "customer",
        ["email"] = form.GetValueOrDefault("email"),
        ["name"] = form.GetValueOrDefault("name"),
        ["description"] = form.GetValueOrDefault("description"),
        ["delinquent"] = false,
        ["currency"] = null,
        ["balance"] = 0,
        ["invoice_settings"] = new JsonObject { ["default_payment_method"] = form.GetValueOrDefault("payment_method") },
        ["metadata"] = Metadata(form),
    }, "customer.created");

    private FakeAnswer ChangeCustomer(string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var customer) || customer["deleted"] is not null)
            return Missing("customer", id);
        foreach (var name in new[] { "email", "name", "description" })
            if (form.TryGetValue(name, out var value))
                customer[name] = value;
        foreach (var (name, value) in Metadata(form))
            customer["metadata"]![name] = value!.DeepClone();
        Emit("customer.updated", customer);
        return Ok(customer);
    }

    private FakeAnswer DeleteCustomerAnswer(string id)
    {
        if (!_objects.TryGetValue(id, out var customer) || customer["deleted"] is not null)
            return Missing("customer", id);
        Delete(customer);
        return Ok(new JsonObject { ["id"] = id, ["object"] = "customer", ["deleted"] = true });
    }

    private FakeAnswer MakePrice(Dictionary<string, string> form)
    {
        var product = form.GetValueOrDefault("product") ?? Text(Put("prod", new JsonObject { ["object"] = "product", ["active"] = true, ["name"] = form.GetValueOrDefault("product_data[name]"), ["metadata"] = new JsonObject() }), "id")!;
        var recurring = form.TryGetValue("recurring[interval]", out var interval);
        return Made("price", new JsonObject
        {
            ["object"] = "price",
            ["active"] = true,
            ["billing_scheme"] = "per_unit",
            ["currency"] = form["currency"],
            ["lookup_key"] = form.GetValueOrDefault("lookup_key"),
            ["metadata"] = Metadata(form),
            ["product"] = product,
            ["recurring"] = recurring ? new JsonObject { ["interval"] = interval, ["interval_count"] = 1, ["usage_type"] = "licensed" } : null,
            ["type"] = recurring ? "recurring" : "one_time",
            ["unit_amount"] = long.Parse(form["unit_amount"], CultureInfo.InvariantCulture),
            ["unit_amount_decimal"] = form["unit_amount"],
        }, "price.created");
    }

    private static JsonObject PaymentMethod(Dictionary<string, string> form) => new() { ["object"] = "payment_method", ["type"] = form.GetValueOrDefault("type", "card"), ["customer"] = null, ["card"] = new JsonObject { ["brand"] = "visa", ["last4"] = "4242" }, ["billing_details"] = new JsonObject() };

    private FakeAnswer Attach(string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var method))
        {
            if (!id.StartsWith("pm_card_", StringComparison.Ordinal))
                return Missing("PaymentMethod", id);
            method = Put("pm", PaymentMethod([])); // Stripe's ready-made cards
        }

        method["customer"] = form["customer"];
        Emit("payment_method.attached", method);
        return Ok(method);
    }

    private FakeAnswer MakeCheckout(Dictionary<string, string> form)
    {
        if (form.TryGetValue("customer", out var customer) && (!_objects.TryGetValue(customer, out var c) || c["deleted"] is not null))
            return Error(400, "invalid_request_error", "resource_missing", $"No such customer: '{customer}'", "customer");
        var price = form.GetValueOrDefault("line_items[0][price]");
        var mode = form.GetValueOrDefault("mode") ?? "payment";
        if (price is not null && !_objects.ContainsKey(price))
            return Error(400, "invalid_request_error", "resource_missing", $"No such price: '{price}'", "line_items[0][price]");
        var session = Put("cs_test", new JsonObject
        {
            ["object"] = "checkout.session",
            ["mode"] = mode,
            ["status"] = "open",
            ["payment_status"] = "unpaid",
            ["customer"] = customer,
            ["client_reference_id"] = form.GetValueOrDefault("client_reference_id"),
            ["success_url"] = form.GetValueOrDefault("success_url"),
            ["cancel_url"] = form.GetValueOrDefault("cancel_url"),
            ["expires_at"] = Unix(Now.AddHours(24)),
            ["metadata"] = Metadata(form),
            ["subscription"] = null,
            ["invoice"] = null,
            ["currency"] = "usd",
            ["amount_total"] = price is null ? 0 : _objects[price]["unit_amount"]!.GetValue<long>(),
            ["allow_promotion_codes"] = form.GetValueOrDefault("allow_promotion_codes") == "true",
            ["payment_method_collection"] = form.GetValueOrDefault("payment_method_collection") ?? "always",
            ["automatic_tax"] = new JsonObject { ["enabled"] = form.GetValueOrDefault("automatic_tax[enabled]") == "true" },
            ["fake_price"] = price,
            ["fake_metadata"] = Metadata(form, "subscription_data[metadata]"),
        });
        session["url"] = new Uri(Url, $"/c/pay/{Text(session, "id")}").ToString();
        return Ok(Shown(session));
    }

    private static JsonObject Shown(JsonObject session)
    {
        var copy = (JsonObject)session.DeepClone();
        copy.Remove("fake_price");
        copy.Remove("fake_metadata");
        return copy;
    }

    private FakeAnswer Checkout(string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var session) || Text(session, "object") != "checkout.session")
            return Missing("checkout.session", id);
        if (Text(session, "status") == "open" && session["expires_at"]!.GetValue<long>() <= Unix(Now))
            Expire(session);
        return Ok(Expanded(Shown(session), form, ""));
    }

    private FakeAnswer ExpireCheckout(string id)
    {
        if (!_objects.TryGetValue(id, out var session))
            return Missing("checkout.session", id);
        if (Text(session, "status") != "open")
            return Error(400, "invalid_request_error", null, $"Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {Text(session, "status")}.");
        Expire(session);
        return Ok(Shown(session));
    }

    private FakeAnswer ConfirmPage(string id)
    {
        if (!_objects.TryGetValue(id, out var session))
            return Missing("checkout.session", id);
        Complete(session, Pays.Now);
        return Ok(Shown(session));
    }

    private FakeAnswer MakeSubscription(Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(form["customer"], out var customer) || customer["deleted"] is not null)
            return Error(400, "invalid_request_error", "resource_missing", $"No such customer: '{form["customer"]}'", "customer");
        var price = form.GetValueOrDefault("items[0][price]") ?? form.GetValueOrDefault("items[0][plan]");
        if (price is null || !_objects.ContainsKey(price))
            return Error(400, "invalid_request_error", "resource_missing", $"No such price: '{price}'", "items[0][price]");
        var trial = form.TryGetValue("trial_period_days", out var days) ? int.Parse(days, CultureInfo.InvariantCulture) : 0;
        return Ok(Expanded(Begin(form["customer"], price, Metadata(form), trial, form.GetValueOrDefault("payment_behavior") == "default_incomplete" ? "incomplete" : trial > 0 ? "trialing" : "active"), form, ""));
    }

    private FakeAnswer ChangeSubscription(string id, Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(id, out var s) || Text(s, "object") != "subscription")
            return Missing("subscription", id);
        if (Text(s, "status") == "canceled")
            return Error(400, "invalid_request_error", null, "A canceled subscription can only update its cancellation_details and metadata.");
        if (form.TryGetValue("cancel_at_period_end", out var ends))
            SetEnding(s, ends == "true");
        if (form.TryGetValue("items[0][price]", out var price))
            s["items"]!["data"]![0]!["price"] = _objects[price].DeepClone();
        foreach (var (name, value) in Metadata(form))
            s["metadata"]![name] = value!.DeepClone();
        Emit("customer.subscription.updated", s);
        return Ok(Expanded(s, form, ""));
    }

    private FakeAnswer CancelAnswer(string id)
    {
        if (!_objects.TryGetValue(id, out var s) || Text(s, "status") == "canceled")
            return Missing("subscription", id);
        Cancel(s);
        return Ok(s);
    }

    private static string? SubscriptionOf(JsonObject invoice) => (invoice["parent"] as JsonObject)?["subscription_details"]?["subscription"]?.GetValue<string>();

    private FakeAnswer Preview(Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(form.GetValueOrDefault("subscription") ?? "", out var s))
            return Missing("subscription", form.GetValueOrDefault("subscription") ?? "");
        if (Text(s, "status") == "canceled" || s["cancel_at_period_end"]!.GetValue<bool>())
            return Error(404, "invalid_request_error", "invoice_upcoming_none", "No upcoming invoices for customer");
        var preview = Invoice(s, "draft");
        preview["id"] = "upcoming_in_" + Text(s, "id");
        preview["next_payment_attempt"] = PeriodEnd(s);
        preview["livemode"] = false;
        return Ok(preview);
    }

    private FakeAnswer MakeInvoice(Dictionary<string, string> form) => Made("in", new JsonObject
    {
        ["object"] = "invoice",
        ["customer"] = form["customer"],
        ["status"] = "draft",
        ["currency"] = "usd",
        ["total"] = Every("invoiceitem").Where(i => Text(i, "customer") == form["customer"]).Sum(i => i["amount"]!.GetValue<long>()),
        ["amount_due"] = Every("invoiceitem").Where(i => Text(i, "customer") == form["customer"]).Sum(i => i["amount"]!.GetValue<long>()),
        ["amount_paid"] = 0L,
        ["attempt_count"] = 0,
        ["attempted"] = false,
        ["number"] = null,
        ["metadata"] = Metadata(form),
        ["parent"] = null,
        ["lines"] = new JsonObject { ["object"] = "list", ["data"] = new JsonArray(), ["has_more"] = false },
    }, "invoice.created");

    private FakeAnswer MakeItem(Dictionary<string, string> form) => Made("ii", new JsonObject
    {
        ["object"] = "invoiceitem",
        ["customer"] = form["customer"],
        ["amount"] = long.Parse(form.GetValueOrDefault("amount") ?? "0", CultureInfo.InvariantCulture),
        ["currency"] = form.GetValueOrDefault("currency") ?? "usd",
        ["invoice"] = form.GetValueOrDefault("invoice"),
        ["description"] = form.GetValueOrDefault("description"),
    }, "invoiceitem.created");

    private FakeAnswer FinalizeInvoice(string id)
    {
        if (!_objects.TryGetValue(id, out var i))
            return Missing("invoice", id);
        i["status"] = "open";
        i["number"] = $"FAKE-{_serial:d4}";
        Emit("invoice.finalized", i);
        return Ok(i);
    }

    private FakeAnswer PayAnswer(string id)
    {
        if (!_objects.TryGetValue(id, out var i))
            return Missing("invoice", id);
        Pay(i);
        return Ok(i);
    }

    private FakeAnswer MakePortal(Dictionary<string, string> form)
    {
        if (!_objects.TryGetValue(form["customer"], out var c) || c["deleted"] is not null)
            return Error(400, "invalid_request_error", "resource_missing", $"No such customer: '{form["customer"]}'", "customer");
        var made = Put("bps", new JsonObject { ["object"] = "billing_portal.session", ["customer"] = form["customer"], ["return_url"] = form.GetValueOrDefault("return_url") });
        made["url"] = new Uri(Url, $"/p/session/{Text(made, "id")}").ToString();
        return Ok(made);
    }
}
