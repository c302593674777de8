using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Idempotency;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Idempotency;

/// <summary>F43: of all calls with one Idempotency-Key, one reaches the provider. The provider is the test's own, and counts.</summary>
public sealed class IdempotencyTests : IAsyncLifetime
{
    private const string Path = "/proxy/openai/v1/chat/completions";
    private const string Answer = """{"id":"c","object":"chat.completion","model":"gpt-5.1","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}""";

    private readonly AheadClock _clock = new();
    private FakeProvider _provider = null!;
    private TestProduct _product = null!;
    private Func<FakeRequest, Socket, Task> _answer = (_, socket) => FakeProvider.SendAsync(socket, FakeProvider.Json(Answer));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _provider = new FakeProvider((request, socket) => _answer(request, socket));
        _product = await TestProduct.StartAsync(
            [new("Providers:openai:BaseUrl", _provider.Url.ToString().TrimEnd('/')), new("Proxy:IdempotencyKeyLifetime", "01:00:00")], new Dictionary<string, string> { ["openai"] = "sk-0123456789abcdef" },
            services => services.AddSingleton<TimeProvider>(_clock));
    }

    public async ValueTask DisposeAsync()
    {
        await _product.DisposeAsync();
        await _provider.DisposeAsync();
    }

    private sealed class AheadClock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
    }

    private Task<HttpResponseMessage> SendAsync(string key, string prompt = "Hello", bool stream = false, string? meteringKey = null, string model = "gpt-5.1") =>
        _product.PostAsync(Path, ProxyCalls.Chat(model, stream, prompt), meteringKey ?? _product.LiveKey, ("Idempotency-Key", key));

    private static async Task<(int Status, string Code, HttpResponseMessage Answer)> AnswerAsync(Task<HttpResponseMessage> call)
    {
        var answer = await call;
        await answer.Content.ReadAsByteArrayAsync(Cancel);
        return ((int)answer.StatusCode, answer.Headers.TryGetValues("x-tokonomics-error", out var code) ? code.Single() : "", answer);
    }

    [Fact]
    public async Task Of_fifty_calls_at_once_one_reaches_the_provider()
    {
        for (var round = 0; round < 24; round++)
        {
            var before = _provider.Requests.Count;
            // In every second round the provider answers only when the others have been refused; in the others they race with its answer.
            var others = new TaskCompletionSource();
            var waits = round % 2 == 0;
            _answer = async (_, socket) =>
            {
                if (waits)
                    await others.Task;
                await FakeProvider.SendAsync(socket, FakeProvider.Json(Answer));
            };
            var refused = 0;
            var calls = Enumerable.Range(0, 50).Select(async _ =>
            {
                var (status, code, answer) = await AnswerAsync(SendAsync($"round-{round}"));
                using (answer)
                    if (status == 409 && Interlocked.Increment(ref refused) == 49)
                        others.SetResult();
                return (status, code);
            }).ToList();
            var answers = await Task.WhenAll(calls);

            answers.Count(a => a.status == 200).ShouldBe(1, $"round {round}");
            answers.Where(a => a.status != 200).ShouldAllBe(a => a.status == 409 && (a.code == "idempotency_in_progress" || (!waits && a.code == "idempotency_done")));
            (_provider.Requests.Count - before).ShouldBe(1, $"round {round}");
        }

        (await _product.EventsAsync()).Count.ShouldBe(24);
    }

    [Fact]
    public async Task After_it_is_done_a_call_is_told_which_one_it_was_and_what_it_cost()
    {
        var (status, _, first) = await AnswerAsync(SendAsync("done", stream: false));
        status.ShouldBe(200);
        var cost = (await _product.EventAsync(first.RequestId())).GetProperty("cost_usd").GetString()!;

        var (again, code, second) = await AnswerAsync(SendAsync("done"));
        (again, code).ShouldBe((409, "idempotency_done"));
        second.Headers.GetValues("x-should-retry").ShouldBe(["false"]);
        second.Headers.GetValues("x-tokonomics-original-request-id").ShouldBe([first.RequestId()]);
        second.Headers.GetValues("x-tokonomics-original-status").ShouldBe(["200"]);
        second.Headers.GetValues("x-tokonomics-original-cost-usd").ShouldBe([cost]);
        var text = await second.Content.ReadAsStringAsync(Cancel);
        text.ShouldContain($"{first.RequestId()} was answered with 200 and cost {cost} USD");
        _provider.Requests.Count.ShouldBe(1);

        // Of another metering key it is another key, and so is none.
        (await AnswerAsync(SendAsync("done", meteringKey: _product.TestKey, model: "sandbox-small"))).Status.ShouldBe(200);
        (await AnswerAsync(_product.PostAsync(Path, ProxyCalls.Chat("gpt-5.1"), _product.LiveKey))).Status.ShouldBe(200);
        (await AnswerAsync(SendAsync("done-too"))).Status.ShouldBe(200);
        _provider.Requests.Count.ShouldBe(3);
    }

    [Fact]
    public async Task The_same_key_with_another_body_or_route_is_a_mistake()
    {
        (await AnswerAsync(SendAsync("mismatch"))).Status.ShouldBe(200);
        var (status, code, _) = await AnswerAsync(SendAsync("mismatch", prompt: "Bye"));
        (status, code).ShouldBe((422, "idempotency_mismatch"));
        var other = await AnswerAsync(_product.PostAsync("/proxy/openai/v1/responses", ProxyCalls.Chat("gpt-5.1"), _product.LiveKey, ("Idempotency-Key", "mismatch")));
        (other.Status, other.Code).ShouldBe((422, "idempotency_mismatch"));
        _provider.Requests.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(429)]
    [InlineData(400)]
    public async Task After_an_error_of_the_provider_a_retry_goes_through(int error)
    {
        var failed = 0;
        _answer = (_, socket) => FakeProvider.SendAsync(socket, Interlocked.Increment(ref failed) == 1
            ? $"HTTP/1.1 {error} Error\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}" : FakeProvider.Json(Answer));
        (await AnswerAsync(SendAsync("retry"))).Status.ShouldBe(error);
        (await EndedAsync("retry")).Status.ShouldBe(200);
        (await EndedAsync("retry")).Code.ShouldBe("idempotency_done");
        _provider.Requests.Count.ShouldBe(2);
    }

    // The client has its answer a moment before the call is over and in the ledger; until then its key is in use.
    private async Task<(int Status, string Code, HttpResponseMessage Answer)> EndedAsync(string key)
    {
        for (var tries = 0; tries < 1000; tries++)
        {
            var answer = await AnswerAsync(SendAsync(key));
            if (answer.Code != "idempotency_in_progress")
                return answer;
            answer.Answer.Headers.GetValues("x-should-retry").ShouldBe(["true"]);
            answer.Answer.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(1));
            await Task.Delay(10, Cancel);
        }

        throw new InvalidOperationException("the call did not end");
    }

    [Fact]
    public async Task A_call_that_was_refused_leaves_its_key_free()
    {
        var budget = await _product.BudgetAsync(new { scope = new { type = "tenant" }, period = "month", limit_usd = "0.000001", environment = "live", wait_seconds = 0 });
        (await AnswerAsync(SendAsync("refused"))).Code.ShouldBe("budget_exhausted");
        (await _product.ApiAsync(HttpMethod.Delete, $"budgets/{budget}")).IsSuccessStatusCode.ShouldBeTrue();
        (await AnswerAsync(SendAsync("refused"))).Status.ShouldBe(200);
        _provider.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_spent_budget_does_not_hide_that_the_call_was_made()
    {
        var (_, _, first) = await AnswerAsync(SendAsync("spent"));
        await _product.EventAsync(first.RequestId());
        await _product.BudgetAsync(new { scope = new { type = "tenant" }, period = "month", limit_usd = "0", environment = "live", wait_seconds = 0 });
        (await AnswerAsync(SendAsync("spent"))).Code.ShouldBe("idempotency_done");
    }

    [Fact]
    public async Task A_call_that_broke_off_may_have_been_charged_and_is_not_made_again()
    {
        _answer = (_, socket) =>
        {
            FakeProvider.Reset(socket);
            return Task.CompletedTask;
        };
        var (status, code, first) = await AnswerAsync(SendAsync("broken"));
        (status, code).ShouldBe((502, "provider_unreachable"));
        first.Headers.GetValues("x-should-retry").ShouldBe(["false"]);
        await _product.EventAsync(first.RequestId());
        (await AnswerAsync(SendAsync("broken"))).Code.ShouldBe("idempotency_done");
        _provider.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_client_that_leaves_and_comes_back_is_not_charged_twice()
    {
        var arrived = new TaskCompletionSource();
        _answer = async (_, socket) =>
        {
            await FakeProvider.SendAsync(socket, FakeProvider.StreamHead);
            arrived.TrySetResult();
            await Task.Delay(Timeout.Infinite, Cancel);
        };
        var first = await SendAsync("left", stream: true);
        await arrived.Task;
        var id = first.RequestId();
        first.Dispose();
        (await _product.EventAsync(id)).GetProperty("outcome").GetString().ShouldBe("client_gone");
        var (status, code, again) = await AnswerAsync(SendAsync("left", stream: true));
        (status, code).ShouldBe((409, "idempotency_done"));
        (await again.Content.ReadAsStringAsync(Cancel)).ShouldContain("ended as client_gone");
        _provider.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task After_its_lifetime_a_key_is_free_and_is_forgotten()
    {
        (await AnswerAsync(SendAsync("expires"))).Status.ShouldBe(200);
        _clock.Ahead = TimeSpan.FromMinutes(59);
        (await AnswerAsync(SendAsync("expires"))).Status.ShouldBe(409);
        _clock.Ahead = TimeSpan.FromMinutes(61);
        (await AnswerAsync(SendAsync("expires", prompt: "Bye"))).Status.ShouldBe(200);
        _provider.Requests.Count.ShouldBe(2);
        _clock.Ahead = TimeSpan.FromHours(3);
        (await _product.Services.GetRequiredService<IIdempotencyKeys>().ForgetExpiredAsync(_clock.GetUtcNow(), Cancel)).ShouldBe(1);
    }

    [Theory]
    [InlineData("")]
    [InlineData("tab\there")]
    public async Task A_key_that_is_none_is_refused(string key)
    {
        var (status, code, _) = await AnswerAsync(SendAsync(key));
        (status, code).ShouldBe((400, "idempotency_key_invalid"));
        (await AnswerAsync(SendAsync(new string('k', 256)))).Status.ShouldBe(400);
        (await AnswerAsync(SendAsync(new string('k', 255)))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task While_the_store_is_away_nothing_with_a_key_is_sent()
    {
        using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={System.IO.Path.Combine(_product.DataFolder, "tokonomics.db")};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "ALTER TABLE idempotency_keys RENAME TO elsewhere";
            command.ExecuteNonQuery();
            var (status, code, answer) = await AnswerAsync(SendAsync("away"));
            (status, code).ShouldBe((503, "idempotency_unverifiable"));
            answer.Headers.GetValues("x-should-retry").ShouldBe(["true"]);
            (await AnswerAsync(_product.PostAsync(Path, ProxyCalls.Chat("gpt-5.1"), _product.LiveKey))).Status.ShouldBe(200);
            command.CommandText = "ALTER TABLE elsewhere RENAME TO idempotency_keys";
            command.ExecuteNonQuery();
        }

        (await AnswerAsync(SendAsync("away"))).Status.ShouldBe(200);
        _provider.Requests.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Neither_key_nor_body_is_written_anywhere()
    {
        (await AnswerAsync(SendAsync("a-planted-idempotency-key", prompt: "a planted prompt"))).Status.ShouldBe(200);
        (await AnswerAsync(SendAsync("a-planted-idempotency-key", prompt: "another planted prompt"))).Status.ShouldBe(422);
        await _product.FlushAsync();
        _product.Log.Lines.ShouldAllBe(l => !l.Contains("planted", StringComparison.Ordinal));
        foreach (var file in Directory.EnumerateFiles(_product.DataFolder, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream, System.Text.Encoding.Latin1);
            (await reader.ReadToEndAsync(Cancel)).ShouldNotContain("planted", customMessage: file);
        }
    }
}
