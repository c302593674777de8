namespace Tokonomics.Application.Dialects;

/// <summary>Gemini's APIs besides generation: embeddings, interactions, and <c>:predict</c>, which reports nothing.</summary>
/// <remarks>
/// Q1 Older embedding models report no usage; the input is estimated. Vertex's <c>:predict</c> counts per prediction, in <c>statistics</c>.
/// Q2 An interaction's stream tells usage in <c>interaction.completed</c>, under <c>interaction</c>; a background job answers without.
/// Q3 <c>:predict</c> and <c>:predictLongRunning</c> make images and videos, billed by piece or second: nothing is told.
/// </remarks>
internal sealed class GeminiOther : Dialect
{
    private const int Status = SkimmingReader.Own;
    private const int Prediction = SkimmingReader.Own + 1;

    private static readonly JsonPaths Paths = new(
        ("usageMetadata", Skim.Take, SkimmingReader.Usage),
        ("usage", Skim.Take, SkimmingReader.Usage),
        ("model", Skim.Take, SkimmingReader.Model),
        ("service_tier", Skim.Take, SkimmingReader.Tier),
        ("status", Skim.Take, Status),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("steps[].content[].text", Skim.Count, SkimmingReader.Text2),
        ("interaction.usage", Skim.Take, SkimmingReader.Usage), // Q2
        ("interaction.model", Skim.Take, SkimmingReader.Model),
        ("interaction.service_tier", Skim.Take, SkimmingReader.Tier),
        ("interaction.status", Skim.Take, Status),
        ("delta.text", Skim.Count, SkimmingReader.Text),
        ("predictions[].embeddings.statistics.token_count", Skim.Take, Prediction)); // Q1

    private readonly Unreported _unreported;
    private readonly RequestShape _shape;

    private GeminiOther(string name, Unreported unreported, RequestShape shape)
    {
        Name = name;
        _unreported = unreported;
        _shape = shape;
    }

    public static GeminiOther Embed { get; } = new("gemini-embed", Unreported.EstimateInput, new());

    public static GeminiOther Interactions { get; } = new("gemini-interactions", Unreported.EstimateText,
        new(("model", Field.Model), ("stream", Field.Stream), ("service_tier", Field.Tier),
            ("generation_config", Field.LimitHolder), ("generation_config.max_output_tokens", Field.Limit), ("generation_config.maxOutputTokens", Field.Limit)));

    public static GeminiOther Predict { get; } = new("gemini-predict", Unreported.Nothing, new(("parameters.sampleCount", Field.Choices))); // Q3

    public override string Name { get; }

    public override ErrorShape Errors => ErrorShape.Gemini;

    public override LimitField? OutputLimit(string provider) =>
        ReferenceEquals(this, Interactions) ? new("generation_config", "max_output_tokens") : null;

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, _shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) => new Reader(peek, response, _unreported);

    private sealed class Reader(RequestPeek peek, in ResponseFacts response, Unreported unreported) : SkimmingReader(Paths, peek, response, unreported)
    {
        private ShortText _status;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            switch (slot)
            {
                case Usage when json[0] == '{':
                    Final |= GeminiUsage.Read(json, ref Seen, ref Told);
                    break;
                case Status:
                    _status.Set(json);
                    break;
                case Prediction when decimal.TryParse(json, System.Globalization.NumberStyles.Float, null, out var tokens) && tokens is >= 0 and < UsageWalker.MaxCount:
                    Seen.Input = Figures.Sum(Seen.Input, (long)tokens);
                    break;
            }
        }

        protected override void OnFinish(bool whole) =>
            NotBillable = !Streaming && Seen.IsEmpty && (_status.Is("queued"u8) || _status.Is("in_progress"u8)); // Q2
    }
}
