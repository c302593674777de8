using System.Text;
using System.Text.Json;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Faults;

/// <summary>F26 and F27: a provider that stops saying anything, before its answer or in the middle of it.</summary>
public sealed class SilentProviderTests(SilentProviderTests.Impatient upstream) : IClassFixture<SilentProviderTests.Impatient>
{
    public sealed class Impatient : Upstream
    {
        // Short where silence is awaited; together and groq, where bytes keep coming, have time enough for a busy machine.
        protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
        [
            .. Providers.Where(p => p is not ("together" or "groq")).Select(p => KeyValuePair.Create($"Providers:{p}:IdleTimeout", (string?)"00:00:00.4")),
            new("Providers:together:IdleTimeout", "00:00:03"),
            new("Providers:groq:IdleTimeout", "00:00:03"),
            new("Providers:mistral:FirstByteTimeout", "00:00:00.3"),
            new("Providers:fireworks:FirstByteTimeout", "00:00:00.3"),
        ];
    }

    [Theory]
    [InlineData("/proxy/mistral/v1/chat/completions", "timeout")]
    [InlineData("/proxy/fireworks/inference/v1/messages", "timeout_error")]
    public async Task A_provider_that_never_answers_is_a_504_and_its_prompt_is_estimated(string path, string type)
    {
        var closed = new TaskCompletionSource();
        var call = new ClientCall(path, """{"model":"open-mistral-7b","max_tokens":9,"messages":[{"role":"user","content":"0123456789"}]}""");
        var seen = await upstream.SeeAsync(call, async (_, socket) =>
        {
            await Upstream.ClosedAsync(socket);
            closed.SetResult();
        });

        seen.Status.ShouldBe(504);
        JsonDocument.Parse(seen.Text).RootElement.GetProperty("error").GetProperty("type").GetString().ShouldBe(type == "timeout" ? "server_error" : type);
        seen["outcome"].ShouldBe("timed_out");
        seen["usage_source"].ShouldBe("estimated");
        seen["status"].ShouldBe("0");
        // The text has 10 bytes, 4 to a token, rounded up; its message 4 more, the beginning of the answer 3.
        seen.Input.ShouldBe(10);
        seen.Output.ShouldBe(0);
        await closed.Task.WaitAsync(Upstream.Patience);
    }

    public static TheoryData<string, string> ErrorEvents => new()
    {
        { "chat", "\n\ndata: {\"error\":{\"message\":\"the provider sent nothing more in time; what came before is incomplete\",\"type\":\"server_error\",\"param\":null,\"code\":\"provider_broke_off\"}}\n\n" },
        { "chat, usage swallowed", "\n\ndata: {\"error\":{\"message\":\"the provider sent nothing more in time; what came before is incomplete\",\"type\":\"server_error\",\"param\":null,\"code\":\"provider_broke_off\"}}\n\n" },
        { "responses", "\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"provider_broke_off\",\"message\":\"the provider sent nothing more in time; what came before is incomplete\",\"param\":null,\"sequence_number\":2147483647}\n\n" },
        { "messages", "\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\",\"message\":\"the provider sent nothing more in time; what came before is incomplete\"},\"request_id\":\"REQUEST\"}\n\n" },
        { "gemini", "\n\ndata: {\"error\":{\"code\":504,\"message\":\"the provider sent nothing more in time; what came before is incomplete\",\"status\":\"DEADLINE_EXCEEDED\"}}\n\n" },
        { "cohere", "\n\ndata: {\"message\":\"the provider sent nothing more in time; what came before is incomplete\"}\n\n" },
        { "ollama", "\n{\"error\":\"the provider sent nothing more in time; what came before is incomplete\"}\n" },
    };

