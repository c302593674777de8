using System.Text;
using Tokonomics.Testing;

namespace Tokonomics.Web.Proxy.Tests.Ingress;

/// <summary>
/// Bodies that no SDK sends. What the proxy can't read for certain it refuses in the dialect's shape with a message that says what is wrong;
/// what only the provider can judge it passes on byte for byte. Never a 500, and no row for what was refused.
/// </summary>
[Collection("ingress")]
public sealed class MalformedBodyTests(IngressProduct ingress)
{
    private static readonly (string Target, string Shape, string Model)[] Doors =
    [
        ("/proxy/openai/v1/chat/completions", "openai", "gpt-4o-mini"), ("/proxy/openai/v1/responses", "openai", "gpt-4o-mini"), ("/proxy/openai/v1/embeddings", "openai", "text-embedding-3-small"),
        ("/proxy/openai/v1/completions", "openai", "gpt-3.5-turbo-instruct"), ("/proxy/openai/v1/images/generations", "openai", "gpt-image-1"), ("/proxy/openai/v1/audio/speech", "openai", "tts-1"), ("/proxy/openai/v1/moderations", "openai", "omni-moderation-latest"),
        ("/proxy/anthropic/v1/messages", "anthropic", "claude-sonnet-4-5"), ("/proxy/gemini/v1beta/models/gemini-2.5-flash:generateContent", "gemini", "gemini-2.5-flash"), ("/proxy/cohere/v2/chat", "cohere", "command-a-03-2025"),
        ("/proxy/cohere/v2/embed", "cohere", "embed-v4.0"), ("/proxy/ollama/api/chat", "ollama", "llama3"), ("/proxy/ollama/api/generate", "ollama", "llama3"),
    ];

    // Not one whole JSON object in UTF-8: refused by every dialect.
    private static readonly (string Name, byte[] Body)[] NoObjects =
    [
        ("nothing", []), ("white space", " \r\n\t "u8.ToArray()), ("a BOM alone", [0xEF, 0xBB, 0xBF]), ("a NUL", [0]), ("null", "null"u8.ToArray()), ("true", "true"u8.ToArray()), ("a number", "42"u8.ToArray()), ("a string", "\"model\""u8.ToArray()),
        ("an array", "[]"u8.ToArray()), ("an array of a request", """[{"model":"m"}]"""u8.ToArray()), ("words", "hello"u8.ToArray()), ("a form", "model=m&messages=hi"u8.ToArray()), ("XML", "<request/>"u8.ToArray()), ("an open brace", "{"u8.ToArray()),
        ("a cut name", """{"mod"""u8.ToArray()), ("a cut string", """{"model":"gp"""u8.ToArray()), ("a missing end", """{"model":"m","messages":[]"""u8.ToArray()), ("an end too many", """{"model":"m"}}"""u8.ToArray()), ("two objects", """{"model":"m"}{"model":"n"}"""u8.ToArray()),
        ("two objects in lines", "{\"model\":\"m\"}\n{\"model\":\"n\"}"u8.ToArray()), ("single quotes", "{'model':'m'}"u8.ToArray()), ("a name without quotes", "{model:\"m\"}"u8.ToArray()), ("a trailing comma", """{"model":"m",}"""u8.ToArray()),
        ("a comment", """{"model":"m"/* x */}"""u8.ToArray()), ("a line comment", "{\"model\":\"m\"}// x"u8.ToArray()), ("NaN", """{"model":"m","temperature":NaN}"""u8.ToArray()), ("Infinity", """{"model":"m","temperature":-Infinity}"""u8.ToArray()),
        ("a number with a plus", """{"model":"m","n":+1}"""u8.ToArray()), ("a number in hexadecimal", """{"model":"m","n":0x1}"""u8.ToArray()), ("a number with a leading zero", """{"model":"m","n":01}"""u8.ToArray()), ("a line break in a string", "{\"model\":\"m\nn\"}"u8.ToArray()),
        ("a NUL in a string", "{\"model\":\"m\0\"}"u8.ToArray()), ("a wrong escape", """{"model":"\x41"}"""u8.ToArray()), ("a cut escape", """{"model":"\u00"}"""u8.ToArray()), ("UTF-16", Encoding.Unicode.GetBytes("""{"model":"m"}""")),
        ("UTF-16 with a BOM", [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("""{"model":"m"}""")]), ("UTF-16 big endian", Encoding.BigEndianUnicode.GetBytes("""{"model":"m"}""")), ("UTF-32", Encoding.UTF32.GetBytes("""{"model":"m"}""")),
        ("two BOMs", [0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF, .. """{"model":"m"}"""u8]), ("nesting of 10,000", Encoding.UTF8.GetBytes("""{"model":"m","x":""" + new string('[', 10_000) + new string(']', 10_000) + "}")),
        ("open nesting of 100,000", Encoding.UTF8.GetBytes("""{"model":"m","x":""" + new string('[', 100_000))), ("gzip that isn't said to be", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), ("random bytes", [.. Enumerable.Range(0, 256).Select(i => (byte)(i * 37 + 200))]),
    ];

