using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Domain.Money;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Forwarding;
using static Tokonomics.Testing.Eventually;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>What a strict budget counts when the provider, the client or the operator does something else than a call in order.</summary>
public sealed class StrictFaultTests(StrictFaultTests.Impatient cap, ITestOutputHelper output) : IClassFixture<StrictFaultTests.Impatient>
{
    private const int Seeds = 20;

    public sealed class Impatient : CapProduct
    {
        protected override IEnumerable<KeyValuePair<string, string?>> Settings =>
            [new("Providers:openai:FirstByteTimeout", "00:00:00.4"), new("Providers:openai:IdleTimeout", "00:00:00.4")];
    }

    private const string Limit = ",\"max_tokens\":100";

    // Of the two only the first is cut for its silence: what doesn't hang goes to the other, so that a busy machine doesn't cut it.
    private const string Impatiently = "/v1/chat/completions", Patiently = "/proxy/deepseek/chat/completions";

    // F26, F27, F28, F29 and their kin: what is counted, beside what is charged.
    [Theory]
    [InlineData("sandbox-small-hang", false, 504, "bound")]
    [InlineData("sandbox-small-hang", true, 504, "bound")]
    [InlineData("sandbox-small-hang-mid", false, 0, "bound")]
    [InlineData("sandbox-small-hang-mid", true, 200, "seen")]
    [InlineData("sandbox-small-cut", false, 0, "bound")]
    [InlineData("sandbox-small-cut", true, 200, "seen")]
    [InlineData("sandbox-small-reset", false, 0, "bound")]
    [InlineData("sandbox-small-reset", true, 0, "seen")]
    [InlineData("sandbox-small-429", false, 429, "nothing")]
    [InlineData("sandbox-small-429", true, 429, "nothing")]
    [InlineData("sandbox-small-500", false, 500, "nothing")]
    [InlineData("sandbox-small-503", true, 503, "nothing")]
    [InlineData("sandbox-small-529", true, 529, "nothing")]
    [InlineData("sandbox-small-400", false, 400, "nothing")]
    [InlineData("sandbox-small-401", true, 401, "nothing")]
    [InlineData("sandbox-small-redirect", false, 302, "nothing")]
    [InlineData("sandbox-small-empty", false, 200, "bound")]
    [InlineData("sandbox-small-no-usage", false, 200, "bound")]
    [InlineData("sandbox-small-no-usage", true, 200, "seen")]
    [InlineData("sandbox-small-bad-json", false, 200, "bound")]
    public async Task What_a_broken_call_counts(string model, bool stream, int status, string counted)
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, budget);
        var held = 0L;
        await Parallel.ForEachAsync(Enumerable.Range(0, Seeds), new ParallelOptions { MaxDegreeOfParallelism = 10 }, async (_, _) =>
        {
            try
            {
                using var answer = await cap.ChatAsync(customer, model, stream, Limit, model.Contains("hang", StringComparison.Ordinal) ? Impatiently : Patiently);
                if (status > 0)
                    ((int)answer.StatusCode).ShouldBe(status);
                if (answer.Headers.TryGetValues("x-tokonomics-held-usd", out var values))
                    Interlocked.Exchange(ref held, NanoUsd.Parse(values.Single())!.Value.Value);
                await CapProduct.ReadAsync(answer);
            }
            catch (HttpRequestException)
            {
                status.ShouldBe(0); // broken off before the headers
            }
        });
        await cap.SettledAsync();
        var (bill, posted) = ((cap.Bill - before).Value, (await cap.Product.StateAsync(budget)).Usd("posted_usd").Value);
        posted.ShouldBeGreaterThanOrEqualTo(bill);
        witness.Violations.ShouldBeEmpty();
        var bound = await BoundAsync(model, stream);
        if (held > 0)
            held.ShouldBe(bound);
        switch (counted)
        {
            case "nothing":
                posted.ShouldBe(0);
                break;
            case "bound":
                posted.ShouldBe(Seeds * bound);
                break;
            default:
                posted.ShouldBeInRange(bill, Seeds * bound);
                break;
        }
    }

    // What such a call may cost at most, by the product's own word: every byte of it counts, so that the model's name is as long.
    private async Task<long> BoundAsync(string model, bool stream, string more = Limit)
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        long held;
        using (var answer = await cap.ChatAsync(customer, "sandbox-".PadRight(model.Length, 'z'), stream, more, Patiently))
            held = CapProduct.Held(answer).Value;
        await cap.SettledAsync(); // not on the bill of the test that comes next
        return held;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F33_a_provider_that_ignores_the_limit_is_charged_in_full_alerted_and_cut(bool stream)
    {
        const int calls = 20;
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("0.5")!.Value);
        var delivered = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, calls), new ParallelOptions { MaxDegreeOfParallelism = 10 }, async (_, _) =>
        {
            using var answer = await cap.ChatAsync(customer, "sandbox-small-ignores-max-tokens", stream, ",\"max_tokens\":200", Patiently); // answers 2,000
            var (text, _) = await CapProduct.ReadAsync(answer);
            Interlocked.Add(ref delivered, text.Split("\"content\":\"").Length);
            if (stream)
                text.ShouldContain("ignored the output limit");
        });

        await cap.SettledAsync();
        var (bill, posted) = ((cap.Bill - before).Value, (await cap.Product.StateAsync(budget)).Usd("posted_usd").Value);
        output.WriteLine($"stream {stream}: bill {bill}, posted {posted}; {bill / 2000 / calls} tokens of each charged at a limit of 200, {delivered / calls} pieces let through");
        posted.ShouldBeGreaterThanOrEqualTo(bill);
        if (stream)
            bill.ShouldBeLessThan(calls * 2000 * 1000); // not half of the 2,000 tokens: it was cut off
        else
            posted.ShouldBe(bill);
        Alerts(budget, "overrun").ShouldBe(calls);
    }

    private int Alerts(string budget, string kind)
    {
        using var connection = new SqliteConnection($"Data Source={Path.Combine(cap.Product.DataFolder, "tokonomics.db")};Pooling=False;Default Timeout=30");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM budget_alerts WHERE budget_id = $budget AND kind = $kind";
        command.Parameters.AddWithValue("$budget", budget);
        command.Parameters.AddWithValue("$kind", kind);
        return (int)(long)command.ExecuteScalar()!;
    }

    [Fact]
    public async Task F33_a_clamped_stream_is_cut_by_the_limit_that_it_was_sent_and_not_by_the_one_that_was_asked_for()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        await cap.BudgetAsync(customer, NanoUsd.Parse("0.0019")!.Value, wait: 0);
        using var answer = await cap.ChatAsync(customer, "sandbox-small-ignores-max-tokens", stream: true, ",\"max_tokens\":4000");
        var limit = long.Parse(answer.Headers.GetValues("x-tokonomics-clamped-to").Single(), System.Globalization.CultureInfo.InvariantCulture);
        limit.ShouldBeLessThan(400);
        var (text, _) = await CapProduct.ReadAsync(answer);
        text.ShouldContain("ignored the output limit");
        await cap.Product.DrainAsync();
        (cap.Bill - before).Value.ShouldBeLessThan(2000 * ((2 * limit) + 500)); // 2 USD a million; what is on its way is a few hundred tokens
    }

    [Fact]
    public async Task F36_clients_that_leave_at_every_phase_leave_nothing_held()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, budget);
        // Before the body is whole; before any answer; in the stream; after its last byte; in a plain answer that takes its time.
        await Parallel.ForEachAsync(Enumerable.Range(0, 150), new ParallelOptions { MaxDegreeOfParallelism = 15 }, async (i, _) =>
        {
            using var leave = new CancellationTokenSource();
            try
            {
                switch (i % 5)
                {
                    case 0:
                        using (var raw = new System.Net.Sockets.TcpClient("127.0.0.1", cap.Product.Url.Port))
                            await raw.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cap.Product.TestKey}\r\nX-Tokonomics-Tags: customer={customer}\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{{\"model\""), CancellationToken.None);
                        break;
                    case 1:
                        leave.CancelAfter(1 + (i % 30));
                        using (await SendAsync("sandbox-small-hang", true, leave.Token))
                            break;
                    case 2:
                        using (var answer = await SendAsync("sandbox-small-slow", true, leave.Token))
                        await using (var body = await answer.Content.ReadAsStreamAsync(CancellationToken.None))
                            await body.ReadExactlyAsync(new byte[1 + ((i * 37) % 900)], CancellationToken.None);
                        break;
                    case 3:
                        using (var answer = await SendAsync("sandbox-small", true, leave.Token))
                            await answer.Content.ReadAsByteArrayAsync(CancellationToken.None);
                        break;
                    default:
                        leave.CancelAfter(1 + (i % 100));
                        using (await SendAsync("sandbox-small-slow", false, leave.Token))
                            break;
                }
            }
            catch (Exception e) when (e is OperationCanceledException or HttpRequestException or IOException)
            {
                // Left.
            }
        });
        await cap.SettledAsync();
        (await cap.Product.StateAsync(budget)).Usd("posted_usd").ShouldBeGreaterThanOrEqualTo(cap.Bill - before);
        witness.Violations.ShouldBeEmpty();

        async Task<HttpResponseMessage> SendAsync(string model, bool stream, CancellationToken cancellationToken)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(cap.Product.Url, "/v1/chat/completions"))
            {
                Content = new StringContent(ProxyCalls.Chat(model, stream, more: Limit), System.Text.Encoding.UTF8, "application/json"),
            };
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {cap.Product.TestKey}");
            request.Headers.TryAddWithoutValidation("X-Tokonomics-Tags", $"customer={customer}");
            return await cap.Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
    }

    [Fact]
    public async Task F46_a_call_is_held_and_charged_at_the_price_of_its_admission_while_prices_change_and_a_model_leaves_the_list()
    {
        var customer = cap.NewCustomer();
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("5")!.Value);
        var price = await PriceAsync("mine-small", "1", "2");
        var ids = new List<(string Id, string OutputPrice, Task Done)>();
        for (var seed = 0; seed < Seeds; seed++)
        {
            var output = (2 + seed).ToString(System.Globalization.CultureInfo.InvariantCulture);
            price = await PriceAsync("mine-small", "1", output);
            var answer = await cap.ChatAsync(customer, "mine-small", stream: true, Limit, "/proxy/openai/v1/chat/completions");
            ((int)answer.StatusCode).ShouldBe(200, await Peek(answer));
            // 100 tokens at that rate, and the same input each time
            ids.Add((answer.RequestId(), output, CapProduct.ReadAsync(answer)));
        }

        // Gone from the list while the last calls run: unpriced, and refused where a budget is strict.
        (await cap.Product.ApiAsync(HttpMethod.Delete, $"prices/overrides/{price}")).IsSuccessStatusCode.ShouldBeTrue();
        using (var refused = await cap.ChatAsync(customer, "mine-small", stream: true, Limit, "/proxy/openai/v1/chat/completions"))
        {
            ((int)refused.StatusCode).ShouldBe(400);
            (await refused.Content.ReadAsStringAsync()).ShouldContain("\"code\":\"unpriced\"");
        }

        var versions = new HashSet<string>();
        var sum = 0L;
        foreach (var (id, rate, done) in ids)
        {
            await done;
            var row = await cap.Product.EventAsync(id);
            var tokens = row.GetProperty("usage").GetProperty("output_tokens").GetInt64();
            var input = row.GetProperty("usage").GetProperty("input_tokens").GetInt64();
            var cost = NanoUsd.Parse(row.GetProperty("cost_usd").GetString()!)!.Value.Value;
            cost.ShouldBe((input * 1000) + (tokens * 1000 * long.Parse(rate, System.Globalization.CultureInfo.InvariantCulture)), rate);
            versions.Add(row.GetProperty("price_version").GetString()!).ShouldBeTrue();
            sum += cost;
        }

        await cap.SettledAsync();
        (await cap.Product.StateAsync(budget)).Usd("posted_usd").Value.ShouldBe(sum);

        static async Task<string> Peek(HttpResponseMessage answer) => answer.IsSuccessStatusCode ? "" : await answer.Content.ReadAsStringAsync();
    }

    private async Task<string> PriceAsync(string model, string input, string output)
    {
        using var answer = await cap.Product.ApiAsync(HttpMethod.Post, "prices/overrides", JsonContent.Create(new { provider = "openai", model, rates = new { max_input = 128000, max_output = 4096, input, output } }));
        var text = await answer.Content.ReadAsStringAsync();
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!;
    }

    [Fact]
    public async Task F47_after_a_cap_was_lowered_below_what_runs_nothing_more_is_let_in_and_after_it_was_raised_as_much_as_fits()
    {
        var bound = await BoundAsync("sandbox-small-hang-mid", stream: true);
        for (var seed = 0; seed < Seeds; seed++)
        {
            var customer = cap.NewCustomer();
            var budget = await cap.BudgetAsync(customer, new NanoUsd(bound * 40), clamp: false, wait: 0);
            // 32 that stay until they are left: the provider is silent for longer than this takes, or is cut for it, which changes nothing here.
            var running = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => cap.ChatAsync(customer, "sandbox-small-hang-mid", stream: true, Limit, Patiently)));
            running.ShouldAllBe(a => a.IsSuccessStatusCode);

            await cap.ChangeAsync(budget, new NanoUsd(bound * (seed % 32)), clamp: false, wait: 0);
            var after = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => cap.ChatAsync(customer, "sandbox-small-hang-mid", stream: true, Limit, Patiently)));
            after.ShouldAllBe(a => (int)a.StatusCode == 429, $"seed {seed}");

            await cap.ChangeAsync(budget, new NanoUsd(bound * 35), clamp: false, wait: 0);
            var raised = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => cap.ChatAsync(customer, "sandbox-small-hang-mid", stream: true, Limit, Patiently)));
            raised.Count(a => a.IsSuccessStatusCode).ShouldBe(3, $"seed {seed}");
            foreach (var answer in running.Concat(after).Concat(raised))
                answer.Dispose();
        }

        await cap.SettledAsync();
    }

    [Fact]
    public async Task A_budget_that_is_deleted_does_not_cut_the_streams_that_it_counted()
    {
        await Parallel.ForEachAsync(Enumerable.Range(0, 20), new ParallelOptions { MaxDegreeOfParallelism = 20 }, async (_, _) =>
        {
            var customer = cap.NewCustomer();
            var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
            using var answer = await cap.ChatAsync(customer, "sandbox-long", stream: true, path: Patiently); // 2,000 tokens at 2 ms each, paid for in slices
            await using var body = await answer.Content.ReadAsStreamAsync(CancellationToken.None);
            await body.ReadExactlyAsync(new byte[200], CancellationToken.None);
            (await cap.Product.ApiAsync(HttpMethod.Delete, $"budgets/{budget}")).IsSuccessStatusCode.ShouldBeTrue();
            using var rest = new StreamReader(body);
            (await rest.ReadToEndAsync(CancellationToken.None)).ShouldContain("\"finish_reason\":\"stop\"");
        });

        await cap.SettledAsync();
    }

    [Fact]
    public async Task Clients_that_leave_while_they_wait_for_others_holds_leave_no_hold_and_no_body_behind()
    {
        var bound = await BoundAsync("sandbox-small-hang-mid", stream: true);
        var buffers = cap.Product.Services.GetRequiredService<BufferBudget>();
        var gate = cap.Product.Services.GetRequiredService<BudgetGate>();
        await cap.Product.DrainAsync();
        for (var seed = 0; seed < 5; seed++)
        {
            var customer = cap.NewCustomer();
            await cap.BudgetAsync(customer, new NanoUsd(bound * 2), clamp: false, wait: 60);
            var holder = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => cap.ChatAsync(customer, "sandbox-small-hang-mid", stream: true, Limit, Patiently)));
            holder.ShouldAllBe(a => a.IsSuccessStatusCode);
            using var leave = new CancellationTokenSource();
            var waiting = Enumerable.Range(0, 20).Select(async i =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(cap.Product.Url, "/v1/chat/completions"))
                {
                    Content = new StringContent(ProxyCalls.Chat("sandbox-small", i % 2 == 0, more: Limit + $",\"metadata\":{{\"x\":\"{new string('y', 200)}\"}}"), System.Text.Encoding.UTF8, "application/json"),
                };
                request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {cap.Product.TestKey}");
                request.Headers.TryAddWithoutValidation("X-Tokonomics-Tags", $"customer={customer}");
                try
                {
                    using var answer = await cap.Product.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, leave.Token);
                    return (int)answer.StatusCode;
                }
                catch (OperationCanceledException)
                {
                    return 0;
                }
            }).ToList();
            await UntilAsync(() => buffers.Taken > 20 * 350, "twenty bodies are held in memory");
            await leave.CancelAsync();
            (await Task.WhenAll(waiting)).ShouldAllBe(s => s == 0);
            await UntilAsync(() => buffers.Taken <= 2 * 1024, "the bodies of those who left are given back"); // of the two that run
            gate.Sums().Held.Value.ShouldBe(2 * bound);
            foreach (var answer in holder)
                answer.Dispose();
            await UntilAsync(() => gate.Sums().Held == NanoUsd.Zero, "nothing is held");
            await UntilAsync(() => buffers.Taken == 0, "no body is in memory");
        }

        await cap.SettledAsync();
    }

    [Fact]
    public async Task Where_answers_were_short_of_late_a_long_one_is_not_cut_while_there_is_room()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        for (var i = 0; i < 25; i++) // short ones, so that the percentile is small
            using (var brief = await cap.ChatAsync(customer, "sandbox-words", stream: true, ",\"max_tokens\":3", Patiently))
                await brief.Content.ReadAsByteArrayAsync();
        foreach (var model in (string[])["sandbox-words", "sandbox-long"])
        {
            using var answer = await cap.ChatAsync(customer, model, stream: true, path: Patiently);
            var (text, whole) = await CapProduct.ReadAsync(answer);
            whole.ShouldBeTrue();
            text.ShouldContain("\"finish_reason\":\"stop\"");
        }

        await cap.SettledAsync();
        (await cap.Product.StateAsync(budget)).Usd("posted_usd").ShouldBe(cap.Bill - before);
    }

    [Theory]
    [InlineData("/v1/responses", """{"model":"sandbox-small","input":"Hi","background":true}""")]
    [InlineData("/v1/responses", """{"model":"sandbox-small","input":"Hi","stream":true,"background":true}""")]
    [InlineData("/proxy/openai/v1/responses", """{"model":"sandbox-small","input":"Hi","back\u0067round":true}""")]
    public async Task A_job_in_the_background_has_no_bound_and_is_refused_under_a_strict_budget(string path, string body)
    {
        var customer = cap.NewCustomer();
        await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value);
        var before = cap.Bill;
        using var answer = await cap.Product.PostAsync(path, body, null, ("X-Tokonomics-Tags", $"customer={customer}"));
        ((int)answer.StatusCode).ShouldBe(400);
        (await answer.Content.ReadAsStringAsync()).ShouldContain("unbounded_deferred");
        using var foreground = await cap.Product.PostAsync(path, body.Replace("true}", "false}", StringComparison.Ordinal), null, ("X-Tokonomics-Tags", $"customer={customer}"));
        ((int)foreground.StatusCode).ShouldBe(200);
        await foreground.Content.ReadAsByteArrayAsync();
        await cap.Product.DrainAsync();
        cap.Bill.ShouldBeGreaterThan(before);
    }

    [Fact]
    public async Task Odd_names_and_tags_are_told_in_headers_without_harm()
    {
        foreach (var value in (string[])["acme\u00e9", "日本", "\ud83d\ude00", "a\"b\\c", new string('v', 256), " x"])
        {
            var customer = value.Trim();
            await cap.BudgetAsync(customer, NanoUsd.Parse("1")!.Value, period: "week");
            var utf8 = System.Text.Encoding.Latin1.GetString(System.Text.Encoding.UTF8.GetBytes(customer));
            using var raw = new System.Net.Sockets.TcpClient("127.0.0.1", cap.Product.Url.Port);
            var body = ProxyCalls.Chat("sandbox-small", more: Limit);
            await raw.GetStream().WriteAsync(System.Text.Encoding.Latin1.GetBytes(
                $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {cap.Product.TestKey}\r\nX-Tokonomics-Tags: customer={utf8}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            using var reader = new StreamReader(raw.GetStream(), System.Text.Encoding.Latin1);
            var text = await reader.ReadToEndAsync();
            text.ShouldStartWith("HTTP/1.1 200 ", Case.Sensitive, $"{customer}: {text}");
            text.ShouldContain("x-tokonomics-budget: week tag customer=");
        }

        // A model's name that is no name: told back cut and plain.
        var odd = cap.NewCustomer();
        await cap.Product.BudgetAsync(new { scope = new { type = "tag", key = "customer", value = odd }, period = "day", limit_usd = "0", action = "downgrade", downgrade_to = "sandbox-small", environment = "test" });
        using var answer = await cap.ChatAsync(odd, "sandbox-\\u00e9\\u0001" + new string('m', 40_000), more: Limit);
        ((int)answer.StatusCode).ShouldBe(200, await answer.Content.ReadAsStringAsync());
        answer.Headers.GetValues("x-tokonomics-downgraded-from").Single().Length.ShouldBe(200);
    }

    [Fact]
    public async Task A_downgraded_call_is_still_held_on_the_budgets_that_only_block()
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        await cap.Product.BudgetAsync(new { scope = new { type = "tag", key = "customer", value = customer }, period = "day", limit_usd = "0", action = "downgrade", downgrade_to = "sandbox-small", environment = "test" });
        var blocks = await cap.BudgetAsync(customer, NanoUsd.Parse("0.006")!.Value, wait: 0, period: "total");
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, blocks);
        var (served, refused) = (0, 0);
        for (var i = 0; i < 60; i++)
        {
            using var answer = await cap.ChatAsync(customer, "sandbox-large", stream: i % 3 == 0, i % 2 == 0 ? ",\"max_tokens\":500" : "");
            await CapProduct.ReadAsync(answer);
            if (answer.IsSuccessStatusCode)
            {
                served++;
                answer.Headers.GetValues("x-tokonomics-downgraded-from").ShouldBe(["sandbox-large"]);
                answer.Headers.GetValues("x-tokonomics-budget").Single().ShouldStartWith("total ");
            }
            else
            {
                refused++;
            }
        }

        await cap.SettledAsync();
        served.ShouldBeGreaterThan(10);
        refused.ShouldBeGreaterThan(0);
        witness.Violations.ShouldBeEmpty();
        (await cap.Product.StateAsync(blocks)).Usd("posted_usd").ShouldBe(cap.Bill - before);
        output.WriteLine($"{served} served at the cheaper model, {refused} refused");
    }
}
