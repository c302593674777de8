using System.Buffers;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>Chat and completions: for each unfinished choice a chunk with <c>finish_reason: length</c>, usage where it was asked for, <c>[DONE]</c>.</summary>
internal sealed class ChatCut(bool text, int choices) : StreamCut(Paths)
{
    private const int MostChoices = 128; // OpenAI's own maximum for n

    private static readonly JsonPaths Paths = new(
        ("id", Skim.Take, 0),
        ("model", Skim.Take, 1),
        ("created", Skim.Take, 2),
        ("choices[].index", Skim.Take, 3),
        ("choices[].finish_reason", Skim.Take, 4),
        ("choices[]", Skim.Mark, 5));

    private readonly bool[] _finished = new bool[Math.Min(choices, MostChoices)];
    private readonly bool[] _begun = new bool[Math.Min(choices, MostChoices)];
    private ShortText _id;
    private ShortText _model;
    private long _created;
    private long _index;
    private bool _finishHere;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        switch (slot)
        {
            case 0:
                _id.Set(json);
                break;
            case 1:
                _model.Set(json);
                break;
            case 2:
                _created = Number(json) ?? _created;
                break;
            case 3:
                _index = Number(json) ?? 0;
                break;
            case 4:
                _finishHere = json.Length > 2 && json[0] == '"';
                break;
        }
    }

    private protected override void OnMark(int slot, byte first)
    {
        if (_index >= 0 && _index < _finished.Length)
        {
            _begun[_index] = true;
            _finished[_index] |= _finishHere;
        }

        (_index, _finishHere) = (0, false);
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        for (var i = 0; i < _finished.Length; i++)
        {
            if (_finished[i])
                continue;
            var index = i;
            WriteEvent(output, default, json =>
            {
                Head(json);
                json.WriteStartArray("choices");
                json.WriteStartObject();
                json.WriteNumber("index", index);
                if (text)
                {
                    json.WriteString("text", "");
                }
                else
                {
                    json.WriteStartObject("delta");
                    if (!_begun[index])
                    {
                        // OpenAI's SDK refuses a choice that has never said its role.
                        json.WriteString("role", "assistant");
                        json.WriteString("content", "");
                    }

                    json.WriteEndObject();
                }

                json.WriteNull("logprobs");
                json.WriteString("finish_reason", "length");
                json.WriteEndObject();
                json.WriteEndArray();
            });
        }

        if (usageAsked)
        {
            WriteEvent(output, default, json =>
            {
                Head(json);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                json.WriteStartObject("usage");
                json.WriteNumber("prompt_tokens", usage.InputTokens);
                json.WriteNumber("completion_tokens", usage.OutputTokens);
                json.WriteNumber("total_tokens", usage.InputTokens + usage.OutputTokens);
                json.WriteEndObject();
            });
        }

        output.Write("data: [DONE]\n\n"u8);
    }

    private void Head(Utf8JsonWriter json)
    {
        json.WriteString("id", _id.ToString() ?? "chatcmpl-cut");
        json.WriteString("object", text ? "text_completion" : "chat.completion.chunk");
        json.WriteNumber("created", _created);
        json.WriteString("model", _model.ToString() ?? RequestModel);
    }
}

