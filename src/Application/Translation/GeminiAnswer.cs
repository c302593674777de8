using System.Buffers;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

internal sealed partial class GeminiWire
{
    public NeutralAnswer ReadAnswer(JsonElement body, ProviderQuirks quirks, Carriage carriage)
    {
        var answer = new NeutralAnswer { Id = Wires.Text(body, "responseId"), Model = Wires.Text(body, "modelVersion") };
        var candidate = Wires.Array(body, "candidates").FirstOrDefault();
        var blocked = Blocked(body);
        if (candidate.ValueKind != JsonValueKind.Object && !blocked)
            throw new JsonException("neither a candidate nor a reason for none");
        var calls = 0;
        foreach (var part in ReadAnswerParts(candidate, carriage))
            answer.Parts.Add(part is ToolCallPart call ? Named(call, answer.Id, calls++) : part);
        answer.Finish = blocked ? Finish.Filtered : ReadFinish(Wires.Text(candidate, "finishReason"), calls > 0);
        if (Wires.Object(body, "usageMetadata") is { ValueKind: JsonValueKind.Object } usage)
            answer.Usage = Usages.ReadGemini(usage);
        return answer;
    }

    private static bool Blocked(JsonElement body) => Wires.Text(Wires.Object(body, "promptFeedback"), "blockReason") is not null;

    // Models before Gemini 3 give their calls no id; clients of the other dialects name results by it.
    private static ToolCallPart Named(ToolCallPart call, string? answer, int index) =>
        call.Id.Length > 0 ? call : call with { Id = Wires.Id("call_", $"{answer}/{index}/{call.Name}/{call.Arguments}") };

    private static IEnumerable<Part> ReadAnswerParts(JsonElement candidate, Carriage carriage)
    {
        if (Wires.Array(candidate, "groundingMetadata").Any() || Wires.Object(candidate, "groundingMetadata").ValueKind == JsonValueKind.Object || Wires.Object(candidate, "citationMetadata").ValueKind == JsonValueKind.Object)
            carriage.Note("candidates[0]", "sources aren't translated");
        foreach (var part in Wires.Array(Wires.Object(candidate, "content"), "parts"))
        {
            if (Wires.Text(part, "text") is { } text)
            {
                if (part.TryGetProperty("thought", out var thought) && thought.ValueKind == JsonValueKind.True)
                    yield return new ThinkingPart(text, "");
                else if (text.Length > 0)
                    yield return new TextPart(text, "");
            }
            else if (Wires.Object(part, "functionCall") is { ValueKind: JsonValueKind.Object } call)
            {
                yield return new ToolCallPart(Wires.Text(call, "id") ?? "", Wires.Text(call, "name") ?? "", Wires.Object(call, "args") is { ValueKind: JsonValueKind.Object } args ? args.GetRawText() : "{}", "");
            }
            else if (part.EnumerateObject().FirstOrDefault(p => p.Name is not ("thoughtSignature" or "thought")) is { Name: not null } other)
            {
                carriage.Note("candidates[0].content.parts", $"{other.Name} isn't translated");
            }
        }
    }

    private static Finish ReadFinish(string? reason, bool calls) => reason switch
    {
        "MAX_TOKENS" => Finish.Length,
        "SAFETY" or "RECITATION" or "BLOCKLIST" or "PROHIBITED_CONTENT" or "SPII" or "LANGUAGE" or "IMAGE_SAFETY" or "IMAGE_PROHIBITED_CONTENT" or "IMAGE_RECITATION" => Finish.Filtered,
        "STOP" => calls ? Finish.ToolCalls : Finish.Stop,
        _ => Finish.Other,
    };

    private static string WriteFinish(Finish finish) => finish switch
    {
        Finish.Length => "MAX_TOKENS",
        Finish.Filtered => "SAFETY",
        Finish.Other => "OTHER",
        _ => "STOP",
    };

    public void WriteAnswer(NeutralAnswer answer, Utf8JsonWriter json, in AnswerWishes wishes)
    {
        var thoughts = wishes.Thoughts;
        WriteAnswer(json, answer.Id, wishes.Model ?? answer.Model, answer.Parts.Where(p => thoughts || p is not ThinkingPart), answer.Finish, answer.Usage);
    }

