using System.Buffers;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

internal sealed partial class AnthropicWire
{
    public NeutralAnswer ReadAnswer(JsonElement body, ProviderQuirks quirks, Carriage carriage)
    {
        if (Wires.Text(body, "type") != "message")
            throw new JsonException("no message");
        var answer = new NeutralAnswer { Id = Wires.Text(body, "id"), Model = Wires.Text(body, "model"), StopSequence = Wires.Text(body, "stop_sequence") };
        var i = 0;
        foreach (var block in Wires.Array(body, "content"))
        {
            var path = $"content[{i++}]";
            switch (Wires.Text(block, "type"))
            {
                case "text":
                    answer.Parts.Add(new TextPart(Wires.Text(block, "text") ?? "", path));
                    if (Wires.Array(block, "citations").Any())
                        carriage.Note(path + ".citations", "sources aren't translated");
                    break;

                case "thinking":
                    answer.Parts.Add(new ThinkingPart(Wires.Text(block, "thinking") ?? "", path));
                    break;

                case "redacted_thinking":
                    break;

                case "tool_use":
                    answer.Parts.Add(new ToolCallPart(Wires.Text(block, "id") ?? "", Wires.Text(block, "name") ?? "", block.TryGetProperty("input", out var input) ? input.GetRawText() : "{}", path));
                    break;

                case var type:
                    carriage.Note(path, $"a block of the type {type} isn't translated");
                    break;
            }
        }

        answer.Finish = ReadFinish(Wires.Text(body, "stop_reason"));
        if (Wires.Object(body, "usage") is { ValueKind: JsonValueKind.Object } usage)
            answer.Usage = Usages.ReadAnthropic(usage);
        return answer;
    }

    private static Finish ReadFinish(string? reason) => reason switch
    {
        "end_turn" => Finish.Stop,
        "stop_sequence" => Finish.StopSequence,
        "max_tokens" or "model_context_window_exceeded" => Finish.Length,
        "tool_use" => Finish.ToolCalls,
        "refusal" => Finish.Filtered,
        _ => Finish.Other,
    };

    // Only Anthropic tells a stop sequence, by its name: where it isn't known, the turn has ended.
    private static string WriteFinish(Finish finish, string? sequence) => finish switch
    {
        Finish.StopSequence when sequence is not null => "stop_sequence",
        Finish.Length => "max_tokens",
        Finish.ToolCalls => "tool_use",
        Finish.Filtered => "refusal",
        _ => "end_turn",
    };

