using System.Buffers;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>Responses: <c>response.incomplete</c>, and before it <c>response.created</c> where nothing has begun.</summary>
internal sealed class ResponsesCut() : StreamCut(Paths)
{
    private const int Sequence = Own;

    private static readonly JsonPaths Paths = new(
        ("type", Skim.Take, Type),
        ("sequence_number", Skim.Take, Sequence),
        ("response.id", Skim.Take, Id),
        ("response.model", Skim.Take, Model),
        ("response.created_at", Skim.Take, Created));

    private long _sequence = -1;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json) => _sequence = Number(json) ?? _sequence;

    private protected override void OnDocumentEnd() =>
        IsOver |= IsType("response.completed"u8) || IsType("response.incomplete"u8) || IsType("response.failed"u8);

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (AnswerId is null)
            WriteTyped(output, "type", "response.created", json => Response(json, "in_progress", null));
        WriteTyped(output, "type", "response.incomplete", json => Response(json, "incomplete", usage));
    }

    private void Response(Utf8JsonWriter json, string status, CutUsage? usage)
    {
        json.WriteNumber("sequence_number", ++_sequence);
        json.WriteStartObject("response");
        json.WriteString("id", AnswerId ?? "resp_cut");
        json.WriteString("object", "response");
        json.WriteNumber("created_at", CreatedAt);
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
        json.WriteString("model", ModelName);
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
