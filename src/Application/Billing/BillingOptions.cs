namespace Tokonomics.Application.Billing;

/// <summary>Settings under <c>Billing</c>. Without a secret key nothing is sold, and every tenant has everything.</summary>
public sealed class BillingOptions
{
    /// <summary>The secret key at Stripe: `sk_live_…`, `sk_test_…`, or a restricted `rk_…`. Empty: billing is off, and every tenant has every feature without a quota.</summary>
    public string SecretKey { get; set; } = "";

    /// <summary>The signing secrets of the webhook endpoint `/webhooks/stripe` (`whsec_…`), separated by commas: two while one takes the other's place.</summary>
    public string WebhookSecrets { get; set; } = "";

    /// <summary>A JSON file with the price list; empty for the built-in one: see billing.md.</summary>
    public string PlansFile { get; set; } = "";

    /// <summary>How long a plan is kept while a payment is due. 0 to 60 days.</summary>
    public TimeSpan Grace { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Lets Stripe compute taxes at checkout. It has to be set up there first.</summary>
    public bool AutomaticTax { get; set; }

    /// <summary>Where callers are sent whose plan has no call left; empty for `/billing` at `Portal:PublicUrl`.</summary>
    public Uri? UpgradeUrl { get; set; }

    /// <summary>Where Stripe's API is.</summary>
    public Uri StripeUrl { get; set; } = new("https://api.stripe.com");

    /// <summary><see cref="UpgradeUrl"/>, or its default.</summary>
    public Uri Upgrade => UpgradeUrl ?? new Uri("http://localhost:8080/billing");

    public bool Enabled => SecretKey.Length > 0;

    /// <summary>The key is one that moves real money.</summary>
    public bool Live => SecretKey.Contains("_live_", StringComparison.Ordinal);

    public IReadOnlyList<string> Secrets => WebhookSecrets.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>What can't be; null where all can. No secret is in it.</summary>
    public string? Problem() =>
        Enabled && !(SecretKey.StartsWith("sk_live_", StringComparison.Ordinal) || SecretKey.StartsWith("sk_test_", StringComparison.Ordinal) || SecretKey.StartsWith("rk_live_", StringComparison.Ordinal) || SecretKey.StartsWith("rk_test_", StringComparison.Ordinal))
            ? "Billing:SecretKey is no secret key of Stripe: those begin with sk_live_, sk_test_, rk_live_ or rk_test_. A key that begins with pk_ is the public one."
        : Enabled && SecretKey.Any(c => c is <= ' ' or >= (char)0x7f) ? "Billing:SecretKey has a character in it that no key has: a space or a line end was copied with it."
        : Enabled && Secrets.Count == 0 ? "Billing:WebhookSecrets is empty: add the endpoint /webhooks/stripe in Stripe's dashboard and set its signing secret (whsec_…). Without it nobody's payment would be heard of."
        : Secrets.FirstOrDefault(s => !s.StartsWith("whsec_", StringComparison.Ordinal) || s.Length < 14) is not null ? "Billing:WebhookSecrets has an entry that is no signing secret: those begin with whsec_."
        : Grace < TimeSpan.Zero || Grace > TimeSpan.FromDays(60) ? $"Billing:Grace is {Grace}; it must be 0 to 60 days."
        : StripeUrl.Scheme != Uri.UriSchemeHttps && !StripeUrl.IsLoopback ? $"Billing:StripeUrl is {StripeUrl}; it must be https: the secret key goes there."
        : null;
}