    public static TheoryData<string> NoObjectNames => [.. NoObjects.Select(n => n.Name)];

    // {M}: the model where the dialect has it in its body.
    public static TheoryData<string, string> TwoReadings => new()
    {
        { """{"model":"{M}","model":"{M}"}""", "more than once" },
        { """{"model":"{M}","messages":[],"model":"other"}""", "more than once" },
        { """{"model":"{M}","\u006dodel":"other"}""", "more than once" },
        { """{"model":5}""", "must be a string" },
        { """{"model":["{M}"]}""", "must be a string" },
        { """{"model":{"name":"{M}"}}""", "must be a string" },
        { """{"model":true}""", "must be a string" },
        { """{"model":"{M}\ud800"}""", "Unicode" },
    };

    // What the provider may find wrong, and the proxy has no part in.
    public static TheoryData<string> PassedOn => new()
    {
        """{"model":"{M}"}""", """{"model":"{M}","messages":null}""", """{"model":"{M}","messages":"hello"}""", """{"model":"{M}","messages":{"0":{}}}""", """{"model":"{M}","messages":[[[[]]]]}""", """{"model":"{M}","messages":[null,1,"x",{}]}""",
        """{"model":"{M}","messages":[{"role":"user","content":"\ud800 lone \udc00"}]}""", """{"model":"{M}","x":1,"x":2,"y":{"a":1,"a":2}}""", """{"model":"{M}","temperature":1e999}""", """{"model":"{M}","temperature":-0.0e-5}""",
        """{"model":"{M}","input":null,"prompt":null,"contents":null}""", """{"model":"{M}","contents":[{"parts":"x"}]}""", """{"model":"{M}","input":[[],[1,2],"x"]}""", """{"model":"{M}","tools":5,"tool_choice":[],"response_format":"x","seed":{}}""",
        "\r\n\t {\"model\" : \"{M}\" , \"messages\" : [ ] } \r\n", """{"model":"{M}","":"","\u0000":0,"\ud83d\ude00":"x"}""", """{"model":"{M}","x":123456789012345678901234567890123456789012345678901234567890}""", """{"messages":[],"x":"y","model":"{M}"}""",
    };

    [Theory]
    [MemberData(nameof(NoObjectNames))]
    public async Task What_is_no_object_is_refused_by_every_dialect(string name)
    {
        var body = NoObjects.Single(n => n.Name == name).Body;
        await RefusedEverywhereAsync(_ => Encoding.Latin1.GetString(body), message => message.Length.ShouldBeGreaterThan(20));
    }

    [Theory]
    [MemberData(nameof(TwoReadings))]
    public async Task What_can_be_read_in_two_ways_is_refused(string body, string says)
    {
        await RefusedEverywhereAsync(model => body.Replace("{M}", model, StringComparison.Ordinal), message => message.ShouldContain(says), exceptModelInPath: true);
    }

