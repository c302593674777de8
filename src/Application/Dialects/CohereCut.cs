using System.Buffers;

namespace Tokonomics.Application.Dialects;

/// <summary>Cohere's chat, version 2: the open part's end, <c>message-end</c> with <c>MAX_TOKENS</c>.</summary>
internal sealed class CohereCut() : StreamCut(Paths)
{
    private static readonly JsonPaths Paths = new(
        ("type", Skim.Take, Type),
        ("index", Skim.Take, Index));

    private (string End, long Index)? _open;
    private bool _begun;

    private protected override void OnDocumentEnd()
    {
        if (IsType("message-start"u8))
            _begun = true;
        else if (IsType("content-start"u8))
            _open = ("content-end", At);
        else if (IsType("tool-call-start"u8))
            _open = ("tool-call-end", At);
        else if (IsType("content-end"u8) || IsType("tool-call-end"u8))
            _open = null;
        else
            IsOver |= IsType("message-end"u8);
    }

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked)
    {
        if (!_begun)
            WriteTyped(output, "type", "message-start", json =>
            {
                json.WriteString("id", "");
                json.WriteStartObject("delta");
                json.WriteStartObject("message");
                json.WriteString("role", "assistant");
                json.WriteEndObject();
                json.WriteEndObject();
            });
        if (_open is { } open)
            WriteTyped(output, "type", open.End, json => json.WriteNumber("index", open.Index));
        WriteTyped(output, "type", "message-end", json =>
        {
            json.WriteStartObject("delta");
            json.WriteString("finish_reason", "MAX_TOKENS");
            json.WriteStartObject("usage");
            WriteCounts(json, "billed_units", usage, "input_tokens", "output_tokens");
            WriteCounts(json, "tokens", usage, "input_tokens", "output_tokens");
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }
}

/// <summary>Cohere's version 1, chat and generate: the line <c>stream-end</c>. Its own repeats the whole text, which is not kept here.</summary>
internal sealed class CohereLinesCut() : StreamCut(Paths)
{
    private const int LineType = Own;

    private static readonly JsonPaths Paths = new(
        ("event_type", Skim.Take, LineType),
        ("generation_id", Skim.Take, Id));

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json) => IsOver |= json.SequenceEqual("\"stream-end\""u8);

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) => WriteLine(output, json =>
    {
        json.WriteBoolean("is_finished", true);
        json.WriteString("event_type", "stream-end");
        json.WriteString("finish_reason", "MAX_TOKENS");
        json.WriteStartObject("response");
        json.WriteString("generation_id", AnswerId ?? "");
        json.WriteString("text", "");
        json.WriteString("finish_reason", "MAX_TOKENS");
        json.WriteStartObject("meta");
        WriteCounts(json, "billed_units", usage, "input_tokens", "output_tokens");
        json.WriteEndObject();
        json.WriteEndObject();
    });
}
