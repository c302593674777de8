using System.Text;
using Tokonomics.Infrastructure.Stripe;
using Tokonomics.Testing;
using Tokonomics.Testing.FakeStripe;

namespace Tokonomics.Tests.Stripe;

public sealed class StripeSignatureTests(ITestOutputHelper output)
{
    private const string Secret = "whsec_first00000000000000";

    private const string Body = """{"id":"evt_1","object":"event"}""";

    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_796_000_000);

    private static string Hex(string secret, long t, string body = Body) => FakeStripe.Sign(body, secret, DateTimeOffset.FromUnixTimeSeconds(t)).Split("v1=")[1];

    private static readonly long T = Now.ToUnixTimeSeconds();

    // Header, whether ours takes it.
    public static IReadOnlyList<(string Header, bool Good)> Headers { get; } =
    [
        ($"t={T},v1={Hex(Secret, T)}", true),
        ($"t={T - 299},v1={Hex(Secret, T - 299)}", true),
        ($"t={T - 301},v1={Hex(Secret, T - 301)}", false),
        ($"t={T - 86400},v1={Hex(Secret, T - 86400)}", false),
        ($"t={T + 299},v1={Hex(Secret, T + 299)}", true),
        ($"t={T + 301},v1={Hex(Secret, T + 301)}", false), // the SDK takes it
        ($"t={T + 86400},v1={Hex(Secret, T + 86400)}", false), // the SDK takes it
        ($"t={T},v1={Hex("whsec_other000000000000000", T)},v1={Hex(Secret, T)}", true), // while a secret is rolled
        ($"t={T},v1={Hex(Secret, T)},v1={Hex("whsec_other000000000000000", T)}", true),
        ($"v1={Hex(Secret, T)},t={T}", true),
        ($"t={T},v0={Hex("x", T)},v1={Hex(Secret, T)}", true),
        ($"t={T},v1={Hex("whsec_other000000000000000", T)}", false),
        ($"t={T},v1={Hex(Secret, T, Body + " ")}", false),
        ($"t={T},v0={Hex(Secret, T)}", false),
        ($"t={T}, v1={Hex(Secret, T)}", false),
        ($"t={T},v1={Hex(Secret, T).ToUpperInvariant()}", false),
        ($"t={T},v1={Hex(Secret, T)[..63]}", false),
        ($"t={T},v1={Hex(Secret, T)}0", false),
        ($"t={T},v1=", false),
        ($"t={T + 1},v1={Hex(Secret, T)}", false),
        ($"t=1,t={T},v1={Hex(Secret, T)}", false), // the SDK takes it
        ($"t={T}.0,v1={Hex(Secret, T)}", false),
        ($"t=+{T},v1={Hex(Secret, T)}", false),
        ($"t= {T},v1={Hex(Secret, T)}", false),
        ($"T={T},v1={Hex(Secret, T)}", false),
        ($"t=,v1={Hex(Secret, T)}", false),
        ("t=NaN,v1=00", false),
        ($"v1={Hex(Secret, T)}", false),
        (Hex(Secret, T), false),
        ("", false),
        (",", false),
        ("t=,v1=", false),
        ($"t={T};v1={Hex(Secret, T)}", false),
        ($"t={T},v1={Hex(Secret, T)},", true),
        ($"t={T},v1={Hex(Secret, T)},x", true),
    ];

    private static string? Problem(string? header, params string[] secrets) => StripeSignature.Problem(header, Encoding.UTF8.GetBytes(Body), secrets.Length == 0 ? [Secret] : secrets, Now);

    [Fact]
    public void Good_headers_are_taken_and_bad_ones_refused()
    {
        foreach (var (header, good) in Headers)
            (Problem(header) is null).ShouldBe(good, header);
        Problem(null)!.ShouldContain("no Stripe-Signature");
        Problem("t=" + new string('1', 5000))!.ShouldContain("too long");
    }

    [Fact]
    public void Any_of_several_secrets_may_have_signed()
    {
        var header = $"t={T},v1={Hex(Secret, T)}";
        Problem(header, "whsec_other000000000000000", Secret).ShouldBeNull();
        Problem(header, "whsec_other000000000000000")!.ShouldContain("no secret in Billing:WebhookSecrets");
        StripeSignature.Problem(header, Encoding.UTF8.GetBytes(Body), [], Now).ShouldNotBeNull();
    }

    [Fact]
    public void What_is_wrong_is_said_without_the_secret()
    {
        Problem($"t={T - 301},v1={Hex(Secret, T - 301)}")!.ShouldContain("signed 301 s ago");
        Problem($"t={T + 301},v1={Hex(Secret, T + 301)}")!.ShouldContain("301 s in the future");
        foreach (var (header, _) in Headers)
            (Problem(header) ?? "").ShouldNotContain(Secret);
    }

    [Fact]
    public async Task It_is_never_looser_than_Stripe_s_own_library()
    {
        var verdicts = await NodeScript.RunAsync("stripe-signature.mjs", System.Text.Json.JsonSerializer.Serialize(new { body = Body, secret = Secret, now = T, headers = Headers.Select(h => h.Header) }));
        var theirs = System.Text.Json.JsonSerializer.Deserialize<bool[]>(verdicts)!;
        theirs.Length.ShouldBe(Headers.Count);
        theirs.Count(t => t).ShouldBeGreaterThan(5); // it does take the good ones
        for (var i = 0; i < Headers.Count; i++)
        {
            var ours = Problem(Headers[i].Header) is null;
            if (theirs[i] != ours)
                output.WriteLine($"stricter: {Headers[i].Header}");
            (ours && !theirs[i]).ShouldBeFalse(Headers[i].Header);
        }
    }
}
