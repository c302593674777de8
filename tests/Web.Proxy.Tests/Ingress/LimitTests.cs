using System.IO.Compression;
using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>What is too large, and what is compressed.</summary>
[Collection("ingress")]
public sealed class LimitTests(IngressProduct ingress)
{
    private const string Chat = """{"model":"gpt-4o-mini","messages":[]}""";

    [Fact]
    public async Task Heads_that_are_too_large_are_refused_as_such()
    {
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat, $"X-Large: {new string('a', 40 * 1024)}\r\n")))!.Status.ShouldBe(431);
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat, string.Concat(Enumerable.Range(0, 101).Select(i => $"X-{i}: a\r\n")))))!.Status.ShouldBe(431);
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions?" + new string('a', 9 * 1024), Chat)))!.Status.ShouldBe(414);
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat, $"X-Large: {new string('a', 20 * 1024)}\r\n")))!.Status.ShouldBe(200);
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Chat, string.Concat(Enumerable.Range(0, 90).Select(i => $"X-{i}: a\r\n")))))!.Status.ShouldBe(200);
        ingress.LastRequest.Headers.Count(h => h.Key.StartsWith("X-", StringComparison.Ordinal)).ShouldBe(90);
        (await ingress.SendAsync(ingress.Post("/v1/chat/completions?" + new string('a', 7 * 1024), Chat)))!.Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("/v1/chat/completions", "openai")]
    [InlineData("/proxy/anthropic/v1/messages", "anthropic")]
    [InlineData("/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent", "gemini")]
    [InlineData("/proxy/cohere/v2/chat", "cohere")]
    [InlineData("/proxy/ollama/api/chat", "ollama")]
    [InlineData("/proxy/openai/v1/images/edits", "openai")]
    public async Task A_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(string target, string shape)
    {
        var large = Sized(IngressProduct.MaxBodyBytes + 1);
        var fits = Sized(IngressProduct.MaxBodyBytes);
        var counted = await ingress.CountAsync(async () =>
        {
            var told = (await ingress.SendAsync(ingress.Post(target, large))).ShouldNotBeNull();
            told.Status.ShouldBe(413);
            IngressProduct.ErrorMessage(shape, told.Text).ShouldContain("262,144 bytes");
            var chunked = (await ingress.SendAsync(Chunked(target, large))).ShouldNotBeNull();
            chunked.Status.ShouldBe(413);
            IngressProduct.ErrorMessage(shape, chunked.Text).ShouldContain("large");
        });
        counted.ShouldBe((0, 0));

        (await ingress.SendAsync(ingress.Post(target, fits)))!.Status.ShouldBe(200);
        ingress.LastRequest.Text.ShouldBe(fits);
        (await ingress.SendAsync(Chunked(target, fits)))!.Status.ShouldBe(200);
        await ingress.FreedAsync();
    }

    [Fact]
    public async Task An_upload_over_its_limit_is_the_clients_fault()
    {
        var large = new string('x', IngressProduct.MaxUploadBytes + 1);
        foreach (var request in (string[])[ingress.Post("/proxy/openai/v1/files", large), Chunked("/proxy/openai/v1/files", large)])
        {
            var answer = (await ingress.SendAsync(request)).ShouldNotBeNull();
            answer.Status.ShouldBe(413, answer.Text);
            IngressProduct.ErrorMessage("openai", answer.Text).ShouldContain("too large");
        }

        var fits = new string('x', IngressProduct.MaxUploadBytes);
        (await ingress.SendAsync(ingress.Post("/proxy/openai/v1/files", fits)))!.Status.ShouldBe(200);
        ingress.LastRequest.Body.Length.ShouldBe(IngressProduct.MaxUploadBytes);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("x-gzip")]
    [InlineData("GZIP")]
    [InlineData("br")]
    [InlineData("deflate")]
    [InlineData("identity")]
    public async Task A_compressed_request_is_read_and_forwarded_as_it_came(string coding)
    {
        var body = Compress(coding, Encoding.UTF8.GetBytes(Chat));
        var answer = (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Encoding.Latin1.GetString(body), $"Content-Encoding: {coding}\r\n"))).ShouldNotBeNull();

        answer.Status.ShouldBe(200, answer.Text);
        ingress.LastRequest.Body.ShouldBe(body);
        ingress.LastRequest.Header("Content-Encoding").ShouldBe(coding);
        (await ingress.EventAsync(answer["x-tokonomics-request-id"]!)).GetProperty("request_model").GetString().ShouldBe("gpt-4o-mini");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task A_compressed_request_that_must_change_goes_out_plain(string coding)
    {
        var body = Compress(coding, """{"model":"openai/gpt-4o-mini","messages":[]}"""u8.ToArray());
        var answer = (await ingress.SendAsync(ingress.Post("/v1/chat/completions", Encoding.Latin1.GetString(body), $"Content-Encoding: {coding}\r\n"))).ShouldNotBeNull();

        answer.Status.ShouldBe(200, answer.Text);
        ingress.LastRequest.Text.ShouldBe(Chat);
        ingress.LastRequest.Header("Content-Encoding").ShouldBeNull();
    }

    [Theory]
    [InlineData("gzip", 413)]
    [InlineData("br", 413)]
    [InlineData("deflate", 413)]
    public async Task A_bomb_is_defused(string coding, int status)
    {
        // 100 MB of spaces; gzip makes it 100 kB, brotli a few hundred bytes.
        using var packed = new MemoryStream();
        await using (var packer = Packer(coding, packed))
        {
            var spaces = Enumerable.Repeat((byte)' ', 1024 * 1024).ToArray();
            for (var i = 0; i < 100; i++)
                await packer.WriteAsync(spaces);
        }

        var body = Encoding.Latin1.GetString(packed.ToArray());
        body.Length.ShouldBeLessThan(IngressProduct.MaxBodyBytes);
        var before = GC.GetTotalAllocatedBytes();
        var answer = (await ingress.SendAsync(ingress.Post("/v1/chat/completions", body, $"Content-Encoding: {coding}\r\n"))).ShouldNotBeNull();

        answer.Status.ShouldBe(status, answer.Text);
        IngressProduct.ErrorMessage("openai", answer.Text).ShouldContain("larger than");
        (GC.GetTotalAllocatedBytes() - before).ShouldBeLessThan(20 * 1024 * 1024);
        await ingress.FreedAsync();
    }

    [Theory]
    [InlineData("gzip", "not gzip at all", 400)]
    [InlineData("gzip", "", 400)]
    [InlineData("br", "\u00ff\u00ff\u00ff\u00ff", 400)]
    [InlineData("deflate", "plain text", 400)]
    [InlineData("zstd", "{}", 415)]
    [InlineData("compress", "{}", 415)]
    [InlineData("gzip, gzip", "{}", 415)]
    [InlineData("aws-chunked", "{}", 415)]
    [InlineData("*", "{}", 415)]
    public async Task A_coding_that_is_not_what_it_says_is_refused(string coding, string body, int status)
    {
        RawAnswer? answer = null;
        var counted = await ingress.CountAsync(async () => answer = await ingress.SendAsync(ingress.Post("/v1/chat/completions", body, $"Content-Encoding: {coding}\r\n")));

        answer!.Status.ShouldBe(status, answer.Text);
        IngressProduct.ErrorMessage("openai", answer.Text).Length.ShouldBeGreaterThan(20);
        counted.ShouldBe((0, 0));
    }

    [Fact]
    public async Task A_cut_compressed_body_is_refused()
    {
        foreach (var coding in (string[])["gzip", "br", "deflate"])
        {
            var whole = Compress(coding, Encoding.UTF8.GetBytes(Sized(20_000, random: true)));
            var cut = Encoding.Latin1.GetString(whole.AsSpan(0, whole.Length / 2));
            var answer = (await ingress.SendAsync(ingress.Post("/v1/chat/completions", cut, $"Content-Encoding: {coding}\r\n"))).ShouldNotBeNull();
            answer.Status.ShouldBe(400, coding);
        }
    }

    [Fact]
    public async Task When_the_memory_for_bodies_is_full_new_ones_wait_outside_and_all_of_it_comes_back()
    {
        // Bodies that stop one byte before their end are held. 2 MiB hold eight of 256 KiB at most, fewer while they grow.
        var held = new List<RawClient>();
        var whole = Sized(IngressProduct.MaxBodyBytes);
        var sound = ingress.Post("/v1/chat/completions", whole);
        RawAnswer? refused = null;
        try
        {
            for (var i = 0; i < 12 && refused is null; i++)
            {
                var before = ingress.Buffers.Taken;
                var client = await ingress.ConnectAsync();
                held.Add(client);
                await client.SendAsync(sound[..^1]);
                var answer = client.ReadAsync();
                await ConnectionTests.EventuallyAsync(() => answer.IsCompleted || ingress.Buffers.Taken >= before + IngressProduct.MaxBodyBytes, "the body is taken in or refused");
                if (answer.IsCompleted)
                    refused = await answer;
                ingress.Buffers.Taken.ShouldBeLessThanOrEqualTo(IngressProduct.MaxBufferedBytes);
            }

            refused.ShouldNotBeNull("12 of them are more than fit").Status.ShouldBe(503);
            int.Parse(refused["Retry-After"]!, System.Globalization.CultureInfo.InvariantCulture).ShouldBeGreaterThan(0);
            refused["x-should-retry"].ShouldBe("true");
            IngressProduct.ErrorMessage("openai", refused.Text).ShouldContain("too many large requests");
            held.Count.ShouldBeGreaterThan(4);
        }
        finally
        {
            foreach (var client in held)
                await client.DisposeAsync();
        }

        await ingress.FreedAsync();
        (await ingress.SendAsync(sound))!.Status.ShouldBe(200);
        await ingress.FreedAsync();
    }

    private string Chunked(string target, string body) =>
        ingress.Head($"POST {target} HTTP/1.1", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
        + string.Concat(body.Chunk(16 * 1024).Select(c => $"{c.Length:x}\r\n{new string(c)}\r\n")) + "0\r\n\r\n";

    private static string Sized(int bytes, bool random = false)
    {
        const string Before = """{"model":"gpt-4o-mini","messages":[],"x":""" + "\"";
        var dice = new Random(7);
        var filling = random ? new string([.. Enumerable.Range(0, bytes - Before.Length - 2).Select(_ => (char)('a' + dice.Next(26)))]) : new string('x', bytes - Before.Length - 2);
        return Before + filling + "\"}";
    }

    private static byte[] Compress(string coding, byte[] bytes)
    {
        if (coding == "identity")
            return bytes;
        using var packed = new MemoryStream();
        using (var packer = Packer(coding, packed))
            packer.Write(bytes);
        return packed.ToArray();
    }

    private static Stream Packer(string coding, Stream to) => coding.ToLowerInvariant() switch
    {
        "br" => new BrotliStream(to, CompressionLevel.Optimal, leaveOpen: true),
        "deflate" => new ZLibStream(to, CompressionLevel.Optimal, leaveOpen: true),
        _ => new GZipStream(to, CompressionLevel.Optimal, leaveOpen: true),
    };
}
