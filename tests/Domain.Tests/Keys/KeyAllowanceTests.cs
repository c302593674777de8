using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tests.Pricing;

namespace Tokonomics.Tests.Keys;

public sealed class KeyAllowanceTests
{
    private static readonly PriceBook Book = new([new PriceSheet
    {
        Provider = "acme",
        Sources = [],
        Checked = new DateOnly(2026, 1, 1),
        Models =
        [
            Model("large-2026-01-01", "large", "large-latest"),
            Model("small", "small-####-##-##"),
            Model("*"),
        ],
    }]);

    private static ModelPrices Model(string name, params string[] aliases) => Cards.Model(name, 1, aliases);

    [Theory]
    [InlineData("large", "large", true)]
    [InlineData("large", "LARGE", true)]
    [InlineData("large", "large-2026-01-01", true)] // the price book's own name of it
    [InlineData("large-2026-01-01", "large-latest", true)] // another name of the same entry
    [InlineData("large", "large-2025-06-01", true)] // a dated name that no sheet has yet
    [InlineData("small", "small-2026-03-04", true)]
    [InlineData("small-2026-03-04", "small", true)]
    [InlineData("claude-opus-4", "claude-opus-4-20250514", true)]
    [InlineData("claude-sonnet-4", "claude-sonnet-4@20250514", true)]
    [InlineData("lar*", "large", true)]
    [InlineData("large-l*", "large", true)] // under its alias
    [InlineData("large", "larger", false)]
    [InlineData("large", "small", false)]
    [InlineData("large", "large-mini", false)]
    [InlineData("large", "", false)]
    [InlineData("unheard-of", "other", false)] // both are priced by '*', which names none
    [InlineData("small", "small-20260304x", false)]
    public void A_model_is_allowed_under_each_of_its_names(string listed, string asked, bool allowed) =>
        KeyAllowance.Of([], [listed])!.AllowsModel(Book, "acme", asked).ShouldBe(allowed);

    [Fact]
    public void Empty_lists_allow_everything()
    {
        KeyAllowance.Of([], []).ShouldBeNull();
        KeyAllowance.Read("[]", "[]").ShouldBeNull();
        KeyAllowance.Of(["acme"], [])!.AllowsModel(Book, "acme", "anything").ShouldBeTrue();
        KeyAllowance.Of(["acme"], [])!.AllowsProvider("openai").ShouldBeFalse();
        KeyAllowance.Of([], ["large"])!.AllowsProvider("openai").ShouldBeTrue();
    }

    [Theory]
    [InlineData("gpt-*", null)]
    [InlineData("*", "stands at the end")]
    [InlineData("g*t", "stands at the end")]
    [InlineData("a b", "without spaces")]
    [InlineData("", "1 to 200")]
    public void A_list_that_can_not_be_meant_is_refused(string name, string? problem)
    {
        if (problem is null)
            KeyAllowance.Problem([name]).ShouldBeNull();
        else
            KeyAllowance.Problem([name])!.ShouldContain(problem);
    }

    [Fact]
    public void Lists_are_bounded_and_name_nothing_twice()
    {
        KeyAllowance.Problem([.. Enumerable.Range(0, 51).Select(i => $"m{i}")])!.ShouldContain("50");
        KeyAllowance.Problem(["Large", "large"]).ShouldBe("A model is named twice.");
        KeyAllowance.Read(KeyAllowance.Write(["a\"b", "c*"])).ShouldBe(["a\"b", "c*"]);
    }

    [Fact]
    public void Asking_allocates_nothing()
    {
        var allowance = KeyAllowance.Of(["acme"], ["small", "large-l*", "claude-opus-4"])!;
        string[] asked = ["small", "large", "large-2026-01-01", "nothing", "claude-opus-4-20250514"];
        for (var i = 0; i < 2000; i++)
            _ = allowance.AllowsProvider("acme") && allowance.AllowsModel(Book, "acme", asked[i % asked.Length]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10_000; i++)
            _ = allowance.AllowsProvider("acme") && allowance.AllowsModel(Book, "acme", asked[i % asked.Length]);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }
}