/// <summary>Responses: <c>response.incomplete</c>, and before it <c>response.created</c> where nothing has begun.</summary>
internal sealed class ResponsesCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("type", Skim.Take, 0),
        ("sequence_number", Skim.Take, 1),
        ("response.id", Skim.Take, 2),
        ("response.model", Skim.Take, 3),
        ("response.created_at", Skim.Take, 4));

    private ShortText _type;
    private ShortText _id;
    private ShortText _model;
    private long _created;
    private long _sequence = -1;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        switch (slot)
        {
            case 0:
                _type.Set(json);
                break;
            case 1:
                _sequence = Number(json) ?? _sequence;
                break;
            case 2:
                _id.Set(json);
                break;
            case 3:
                _model.Set(json);
                break;
            case 4:
                _created = Number(json) ?? _created;
                break;
        }
    }

    private protected override void OnDocumentEnd() =>
        IsOver |= _type.Is("response.completed"u8) || _type.Is("response.incomplete"u8) || _type.Is("response.failed"u8);

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (!_id.IsSet)
            WriteEvent(output, "response.created"u8, json => Event(json, "response.created", "in_progress", null));
        WriteEvent(output, "response.incomplete"u8, json => Event(json, "response.incomplete", "incomplete", usage));
    }

    private void Event(Utf8JsonWriter json, string type, string status, CutUsage? usage)
    {
        json.WriteString("type", type);
        json.WriteNumber("sequence_number", ++_sequence);
        json.WriteStartObject("response");
        json.WriteString("id", _id.ToString() ?? "resp_cut");
        json.WriteString("object", "response");
        json.WriteNumber("created_at", _created);
        json.WriteString("status", status);
        json.WriteNull("error");
        if (usage is null)
        {
            json.WriteNull("incomplete_details");
        }
        else
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }

        json.WriteNull("instructions");
        json.WriteString("model", _model.ToString() ?? RequestModel);
        json.WriteStartArray("output"); // the items went by as they came, and are not kept
        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls", true);
        json.WriteString("tool_choice", "auto");
        json.WriteStartArray("tools");
        json.WriteEndArray();
        if (usage is { } used)
        {
            json.WriteStartObject("usage");
            json.WriteNumber("input_tokens", used.InputTokens);
            json.WriteStartObject("input_tokens_details");
            json.WriteNumber("cached_tokens", 0);
            json.WriteEndObject();
            json.WriteNumber("output_tokens", used.OutputTokens);
            json.WriteStartObject("output_tokens_details");
            json.WriteNumber("reasoning_tokens", 0);
            json.WriteEndObject();
            json.WriteNumber("total_tokens", used.InputTokens + used.OutputTokens);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("usage");
        }

        json.WriteStartObject("metadata");
        json.WriteEndObject();
        json.WriteEndObject();
    }
}

/// <summary>Anthropic: the open block's end, <c>message_delta</c> with <c>stop_reason: max_tokens</c>, <c>message_stop</c>.</summary>
internal sealed class AnthropicCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("type", Skim.Take, 0),
        ("index", Skim.Take, 1),
        ("delta.stop_reason", Skim.Take, 2));

    private ShortText _type;
    private long _index;
    private long? _open;
    private bool _begun;
    private bool _stopped;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        switch (slot)
        {
            case 0:
                _type.Set(json);
                break;
            case 1:
                _index = Number(json) ?? 0;
                break;
            case 2:
                _stopped |= json[0] == '"';
                break;
        }
    }

    private protected override void OnDocumentEnd()
    {
        if (_type.Is("message_start"u8))
            _begun = true;
        else if (_type.Is("content_block_start"u8))
            _open = _index;
        else if (_type.Is("content_block_stop"u8))
            _open = null;
        else if (_type.Is("message_stop"u8) || _type.Is("error"u8))
            IsOver = true;
        _type = default;
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (!_begun)
        {
            WriteEvent(output, "message_start"u8, json =>
            {
                json.WriteString("type", "message_start");
                json.WriteStartObject("message");
                json.WriteString("id", "msg_cut");
                json.WriteString("type", "message");
                json.WriteString("role", "assistant");
                json.WriteString("model", RequestModel);
                json.WriteStartArray("content");
                json.WriteEndArray();
                json.WriteNull("stop_reason");
                json.WriteNull("stop_sequence");
                json.WriteStartObject("usage");
                json.WriteNumber("input_tokens", usage.InputTokens);
                json.WriteNumber("output_tokens", 0);
                json.WriteEndObject();
                json.WriteEndObject();
            });
        }

        if (_open is { } open)
        {
            WriteEvent(output, "content_block_stop"u8, json =>
            {
                json.WriteString("type", "content_block_stop");
                json.WriteNumber("index", open);
            });
        }

        if (!_stopped)
        {
            WriteEvent(output, "message_delta"u8, json =>
            {
                json.WriteString("type", "message_delta");
                json.WriteStartObject("delta");
                json.WriteString("stop_reason", "max_tokens");
                json.WriteNull("stop_sequence");
                json.WriteEndObject();
                json.WriteStartObject("usage");
                json.WriteNumber("output_tokens", usage.OutputTokens);
                json.WriteEndObject();
            });
        }

        WriteEvent(output, "message_stop"u8, json => json.WriteString("type", "message_stop"));
    }
}

