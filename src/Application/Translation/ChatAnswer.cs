using System.Buffers;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

internal sealed partial class ChatWire
{
    public NeutralAnswer ReadAnswer(JsonElement body, ProviderQuirks quirks, Carriage carriage)
    {
        var answer = new NeutralAnswer { Id = Wires.Text(body, "id"), Model = Wires.Text(body, "model") };
        var choice = Wires.Array(body, "choices").FirstOrDefault();
        if (choice.ValueKind != JsonValueKind.Object)
            throw new JsonException("a chat completion without a choice");
        var message = Wires.Object(choice, "message");
        foreach (var thought in Thinking(message))
            answer.Parts.Add(new ThinkingPart(thought, ""));
        foreach (var text in Content(message, carriage))
            answer.Parts.Add(text);
        if (Wires.Text(message, "refusal") is { Length: > 0 } refusal)
            answer.Parts.Add(new TextPart(refusal, ""));
        if (Wires.Array(message, "annotations").Any())
            carriage.Note("choices[0].message.annotations", "sources aren't translated");
        if (Wires.Object(message, "audio").ValueKind == JsonValueKind.Object)
            carriage.Note("choices[0].message.audio", "text alone is translated");
        var calls = 0;
        foreach (var call in Wires.Array(message, "tool_calls"))
        {
            var function = Wires.Object(call, "function");
            var name = Wires.Text(function, "name") ?? "";
            var arguments = Arguments(function);
            answer.Parts.Add(new ToolCallPart(Wires.Text(call, "id") is { Length: > 0 } id ? id : Wires.Id("call_", $"{answer.Id}/{calls}/{name}/{arguments}"), name, arguments, ""));
            calls++;
        }

        answer.Finish = ReadFinish(Wires.Text(choice, "finish_reason"), calls > 0);
        if (Wires.Object(body, "usage") is { ValueKind: JsonValueKind.Object } usage)
            answer.Usage = Usages.ReadChat(usage, quirks, IsGoogle(answer.Model));
        return answer;
    }

    private static bool IsGoogle(string? model) => model?.StartsWith("google/", StringComparison.Ordinal) == true;

    // DeepSeek's and most others' name, and OpenRouter's and Groq's.
    private static IEnumerable<string> Thinking(JsonElement message)
    {
        if ((Wires.Text(message, "reasoning_content") ?? Wires.Text(message, "reasoning")) is { Length: > 0 } thought)
            yield return thought;
    }

    // A string; or, as Mistral writes it, an array of texts and thoughts.
    private static IEnumerable<Part> Content(JsonElement message, Carriage carriage)
    {
        if (Wires.Text(message, "content") is { Length: > 0 } text)
            yield return new TextPart(text, "");
        foreach (var part in Wires.Array(message, "content"))
        {
            if (Wires.Text(part, "text") is { } said)
                yield return new TextPart(said, "");
            else if (Wires.Text(part, "type") == "thinking")
                yield return new ThinkingPart(string.Concat(Wires.Array(part, "thinking").Select(t => Wires.Text(t, "text"))), "");
            else
                carriage.Note("choices[0].message.content", $"a part of the type {Wires.Text(part, "type")} isn't translated");
        }
    }

    // A string by the dialect; some write the object itself.
    private static string Arguments(JsonElement function) =>
        Wires.Object(function, "arguments") is { ValueKind: JsonValueKind.Object } json ? json.GetRawText() : Wires.Text(function, "arguments") ?? "";

    // OpenAI says stop after a call that it was told to make; that a call is to be answered is what clients of other dialects go by.
    private static Finish ReadFinish(string? reason, bool calls) => reason switch
    {
        "length" or "model_length" or "max_tokens" => Finish.Length,
        "content_filter" => Finish.Filtered,
        _ when calls => Finish.ToolCalls,
        "stop" or "eos" or "stop_sequence" or "end_turn" => Finish.Stop,
        _ => Finish.Other,
    };

    private static string WriteFinish(Finish finish) => finish switch
    {
        Finish.Length => "length",
        Finish.ToolCalls => "tool_calls",
        Finish.Filtered => "content_filter",
        _ => "stop",
    };

