using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Tests.Budgets;

namespace Tokonomics.Web.Proxy.Tests.Routing;

/// <summary>Calls of models that are routes, with the sandbox as the provider that fails in each of its ways. Its bill is compared with the ledger.</summary>
public sealed class RoutingTests(CapProduct cap, ITestOutputHelper output) : IClassFixture<CapProduct>
{
    private static int _routes;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // A failing target of a test's own: breakers are the product's.
    private static string Failing(string provider, string kind) => $"{provider}/sandbox-small-{kind}-words-{Interlocked.Increment(ref _routes) + 100}";

    private static RouteRule To(params string[] models) => new() { Targets = [.. models.Select(m => new RouteTarget(m))] };

    private async Task<string> RouteAsync(params RouteRule[] rules) => await NamedRouteAsync($"route-{Interlocked.Increment(ref _routes)}", rules);

    private async Task<string> NamedRouteAsync(string name, params RouteRule[] rules)
    {
        var route = new ModelRoute { Id = $"rte_{name}", Name = name, Rules = rules };
        route.Problem().ShouldBeNull();
        await using var scope = cap.Product.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>();
        db.Routes.Add(new StoredRoute
        {
            TenantId = cap.Product.TenantId, Id = route.Id, Name = name, Policy = RoutePolicy.Write(route), CreatedAt = DateTimeOffset.UtcNow, CreatedBy = "test", ChangedAt = DateTimeOffset.UtcNow, ChangedBy = "test",
        });
        await db.SaveChangesAsync(Cancel);
        await RefreshAsync();
        return name;
    }

    private async Task RefreshAsync()
    {
        foreach (var directory in cap.Product.Services.GetServices<IDirectoryRefresh>())
            await directory.RefreshAsync(Cancel);
    }

    private sealed record Seen(int Status, string Route, string Text, IReadOnlyList<JsonElement> Attempts)
    {
        public IEnumerable<string> Models => Attempts.Select(a => a.GetProperty("request_model").GetString()!);

        public IEnumerable<int> Statuses => Attempts.Select(a => a.GetProperty("status").GetInt32());

        public NanoUsd Cost => new(Attempts.Sum(a => NanoUsd.Parse(a.GetProperty("cost_usd").GetString())!.Value.Value));
    }

