using System.Text;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Ingress;

namespace Tokonomics.Web.Proxy.Tests.Security;

/// <summary>
/// What must be nowhere afterwards: every call carries words of its own in its prompt, headers, URL, tags and keys, most calls fail in some
/// way, and then everything that was logged at any level and every byte of the data folder is searched for them.
/// </summary>
public sealed class RedactionTests : IAsyncLifetime
{
    private const string Canary = "CANARY7Q";
    private const string Tagged = "TAGBIRD7Q";

    private FakeProvider _provider = null!;
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync()
    {
        var dice = new Random(42);
        // A provider that repeats what it was sent, in whatever it answers: headers, status lines, bodies, or no HTTP at all.
        _provider = new FakeProvider(async (request, socket) =>
        {
            var echo = Encoding.Latin1.GetString(request.Body).Replace("\r", " ", StringComparison.Ordinal).Replace("\n", " ", StringComparison.Ordinal);
            await FakeProvider.SendAsync(socket, dice.Next(9) switch
            {
                0 => FakeProvider.Json($$$"""{"error":{"message":"wrong: {{{Canary}}}"}}""", $"x-request-id: r1\r\nX-Echo: {Canary}\r\n").Replace("200 OK", "500 Error", StringComparison.Ordinal),
                1 => $"{Canary} this is no HTTP {echo}\r\n\r\n",
                2 => $"HTTP/1.1 2x0 {Canary}\r\n\r\n",
                3 => $"HTTP/1.1 200 OK\r\n{Canary} no colon {echo}\r\n\r\n",
                4 => $"HTTP/1.1 200 OK\r\nContent-Type: {Canary}\r\nContent-Length: 999999\r\n\r\n{echo}",
                5 => $"HTTP/1.1 200 {Canary}\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{Canary}\r\n",
                6 => $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\n{Canary}",
                7 => $"HTTP/1.1 302 Found\r\nLocation: https://{Canary}.example/\r\nContent-Length: 0\r\n\r\n",
                _ => FakeProvider.Json($$$"""{"model":"gpt-4o-mini","choices":[{"message":{"content":"{{{Canary}}}"}}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"""),
            });
            if (dice.Next(2) == 0)
                FakeProvider.Reset(socket);
            else
                socket.Close();
        });
        _product = await TestProduct.StartAsync(
            new Dictionary<string, string?>
            {
                ["Providers:openai:BaseUrl"] = _provider.Url.ToString(), ["Providers:anthropic:BaseUrl"] = _provider.Url.ToString(), ["Providers:gemini:BaseUrl"] = _provider.Url.ToString(),
                ["Providers:groq:BaseUrl"] = "http://127.0.0.1:9", ["Providers:xai:BaseUrl"] = "http://no-such-host.invalid",
                ["Proxy:MaxBodyBytes"] = "4096",
            },
            new[] { "openai", "anthropic", "gemini", "groq", "xai" }.ToDictionary(n => n, n => $"sk-{n}-PROVIDERBIRD7Q-0123456789"));
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
    }

    [Fact]
    public async Task Thousands_of_calls_leave_no_word_behind()
    {
        var dice = new Random(7);
        var statuses = new Dictionary<int, int>();
        for (var i = 0; i < 2500; i++)
        {
            var answer = await SendAsync(Request(i, dice));
            statuses[answer] = statuses.GetValueOrDefault(answer) + 1;
        }

        // Each kind of end is among them, else the search below would prove nothing.
        foreach (var status in (int[])[200, 302, 400, 401, 404, 413, 431, 500, 502])
            statuses.ShouldContainKey(status);
        await _product.FlushAsync();
        string[] words = [Canary, "PROVIDERBIRD7Q", _product.LiveKey[18..], _product.TestKey[18..], _product.Token[12..]];

        foreach (var line in _product.Log.Lines)
            foreach (var word in words.Append(Tagged))
                line.ShouldNotContain(word, Case.Insensitive);
        var files = Directory.GetFiles(_product.DataFolder, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)).ToList();
        var tags = 0;
        foreach (var file in files)
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var copy = new MemoryStream();
            await stream.CopyToAsync(copy);
            foreach (var word in words)
                foreach (var coding in (Encoding[])[Encoding.UTF8, Encoding.Unicode])
                    copy.ToArray().AsSpan().IndexOf(coding.GetBytes(word)).ShouldBe(-1, $"{Path.GetFileName(file)} has {word[..4]}…");
            tags += copy.ToArray().AsSpan().IndexOf(Encoding.UTF8.GetBytes(Tagged)) >= 0 ? 1 : 0;
        }

        // The tags are what the ledger is for: the search finds what is there.
        tags.ShouldBeGreaterThan(0);
        _product.Log.Lines.ShouldContain(l => l.Contains("can't be reached", StringComparison.Ordinal));
    }

    private string Request(int i, Random dice)
    {
        var key = dice.Next(8) switch { 0 => _product.TestKey, 1 => "mk_live_" + Canary + new string('a', 31), 2 => "sk-" + Canary, _ => _product.LiveKey };
        var target = dice.Next(10) switch
        {
            0 => "/proxy/anthropic/v1/messages", 1 => $"/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent?key={key}", 2 => "/proxy/groq/v1/chat/completions", 3 => "/proxy/xai/v1/chat/completions",
            4 => $"/v1/{Canary}?x={Canary}", 5 => $"/proxy/{Canary}/v1/chat", 6 => $"/v1/chat/completions?api_key={_product.LiveKey}", _ => $"/v1/chat/completions?note={Canary}",
        };
        var body = dice.Next(8) switch
        {
            0 => $"{{\"model\":\"{Canary}", 1 => $"{Canary}", 2 => $$"""{"model":{"{{Canary}}":1},"x":"{{Canary}}"}""", 3 => new string('x', 5000) + Canary,
            _ => $$"""{"model":"gpt-4o-mini","messages":[{"role":"user","content":"{{Canary}} {{i}}"}],"stream":{{(i % 2 == 0 ? "true" : "false")}}}""",
        };
        var headers = dice.Next(12) switch
        {
            0 => "X-Tokonomics-Tags: =broken " + Tagged + "\r\n", 1 => "Content-Encoding: " + Canary + "\r\n", 2 => $"X-Large: {new string('a', 40_000)}{Canary}\r\n", 3 => "Content-Length: " + Canary + "\r\n", 4 => $"X-Bell: {Canary}\a\r\n",
            5 => $"Transfer-Encoding: {Canary}\r\n", _ => $"X-Tokonomics-Tags: customer={Tagged}{i % 50}\r\n",
        };
        return $"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nX-Note: {Canary}\r\nCookie: {Canary}\r\nUser-Agent: {Canary}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n{headers}\r\n{body}";
    }

    private async Task<int> SendAsync(string request)
    {
        await using var client = await RawClient.ConnectAsync(_product.Url.Port);
        await client.SendAsync(request);
        return (await client.ReadAsync())?.Status ?? 0;
    }
}
