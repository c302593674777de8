using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
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

    public bool IsOurs(X509Certificate? certificate) => certificate?.GetCertHashString() == _thumbprint;

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Product.DisposeAsync();
        await Provider.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>Calls by HTTP/2, with a library and by hand.</summary>
public sealed class Http2Tests(TlsProduct tls) : IClassFixture<TlsProduct>
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    [Fact]
    public async Task Plain_and_streamed_calls_pass_many_at_once()
    {
        var calls = Enumerable.Range(0, 60).Select(async i =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + (i % 2 == 0 ? tls.Product.TestKey : tls.Product.LiveKey));
            request.Content = new StringContent(i % 2 == 0 ? ProxyCalls.Chat(stream: i % 4 == 0) : Chat, Encoding.UTF8, "application/json");
            using var answer = await tls.Client.SendAsync(request);
            answer.Version.ShouldBe(HttpVersion.Version20);
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            answer.Headers.Contains("Server").ShouldBeFalse();
            var text = await answer.Content.ReadAsStringAsync();
            if (i % 4 == 0)
                text.ShouldEndWith("data: [DONE]\n\n");
            else
                text.ShouldContain("\"usage\"");
        });
        await Task.WhenAll(calls);
    }

    [Fact]
    public async Task Refusals_and_the_end_of_a_connection_hop_are_told_in_http_2s_own_way()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("{", Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("x-api-key", tls.Product.TestKey);
        using var answer = await tls.Client.SendAsync(request);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        IngressProduct.ErrorMessage("anthropic", await answer.Content.ReadAsStringAsync()).ShouldContain("JSON");
    }

    // RFC 9113 8.2: what a translation to HTTP/1.1 would turn into other headers or another request.
    public static TheoryData<string, string> Malformed => new()
    {
        { "transfer-encoding", "chunked" },
        { "connection", "close" },
        { "connection", "x-note" },
        { "keep-alive", "timeout=5" },
        { "proxy-connection", "keep-alive" },
        { "upgrade", "websocket" },
        { "te", "gzip" },
        { "X-Upper", "a" },
        { "x note", "a" },
        { "x-note:", "a" },
        { "x-note\r\nx-injected", "a" },
        { "x-note\0", "a" },
        { "", "a" },
        { "x-note", "a\r\nx-injected: b" },
        { "x-note", "a\nb" },
        { "x-note", "a\rb" },
        { "x-note", "a\0b" },
        { "x-note", "a\u0001b" },
        { "x-note", "a\u007fb" },
        { "content-length", "+5" },
        { "content-length", "5, 5" },
        { "content-length", "-1" },
        { "content-length", "99999999999999999999" },
        { ":path", "/v1/other" },
        { ":method", "GET" },
        { ":unknown", "a" },
        { ":status", "200" },
        { "x-n\u00f6te", "a" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task A_header_that_would_change_its_meaning_on_the_way_is_refused(string name, string value)
    {
        var before = tls.Provider.Requests.Count;
        await using var connection = await ConnectAsync();
        var status = await connection.RequestAsync(
            [(":method", "POST"), (":scheme", "https"), (":path", "/v1/chat/completions"), (":authority", "localhost"), ("authorization", "Bearer " + tls.Product.LiveKey), ("content-type", "application/json"), (name, value)], Chat);

        (status is null or >= 400 and < 500).ShouldBeTrue($"{name}: {value} got {status}");
        tls.Provider.Requests.Count.ShouldBe(before);
        await using var other = await ConnectAsync();
        (await other.RequestAsync(Sound("/v1/chat/completions"), Chat)).ShouldBe(200);
    }

    [Fact]
    public async Task A_host_beside_the_authority_counts_for_nothing()
    {
        await using var connection = await ConnectAsync();
        (await connection.RequestAsync([.. Sound("/v1/chat/completions"), ("host", "proxy.other.example")], Chat)).ShouldBe(200);
        tls.Provider.Requests.Last().Header("Host").ShouldBe(tls.Provider.Url.Authority);
    }

    [Theory]
    [InlineData("/v1/chat/completions\r\nx: y")]
    [InlineData("/v1/chat completions")]
    [InlineData("/v1/%2e%2e/x")]
    [InlineData("/proxy/openai/v1/a%2f..%2fb")]
    [InlineData("v1/chat/completions")]
    [InlineData("")]
    [InlineData("/v1/chat\0")]
    public async Task A_bad_path_is_refused(string path)
    {
        var before = tls.Provider.Requests.Count;
        await using var connection = await ConnectAsync();
        var status = await connection.RequestAsync(Sound(path), Chat);

        (status is null or >= 400 and < 500).ShouldBeTrue($"{path} got {status}");
        tls.Provider.Requests.Count.ShouldBe(before);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("5000")]
    public async Task A_length_that_is_not_the_bodys_is_refused(string length)
    {
        var before = tls.Provider.Requests.Count;
        await using var connection = await ConnectAsync();
        var status = await connection.RequestAsync([.. Sound("/v1/chat/completions"), ("content-length", length)], Chat);

        (status is null or >= 400 and < 500).ShouldBeTrue($"{status}");
        tls.Provider.Requests.Count.ShouldBe(before);
    }

    [Fact]
    public async Task A_client_that_resets_all_its_requests_harms_no_other()
    {
        await using var rude = await ConnectAsync();
        await rude.ResetManyAsync(Sound("/v1/chat/completions"), 500);

        await using var other = await ConnectAsync();
        for (var i = 0; i < 5; i++)
            (await other.RequestAsync(Sound("/v1/chat/completions"), Chat)).ShouldBe(200);
    }

    private (string, string)[] Sound(string path) =>
        [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "localhost"), ("authorization", "Bearer " + tls.Product.LiveKey), ("content-type", "application/json")];

    private async Task<Frames> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, tls.Url.Port);
        var secure = new SslStream(new NetworkStream(socket, ownsSocket: true), false, (_, c, _, _) => tls.IsOurs(c));
        await secure.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ApplicationProtocols = [SslApplicationProtocol.Http2], EnabledSslProtocols = SslProtocols.None });
        secure.NegotiatedApplicationProtocol.ShouldBe(SslApplicationProtocol.Http2);
        await secure.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        var frames = new Frames(secure);
        await frames.WriteAsync(4, 0, 0, []); // SETTINGS
        return frames;
    }

    /// <summary>Frames by hand: an HTTP/2 library would not send what these tests are about.</summary>
    private sealed class Frames(SslStream stream) : IAsyncDisposable
    {
        private int _next = 1;

        public async Task WriteAsync(byte type, byte flags, int streamId, byte[] payload)
        {
            var frame = new byte[9 + payload.Length];
            (frame[0], frame[1], frame[2], frame[3], frame[4]) = ((byte)(payload.Length >> 16), (byte)(payload.Length >> 8), (byte)payload.Length, type, flags);
            BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
            payload.CopyTo(frame, 9);
            try
            {
                await stream.WriteAsync(frame);
            }
            catch (IOException)
            {
                // Closed by the server, which is an answer.
            }
        }

        /// <summary>Sends a request; its status, or null where the stream or the connection was refused.</summary>
        public async Task<int?> RequestAsync((string Name, string Value)[] headers, string body)
        {
            var id = _next;
            _next += 2;
            await WriteAsync(1, 0x4, id, Hpack(headers)); // HEADERS, END_HEADERS
            await WriteAsync(0, 0x1, id, Encoding.UTF8.GetBytes(body)); // DATA, END_STREAM
            var head = new byte[9];
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            try
            {
                while (true)
                {
                    await stream.ReadExactlyAsync(head, patience.Token);
                    var payload = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
                    await stream.ReadExactlyAsync(payload, patience.Token);
                    var of = BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) & int.MaxValue;
                    if (head[3] == 7 || (head[3] == 3 && of == id)) // GOAWAY, RST_STREAM
                        return null;
                    if (head[3] == 4 && (head[4] & 1) == 0)
                        await WriteAsync(4, 1, 0, []); // SETTINGS, acknowledged
                    if (head[3] == 1 && of == id)
                        return Status(payload);
                }
            }
            catch (Exception e) when (e is IOException or EndOfStreamException)
            {
                return null;
            }
        }

        public async Task ResetManyAsync((string Name, string Value)[] headers, int times)
        {
            var block = Hpack(headers);
            for (var i = 0; i < times; i++, _next += 2)
            {
                await WriteAsync(1, 0x4, _next, block);
                await WriteAsync(3, 0, _next, [0, 0, 0, 8]); // RST_STREAM, CANCEL
            }
        }

        // Literals without indexing and without Huffman coding: RFC 7541 6.2.2.
        private static byte[] Hpack((string Name, string Value)[] headers)
        {
            var block = new List<byte>();
            foreach (var (name, value) in headers)
            {
                block.Add(0);
                Text(name);
                Text(value);
            }

            return [.. block];

            void Text(string text)
            {
                if (text.Length < 127)
                {
                    block.Add((byte)text.Length);
                }
                else
                {
                    block.Add(127);
                    var rest = text.Length - 127;
                    for (; rest >= 128; rest >>= 7)
                        block.Add((byte)(rest | 128));
                    block.Add((byte)rest);
                }

                block.AddRange(Encoding.Latin1.GetBytes(text));
            }
        }

        // Kestrel writes the status first: an index of the static table (8 to 14), or a literal of three digits under its name.
        private static int Status(byte[] block)
        {
            var at = 0;
            while ((block[at] & 0xe0) == 0x20)
                at++; // a change of the table's size
            if ((block[at] & 0x80) != 0)
                return (block[at] & 0x7f) switch { 8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400, 13 => 404, 14 => 500, var other => throw new InvalidDataException($"index {other}") };
            return int.Parse(Encoding.ASCII.GetString(block.AsSpan(at + 2, 3)), System.Globalization.CultureInfo.InvariantCulture);
        }

        public ValueTask DisposeAsync() => stream.DisposeAsync();
    }
}
