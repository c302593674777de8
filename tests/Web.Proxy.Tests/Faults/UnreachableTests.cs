using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>F25: a provider that can't be reached. Every provider's base URL is a port that refuses, but for some with a trouble of their own.</summary>
public sealed class UnreachableTests(UnreachableTests.Ports upstream) : IClassFixture<UnreachableTests.Ports>
{
    public sealed class Ports : Upstream
    {
        private readonly TlsServer _selfSigned = new(DateTimeOffset.UtcNow.AddDays(1));
        private readonly TlsServer _expired = new(DateTimeOffset.UtcNow.AddDays(-1));
        private readonly TcpListener _silent = new(IPAddress.Loopback, 0);

        protected override void Stopped()
        {
            _selfSigned.Dispose();
            _expired.Dispose();
            _silent.Dispose();
        }

        protected override IEnumerable<KeyValuePair<string, string?>> Settings
        {
            get
            {
                // Taken and given back: nothing listens there.
                using var free = new Socket(SocketType.Stream, ProtocolType.Tcp);
                free.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                var closed = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndPoint!).Port}";
                _silent.Start();
                return
                [
                    .. Providers.Select(p => KeyValuePair.Create($"Providers:{p}:BaseUrl", (string?)closed)),
                    new("Providers:mistral:BaseUrl", "http://no-such-host.invalid"),
                    new("Providers:groq:BaseUrl", _selfSigned.Url),
                    new("Providers:xai:BaseUrl", _expired.Url),
                    new("Providers:together:BaseUrl", $"https://127.0.0.1:{((IPEndPoint)_silent.LocalEndpoint).Port}"),
                    new("Proxy:ConnectTimeout", "00:00:02"),
                ];
            }
        }
    }

    public static TheoryData<string, string> ErrorShapes => new()
    {
        { "chat", "error.type=server_error error.code=provider_unreachable" },
        { "chat, usage swallowed", "error.type=server_error error.code=provider_unreachable" },
        { "responses", "error.type=server_error error.code=provider_unreachable" },
        { "messages", "type=error error.type=api_error" },
        { "gemini", "error.code=502 error.status=INTERNAL" },
        { "gemini, array", "error.code=502 error.status=INTERNAL" },
        { "cohere", "message=cohere can't be reached: it refuses connections" },
        { "ollama", "error=ollama can't be reached: it refuses connections" },
    };

    [Theory]
    [MemberData(nameof(ErrorShapes))]
    public async Task A_provider_that_refuses_connections_is_a_502_in_the_shape_of_its_dialect_and_costs_nothing(string stream, string expected)
    {
        var seen = await upstream.SeeAsync(StreamSample.Named(stream).Call, []);

        seen.Status.ShouldBe(502);
        seen.Header("x-should-retry").ShouldBe("true");
        seen.Header("retry-after").ShouldBe("1");
        foreach (var pair in expected.Split(' ', 2).Length == 2 && expected.Contains(' ') && !expected.Contains("can't") ? expected.Split(' ') : [expected])
        {
            var (path, value) = (pair[..pair.IndexOf('=')], pair[(pair.IndexOf('=') + 1)..]);
            path.Split('.').Aggregate(JsonDocument.Parse(seen.Text).RootElement, (e, name) => e.GetProperty(name)).ToString().ShouldBe(value);
        }

        ShouldBeUnreachable(seen);
    }

    [Theory]
    [InlineData("mistral", "mistral can't be reached: ")]
    [InlineData("groq", "groq can't be reached: its certificate is not valid")]
    [InlineData("xai", "xai can't be reached: its certificate is not valid")]
    [InlineData("together", "together can't be reached: it doesn't accept connections in time")]
    public async Task A_bad_host_name_a_bad_certificate_and_a_silent_port_are_unreachable_too(string provider, string message)
    {
        var seen = await upstream.SeeAsync(ClientCall.Chat(provider: provider), []);

        seen.Status.ShouldBe(502);
        JsonDocument.Parse(seen.Text).RootElement.GetProperty("error").GetProperty("message").GetString()!.ShouldStartWith(message);
        ShouldBeUnreachable(seen);
    }

    private static void ShouldBeUnreachable(Seen seen)
    {
        seen["outcome"].ShouldBe("unreachable");
        seen["status"].ShouldBe("0");
        seen["usage_source"].ShouldBe("none");
        seen["price_status"].ShouldBe("free");
        decimal.Parse(seen["cost_usd"]!, System.Globalization.CultureInfo.InvariantCulture).ShouldBe(0m);
    }

    /// <summary>Shakes hands with a certificate that nobody trusts.</summary>
    private sealed class TlsServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2 _certificate;

        public TlsServer(DateTimeOffset until)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            using var made = request.CreateSelfSigned(until.AddDays(-30), until);
            _certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
            _listener.Start();
            _ = AcceptAsync();
        }

        public string Url => $"https://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync()
        {
            while (true)
            {
                TcpClient client;
                try
                {
                    client = await _listener.AcceptTcpClientAsync();
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }

                _ = Task.Run(async () =>
                {
                    using (client)
                    {
                        try
                        {
                            await using var tls = new SslStream(client.GetStream());
                            await tls.AuthenticateAsServerAsync(_certificate);
                        }
                        catch (Exception e) when (e is System.Security.Authentication.AuthenticationException or IOException)
                        {
                            // The proxy does not like it: that is the test.
                        }
                    }
                });
            }
        }
    }
}
