using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Tokonomics.Testing;

namespace Tokonomics.Web.Portal.Tests.Alerts;

/// <summary>From a call that crosses a threshold to the message, with the whole product; and the channels over the API and on their pages.</summary>
public sealed class AlertsTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly ConcurrentQueue<(JsonElement Body, long At)> _got = [];
    private FakeProvider _receiver = null!;
    private TestProduct _product = null!;

    public async ValueTask InitializeAsync()
    {
        _receiver = new FakeProvider(async (request, socket) =>
        {
            _got.Enqueue((JsonDocument.Parse(request.Text).RootElement, Stopwatch.GetTimestamp()));
            await FakeProvider.SendAsync(socket, "HTTP/1.1 204 No Content\r\n\r\n");
        });
        _product = await TestProduct.StartAsync([new("Endpoints:AllowPrivate", "true"), new("Portal:PublicUrl", "https://portal.example")]);
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _receiver.DisposeAsync();
    }

    private async Task<JsonElement> ApiAsync(HttpMethod method, string path, object? body = null, int status = 200)
    {
        using var answer = await _product.ApiAsync(method, path, body is null ? null : JsonContent.Create(body));
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).ShouldBe(status, text);
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    private async Task UntilAsync(Func<bool> holds, string what)
    {
        for (var tries = 0; !holds(); tries++)
        {
            tries.ShouldBeLessThan(3000, $"{what}\n{_product.Log}");
            await Task.Delay(10);
        }
    }

    [Fact]
    public async Task A_call_that_crosses_a_threshold_is_told_to_a_webhook_and_stands_on_the_page()
    {
        var channel = await ApiAsync(HttpMethod.Post, "alert-channels", new { kind = "webhook", name = "ours", address = _receiver.Url + "hook" }, 201);
        channel.GetProperty("signing_secret").GetString().ShouldStartWith("whsec_");
        var test = await ApiAsync(HttpMethod.Post, $"alert-channels/{channel.GetProperty("id").GetString()}/test");
        test.GetProperty("delivered").GetBoolean().ShouldBeTrue();
        await UntilAsync(() => _got.Count == 1, "the test arrives");
        _got.TryDequeue(out var first);
        first.Body.GetProperty("type").GetString().ShouldBe("test");

        // One budget after the other, so that each call crosses one threshold: from its end to the message.
        var took = new List<double>();
        for (var i = 0; i < 12; i++)
        {
            await ApiAsync(HttpMethod.Post, "budgets", new { scope = new { type = "tag", key = "customer", value = $"c{i}" }, period = "month", limit_usd = "0.01", environment = "test", thresholds = new[] { 1 } }, 201);
            using var call = await _product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small", false, new string('x', 2000), ",\"max_tokens\":500"), null, ("X-Tokonomics-Tags", $"customer=c{i}"));
            call.StatusCode.ShouldBe(HttpStatusCode.OK, await call.Content.ReadAsStringAsync());
            await call.Content.ReadAsByteArrayAsync();
            var ended = Stopwatch.GetTimestamp();
            await UntilAsync(() => !_got.IsEmpty, $"alert {i} arrives");
            _got.TryDequeue(out var got);
            took.Add(Stopwatch.GetElapsedTime(ended, got.At).TotalSeconds);
            got.Body.GetProperty("type").GetString().ShouldBe("budget.threshold");
            got.Body.GetProperty("data").GetProperty("title").GetString().ShouldBe($"1 % of the monthly budget is spent: customer c{i}");
            got.Body.GetProperty("data").GetProperty("link").GetString()!.ShouldStartWith("https://portal.example/budgets/bud_");
        }

        took.Sort();
        output.WriteLine($"from the call's end to the message: median {took[took.Count / 2]:f2} s, longest {took[^1]:f2} s");

        var alerts = (await ApiAsync(HttpMethod.Get, "alerts")).GetProperty("data");
        alerts.GetArrayLength().ShouldBe(12);
        var newest = alerts[0];
        newest.GetProperty("deliveries")[0].GetProperty("attempts").GetInt32().ShouldBe(1);
        await ApiAsync(HttpMethod.Post, $"alerts/{newest.GetProperty("id").GetString()}/acknowledge", status: 204);
        (await ApiAsync(HttpMethod.Get, "alerts?limit=1")).GetProperty("data")[0].GetProperty("acknowledged_at").ValueKind.ShouldBe(JsonValueKind.String);
        var page = await ApiAsync(HttpMethod.Get, "alerts?limit=5");
        var older = await ApiAsync(HttpMethod.Get, $"alerts?limit=20&cursor={page.GetProperty("next_cursor").GetString()}");
        older.GetProperty("data").GetArrayLength().ShouldBe(7);
    }

    [Fact]
    public async Task A_channel_that_can_not_be_is_refused_with_what_mends_it()
    {
        async Task<string> RefusedAsync(object body) => (await ApiAsync(HttpMethod.Post, "alert-channels", body, 422)).GetProperty("errors").EnumerateObject().Single().Value[0].GetString()!;
        (await RefusedAsync(new { kind = "email", name = "a", address = "a@b.example,c@d.example" })).ShouldBe("The address must be one mail address, such as oncall@example.com.");
        (await RefusedAsync(new { kind = "slack", name = "a", address = "https://example.com/services" })).ShouldBe("A Slack webhook begins with https:// and one of these hosts: hooks.slack.com, hooks.slack-gov.com.");
        (await RefusedAsync(new { kind = "pager_duty", name = "a", address = "short" })).ShouldContain("Events API v2");
        (await RefusedAsync(new { kind = "webhook", name = "a", address = _receiver.Url + "x", leaves_out = new[] { "nothing" } })).ShouldContain("budget.threshold, budget.exhausted, budget.overrun");
        await ApiAsync(HttpMethod.Post, "alert-channels", new { kind = "webhook", name = "a", address = _receiver.Url + "x" }, 201);
        (await ApiAsync(HttpMethod.Post, "alert-channels", new { kind = "email", name = "a", address = "a@b.example" }, 409)).GetProperty("title").GetString().ShouldBe("name_taken");
    }

    [Fact]
    public async Task Channels_are_added_tried_changed_and_removed_on_their_page()
    {
        var visitor = await PortalVisitor.SignedInAsync(_product, _product.TenantId);
        (await visitor.ReadAsync("/alerts")).ShouldContain("No channel is told");
        async Task<string> SubmitAsync(string handler, params (string Name, string Value)[] fields)
        {
            using var answer = await visitor.PostAsync($"/alerts/channels?handler={handler}", fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));
            return answer.StatusCode == HttpStatusCode.Found ? await visitor.ReadAsync(answer.Headers.Location!.OriginalString) : await answer.Content.ReadAsStringAsync();
        }

        var added = await SubmitAsync("Add", ("Kind", "Webhook"), ("Name", "ours & theirs"), ("Address", _receiver.Url + "hook"), ("Told", "BudgetExhausted"));
        added.ShouldContain("whsec_");
        added.ShouldContain("ours &amp; theirs");
        added.ShouldNotContain("/hook"); // the address is a secret
        var id = (await ApiAsync(HttpMethod.Get, "alert-channels")).GetProperty("data")[0].GetProperty("id").GetString()!;
        (await SubmitAsync("Test", ("Target", id))).ShouldContain("The test was taken: 204.");
        _got.Count.ShouldBe(1);
        (await SubmitAsync("Change", ("Target", id), ("Name", "ours"))).ShouldContain("switched off by hand");
        (await SubmitAsync("Rotate", ("Target", id))).ShouldContain("whsec_");
        (await SubmitAsync("Remove", ("Target", id))).ShouldContain("The channel is removed, and its address deleted.");
        (await visitor.ReadAsync("/alerts/channels")).ShouldContain("No channel is told of alerts");
    }
}
