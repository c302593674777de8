using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Standalone.Tests.Hosts;

/// <summary>The product with a certificate made for the test, by Kestrel's own settings, on an https and a plain address; and behind a balancer.</summary>
public sealed class TlsTests : IDisposable
{
    private const string Plain = "/proxy/openai/v1/chat/completions";

    private readonly TestFolder _folder = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("endpoint")]
    [InlineData("default")]
    public async Task V29_With_a_certificate_calls_come_over_TLS_and_are_refused_in_the_clear(string by)
    {
        var (certificate, key) = MakeCertificate();
        int plainPort = ProductProcess.FreePort(), port = ProductProcess.FreePort();
        Dictionary<string, string?> settings = by == "endpoint"
            ? new()
            {
                ["Kestrel:Endpoints:Http:Url"] = $"http://127.0.0.1:{plainPort}",
                ["Kestrel:Endpoints:Https:Url"] = $"https://127.0.0.1:{port}",
                ["Kestrel:Endpoints:Https:Certificate:Path"] = certificate,
                ["Kestrel:Endpoints:Https:Certificate:KeyPath"] = key,
            }
            : new()
            {
                ["urls"] = $"http://127.0.0.1:{plainPort};https://127.0.0.1:{port}",
                ["Kestrel:Certificates:Default:Path"] = certificate,
                ["Kestrel:Certificates:Default:KeyPath"] = key,
            };
        await using var product = await TestProduct.StartAsync(settings);
        using var secure = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, c, _, _) => c!.Subject == "CN=localhost" } }) { BaseAddress = new Uri($"https://127.0.0.1:{port}") };
        using var plain = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{plainPort}") };

        (await CallAsync(secure, Plain, product.TestKey)).Status.ShouldBe(200);
        // The same call in the clear: refused in the shape of each dialect, with how to mend it; an unknown key reads the same, for no key was looked at.
        foreach (var metering in (string[])[product.TestKey, "mk_test_unknown", ""])
        {
            var (status, body, headers) = await CallAsync(plain, Plain, metering);
            status.ShouldBe(403);
            body.GetProperty("error").GetProperty("code").GetString().ShouldBe("tls_required");
            body.GetProperty("error").GetProperty("message").GetString()!.ShouldContain($"https://127.0.0.1:{port}");
            body.GetProperty("error").GetProperty("message").GetString()!.ShouldContain("replace it");
            headers.GetValues("x-should-retry").Single().ShouldBe("false");
        }

        var anthropic = await CallAsync(plain, "/proxy/anthropic/v1/messages", product.TestKey);
        anthropic.Status.ShouldBe(403);
        anthropic.Body.GetProperty("type").GetString().ShouldBe("error");
        anthropic.Body.GetProperty("error").GetProperty("type").GetString().ShouldBe("permission_error");
        (await CallAsync(plain, "/v1/chat/completions", product.TestKey)).Status.ShouldBe(403);
        // A key at an address that is none of the proxy's, by GET too, is not redirected along.
        (await SendAsync(plain, HttpMethod.Get, "/nowhere", product.TestKey)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        // The API.
        using (var api = await SendAsync(plain, HttpMethod.Get, "/api/v1/usage/events", product.Token))
        {
            api.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
            (await api.Content.ReadFromJsonAsync<JsonElement>(Cancel)).GetProperty("type").GetString().ShouldBe("urn:tokonomics:problem:tls_required");
        }

        (await SendAsync(secure, HttpMethod.Get, "/api/v1/usage/events", product.Token)).StatusCode.ShouldBe(HttpStatusCode.OK);
        // Pages go on to TLS, probes answer either way.
        using (var page = await plain.GetAsync("/?a=b", Cancel))
        {
            page.StatusCode.ShouldBe(HttpStatusCode.PermanentRedirect);
            page.Headers.Location!.ToString().ShouldBe($"https://127.0.0.1:{port}/?a=b");
        }

        (await plain.GetStringAsync("/healthz", Cancel)).ShouldBe("ok");
        (await plain.GetAsync("/readyz", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        // No TLS in between: nobody is believed about it.
        (await CallAsync(plain, Plain, product.TestKey, ("X-Forwarded-Proto", "https"))).Status.ShouldBe(403);
        product.Sandbox.Bill.Lines.Count.ShouldBe(1);
        product.Log.Lines.ShouldNotContain(l => l.Contains(product.TestKey, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("127.0.0.0/8", 200)]
    [InlineData("10.0.0.0/8, 127.0.0.1", 200)]
    [InlineData("10.0.0.0/8", 403)] // a spoofed header of an untrusted peer
    public async Task Behind_a_balancer_its_word_on_TLS_counts_and_nobody_elses(string trusted, int status)
    {
        await using var product = await TestProduct.StartAsync([new("Proxy:TrustedProxies", trusted), new("Proxy:RequireTls", "true"), new("Portal:PublicUrl", "https://tokonomics.example")]);
        (await CallAsync(product.Client, Plain, product.TestKey, ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"))).Status.ShouldBe(status);
        (await CallAsync(product.Client, Plain, product.TestKey)).Status.ShouldBe(403);
        (await CallAsync(product.Client, Plain, product.TestKey, ("X-Forwarded-Proto", "http"))).Status.ShouldBe(403);
        // What the balancer was told by its own client comes before what it says itself: the nearest counts.
        (await CallAsync(product.Client, Plain, product.TestKey, ("X-Forwarded-Proto", "https, http"), ("X-Forwarded-For", "127.0.0.1, 203.0.113.9"))).Status.ShouldBe(403);
        using (var page = await product.Client.GetAsync("/prices", Cancel))
            page.Headers.Location?.ToString().ShouldBe("https://tokonomics.example/prices");
        product.Sandbox.Bill.Lines.Count.ShouldBe(status == 200 ? 1 : 0);
    }

    [Theory]
    [InlineData("127.0.0.1", "https://proxy.example/v1")]
    [InlineData("", "http://127.0.0.1")]
    public async Task Who_and_where_the_client_is_comes_from_trusted_peers_alone(string trusted, string says)
    {
        await using var product = await TestProduct.StartAsync([new("Proxy:TrustedProxies", trusted)]);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/nowhere");
        request.Headers.Add("Authorization", "Bearer " + product.TestKey);
        foreach (var (name, value) in ((string, string)[])[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "proxy.example"), ("X-Forwarded-For", "203.0.113.9")])
            request.Headers.Add(name, value);
        using var answer = await product.Client.SendAsync(request, Cancel);
        // On a host named proxy.* every path is a provider's name; believed or not shows in what the refusal says.
        var message = await answer.Content.ReadAsStringAsync(Cancel);
        message.ShouldContain(trusted.Length > 0 ? "no provider is named 'nowhere'" : says);
    }

    [Theory]
    [InlineData("Proxy__TrustedProxies", "10.0.0.0/8, balancer", "'balancer'")]
    [InlineData("Proxy__RequireTls", "true", "Proxy:TrustedProxies")]
    [InlineData("Kestrel__Endpoints__Https__Url", "https://127.0.0.1:1", "")]
    public async Task A_setting_that_can_not_work_is_said_at_start(string name, string value, string says)
    {
        var settings = new Dictionary<string, string> { [name] = value, ["Kestrel__Certificates__Default__Path"] = Path.Combine(_folder.Path, "nosuch.pem") };
        var failure = await Should.ThrowAsync<InvalidOperationException>(() => ProductProcess.ServeAsync(_folder.Path, settings));
        failure.Message.ShouldContain(says.Length > 0 ? says : "nosuch.pem");
        failure.Message.ShouldNotContain("   at ", customMessage: failure.Message);
    }

    private (string Certificate, string Key) MakeCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(100));
        var (path, keyPath) = (Path.Combine(_folder.Path, "tls.crt"), Path.Combine(_folder.Path, "tls.key"));
        File.WriteAllText(path, certificate.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return (path, keyPath);
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient client, HttpMethod method, string path, string token)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.Add("Authorization", "Bearer " + token);
        return client.SendAsync(request, Cancel);
    }

    private static async Task<(int Status, JsonElement Body, System.Net.Http.Headers.HttpResponseHeaders Headers)> CallAsync(HttpClient client, string path, string key, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(new { model = "sandbox-small", max_tokens = 50, messages = new[] { new { role = "user", content = "Hello" } } }) };
        if (key.Length > 0)
            request.Headers.Add("Authorization", "Bearer " + key);
        foreach (var (name, value) in headers)
            request.Headers.Add(name, value);
        using var answer = await client.SendAsync(request, Cancel);
        return ((int)answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel), answer.Headers);
    }
}
