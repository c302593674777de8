using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>
/// The product behind nginx, which keeps one connection to it and puts the requests of all clients there: if both didn't see every
/// request's end at the same byte, one client's bytes would become another's answer.
/// </summary>
[Collection("ingress")]
public sealed class NginxTests(IngressProduct ingress) : IAsyncLifetime
{
    private const string Chat = """{"model":"neighbour","messages":[]}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("tokonomics-nginx-").FullName;
    private Process? _nginx;
    private int _port;

    public async ValueTask InitializeAsync()
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Select(p => Path.Combine(p, "nginx")).FirstOrDefault(File.Exists);
        if (program is null)
        {
            Environment.GetEnvironmentVariable("CI").ShouldBeNullOrEmpty("nginx is missing");
            Assert.Skip("needs nginx");
        }

        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            _port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        var configuration = Path.Combine(_folder, "nginx.conf");
        await File.WriteAllTextAsync(configuration, $$"""
            daemon off; master_process off; worker_processes 1; pid {{_folder}}/pid; error_log {{_folder}}/error.log;
            events { worker_connections 256; }
            http {
              access_log off; client_body_temp_path {{_folder}}/b; proxy_temp_path {{_folder}}/p; fastcgi_temp_path {{_folder}}/f; uwsgi_temp_path {{_folder}}/u; scgi_temp_path {{_folder}}/s;
              upstream product { server 127.0.0.1:{{ingress.Port}}; keepalive 1; }
              server {
                listen 127.0.0.1:{{_port}};
                proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_request_buffering off; proxy_buffering off; ignore_invalid_headers off; underscores_in_headers on;
                location / { proxy_pass http://product; }
              }
            }
            """);
        _nginx = Process.Start(new ProcessStartInfo(program!, ["-p", _folder, "-c", configuration, "-e", Path.Combine(_folder, "error.log")]) { RedirectStandardError = true })!;
        await ConnectionTests.EventuallyAsync(
            () =>
            {
                try
                {
                    using var probe = new TcpClient("127.0.0.1", _port);
                    return true;
                }
                catch (SocketException)
                {
                    return false;
                }
            },
            "nginx listens");
    }

    public async ValueTask DisposeAsync()
    {
        if (_nginx is not null)
        {
            _nginx.Kill();
            await _nginx.WaitForExitAsync();
            _nginx.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task No_ambiguous_request_gets_a_second_answer_or_changes_the_neighbours()
    {
        var smuggled = $"GET /v1/models?smuggled HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ingress.Key}\r\n\r\n";
        var cases = FramingTests.AllCases.Concat(
        [
            ("no case but a neighbour", ingress.Post("/proxy/openai/v1/chat/completions", Chat)),
            ("a length that is too short", ingress.Head("POST /proxy/openai/v1/chat/completions HTTP/1.1", "Content-Length: 2\r\n") + "{}"),
            ("a refused body", $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {smuggled.Length}\r\n\r\n{smuggled}"),
            ("a refused body in chunks", $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled.Length:x}\r\n{smuggled}\r\n0\r\n\r\n"),
            ("an unknown provider's body", ingress.Post("/proxy/nobody/x", smuggled)),
            ("a body on a GET", ingress.Head("GET /proxy/openai/v1/models HTTP/1.1", $"Content-Length: {smuggled.Length}\r\n") + smuggled),
            ("a body that is too large", ingress.Head("POST /proxy/openai/v1/chat/completions HTTP/1.1", $"Content-Length: {IngressProduct.MaxBodyBytes * 2}\r\n") + new string('x', IngressProduct.MaxBodyBytes * 2)),
            ("an upgrade", ingress.Head("GET /proxy/openai/v1/models HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n")),
            ("an upgrade to h2c", ingress.Head("GET /proxy/openai/v1/models HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")),
            ("an expectation", ingress.Head("POST /v1/x HTTP/1.1", $"Expect: 100-continue\r\nContent-Length: {smuggled.Length}\r\n") + smuggled),
        ]).ToList();
        var number = 0;
        foreach (var (name, request) in cases)
        {
            var before = ingress.Provider.Requests.Count;
            await using (var attacker = await RawClient.ConnectAsync(_port))
            {
                await attacker.SendAsync(request.Replace("{0}", ingress.Key, StringComparison.Ordinal));
                attacker.FinishSending();
                while (await attacker.ReadAsync() is { } answer)
                    answer.Status.ShouldNotBe(500, name);
            }

            ingress.Provider.Requests.Skip(before).ShouldAllBe(r => !r.Line.Contains("smuggled", StringComparison.Ordinal));
            // The neighbours, one after the other on the connection that the attacker may have poisoned: each gets its own answer.
            for (var i = 0; i < 3; i++)
            {
                var body = Chat.Replace("neighbour", $"neighbour-{++number}", StringComparison.Ordinal);
                await using var neighbour = await RawClient.ConnectAsync(_port);
                await neighbour.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", body, "Connection: close\r\n"));
                var answer = (await neighbour.ReadAsync()).ShouldNotBeNull(name);
                answer.Status.ShouldBe(200, $"{name}: {answer.Text}");
                ingress.LastRequest.Text.ShouldBe(body, name);
                (await neighbour.EndsAsync()).ShouldBeTrue(name);
            }
        }

        cases.Count.ShouldBeGreaterThan(90);
    }

    [Fact]
    public async Task A_stream_passes_through_both_as_it_comes()
    {
        await using var client = await RawClient.ConnectAsync(_port);
        await client.SendAsync($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ingress.Product.TestKey}\r\nContent-Type: application/json\r\nContent-Length: {ProxyCalls.Chat(stream: true).Length}\r\n\r\n{ProxyCalls.Chat(stream: true)}");

        var answer = (await client.ReadAsync()).ShouldNotBeNull();
        answer.Status.ShouldBe(200);
        answer.Whole.ShouldBeTrue();
        answer.Text.ShouldEndWith("data: [DONE]\n\n");
    }
}
