using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Http;

/// <summary>The product over TLS and HTTP/2, as an operator sets it up: an address and a certificate in the settings.</summary>
public sealed class TlsProduct : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tokonomics-tls-").FullName;
    private string _thumbprint = "";

    public FakeProvider Provider { get; private set; } = null!;

    public TestProduct Product { get; private set; } = null!;

    public Uri Url { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var file = Path.Combine(_folder, "server.pfx");
        using var key = RSA.Create(2048);
        using (var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1)))
        {
            _thumbprint = certificate.Thumbprint;
            await File.WriteAllBytesAsync(file, certificate.Export(X509ContentType.Pfx, "secret"));
        }

        Provider = new FakeProvider((r, socket) => FakeProvider.SendAsync(socket, IngressProduct.Answer(r)));
        Product = await TestProduct.StartAsync(
            new Dictionary<string, string?>
            {
                ["Kestrel:Endpoints:Plain:Url"] = "http://127.0.0.1:0",
                ["Kestrel:Endpoints:Secure:Url"] = "https://127.0.0.1:0",
                ["Kestrel:Endpoints:Secure:Certificate:Path"] = file,
                ["Kestrel:Endpoints:Secure:Certificate:Password"] = "secret",
                ["Providers:openai:BaseUrl"] = Provider.Url.ToString(),
            },
            new Dictionary<string, string> { ["openai"] = IngressProduct.ProviderKey });
        Url = new Uri(Product.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single(a => a.StartsWith("https", StringComparison.Ordinal)));
        Client = new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, c, _, _) => IsOurs(c) } }) { BaseAddress = Url };
    }

    /// <summary>A connection of HTTP/2 whose frames are made by hand.</summary>
    public async Task<Http2Frames> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, Url.Port);
        var secure = new SslStream(new NetworkStream(socket, ownsSocket: true), false, (_, c, _, _) => IsOurs(c));
        await secure.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ApplicationProtocols = [SslApplicationProtocol.Http2], EnabledSslProtocols = SslProtocols.None });
        secure.NegotiatedApplicationProtocol.ShouldBe(SslApplicationProtocol.Http2);
        return await Http2Frames.BeginAsync(secure);
    }

    public bool IsOurs(X509Certificate? certificate) => certificate?.GetCertHashString() == _thumbprint;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Product.DisposeAsync();
        await Provider.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
