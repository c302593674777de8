using System.Globalization;
using System.Text.Json;
using Tokonomics.Domain.Money;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Budgets;

/// <summary>Every dialect where the room is short: the limit that is put into the request is one that the provider takes, and a stream without one ends as its protocol would.</summary>
public sealed class ClampedDialectTests(CapProduct cap) : IClassFixture<CapProduct>
{
    // The answer's own words for "the limit was reached", and what ends its stream.
    public static TheoryData<string, string, string, string> Dialects => new()
    {
        { "/v1/chat/completions", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}]LIMIT}""", ",\"max_tokens\":4000", "\"finish_reason\":\"length\"" },
        { "/v1/chat/completions", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}],"stream":trueLIMIT}""", ",\"max_completion_tokens\":4000,\"max_tokens\":3999", "\"finish_reason\":\"length\"" },
        { "/v1/completions", """{"model":"sandbox-long","prompt":"Hi"LIMIT}""", ",\"max_tokens\":4000", "\"finish_reason\":\"length\"" },
        { "/v1/completions", """{"model":"sandbox-long","prompt":"Hi","stream":trueLIMIT}""", ",\"max_tokens\":4000", "\"finish_reason\":\"length\"" },
        { "/v1/responses", """{"model":"sandbox-long","input":"Hi"LIMIT}""", ",\"max_output_tokens\":4000", "\"max_output_tokens\"" },
        { "/v1/responses", """{"model":"sandbox-long","input":"Hi","stream":trueLIMIT}""", ",\"max_output_tokens\":4000", "\"max_output_tokens\"" },
        { "/v1/messages", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}]LIMIT}""", ",\"max_tokens\":4000", "\"stop_reason\":\"max_tokens\"" },
        { "/v1/messages", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}],"stream":trueLIMIT}""", ",\"max_tokens\":4000", "\"stop_reason\":\"max_tokens\"" },
        { "/proxy/gemini/v1beta/models/sandbox-long:generateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]LIMIT}""", ",\"generationConfig\":{\"maxOutputTokens\":4000}", "MAX_TOKENS" },
        { "/proxy/gemini/v1beta/models/sandbox-long:streamGenerateContent?alt=sse", """{"contents":[{"parts":[{"text":"Hi"}]}]LIMIT}""", ",\"generationConfig\":{\"maxOutputTokens\":4000}", "MAX_TOKENS" },
        { "/proxy/gemini/v1beta/models/sandbox-long:streamGenerateContent", """{"contents":[{"parts":[{"text":"Hi"}]}]LIMIT}""", ",\"generationConfig\":{\"maxOutputTokens\":4000}", "MAX_TOKENS" },
        { "/proxy/cohere/v2/chat", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}]LIMIT}""", ",\"max_tokens\":4000", "MAX_TOKENS" },
        { "/proxy/cohere/v2/chat", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}],"stream":trueLIMIT}""", ",\"max_tokens\":4000", "MAX_TOKENS" },
        { "/proxy/cohere/v1/chat", """{"model":"sandbox-long","message":"Hi"LIMIT}""", ",\"max_tokens\":4000", "MAX_TOKENS" },
        { "/proxy/cohere/v1/chat", """{"model":"sandbox-long","message":"Hi","stream":trueLIMIT}""", ",\"max_tokens\":4000", "MAX_TOKENS" },
        { "/proxy/ollama/api/chat", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}],"stream":falseLIMIT}""", ",\"options\":{\"num_predict\":4000}", "\"done_reason\":\"length\"" },
        { "/proxy/ollama/api/chat", """{"model":"sandbox-long","messages":[{"role":"user","content":"Hi"}]LIMIT}""", ",\"options\":{\"num_predict\":4000}", "\"done_reason\":\"length\"" },
        { "/proxy/ollama/api/generate", """{"model":"sandbox-long","prompt":"Hi","stream":falseLIMIT}""", ",\"options\":{\"num_predict\":4000}", "\"done_reason\":\"length\"" },
        { "/proxy/ollama/api/generate", """{"model":"sandbox-long","prompt":"Hi"LIMIT}""", ",\"options\":{\"num_predict\":4000}", "\"done_reason\":\"length\"" },
    };

    private Task<HttpResponseMessage> PostAsync(string customer, string path, string body) => cap.Product.PostAsync(path, body, null, ("X-Tokonomics-Tags", $"customer={customer}"));

    [Theory]
    [MemberData(nameof(Dialects))]
    public async Task A_limit_that_the_room_does_not_pay_for_is_lowered_to_what_it_pays_for(string path, string body, string limit, string reached)
    {
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("0.0024")!.Value, wait: 0);
        using var answer = await PostAsync(customer, path, body.Replace("LIMIT", limit, StringComparison.Ordinal));
        var (text, whole) = await CapProduct.ReadAsync(answer);
        ((int)answer.StatusCode).ShouldBe(200, text);
        whole.ShouldBeTrue();
        text.ShouldContain(reached);
        var to = long.Parse(answer.Headers.GetValues("x-tokonomics-clamped-to").Single(), CultureInfo.InvariantCulture);
        to.ShouldBeInRange(64, 1999);
        var row = await cap.Product.EventAsync(answer.RequestId());
        row.GetProperty("usage").GetProperty("output_tokens").GetInt64().ShouldBe(to); // the sandbox took it, and kept it
        row.GetProperty("outcome").GetString().ShouldBe("completed");
        await cap.SettledAsync();
        (await cap.Product.StateAsync(budget)).Usd("posted_usd").ShouldBe(cap.Bill - before);
    }

    [Theory]
    [MemberData(nameof(Dialects))]
    public async Task Without_a_limit_of_its_own_a_call_gets_one_or_ends_as_its_protocol_does(string path, string body, string limit, string reached)
    {
        if (path != "/v1/messages") // which has no call without one
            limit = "";
        var customer = cap.NewCustomer();
        var before = cap.Bill;
        var budget = await cap.BudgetAsync(customer, NanoUsd.Parse("0.003")!.Value, wait: 0);
        await using var witness = new CapWitness(cap.Product.DataFolder, () => (cap.Bill - before).Value, budget);
        using var answer = await PostAsync(customer, path, body.Replace("LIMIT", limit, StringComparison.Ordinal));
        var (text, whole) = await CapProduct.ReadAsync(answer);
        ((int)answer.StatusCode).ShouldBe(200, text);
        whole.ShouldBeTrue();
        text.ShouldContain(reached);
        await cap.SettledAsync();
        witness.Violations.ShouldBeEmpty();
        var row = await cap.Product.EventAsync(answer.RequestId());
        var posted = (await cap.Product.StateAsync(budget)).Usd("posted_usd");
        if (answer.Headers.Contains("x-tokonomics-clamped-to"))
        {
            posted.ShouldBe(cap.Bill - before);
        }
        else
        {
            row.GetProperty("outcome").GetString().ShouldBe("cut_by_proxy", text);
            row.GetProperty("streamed").GetBoolean().ShouldBeTrue();
            posted.ShouldBeGreaterThanOrEqualTo(cap.Bill - before);
            WellFormed(text);
        }
    }

    // Every event, line or element of the array is JSON; nothing is torn where the stream was cut.
    private static void WellFormed(string text)
    {
        if (text.StartsWith('['))
        {
            JsonDocument.Parse(text).RootElement.GetArrayLength().ShouldBeGreaterThan(1);
            return;
        }

        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("event:", StringComparison.Ordinal)).Select(l => l.StartsWith("data: ", StringComparison.Ordinal) ? l[6..] : l).ToList();
        foreach (var line in lines.Where(l => l != "[DONE]"))
            JsonDocument.Parse(line).RootElement.ValueKind.ShouldBe(JsonValueKind.Object);
        lines.Count.ShouldBeGreaterThan(5);
    }
}
