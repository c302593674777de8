using System.Buffers;
using System.Text.Json;

namespace Tokonomics.Application.Dialects;

/// <summary>Anthropic: the open block's end, <c>message_delta</c> with <c>stop_reason: max_tokens</c>, <c>message_stop</c>.</summary>
internal sealed class AnthropicCut() : StreamCut(Paths)
{
    private const int Stop = Own;

    private static readonly JsonPaths Paths = new(
        ("type", Skim.Take, Type),
        ("index", Skim.Take, Index),
        ("delta.stop_reason", Skim.Take, Stop));

    private long? _open;
    private bool _begun;
    private bool _stopped;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json) => _stopped |= json[0] == '"';

    private protected override void OnDocumentEnd()
    {
        if (IsType("message_start"u8))
            _begun = true;
        else if (IsType("content_block_start"u8))
            _open = At;
        else if (IsType("content_block_stop"u8))
            _open = null;
        else if (IsType("message_stop"u8) || IsType("error"u8))
            IsOver = true;
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (!_begun)
            WriteTyped(output, "type", "message_start", json => WriteStart(json, usage));
        if (_open is { } open)
            WriteTyped(output, "type", "content_block_stop", json => json.WriteNumber("index", open));
        if (!_stopped)
            WriteTyped(output, "type", "message_delta", json =>
            {
                json.WriteStartObject("delta");
                json.WriteString("stop_reason", "max_tokens");
                json.WriteNull("stop_sequence");
                json.WriteEndObject();
                json.WriteStartObject("usage");
                json.WriteNumber("output_tokens", usage.OutputTokens);
                json.WriteEndObject();
            });
        WriteTyped(output, "type", "message_stop");
    }

    private void WriteStart(Utf8JsonWriter json, CutUsage usage)
    {
        json.WriteStartObject("message");
        json.WriteString("id", "msg_cut");
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", ModelName);
        json.WriteStartArray("content");
        json.WriteEndArray();
        json.WriteNull("stop_reason");
        json.WriteNull("stop_sequence");
        WriteCounts(json, "usage", usage with { OutputTokens = 0 }, "input_tokens", "output_tokens");
        json.WriteEndObject();
    }
}

/// <summary>Anthropic's legacy completions: a last <c>completion</c> with its reason.</summary>
internal sealed class AnthropicCompleteCut() : StreamCut(Paths)
{
    private const int Stop = Own;

    private static readonly JsonPaths Paths = new(
        ("id", Skim.Take, Id),
        ("model", Skim.Take, Model),
        ("stop_reason", Skim.Take, Stop));

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json) => IsOver |= json[0] == '"';

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) => WriteTyped(output, "type", "completion", json =>
    {
        json.WriteString("id", AnswerId ?? "compl_cut");
        json.WriteString("completion", "");
        json.WriteString("stop_reason", "max_tokens");
        json.WriteString("model", ModelName);
        json.WriteNull("stop");
    });
}
