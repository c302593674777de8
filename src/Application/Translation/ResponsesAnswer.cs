using System.Buffers;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

internal sealed partial class ResponsesWire
{
    /// <summary>One item of the answer: a message, or a call.</summary>
    private sealed class Item(string id, Step.CallStart? call)
    {
        public string Id { get; } = id;

        public Step.CallStart? Call { get; } = call;

        /// <summary>The message's text, or the call's arguments.</summary>
        public StringBuilder Text { get; } = new();

        public bool Done { get; set; }

        public void Write(Utf8JsonWriter json, string status)
        {
            json.WriteStartObject();
            json.WriteString("id", Id);
            json.WriteString("type", Call is null ? "message" : "function_call");
            json.WriteString("status", status);
            if (Call is not null)
            {
                json.WriteString("call_id", Call.Id);
                json.WriteString("name", Call.Name);
                json.WriteString("arguments", Done && Text.Length == 0 ? "{}" : Text.ToString());
            }
            else
            {
                json.WriteString("role", "assistant");
                json.WriteStartArray("content");
                if (Done)
                    WritePart(json, Text.ToString());
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        public static void WritePart(Utf8JsonWriter json, string text)
        {
            json.WriteStartObject();
            json.WriteString("type", "output_text");
            json.WriteString("text", text);
            json.WriteStartArray("annotations");
            json.WriteEndArray();
            json.WriteStartArray("logprobs");
            json.WriteEndArray();
            json.WriteEndObject();
        }
    }

    /// <remarks>Thoughts are left out: a reasoning item that OpenAI doesn't know would be refused when it is sent back.</remarks>
    public void WriteAnswer(NeutralAnswer answer, Utf8JsonWriter json, in AnswerWishes wishes)
    {
        var items = new List<Item>();
        var id = ResponseId(answer.Id, wishes);
        foreach (var part in answer.Parts)
        {
            if (part is ToolCallPart call)
            {
                items.Add(new Item(Wires.Id("fc_", $"{id}/{items.Count}"), new Step.CallStart(0, call.Id, call.Name)) { Done = true });
                items[^1].Text.Append(call.Arguments);
            }
            else if (part is TextPart { Text.Length: > 0 } text)
            {
                if (items.Count == 0 || items[^1].Call is not null)
                    items.Add(new Item(Wires.Id("msg_", $"{id}/{items.Count}"), null) { Done = true });
                items[^1].Text.Append(text.Text);
            }
        }

        WriteResponse(json, id, wishes.Model ?? answer.Model, wishes.At, items, answer.Finish, answer.Usage);
    }

    private static string ResponseId(string? id, in AnswerWishes wishes) => id is null ? Wires.Id("resp_", wishes.At.ToString("O", null)) : "resp_" + id;

    /// <param name="finish">Null while it runs.</param>
    private static void WriteResponse(Utf8JsonWriter json, string id, string? model, DateTimeOffset at, List<Item> items, Finish? finish, NeutralUsage? usage)
    {
        var incomplete = finish switch { Finish.Length => "max_output_tokens", Finish.Filtered => "content_filter", _ => null };
        var status = finish is null ? "in_progress" : incomplete is null ? "completed" : "incomplete";
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", at.ToUnixTimeSeconds());
        json.WriteString("status", status);
        json.WriteNull("error");
        if (incomplete is null)
        {
            json.WriteNull("incomplete_details");
        }
        else
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", incomplete);
            json.WriteEndObject();
        }

        json.WriteNull("instructions");
        json.WriteStartObject("metadata");
        json.WriteEndObject();
        json.WriteString("model", model ?? "");
        json.WriteStartArray("output");
        if (finish is not null)
            foreach (var item in items)
                item.Write(json, ReferenceEquals(item, items[^1]) ? status : "completed");
        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls", true);
        json.WriteNull("previous_response_id");
        json.WriteNull("temperature");
        json.WriteString("tool_choice", "auto");
        json.WriteStartArray("tools");
        json.WriteEndArray();
        json.WriteNull("top_p");
        json.WriteBoolean("store", false);
        if (finish is null || usage is null)
            json.WriteNull("usage");
        else
            Usages.WriteResponses(json, usage);
        json.WriteEndObject();
    }

    public StepWriter WriteStream(in AnswerWishes wishes) => new Writer(wishes);

    /// <remarks>The last event repeats the whole answer, so it is kept until then.</remarks>
    private sealed class Writer(AnswerWishes wishes) : StepWriter
    {
        private const int MaxKept = 16 * 1024 * 1024;

        private readonly List<Item> _items = [];
        private readonly List<Item> _calls = [];
        private string _id = "";
        private string? _model;
        private int _number;
        private int _kept;
        private bool _failed;
        private Finish _finish = Finish.Other;
        private NeutralUsage? _usage;

