using System.Text.Json.Nodes;

namespace Tokonomics.Testing.FakeStripe;

/// <summary>What happens there by itself, or by somebody's hand in the dashboard; each with the events that Stripe sends of it.</summary>
public sealed partial class FakeStripe
{
    /// <summary>Somebody pays in an open checkout.</summary>
    /// <returns>The subscription's id.</returns>
    public string Complete(string sessionId, Pays pays = Pays.Now)
    {
        lock (_lock)
            return Complete(_objects[sessionId], pays);
    }

    /// <summary>A payment that takes days has arrived.</summary>
    public void Arrive(string sessionId) => With(sessionId, session =>
    {
        session["payment_status"] = "paid";
        Status(_objects[Text(session, "subscription")!], "active");
        Pay(_objects[Text(_objects[Text(session, "subscription")!], "latest_invoice")!]);
        Emit("checkout.session.async_payment_succeeded", Shown(session));
    });

    /// <summary>The period ends, and the next begins.</summary>
    /// <param name="pays">Whether the card works.</param>
    public void Renew(string id, bool pays = true) => With(id, s =>
    {
        if (s["cancel_at_period_end"]!.GetValue<bool>())
        {
            Cancel(s);
            return;
        }

        Period(s, DateTimeOffset.FromUnixTimeSeconds(PeriodEnd(s)));
        var invoice = Bill(s);
        if (pays)
        {
            Pay(invoice);
            Status(s, "active");
        }
        else
        {
            invoice["attempt_count"] = 1;
            invoice["next_payment_attempt"] = Unix(Now.AddDays(3));
            Emit("invoice.payment_failed", invoice);
            Status(s, "past_due");
        }
    });

    /// <summary>The open invoice is paid after all.</summary>
    public void PayOpen(string id) => With(id, s =>
    {
        Pay(_objects[Text(s, "latest_invoice")!]);
        Status(s, "active");
    });

    /// <summary>All tries have failed: what the dashboard says becomes of the subscription.</summary>
    /// <param name="to"><c>unpaid</c> or <c>canceled</c>.</param>
    public void GiveUp(string id, string to) => With(id, s =>
    {
        if (to == "canceled")
            Cancel(s);
        else
            Status(s, to);
    });

    public void EndAtPeriod(string id, bool ends) => With(id, s =>
    {
        SetEnding(s, ends);
        Emit("customer.subscription.updated", s);
    });

    public void CancelNow(string id) => With(id, Cancel);

    /// <summary>The trial is over, and there is no card.</summary>
    public void Pause(string id) => With(id, s =>
    {
        s["status"] = "paused";
        Emit("customer.subscription.paused", s);
    });

    public void Resume(string id) => With(id, s =>
    {
        s["status"] = "active";
        Emit("customer.subscription.resumed", s);
    });

    public void Switch(string id, string price) => With(id, s =>
    {
        s["items"]!["data"]![0]!["price"] = _objects[price].DeepClone();
        Emit("customer.subscription.updated", s);
    });

    /// <summary>23 hours without the first payment.</summary>
    public void ExpireFirst(string id) => With(id, s => Status(s, "incomplete_expired"));

    public void DeleteCustomer(string id) => With(id, Delete);

    /// <summary>A subscription beside the checkout.</summary>
    public string Subscribe(string customer, string price, string status, int trialDays = 0)
    {
        lock (_lock)
            return Text(Begin(customer, price, [], trialDays, status), "id")!;
    }

    private void With(string id, Action<JsonObject> act)
    {
        lock (_lock)
            act(_objects[id]);
    }

    private string Complete(JsonObject session, Pays pays)
    {
        if (Text(session, "status") != "open")
            throw new InvalidOperationException($"the checkout is {Text(session, "status")}");
        session["status"] = "complete";
        session["url"] = null;
        session["payment_status"] = pays switch { Pays.Now => "paid", Pays.Nothing => "no_payment_required", _ => "unpaid" };
        session["customer"] ??= Text(Put("cus", new JsonObject { ["object"] = "customer", ["email"] = null, ["name"] = null, ["delinquent"] = false, ["metadata"] = new JsonObject() }), "id");
        if (Text(session, "mode") == "subscription")
        {
            var s = Begin(Text(session, "customer")!, Text(session, "fake_price")!, (JsonObject)session["fake_metadata"]!.DeepClone(), 0, pays == Pays.Later ? "incomplete" : "active", pays == Pays.Nothing);
            session["subscription"] = Text(s, "id");
            session["invoice"] = Text(s, "latest_invoice");
        }

        Emit("checkout.session.completed", Shown(session));
        return Text(session, "subscription") ?? "";
    }

    private void Expire(JsonObject session)
    {
        session["status"] = "expired";
        session["url"] = null;
        Emit("checkout.session.expired", Shown(session));
    }

