using System.Buffers;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>Chat and completions: for each unfinished choice a chunk with <c>finish_reason: length</c>, usage where it was asked for, <c>[DONE]</c>.</summary>
internal sealed class ChatCut(bool text, int choices) : StreamCut(Paths)
{
    private const int MostChoices = 128; // OpenAI's own maximum for n

    private const int Finish = Own;
    private const int Choice = Own + 1;

    private static readonly JsonPaths Paths = new(
        ("id", Skim.Take, Id),
        ("model", Skim.Take, Model),
        ("created", Skim.Take, Created),
        ("choices[].index", Skim.Take, Index),
        ("choices[].finish_reason", Skim.Take, Finish),
        ("choices[]", Skim.Mark, Choice));

    private readonly bool[] _finished = new bool[Math.Min(choices, MostChoices)];
    private readonly bool[] _begun = new bool[Math.Min(choices, MostChoices)];
    private bool _finishHere;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json) => _finishHere = json.Length > 2 && json[0] == '"';

    private protected override void OnMark(int slot, byte first)
    {
        if (At >= 0 && At < _finished.Length)
        {
            _begun[At] = true;
            _finished[At] |= _finishHere;
        }

        (At, _finishHere) = (0, false);
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        for (var i = 0; i < _finished.Length; i++)
        {
            var index = i;
            if (!_finished[i])
                WriteEvent(output, json => WriteFinish(json, index));
        }

        if (usageAsked)
            WriteEvent(output, json =>
            {
                Head(json);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                WriteCounts(json, "usage", usage, "prompt_tokens", "completion_tokens", "total_tokens");
            });
        output.Write("data: [DONE]\n\n"u8);
    }

    private void WriteFinish(Utf8JsonWriter json, int index)
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
    }

    private void Head(Utf8JsonWriter json)
    {
        json.WriteString("id", AnswerId ?? "chatcmpl-cut");
        json.WriteString("object", text ? "text_completion" : "chat.completion.chunk");
        json.WriteNumber("created", CreatedAt);
        json.WriteString("model", ModelName);
    }
}