/// <summary>Anthropic's legacy completions: a last <c>completion</c> with its reason.</summary>
internal sealed class AnthropicCompleteCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("id", Skim.Take, 0),
        ("model", Skim.Take, 1),
        ("stop_reason", Skim.Take, 2));

    private ShortText _id;
    private ShortText _model;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        if (slot == 0)
            _id.Set(json);
        else if (slot == 1)
            _model.Set(json);
        else
            IsOver |= json[0] == '"';
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) =>
        WriteEvent(output, "completion"u8, json =>
        {
            json.WriteString("type", "completion");
            json.WriteString("id", _id.ToString() ?? "compl_cut");
            json.WriteString("completion", "");
            json.WriteString("stop_reason", "max_tokens");
            json.WriteString("model", _model.ToString() ?? RequestModel);
            json.WriteNull("stop");
        });
}

/// <summary>Gemini: a chunk with <c>finishReason: MAX_TOKENS</c>, as an event or as the last element of the array.</summary>
/// <remarks>A finish reason that went by before doesn't end a stream: after a run of the code tool the model goes on.</remarks>
internal sealed class GeminiCut(int choices) : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("responseId", Skim.Take, 0),
        ("modelVersion", Skim.Take, 1));

    private ShortText _id;
    private ShortText _model;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        if (slot == 0)
            _id.Set(json);
        else
            _model.Set(json);
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) => WriteDocument(output, json =>
    {
        json.WriteStartArray("candidates");
        for (var i = 0; i < choices; i++)
        {
            json.WriteStartObject();
            json.WriteStartObject("content");
            json.WriteStartArray("parts");
            json.WriteStartObject();
            json.WriteString("text", "");
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteString("role", "model");
            json.WriteEndObject();
            json.WriteString("finishReason", "MAX_TOKENS");
            json.WriteNumber("index", i);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartObject("usageMetadata");
        json.WriteNumber("promptTokenCount", usage.InputTokens);
        json.WriteNumber("candidatesTokenCount", usage.OutputTokens);
        json.WriteNumber("totalTokenCount", usage.InputTokens + usage.OutputTokens);
        json.WriteEndObject();
        json.WriteString("modelVersion", _model.ToString() ?? RequestModel);
        if (_id.ToString() is { } id)
            json.WriteString("responseId", id);
    });
}

/// <summary>Gemini's interactions: the open step's end, <c>interaction.completed</c> as incomplete, <c>done</c>.</summary>
internal sealed class InteractionsCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("event_type", Skim.Take, 0),
        ("index", Skim.Take, 1),
        ("interaction.id", Skim.Take, 2),
        ("interaction.model", Skim.Take, 3));

    private ShortText _type;
    private ShortText _id;
    private ShortText _model;
    private long _index;
    private long? _open;
    private bool _completed;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        switch (slot)
        {
            case 0:
                _type.Set(json);
                break;
            case 1:
                _index = Number(json) ?? 0;
                break;
            case 2:
                _id.Set(json);
                break;
            case 3:
                _model.Set(json);
                break;
        }
    }

    private protected override void OnDocumentEnd()
    {
        if (_type.Is("step.start"u8))
            _open = _index;
        else if (_type.Is("step.stop"u8))
            _open = null;
        else
            _completed |= _type.Is("interaction.completed"u8);
        _type = default;
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (_open is { } open)
        {
            WriteEvent(output, "step.stop"u8, json =>
            {
                json.WriteString("event_type", "step.stop");
                json.WriteNumber("index", open);
            });
        }

        if (!_completed)
        {
            WriteEvent(output, "interaction.completed"u8, json =>
            {
                json.WriteString("event_type", "interaction.completed");
                json.WriteStartObject("interaction");
                json.WriteString("id", _id.ToString() ?? "");
                json.WriteString("object", "interaction");
                json.WriteString("model", _model.ToString() ?? RequestModel);
                json.WriteString("status", "incomplete");
                json.WriteStartObject("usage");
                json.WriteNumber("total_input_tokens", usage.InputTokens);
                json.WriteNumber("total_output_tokens", usage.OutputTokens);
                json.WriteNumber("total_tokens", usage.InputTokens + usage.OutputTokens);
                json.WriteEndObject();
                json.WriteEndObject();
            });
        }

        output.Write("event: done\ndata: [DONE]\n\n"u8);
    }
}

