namespace Tokonomics.Application.Dialects;

/// <summary>Runs of OpenAI's Assistants: <c>POST /threads/{id}/runs</c>.</summary>
/// <remarks>
/// Q1 A run's usage is null until it ends. Only a stream that was started by POST tells it in its own answer, in the run's terminal event;
///    a poll repeats it as often as it is asked, and its route is <c>free</c>.
/// Q2 A step (<c>thread.run.step</c>) has a usage of its own that is part of the run's.
/// </remarks>
internal sealed class OpenAiAssistants : Dialect
{
    private const int Object = SkimmingReader.Own;

    private static readonly JsonPaths Paths = new(
        ("usage", Skim.Take, SkimmingReader.Usage),
        ("object", Skim.Take, Object),
        ("model", Skim.Take, SkimmingReader.Model),
        ("status", Skim.Take, SkimmingReader.Reason),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("last_error", Skim.Mark, SkimmingReader.Error),
        ("delta.content[].text.value", Skim.Count, SkimmingReader.Text));

    private static readonly RequestShape Shape = new(
        ("model", Field.Model),
        ("stream", Field.Stream),
        ("max_completion_tokens", Field.Limit));

    public override string Name => "openai-assistants";

    public override ErrorShape Errors => ErrorShape.OpenAi;

    public override LimitField? OutputLimit(string provider) => new(null, "max_completion_tokens");

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) =>
        new Reader(request.Quirks, peek, response);

    private sealed class Reader(ProviderQuirks quirks, RequestPeek peek, in ResponseFacts response)
        : SkimmingReader(Paths, peek, response, peek.Stream ? Unreported.EstimateText : Unreported.Nothing)
    {
        private Figures _here;
        private decimal? _cost;
        private bool _usageHere;
        private bool _run;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            if (slot == Usage && json[0] == '{')
                _usageHere = OpenAiUsage.Read(json, quirks, google: false, ref _here, ref _cost, ref Told);
            else if (slot == Object)
                _run = json.SequenceEqual("\"thread.run\""u8); // Q2
        }

        protected override void OnDocumentEnd()
        {
            if (_usageHere && _run && Streaming)
            {
                Seen = _here;
                Final = true; // Q1
            }

            _usageHere = _run = false;
        }
    }
}
