using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Tests.Keys;

public sealed class MeteringKeyTests
{
    [Fact]
    public void The_checksum_is_the_CRC_32_of_zlib() =>
        KeyText.Crc32("123456789").ShouldBe(0xCBF43926u); // the algorithm's published check value

    [Fact]
    public void A_key_has_its_prefix_33_random_characters_and_6_of_checksum()
    {
        // 24 zero bytes are 33 zeros; the largest number, 2^192 - 1, still has 33 digits.
        KeyText.Format("mk_live_", new byte[24]).ShouldStartWith("mk_live_" + new string('0', 33));
        var largest = KeyText.Format("mk_live_", Enumerable.Repeat((byte)255, 24).ToArray());
        largest.Length.ShouldBe(8 + 33 + 6);
        // One more than 61 is 10 in base 62.
        KeyText.Format("tk_", [.. new byte[23], 62]).ShouldStartWith("tk_" + new string('0', 31) + "10");
        KeyText.Format("tk_", [.. new byte[22], 1, 0]).ShouldStartWith("tk_" + new string('0', 31) + "48"); // 256 = 4 * 62 + 8
        MeteringKey.IsWellFormed(largest).ShouldBeTrue();
    }

    [Fact]
    public void Generated_keys_are_well_formed_distinct_and_shown_masked()
    {
        var keys = Enumerable.Range(0, 10_000).Select(_ => MeteringKey.Generate(KeyEnvironment.Test)).ToList();
        keys.Select(k => k.Reveal()).Distinct().Count().ShouldBe(10_000);
        keys.ShouldAllBe(k => MeteringKey.IsWellFormed(k.Reveal()) && k.Environment == KeyEnvironment.Test && k.LookupId.Length == 10);
        var key = keys[0];
        key.ToString().ShouldBe($"mk_test_{key.Reveal().Substring(8, 10)}…");
        ApiToken.IsWellFormed(ApiToken.Generate().Reveal()).ShouldBeTrue();
        ApiToken.IsWellFormed(key.Reveal()).ShouldBeFalse();
    }

    [Fact]
    public void Every_single_mistyped_character_and_every_swap_of_neighbours_is_noticed()
    {
        var key = MeteringKey.Generate(KeyEnvironment.Live).Reveal();
        for (var i = 0; i < key.Length; i++)
        {
            foreach (var c in "0Aaz_- ")
                if (key[i] != c)
                    MeteringKey.IsWellFormed(key[..i] + c + key[(i + 1)..]).ShouldBeFalse($"{c} at {i}");
            if (i > 0 && key[i] != key[i - 1])
                MeteringKey.IsWellFormed(key[..(i - 1)] + key[i] + key[i - 1] + key[(i + 1)..]).ShouldBeFalse($"swap at {i}");
        }

        MeteringKey.IsWellFormed(key.AsSpan(0, key.Length - 1)).ShouldBeFalse();
        MeteringKey.IsWellFormed(key + "0").ShouldBeFalse();
        MeteringKey.IsWellFormed(key.Replace("mk_live_", "mk_test_", StringComparison.Ordinal)).ShouldBeFalse();
    }
}

public sealed class KeyTagsTests
{
    [Fact]
    public void Tags_are_written_sorted_in_lower_case_and_read_back()
    {
        var json = KeyTags.Write([new Tag("Feature", "Search \"x\" ü"), new Tag("customer", "acme")]);
        KeyTags.Read(json).ShouldBe([new Tag("customer", "acme"), new Tag("feature", "Search \"x\" ü")]);
        KeyTags.Write([]).ShouldBe("{}");
        KeyTags.Read("{}").ShouldBeEmpty();
    }

    [Theory]
    [InlineData("feature", "search", true)]
    [InlineData("FEATURE.x_y-1", "any text, also with = and ;", true)]
    [InlineData("1feature", "x", false)]
    [InlineData("fea ture", "x", false)]
    [InlineData("", "x", false)]
    [InlineData("feature\"", "x", false)]
    [InlineData("feature", "", false)]
    [InlineData("feature", "line\nbreak", false)]
    public void A_tag_is_allowed_or_refused(string name, string value, bool allowed) => (KeyTags.Problem([new Tag(name, value)]) is null).ShouldBe(allowed);

    [Fact]
    public void Half_a_surrogate_pair_is_refused_and_a_whole_one_allowed()
    {
        KeyTags.IsValue("\ud800").ShouldBeFalse();
        KeyTags.IsValue("x\udc00").ShouldBeFalse();
        KeyTags.IsValue("\ud83d\ude00").ShouldBeTrue();
    }

    [Fact]
    public void Sixteen_tags_and_256_characters_are_the_most()
    {
        KeyTags.Problem([.. Enumerable.Range(0, 16).Select(i => new Tag($"t{i}", "v"))]).ShouldBeNull();
        KeyTags.Problem([.. Enumerable.Range(0, 17).Select(i => new Tag($"t{i}", "v"))])!.ShouldContain("17");
        KeyTags.Problem([new Tag("t", new string('v', 256))]).ShouldBeNull();
        KeyTags.Problem([new Tag("t", new string('v', 257))]).ShouldNotBeNull();
        KeyTags.Problem([new Tag(new string('t', 65), "v")]).ShouldNotBeNull();
        KeyTags.Problem([new Tag("a", "1"), new Tag("A", "2")])!.ShouldContain("twice");
    }
}
