using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Hosts;

/// <summary>How a proxy ends: told to stop with streams running, with streams that don't end, and one after the other behind the nginx that ships with the project.</summary>
public sealed class DrainTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Chat = "/proxy/openai/v1/chat/completions";

    private readonly TestFolder _folder = new();
    private ProductProcess _sandbox = null!;
    private Dictionary<string, string> _settings = null!;
    private string _key = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Bill => Path.Combine(_folder.Path, "bill.jsonl");

    public async ValueTask InitializeAsync()
    {
        var (exit, made, errors) = await ProductProcess.RunAsync(_folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        _key = JsonDocument.Parse(made).RootElement.GetProperty("metering_key").GetString()!;
        _sandbox = await ProductProcess.SandboxAsync(Bill);
        _settings = new(ProductProcess.AsProvider(_sandbox.Url, ProductProcess.SandboxPrices(Path.Combine(_folder.Path, "prices"), "openai"), "openai"));
    }

    public async ValueTask DisposeAsync()
    {
        await _sandbox.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Told_to_stop_it_ends_twenty_streams_whole_and_takes_nothing_new()
    {
        _settings["Drain__Notice"] = "00:00:01.5";
        // A process of the whole product: its command line has a time limit of its own for signals, which must not be the drain's.
        await using var product = await ProductProcess.ServeAsync(_folder.Path, _settings);
        using var client = new HttpClient { BaseAddress = product.Url };
        var begun = new CountdownEvent(20);
        // 150 tokens at 20 ms: 3 s, twice the notice.
        var streams = Enumerable.Range(0, 20).Select(i => StreamAsync(client, "sandbox-slow-tokens-150", begun)).ToList();
        await Task.Run(() => begun.Wait(Cancel), Cancel);

        await product.SignalAsync();
        // During the notice: not ready, at once; serving, and each answer closes its connection.
        HttpResponseMessage probe;
        do
            probe = await client.GetAsync("/readyz", Cancel);
        while (probe.IsSuccessStatusCode);
        var said = JsonDocument.Parse(await probe.Content.ReadAsStringAsync(Cancel)).RootElement;
        said.GetProperty("status").GetString().ShouldBe("not_ready");
        said.GetProperty("problems")[0].GetProperty("check").GetString().ShouldBe("drain");
        (await client.GetStringAsync("/healthz", Cancel)).ShouldBe("ok");
        using (var last = await PostAsync(client, "sandbox-small", stream: false))
        {
            last.StatusCode.ShouldBe(HttpStatusCode.OK);
            last.Headers.ConnectionClose.ShouldBe(true);
        }

        // After it: nobody listens, while the streams go on.
        await EventuallyRefusedAsync(product.Url);
        streams.ShouldAllBe(s => !s.IsCompleted);
        foreach (var text in await Task.WhenAll(streams))
        {
            text.ShouldEndWith("data: [DONE]\n\n");
            Pieces(text).ShouldBe(150);
        }

        (await product.ExitAsync()).ShouldBe(0, product.Output);
        product.Output.ShouldNotContain("cut off");
        var bill = SandboxBill.Read(Bill);
        bill.Count.ShouldBe(21);
        Rows().ShouldBe(bill.ToDictionary(l => l.Id, l => ("Completed", l.CostNanoUsd)), ignoreOrder: true);
        Directory.GetFiles(Path.Combine(_folder.Path, "journal"), "*.seg").ShouldBeEmpty();
    }

    [Fact]
    public async Task What_does_not_end_in_time_is_cut_off_and_is_in_the_ledger_as_that()
    {
        _settings["Drain__Timeout"] = "00:00:00.5";
        await using var proxy = await ProductProcess.ProxyAsync(_folder.Path, "p1", _settings);
        using var client = new HttpClient { BaseAddress = proxy.Url };
        var begun = new CountdownEvent(2);
        var streams = Enumerable.Range(0, 2).Select(_ => StreamAsync(client, "sandbox-hang-mid", begun)).ToList();
        await Task.Run(() => begun.Wait(Cancel), Cancel);

        (await proxy.TerminateAsync()).ShouldBe(0, proxy.Output);
        foreach (var stream in streams)
            await Should.ThrowAsync<Exception>(stream, "a regular end would look like success");
        proxy.Output.ShouldContain("2 connections had calls running");
        Rows().Values.Select(r => r.Outcome).ShouldBe(["CutByProxy", "CutByProxy"]);
        (await ProductProcess.RunAsync(_folder.Path, ["verify"])).ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task Two_proxies_behind_nginx_are_restarted_under_load_and_no_call_fails()
    {
        _settings["Drain__Notice"] = "00:00:03"; // longer than nginx keeps an idle connection: 2 s
        _settings["Proxy__TrustedProxies"] = "127.0.0.1";
        var ports = new[] { ProductProcess.FreePort(), ProductProcess.FreePort() };
        var proxies = await Task.WhenAll(Enumerable.Range(0, 2).Select(i => ProductProcess.ProxyAsync(_folder.Path, $"p{i + 1}", _settings, ports[i])));
        try
        {
            await using var nginx = await Nginx.StartAsync(new Dictionary<string, Uri> { ["proxy-1:8080"] = proxies[0].Url, ["proxy-2:8080"] = proxies[1].Url, ["portal:8081"] = proxies[0].Url });
            using var client = new HttpClient { BaseAddress = nginx.Url };
            using var over = new CancellationTokenSource();
            var failures = new ConcurrentBag<string>();
            var (calls, streams) = (0, 0);
            var load = Enumerable.Range(0, 16).Select(async c =>
            {
                while (!over.IsCancellationRequested)
                {
                    try
                    {
                        using var answer = await PostAsync(client, "sandbox-small", stream: c % 4 == 0);
                        var text = await answer.Content.ReadAsStringAsync(Cancel);
                        if (!answer.IsSuccessStatusCode || !text.TrimEnd().EndsWith(c % 4 == 0 ? "data: [DONE]" : "}", StringComparison.Ordinal))
                            failures.Add($"{(int)answer.StatusCode} {text}");
                    }
                    catch (HttpRequestException e)
                    {
                        failures.Add(e.ToString());
                    }

                    _ = c % 4 == 0 ? Interlocked.Increment(ref streams) : Interlocked.Increment(ref calls);
                }
            }).ToList();
            var watch = Stopwatch.StartNew();
            for (var i = 0; i < 2; i++)
            {
                await Task.Delay(500, Cancel);
                (await proxies[i].TerminateAsync()).ShouldBe(0, proxies[i].Output);
                await proxies[i].DisposeAsync();
                proxies[i] = await ProductProcess.ProxyAsync(_folder.Path, $"p{i + 1}", _settings, ports[i]);
            }

            await Task.Delay(500, Cancel);
            await over.CancelAsync();
            await Task.WhenAll(load);
            output.WriteLine($"{calls} calls and {streams} streams in {watch.Elapsed.TotalSeconds:f1} s, {(calls + streams) / watch.Elapsed.TotalSeconds:f0}/s, {failures.Count} failed; nginx: {nginx.Errors.Split('\n').Length - 1} errors");
            failures.ShouldBeEmpty();
            foreach (var proxy in proxies)
                (await proxy.TerminateAsync()).ShouldBe(0, proxy.Output);

            // Nothing was sent to the provider twice, and all of it is in the ledger.
            var bill = SandboxBill.Read(Bill);
            bill.Count.ShouldBe(calls + streams);
            Rows().ShouldBe(bill.ToDictionary(l => l.Id, l => ("Completed", l.CostNanoUsd)), ignoreOrder: true);
            calls.ShouldBeGreaterThan(100);
        }
        finally
        {
            foreach (var proxy in proxies)
                await proxy.DisposeAsync();
        }
    }

    private Dictionary<string, (string Outcome, long? Cost)> Rows()
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, "tokonomics.db")};Pooling=False;Mode=ReadOnly");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT provider_request_id, outcome, cost_nano FROM usage_events";
        using var row = command.ExecuteReader();
        var rows = new Dictionary<string, (string, long?)>();
        while (row.Read())
            rows.Add(row.GetString(0), (row.GetString(1), row.IsDBNull(2) ? null : row.GetInt64(2)));
        return rows;
    }

    private Task<HttpResponseMessage> PostAsync(HttpClient client, string model, bool stream)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = new StringContent(ProxyCalls.Chat(model, stream), Encoding.UTF8, "application/json") };
        request.Headers.Add("Authorization", "Bearer " + _key);
        return client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
    }

    private async Task<string> StreamAsync(HttpClient client, string model, CountdownEvent begun)
    {
        using var answer = await PostAsync(client, model, stream: true);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        await using var body = await answer.Content.ReadAsStreamAsync(Cancel);
        var (text, buffer) = (new StringBuilder(), new byte[4096]);
        for (int read; (read = await body.ReadAsync(buffer, Cancel)) > 0; text.Append(Encoding.UTF8.GetString(buffer, 0, read)))
            if (text.Length == 0)
                begun.Signal();
        return text.ToString();
    }

    private static int Pieces(string stream) => stream.Split("\n\n").Count(e => e.Contains("\"content\":\"", StringComparison.Ordinal) && !e.Contains("\"content\":\"\"", StringComparison.Ordinal));

    private static async Task EventuallyRefusedAsync(Uri url)
    {
        using var client = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero, ConnectTimeout = TimeSpan.FromSeconds(5) }) { BaseAddress = url };
        while (true)
        {
            try
            {
                await client.GetAsync("/healthz", Cancel);
                await Task.Delay(20, Cancel);
            }
            catch (HttpRequestException)
            {
                return;
            }
        }
    }
}
