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
        ("candidates[].content.parts[].functionCall.args", Skim.Count, SkimmingReader.Text),
        ("candidates[].content.parts[].executableCode.code", Skim.Count, SkimmingReader.Text));

    private static readonly RequestShape Shape = new(
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

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, in RequestPeek peek, in ResponseFacts response) => new Reader(peek, response);

    private sealed class Reader(in RequestPeek peek, in ResponseFacts response) : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
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

/// <summary>Gemini's usage objects: <c>usageMetadata</c> and that of the interactions API, which says the same in other words.</summary>
internal static class GeminiUsage
{
    /// <summary>False where the object holds no count, and nothing is changed.</summary>
    public static bool Read(ReadOnlySpan<byte> json, ref Figures figures, ref Hints hints)
    {
        var f = new Figures();
        long? tools = null, thoughts = null, count = null;
        var modality = "";
        var walk = new UsageWalker(json);
        while (walk.Next())
        {
            switch (walk.Path)
            {
                case "promptTokenCount" or "total_input_tokens":
                    f.Input = walk.Count ?? f.Input;
                    break;
                case "toolUsePromptTokenCount" or "total_tool_use_tokens":
                    tools = walk.Count;
                    break;
                case "cachedContentTokenCount" or "total_cached_tokens":
                    f.CacheRead = walk.Count;
                    break;
                case "candidatesTokenCount" or "responseTokenCount" or "total_output_tokens":
                    f.Output = walk.Count ?? f.Output;
                    break;
                case "thoughtsTokenCount" or "total_thought_tokens":
                    thoughts = walk.Count;
                    break;
                case "serviceTier" or "trafficType" when !walk.Text.IsEmpty: // Q6
                    hints.Tier = Hints.PlainTier(walk.Text);
                    break;

                case "grounding_tool_count[].type":
                    modality = Hints.Lower(walk.Text);
                    break;
                case "grounding_tool_count[].count":
                    count = walk.Count;
                    break;
                case "grounding_tool_count[]":
                    if (modality == "google_search" && count > 0)
                    {
                        f.Other[UsageUnit.GroundedPrompt] = 1;
                        f.Other[UsageUnit.WebSearch] = count;
                    }

                    (modality, count) = ("", null);
                    break;

                // Of each list the elements come as modality and count, in either order, and then the element's end.
                case var path when path.EndsWith("[].modality"):
                    modality = Hints.Lower(walk.Text);
                    break;
                case var path when path.EndsWith("[].tokenCount") || path.EndsWith("[].tokens"):
                    count = walk.Count;
                    break;
                case "promptTokensDetails[]" or "promptTokenDetails[]" or "toolUsePromptTokensDetails[]" or "input_tokens_by_modality[]" or "tool_use_tokens_by_modality[]":
                    Add(modality, ref count, ref f.AudioIn, ref f.ImageIn, ref f.VideoIn);
                    break;
                case "cacheTokensDetails[]" or "cached_tokens_by_modality[]":
                    Add(modality, ref count, ref f.CacheReadAudio, ref f.CacheReadImage, ref f.CacheReadVideo);
                    break;
                case "candidatesTokensDetails[]" or "responseTokensDetails[]" or "output_tokens_by_modality[]":
                    Add(modality, ref count, ref f.AudioOut, ref f.ImageOut, ref f.VideoOut);
                    break;
            }
        }

        f.Input = Figures.Sum(f.Input, tools); // Q3
        f.Output = Figures.Sum(f.Output, thoughts);
        f.Reasoning = thoughts;
        if (f.IsEmpty)
            return false;
        figures = f;
        return true;
    }

    private static void Add(string modality, ref long? count, ref long? audio, ref long? image, ref long? video) // Q4
    {
        switch (modality)
        {
            case "audio":
                audio = Figures.Sum(audio, count);
                break;
            case "image":
                image = Figures.Sum(image, count);
                break;
            case "video":
                video = Figures.Sum(video, count);
                break;
        }

        count = null;
    }
}

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
            ("generation_config.max_output_tokens", Field.Limit), ("generation_config.maxOutputTokens", Field.Limit)));

    public static GeminiOther Predict { get; } = new("gemini-predict", Unreported.Nothing, new()); // Q3

    public override string Name { get; }

    public override ErrorShape Errors => ErrorShape.Gemini;

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, _shape);

    public override ResponseReader Read(in RequestFacts request, in RequestPeek peek, in ResponseFacts response) => new Reader(peek, response, _unreported);

    private sealed class Reader(in RequestPeek peek, in ResponseFacts response, Unreported unreported) : SkimmingReader(Paths, peek, response, unreported)
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