    [Theory]
    [MemberData(nameof(PassedOn))]
    public async Task What_the_provider_must_judge_is_passed_on_byte_for_byte(string body)
    {
        foreach (var (target, _, model) in Doors)
        {
            var sent = body.Replace("{M}", model, StringComparison.Ordinal);
            var answer = (await ingress.SendAsync(ingress.Post(target, sent))).ShouldNotBeNull(target);
            answer.Status.ShouldBe(200, $"{target}: {answer.Text}");
            ingress.LastRequest.Text.ShouldBe(sent);
            (await ingress.EventAsync(answer["x-tokonomics-request-id"]!)).GetProperty("provider").GetString().ShouldBe(target.Split('/')[2]);
        }
    }

    [Theory]
    [InlineData("""{"model":"gpt-4o-mini","max_tokens":1.5}""", "output limit")]
    [InlineData("""{"model":"gpt-4o-mini","stream":"yes"}""", "stream")]
    [InlineData("""{"model":"gpt-4o-mini","stream":1}""", "stream")]
    [InlineData("""{"model":"gpt-4o-mini","stream":[true]}""", "stream")]
    [InlineData("""{"model":"gpt-4o-mini","stream":true,"stream":false}""", "stream")]
    [InlineData("""{"model":"gpt-4o-mini","stream":true,"stream_options":"x"}""", "stream_options")]
    [InlineData("""{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}""", "include_usage")]
    [InlineData("""{"model":"gpt-4o-mini","stream":true,"stream_options":{},"stream_options":{"include_usage":false}}""", "stream_options")]
    [InlineData("""{"model":"gpt-4o-mini","max_tokens":"many"}""", "output limit")]
    [InlineData("""{"model":"gpt-4o-mini","max_tokens":{}}""", "output limit")]
    [InlineData("""{"model":"gpt-4o-mini","max_tokens":5,"max_tokens":500000}""", "max_tokens")]
    [InlineData("""{"model":"gpt-4o-mini","max_completion_tokens":-1}""", "output limit")]
    [InlineData("""{"model":"gpt-4o-mini","n":"3"}""", "number of answers")]
    [InlineData("""{"model":"gpt-4o-mini","n":-5}""", "number of answers")]
    [InlineData("""{"model":"gpt-4o-mini","n":1,"n":128}""", "'n'")]
    public async Task A_field_that_decides_money_is_readable_or_refused(string body, string says)
    {
        RawAnswer? answer = null;
        var counted = await ingress.CountAsync(async () => answer = await ingress.SendAsync(ingress.Post("/v1/chat/completions", body)));

        answer!.Status.ShouldBe(400, answer.Text);
        IngressProduct.ErrorMessage("openai", answer.Text).ShouldContain(says);
        counted.ShouldBe((0, 0));
    }

    private const string Part = "--b\r\nContent-Disposition: form-data; name=\"";

    [Theory]
    [InlineData("multipart/form-data", "--b--\r\n")]
    [InlineData("multipart/form-data; boundary=", "--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", "")]
    [InlineData("multipart/form-data; boundary=b", "no parts at all")]
    [InlineData("multipart/form-data; boundary=b", Part + "model\"\r\n\r\nwhisper-1\r\n")]
    [InlineData("multipart/form-data; boundary=b", Part + "model\"\r\n\r\nwhisper-1\r\n" + Part + "model\"\r\n\r\nother\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", Part + "model\r\n\r\nwhisper-1\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", "--b\r\n\r\nwhisper-1\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=\"b", Part + "model\"\r\n\r\nwhisper-1\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b; boundary=c", Part + "model\"\r\n\r\nwhisper-1\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", Part + "file\"; filename=\"a\0.wav\"\r\n\r\n\0\0\r\n--b--\r\n")]
    [InlineData("multipart/mixed; boundary=b", Part + "model\"\r\n\r\nwhisper-1\r\n--b--\r\n")]
    [InlineData("multipart/form-data; boundary=b", "{\"model\":\"whisper-1\"}")]
    [InlineData("application/json", Part + "model\"\r\n\r\nwhisper-1\r\n--b--\r\n")]
    public async Task A_broken_form_is_refused_or_passed_on_whole_and_never_half(string type, string body)
    {
        foreach (var target in (string[])["/proxy/openai/v1/audio/transcriptions", "/proxy/openai/v1/images/edits", "/proxy/openai/v1/audio/translations"])
        {
            RawAnswer? answer = null;
            var counted = await ingress.CountAsync(async () => answer = await ingress.SendAsync(ingress.Head($"POST {target} HTTP/1.1", $"Content-Type: {type}\r\nContent-Length: {body.Length}\r\n") + body));

            if (answer!.Status == 200)
            {
                ingress.LastRequest.Body.ShouldBe(Encoding.Latin1.GetBytes(body));
                counted.Forwarded.ShouldBe(1);
                continue;
            }

            answer.Status.ShouldBe(400, answer.Text);
            IngressProduct.ErrorMessage("openai", answer.Text).Length.ShouldBeGreaterThan(20);
            counted.ShouldBe((0, 0));
        }
    }