    public void WriteAnswer(NeutralAnswer answer, Utf8JsonWriter json, in AnswerWishes wishes)
    {
        json.WriteStartObject();
        json.WriteString("id", answer.Id ?? Wires.Id("chatcmpl-", wishes.At.ToString("O", null)));
        json.WriteString("object", "chat.completion");
        json.WriteNumber("created", wishes.At.ToUnixTimeSeconds());
        json.WriteString("model", wishes.Model ?? answer.Model ?? "");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        var text = Wires.Joined(answer.Parts);
        var calls = answer.Parts.OfType<ToolCallPart>().ToList();
        if (text.Length == 0 && calls.Count > 0)
            json.WriteNull("content");
        else
            json.WriteString("content", text);
        json.WriteNull("refusal");
        var thoughts = string.Concat(answer.Parts.OfType<ThinkingPart>().Select(t => t.Text));
        if (thoughts.Length > 0)
            json.WriteString("reasoning_content", thoughts);
        WriteCalls(json, calls, id => id);

        json.WriteEndObject();
        json.WriteNull("logprobs");
        json.WriteString("finish_reason", WriteFinish(answer.Finish));
        json.WriteEndObject();
        json.WriteEndArray();
        if (answer.Usage is { } usage)
            Usages.WriteChat(json, usage);
        json.WriteEndObject();
    }

    public StepReader ReadStream(Action<Step> next, ProviderQuirks quirks, Carriage carriage) => new Reader(next, quirks, carriage);

    public StepWriter WriteStream(in AnswerWishes wishes) => new Writer(wishes);

    private sealed class Reader(Action<Step> next, ProviderQuirks quirks, Carriage carriage) : StepReader(next)
    {
        // The provider's index of each call that began, in order; and the id it began with.
        private readonly List<(long Index, string? Id)> _calls = [];
        private bool _started;
        private bool _finished;
        private bool _ended;
        private bool _google;
        private string? _id;

        public override void Event(JsonElement data)
        {
            if (data.ValueKind != JsonValueKind.Object)
                return;
            var choices = Wires.Array(data, "choices").ToList();
            if (choices.Count == 0 && data.TryGetProperty("error", out var error) && error.ValueKind != JsonValueKind.Null)
            {
                Next(new Step.Failed(Errors.Read(200, data)));
                return;
            }

            // Azure begins with an event about its filters that has no id yet.
            if (!_started && (choices.Count > 0 || Wires.Text(data, "id") is { Length: > 0 }))
            {
                _started = true;
                _id = Wires.Text(data, "id");
                _google = IsGoogle(Wires.Text(data, "model"));
                Next(new Step.Start(_id, Wires.Text(data, "model")));
            }

            // Groq tells usage under a name of its own.
            var usage = Wires.Object(data, "usage");
            if (usage.ValueKind != JsonValueKind.Object)
                usage = Wires.Object(Wires.Object(data, "x_groq"), "usage");
            if (usage.ValueKind == JsonValueKind.Object && Usages.ReadChat(usage, quirks, _google) is { } counted)
                Next(new Step.Counted(counted));
            foreach (var choice in choices)
                if (Wires.Whole(choice, "index") is null or 0)
                    Choice(choice);
        }

        private void Choice(JsonElement choice)
        {
            var delta = Wires.Object(choice, "delta");
            foreach (var thought in Thinking(delta))
                Next(new Step.Thinking(thought));
            foreach (var part in Content(delta, carriage))
                Next(part is TextPart text ? new Step.Text(text.Text) : new Step.Thinking(((ThinkingPart)part).Text));
            if (Wires.Text(delta, "refusal") is { Length: > 0 } refusal)
                Next(new Step.Text(refusal));
            foreach (var call in Wires.Array(delta, "tool_calls"))
                Call(call);
            if (!_finished && Wires.Text(choice, "finish_reason") is { Length: > 0 } reason)
            {
                _finished = true;
                Next(new Step.Finished(ReadFinish(reason, _calls.Count > 0), null));
            }
        }