    private async Task<Seen> CallAsync(string model, bool stream = false, string more = "", string prompt = "Hello", string? key = null, params (string, string)[] headers)
    {
        using var answer = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(model, stream, prompt, more), key, headers);
        var text = (await CapProduct.ReadAsync(answer)).Text;
        var id = answer.Headers.GetValues("x-tokonomics-request-id").Single();
        (answer.Headers.TryGetValues("x-tokonomics-error", out var refused) ? refused.Single() : "").ShouldBeOneOf(["", "provider_timeout"], text);
        var row = await cap.Product.EventAsync(id);
        return new Seen((int)answer.StatusCode, answer.Headers.TryGetValues("x-tokonomics-route", out var route) ? route.Single() : "", text, [.. row.GetProperty("attempts").EnumerateArray()]);
    }

    // The same conversation a turn later.
    private Task<Seen> ConverseAsync(string model, string first, string more = "") =>
        CallAsync(model, prompt: $"{first}\"}},{{\"role\":\"assistant\",\"content\":\"Yes?\"}},{{\"role\":\"user\",\"content\":\"Go on", more: more);

    [Theory]
    [InlineData("500", 500)]
    [InlineData("503", 503)]
    [InlineData("529", 529)]
    [InlineData("429", 429)]
    [InlineData("401", 401)]
    public async Task A_failure_before_the_first_byte_goes_to_the_next_target_and_each_attempt_has_its_row(string behaviour, int status)
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        var failing = Failing("openai", behaviour);
        var route = await RouteAsync(To(failing, "groq/sandbox-small") with { Retries = 0 });
        foreach (var stream in (bool[])[false, true])
        {
            var before = cap.Bill;
            var seen = await CallAsync(route, stream, headers: ("X-Tokonomics-Tags", $"customer={customer}"));
            seen.Status.ShouldBe(200, seen.Text);
            seen.Route.ShouldBe($"{route}; rule=1; target=groq/sandbox-small; attempt=2; why=fallback after {status} of {failing}");
            seen.Models.ShouldBe([failing["openai/".Length..], "sandbox-small"]);
            seen.Statuses.ShouldBe([status, 200]);
            seen.Attempts.Select(a => a.GetProperty("attempt").GetInt32()).ShouldBe([1, 2]);
            seen.Attempts.Select(a => a.GetProperty("provider").GetString()).ShouldBe(["openai", "groq"]);
            seen.Cost.ShouldBe(cap.Bill - before);
            seen.Cost.ShouldBeGreaterThan(NanoUsd.Zero);
            seen.Text.ShouldContain(stream ? "data: [DONE]" : "\"finish_reason\":\"stop\"");
        }

        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_target_that_never_answers_is_left_for_the_next_after_the_rules_time()
    {
        var route = await RouteAsync(To(Failing("openai", "hang"), "openai/sandbox-small") with { FirstByteTimeout = TimeSpan.FromMilliseconds(300) });
        var seen = await CallAsync(route);
        seen.Status.ShouldBe(200, seen.Text);
        seen.Attempts.Select(a => a.GetProperty("outcome").GetString()).ShouldBe(["timed_out", "completed"]);
        seen.Route.ShouldContain("why=fallback after a timeout of openai/sandbox-small-hang-words-");
    }

    [Fact]
    public async Task With_an_Idempotency_Key_what_may_have_been_charged_is_not_sent_again()
    {
        var route = await RouteAsync(To(Failing("openai", "hang"), "openai/sandbox-small") with { FirstByteTimeout = TimeSpan.FromMilliseconds(300) });
        var seen = await CallAsync(route, headers: ("Idempotency-Key", "once-only"));
        seen.Status.ShouldBe(504, seen.Text);
        seen.Attempts.Count.ShouldBe(1);
        var refused = await RouteAsync(To(Failing("openai", "500"), "openai/sandbox-small"));
        (await CallAsync(refused, headers: ("Idempotency-Key", "once-only-2"))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_target_that_fails_now_and_then_is_tried_again_before_the_next()
    {
        var route = await RouteAsync(To("openai/sandbox-small-flaky-tokens-7", "openai/sandbox-large") with { Retries = 1 });
        var all = new List<Seen>();
        for (var i = 0; i < 6; i++)
            all.Add(await CallAsync(route));
        all.ShouldAllBe(s => s.Status == 200 && s.Models.Last() == "sandbox-small-flaky-tokens-7");
        all.Sum(s => s.Attempts.Count).ShouldBeGreaterThan(6);
        all.ShouldContain(s => s.Route.EndsWith("attempt=2; why=retry after 500"));
    }

    [Fact]
    public async Task Where_all_targets_fail_the_client_gets_the_last_ones_failure_as_it_came()
    {
        var route = await RouteAsync(To(Failing("openai", "500"), Failing("openai", "503")) with { Retries = 0 });
        var seen = await CallAsync(route);
        seen.Status.ShouldBe(503);
        seen.Statuses.ShouldBe([500, 503]);
        using var direct = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("openai/sandbox-small-503"));
        seen.Text.ShouldBe(await direct.Content.ReadAsStringAsync(Cancel));
    }

    [Fact]
    public async Task What_is_wrong_with_the_request_itself_is_told_at_once()
    {
        var route = await RouteAsync(To("openai/sandbox-small-400", "openai/sandbox-small"));
        var seen = await CallAsync(route);
        (seen.Status, seen.Attempts.Count).ShouldBe((400, 1));
    }

    [Fact]
    public async Task Faults_that_the_rule_does_not_name_are_told_to_the_client()
    {
        var route = await RouteAsync(To(Failing("openai", "500"), "openai/sandbox-small") with { Retries = 0, FallBackOn = RouteFaults.RateLimited });
        (await CallAsync(route)).Status.ShouldBe(500);
    }

    [Fact]
    public async Task A_provider_that_says_after_how_long_to_come_again_is_asked_then_and_not_before()
    {
        var seen = await CallAsync(await RouteAsync(To(Failing("openai", "429"), "openai/sandbox-small") with { Retries = 1 }));
        seen.Status.ShouldBe(200, seen.Text);
        seen.Statuses.ShouldBe([429, 429, 200]);
        var at = seen.Attempts.Select(a => a.GetProperty("at").GetDateTimeOffset()).ToList();
        (at[1] - at[0]).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(0.95)); // it says 1 s; by itself the proxy would wait 250 ms
        seen.Attempts[1].GetProperty("latency_ms").GetDouble().ShouldBeLessThan(900); // the pause is none of it
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_pause_before_a_retry_leaves_nothing_open()
    {
        var failing = Failing("openai", "429");
        var route = await RouteAsync(To(failing, "openai/sandbox-small") with { Retries = 5 }); // five pauses of a second
        using var leaves = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(cap.Product.Url, "/v1/chat/completions")) { Content = new StringContent(ProxyCalls.Chat(route), Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new("Bearer", cap.Product.TestKey);
        request.Headers.Add("Idempotency-Key", "left-in-the-pause");
        var call = cap.Product.Client.SendAsync(request, leaves.Token);
        async Task<List<int>> StatusesAsync() =>
            [.. (await cap.Product.EventsAsync("&environment=test")).Where(e => $"openai/{e.GetProperty("request_model").GetString()}" == failing).Select(e => e.GetProperty("status").GetInt32())];

        while ((await StatusesAsync()).Count == 0)
            await Task.Delay(10, Cancel);
        await leaves.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(call);

        // Nothing was charged: the key is free for another call.
        var again = 0;
        for (var tries = 0; tries < 200 && again != 200; tries++)
        {
            using var answer = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(), null, ("Idempotency-Key", "left-in-the-pause"));
            again = (int)answer.StatusCode;
            await Task.Delay(10, Cancel);
        }

        again.ShouldBe(200);
        (await StatusesAsync()).ShouldAllBe(s => s == 429);
        (await StatusesAsync()).Count.ShouldBeLessThan(6);
        await cap.SettledAsync();
    }

    [Fact]
    public async Task The_fastest_is_found_by_trying_each_and_kept()
    {
        // 100 tokens of 20 ms each, against one that answers at once.
        var route = await RouteAsync(To("openai/sandbox-small-slow-tokens-100", "openai/sandbox-small-tokens-11") with { Choose = TargetChoice.Fastest, Sticky = false });
        var models = new List<string>();
        for (var i = 0; i < 4; i++)
            models.AddRange((await CallAsync(route)).Models);
        models.ShouldBe(["sandbox-small-slow-tokens-100", "sandbox-small-tokens-11", "sandbox-small-tokens-11", "sandbox-small-tokens-11"]);
    }

    [Fact]
    public async Task A_target_that_goes_on_failing_is_passed_by()
    {
        var route = await RouteAsync(To("openai/sandbox-small-500-words-9", "openai/sandbox-small") with { Retries = 0 });
        for (var i = 0; i < CircuitBreaker.Failures; i++)
            (await CallAsync(route)).Attempts.Count.ShouldBe(2);
        var seen = await CallAsync(route);
        (seen.Status, seen.Attempts.Count).ShouldBe((200, 1));
        seen.Models.ShouldBe(["sandbox-small"]);
    }

    [Fact]
    public async Task Weights_divide_conversations_and_each_stays_where_it_began()
    {
        var route = await RouteAsync(To("openai/sandbox-small-tokens-5", "openai/sandbox-small-tokens-6") with { Choose = TargetChoice.Weighted });
        var first = new List<string>();
        for (var i = 0; i < 40; i++)
        {
            var model = (await CallAsync(route, prompt: $"Conversation {i}")).Models.Single();
            var again = await ConverseAsync(route, $"Conversation {i}");
            again.Models.Single().ShouldBe(model);
            again.Route.ShouldContain("why=conversation");
            first.Add(model);
        }

        first.Distinct().Count().ShouldBe(2); // all of forty on one side: once in half a billion runs
    }

    [Fact]
    public async Task A_conversation_stays_where_a_failure_took_it_and_a_tool_loop_whatever_the_rule_is()
    {
        var route = await RouteAsync(
            To("openai/sandbox-small-tokens-8") with { When = new() { Tools = true } }, To("openai/sandbox-small-500-words-3", "openai/sandbox-small-tokens-9") with { Retries = 0 });
        (await CallAsync(route, prompt: "Stay")).Attempts.Count.ShouldBe(2);
        (await CallAsync(route, prompt: "Stay")).Attempts.Count.ShouldBe(2); // the same words, and yet another conversation
        (await ConverseAsync(route, "Stay")).Models.ShouldBe(["sandbox-small-tokens-9"]);
        const string Tools = ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}]";
        (await ConverseAsync(route, "Stay", Tools)).Models.ShouldBe(["sandbox-small-tokens-8"]); // another rule
        (await CallAsync(route, prompt: "Loop")).Attempts.Count.ShouldBe(2);
        var loop = await CallAsync(route, more: Tools, prompt: "Loop\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"4");
        loop.Models.ShouldBe(["sandbox-small-tokens-9"]);
        loop.Route.ShouldEndWith("why=tool loop");
    }

    [Fact]
    public async Task The_cheapest_by_what_the_call_is_expected_to_cost_is_chosen()
    {
        var route = await RouteAsync(To("openai/sandbox-large", "openai/sandbox-small") with { Choose = TargetChoice.Cheapest });
        var seen = await CallAsync(route);
        seen.Models.ShouldBe(["sandbox-small"]);
        seen.Route.ShouldContain("why=cheapest");
    }

    [Fact]
    public async Task The_rule_that_applies_to_the_call_is_its_rule()
    {
        var route = await RouteAsync(
            To("openai/sandbox-small-tokens-5") with { When = new() { Tags = [new("customer", "acme")] } },
            To("openai/sandbox-small-tokens-6") with { When = new() { Tools = true } },
            To("openai/sandbox-small-tokens-7"));
        (await CallAsync(route, headers: ("X-Tokonomics-Tags", "customer=acme"))).Models.ShouldBe(["sandbox-small-tokens-5"]);
        (await CallAsync(route, more: ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}]")).Models.ShouldBe(["sandbox-small-tokens-6"]);
        (await CallAsync(route)).Models.ShouldBe(["sandbox-small-tokens-7"]);
    }

    [Fact]
    public async Task A_spent_budget_leads_to_the_rule_that_asks_for_it()
    {
        var customer = cap.NewCustomer();
        var route = await RouteAsync(To("openai/sandbox-small") with { When = new() { BudgetUsedAbove = 20 } }, To("openai/sandbox-large"));
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        (await CallAsync(route, headers: ("X-Tokonomics-Tags", $"customer={customer}"))).Models.ShouldBe(["sandbox-large"]);
        await cap.Product.DrainAsync();
        await cap.ChangeAsync(budget, NanoUsd.Parse("0.005")!.Value); // some 0.0014 are spent
        for (var tries = 0; (await CallAsync(route, more: ",\"max_tokens\":5", prompt: $"{tries}", headers: ("X-Tokonomics-Tags", $"customer={customer}"))).Models.Last() != "sandbox-small"; tries++)
            tries.ShouldBeLessThan(20); // until the node has seen the new limit
        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_model_that_the_key_may_not_use_is_passed_over()
    {
        using var made = await cap.Product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "small only", environment = "test", allowed_models = new[] { "sandbox-small" } }));
        var key = JsonDocument.Parse(await made.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("key").GetString();
        await RefreshAsync();
        var route = await RouteAsync(To("openai/sandbox-large", "openai/sandbox-small"));
        var seen = await CallAsync(route, key: key);
        (seen.Status, seen.Attempts.Count).ShouldBe((200, 1));
        seen.Models.ShouldBe(["sandbox-small"]);
        seen.Route.ShouldContain("openai/sandbox-large was refused: model_not_allowed");
    }

    [Fact]
    public async Task A_budget_without_room_for_the_dear_target_has_it_for_the_cheap_one()
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("0.01")!.Value, clamp: false, wait: 0); // some 1,100 tokens of input are held besides: 0.022 USD of the one, 0.0022 of the other
        var route = await RouteAsync(To("openai/sandbox-large", "openai/sandbox-small"));
        var seen = await CallAsync(route, more: ",\"max_tokens\":100", headers: ("X-Tokonomics-Tags", $"customer={customer}"));
        (seen.Status, seen.Attempts.Count).ShouldBe((200, 1), seen.Text);
        seen.Models.ShouldBe(["sandbox-small"]);
        seen.Route.ShouldContain("openai/sandbox-large was refused: budget_");
        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_real_models_name_that_is_taken_over_goes_on_as_itself_where_no_rule_applies()
    {
        await NamedRouteAsync("sandbox-taken", To("openai/sandbox-small-tokens-3") with { When = new() { Tags = [new("customer", "acme")] } });
        (await CallAsync("sandbox-taken", headers: ("X-Tokonomics-Tags", "customer=acme"))).Models.ShouldBe(["sandbox-small-tokens-3"]);
        var itself = await CallAsync("sandbox-taken");
        itself.Models.ShouldBe(["sandbox-taken"]);
        itself.Route.ShouldBe("");
        var route = await RouteAsync(To("openai/sandbox-small") with { When = new() { Tags = [new("customer", "acme")] } });
        using var refused = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(route));
        ((int)refused.StatusCode).ShouldBe(404);
        refused.Headers.GetValues("x-tokonomics-error").ShouldBe(["no_rule_applies"]);
    }

    [Fact]
    public async Task Targets_that_cannot_be_reached_are_named_to_the_caller()
    {
        var route = await RouteAsync(To("nobody/model", "nowhere/model"));
        using var refused = await cap.Product.PostAsync("/v1/embeddings", $$"""{"model":"{{route}}","input":"x"}""");
        ((int)refused.StatusCode).ShouldBe(404);
        refused.Headers.GetValues("x-tokonomics-error").ShouldBe(["no_target"]);
        (await refused.Content.ReadAsStringAsync(Cancel)).ShouldContain("nobody/model: no provider that this key can reach has it; nowhere/model: no provider");
    }

    [Fact]
    public async Task Every_call_of_a_route_carries_its_name_as_a_tag()
    {
        var route = await RouteAsync(To("openai/sandbox-small"));
        (await CallAsync(route)).Attempts.Single().GetProperty("tags").GetProperty("route").GetString().ShouldBe(route);
        (await CallAsync(route, headers: ("X-Tokonomics-Tags", "route=mine"))).Attempts.Single().GetProperty("tags").GetProperty("route").GetString().ShouldBe("mine");
    }

    public static TheoryData<string, string, string, string, bool> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string, string, string, bool>();
            foreach (var stream in (bool[])[false, true])
            {
                pairs.Add("openai-chat", "anthropic", "anthropic-messages", stream ? "data: [DONE]" : "\"finish_reason\":\"stop\"", stream);
                pairs.Add("openai-chat", "gemini", "gemini-generate", stream ? "data: [DONE]" : "\"finish_reason\":\"stop\"", stream);
                pairs.Add("anthropic-messages", "openai", "openai-chat", stream ? "event: message_stop" : "\"stop_reason\":\"end_turn\"", stream);
                pairs.Add("anthropic-messages", "gemini", "gemini-generate", stream ? "event: message_stop" : "\"stop_reason\":\"end_turn\"", stream);
                pairs.Add("gemini-generate", "openai", "openai-chat", "\"finishReason\":\"STOP\"", stream);
                pairs.Add("gemini-generate", "anthropic", "anthropic-messages", "\"finishReason\":\"STOP\"", stream);
                pairs.Add("openai-responses", "anthropic", "anthropic-messages", stream ? "event: response.completed" : "\"status\":\"completed\"", stream);
            }

            return pairs;
        }
    }

    private static (string Path, string Body) Request(string dialect, string model, bool stream) => dialect switch
    {
        "anthropic-messages" => ("/v1/messages", $$"""{"model":"{{model}}","max_tokens":200,"messages":[{"role":"user","content":"Hello"}]{{(stream ? ",\"stream\":true" : "")}}}"""),
        "gemini-generate" => ($"/proxy/gemini/v1beta/models/{model}:{(stream ? "streamGenerateContent?alt=sse" : "generateContent")}", """{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"""),
        "openai-responses" => ("/v1/responses", $$"""{"model":"{{model}}","store":false,"input":"Hello"{{(stream ? ",\"stream\":true" : "")}}}"""),
        _ => ("/v1/chat/completions", ProxyCalls.Chat(model, stream)),
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public async Task A_client_of_one_dialect_is_served_by_a_provider_of_another(string dialect, string provider, string served, string end, bool stream)
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("5")!.Value);
        // The first target fails in the provider's dialect, and the client must not see anything of that.
        var route = await RouteAsync(To(Failing(provider, "500"), $"{provider}/sandbox-small") with { Retries = 0 });
        var (path, body) = Request(dialect, route, stream);
        var before = cap.Bill;
        using var answer = await cap.Product.PostAsync(path, body, null, ("X-Tokonomics-Tags", $"customer={customer}"));
        var (text, whole) = await CapProduct.ReadAsync(answer);
        ((int)answer.StatusCode).ShouldBe(200, text);
        whole.ShouldBeTrue();
        text.ShouldContain(end);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe(stream ? "text/event-stream" : "application/json");
        answer.Headers.GetValues("x-tokonomics-route").Single().ShouldContain($"target={provider}/sandbox-small; attempt=2");
        var row = await cap.Product.EventAsync(answer.Headers.GetValues("x-tokonomics-request-id").Single());
        row.GetProperty("dialect").GetString().ShouldBe(served);
        row.GetProperty("provider").GetString().ShouldBe(provider);
        row.GetProperty("usage_source").GetString().ShouldBe("reported");
        NanoUsd.Parse(row.GetProperty("cost_usd").GetString()).ShouldBe(cap.Bill - before);
        await cap.SettledAsync();
    }

    [Theory]
    [InlineData("openai-chat", "anthropic", "\"error\":{")]
    [InlineData("anthropic-messages", "openai", "\"type\":\"error\"")]
    [InlineData("gemini-generate", "anthropic", "\"error\":{")]
    public async Task A_failure_of_another_dialect_is_told_in_the_clients(string dialect, string provider, string shape)
    {
        var route = await RouteAsync(To(Failing(provider, "529")) with { Retries = 0 });
        foreach (var stream in (bool[])[false, true])
        {
            var (path, body) = Request(dialect, route, stream);
            using var answer = await cap.Product.PostAsync(path, body);
            ((int)answer.StatusCode).ShouldBeInRange(503, 529);
            (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(shape);
        }
    }

    [Fact]
    public async Task What_another_dialect_cannot_say_goes_to_a_target_that_can_or_is_refused_by_its_name()
    {
        var route = await RouteAsync(To("anthropic/sandbox-small", "openai/sandbox-small"));
        var seen = await CallAsync(route, more: ",\"logprobs\":true");
        seen.Attempts.Select(a => a.GetProperty("provider").GetString()).ShouldBe(["openai"]);
        seen.Route.ShouldContain("anthropic/sandbox-small was refused: not_translatable");
        var only = await RouteAsync(To("anthropic/sandbox-small"));
        using var refused = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(only, false, "Hello", ",\"logprobs\":true"));
        ((int)refused.StatusCode).ShouldBe(400);
        (await refused.Content.ReadAsStringAsync(Cancel)).ShouldContain("logprobs: ");
    }

    [Fact]
    public async Task A_translated_stream_is_cut_where_its_budget_ends_and_says_so_in_the_clients_dialect()
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("0.006")!.Value);
        var before = cap.Bill;
        var route = await RouteAsync(To("openai/sandbox-small-tokens-5000"));
        var (path, body) = Request("gemini-generate", route, stream: true);
        using var answer = await cap.Product.PostAsync(path, body, null, ("X-Tokonomics-Tags", $"customer={customer}"));
        var (text, whole) = await CapProduct.ReadAsync(answer);
        ((int)answer.StatusCode).ShouldBe(200, text);
        whole.ShouldBeTrue();
        text.ShouldContain("\"finishReason\":\"MAX_TOKENS\"");
        await cap.SettledAsync();
        (cap.Bill - before).ShouldBeLessThanOrEqualTo(NanoUsd.Parse("0.006")!.Value);
    }

    [Fact]
    public async Task A_receipt_comes_with_a_translated_answer_too()
    {
        var route = await RouteAsync(To("anthropic/sandbox-small"));
        foreach (var stream in (bool[])[false, true])
        {
            using var answer = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat(route, stream), null, ("X-Tokonomics-Receipt", "1"));
            var text = (await CapProduct.ReadAsync(answer)).Text;
            if (stream)
                text.ShouldContain("data: [DONE]\n\n: tokonomics {");
            else
                answer.Headers.GetValues("x-tokonomics-cost-usd").Single().ShouldNotBe("0");
        }
    }

    private Task<string> DowngradeAsync(string customer, string to) => cap.Product.BudgetAsync(
        new { scope = new { type = "tag", key = "customer", value = customer }, period = "day", limit_usd = "0.000000001", action = "downgrade", downgrade_to = to, environment = "test", wait_seconds = 0 });

    [Theory]
    [MemberData(nameof(Pairs))]
    public async Task A_spent_budget_sends_the_call_to_a_model_of_another_provider_and_dialect(string dialect, string provider, string served, string end, bool stream)
    {
        var customer = cap.NewCustomer();
        await DowngradeAsync(customer, $"{provider}/sandbox-small");
        var blocks = await cap.BudgetAsync(customer, NanoUsd.Parse("5")!.Value);
        var (path, body) = Request(dialect, dialect == "gemini-generate" ? "sandbox-large" : dialect == "anthropic-messages" ? "anthropic/sandbox-large" : "openai/sandbox-large", stream);
        var before = cap.Bill;
        using var answer = await cap.Product.PostAsync(path, body, null, ("X-Tokonomics-Tags", $"customer={customer}"));
        var (text, whole) = await CapProduct.ReadAsync(answer);
        ((int)answer.StatusCode).ShouldBe(200, text);
        whole.ShouldBeTrue();
        text.ShouldContain(end);
        answer.Headers.GetValues("x-tokonomics-downgraded-from").ShouldBe(["sandbox-large"]);
        answer.Headers.GetValues("x-tokonomics-route").Single().ShouldEndWith($"; target={provider}/sandbox-small; attempt=1; why=downgrade");
        answer.Headers.GetValues("x-tokonomics-budget").Single().ShouldStartWith("month ");
        var row = await cap.Product.EventAsync(answer.RequestId());
        (row.GetProperty("provider").GetString(), row.GetProperty("dialect").GetString(), row.GetProperty("request_model").GetString()).ShouldBe((provider, served, "sandbox-small"));
        NanoUsd.Parse(row.GetProperty("cost_usd").GetString()).ShouldBe(cap.Bill - before);
        await cap.SettledAsync();
        (await cap.Product.StateAsync(blocks)).Usd("posted_usd").ShouldBe(cap.Bill - before);
    }

    [Fact]
    public async Task A_spent_budget_sends_the_call_along_a_route()
    {
        var (customer, failing) = (cap.NewCustomer(), Failing("groq", "500"));
        var route = await RouteAsync(To(failing, "anthropic/sandbox-small") with { Retries = 0 });
        await DowngradeAsync(customer, route);
        foreach (var asked in (string[])["openai/sandbox-large", await RouteAsync(To("openai/sandbox-large"))])
        {
            using var answer = await cap.ChatAsync(customer, asked);
            ((int)answer.StatusCode).ShouldBe(200, (await CapProduct.ReadAsync(answer)).Text);
            answer.Headers.GetValues("x-tokonomics-downgraded-from").ShouldBe(["sandbox-large"]);
            answer.Headers.GetValues("x-tokonomics-route").ShouldBe([$"{route}; rule=1; target=anthropic/sandbox-small; attempt=2; why=fallback after 500 of {failing}"]);
            var row = await cap.Product.EventAsync(answer.RequestId());
            row.GetProperty("attempts").EnumerateArray().Select(a => a.GetProperty("provider").GetString()).ShouldBe(["groq", "anthropic"]);
            // The route that was asked for, where one was.
            row.GetProperty("tags").GetProperty("route").GetString().ShouldBe(asked.StartsWith("route-", StringComparison.Ordinal) ? asked : route);
        }

        await cap.SettledAsync();
    }

    [Fact]
    public async Task Where_the_cheaper_model_cannot_take_the_call_it_is_refused_as_without_it_and_told_why()
    {
        using var made = await cap.Product.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "large only", environment = "test", allowed_models = new[] { "sandbox-large" } }));
        var bound = JsonDocument.Parse(await made.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("key").GetString();
        await RefreshAsync();
        var nowhere = await RouteAsync(To("nobody/model"));
        var before = cap.Bill;
        foreach (var (to, more, key, why) in ((string, string, string?, string)[])[("anthropic/sandbox-small", ",\"logprobs\":true", null, "logprobs: "), ("anthropic/sandbox-small", "", bound, "may not use the model 'sandbox-small'"), (nowhere, "", null, "nobody/model: no provider")])
        {
            var customer = cap.NewCustomer();
            await DowngradeAsync(customer, to);
            using var answer = await cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("openai/sandbox-large", more: more), key, ("X-Tokonomics-Tags", $"customer={customer}"));
            var text = await answer.Content.ReadAsStringAsync(Cancel);
            ((int)answer.StatusCode).ShouldBe(429, text);
            answer.Headers.GetValues("x-tokonomics-error").ShouldBe(["budget_exhausted"]);
            text.ShouldContain($"Its downgrade to {to} can't be made: ");
            text.ShouldContain(why);
        }

        cap.Bill.ShouldBe(before);
        await cap.SettledAsync();
    }

    [Fact]
    public async Task Where_the_downgrade_cannot_be_made_a_route_goes_on_to_its_next_target()
    {
        var customer = cap.NewCustomer();
        await cap.Product.BudgetAsync(new { scope = new { type = "tag", key = "customer", value = customer }, period = "day", limit_usd = "0.01", action = "downgrade", downgrade_to = "anthropic/sandbox-small", environment = "test", wait_seconds = 0, clamp = false });
        var route = await RouteAsync(To("openai/sandbox-large", "openai/sandbox-small"));
        var seen = await CallAsync(route, more: ",\"max_tokens\":100,\"logprobs\":true", headers: ("X-Tokonomics-Tags", $"customer={customer}"));
        (seen.Status, seen.Attempts.Count).ShouldBe((200, 1), seen.Text);
        seen.Models.ShouldBe(["sandbox-small"]);
        seen.Attempts.Single().GetProperty("provider").GetString().ShouldBe("openai");
        seen.Route.ShouldContain("openai/sandbox-large was refused: budget_");
        await cap.SettledAsync();
    }

    /// <summary>Every way of failing before the first byte and after it, in routes of three targets with retries, at a cap that is too small for all of it.</summary>
    [Fact]
    public async Task A_request_that_goes_on_from_a_stored_answer_goes_where_that_is_kept()
    {
        // By weight, each request by itself: where the answer came from is all that can decide.
        var route = await RouteAsync(To("openai/sandbox-small", "azure-openai/sandbox-small") with { Choose = TargetChoice.Weighted, Sticky = false });
        async Task<(string Target, string Id, string Why)> AskAsync(string more, bool stream)
        {
            using var answer = await cap.Product.PostAsync("/v1/responses", $$"""{"model":"{{route}}","input":"Hello","stream":{{(stream ? "true" : "false")}}{{more}}}""");
            var text = (await CapProduct.ReadAsync(answer)).Text;
            ((int)answer.StatusCode).ShouldBe(200, text);
            var told = answer.Headers.GetValues("x-tokonomics-route").Single();
            return (told.Split("target=")[1].Split(';')[0], text[text.IndexOf("resp_", StringComparison.Ordinal)..].Split('"')[0], told.Split("why=")[1]);
        }

        for (var i = 0; i < 10; i++)
        {
            var (target, id, _) = await AskAsync("", stream: i % 2 == 0);
            var next = await AskAsync($",\"previous_response_id\":\"{id}\"", stream: i % 3 == 0);
            next.Target.ShouldBe(target);
            (await AskAsync($",\"previous_response_id\":\"{next.Id}\"", stream: false)).Target.ShouldBe(target);
        }
    }

    [Fact]
    public async Task Under_a_provider_that_fails_in_every_way_there_is_one_answer_an_exact_bill_and_no_overshoot()
    {
        string[] kinds = ["500", "503", "529", "429", "401", "hang", "cut", "reset", "flaky", "empty", "no-usage", "bad-json", "gzip", "redirect", "drip"];
        var routes = new List<string>();
        for (var i = 0; i < kinds.Length; i++)
            routes.Add(await RouteAsync(
                To($"openai/sandbox-small-{kinds[i]}", $"groq/sandbox-small-{kinds[(i + 4) % kinds.Length]}", "openai/sandbox-small") with { Retries = i % 2, FirstByteTimeout = TimeSpan.FromMilliseconds(400) }));
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var limit = NanoUsd.Parse("0.2")!.Value;
        var budget = await cap.BudgetAsync(customer, limit);
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, budget);
        var statuses = new ConcurrentBag<int>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 300), new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (i, _) =>
        {
            try
            {
                using var answer = await cap.ChatAsync(customer, routes[i % routes.Count], i % 2 == 0, i % 3 == 0 ? ",\"max_tokens\":40" : "", prompt: $"Call {i}");
                await CapProduct.ReadAsync(answer);
                statuses.Add((int)answer.StatusCode);
            }
            catch (HttpRequestException)
            {
                statuses.Add(0);
            }
        });
        await cap.SettledAsync();
        var state = await cap.Product.StateAsync(budget);
        output.WriteLine($"{string.Join(", ", statuses.CountBy(s => s).OrderBy(s => s.Key).Select(s => $"{s.Key}: {s.Value}"))}; bill {cap.Bill - before}, posted {state.Usd("posted_usd")}, {witness.Looks} looks");
        statuses.Count.ShouldBe(300);
        statuses.Count(s => s == 200).ShouldBeGreaterThan(20);
        (cap.Bill - before).ShouldBeLessThanOrEqualTo(limit);
        state.Usd("posted_usd").ShouldBeGreaterThanOrEqualTo(cap.Bill - before);
        witness.Violations.ShouldBeEmpty();
        var events = (await cap.Product.EventsAsync("&environment=test")).Where(e => e.GetProperty("tags").TryGetProperty("customer", out var whose) && whose.GetString() == customer).ToList();
        events.ShouldContain(e => e.GetProperty("attempt").GetInt32() > 2);
    }
}
