using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text.Json;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>Faults that others' budgets are on record with, each as a test: the numbers are those of the issues in which they were reported.</summary>
public sealed class RecordedRaceTests(CapProduct cap, ITestOutputHelper output) : IClassFixture<CapProduct>
{
    private const int Parallel64 = 64;

    // Streams that never end by themselves: whoever was let in stays until the client leaves.
    private static async Task<(int Admitted, List<string> Refusals)> AllAtOnceAsync(Func<Task<HttpResponseMessage>> call)
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, Parallel64).Select(_ => Task.Run(call)));
        var refusals = new List<string>();
        foreach (var refused in answers.Where(a => !a.IsSuccessStatusCode))
        {
            ((int)refused.StatusCode).ShouldBe(429);
            refusals.Add(JsonDocument.Parse(await refused.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("code").GetString()!);
        }

        var admitted = answers.Count(a => a.IsSuccessStatusCode);
        foreach (var answer in answers)
            answer.Dispose();
        return (admitted, refusals);
    }

    private async Task<NanoUsd> BoundAsync(string more)
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("10")!.Value);
        NanoUsd held;
        using (var answer = await cap.ChatAsync(customer, "sandbox-small-hang-mid", stream: true, more))
            held = CapProduct.Held(answer);
        await cap.SettledAsync(); // not on the bill of the test that comes next
        return held;
    }

    [Fact]
    public async Task R34732_parallel_calls_at_a_cap_are_let_in_exactly_as_many_as_fit()
    {
        const string more = ",\"max_tokens\":100";
        var bound = await BoundAsync(more);
        var random = new Random(34732);
        for (var seed = 0; seed < 20; seed++)
        {
            // One nano-dollar less than a whole number of calls, or anything else.
            var fit = random.Next(0, 12);
            var limit = new NanoUsd(((fit + 1) * bound.Value) - (seed % 2 == 0 ? 1 : random.NextInt64(1, bound.Value)));
            var customer = cap.NewCustomer();
            var budget = await cap.BudgetAsync(customer, limit, clamp: false, wait: 0);
            await using var witness = new CapWitness(cap.Product.DataFolder, () => 0, budget);
            var (admitted, refusals) = await AllAtOnceAsync(() => cap.ChatAsync(customer, "sandbox-small-hang-mid", stream: true, more));
            admitted.ShouldBe(fit, $"seed {seed}, limit {limit.Value}, bound {bound.Value}"); // floor(limit / bound)
            refusals.ShouldAllBe(r => r == (fit == 0 ? "budget_exhausted" : "budget_held"));
            witness.Violations.ShouldBeEmpty();
        }

        await cap.SettledAsync();
    }

    [Fact]
    public async Task R40095_first_calls_of_a_value_never_seen_before_are_let_in_exactly_as_many_as_fit()
    {
        const string more = ",\"max_tokens\":100";
        var bound = await BoundAsync(more);
        var each = await cap.Product.BudgetAsync(
            new { scope = new { type = "tag", key = "sub" }, period = "day", limit_usd = new NanoUsd((5 * bound.Value) + 17).ToString(), environment = "test", clamp = false, wait_seconds = 0 });
        for (var seed = 0; seed < 20; seed++)
        {
            var value = $"never-seen-{seed}";
            var (admitted, _) = await AllAtOnceAsync(() =>
                cap.Product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-hang-mid", stream: true, more: more), null, ("X-Tokonomics-Tags", $"sub={value}")));
            admitted.ShouldBe(5, value);
        }

        await cap.SettledAsync();
        (await cap.Product.ApiAsync(HttpMethod.Delete, $"budgets/{each}")).IsSuccessStatusCode.ShouldBeTrue();
    }

    [Theory]
    [InlineData("key")]
    [InlineData("tenant")]
    public async Task F48_first_calls_of_a_new_key_or_tenant_are_let_in_exactly_as_many_as_fit(string what)
    {
        const string more = ",\"max_tokens\":100";
        var bound = await BoundAsync(more);
        for (var seed = 0; seed < 3; seed++)
        {
            await using var fresh = await TestProduct.StartAsync();
            var key = fresh.TestKey;
            object scope = new { type = "tenant" };
            if (what == "key")
            {
                using var made = await fresh.ApiAsync(HttpMethod.Post, "keys", JsonContent.Create(new { name = "sub", environment = "test" }));
                var said = JsonDocument.Parse(await made.Content.ReadAsStringAsync()).RootElement;
                key = said.GetProperty("key").GetString()!;
                scope = new { type = "key", id = said.GetProperty("id").GetString() };
            }

            await fresh.BudgetAsync(new NanoUsd((4 * bound.Value) - 1).ToString(), scope, clamp: false, waitSeconds: 0);
            var (admitted, _) = await AllAtOnceAsync(() => fresh.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-small-hang-mid", stream: true, more: more), key));
            admitted.ShouldBe(3, $"{what} {seed}");
        }
    }

    [Fact]
    public async Task R26845_a_call_that_is_larger_than_the_headroom_is_lowered_to_it_or_refused_and_never_let_in_as_it_is()
    {
        // 100,000 tokens of prompt at 10 USD a million: one dollar and a little.
        var (lowered, refused) = (cap.NewCustomer(), cap.NewCustomer());
        foreach (var (customer, clamp) in new[] { (lowered, true), (refused, false) })
        {
            var before = cap.Bill;
            var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("20")!.Value, clamp);
            using (var large = await cap.ChatAsync(customer, "sandbox-large", prompt: new string('x', 400_000)))
                ((int)large.StatusCode).ShouldBe(200, await large.Content.ReadAsStringAsync());
            await cap.Product.DrainAsync();
            var spent = cap.Bill - before;
            var limit = new NanoUsd(spent.Value * 100 / 99); // a hundredth is left
            await cap.ChangeAsync(budget, limit, clamp, wait: 0);

            using var answer = await cap.ChatAsync(customer, "sandbox-small-tokens-4096", more: ",\"max_tokens\":100000");
            if (clamp)
            {
                ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
                answer.Headers.GetValues("x-tokonomics-clamped-to").Count().ShouldBe(1);
                CapProduct.Held(answer).ShouldBeLessThanOrEqualTo(limit - spent);
            }
            else
            {
                ((int)answer.StatusCode).ShouldBe(429);
            }

            await cap.Product.DrainAsync();
            (cap.Bill - before).ShouldBeLessThanOrEqualTo(limit);
        }
    }

    [Fact]
    public async Task R27509_calls_without_a_limit_are_all_let_in_at_nine_tenths_of_headroom()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("5")!.Value);
        using (var first = await cap.ChatAsync(customer, "sandbox-large", more: ",\"max_tokens\":500", prompt: new string('x', 80_000)))
            ((int)first.StatusCode).ShouldBe(200);
        await cap.Product.DrainAsync();
        await cap.ChangeAsync(budget, new NanoUsd((cap.Bill - before).Value * 10)); // a tenth is spent: some 0.2 of 2 USD

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => cap.ChatAsync(customer, "sandbox-small-slow", stream: i % 2 == 0)));
        answers.ShouldAllBe(a => a.IsSuccessStatusCode);
        foreach (var answer in answers)
        {
            var (text, whole) = await CapProduct.ReadAsync(answer);
            whole.ShouldBeTrue();
            text.ShouldContain("\"finish_reason\":\"stop\"");
            answer.Dispose();
        }
    }

    [Fact]
    public async Task R27639_after_all_kinds_of_ends_nothing_is_held_and_what_is_enforced_is_what_the_ledger_says()
    {
        string[] models =
        [
            "sandbox-small", "sandbox-large", "sandbox-small-reason", "sandbox-small-cut", "sandbox-small-reset", "sandbox-small-no-usage", "sandbox-small-bad-json", "sandbox-small-bad-sse", "sandbox-small-500",
            "sandbox-small-429", "sandbox-small-flaky", "sandbox-small-empty", "sandbox-small-gzip", "sandbox-long", "sandbox-small-ignores-max-tokens", "sandbox-small-redirect", "sandbox-small-drip", "sandbox-nothing-400",
        ];
        var random = new Random(27639);
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("3")!.Value);
        var plan = Enumerable.Range(0, 300).Select(i => (Model: models[i % models.Length], Stream: random.Next(2) == 0, More: random.Next(3) switch { 0 => "", 1 => ",\"max_tokens\":64", _ => ",\"max_tokens\":300" })).ToArray();
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, budget);
        await Parallel.ForEachAsync(plan, new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (p, _) =>
        {
            try
            {
                using var answer = await cap.ChatAsync(customer, p.Model, p.Stream, p.More);
                await CapProduct.ReadAsync(answer);
            }
            catch (HttpRequestException)
            {
                // Broken off before the headers.
            }
        });
        await cap.SettledAsync();
        var state = await cap.Product.StateAsync(budget);
        state.Usd("held_usd").ShouldBe(NanoUsd.Zero);
        state.Usd("leased_usd").ShouldBe(NanoUsd.Zero);
        state.Usd("posted_usd").ShouldBeGreaterThanOrEqualTo(cap.Bill - before);
        witness.Violations.ShouldBeEmpty();
        output.WriteLine($"bill {cap.Bill - before}, posted {state.Usd("posted_usd")}, {witness.Looks} looks");
    }

    [Fact]
    public async Task R30522_a_thousand_clients_that_leave_at_random_bytes_cost_the_cap_no_less_than_the_provider_charges()
    {
        var random = new Random(30522);
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        // Enough for all, so that each call runs: how much too much is counted is told below.
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("20")!.Value);
        (string Path, Func<string, string> Body, int Limited)[] ways =
        [
            ("/v1/chat/completions", m => ProxyCalls.Chat(m, stream: true), 0),
            ("/v1/chat/completions", m => ProxyCalls.Chat(m, stream: true, more: ",\"max_tokens\":200"), 1),
            ("/v1/chat/completions", m => ProxyCalls.Chat(m, more: ",\"max_tokens\":200"), 1),
            ("/v1/responses", m => $$"""{"model":"{{m}}","input":"Hello","stream":true}""", 0),
            ("/v1/messages", m => $$"""{"model":"{{m}}","max_tokens":200,"messages":[{"role":"user","content":"Hello"}],"stream":true}""", 1),
            ("/proxy/gemini/v1beta/models/sandbox-small:streamGenerateContent?alt=sse", _ => """{"contents":[{"parts":[{"text":"Hi"}]}]}""", 0),
        ];
        string[] models = ["sandbox-small", "sandbox-small-tokens-200", "sandbox-small-reason"];
        var plan = Enumerable.Range(0, 1000).Select(i =>
        {
            var way = ways[random.Next(ways.Length)];
            return (Way: way, Model: way.Limited == 1 && i % 3 == 0 ? "sandbox-small-bills-on" : models[random.Next(models.Length)], Bytes: random.Next(10) switch { 0 => -1, 1 => 0, _ => random.Next(6000) });
        }).ToArray();
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, budget);
        await Parallel.ForEachAsync(plan, new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (p, _) =>
        {
            using var leave = new CancellationTokenSource();
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(cap.Product.Url, p.Way.Path)) { Content = new StringContent(p.Way.Body(p.Model), System.Text.Encoding.UTF8, "application/json") };
                request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {cap.Product.TestKey}");
                request.Headers.TryAddWithoutValidation("X-Tokonomics-Tags", $"customer={customer}");
                if (p.Bytes < 0)
                    leave.CancelAfter(p.Model.Length % 9);
                using var answer = await cap.Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leave.Token);
                ((int)answer.StatusCode).ShouldBe(200);
                await using var body = await answer.Content.ReadAsStreamAsync(leave.Token);
                var buffer = new byte[128];
                for (var (left, read) = (p.Bytes, 1); left > 0 && read > 0; left -= read)
                    read = await body.ReadAsync(buffer.AsMemory(0, Math.Min(left, buffer.Length)), leave.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException)
            {
                // Left early.
            }
        });
        await cap.SettledAsync();
        var (bill, posted) = (cap.Bill - before, (await cap.Product.StateAsync(budget)).Usd("posted_usd"));
        posted.ShouldBeGreaterThanOrEqualTo(bill);
        witness.Violations.ShouldBeEmpty();
        output.WriteLine($"bill {bill}, posted {posted}, {witness.Looks} looks");
    }

    [Fact]
    public async Task R13245_a_provider_that_bills_on_after_its_client_left_is_held_whole()
    {
        // Groq is one that is not known to stop: its stream without a limit holds all that the model can put out.
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        for (var seed = 0; seed < 20; seed++)
        {
            using var answer = await cap.ChatAsync(customer, "sandbox-long-bills-on", stream: true, path: "/proxy/groq/openai/v1/chat/completions");
            ((int)answer.StatusCode).ShouldBe(200);
            CapProduct.Held(answer).Value.ShouldBeGreaterThan(4096 * 2000); // 4,096 tokens at 2 USD a million, and the input
            await using var body = await answer.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[1 + (seed * 97)]);
        }

        await cap.SettledAsync();
        var bill = cap.Bill - before;
        bill.Value.ShouldBeGreaterThan(20 * 2000 * 2000); // all 2,000 tokens of each
        (await cap.Product.StateAsync(budget)).Usd("posted_usd").ShouldBeGreaterThanOrEqualTo(bill);
    }

    [Fact]
    public async Task R25549_alias_provider_prefix_and_dated_version_all_count_on_one_budget()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        (string Path, string Model)[] names =
        [
            ("/v1/chat/completions", "sandbox-small"), ("/v1/chat/completions", "openai/sandbox-small"), ("/v1/chat/completions", "groq/sandbox-small"), ("/v1/chat/completions", "sandbox-small-2026-11-01"),
            ("/v1/chat/completions", "sandbox-small@default"), ("/proxy/openai/v1/chat/completions", "sandbox-small"), ("/proxy/deepseek/chat/completions", "sandbox-small"), ("/proxy/openrouter/api/v1/chat/completions", "sandbox-small"),
        ];
        foreach (var (path, model) in names)
        {
            var spent = cap.Bill;
            using (var answer = await cap.ChatAsync(customer, model, path: path))
                ((int)answer.StatusCode).ShouldBe(200, $"{model}: {await answer.Content.ReadAsStringAsync()}");
            await cap.Product.DrainAsync();
            cap.Bill.ShouldBeGreaterThan(spent);
            (await cap.Product.StateAsync(budget)).Usd("posted_usd").ShouldBe(cap.Bill - before, model);
        }

        await cap.ChangeAsync(budget, cap.Bill - before);
        foreach (var (path, model) in names)
        {
            using var refused = await cap.ChatAsync(customer, model, path: path);
            ((int)refused.StatusCode).ShouldBe(429, model);
        }
    }

    [Fact]
    public async Task R38647_a_thousand_small_amounts_make_exactly_their_sum()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("9")!.Value);
        var costs = new ConcurrentBag<long>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 1000), new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (i, _) =>
        {
            using var answer = await cap.Product.PostAsync(
                "/v1/embeddings", $$"""{"model":"sandbox-embed","input":"{{new string('a', 1 + (i % 37))}}"}""", null, ("X-Tokonomics-Tags", $"customer={customer}"));
            var usage = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(CancellationToken.None)).RootElement.GetProperty("usage");
            costs.Add(usage.GetProperty("prompt_tokens").GetInt64() * 100); // 0.1 USD a million: 100 nano-dollars each
        });
        await cap.SettledAsync();
        var state = await cap.Product.StateAsync(budget);
        costs.Count.ShouldBe(1000);
        state.Usd("posted_usd").Value.ShouldBe(costs.Sum());
        (cap.Bill - before).Value.ShouldBe(costs.Sum());
        state.GetProperty("posted_usd").GetString().ShouldBe(new NanoUsd(costs.Sum()).ToString()); // a decimal string: no 25.000000000000004
    }

    [Fact]
    public async Task Spent_is_said_only_of_what_is_spent()
    {
        // 30 callers at a cap, each call's bound some three times its cost: whoever is told that all is spent must be right, since no SDK asks again.
        var wrong = new ConcurrentBag<string>();
        var told = 0;
        for (var seed = 0; seed < 5; seed++)
        {
            var customer = cap.NewCustomer();
            var before = cap.Bill;
            var limit = NanoUsd.Parse("0.03")!.Value; // some thirty calls of 500 tokens at 2 USD a million
            await cap.BudgetAsync(customer, limit, clamp: false, wait: 0.2m);
            var bound = await BoundAsync(",\"max_tokens\":500");
            await cap.Product.DrainAsync();
            before = cap.Bill;
            await Parallel.ForEachAsync(Enumerable.Range(0, 150), new ParallelOptions { MaxDegreeOfParallelism = 30 }, async (i, _) =>
            {
                using var answer = await cap.ChatAsync(customer, "sandbox-small-tokens-500", more: ",\"max_tokens\":500");
                var text = await answer.Content.ReadAsStringAsync(CancellationToken.None);
                if (answer.IsSuccessStatusCode || !text.Contains("budget_exhausted", StringComparison.Ordinal))
                    return;
                // All that is spent has been charged before.
                var left = limit - (cap.Bill - before);
                Interlocked.Increment(ref told);
                if (left >= bound)
                    wrong.Add($"seed {seed}, call {i}: {left} USD were left for {bound}: {text}");
            });
            await cap.Product.DrainAsync();
        }

        told.ShouldBeGreaterThan(0);
        wrong.ShouldBeEmpty();
    }
}