/// <summary>Cohere's chat, version 2: the open part's end, <c>message-end</c> with <c>MAX_TOKENS</c>.</summary>
internal sealed class CohereCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("type", Skim.Take, 0),
        ("index", Skim.Take, 1));

    private ShortText _type;
    private long _index;
    private (string End, long Index)? _open;
    private bool _begun;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        if (slot == 0)
            _type.Set(json);
        else
            _index = Number(json) ?? 0;
    }

    private protected override void OnDocumentEnd()
    {
        if (_type.Is("message-start"u8))
            _begun = true;
        else if (_type.Is("content-start"u8))
            _open = ("content-end", _index);
        else if (_type.Is("tool-call-start"u8))
            _open = ("tool-call-end", _index);
        else if (_type.Is("content-end"u8) || _type.Is("tool-call-end"u8))
            _open = null;
        else
            IsOver |= _type.Is("message-end"u8);
        _type = default;
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (!_begun)
        {
            WriteEvent(output, "message-start"u8, json =>
            {
                json.WriteString("type", "message-start");
                json.WriteString("id", "");
                json.WriteStartObject("delta");
                json.WriteStartObject("message");
                json.WriteString("role", "assistant");
                json.WriteEndObject();
                json.WriteEndObject();
            });
        }

        if (_open is { } open)
        {
            WriteEvent(output, System.Text.Encoding.ASCII.GetBytes(open.End), json =>
            {
                json.WriteString("type", open.End);
                json.WriteNumber("index", open.Index);
            });
        }

        WriteEvent(output, "message-end"u8, json =>
        {
            json.WriteString("type", "message-end");
            json.WriteStartObject("delta");
            json.WriteString("finish_reason", "MAX_TOKENS");
            json.WriteStartObject("usage");
            WriteCounts(json, "billed_units", usage);
            WriteCounts(json, "tokens", usage);
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    public static void WriteCounts(Utf8JsonWriter json, string name, CutUsage usage)
    {
        json.WriteStartObject(name);
        json.WriteNumber("input_tokens", usage.InputTokens);
        json.WriteNumber("output_tokens", usage.OutputTokens);
        json.WriteEndObject();
    }
}

/// <summary>Cohere's version 1, chat and generate: the line <c>stream-end</c>. Its own repeats the whole text, which is not kept here.</summary>
internal sealed class CohereLinesCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("event_type", Skim.Take, 0),
        ("generation_id", Skim.Take, 1));

    private ShortText _id;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        if (slot == 0)
            IsOver |= json.SequenceEqual("\"stream-end\""u8);
        else
            _id.Set(json);
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) => WriteLine(output, json =>
    {
        json.WriteBoolean("is_finished", true);
        json.WriteString("event_type", "stream-end");
        json.WriteString("finish_reason", "MAX_TOKENS");
        json.WriteStartObject("response");
        json.WriteString("generation_id", _id.ToString() ?? "");
        json.WriteString("text", "");
        json.WriteString("finish_reason", "MAX_TOKENS");
        json.WriteStartObject("meta");
        CohereCut.WriteCounts(json, "billed_units", usage);
        json.WriteEndObject();
        json.WriteEndObject();
    });
}

/// <summary>Ollama: the line that is <c>done</c>, for reason of length, in the form (chat or generate) of those before.</summary>
internal sealed class OllamaCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("model", Skim.Take, 0),
        ("created_at", Skim.Take, 1),
        ("done", Skim.Take, 2),
        ("response", Skim.Mark, 3));

    private ShortText _model;
    private ShortText _created;
    private bool _generates;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        if (slot == 0)
            _model.Set(json);
        else if (slot == 1)
            _created.Set(json);
        else
            IsOver |= json.SequenceEqual("true"u8);
    }

    private protected override void OnMark(int slot, byte first) => _generates = true;

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) => WriteLine(output, json =>
    {
        json.WriteString("model", _model.ToString() ?? RequestModel);
        json.WriteString("created_at", _created.ToString() ?? "1970-01-01T00:00:00Z");
        if (_generates)
        {
            json.WriteString("response", "");
        }
        else
        {
            json.WriteStartObject("message");
            json.WriteString("role", "assistant");
            json.WriteString("content", "");
            json.WriteEndObject();
        }

        json.WriteBoolean("done", true);
        json.WriteString("done_reason", "length");
        json.WriteNumber("prompt_eval_count", usage.InputTokens);
        json.WriteNumber("eval_count", usage.OutputTokens);
    });
}