    [Theory]
    [MemberData(nameof(ErrorEvents))]
    public async Task A_stream_that_falls_silent_ends_with_the_dialects_own_error_and_is_partly_estimated(string name, string error)
    {
        var stream = StreamSample.Named(name);
        var half = stream.Events[1][..(stream.Events[1].Length / 2)];
        var closed = new TaskCompletionSource();

        var seen = await upstream.SeeAsync(stream.Call, async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, (byte[])[.. Encoding.UTF8.GetBytes(stream.Head), .. StreamSample.Chunked(Encoding.UTF8.GetBytes(stream.Events[0] + half))]);
            await Upstream.ClosedAsync(socket);
            closed.SetResult();
        });

        seen.Status.ShouldBe(200);
        seen.Whole.ShouldBeTrue();
        seen.Text.ShouldBe(stream.Events[0] + half + error.Replace("REQUEST", seen["id"]));
        seen["outcome"].ShouldBe("timed_out");
        seen["usage_source"].ShouldBe(name is "messages" or "gemini" ? "partial" : "estimated");
        await closed.Task.WaitAsync(Upstream.Patience);
    }

    [Fact]
    public async Task A_plain_answer_that_falls_silent_before_its_first_byte_is_a_504_and_later_a_broken_connection()
    {
        var plain = StreamSample.Plain();
        var head = plain.AsSpan().IndexOf("\r\n\r\n"u8) + 4;

        var before = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, plain.AsMemory(0, head));
            await Upstream.ClosedAsync(socket);
        });
        var after = await upstream.SeeAsync(ClientCall.Chat(), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, plain.AsMemory(0, head + 40));
            await Upstream.ClosedAsync(socket);
        });

        before.Status.ShouldBe(504);
        before.Text.ShouldContain("provider_broke_off");
        before.Header("x-tokonomics-request-id").ShouldBe(before["id"]);
        after.Status.ShouldBe(200);
        after.Whole.ShouldBeFalse();
        after.Body.ShouldBe(plain[head..(head + 40)]);
        foreach (var seen in (Seen[])[before, after])
        {
            seen["outcome"].ShouldBe("timed_out");
            seen["usage_source"].ShouldBe("estimated");
        }
    }

    [Fact]
    public async Task An_idle_time_is_between_bytes_so_that_a_stream_with_comments_goes_on_past_it()
    {
        var stream = StreamSample.Chat;
        var call = ClientCall.ChatStream("groq");
        var seen = await upstream.SeeAsync(call, async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            for (var i = 0; i < 8; i++)
            {
                await FakeProvider.ChunkAsync(socket, ": still here\n\n");
                await Task.Delay(500); // 8 x 0.5 s is longer than the idle time of 3 s
            }

            await FakeProvider.ChunkAsync(socket, stream.Text);
            await FakeProvider.ChunkAsync(socket, "");
        });

        seen.Text.ShouldBe(string.Concat(Enumerable.Repeat(": still here\n\n", 8)) + stream.Text);
        seen["outcome"].ShouldBe("completed");
        (seen.Input, seen.Output).ShouldBe((12, 7));
    }

    [Fact]
    public async Task A_client_that_reads_slowly_is_not_a_provider_that_falls_silent()
    {
        const int Pieces = 512; // of 64 KB: 32 MB, more than all buffers on the way hold
        var piece = Encoding.ASCII.GetBytes(": " + new string('x', 65_532) + "\n\n");
        using var response = await upstream.CallAsync(ClientCall.ChatStream("together"), async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            for (var i = 0; i < Pieces; i++)
                await FakeProvider.ChunkAsync(socket, piece);
            await FakeProvider.ChunkAsync(socket, StreamSample.Chat.Text);
            await FakeProvider.ChunkAsync(socket, "");
        });
        await Task.Delay(5000); // past the idle time of 3 s

        var (body, whole) = await Upstream.ReadAsync(response);

        whole.ShouldBeTrue();
        body.Length.ShouldBe((Pieces * piece.Length) + Encoding.UTF8.GetByteCount(StreamSample.Chat.Text));
        var row = await upstream.RowAsync(response.RequestId());
        row.GetProperty("outcome").GetString().ShouldBe("completed");
        row.GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(7);
    }
}
