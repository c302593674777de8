using Tokonomics.Domain.Metering;
using Tokonomics.Domain.Pricing;

namespace Tokonomics.Domain.Tests.Pricing;

public sealed class PriceBookTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    private static readonly PriceBook Book = new(
    [
        Cards.Sheet("maker", Cards.Model("gpt-5.4-mini", 0.75m), Cards.Model("gpt-5.4", 2.5m, "gpt-5-4", "gpt-5.4-####-##-##"), Cards.Model("gpt-4o*", 5), Cards.Model("*moderation*", 1)) with { Maker = true, Prefixes = ["models/"] },
        Cards.Sheet("azure", Cards.Model("own", 9)) with { Fallbacks = ["maker"] },
        Cards.Sheet("aggregator", Cards.Model("gpt-5.4", 2.6m)) with { Suffixes = [":nitro"] },
        Cards.Sheet("local", Cards.Model("*", 0)),
    ]);

    [Theory]
    [InlineData("gpt-5.4", 2.5)]
    [InlineData("GPT-5.4", 2.5)]
    [InlineData("gpt-5-4", 2.5)]
    [InlineData("gpt-5.4-2026-03-05", 2.5)]
    [InlineData("gpt-5.4-mini", 0.75)]
    [InlineData("gpt-4o-2024-11-20", 5)]
    [InlineData("omni-moderation-latest", 1)]
    [InlineData("models/gpt-5.4", 2.5)]
    public void A_model_is_found_by_name_alias_and_dated_name(string name, double input)
    {
        // Twice: the second answer comes from memory.
        Book.Find("maker", name, Noon)!.Rates[UsageUnit.Input].ShouldBe((decimal)input);
        Book.Find("maker", name, Noon)!.Rates[UsageUnit.Input].ShouldBe((decimal)input);
    }

    [Theory]
    [InlineData("maker", "gpt-5.4-nano")]
    [InlineData("maker", "gpt-5.4-2026-3-5")]
    [InlineData("maker", "")]
    [InlineData("nobody", "gpt-5.4")]
    public void What_no_sheet_lists_is_unknown(string provider, string model)
    {
        Book.Find(provider, model, Noon).ShouldBeNull();
        Book.Find(provider, model, Noon).ShouldBeNull();
    }

    [Fact]
    public void Alias_and_dated_name_lead_to_the_same_card() =>
        Book.Find("maker", "gpt-5.4-2026-03-05", Noon).ShouldBeSameAs(Book.Find("maker", "gpt-5-4", Noon));

    [Fact]
    public void A_reseller_falls_back_to_the_maker()
    {
        Book.Find("azure", "gpt-5.4", Noon)!.Rates[UsageUnit.Input].ShouldBe(2.5m);
        Book.Find("azure", "own", Noon)!.Rates[UsageUnit.Input].ShouldBe(9m);
        Book.Find("aggregator", "gpt-5.4:nitro", Noon)!.Rates[UsageUnit.Input].ShouldBe(2.6m);
    }

    [Fact]
    public void Providers_of_a_model_are_makers_first()
    {
        Book.ProvidersOf("gpt-5.4").ShouldBe(["maker", "aggregator"]);
        Book.ProvidersOf("GPT-4o-mini").ShouldBe(["maker"]);
        Book.ProvidersOf("unheard-of").ShouldBeEmpty();
    }

    [Fact]
    public void Only_exact_names_are_listed() =>
        Book.Models("maker").Select(model => model.Name).ShouldBe(["gpt-5.4-mini", "gpt-5.4"]);

    [Fact]
    public void An_override_beats_the_book_and_nothing_else_changes()
    {
        var overrides = new PriceBook([Cards.Sheet("maker", Cards.Model("gpt-5.4", 1)), Cards.Sheet("mine", Cards.Model("llama", 0.1m))]);
        var book = Book.Overlay(overrides);
        book.Find("maker", "gpt-5.4", Noon)!.Rates[UsageUnit.Input].ShouldBe(1m);
        book.Find("maker", "gpt-5.4-mini", Noon)!.Rates[UsageUnit.Input].ShouldBe(0.75m);
        book.Find("mine", "llama", Noon)!.Rates[UsageUnit.Input].ShouldBe(0.1m);
        book.Version.ShouldBe($"{Book.Version}+{overrides.Version}");
        book.Models("maker").Select(model => model.Name).ShouldBe(["gpt-5.4", "gpt-5.4-mini"]);
        book.ProvidersOf("llama").ShouldBe(["mine"]);
        Book.Find("maker", "gpt-5.4", Noon)!.Rates[UsageUnit.Input].ShouldBe(2.5m);
    }

    [Fact]
    public void The_version_is_the_newest_check_and_a_hash_of_what_decides_a_price()
    {
        Book.Version.ShouldMatch("^2026-11-21-[0-9a-f]{8}$");
        new PriceBook(Book.Sheets.Reverse()).Version.ShouldBe(Book.Version);
        new PriceBook([Cards.Sheet("maker", Cards.Model("a", 1))]).Version.ShouldNotBe(new PriceBook([Cards.Sheet("maker", Cards.Model("a", 1.000000000001m))]).Version);
        new PriceBook([Cards.Sheet("maker", Cards.Model("a", 1))]).Version.ShouldBe(new PriceBook([Cards.Sheet("maker", Cards.Model("a", 1.000m))]).Version);
    }

    [Fact]
    public void Two_sheets_of_one_provider_are_refused() =>
        Should.Throw<ArgumentException>(() => new PriceBook([Cards.Sheet("a"), Cards.Sheet("A")]));

    [Fact]
    public void Prices_change_at_their_exact_instants()
    {
        var from = new DateTimeOffset(2026, 8, 17, 0, 0, 0, TimeSpan.Zero);
        RateCard Card(decimal input) => new() { Provider = "p", Model = "m", Rates = Cards.Rates((UsageUnit.Input, input)) };
        var model = new ModelPrices
        {
            Name = "m",
            Periods =
            [
                new RatePeriod(from.AddMonths(-3), null, Card(1)),
                new RatePeriod(from, null, Card(2)),
                new RatePeriod(from, new DailyHours(new TimeOnly(1, 0), new TimeOnly(4, 0), WeekdaysOnly: true), Card(4)),
                new RatePeriod(from, new DailyHours(new TimeOnly(23, 0), new TimeOnly(0, 30), WeekdaysOnly: false), Card(3)),
            ],
        };
        decimal? At(string instant) => model.At(DateTimeOffset.Parse(instant))?.Rates[UsageUnit.Input];

        At("2026-05-16T23:59:59.9999999Z").ShouldBeNull(); // before the first: nobody knows
        At("2026-05-17T00:00:00Z").ShouldBe(1);
        At("2026-08-16T23:59:59.9999999Z").ShouldBe(1); // hours of a later period don't reach back
        At("2026-08-17T02:00:00+02:00").ShouldBe(3); // midnight UTC, within 23:00-00:30
        At("2026-08-17T00:30:00Z").ShouldBe(2);
        At("2026-08-17T00:59:59.9999999Z").ShouldBe(2);
        At("2026-08-17T01:00:00Z").ShouldBe(4); // a Monday
        At("2026-08-17T03:59:59.9999999Z").ShouldBe(4);
        At("2026-08-17T04:00:00Z").ShouldBe(2);
        At("2026-08-22T02:00:00Z").ShouldBe(2); // a Saturday
        At("2026-08-22T23:00:00Z").ShouldBe(3); // on all days
    }

    [Fact]
    public void Looking_up_allocates_nothing_once_it_is_warm()
    {
        string[] names = ["gpt-5.4", "gpt-5.4-2026-03-05", "models/gpt-5.4", "unheard-of"];
        foreach (var name in names)
            Look(name);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            foreach (var name in names)
                Look(name);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);

        static void Look(string name)
        {
            Book.Find("maker", name, Noon);
            Book.ProvidersOf(name);
        }
    }

    [Fact]
    public void Names_that_clients_make_up_do_not_fill_the_memory()
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < 100_000; i++)
            Book.Find("maker", $"gpt-4o-made-up-{i}-{new string('x', 100)}", Noon).ShouldNotBeNull();
        (GC.GetTotalMemory(forceFullCollection: true) - before).ShouldBeLessThan(15_000_000); // 100,000 names would be some 30 MB; other tests run beside this one
    }

    [Theory]
    [InlineData("*", "", true)]
    [InlineData("a*c", "abbc", true)]
    [InlineData("a*c", "abbcd", false)]
    [InlineData("*b*d*", "abcde", true)]
    [InlineData("a#", "a7", true)]
    [InlineData("a#", "ab", false)]
    [InlineData("A*", "abc", true)]
    [InlineData("abc", "ab", false)]
    [InlineData("*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false)]
    public void Patterns_match(string pattern, string name, bool matches) => NamePattern.Matches(pattern, name).ShouldBe(matches);
}