        public override void Write(Step step, IBufferWriter<byte> output)
        {
            if (_failed)
                return;
            switch (step)
            {
                case Step.Start start:
                    _id = ResponseId(start.Id, wishes);
                    _model = wishes.Model ?? start.Model;
                    Response(output, "response.created", null);
                    Response(output, "response.in_progress", null);
                    break;

                case Step.Text text:
                    Text(output, text.Piece);
                    break;

                case Step.CallStart call:
                    Close(output);
                    var begun = new Item(Wires.Id("fc_", $"{_id}/{_items.Count}"), call);
                    _calls.Add(begun);
                    Open(output, begun);
                    break;

                case Step.Arguments arguments:
                    var item = _calls[arguments.Call];
                    if (!Keep(item, arguments.Piece, output))
                        return;
                    Event(output, "response.function_call_arguments.delta", json =>
                    {
                        json.WriteString("item_id", item.Id);
                        json.WriteNumber("output_index", _items.IndexOf(item));
                        json.WriteString("delta", arguments.Piece);
                    });
                    break;

                case Step.Finished finished:
                    _finish = finished.Finish;
                    break;

                case Step.Counted counted:
                    _usage = counted.Usage;
                    break;

                case Step.Failed failed:
                    _failed = true;
                    ProxyError.WriteStreamEvent(output, ErrorShape.OpenAi, StreamForm.ErrorEvent, failed.Error.Status, failed.Error.Code, failed.Error.Message);
                    break;

                case Step.End:
                    Close(output);
                    Response(output, _finish is Finish.Length or Finish.Filtered ? "response.incomplete" : "response.completed", _finish);
                    break;
            }
        }

        private void Text(IBufferWriter<byte> output, string piece)
        {
            if (_items.Count == 0 || _items[^1].Call is not null)
            {
                Close(output);
                Open(output, new Item(Wires.Id("msg_", $"{_id}/{_items.Count}"), null));
                Content(output, "response.content_part.added", json =>
                {
                    json.WritePropertyName("part");
                    Item.WritePart(json, "");
                });
            }

            if (!Keep(_items[^1], piece, output))
                return;
            Content(output, "response.output_text.delta", json =>
            {
                json.WriteString("delta", piece);
                json.WriteStartArray("logprobs");
                json.WriteEndArray();
            });
        }

        private bool Keep(Item item, string piece, IBufferWriter<byte> output)
        {
            item.Text.Append(piece);
            _kept += piece.Length;
            if (_kept <= MaxKept)
                return true;
            Write(new Step.Failed(new(502, "answer_too_large", "the answer is larger than 16 MiB", null)), output);
            return false;
        }

        private void Open(IBufferWriter<byte> output, Item item)
        {
            _items.Add(item);
            Event(output, "response.output_item.added", json =>
            {
                json.WriteNumber("output_index", _items.Count - 1);
                json.WritePropertyName("item");
                item.Write(json, "in_progress");
            });
        }

        private void Close(IBufferWriter<byte> output)
        {
            if (_items.Count == 0 || _items[^1].Done)
                return;
            var item = _items[^1];
            item.Done = true;
            if (item.Call is null)
            {
                Content(output, "response.output_text.done", json =>
                {
                    json.WriteString("text", item.Text.ToString());
                    json.WriteStartArray("logprobs");
                    json.WriteEndArray();
                });
                Content(output, "response.content_part.done", json =>
                {
                    json.WritePropertyName("part");
                    Item.WritePart(json, item.Text.ToString());
                });
            }
            else
            {
                Event(output, "response.function_call_arguments.done", json =>
                {
                    json.WriteString("item_id", item.Id);
                    json.WriteNumber("output_index", _items.Count - 1);
                    json.WriteString("name", item.Call.Name);
                    json.WriteString("arguments", item.Text.Length == 0 ? "{}" : item.Text.ToString());
                });
            }

            Event(output, "response.output_item.done", json =>
            {
                json.WriteNumber("output_index", _items.Count - 1);
                json.WritePropertyName("item");
                item.Write(json, "completed");
            });
        }

        // Of the one part of the last message.
        private void Content(IBufferWriter<byte> output, string type, Action<Utf8JsonWriter> rest) =>
            Event(output, type, json =>
            {
                json.WriteString("item_id", _items[^1].Id);
                json.WriteNumber("output_index", _items.Count - 1);
                json.WriteNumber("content_index", 0);
                rest(json);
            });

        private void Response(IBufferWriter<byte> output, string type, Finish? finish) =>
            Event(output, type, json =>
            {
                json.WritePropertyName("response");
                WriteResponse(json, _id, _model, wishes.At, _items, finish, _usage);
            });

        private void Event(IBufferWriter<byte> output, string type, Action<Utf8JsonWriter> rest)
        {
            output.Write("event: "u8);
            output.Write(Encoding.ASCII.GetBytes(type));
            output.Write("\ndata: "u8);
            using (var json = Wires.Writer(output))
            {
                json.WriteStartObject();
                json.WriteString("type", type);
                json.WriteNumber("sequence_number", _number++);
                rest(json);
                json.WriteEndObject();
            }

            output.Write("\n\n"u8);
        }
    }
}
