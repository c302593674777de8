using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Web.Proxy.Tests.Sandbox;

public sealed class SandboxBillTests
{
    [Fact]
    public async Task Two_hundred_calls_at_once_are_two_hundred_lines()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        var usages = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => sandbox.PostJsonAsync("v1/chat/completions", $$"""{"model":"sandbox-tokens-{{(i % 50) + 1}}","messages":[{"role":"user","content":"{{new string('x', i)}}"}]}""")));

        var lines = await sandbox.LinesAsync();
        lines.Count.ShouldBe(200);
        lines.Select(l => l.Sequence).ShouldBe(Enumerable.Range(1, 200).Select(i => (long)i));
        lines.Select(l => l.Id).Distinct().Count().ShouldBe(200);
        lines.Sum(l => l.Units.Output).ShouldBe(5_100); // 4 x (1 + ... + 50)
        lines.Sum(l => l.Units.Input).ShouldBe(usages.Sum(u => u.GetProperty("usage").GetProperty("prompt_tokens").GetInt64()));
        lines.Sum(l => l.CostNanoUsd).ShouldBe(sandbox.Server.Bill.TotalNanoUsd);
        sandbox.Server.Bill.OpenCalls.ShouldBe(0);
    }

    [Fact]
    public async Task The_bill_has_no_prompt_and_no_key()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        sandbox.Client.DefaultRequestHeaders.Add("Authorization", "Bearer canary-key");
        var answer = await sandbox.PostJsonAsync("v1/chat/completions", """{"model":"sandbox-small","messages":[{"role":"user","content":"canary-prompt"}]}""");
        await sandbox.LinesAsync();
        (await File.ReadAllTextAsync(sandbox.BillPath)).ShouldNotContain("canary");
        answer.GetRawText().ShouldNotContain("canary");
    }

    [Fact]
    public async Task The_input_is_on_the_bill_before_the_answers_first_byte_and_the_callers_id_finds_the_call()
    {
        await using var sandbox = await SandboxFixture.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
        {
            Content = new StringContent("""{"model":"sandbox-hang-mid","stream":true,"messages":[{"role":"user","content":"Hello"}]}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("X-Client-Request-Id", "call-1");
        using var answer = await sandbox.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        // It runs, and reads as open with its 5 input tokens (2 of "Hello", 3 of the message) at USD 1 a million.
        var line = SandboxBill.Read(sandbox.BillPath).ShouldHaveSingleItem();
        (line.Outcome, line.Units.Input, line.CostNanoUsd, line.ClientRequestId).ShouldBe((SandboxOutcome.Open, 5, 5_000, "call-1"));

        answer.Dispose();
        var ended = await sandbox.OnlyLineAsync();
        (ended.Outcome, ended.ClientRequestId).ShouldBe((SandboxOutcome.ClientGone, "call-1"));
        ended.CostNanoUsd.ShouldNotBeNull().ShouldBeGreaterThan(5_000);

        // What can't be an id stays off the bill.
        using var prose = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions") { Content = new StringContent("{}") };
        prose.Headers.Add("X-Client-Request-Id", "a whole prompt");
        using var refused = await sandbox.Client.SendAsync(prose, TestContext.Current.CancellationToken);
        (await sandbox.LinesAsync())[1].ClientRequestId.ShouldBeNull();
    }

    [Fact]
    public void A_bill_cut_by_a_kill_keeps_its_accepted_calls_and_is_gone_on_with()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("bill-").FullName, "bill.jsonl");
        using (var bill = new SandboxBill(path))
        {
            var first = bill.Accept("a", DateTimeOffset.UnixEpoch, "sandbox-small", "openai-chat", stream: false);
            bill.End(first with { Outcome = SandboxOutcome.Ok, CostNanoUsd = 5 });
            bill.Accept("a", DateTimeOffset.UnixEpoch, "sandbox-small", "openai-chat", stream: true);
        }

        File.AppendAllText(path, """{"sequence":3,"id":"sbx_a0000""");
        SandboxBill.Read(path).Select(l => l.Outcome).ShouldBe([SandboxOutcome.Ok, SandboxOutcome.Open]);

        using (var bill = new SandboxBill(path))
        {
            bill.TotalNanoUsd.ShouldBe(5);
            bill.Accept("b", DateTimeOffset.UnixEpoch, "m", "openai-chat", stream: false).Sequence.ShouldBe(3);
        }

        SandboxBill.Read(path).Select(l => l.Sequence).ShouldBe([1, 2, 3]);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public void The_table_in_the_documentation_has_every_model_as_it_describes_itself()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "Tokonomics.sln"))) root = root.Parent!;
        var page = File.ReadAllText(Path.Combine(root.FullName, "docs", "sandbox.md"));
        foreach (var (name, description) in ModelListRoutes.All) page.ShouldContain($"| `{name}` | {description} |");
    }

    [Fact]
    public void A_call_ends_once()
    {
        using var bill = new SandboxBill(null);
        var line = bill.Accept("a", DateTimeOffset.UnixEpoch, "m", "openai-chat", stream: false);
        bill.End(line);
        Should.Throw<InvalidOperationException>(() => bill.End(line));
    }

    [Fact]
    public void Rates_are_those_of_the_price_sheet()
    {
        var one = new SandboxUnits { Input = 1, Cached = 1, CacheWrite = 1, CacheWrite1h = 1, Output = 1, Reasoning = 1 };
        SandboxRates.Cost("sandbox-small", one).ShouldBe(1_000 + 100 + 1_250 + 2_000 + 2_000 + 2_000);
        SandboxRates.Cost("sandbox-large", one).ShouldBe(10_000 + 1_000 + 12_500 + 20_000 + 40_000 + 40_000);
    }

    [Fact]
    public void Only_what_has_a_rate_has_a_cost()
    {
        SandboxRates.Cost("sandbox-embed", new SandboxUnits { Input = 7 }).ShouldBe(700);
        SandboxRates.Cost("sandbox-embed", new SandboxUnits { Output = 1 }).ShouldBeNull();
        SandboxRates.Cost("sandbox-image", new SandboxUnits { Images = 3 }).ShouldBe(60_000_000);
        SandboxRates.Cost("sandbox-anything", new SandboxUnits { Input = 1 }).ShouldBe(1_000);
        SandboxRates.Cost("gpt-4o", new SandboxUnits { Input = 1 }).ShouldBeNull();
        SandboxRates.Cost("gpt-4o", new SandboxUnits()).ShouldBe(0);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("abcd", 1)]
    [InlineData("abcde", 2)]
    [InlineData("日本", 2)] // 3 bytes each: two don't fit into one token
    [InlineData("éé", 1)]
    [InlineData("a😀", 2)]
    public void A_token_is_up_to_four_bytes_and_cuts_no_character(string text, int tokens)
    {
        SandboxTokens.Count(text).ShouldBe(tokens);
        SandboxTokens.Cut(text, 100).Count.ShouldBe(tokens);
        string.Concat(SandboxTokens.Cut(text, 100).Select(p => p.Text)).ShouldBe(text);
    }
}