        private void Call(JsonElement call)
        {
            var function = Wires.Object(call, "function");
            var (id, name) = (Wires.Text(call, "id"), Wires.Text(function, "name"));
            // Some number all calls 0, or none: a further id with a name is a further call.
            var index = Wires.Whole(call, "index") ?? (id is { Length: > 0 } || _calls.Count == 0 ? _calls.Count : _calls[^1].Index);
            var at = _calls.FindLastIndex(c => c.Index == index);
            if (at < 0 || (id is { Length: > 0 } && name is { Length: > 0 } && _calls[at].Id is { } known && known != id))
            {
                at = _calls.Count;
                _calls.Add((index, id));
                Next(new Step.CallStart(at, id is { Length: > 0 } ? id : Wires.Id("call_", $"{_id}/{at}/{name}"), name ?? ""));
            }

            if (Arguments(function) is { Length: > 0 } piece)
                Next(new Step.Arguments(at, piece));
        }

        public override void Done()
        {
            if (!_started)
                return;
            if (!_finished)
                Next(new Step.Finished(ReadFinish(null, _calls.Count > 0), null));
            _finished = true;
            Closed();
        }

        public override void Closed()
        {
            if (_finished && !_ended)
                Next(new Step.End());
            _ended |= _finished;
        }
    }

    private sealed class Writer(AnswerWishes wishes) : StepWriter
    {
        private string _id = "";
        private string _model = "";
        private NeutralUsage? _usage;

        public override void Write(Step step, IBufferWriter<byte> output)
        {
            switch (step)
            {
                case Step.Start start:
                    _id = start.Id ?? Wires.Id("chatcmpl-", wishes.At.ToString("O", null));
                    _model = wishes.Model ?? start.Model ?? "";
                    Chunk(output, json =>
                    {
                        json.WriteString("role", "assistant");
                        json.WriteString("content", "");
                        json.WriteNull("refusal");
                    });
                    break;

                case Step.Text text:
                    Chunk(output, json => json.WriteString("content", text.Piece));
                    break;

                case Step.Thinking thought:
                    Chunk(output, json => json.WriteString("reasoning_content", thought.Piece));
                    break;

                case Step.CallStart call:
                    Chunk(output, json => Call(json, call.Call, call, ""));
                    break;

                case Step.Arguments arguments:
                    Chunk(output, json => Call(json, arguments.Call, null, arguments.Piece));
                    break;

                case Step.Finished finished:
                    Chunk(output, _ => { }, WriteFinish(finished.Finish));
                    break;

                case Step.Counted counted:
                    _usage = counted.Usage;
                    break;

                case Step.Failed failed:
                    ProxyError.WriteStreamEvent(output, ErrorShape.OpenAi, StreamForm.Data, Errors.Status(failed.Error, ErrorShape.OpenAi), failed.Error.Code, failed.Error.Message);
                    break;

                case Step.End:
                    if (wishes.UsageInStream && _usage is { } usage)
                        Chunk(output, null, null, usage);
                    output.Write("data: [DONE]\n\n"u8);
                    break;
            }
        }

        private static void Call(Utf8JsonWriter json, int index, Step.CallStart? start, string arguments)
        {
            json.WriteStartArray("tool_calls");
            json.WriteStartObject();
            json.WriteNumber("index", index);
            if (start is not null)
            {
                json.WriteString("id", start.Id);
                json.WriteString("type", "function");
            }

            json.WriteStartObject("function");
            if (start is not null)
                json.WriteString("name", start.Name);
            json.WriteString("arguments", arguments);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
        }

        private void Chunk(IBufferWriter<byte> output, Action<Utf8JsonWriter>? delta, string? finish = null, NeutralUsage? usage = null)
        {
            output.Write("data: "u8);
            using (var json = Wires.Writer(output))
            {
                json.WriteStartObject();
                json.WriteString("id", _id);
                json.WriteString("object", "chat.completion.chunk");
                json.WriteNumber("created", wishes.At.ToUnixTimeSeconds());
                json.WriteString("model", _model);
                json.WriteStartArray("choices");
                if (delta is not null)
                {
                    json.WriteStartObject();
                    json.WriteNumber("index", 0);
                    json.WriteStartObject("delta");
                    delta(json);
                    json.WriteEndObject();
                    json.WriteNull("logprobs");
                    json.WriteString("finish_reason", finish);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                if (usage is not null)
                    Usages.WriteChat(json, usage);
                else if (wishes.UsageInStream)
                    json.WriteNull("usage");
                json.WriteEndObject();
            }

            output.Write("\n\n"u8);
        }
    }
}
