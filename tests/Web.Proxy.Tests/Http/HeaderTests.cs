using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Http;

/// <summary>Which headers cross, seen from both ends: what the provider received, and what the client did.</summary>
[Collection("ingress")]
public sealed class HeaderTests(IngressProduct ingress)
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    [Theory]
    [InlineData("Cookie: session=1")]
    [InlineData("X-Forwarded-For: 10.0.0.1")]
    [InlineData("X-Forwarded-Host: evil.example")]
    [InlineData("X-Forwarded-Proto: https")]
    [InlineData("x-forwarded-anything: a")]
    [InlineData("X-Internal-User: root")]
    [InlineData("X-Real-IP: 10.0.0.1")]
    [InlineData("X-Client-IP: 10.0.0.1")]
    [InlineData("True-Client-IP: 10.0.0.1")]
    [InlineData("Forwarded: for=10.0.0.1")]
    [InlineData("Via: 1.1 other")]
    [InlineData("X-Original-URL: /admin")]
    [InlineData("X-Rewrite-URL: /admin")]
    [InlineData("X-HTTP-Method-Override: DELETE")]
    [InlineData("X-HTTP-Method: DELETE")]
    [InlineData("X-Method-Override: DELETE")]
    [InlineData("X-Tokonomics-Tags: feature=search")]
    [InlineData("X-Tokonomics-Anything: a")]
    [InlineData("Keep-Alive: timeout=5")]
    [InlineData("Proxy-Authorization: Basic eDp5")]
    [InlineData("Proxy-Connection: keep-alive")]
    [InlineData("TE: trailers")]
    [InlineData("Trailer: X-Sum")]
    [InlineData("Upgrade: websocket")]
    [InlineData("HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")]
    [InlineData("Connection: close, X-Named")]
    [InlineData("Connection: keep-alive, X-Named")]
    [InlineData("Connection: X-Named")]
    [InlineData("Connection: x-NAMED ,close")]
    [InlineData("Connection: close\r\nConnection: X-Named")]
    [InlineData("X-Content-Length: 5")]
    [InlineData("x-goog-api-key: {key}")]
    [InlineData("x-api-key: {key}")]
    [InlineData("api-key: {key}")]
    public async Task It_does_not_reach_the_provider(string header)
    {
        header = header.Replace("{key}", ingress.Key, StringComparison.Ordinal);
        var answer = (await ingress.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat, header + "\r\nX-Named: a\r\nX-Crosses: yes\r\n"))).ShouldNotBeNull();

        answer.Status.ShouldBe(200, answer.Text);
        var received = ingress.LastRequest;
        received.Header("X-Crosses").ShouldBe("yes");
        received.Header(header[..header.IndexOf(':', StringComparison.Ordinal)]).ShouldBeNull();
        if (header.StartsWith("Connection", StringComparison.Ordinal))
            received.Header("X-Named").ShouldBeNull();
        received.Header("Authorization").ShouldBe("Bearer " + IngressProduct.ProviderKey);
        received.Header("Host").ShouldBe(ingress.Provider.Url.Authority);
        received.Headers.ShouldAllBe(h => !h.Value.Contains("mk_", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("anthropic-version: 2023-06-01")]
    [InlineData("anthropic-beta: a,b")]
    [InlineData("OpenAI-Organization: org-1")]
    [InlineData("OpenAI-Beta: assistants=v2")]
    [InlineData("Idempotency-Key: 1-2-3")]
    [InlineData("X-Stainless-Lang: python")]
    [InlineData("User-Agent: OpenAI/Python 2.0")]
    [InlineData("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
    [InlineData("HTTP-Referer: https://app.example")]
    [InlineData("Accept: text/event-stream")]
    [InlineData("Accept-Language: de")]
    [InlineData("X-Empty:")]
    [InlineData("X-Umlaut: \u00e4\u00f6")]
    public async Task It_reaches_the_provider_as_it_is(string header)
    {
        (await ingress.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat, header + "\r\n")))!.Status.ShouldBe(200);

        var name = header[..header.IndexOf(':', StringComparison.Ordinal)];
        ingress.LastRequest.Headers.Where(h => h.Key == name).ShouldHaveSingleItem().Value.ShouldBe(header[(name.Length + 1)..].Trim());
    }

    [Theory]
    [InlineData("Server: nginx/1.2")]
    [InlineData("X-Powered-By: PHP")]
    [InlineData("Set-Cookie: __cf_bm=1; path=/")]
    [InlineData("Alt-Svc: h3=\":443\"")]
    [InlineData("Strict-Transport-Security: max-age=31536000; includeSubDomains")]
    [InlineData("Report-To: {}")]
    [InlineData("NEL: {}")]
    [InlineData("Public-Key-Pins: x")]
    [InlineData("Clear-Site-Data: \"*\"")]
    [InlineData("Service-Worker-Allowed: /")]
    [InlineData("X-Accel-Redirect: /internal/secret")]
    [InlineData("X-Sendfile: /etc/passwd")]
    [InlineData("Keep-Alive: timeout=5")]
    [InlineData("Proxy-Authenticate: Basic")]
    [InlineData("Connection: keep-alive, X-Named")]
    [InlineData("X-Tokonomics-Request-Id: forged")]
    [InlineData("X-Internal-Node: 7")]
    [InlineData("Trailer: X-Sum")]
    [InlineData("Upgrade: h2c")]
    public async Task It_does_not_reach_the_client(string header)
    {
        ingress.Answering = _ => FakeProvider.Json("""{"usage":{"prompt_tokens":1,"completion_tokens":1}}""", header + "\r\nX-Named: a\r\nX-Crosses: yes\r\nX-Crosses: too\r\nRetry-After: 3\r\nx-request-id: req-9\r\n");
        try
        {
            var answer = (await ingress.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat))).ShouldNotBeNull();

            answer.Status.ShouldBe(200);
            var name = header[..header.IndexOf(':', StringComparison.Ordinal)];
            var value = header[(name.Length + 1)..].Trim();
            answer.Headers.ShouldAllBe(h => !(h.Key.Equals(name, StringComparison.OrdinalIgnoreCase) && h.Value == value));
            if (name == "Connection")
                answer["X-Named"].ShouldBeNull();
            answer.Headers.Where(h => h.Key == "X-Crosses").Select(h => h.Value).ShouldBe(["yes", "too"]);
            answer["Retry-After"].ShouldBe("3");
            answer["x-request-id"].ShouldBe("req-9");
            answer["Server"].ShouldBeNull();
        }
        finally
        {
            ingress.Answering = null;
        }
    }

    [Fact]
    public async Task Accept_encoding_is_cut_to_what_the_meter_reads()
    {
        foreach (var (sent, forwarded) in ((string, string?)[])[("gzip, deflate, br, zstd", "gzip, deflate, br"), ("zstd", "identity"), ("gzip;q=0.5, *;q=0", "gzip;q=0.5"), ("br", "br")])
        {
            await ingress.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat, $"Accept-Encoding: {sent}\r\n"));
            ingress.LastRequest.Header("Accept-Encoding").ShouldBe(forwarded, sent);
        }
    }

    [Fact]
    public async Task A_key_of_the_clients_own_passes_through_and_the_metering_key_stays()
    {
        var target = "/proxy/openai/v1/chat/completions";
        await ingress.SendAsync($"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-own\r\nX-Tokonomics-Key: {ingress.Key}\r\nContent-Type: application/json\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}");
        ingress.LastRequest.Header("Authorization").ShouldBe("Bearer sk-own");
        ingress.LastRequest.Headers.ShouldAllBe(h => !h.Value.Contains("mk_", StringComparison.Ordinal));

        // A second metering key where the provider's would be is no provider key.
        await ingress.SendAsync($"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ingress.Key}\r\nX-Tokonomics-Key: {ingress.Key}\r\nContent-Type: application/json\r\nContent-Length: {Chat.Length}\r\n\r\n{Chat}");
        ingress.LastRequest.Header("Authorization").ShouldBe("Bearer " + IngressProduct.ProviderKey);
    }

    // An answer's header may not become two, or a second answer.
    [Theory]
    [InlineData("X-Split: a\rX-Injected: b")]
    [InlineData("X-Split: a\nX-Injected: b")]
    [InlineData("X-Split: a\0b")]
    [InlineData("X-Split: a\u0001b")]
    [InlineData("X-Split: a\u007fb")]
    [InlineData("X-Split: a\u001b[31mb")]
    [InlineData("X-Split: a\r\n folded")]
    [InlineData("X Split: a")]
    [InlineData("X-Split\u00e4: a")]
    [InlineData("X-Split : a")]
    [InlineData(": a")]
    [InlineData("X-Split")]
    [InlineData("Content-Type: text/html\r\nContent-Type: application/json")]
    public async Task A_provider_cannot_split_an_answer(string header)
    {
        ingress.Answering = _ => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(FakeProvider.Json("""{"usage":{"prompt_tokens":1,"completion_tokens":1}}""", header + "\r\nX-After: yes\r\n")));
        try
        {
            await using var client = await ingress.ConnectAsync();
            await client.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat));
            var answer = (await client.ReadAsync()).ShouldNotBeNull();

            answer.Status.ShouldBeOneOf([200, 502], answer.Text);
            foreach (var (name, value) in answer.Headers)
            {
                name.ShouldAllBe(c => char.IsAsciiLetterOrDigit(c) || c == '-');
                value.ShouldAllBe(c => c >= ' ' && c != 0x7f);
            }

            if (header.StartsWith("X-Split: a\r", StringComparison.Ordinal) && !header.Contains('\n', StringComparison.Ordinal))
                answer["X-Injected"].ShouldBeNull();
            var row = await ingress.EventAsync(answer["x-tokonomics-request-id"]!);
            row.GetProperty("status").GetInt32().ShouldBeOneOf([200, 0], row.ToString());

            ingress.Answering = null;
            await client.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat));
            (await client.ReadAsync())!.Status.ShouldBe(200);
        }
        finally
        {
            ingress.Answering = null;
        }
    }

    // Statuses whose answers have no body, or that are none: the client hears of them in sound HTTP, whatever the provider sent behind.
    [Theory]
    [InlineData("101 Switching Protocols")]
    [InlineData("204 No Content")]
    [InlineData("205 Reset Content")]
    [InlineData("304 Not Modified")]
    [InlineData("000 Nothing")]
    [InlineData("099 Less")]
    [InlineData("299 Odd")]
    [InlineData("600 More")]
    [InlineData("999 Denied")]
    [InlineData("1000 Much")]
    [InlineData("20 Short")]
    public async Task An_odd_status_of_a_provider_breaks_nothing(string status)
    {
        ingress.Answering = _ => $"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}";
        try
        {
            await using var client = await ingress.ConnectAsync();
            await client.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat, "Connection: close\r\n"));
            var answer = (await client.ReadAsync()).ShouldNotBeNull();

            answer.Status.ShouldNotBe(500, answer.Text);
            (await client.EndsAsync()).ShouldBeTrue();
            var row = await ingress.EventAsync(answer["x-tokonomics-request-id"]!);
            row.GetProperty("outcome").GetString().ShouldBe(answer.Status == 502 ? "unreachable" : "completed", row.ToString());
        }
        finally
        {
            ingress.Answering = null;
        }
    }

    [Theory]
    [InlineData("/healthz", 200)]
    [InlineData("/readyz", 200)]
    [InlineData("/v1/models", 200)]
    [InlineData("/v1/nothing", 404)]
    [InlineData("/proxy/nobody/x", 404)]
    [InlineData("/proxy/openai/%2e%2e/x", 400)]
    [InlineData("/api/v1/keys", 401)]
    [InlineData("/api/v1/nothing", 404)]
    [InlineData("/", 200)]
    [InlineData("/chat/completions", 404)]
    public async Task Our_own_answers_name_their_type_and_charset_and_no_server(string target, int status)
    {
        // A page is asked for without a key; with one, the caller is an SDK whose base URL says nothing of where to.
        var answer = (await ingress.SendAsync(target == "/" ? "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" : ingress.Head($"GET {target} HTTP/1.1"))).ShouldNotBeNull();

        answer.Status.ShouldBe(status);
        answer["Server"].ShouldBeNull();
        answer["X-Powered-By"].ShouldBeNull();
        var type = answer["Content-Type"].ShouldNotBeNull();
        (type.StartsWith("application/problem+json", StringComparison.Ordinal) || type.EndsWith("; charset=utf-8", StringComparison.Ordinal)).ShouldBeTrue(type);
        if (target.StartsWith("/v1", StringComparison.Ordinal) || target.StartsWith("/proxy", StringComparison.Ordinal))
            answer["X-Content-Type-Options"].ShouldBe("nosniff");
    }

    // The portal lives on the same host: what a provider answers must stay data there.
    [Fact]
    public async Task A_page_from_a_provider_can_do_nothing_on_the_portals_host()
    {
        ingress.Answering = _ => "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Security-Policy: script-src *\r\nX-Content-Type-Options: sniff\r\nContent-Length: 25\r\n\r\n<script>alert(1)</script>";
        try
        {
            var answer = (await ingress.SendAsync($"GET /proxy/gemini/v1beta/models?key={ingress.Key} HTTP/1.1\r\nHost: localhost\r\n\r\n")).ShouldNotBeNull();

            answer.Status.ShouldBe(200);
            answer.Headers.Where(h => h.Key == "Content-Security-Policy").ShouldHaveSingleItem().Value.ShouldBe("sandbox; default-src 'none'");
            answer["X-Content-Type-Options"].ShouldBe("nosniff");
            answer.Text.ShouldBe("<script>alert(1)</script>");
        }
        finally
        {
            ingress.Answering = null;
        }
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_redirect_is_the_clients_to_see_and_nobodys_to_follow(int status)
    {
        await using var elsewhere = FakeProvider.Always(FakeProvider.Json("{}"));
        ingress.Answering = _ => $"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.Url}stolen\r\nContent-Length: 2\r\n\r\n{{}}";
        try
        {
            foreach (var request in (string[])[ingress.Post("/proxy/openai/v1/chat/completions", Chat), ingress.Head("GET /proxy/openai/v1/models HTTP/1.1"), ingress.Post("/proxy/anthropic/v1/messages", Chat)])
            {
                var answer = (await ingress.SendAsync(request)).ShouldNotBeNull();
                answer.Status.ShouldBe(status);
                answer["Location"].ShouldBe($"{elsewhere.Url}stolen");
            }

            elsewhere.Requests.ShouldBeEmpty();
        }
        finally
        {
            ingress.Answering = null;
        }
    }

    [Theory]
    [InlineData("feature=search", 200)]
    [InlineData("feature=search, customer=acme corp", 200)]
    [InlineData("customer=M\u00c3\u00bcller", 200)]
    [InlineData("customer=\u00c3\u0080", 200)]
    [InlineData("customer=\u00e4", 200)]
    [InlineData("a=b=c", 200)]
    [InlineData("", 200)]
    [InlineData("feature", 400)]
    [InlineData("=x", 400)]
    [InlineData("feature=", 400)]
    [InlineData("1feature=x", 400)]
    [InlineData("fea ture=x", 400)]
    [InlineData("feature=x,FEATURE=y", 400)]
    [InlineData("customer=a\u0085b", 400)]
    [InlineData("customer=\u00c2\u009b31m", 400)]
    [InlineData("customer=a\u001b[31mb", 400)]
    [InlineData("customer=a\u007fb", 400)]
    [InlineData("cust\u00e4mer=a", 400)]
    public async Task Tags_are_text_or_refused(string tags, int status)
    {
        var answer = (await ingress.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", Chat, $"X-Tokonomics-Tags: {tags}\r\n"))).ShouldNotBeNull();

        answer.Status.ShouldBe(status, answer.Text);
        if (status != 200)
            return;
        var stored = (await ingress.EventAsync(answer["x-tokonomics-request-id"]!)).GetProperty("tags");
        if (tags.Contains("\u00c3\u00bc", StringComparison.Ordinal))
            stored.GetProperty("customer").GetString().ShouldBe("M\u00fcller");
        if (tags == "customer=\u00e4")
            stored.GetProperty("customer").GetString().ShouldBe("\u00e4");
    }

    [Fact]
    public async Task Too_many_or_too_long_tags_are_refused()
    {
        foreach (var tags in (string[])[string.Join(',', Enumerable.Range(0, 17).Select(i => $"t{i}=x")), "a=" + new string('x', 257), new string('a', 65) + "=x"])
            (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat, $"X-Tokonomics-Tags: {tags}\r\n")))!.Status.ShouldBe(400);
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat, $"X-Tokonomics-Tags: {string.Join(',', Enumerable.Range(0, 16).Select(i => $"t{i}=x"))}\r\n")))!.Status.ShouldBe(200);
    }
}
