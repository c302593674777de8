using System.Text.Json;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class CheckAfterTests
{
    private static readonly OfferedTool[] Tools =
    [
        new("book", JsonSerializer.Deserialize<JsonElement>("""
            {"type":"object","properties":{"city":{"type":"string"},"nights":{"type":"integer"},"price":{"type":"number"},"class":{"type":"string","enum":["eco","first"]},"pets":{"type":"boolean"},
             "guests":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}},
             "when":{"type":["string","null"]},"meta":{"type":"object","additionalProperties":{"type":"integer"}}},"required":["city"]}
            """)),
        new("open", JsonSerializer.Deserialize<JsonElement>("""{"type":"object","properties":{"a":{}},"additionalProperties":true}""")),
        new("bare", JsonSerializer.Deserialize<JsonElement>("{}")),
    ];

    [Theory]
    [InlineData("book", """{"city":"Bonn"}""", null)]
    [InlineData("book", """{"city":"Bonn","nights":2,"price":9.5,"class":"eco","pets":true,"guests":[{"name":"Ann"}],"when":null,"meta":{"x":1}}""", null)]
    [InlineData("book", """{"city":"Bonn","nights":2.0,"price":9}""", null)]
    [InlineData("book", """{"nights":2}""", CheckFailure.Missing)]
    [InlineData("book", "", CheckFailure.Missing)]
    [InlineData("book", """{"city":"Bonn","room":1}""", CheckFailure.Unexpected)]
    [InlineData("book", """{"city":5}""", CheckFailure.WrongType)]
    [InlineData("book", """{"city":"Bonn","nights":"2"}""", CheckFailure.WrongType)]
    [InlineData("book", """{"city":"Bonn","nights":2.5}""", CheckFailure.WrongType)]
    [InlineData("book", """{"city":"Bonn","class":"business"}""", CheckFailure.NotInEnum)]
    [InlineData("book", """{"city":"Bonn","guests":[{"name":"Ann"},{}]}""", CheckFailure.Missing)]
    [InlineData("book", """{"city":"Bonn","guests":[{"name":"Ann","age":4}]}""", CheckFailure.Unexpected)]
    [InlineData("book", """{"city":"Bonn","guests":"Ann"}""", CheckFailure.WrongType)]
    [InlineData("book", """{"city":"Bonn","meta":{"x":"1"}}""", CheckFailure.WrongType)]
    [InlineData("book", """{"city":"Bonn","when":3}""", CheckFailure.WrongType)]
    [InlineData("book", """{"city":"Bonn" """, CheckFailure.NotJson)]
    [InlineData("book", """["Bonn"]""", CheckFailure.NotJson)]
    [InlineData("cook", """{"city":"Bonn"}""", CheckFailure.UnknownTool)]
    [InlineData("Book", """{"city":"Bonn"}""", CheckFailure.UnknownTool)]
    [InlineData("open", """{"b":1}""", null)]
    [InlineData("bare", """{"b":1}""", null)]
    [InlineData("bare", "", null)]
    public void A_call_is_checked_against_its_tool(string tool, string arguments, CheckFailure? expected) =>
        CheckAfter.Calls([new MadeCall("bare", "{}"), new MadeCall(tool, arguments)], Tools, callIsDue: false).ShouldBe(expected);

    [Fact]
    public void No_call_fails_only_where_one_is_due()
    {
        CheckAfter.Calls([], Tools, callIsDue: true).ShouldBe(CheckFailure.NoCall);
        CheckAfter.Calls([], Tools, callIsDue: false).ShouldBeNull();
    }

    [Fact]
    public void An_answer_is_checked_against_its_schema_and_what_is_not_read_of_a_schema_is_no_reason_to_fail()
    {
        var schema = JsonSerializer.Deserialize<JsonElement>("""{"type":"object","properties":{"n":{"type":"integer","minimum":10},"d":{"type":"date","format":"date"}},"required":["n"]}""");
        CheckAfter.Answer("""{"n":1,"d":2,"more":true}""", schema).ShouldBeNull(); // minimum, format and unknown types aren't read; only a closed object is closed
        CheckAfter.Answer("""{"n":"1"}""", schema).ShouldBe(CheckFailure.WrongType);
        CheckAfter.Answer("[]", schema).ShouldBe(CheckFailure.WrongType);
        CheckAfter.Answer("Here you are: {}", null).ShouldBe(CheckFailure.NotJson);
        CheckAfter.Answer("[1]", null).ShouldBeNull();
    }
}