    private static void WriteAnswer(Utf8JsonWriter json, string? id, string? model, IEnumerable<Part> parts, Finish? finish, NeutralUsage? usage)
    {
        json.WriteStartObject();
        json.WriteStartArray("candidates");
        json.WriteStartObject();
        json.WriteStartObject("content");
        json.WriteStartArray("parts");
        foreach (var part in parts)
        {
            json.WriteStartObject();
            switch (part)
            {
                case TextPart text:
                    json.WriteString("text", text.Text);
                    break;

                case ThinkingPart thought:
                    json.WriteString("text", thought.Text);
                    json.WriteBoolean("thought", true);
                    break;

                case ToolCallPart call:
                    json.WriteStartObject("functionCall");
                    json.WriteString("id", call.Id);
                    json.WriteString("name", call.Name);
                    json.WritePropertyName("args");
                    Wires.WriteAnswerArguments(json, call.Arguments);
                    json.WriteEndObject();
                    break;
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("role", "model");
        json.WriteEndObject();
        if (finish is { } ended)
            json.WriteString("finishReason", WriteFinish(ended));
        json.WriteNumber("index", 0);
        json.WriteEndObject();
        json.WriteEndArray();
        if (usage is not null)
            Usages.WriteGemini(json, usage);
        if (!string.IsNullOrEmpty(model))
            json.WriteString("modelVersion", model);
        if (id is not null)
            json.WriteString("responseId", id);
        json.WriteEndObject();
    }

    public StepReader ReadStream(Action<Step> next, ProviderQuirks quirks, Carriage carriage) => new Reader(next, carriage);

    public StepWriter WriteStream(in AnswerWishes wishes) => new Writer(wishes);

    /// <remarks>Nothing marks the end but the end: some models say a finish reason in every event, so the last one holds, and is told when no more comes.</remarks>
    private sealed class Reader(Action<Step> next, Carriage carriage) : StepReader(next)
    {
        private bool _started;
        private bool _blocked;
        private string? _id;
        private string? _finish;
        private int _calls;

        public override void Event(JsonElement data)
        {
            if (data.ValueKind == JsonValueKind.Array || (data.ValueKind == JsonValueKind.Object && data.TryGetProperty("error", out _)))
            {
                Next(new Step.Failed(Errors.Read(200, data)));
                return;
            }

            if (data.ValueKind != JsonValueKind.Object)
                return;
            if (Wires.Object(data, "usageMetadata") is { ValueKind: JsonValueKind.Object } usage && Usages.ReadGemini(usage) is { } counted)
                Next(new Step.Counted(counted));
            if (!_started)
            {
                _started = true;
                _id = Wires.Text(data, "responseId");
                Next(new Step.Start(_id, Wires.Text(data, "modelVersion")));
            }

            _blocked |= Blocked(data);
            var candidate = Wires.Array(data, "candidates").FirstOrDefault();
            foreach (var part in ReadAnswerParts(candidate, carriage))
            {
                switch (part)
                {
                    case TextPart text:
                        Next(new Step.Text(text.Text));
                        break;

                    case ThinkingPart thought:
                        Next(new Step.Thinking(thought.Text));
                        break;

                    case ToolCallPart call:
                        Next(new Step.CallStart(_calls, Named(call, _id, _calls).Id, call.Name));
                        Next(new Step.Arguments(_calls++, call.Arguments));
                        break;
                }
            }

            _finish = Wires.Text(candidate, "finishReason") ?? _finish;
        }

        public override void Closed()
        {
            if (_finish is null && !_blocked)
                return;
            Next(new Step.Finished(_blocked ? Finish.Filtered : ReadFinish(_finish, _calls > 0), null));
            Next(new Step.End());
        }
    }

    /// <remarks>A call is one event here, so its arguments are gathered until it is whole: until the next part or the end.</remarks>
    private sealed class Writer(AnswerWishes wishes) : StepWriter
    {
        private const int MaxArguments = 4 * 1024 * 1024;

        private readonly List<(Step.CallStart Start, StringBuilder Arguments)> _calls = [];
        private int _written;
        private bool _failed;
        private bool _any;
        private Step.Start _start = new(null, null);
        private Step.Finished? _finished;
        private NeutralUsage? _usage;

        public override void Write(Step step, IBufferWriter<byte> output)
        {
            if (_failed)
                return;
            switch (step)
            {
                case Step.Start start:
                    _start = start;
                    break;

                case Step.Text text:
                    Calls(output);
                    Event(output, new TextPart(text.Piece, ""));
                    break;

                case Step.Thinking thought when wishes.Thoughts:
                    Calls(output);
                    Event(output, new ThinkingPart(thought.Piece, ""));
                    break;

                case Step.CallStart call:
                    _calls.Add((call, new StringBuilder()));
                    break;

                case Step.Arguments arguments:
                    _calls[arguments.Call].Arguments.Append(arguments.Piece);
                    if (_calls[arguments.Call].Arguments.Length > MaxArguments)
                        Write(new Step.Failed(new(502, "arguments_too_large", "a call's arguments are larger than 4 MiB", null)), output);
                    break;

                case Step.Finished finished:
                    _finished = finished;
                    break;

                case Step.Counted counted:
                    _usage = counted.Usage;
                    break;

                case Step.Failed failed:
                    _failed = true;
                    Fail(output, failed.Error);
                    break;

                case Step.End:
                    Calls(output);
                    Event(output, null, _finished?.Finish ?? Finish.Other);
                    if (wishes.JsonArray)
                        output.Write("]"u8);
                    break;
            }
        }

        private void Fail(IBufferWriter<byte> output, NeutralError error)
        {
            var status = Errors.Status(error, ErrorShape.Gemini);
            if (wishes.JsonArray && !_any)
            {
                output.Write("["u8);
                ProxyError.Write(output, ErrorShape.Gemini, status, error.Code, error.Message);
                output.Write("]"u8);
            }
            else
            {
                ProxyError.WriteStreamEvent(output, ErrorShape.Gemini, wishes.JsonArray ? StreamForm.ArrayElement : StreamForm.Data, status, error.Code, error.Message);
            }
        }

        private void Calls(IBufferWriter<byte> output)
        {
            for (; _written < _calls.Count; _written++)
            {
                var (start, arguments) = _calls[_written];
                Event(output, new ToolCallPart(start.Id, start.Name, arguments.ToString(), ""));
            }
        }

        private void Event(IBufferWriter<byte> output, Part? part, Finish? finish = null)
        {
            if (wishes.JsonArray)
                output.Write(_any ? ",\r\n"u8 : "["u8);
            else
                output.Write("data: "u8);
            _any = true;
            using (var json = Wires.Writer(output))
                WriteAnswer(json, _start.Id, wishes.Model ?? _start.Model, part is null ? [] : [part], finish, finish is null ? null : _usage);
            if (!wishes.JsonArray)
                output.Write("\r\n\r\n"u8);
        }
    }
}
