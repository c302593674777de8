using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Translation;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class AnswerJudgeTests
{
    private const string Chat = "openai-chat";
    private const string Tools = """{"messages":[{"role":"system","content":"You help."},{"role":"user","content":"Weather?"}],"tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}}]}""";
    private const string Json = """{"messages":[{"role":"user","content":"?"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}}}}""";

    private static RequestReading Request(string body, string dialect = Chat) => RequestReading.Of(dialect, Encoding.UTF8.GetBytes(body)).ShouldNotBeNull();

    private static AnswerReading Text(string text) => new(text, [], AnswerEnd.Whole, null);

    private static AnswerReading Calls(params (string Tool, string Arguments)[] calls) => new("", [.. calls.Select(c => new MadeCall(c.Tool, c.Arguments))], AnswerEnd.Whole, null);

    [Theory]
    [InlineData("Paris.", " paris", 1)]
    [InlineData("Paris", "Lyon", 0)]
    [InlineData("one   two", "one\ntwo", 1)]
    public void Labels_that_are_the_same_but_for_form_are_equal(string strong, string candidate, double score) =>
        AnswerJudge.Compare(Request("""{"messages":[{"role":"user","content":"?"}]}"""), Text(strong), Text(candidate), last: true).ShouldBe(new PairVerdict(1, score));

    [Fact]
    public void Longer_texts_that_differ_are_left_to_a_judge()
    {
        var request = Request("""{"messages":[{"role":"user","content":"?"}]}""");
        var (one, other) = (Text(new string('a', 65)), Text(new string('b', 65)));
        AnswerJudge.Compare(request, one, other, last: false).ShouldBeNull();
        AnswerJudge.Compare(request, one, other, last: true).ShouldBeNull();
        AnswerJudge.Compare(request, Text("yes"), Text("no"), last: false).ShouldBeNull(); // the judge may find both right
        AnswerJudge.Compare(request, one, one, last: false).ShouldBe(new PairVerdict(1, 1));
        AnswerJudge.Compare(request, Text(" "), Text(""), last: false).ShouldBeNull();
    }

    [Fact]
    public void Calls_are_equal_whatever_their_order_and_the_form_of_their_arguments()
    {
        var request = Request(Tools);
        var strong = Calls(("weather", """{"city":"Ulm","days":1}"""), ("weather", """{"city":"Bonn"}"""));
        AnswerJudge.Compare(request, strong, Calls(("weather", """{ "city" : "Bonn" }"""), ("weather", """{"days":1.0,"city":"Ulm"}""")), last: false).ShouldBe(new PairVerdict(1, 1));
        AnswerJudge.Compare(request, strong, Calls(("weather", """{"city":"Bonn"}""")), last: true).ShouldBe(new PairVerdict(1, 0));
        AnswerJudge.Compare(request, strong, Calls(("weather", """{"city":"Bonn"}""")), last: false).ShouldBeNull();
        AnswerJudge.Compare(request, strong, Calls(("weather", """{"town":"Ulm"}""")), last: false).ShouldBe(new PairVerdict(1, 0)); // a program sees that it is wrong
        AnswerJudge.Compare(request, Calls(("rain", "{}")), strong, last: false).ShouldBe(new PairVerdict(0, 1));
        AnswerJudge.Compare(request, Text("Where?"), Text("where"), last: false).ShouldBeNull();
    }

    [Fact]
    public void Answers_in_JSON_are_held_to_their_schema()
    {
        var request = Request(Json);
        request.CanBeChecked.ShouldBeTrue();
        AnswerJudge.Compare(request, Text("""{"n":1}"""), Text("""{ "n": 1 }"""), last: false).ShouldBe(new PairVerdict(1, 1));
        AnswerJudge.Compare(request, Text("""{"n":1}"""), Text("""{"n":"1"}"""), last: false).ShouldBe(new PairVerdict(1, 0));
        AnswerJudge.Compare(request, Text("""{"n":1}"""), Text("""{"n":2}"""), last: true).ShouldBe(new PairVerdict(1, 0));
        AnswerJudge.Check(request, Text("n is 1")).ShouldBe(CheckFailure.NotJson);
    }

    [Fact]
    public void A_judge_reads_the_request_and_both_answers_without_their_names()
    {
        var ask = JsonDocument.Parse(AnswerJudge.Ask("sandbox-grades", Request(Tools), Text("First."), Calls(("weather", """{"city":"Ulm"}""")))).RootElement;
        ask.GetProperty("model").GetString().ShouldBe("sandbox-grades");
        var asked = ask.GetProperty("messages")[1].GetProperty("content").GetString()!;
        foreach (var part in (string[])["[instructions]\nYou help.", "[tools offered] weather", "[user]\nWeather?", "First.", """(calls weather with {"city":"Ulm"})"""])
            asked.ShouldContain(part);
    }

    [Theory]
    [InlineData("""{"a": 7, "b": 10}""", 7, 10)]
    [InlineData("Let me see. {\"a\":1,\"b\":2}\nNo: ```json\n{\"a\": 3, \"b\": 4}\n```", 3, 4)]
    public void Grades_are_the_last_that_are_told(string answer, int a, int b) => AnswerJudge.Grades(answer).ShouldBe((a, b));

    [Theory]
    [InlineData("A is better")]
    [InlineData("""{"a": 0, "b": 3}""")]
    [InlineData("""{"a": 11, "b": 3}""")]
    [InlineData("")]
    public void What_is_no_grade_is_none(string answer) => AnswerJudge.Grades(answer).ShouldBeNull();

    [Fact]
    public void A_judge_who_always_likes_the_first_finds_both_alike() => AnswerJudge.Mean((9, 5), (9, 5)).ShouldBe(new PairVerdict(0.7, 0.7));

    [Theory]
    [InlineData("anthropic-messages", """{"system":"You help.","messages":[{"role":"user","content":"Weather?"}],"tools":[{"name":"weather","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}}""")]
    [InlineData("gemini-generate", """{"systemInstruction":{"parts":[{"text":"You help."}]},"contents":[{"role":"user","parts":[{"text":"Weather?"}]}],"tools":[{"functionDeclarations":[{"name":"weather"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}""")]
    [InlineData("openai-responses", """{"instructions":"You help.","input":"Weather?","tools":[{"type":"function","name":"weather","parameters":{"type":"object"}}],"tool_choice":"required"}""")]
    public void Requests_of_every_dialect_are_read(string dialect, string body)
    {
        var request = Request(body, dialect);
        request.Tools.ShouldHaveSingleItem().Name.ShouldBe("weather");
        request.CallIsDue.ShouldBeTrue();
        request.Transcript(1000).ShouldBe("[instructions]\nYou help.\n[tools offered] weather\n[user]\nWeather?");
    }

    [Theory]
    [InlineData("nonsense", "{}")]
    [InlineData(Chat, "no json")]
    [InlineData(Chat, "[]")]
    public void What_is_no_request_is_not_read(string dialect, string body) => RequestReading.Of(dialect, Encoding.UTF8.GetBytes(body))?.CanBeChecked.ShouldBeFalse();

    [Fact]
    public void A_long_conversation_is_told_by_its_end()
    {
        var turns = string.Join(',', Enumerable.Range(0, 200).Select(i => $$"""{"role":"{{(i % 2 == 0 ? "user" : "assistant")}}","content":"Turn number {{i}} {{new string('x', 200)}}"}"""));
        var told = Request($$"""{"messages":[{{turns}}]}""").Transcript(2000);
        told.Length.ShouldBeLessThan(2500);
        told.ShouldContain("Turn number 199");
        told.ShouldNotContain("Turn number 1 ");
    }

    private static AnswerReading? Read(string dialect, string bytes, bool streamed) => AnswerReading.Of(dialect, Encoding.UTF8.GetBytes(bytes), streamed, ProviderQuirks.None);

    [Fact]
    public void Answers_of_every_dialect_are_read_whole_and_streamed()
    {
        var whole = new[]
        {
            Read(Chat, """{"model":"m","choices":[{"message":{"role":"assistant","content":"Hi","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}""", false),
            Read(Chat, "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"H\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"i\",\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n", true),
            Read("anthropic-messages", """{"type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"c","name":"f","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}""", false),
            Read("gemini-generate", """{"modelVersion":"m","candidates":[{"content":{"parts":[{"text":"Hi"},{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}]}""", false),
            Read("openai-responses", """{"status":"completed","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]},{"type":"function_call","name":"f","arguments":"{}"}]}""", false),
            Read("openai-responses", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"model\":\"m\",\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\"}]},{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}]}}\n\n", true),
        };
        foreach (var read in whole)
        {
            read.ShouldNotBeNull($"answer {Array.IndexOf(whole, read)}").Text.ShouldBe("Hi");
            read.Calls.ShouldBe([new MadeCall("f", "{}")]);
            (read.End, read.Model).ShouldBe((AnswerEnd.Whole, "m"));
        }
    }

    [Fact]
    public void An_answer_that_broke_off_is_none_and_one_that_was_cut_says_so()
    {
        Read(Chat, "data: {\"choices\":[{\"delta\":{\"content\":\"H\"}}]}\n\n", true).ShouldBeNull();
        Read(Chat, "{\"choices\":[{\"mess", false).ShouldBeNull();
        Read("openai-responses", "data: {\"type\":\"response.created\"}\n\n", true).ShouldBeNull();
        Read("cohere-chat", "{}", false).ShouldBeNull();
        Read(Chat, """{"choices":[{"message":{"content":"H"},"finish_reason":"length"}]}""", false)!.End.ShouldBe(AnswerEnd.CutShort);
        Read("openai-responses", """{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}""", false)!.End.ShouldBe(AnswerEnd.CutShort);
        Read(Chat, """{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}""", false)!.ShouldSatisfyAllConditions(r => r.End.ShouldBe(AnswerEnd.Refused), r => r.IsEmpty.ShouldBeTrue());
    }
}
