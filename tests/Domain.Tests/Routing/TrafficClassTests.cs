using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class TrafficClassTests
{
    private static readonly byte[] Secret = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static TrafficClass Of(string key = "key_1", string system = "You are a clerk.", string[]? tools = null, string format = "", byte[]? secret = null) =>
        TrafficClass.Of(secret ?? Secret, key, system, tools ?? ["find", "send"], format);

    [Fact]
    public void Each_part_makes_another_class_and_none_is_taken_for_another()
    {
        var all = new List<TrafficClass>
        {
            Of(), Of(key: "key_2"), Of(system: "You are a clerk. "), Of(tools: ["find"]), Of(tools: []), Of(format: "json_object"), Of(secret: new byte[32]),
            Of(key: "key_1Y", system: "ou are a clerk."), Of(tools: ["finds", "end"]), Of(tools: ["find", "send", ""]), Of(tools: ["find"], format: "send"), Of(tools: ["findsend"]),
        };
        all.Distinct().Count().ShouldBe(all.Count);
    }

    [Fact]
    public void The_same_request_is_of_the_same_class_in_whatever_order_its_tools_come()
    {
        Of(tools: ["send", "find"]).ShouldBe(Of());
        Of().ToString().Length.ShouldBe(16);
        // Longer than the buffer that it goes through, with pairs at its edge.
        var prompt = "x" + string.Concat(Enumerable.Repeat("😀", 5000));
        Of(system: prompt).ShouldBe(Of(system: prompt));
        Of(system: prompt).ShouldNotBe(Of(system: prompt + "x"));
    }

    [Fact]
    public void A_short_secret_is_refused() => Should.Throw<ArgumentException>(() => Of(secret: new byte[15]));

    [Fact]
    public void The_holdout_is_an_even_share_of_requests_and_the_same_ones_each_time()
    {
        var numbers = Enumerable.Range(0, 20_000).Select(i => Holdout.Uniform(Secret, $"req_{i}")).ToList();
        numbers.ShouldAllBe(n => n >= 0 && n < 1);
        numbers.Average().ShouldBe(0.5, 0.01); // a deviation is 0.29 / √20,000 = 0.002
        ((double)numbers.Count(n => n < QualityRouter.HoldoutShare) / numbers.Count).ShouldBe(0.02, 0.004); // √(0.02 × 0.98 / 20,000) = 0.001
        Holdout.Uniform(Secret, "req_7").ShouldBe(numbers[7]);
    }

    [Fact]
    public void Another_model_or_price_is_another_pair()
    {
        var pair = PairFingerprint.Of("a", "1/2", "b", "3/4");
        new[] { PairFingerprint.Of("a2", "1/2", "b", "3/4"), PairFingerprint.Of("a", "1/3", "b", "3/4"), PairFingerprint.Of("a", "1/2", "b", "3/5"), PairFingerprint.Of("a1", "/2", "b", "3/4"), PairFingerprint.Of("b", "3/4", "a", "1/2") }
            .ShouldAllBe(other => other != pair);
    }
}
