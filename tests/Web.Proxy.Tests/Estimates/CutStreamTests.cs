using Tokonomics.Testing;
using Tokonomics.Web.Proxy.Sandbox;
using Tokonomics.Web.Proxy.Tests.Budgets;
using Tokonomics.Web.Proxy.Tests.Relay;

namespace Tokonomics.Web.Proxy.Tests.Estimates;

/// <summary>What the ledger says of streams that were broken off, in sum, against what the provider has charged for them.</summary>
public sealed class CutStreamTests(ITestOutputHelper output)
{
    private static int Seed => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_CUT_SEED"), out var seed) ? seed : 36;

    private static int Calls => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_CUT_STREAMS"), out var calls) ? calls : 400;

    [Fact]
    public async Task Streams_that_were_cut_at_random_are_estimated_in_sum_as_the_provider_charges_them_and_marked()
    {
        await using var product = await TestProduct.StartAsync();
        var plan = CutStreams.Plan(Seed, Calls);
        await Parallel.ForEachAsync(plan, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (call, cancel) => await CutStreams.RunAsync(product.Client, product.Url, product.TestKey, call, cancel));

        using var patience = new CancellationTokenSource(Upstream.Patience);
        await product.Sandbox.WhenIdleAsync(patience.Token);
        await product.FlushAsync();
        var bill = SandboxBill.Read(Path.Combine(product.DataFolder, "sandbox-bill.jsonl")).Where(l => l.ClientRequestId is not null).ToDictionary(l => l.ClientRequestId!);
        var rows = (await product.EventsAsync()).ToDictionary(r => r.GetProperty("tags").GetProperty("call").GetString()!);
        var sums = new SortedDictionary<string, (int Calls, decimal Billed, decimal Estimated, long InBilled, long InEstimated, long OutBilled, long OutEstimated)>(StringComparer.Ordinal);
        foreach (var call in plan)
        {
            if (!bill.TryGetValue(call.Name, out var line))
                continue; // it left before it was sent on
            var row = rows[call.Name];
            var (cost, source) = (CutStreams.Cost(row), row.GetProperty("usage_source").GetString());
            if (source == "reported")
            {
                cost.ShouldBe(line.CostNanoUsd!.Value, call.Name);
                continue;
            }

            // A reset may overtake all that was sent before it: then no answer was seen, and its share of the bill is missed.
            if (line.CostNanoUsd > 0)
                source.ShouldBeOneOf("estimated", "partial");
            var usage = row.GetProperty("usage");
            Add(call.Kind);
            Add("all");
            void Add(string kind)
            {
                var s = sums.GetValueOrDefault(kind);
                sums[kind] = (s.Calls + 1, s.Billed + line.CostNanoUsd!.Value, s.Estimated + cost,
                    s.InBilled + line.Units.Input + line.Units.Cached + line.Units.CacheWrite, s.InEstimated + usage.GetProperty("input_tokens").GetInt64(),
                    s.OutBilled + line.Units.Output + line.Units.Reasoning, s.OutEstimated + usage.GetProperty("output_tokens").GetInt64());
            }
        }

        foreach (var (kind, s) in sums)
            output.WriteLine($"{kind}: {s.Calls} cut, billed {s.Billed}, estimated {s.Estimated} ({s.Estimated / s.Billed - 1:+0.0 %;-0.0 %}); input {s.InBilled} {s.InEstimated}, output {s.OutBilled} {s.OutEstimated} tokens");
        var all = sums["all"];
        all.Calls.ShouldBeGreaterThan(Calls / 2);
        (all.Estimated / all.Billed).ShouldBeInRange(0.95m, 1.05m);
    }

    [Fact]
    public async Task What_a_strict_budget_counts_for_a_client_that_stalls_and_leaves_is_not_below_what_was_generated_meanwhile()
    {
        await using var sandbox = await SandboxServer.StartNewAsync(new SandboxOptions { Pace = SandboxPace.None });
        await using var product = await TestProduct.StartAsync([new("Proxy:SandboxUrl", sandbox.BaseUrl.ToString())]);
        var budget = await product.BudgetAsync("5");
        foreach (var stall in (int[])[0, 20, 200, 1000])
        {
            using var answer = await product.PostAsync("/v1/chat/completions", ProxyCalls.Chat("sandbox-tokens-60000", stream: true, more: ",\"max_tokens\":60000"));
            ((int)answer.StatusCode).ShouldBe(200);
            await (await answer.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[200]);
            await Task.Delay(stall); // the provider goes on into the buffers between
        }

        using var patience = new CancellationTokenSource(Upstream.Patience);
        await sandbox.WhenIdleAsync(patience.Token);
        await product.DrainAsync();
        var posted = (await product.StateAsync(budget)).Usd("posted_usd").Value;
        output.WriteLine($"bill {sandbox.Bill.TotalNanoUsd}, counted {posted}; {string.Join(", ", sandbox.Bill.Lines.Select(l => $"{l.Units.Output} generated"))}");
        posted.ShouldBeGreaterThanOrEqualTo(sandbox.Bill.TotalNanoUsd);
    }
}
