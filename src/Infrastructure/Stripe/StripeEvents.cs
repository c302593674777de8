using System.Text.Json;
using Tokonomics.Application.Billing;

namespace Tokonomics.Infrastructure.Stripe;

/// <summary>An event as Stripe sends it.</summary>
public static class StripeEvents
{
    /// <summary>Its envelope, in the form of any version of the API.</summary>
    /// <exception cref="PaymentsException">It is none.</exception>
    public static PaymentEvent Read(JsonElement e) => StripeReader.Event(e);
}