    /// <remarks>Thoughts are left out: a block of them needs Anthropic's signature, and without it Anthropic would refuse the conversation when it is sent back.</remarks>
    public void WriteAnswer(NeutralAnswer answer, Utf8JsonWriter json, in AnswerWishes wishes)
    {
        json.WriteStartObject();
        json.WriteString("id", answer.Id ?? Wires.Id("msg_", wishes.At.ToString("O", null)));
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", wishes.Model ?? answer.Model ?? "");
        json.WriteStartArray("content");
        foreach (var part in answer.Parts)
        {
            if (part is TextPart { Text.Length: > 0 } text)
            {
                WriteText(json, text.Text);
            }
            else if (part is ToolCallPart call)
            {
                json.WriteStartObject();
                json.WriteString("type", "tool_use");
                json.WriteString("id", Wires.CallId(call.Id, MaxCallId));
                json.WriteString("name", call.Name);
                json.WritePropertyName("input");
                Wires.WriteAnswerArguments(json, call.Arguments);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
        json.WriteString("stop_reason", WriteFinish(answer.Finish, answer.StopSequence));
        json.WriteString("stop_sequence", answer.StopSequence);
        Usages.WriteAnthropic(json, answer.Usage);
        json.WriteEndObject();
    }

    public StepReader ReadStream(Action<Step> next, ProviderQuirks quirks, Carriage carriage) => new Reader(next, carriage);

    public StepWriter WriteStream(in AnswerWishes wishes) => new Writer(wishes);

    private sealed class Reader(Action<Step> next, Carriage carriage) : StepReader(next)
    {
        private NeutralUsage? _usage;
        private int _calls;
        private bool _inCall;
        private bool _argued;
        private bool _finished;
        private bool _ended;

        public override void Event(JsonElement data)
        {
            switch (Wires.Text(data, "type"))
            {
                case "message_start":
                    var message = Wires.Object(data, "message");
                    Count(message);
                    Next(new Step.Start(Wires.Text(message, "id"), Wires.Text(message, "model")));
                    break;

                case "content_block_start":
                    Begin(Wires.Object(data, "content_block"));
                    break;

                case "content_block_delta":
                    Delta(Wires.Object(data, "delta"));
                    break;

                case "content_block_stop":
                    if (_inCall && !_argued)
                        Next(new Step.Arguments(_calls - 1, "{}"));
                    _inCall = false;
                    break;

                case "message_delta":
                    Count(data);
                    var delta = Wires.Object(data, "delta");
                    if (!_finished && Wires.Text(delta, "stop_reason") is { } reason)
                    {
                        _finished = true;
                        Next(new Step.Finished(ReadFinish(reason), Wires.Text(delta, "stop_sequence")));
                    }

                    break;

                case "message_stop":
                    Closed();
                    break;

                case "error":
                    Next(new Step.Failed(Errors.Read(200, data)));
                    break;
            }
        }

        private void Count(JsonElement holder)
        {
            if (Wires.Object(holder, "usage") is not { ValueKind: JsonValueKind.Object } usage)
                return;
            _usage = Usages.ReadAnthropic(usage, _usage);
            Next(new Step.Counted(_usage));
        }

        private void Begin(JsonElement block)
        {
            switch (Wires.Text(block, "type"))
            {
                case "text":
                    if (Wires.Text(block, "text") is { Length: > 0 } text)
                        Next(new Step.Text(text));
                    break;

                case "tool_use":
                    (_inCall, _argued) = (true, false);
                    Next(new Step.CallStart(_calls++, Wires.Text(block, "id") ?? "", Wires.Text(block, "name") ?? ""));
                    // Some who copy the dialect say the whole input here.
                    if (Wires.Object(block, "input") is { ValueKind: JsonValueKind.Object } input && input.EnumerateObject().Any())
                    {
                        _argued = true;
                        Next(new Step.Arguments(_calls - 1, input.GetRawText()));
                    }

                    break;

                case "thinking" or "redacted_thinking":
                    break;

                case var type:
                    carriage.Note("content", $"a block of the type {type} isn't translated");
                    break;
            }
        }

        private void Delta(JsonElement delta)
        {
            switch (Wires.Text(delta, "type"))
            {
                case "text_delta" when Wires.Text(delta, "text") is { Length: > 0 } text:
                    Next(new Step.Text(text));
                    break;

                case "thinking_delta" when Wires.Text(delta, "thinking") is { Length: > 0 } thought:
                    Next(new Step.Thinking(thought));
                    break;

                case "input_json_delta" when _inCall && Wires.Text(delta, "partial_json") is { Length: > 0 } piece:
                    _argued = true;
                    Next(new Step.Arguments(_calls - 1, piece));
                    break;

                case "citations_delta":
                    carriage.Note("content", "sources aren't translated");
                    break;
            }
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
        // Blocks that began. One is open at a time.
        private int _blocks;
        private bool _open;
        private bool _inText;
        private readonly List<int> _blockOfCall = [];
        private NeutralUsage? _usage;
        private Step.Finished? _finished;

        public override void Write(Step step, IBufferWriter<byte> output)
        {
            switch (step)
            {
                case Step.Start start:
                    Event(output, "message_start", json =>
                    {
                        json.WriteStartObject("message");
                        json.WriteString("id", start.Id ?? Wires.Id("msg_", wishes.At.ToString("O", null)));
                        json.WriteString("type", "message");
                        json.WriteString("role", "assistant");
                        json.WriteString("model", wishes.Model ?? start.Model ?? "");
                        json.WriteStartArray("content");
                        json.WriteEndArray();
                        json.WriteNull("stop_reason");
                        json.WriteNull("stop_sequence");
                        Usages.WriteAnthropic(json, _usage is null ? null : _usage with { Output = null, Reasoning = null });
                        json.WriteEndObject();
                    });
                    break;

                case Step.Text text:
                    if (!_inText)
                    {
                        Begin(output, json =>
                        {
                            json.WriteString("type", "text");
                            json.WriteString("text", "");
                        });
                        _inText = true;
                    }

                    Delta(output, _blocks - 1, "text_delta", "text", text.Piece);
                    break;

                case Step.CallStart call:
                    Begin(output, json =>
                    {
                        json.WriteString("type", "tool_use");
                        json.WriteString("id", Wires.CallId(call.Id, MaxCallId));
                        json.WriteString("name", call.Name);
                        json.WriteStartObject("input");
                        json.WriteEndObject();
                    });
                    _blockOfCall.Add(_blocks - 1);
                    break;

                case Step.Arguments arguments:
                    Delta(output, _blockOfCall[arguments.Call], "input_json_delta", "partial_json", arguments.Piece);
                    break;

                case Step.Finished finished:
                    _finished = finished;
                    break;

                case Step.Counted counted:
                    _usage = counted.Usage;
                    break;

                case Step.Failed failed:
                    ProxyError.WriteStreamEvent(output, ErrorShape.Anthropic, StreamForm.ErrorEvent, failed.Error.Status, failed.Error.Code, failed.Error.Message, failed.Error.RequestId);
                    break;

                case Step.End:
                    Stop(output);
                    Event(output, "message_delta", json =>
                    {
                        json.WriteStartObject("delta");
                        json.WriteString("stop_reason", WriteFinish(_finished?.Finish ?? Finish.Other, _finished?.StopSequence));
                        json.WriteString("stop_sequence", _finished?.StopSequence);
                        json.WriteEndObject();
                        Usages.WriteAnthropic(json, _usage);
                    });
                    Event(output, "message_stop", _ => { });
                    break;
            }
        }

        private void Begin(IBufferWriter<byte> output, Action<Utf8JsonWriter> block)
        {
            Stop(output);
            Event(output, "content_block_start", json =>
            {
                json.WriteNumber("index", _blocks);
                json.WriteStartObject("content_block");
                block(json);
                json.WriteEndObject();
            });
            _blocks++;
            _open = true;
        }

        private void Stop(IBufferWriter<byte> output)
        {
            if (_open)
                Event(output, "content_block_stop", json => json.WriteNumber("index", _blocks - 1));
            (_open, _inText) = (false, false);
        }

        private static void Delta(IBufferWriter<byte> output, int index, string type, string name, string piece) =>
            Event(output, "content_block_delta", json =>
            {
                json.WriteNumber("index", index);
                json.WriteStartObject("delta");
                json.WriteString("type", type);
                json.WriteString(name, piece);
                json.WriteEndObject();
            });

        private static void Event(IBufferWriter<byte> output, string type, Action<Utf8JsonWriter> rest)
        {
            output.Write("event: "u8);
            output.Write(System.Text.Encoding.ASCII.GetBytes(type));
            output.Write("\ndata: "u8);
            using (var json = Wires.Writer(output))
            {
                json.WriteStartObject();
                json.WriteString("type", type);
                rest(json);
                json.WriteEndObject();
            }

            output.Write("\n\n"u8);
        }
    }
}
