using System.Buffers;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Translation;

namespace Tokonomics.Application.Tests.Translation;

/// <summary>Whatever a dialect can say it says in a way that it understands again: through the neutral form and back the meaning is the same.</summary>
public sealed class RoundTripTests
{
    private const int Tries = 150;

    [Theory]
    [InlineData("openai-chat")]
    [InlineData("anthropic-messages")]
    [InlineData("gemini-generate")]
    public void A_request_keeps_its_meaning(string dialect)
    {
        for (var seed = 0; seed < Tries; seed++)
        {
            var request = new Inventor(seed, dialect).Request();
            var carriage = new Carriage();
            var body = Write(dialect, request, carriage);
            carriage.Refused.ShouldBeEmpty($"seed {seed}");
            var read = Spoken.Read(dialect, body, carriage, request.Stream);
            carriage.Refused.ShouldBeEmpty($"seed {seed}: {Encoding.UTF8.GetString(body.Span)}");
            Meaning.All(read).ShouldBe(Meaning.All(request), $"seed {seed}");
        }
    }

    [Fact]
    public void What_three_dialects_can_say_keeps_its_meaning_through_all_of_them()
    {
        for (var seed = 0; seed < Tries; seed++)
        {
            var request = new Inventor(seed, "all").Request();
            var body = Write("openai-chat", request, new Carriage());
            foreach (var (from, to) in new[] { ("openai-chat", "gemini-generate"), ("gemini-generate", "anthropic-messages"), ("anthropic-messages", "openai-chat") })
            {
                var translated = Translator.Between(from, to)!.Request(body, Spoken.Target(request.Stream));
                translated.Refusal.ShouldBe("", $"seed {seed}, {from} → {to}");
                body = translated.Body;
            }

            Meaning.Content(Spoken.Read("openai-chat", body, new Carriage())).ShouldBe(Meaning.Content(request), $"seed {seed}");
        }
    }

    [Theory]
    [InlineData("openai-chat")]
    [InlineData("anthropic-messages")]
    [InlineData("gemini-generate")]
    [InlineData("openai-responses")]
    public void An_answer_keeps_its_meaning_whole_and_streamed(string dialect)
    {
        for (var seed = 0; seed < Tries; seed++)
        {
            var answer = new Inventor(seed, dialect).Answer();
            var output = new ArrayBufferWriter<byte>();
            using (var json = Wires.Writer(output))
                Spoken.Client(dialect).WriteAnswer(answer, json, new AnswerWishes(null, Spoken.At));
            Meaning.Answer(Spoken.ReadAnswer(dialect, Encoding.UTF8.GetString(output.WrittenSpan))).ShouldBe(Meaning.Answer(answer), $"seed {seed}");

            var stream = new ArrayBufferWriter<byte>();
            var writer = Spoken.Client(dialect).WriteStream(new AnswerWishes(null, Spoken.At));
            foreach (var step in Steps(answer, seed))
                writer.Write(step, stream);
            var (streamed, ended, error) = Spoken.Collect(dialect, stream.WrittenSpan);
            (ended, error).ShouldBe((true, null));
            Meaning.Answer(streamed).ShouldBe(Meaning.Answer(answer), $"seed {seed}, streamed");
        }
    }

