namespace Tokonomics.Application.Dialects;

/// <summary>Ollama's own API: <c>/api/chat</c>, <c>/api/generate</c>, <c>/api/embed</c>.</summary>
/// <remarks>
/// Q1 It streams unless told not to, as JSON lines; the counts stand at the top of the last one, which says <c>done</c>.
/// Q2 <c>prompt_eval_count</c> is absent where the whole prompt was cached.
/// Q3 <c>num_predict</c> of -1 or -2 means no limit.
/// </remarks>
internal sealed class Ollama : Dialect
{
    private const int Input = SkimmingReader.Own;
    private const int Output = SkimmingReader.Own + 1;
    private const int Done = SkimmingReader.Own + 2;

    private static readonly JsonPaths Paths = new(
        ("model", Skim.Take, SkimmingReader.Model),
        ("done_reason", Skim.Take, SkimmingReader.Reason),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("done", Skim.Take, Done),
        ("prompt_eval_count", Skim.Take, Input),
        ("eval_count", Skim.Take, Output),
        ("response", Skim.Count, SkimmingReader.Text),
        ("thinking", Skim.Count, SkimmingReader.Thought),
        ("message.content", Skim.Count, SkimmingReader.Text),
        ("message.thinking", Skim.Count, SkimmingReader.Thought),
        ("message.tool_calls[].function.name", Skim.Mark, SkimmingReader.Call),
        ("message.tool_calls[].function.arguments", Skim.Count, SkimmingReader.Text));

    private static readonly RequestShape Shape = new(
        ("model", Field.Model),
        ("stream", Field.Stream),
        ("options", Field.LimitHolder),
        ("options.num_predict", Field.Limit))
    {
        StreamsByDefault = true, // Q1
        NegativeLimitIsNone = true, // Q3
    };

    public override string Name => "ollama";

    public override ErrorShape Errors => ErrorShape.Ollama;

    public override LimitField? OutputLimit(string provider) => new("options", "num_predict");

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) => new Reader(peek, response);

    private sealed class Reader(RequestPeek peek, in ResponseFacts response) : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
    {
        private bool _done;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            switch (slot)
            {
                case Input:
                    Seen.Input = Count(json) ?? Seen.Input;
                    break;
                case Output:
                    Seen.Output = Count(json) ?? Seen.Output;
                    break;
                case Done:
                    _done = json.SequenceEqual("true"u8);
                    break;
            }
        }

        protected override void OnDocumentEnd()
        {
            if (!Seen.IsEmpty && (_done || !Streaming))
            {
                Seen.Input ??= 0; // Q2
                Final = true;
            }
        }

        private static long? Count(ReadOnlySpan<byte> json) =>
            decimal.TryParse(json, System.Globalization.NumberStyles.Float, null, out var count) && count <= UsageWalker.MaxCount ? (long)Math.Max(0, count) : null;
    }
}
