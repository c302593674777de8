namespace Tokonomics.Application.Dialects;

/// <summary>
/// Anthropic's legacy <c>POST /v1/complete</c>. It reports no usage at all: both sides are estimated.
/// </summary>
internal sealed class AnthropicComplete : Dialect
{
    private static readonly JsonPaths Paths = new(
        ("model", Skim.Take, SkimmingReader.Model),
        ("stop_reason", Skim.Take, SkimmingReader.Reason),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("completion", Skim.Count, SkimmingReader.Text));

    private static readonly RequestShape Shape = new(
        ("model", Field.Model),
        ("stream", Field.Stream),
        ("max_tokens_to_sample", Field.Limit));

    public override string Name => "anthropic-complete";

    public override ErrorShape Errors => ErrorShape.Anthropic;

    public override LimitField? OutputLimit(string provider) => new(null, "max_tokens_to_sample");

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) => new Reader(peek, response);

    private sealed class Reader(RequestPeek peek, in ResponseFacts response) : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
    {
        protected override TokenRate Rate => TokenRate.Claude;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
        }
    }
}