    private static ReadOnlyMemory<byte> Write(string dialect, NeutralRequest request, Carriage carriage)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var json = Wires.Writer(output))
            Spoken.Provider(dialect).WriteRequest(request, json, Spoken.Target(request.Stream, null), carriage);
        return output.WrittenMemory;
    }

    // The same answer in pieces of any size.
    private static IEnumerable<Step> Steps(NeutralAnswer answer, int seed)
    {
        var chance = new Random(seed);
        yield return new Step.Start(answer.Id, answer.Model);
        var calls = 0;
        foreach (var part in answer.Parts)
        {
            if (part is TextPart text)
            {
                foreach (var piece in Pieces(text.Text))
                    yield return new Step.Text(piece);
            }
            else if (part is ToolCallPart call)
            {
                yield return new Step.CallStart(calls, call.Id, call.Name);
                foreach (var piece in Pieces(call.Arguments))
                    yield return new Step.Arguments(calls, piece);
                calls++;
            }
        }

        yield return new Step.Finished(answer.Finish, answer.StopSequence);
        if (answer.Usage is not null)
            yield return new Step.Counted(answer.Usage);
        yield return new Step.End();

        // Not inside a surrogate pair: no provider cuts there.
        IEnumerable<string> Pieces(string all)
        {
            for (var at = 0; at < all.Length;)
            {
                var length = Math.Min(all.Length - at, chance.Next(1, 9));
                if (char.IsHighSurrogate(all[at + length - 1]))
                    length++;
                yield return all.Substring(at, length);
                at += length;
            }
        }
    }

    /// <summary>Makes up requests and answers that a dialect can say; for <c>all</c>, what every dialect can.</summary>
    private sealed class Inventor(int seed, string dialect)
    {
        private static readonly string[] Words = ["hello", "Grüße", "世界 👋", "a \"quoted\" one", "line\nbreak", "\\back\\", "{\"n\":1}", "<b>&</b>", "\u2028", "  spaces "];

        private readonly Random _chance = new(seed);
        private readonly bool _all = dialect == "all";
        private int _calls;

        private bool Maybe(int percent = 50) => _chance.Next(100) < percent;

        private string Word() => Words[_chance.Next(Words.Length)];

        private string Text() => string.Concat(Enumerable.Range(0, _chance.Next(1, 4)).Select(_ => Word()));

        private static Said<T> Said<T>(T value) => new(value, "");

        private bool Can(params string[] dialects) => dialects.Contains(dialect);

        public NeutralRequest Request()
        {
            var request = new NeutralRequest { Stream = Maybe() };
            for (var i = _chance.Next(3); i > 0; i--)
                request.System.Add(Said(Text()));
            request.Turns.Add(User());
            for (var i = _chance.Next(4); i > 0; i--)
                Exchange(request);
            for (var i = _chance.Next(3); i > 0; i--)
                request.Tools.Add(new ToolDeclaration($"tool_{i}", Maybe() ? Text() : null, Json("""{"type":"object","properties":{"a":{"type":"string","description":"é"}},"required":["a"],"additionalProperties":false}"""), Strict: false, ""));
            if (request.Tools.Count > 0 && Maybe())
                request.Choice = Said(_chance.Next(4) switch { 0 => new ToolChoice(Choosing.Auto), 1 => new(Choosing.None), 2 => new(Choosing.Any), _ => new(Choosing.One, "tool_1") });
            if (Maybe(20) && Can("openai-chat", "anthropic-messages") && request.Choice is not { Value.Choosing: Choosing.None })
                request.ParallelCalls = Said(false);
            if (Maybe(20))
                request.Format = Said(new AnswerFormat(Json("""{"type":"object","properties":{"b":{"type":"integer"}},"required":["b"],"additionalProperties":false}""")));
            else if (Maybe(10) && Can("openai-chat", "gemini-generate"))
                request.Format = Said(new AnswerFormat(null));
            if (Maybe() || dialect == "anthropic-messages")
                request.MaxOutputTokens = Said((long)_chance.Next(1, 100_000));
            for (var i = _chance.Next(4); i > 0; i--)
                request.Stop.Add(Said(Word()));
            if (Maybe())
                request.Temperature = Said(_chance.Next(0, 101) / 100m);
            if (Maybe())
                request.TopP = Said(_chance.Next(1, 101) / 100m);
            if (Maybe() && Can("anthropic-messages", "gemini-generate"))
                request.TopK = Said((long)_chance.Next(1, 100));
            if (Maybe() && Can("openai-chat", "gemini-generate"))
                (request.Seed, request.PresencePenalty, request.FrequencyPenalty) = (Said((long)_chance.Next()), Said(_chance.Next(1, 20) / 10m), Said(-_chance.Next(1, 20) / 10m));
            if (Maybe() && !_all && dialect != "gemini-generate")
                request.User = Said(Word());
            if (Maybe(30))
                request.Effort = Said(new[] { "low", "medium", "high" }[_chance.Next(3)]);
            else if (Maybe(30) && Can("anthropic-messages", "gemini-generate"))
                request.ThinkingBudget = Said((long)_chance.Next(1024, 9000));
            return request;
        }

        private Turn User()
        {
            var parts = new List<Part> { new TextPart(Text(), "") };
            if (Maybe(30))
                parts.Add(new MediaPart("image/png", Convert.ToBase64String(Encoding.UTF8.GetBytes(Text())), null, null, ""));
            if (Maybe(20))
                parts.Add(new MediaPart(null, null, $"https://example.com/{_chance.Next()}.png", null, ""));
            if (Maybe(20))
                parts.Add(new MediaPart("application/pdf", "JVBERg==", null, null, ""));
            if (Maybe(30))
                parts.Add(new TextPart(Text(), ""));
            return new Turn(Speaker.User, parts, "");
        }

        private void Exchange(NeutralRequest request)
        {
            var said = new List<Part>();
            if (Maybe(70))
                said.Add(new TextPart(Text(), ""));
            var calls = said.Count == 0 || Maybe() ? Enumerable.Range(0, _chance.Next(1, 4)).Select(_ => Call()).ToList() : [];
            request.Turns.Add(new Turn(Speaker.Assistant, [.. said, .. calls], ""));
            var results = calls.Select(c => (Part)new ToolResultPart(c.Id, c.Name, [new TextPart(Maybe() ? Text() : Arguments(), "")], Failed: false, ""));
            request.Turns.Add(new Turn(Speaker.User, [.. results, .. calls.Count == 0 || Maybe() ? User().Parts : []], ""));
        }

        private ToolCallPart Call() => new($"call_{_calls++}", $"tool_{_chance.Next(1, 3)}", Arguments(), "");

        private string Arguments() => JsonSerializer.Serialize(new Dictionary<string, object?> { ["a"] = Text(), ["b"] = _chance.Next(), ["c"] = null, ["d"] = new object[] { true, 1.5, Word() } });

        private static JsonElement Json(string json) => JsonDocument.Parse(json).RootElement;

        public NeutralAnswer Answer()
        {
            var answer = new NeutralAnswer { Id = $"id{seed}", Model = "m" };
            if (Maybe(80))
                answer.Parts.Add(new TextPart(Text(), ""));
            if (answer.Parts.Count == 0 || Maybe())
                answer.Parts.AddRange(Enumerable.Range(0, _chance.Next(1, 4)).Select(_ => Call()));
            answer.Finish = answer.Parts.Exists(p => p is ToolCallPart) ? Finish.ToolCalls : new[] { Finish.Stop, Finish.Length, Finish.Filtered }[_chance.Next(3)];
            var (read, thought) = (_chance.Next(100), _chance.Next(100));
            answer.Usage = new NeutralUsage(read + _chance.Next(1000), read, null, thought + _chance.Next(1000), thought);
            return answer;
        }
    }
}
