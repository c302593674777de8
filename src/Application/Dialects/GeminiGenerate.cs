using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>Gemini's <c>:generateContent</c> and <c>:streamGenerateContent</c>, on its own API and on Vertex.</summary>
/// <remarks>
/// Q1 A stream comes as events, or without <c>alt=sse</c> as one JSON array that grows. Errors are plain JSON even under text/event-stream.
/// Q2 Every chunk may carry <c>usageMetadata</c>; the last one alone counts, also where it is lower than one before.
/// Q3 <c>promptTokenCount</c> includes cached and leaves out <c>toolUsePromptTokenCount</c>; candidates leave out thoughts.
/// Q4 Modalities: AUDIO, IMAGE and VIDEO are priced apart; DOCUMENT is text. A document's cached part may be called IMAGE.
/// Q5 Grounding on a search is billed by the prompt (Gemini 2) or by the query (Gemini 3): both are told, a price sheet has one of them.
/// Q6 The tier is <c>serviceTier</c>, on Vertex <c>trafficType</c>.
/// Q7 A finish reason does not end a stream: after a run of the code tool the model goes on, and so do its counts. Only the body's end does.
/// </remarks>
internal sealed class GeminiGenerate : Dialect
{
    private const int Query = SkimmingReader.Own;

    private static readonly JsonPaths Paths = new(
        ("usageMetadata", Skim.Take, SkimmingReader.Usage),
        ("modelVersion", Skim.Take, SkimmingReader.Model),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("candidates[].finishReason", Skim.Take, SkimmingReader.Reason),
        ("promptFeedback.blockReason", Skim.Take, SkimmingReader.Reason),
        ("candidates[].groundingMetadata.webSearchQueries[]", Skim.Mark, Query),
        ("candidates[].content.parts[].text", Skim.Count, SkimmingReader.Text),
        ("candidates[].content.parts[].functionCall.name", Skim.Mark, SkimmingReader.Call),
        ("candidates[].content.parts[].functionCall.args", Skim.Count, SkimmingReader.Text),
        ("candidates[].content.parts[].executableCode.code", Skim.Count, SkimmingReader.Text));

    private static readonly RequestShape Shape = new(
        ("generationConfig", Field.LimitHolder),
        ("generation_config", Field.LimitHolder),
        ("generationConfig.maxOutputTokens", Field.Limit),
        ("generationConfig.max_output_tokens", Field.Limit),
        ("generation_config.max_output_tokens", Field.Limit),
        ("generation_config.maxOutputTokens", Field.Limit),
        ("generationConfig.candidateCount", Field.Choices),
        ("generationConfig.candidate_count", Field.Choices),
        ("generation_config.candidate_count", Field.Choices),
        ("generation_config.candidateCount", Field.Choices),
        ("serviceTier", Field.Tier),
        ("service_tier", Field.Tier));

    public override string Name => "gemini-generate";

    public override ErrorShape Errors => ErrorShape.Gemini;

    public override LimitField? OutputLimit(string provider) => new("generationConfig", "maxOutputTokens");

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) => new Reader(peek, response);

    private sealed class Reader(RequestPeek peek, in ResponseFacts response) : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
    {
        private readonly bool _streams = peek.Stream;
        private int _queriesHere;
        private int _queries;
        private bool _usageHere;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            if (slot == Usage && json[0] == '{' && GeminiUsage.Read(json, ref Seen, ref Told)) // Q2: replaces
                _usageHere = true;
        }

        protected override void OnMark(int slot, byte first) => _queriesHere += slot == Query ? 1 : 0;

        protected override void OnDocumentEnd()
        {
            Final = _usageHere && !_streams; // Q7
            _queries = Math.Max(_queries, _queriesHere);
            _queriesHere = 0;
            _usageHere = false;
        }

        protected override void OnFinish(bool whole)
        {
            if (_queries == 0 || Seen.IsEmpty)
                return;
            Seen.Other[UsageUnit.GroundedPrompt] = 1; // Q5
            Seen.Other[UsageUnit.WebSearch] = _queries;
        }
    }
}
