using System.Text;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Tests.Routing;

public sealed class TrafficReadingTests
{
    private static readonly byte[] Secret = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static TrafficReading Read(string body, string key = "key_1", byte[]? secret = null) => TrafficReading.Of(RequestParts.Of(Encoding.UTF8.GetBytes(body)), secret ?? Secret, key);

    private static string Chat(string system = "You help.", string user = "Hello", string more = "") =>
        $$"""{"model":"m","messages":[{"role":"system","content":"{{system}}"},{"role":"user","content":"{{user}}"}]{{more}}}""";

    private const string Two = ""","tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{"name":{"type":"string"}}}}},{"type":"function","function":{"name":"b"}}]""";
    private const string Turned = ""","tools":[{"type":"function","function":{"name":"b"}},{"type":"function","function":{"name":"a"}}]""";

    [Fact]
    public void A_class_is_what_the_caller_shows_and_not_what_it_asks()
    {
        var one = Read(Chat()).Class;
        Read(Chat(user: "Something else entirely, 42 times")).Class.ShouldBe(one);
        Read(Chat(more: ""","temperature":0.5""")).Class.ShouldBe(one);
        Read(Chat(system: "You don't.")).Class.ShouldNotBe(one);
        Read(Chat(), key: "key_2").Class.ShouldNotBe(one);
        Read(Chat(), secret: new byte[32]).Class.ShouldNotBe(one);
        Read(Chat(more: Two)).Class.ShouldNotBe(one);
        Read(Chat(more: Two)).Class.ShouldBe(Read(Chat(more: Turned)).Class);
        Read(Chat(more: ""","response_format":{"type":"json_object"}""")).Class.ShouldNotBe(one);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"text"}}""", "text", 0, false)]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_object"}}""", "json", 0, false)]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}}""", "json_schema", 0, false)]
    [InlineData("""{"instructions":"Be brief","input":"Hi","text":{"format":{"type":"json_schema","name":"x","schema":{}}}}""", "json_schema", 0, true)]
    [InlineData("""{"system":[{"type":"text","text":"Be brief"}],"messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f","input_schema":{"type":"object","properties":{"name":{}}}}]}""", "text", 1, true)]
    [InlineData("""{"contents":[{"parts":[{"text":"Hi"}]}],"generationConfig":{"temperature":1,"responseMimeType":"application/json"},"tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]}""", "json", 2, false)]
    [InlineData("""{"contents":[{"parts":[{"text":"Hi"}]}],"generationConfig":{"responseSchema":{"type":"OBJECT"}}}""", "json_schema", 0, false)]
    public void Every_dialect_shows_its_form(string body, string format, int tools, bool system)
    {
        var read = Read(body);
        (read.Format, read.Tools, read.HasSystem).ShouldBe((format, tools, system));
        read.Features.ShouldBe(Features("Hi"));
    }

    [Fact]
    public void What_is_counted_is_the_users_last_message()
    {
        Read("""{"messages":[{"role":"user","content":"First"},{"role":"assistant","content":"What?"},{"role":"user","content":[{"type":"text","text":"Solve \u0078 + 1 = 2"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}""").Features
            .ShouldBe(Features("Solve x + 1 = 2"));
        // In a tool loop, what the user had asked.
        Read("""{"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","tool_calls":[]},{"role":"tool","tool_call_id":"c","content":"{\"text\":\"rain\"}"}]}""").Features.ShouldBe(Features("Weather?"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":5}],\"tools\":[[[\"name\"]]]")]
    public void Whatever_it_is_it_is_read(string body) => Read(body).Features.ShouldAllBe(f => double.IsFinite(f));

    [Fact]
    public void A_message_of_megabytes_is_read_at_its_ends()
    {
        var read = Read(Chat(user: "Prove it. " + new string('a', 2_000_000) + " Why?"));
        read.Features.ShouldAllBe(f => double.IsFinite(f));
        read.Class.ShouldBe(Read(Chat()).Class);
    }

    [Fact]
    public void Bytes_without_sense_are_read_within_their_ends()
    {
        var random = new Random(7);
        var seeds = new[] { Chat(more: Two), """{"contents":[{"parts":[{"text":"Hi","functionResponse":{}}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}]}""", """{"input":[{"type":"function_call_output","output":"x"}],"previous_response_id":"resp_1"}""" };
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(seeds[i % seeds.Length]);
            for (var changes = random.Next(1, 5); changes > 0; changes--)
                bytes[random.Next(bytes.Length)] = (byte)"{}[]\",:\\ x\u00ff"[random.Next(11)];
            var parts = RequestParts.Of(bytes.AsSpan(0, random.Next(bytes.Length + 1)));
            TrafficReading.Of(parts, Secret, "key_1").Features.ShouldAllBe(f => double.IsFinite(f));
        }
    }

    [Fact]
    public void What_stands_within_itself_without_end_is_not_followed()
    {
        var deep = string.Concat(Enumerable.Repeat("""{"content":[""", 100_000));
        Read("{\"messages\":[" + deep).Tools.ShouldBe(0);
        Read("{\"tools\":[" + string.Concat(Enumerable.Repeat("""{"functionDeclarations":[""", 100_000)) + "1]").Tools.ShouldBe(0);
    }

    [Fact]
    public void Texts_are_read_as_a_parser_reads_them()
    {
        foreach (var text in (string[])["a \"quoted\" word\\", "line\none\ttwo\r\n", "\u00e4\u20ac\ud83d\ude00 é", "\b\f/", new string('x', 5000) + "\"", ""])
            Read(System.Text.Json.JsonSerializer.Serialize(new { messages = new[] { new { role = "user", content = text } } })).Features.ShouldBe(Features(text));
    }

    private static double[] Features(string text)
    {
        var features = new double[PromptFeatures.Count];
        PromptFeatures.Read(text, features);
        return features;
    }
}