    private JsonObject Begin(string customer, string price, JsonObject metadata, int trialDays, string status, bool free = false)
    {
        var s = Put("sub", new JsonObject
        {
            ["object"] = "subscription",
            ["customer"] = customer,
            ["status"] = status,
            ["cancel_at"] = null,
            ["cancel_at_period_end"] = false,
            ["canceled_at"] = null,
            ["ended_at"] = null,
            ["currency"] = "usd",
            ["collection_method"] = "charge_automatically",
            ["metadata"] = metadata,
            ["latest_invoice"] = null,
            ["pause_collection"] = null,
            ["start_date"] = Unix(Now),
            ["billing_cycle_anchor"] = Unix(Now),
        });
        s["items"] = new JsonObject
        {
            ["object"] = "list",
            ["has_more"] = false,
            ["url"] = $"/v1/subscription_items?subscription={Text(s, "id")}",
            ["data"] = new JsonArray(new JsonObject { ["id"] = $"si_{_serial:d6}", ["object"] = "subscription_item", ["quantity"] = 1, ["subscription"] = Text(s, "id"), ["price"] = _objects[price].DeepClone(), ["metadata"] = new JsonObject() }),
        };
        Period(s, Now);
        if (trialDays > 0)
        {
            s["trial_start"] = Unix(Now);
            s["trial_end"] = Unix(Now.AddDays(trialDays));
            s["items"]!["data"]![0]!["current_period_end"] = Unix(Now.AddDays(trialDays));
        }

        Emit("customer.subscription.created", s);
        var invoice = Bill(s);
        if (free || trialDays > 0)
            (invoice["total"], invoice["amount_due"]) = (0L, 0L);
        if (status is not "incomplete")
            Pay(invoice);
        return s;
    }

    private static void Period(JsonObject s, DateTimeOffset from)
    {
        s["items"]!["data"]![0]!["current_period_start"] = Unix(from);
        s["items"]!["data"]![0]!["current_period_end"] = Unix(from.AddMonths(1));
    }

    private static long PeriodEnd(JsonObject s) => s["items"]!["data"]![0]!["current_period_end"]!.GetValue<long>();

    private JsonObject Bill(JsonObject s)
    {
        var invoice = Put("in", Invoice(s, "open"));
        invoice["number"] = $"FAKE-{_serial:d4}";
        invoice["hosted_invoice_url"] = new Uri(Url, $"/i/{Text(invoice, "id")}").ToString();
        s["latest_invoice"] = Text(invoice, "id");
        Emit("invoice.finalized", invoice);
        return invoice;
    }

    private static JsonObject Invoice(JsonObject s, string status)
    {
        var amount = s["items"]!["data"]![0]!["price"]!["unit_amount"]!.GetValue<long>();
        return new JsonObject
        {
            ["object"] = "invoice",
            ["customer"] = Text(s, "customer"),
            ["status"] = status,
            ["currency"] = "usd",
            ["subtotal"] = amount,
            ["total"] = amount,
            ["amount_due"] = amount,
            ["amount_paid"] = 0L,
            ["attempt_count"] = 0,
            ["attempted"] = false,
            ["number"] = null,
            ["metadata"] = new JsonObject(),
            ["next_payment_attempt"] = null,
            ["invoice_pdf"] = null,
            ["hosted_invoice_url"] = null,
            ["parent"] = new JsonObject { ["type"] = "subscription_details", ["subscription_details"] = new JsonObject { ["subscription"] = Text(s, "id"), ["metadata"] = new JsonObject() } },
            ["lines"] = new JsonObject { ["object"] = "list", ["data"] = new JsonArray(), ["has_more"] = false },
        };
    }

    private void Pay(JsonObject invoice)
    {
        invoice["status"] = "paid";
        invoice["amount_paid"] = invoice["amount_due"]!.GetValue<long>();
        invoice["next_payment_attempt"] = null;
        invoice["attempted"] = true;
        Emit("invoice.paid", invoice);
        if (SubscriptionOf(invoice) is { } id && Text(_objects[id], "status") == "incomplete")
            Status(_objects[id], "active");
    }

    private void Status(JsonObject s, string status)
    {
        if (Text(s, "status") == status)
            return;
        s["status"] = status;
        Emit("customer.subscription.updated", s);
    }

    private static void SetEnding(JsonObject s, bool ends)
    {
        s["cancel_at_period_end"] = ends;
        s["cancel_at"] = ends ? PeriodEnd(s) : null;
    }

    private void Cancel(JsonObject s)
    {
        s["status"] = "canceled";
        s["canceled_at"] = Unix(Now);
        s["ended_at"] = Unix(Now);
        Emit("customer.subscription.deleted", s);
    }

    private void Delete(JsonObject customer)
    {
        foreach (var s in Every("subscription").Where(s => Text(s, "customer") == Text(customer, "id") && Text(s, "status") is not ("canceled" or "incomplete_expired")))
            Cancel(s);
        customer["deleted"] = true;
        Emit("customer.deleted", customer);
    }
}
