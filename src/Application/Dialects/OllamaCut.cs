using System.Buffers;

namespace Tokonomics.Application.Dialects;

/// <summary>Ollama: the line that is <c>done</c>, for reason of length, in the form (chat or generate) of those before.</summary>
internal sealed class OllamaCut() : StreamCut(Paths)
{
    private const int MadeAt = Own; // a text, not a number
    private const int Done = Own + 1;
    private const int Generated = Own + 2;

    private static readonly JsonPaths Paths = new(
        ("model", Skim.Take, Model),
        ("created_at", Skim.Take, MadeAt),
        ("done", Skim.Take, Done),
        ("response", Skim.Mark, Generated));

    private ShortText _madeAt;
    private bool _generates;

    private protected override void OnTake(int slot, ReadOnlySpan<byte> json)
    {
        if (slot == MadeAt)
            _madeAt.Set(json);
        else
            IsOver |= json.SequenceEqual("true"u8);
    }

    private protected override void OnMark(int slot, byte first) => _generates = true;

    private protected override void WriteEnd(IBufferWriter<byte> output, CutUsage usage, bool usageAsked) => WriteLine(output, json =>
    {
        json.WriteString("model", ModelName);
        json.WriteString("created_at", _madeAt.ToString() ?? "1970-01-01T00:00:00Z");
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