    [Fact]
    public async Task A_hundred_thousand_names_are_read_in_one_pass()
    {
        var names = new StringBuilder("""{"model":"gpt-4o-mini" """);
        for (var i = 0; names.Length < IngressProduct.MaxBodyBytes - 20; i++)
            names.Append(System.Globalization.CultureInfo.InvariantCulture, $",\"{i}\":{i}");
        var body = names.Append('}').ToString();

        (await ingress.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", body)))!.Status.ShouldBe(200);
        ingress.LastRequest.Text.ShouldBe(body);
    }

    [Fact]
    public async Task Whatever_mutation_of_a_sound_request_comes_the_answer_is_no_500()
    {
        // Each byte of a request is, by the same dice every time, lost, doubled, changed or followed by another.
        var sound = """{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}],"stream":false,"max_tokens":5,"n":1,"stream_options":{"include_usage":true},"service_tier":"flex"}""";
        var dice = new Random(20261121);
        await using var client = await ingress.ConnectAsync();
        var statuses = new Dictionary<int, int>();
        for (var i = 0; i < 1500; i++)
        {
            var at = dice.Next(sound.Length);
            var any = (char)dice.Next(256);
            var mutant = dice.Next(4) switch
            {
                0 => sound.Remove(at, Math.Min(dice.Next(1, 9), sound.Length - at)),
                1 => sound.Insert(at, sound.Substring(at, Math.Min(dice.Next(1, 30), sound.Length - at))),
                2 => sound[..at] + any + sound[(at + 1)..],
                _ => sound.Insert(at, any.ToString()),
            };
            await client.SendAsync(ingress.Post("/proxy/openai/v1/chat/completions", mutant));
            var answer = (await client.ReadAsync()).ShouldNotBeNull();
            statuses[answer.Status] = statuses.GetValueOrDefault(answer.Status) + 1;
            answer.Status.ShouldBeOneOf([200, 400], $"{mutant}: {answer.Text}");
            if (answer.Status == 400)
                IngressProduct.ErrorMessage("openai", answer.Text).Length.ShouldBeGreaterThan(20);
            else
                ingress.LastRequest.Body.ShouldBe(Encoding.Latin1.GetBytes(mutant));
        }

        statuses.Keys.Order().ShouldBe((int[])[200, 400]);
        await ingress.FreedAsync();
    }

    private async Task RefusedEverywhereAsync(Func<string, string> body, Action<string> check, bool exceptModelInPath = false)
    {
        var counted = await ingress.CountAsync(async () =>
        {
            await using var client = await ingress.ConnectAsync();
            foreach (var (target, shape, model) in Doors)
            {
                if (exceptModelInPath && shape == "gemini")
                    continue;
                await client.SendAsync(ingress.Post(target, body(model)));
                var answer = (await client.ReadAsync()).ShouldNotBeNull(target);
                answer.Status.ShouldBe(400, $"{target}: {answer.Text}");
                answer["Content-Type"].ShouldBe("application/json; charset=utf-8");
                check(IngressProduct.ErrorMessage(shape, answer.Text));
            }
        });
        counted.ShouldBe((0, 0));
        await ingress.FreedAsync();
    }
}
