using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;

namespace Tokonomics.Standalone.Tests.Hosts;

/// <summary>Two proxies, the portal, the workers and the sandbox, each a process of its own on one store: SQLite in WAL mode is shared by processes.</summary>
public sealed class SeparateHostsTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly List<ProductProcess> _processes = [];
    private ProductProcess _first = null!, _second = null!, _portal = null!, _workers = null!, _sandbox = null!;
    private JsonElement _tenant;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Bill => Path.Combine(_folder.Path, "bill", "bill.jsonl");

    public async ValueTask InitializeAsync()
    {
        var (exit, made, errors) = await ProductProcess.RunAsync(
            _folder.Path, ["provision", "--tenant", "t", "--email", "a@b.example", "--plan", "pro", "--provider", "openai=sk-0123456789abcdef", "--provider", "anthropic=sk-ant-0123456789abcdef", "--json"]);
        exit.ShouldBe(0, errors);
        _tenant = JsonDocument.Parse(made).RootElement;
        Directory.CreateDirectory(Path.GetDirectoryName(Bill)!);
        _processes.Add(_sandbox = await ProductProcess.SandboxAsync(Bill));
        Dictionary<string, string> settings = new(ProductProcess.AsProvider(_sandbox.Url, ProductProcess.SandboxPrices(Path.Combine(_folder.Path, "prices"), "openai", "anthropic"), "openai", "anthropic"))
        {
            ["Proxy__SandboxUrl"] = _sandbox.Url.ToString(),
            ["Portal__PublicUrl"] = "http://portal.example:8081",
        };
        var started = await Task.WhenAll(
            ProductProcess.ProxyAsync(_folder.Path, "p1", settings), ProductProcess.ProxyAsync(_folder.Path, "p2", settings), ProductProcess.PortalAsync(_folder.Path), ProductProcess.WorkersAsync(_folder.Path));
        (_first, _second, _portal, _workers) = (started[0], started[1], started[2], started[3]);
        _processes.AddRange(started);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _processes)
            await process.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task They_serve_as_one_and_the_sandboxes_bill_matches_the_ledger_line_by_line()
    {
        // Each says what it is, and is healthy.
        foreach (var process in (ProductProcess[])[_first, _second, _portal, _workers])
        {
            using var client = new HttpClient { BaseAddress = process.Url };
            (await client.GetStringAsync("/healthz", Cancel)).ShouldBe("ok");
            (await client.GetStringAsync("/readyz", Cancel)).ShouldContain("\"ready\"");
        }

        using var portal = new HttpClient { BaseAddress = _portal.Url };
        (await portal.GetStringAsync("/", Cancel)).ShouldContain("One URL");
        // Calls that went past the proxies are reported to one of them, under a path of the portal's API.
        using (var misled = await portal.PostAsync("/api/v1/usage/import", new StringContent("{}"), Cancel))
            ((int)misled.StatusCode, await misled.Content.ReadAsStringAsync(Cancel)).ShouldSatisfyAllConditions(r => r.Item1.ShouldBe(421), r => r.Item2.ShouldContain("send them to the proxy"));
        (await portal.GetAsync("/css/portal.css", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        using var workers = new HttpClient { BaseAddress = _workers.Url };
        (await workers.GetAsync("/", Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var first = new HttpClient { BaseAddress = _first.Url };
        using var second = new HttpClient { BaseAddress = _second.Url };
        var root = await first.GetFromJsonAsync<JsonElement>("/", Cancel);
        root.GetProperty("portal").GetString().ShouldBe("http://portal.example:8081");
        (await first.GetAsync("/api/v1/keys", Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        // A key that the portal makes works at both proxies within their poll of the store, and stops when it is revoked there.
        portal.DefaultRequestHeaders.Add("Authorization", "Bearer " + _tenant.GetProperty("api_token").GetString());
        var made = await (await portal.PostAsJsonAsync("/api/v1/keys", new { name = "from the portal", environment = "live" }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        var key = made.GetProperty("key").GetString()!;
        await UntilAsync(first, key, 200);
        await UntilAsync(second, key, 200);
        (await portal.DeleteAsync($"/api/v1/keys/{made.GetProperty("id").GetString()}", Cancel)).IsSuccessStatusCode.ShouldBeTrue();
        await UntilAsync(first, key, 401);
        await UntilAsync(second, key, 401);

        // Calls in both environments, plain and streamed, in two dialects, at both proxies.
        var calls = 0;
        foreach (var (proxy, environment) in ((HttpClient, string)[])[(first, "metering_key"), (second, "metering_key"), (first, "test_key"), (second, "test_key")])
            foreach (var stream in (bool[])[false, true])
                foreach (var path in (string[])["/proxy/openai/v1/chat/completions", "/proxy/anthropic/v1/messages"])
                {
                    using var request = new HttpRequestMessage(HttpMethod.Post, path)
                    {
                        Content = JsonContent.Create(new { model = "sandbox-small", max_tokens = 50, stream, messages = new[] { new { role = "user", content = "Hello" } } }),
                    };
                    request.Headers.Add("Authorization", "Bearer " + _tenant.GetProperty(environment).GetString());
                    request.Headers.Add("X-Client-Request-Id", $"call-{++calls}");
                    request.Headers.Add("X-Tokonomics-Tags", $"call=call-{calls}");
                    using var answer = await proxy.SendAsync(request, Cancel);
                    answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Cancel));
                    await answer.Content.ReadAsStringAsync(Cancel);
                }

        foreach (var proxy in (ProductProcess[])[_first, _second])
            (await proxy.TerminateAsync()).ShouldBe(0, proxy.Output);
        var bill = SandboxBill.Read(Bill);
        bill.Count.ShouldBe(calls); // 4 x 2 x 2 = 16
        using var connection = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, "tokonomics.db")};Pooling=False;Mode=ReadOnly");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT provider_request_id, cost_nano, json_extract(tags, '$.call') FROM usage_events";
        using var row = command.ExecuteReader();
        var rows = new Dictionary<string, (long? Cost, string Call)>();
        while (row.Read())
            rows.Add(row.GetString(0), (row.IsDBNull(1) ? null : row.GetInt64(1), row.GetString(2)));
        rows.Count.ShouldBe(calls);
        foreach (var line in bill)
        {
            line.Outcome.ShouldBe(SandboxOutcome.Ok);
            rows[line.Id].ShouldBe((line.CostNanoUsd, line.ClientRequestId!));
            line.CostNanoUsd.ShouldNotBeNull().ShouldBeGreaterThan(0);
        }

        // The proxies made no sandbox of their own.
        Directory.GetFiles(_folder.Path, "sandbox-bill*").ShouldBeEmpty();

        // A host that can do nothing without its store says so, and lives.
        await using (var breaking = new SqliteConnection($"Data Source={Path.Combine(_folder.Path, "tokonomics.db")};Pooling=False"))
        {
            breaking.Open();
            await using var rename = breaking.CreateCommand();
            rename.CommandText = "ALTER TABLE tenants RENAME TO gone";
            rename.ExecuteNonQuery();
        }

        foreach (var client in (HttpClient[])[portal, workers])
        {
            using var ready = await client.GetAsync("/readyz", Cancel);
            ready.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            (await ready.Content.ReadAsStringAsync(Cancel)).ShouldContain("\"check\":\"store\"");
            (await client.GetStringAsync("/healthz", Cancel)).ShouldBe("ok");
        }

        (await _portal.TerminateAsync()).ShouldBe(0);
        (await _workers.TerminateAsync()).ShouldBe(0);
        (await _sandbox.TerminateAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task What_keeps_a_host_from_starting_is_one_sentence_and_exit_code_1()
    {
        var journal = await Should.ThrowAsync<InvalidOperationException>(() => ProductProcess.ProxyAsync(_folder.Path, "p1"));
        journal.Message.ShouldContain("Journal:Node");
        foreach (var start in (Func<Dictionary<string, string>, Task>[])[s => ProductProcess.ProxyAsync(_folder.Path, "p3", s), s => ProductProcess.PortalAsync(_folder.Path, s), s => ProductProcess.WorkersAsync(_folder.Path, s)])
        {
            var taken = await Should.ThrowAsync<InvalidOperationException>(() => start(new() { ["ASPNETCORE_URLS"] = _first.Url.ToString() }));
            taken.Message.ShouldContain("ASPNETCORE_URLS=");
            var wrong = await Should.ThrowAsync<InvalidOperationException>(() => start(new() { ["Drain__Timeout"] = "2.00:00:00" }));
            wrong.Message.ShouldContain("Drain: Notice is 0 to 5 min, Timeout 0 to 1 h.");
            foreach (var message in (string[])[taken.Message, wrong.Message])
                message.ShouldNotContain("   at ", customMessage: message);
        }
    }

    private static async Task UntilAsync(HttpClient proxy, string key, int status)
    {
        for (var tries = 0; ; tries++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
            request.Headers.Add("Authorization", "Bearer " + key);
            using var answer = await proxy.SendAsync(request, Cancel);
            if ((int)answer.StatusCode == status)
                return;
            tries.ShouldBeLessThan(50, $"{status} was expected, {(int)answer.StatusCode} came");
            await Task.Delay(100, Cancel);
        }
    }
}
