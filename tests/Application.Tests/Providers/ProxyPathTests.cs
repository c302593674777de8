using Tokonomics.Application.Providers;

namespace Tokonomics.Application.Tests.Providers;

public sealed class ProxyPathTests
{
    [Theory]
    [InlineData("")]
    [InlineData("v1/chat/completions")]
    [InlineData("v1/chat/completions/")]
    [InlineData("v1//chat")]
    [InlineData("v1/models/ft:gpt-4o:org::id")]
    [InlineData("v1/models/meta-llama%2FLlama-3")]
    [InlineData("v1/models/a%20b")]
    [InlineData("v1/models/%C3%A9")]
    [InlineData("v1/models/a.b..c")]
    [InlineData("v1/models/...")]
    [InlineData("v1/models/~user_(1)!*',;=@&$+-")]
    public void A_sound_path_passes(string path) => ProxyPath.Problem(path).ShouldBeNull();

    [Theory]
    [InlineData("a/../b")]
    [InlineData("a/./b")]
    [InlineData("..")]
    [InlineData("a/..")]
    [InlineData("a/%2e%2e/b")]
    [InlineData("a/%2E%2e/%2fetc")]
    [InlineData("a/.%2e/b")]
    [InlineData("a/%2e/b")]
    [InlineData("a/b%2f..%2fc")]
    [InlineData("a/b%2F%2E%2E")]
    [InlineData("a/%2fb")]
    [InlineData("a/b%2f")]
    [InlineData("a/b%2f%2fc")]
    [InlineData("a/%252e%252e/b")]
    [InlineData("a/%25")]
    [InlineData("a/%5cb")]
    [InlineData("a/%5C..%5Cb")]
    [InlineData("a\\b")]
    [InlineData("a/%00")]
    [InlineData("a/%0d%0aX: y")]
    [InlineData("a/%0a")]
    [InlineData("a/%7f")]
    [InlineData("a/%1b")]
    [InlineData("a/%")]
    [InlineData("a/%2")]
    [InlineData("a/%zz")]
    [InlineData("a/%u002e")]
    [InlineData("a b")]
    [InlineData("a\tb")]
    [InlineData("a\0b")]
    [InlineData("a\u007fb")]
    [InlineData("a\u00e4b")]
    [InlineData("a#b")]
    [InlineData("a<b")]
    [InlineData("a\"b")]
    [InlineData("a{b}")]
    [InlineData("a|b")]
    [InlineData("a^b")]
    [InlineData("a`b")]
    public void A_path_that_two_readers_could_read_differently_does_not(string path) => ProxyPath.Problem(path).ShouldNotBeNull();

    [Fact]
    public void No_byte_that_ends_a_line_or_a_target_passes_in_any_encoding()
    {
        for (var value = 0; value < 256; value++)
        {
            var bad = value is <= 0x20 or 0x7f or > 0x7f or '\\' or '#' or '<' or '>' or '"' or '^' or '`' or '{' or '|' or '}' or '%';
            (ProxyPath.Problem($"a/b{(char)value}c") is not null).ShouldBe(bad, $"{value:x2} as it is");
            var badEncoded = value is < 0x20 or 0x7f or '%' or '\\';
            (ProxyPath.Problem($"a/b%{value:x2}c") is not null).ShouldBe(badEncoded, $"{value:x2} encoded");
        }
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("?a=b&c=%20d", true)]
    [InlineData("?", true)]
    [InlineData("?a=b?c=/d", true)]
    [InlineData("?a=[1]|{2}", true)]
    [InlineData("?a b", false)]
    [InlineData("?a#b", false)]
    [InlineData("?a\"b", false)]
    [InlineData("?a<b>", false)]
    [InlineData("?a\u00e4", false)]
    [InlineData("?a\0", false)]
    public void A_query_is_passed_on_as_it_is_or_not_at_all(string query, bool sound) => (ProxyPath.QueryProblem(query) is null).ShouldBe(sound);
}
