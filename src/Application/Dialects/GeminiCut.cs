using System.Buffers;

namespace Tokonomics.Application.Dialects;

/// <summary>Gemini: a chunk with <c>finishReason: MAX_TOKENS</c>, as an event or as the last element of the array.</summary>
/// <remarks>A finish reason that went by before doesn't end a stream: after a run of the code tool the model goes on.</remarks>
internal sealed class GeminiCut(int choices) : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("responseId", Skim.Take, Id),
        ("modelVersion", Skim.Take, Model));

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
        WriteCounts(json, "usageMetadata", usage, "promptTokenCount", "candidatesTokenCount", "totalTokenCount");
        json.WriteString("modelVersion", ModelName);
        if (AnswerId is { } id)
            json.WriteString("responseId", id);
    });
}

/// <summary>Gemini's interactions: the open step's end, <c>interaction.completed</c> as incomplete, <c>done</c>.</summary>
internal sealed class InteractionsCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("event_type", Skim.Take, Type),
        ("index", Skim.Take, Index),
        ("interaction.id", Skim.Take, Id),
        ("interaction.model", Skim.Take, Model));

    private long? _open;
    private bool _completed;

    private protected override void OnDocumentEnd()
    {
        if (IsType("step.start"u8))
            _open = At;
        else if (IsType("step.stop"u8))
            _open = null;
        else
            _completed |= IsType("interaction.completed"u8);
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (_open is { } open)
            WriteTyped(output, "event_type", "step.stop", json => json.WriteNumber("index", open));
        if (!_completed)
            WriteTyped(output, "event_type", "interaction.completed", json =>
            {
                json.WriteStartObject("interaction");
                json.WriteString("id", AnswerId ?? "");
                json.WriteString("object", "interaction");
                json.WriteString("model", ModelName);
                json.WriteString("status", "incomplete");
                WriteCounts(json, "usage", usage, "total_input_tokens", "total_output_tokens", "total_tokens");
                json.WriteEndObject();
            });
        output.Write("event: done\ndata: [DONE]\n\n"u8);
    }
}
