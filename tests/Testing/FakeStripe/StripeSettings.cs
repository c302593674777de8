namespace Tokonomics.Testing.FakeStripe;

/// <summary>Settings of a product that sells.</summary>
public static class StripeSettings
{
    public static IEnumerable<KeyValuePair<string, string?>> Of(FakeStripeServer server) =>
        [new("Billing:SecretKey", FakeStripe.Key), new("Billing:WebhookSecrets", FakeStripe.Secret), new("Billing:StripeUrl", server.Url.ToString())];
}
