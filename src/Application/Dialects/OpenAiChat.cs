namespace Tokonomics.Application.Dialects;

/// <summary>
/// <c>POST /chat/completions</c> and <c>POST /completions</c> (and Mistral's agents and FIM), of OpenAI and of all that copy it.
/// </summary>
/// <remarks>
/// Q1 Usage in a stream comes on demand in a chunk with <c>choices: []</c>; some send it unasked on the finish chunk (Mistral, OpenRouter),
///    under <c>x_groq</c> and again at top level (Groq), or in every chunk (Perplexity): the last wins, none are added.
/// Q2 Azure's first chunk has <c>choices: []</c> and no usage; every chunk may carry <c>usage: null</c>.
/// Q3 An error may come as an event in a stream of status 200 (Groq, OpenRouter), or as a one-element array (Gemini).
/// Q4 White space before the JSON as keep-alive (OpenRouter): the skimmer doesn't mind.
/// Q5 Padding against traffic analysis (<c>obfuscation</c>, <c>p</c>) makes a stream's length useless: only named text fields are counted.
/// Q6 With n = 2 llama.cpp sends a usage chunk after each choice, the first while the other choice still runs.
/// Q7 OpenAI's reasoning models refuse <c>max_tokens</c>; most of those who copy OpenAI know nothing else.
/// The meaning of the counts, provider by provider: <see cref="OpenAiUsage"/>.
/// </remarks>
internal sealed class OpenAiChat(string name) : Dialect
{
    private static readonly JsonPaths Paths = new(
        ("usage", Skim.Take, SkimmingReader.Usage),
        ("x_groq.usage", Skim.Take, SkimmingReader.Usage), // Q1
        ("model", Skim.Take, SkimmingReader.Model),
        ("service_tier", Skim.Take, SkimmingReader.Tier),
        ("error", Skim.Mark, SkimmingReader.Error), // Q3
        ("x_groq.error", Skim.Mark, SkimmingReader.Error),
        ("choices[].finish_reason", Skim.Take, SkimmingReader.Reason),
        ("choices[].text", Skim.Count, SkimmingReader.Text),
        ("choices[].delta.content", Skim.Count, SkimmingReader.Text),
        ("choices[].delta.reasoning", Skim.Count, SkimmingReader.Thought),
        ("choices[].delta.reasoning_content", Skim.Count, SkimmingReader.Thought),
        ("choices[].delta.tool_calls[].id", Skim.Mark, SkimmingReader.Call),
        ("choices[].delta.refusal", Skim.Count, SkimmingReader.Text),
        ("choices[].delta.function_call.arguments", Skim.Count, SkimmingReader.Text),
        ("choices[].delta.tool_calls[].function.name", Skim.Count, SkimmingReader.Text),
        ("choices[].delta.tool_calls[].function.arguments", Skim.Count, SkimmingReader.Text),
        ("choices[].message.content", Skim.Count, SkimmingReader.Text2),
        ("choices[].message.reasoning", Skim.Count, SkimmingReader.Thought2),
        ("choices[].message.reasoning_content", Skim.Count, SkimmingReader.Thought2),
        ("choices[].message.tool_calls[].id", Skim.Mark, SkimmingReader.Call),
        ("choices[].message.refusal", Skim.Count, SkimmingReader.Text2),
        ("choices[].message.tool_calls[].function.name", Skim.Count, SkimmingReader.Text2),
        ("choices[].message.tool_calls[].function.arguments", Skim.Count, SkimmingReader.Text2));

    private static readonly RequestShape Shape = new(
        ("model", Field.Model),
        ("stream", Field.Stream),
        ("stream_options", Field.StreamOptions),
        ("stream_options.include_usage", Field.IncludeUsage),
        ("max_tokens", Field.Limit),
        ("max_completion_tokens", Field.OtherLimit),
        ("n", Field.Choices),
        ("best_of", Field.BestOf),
        ("prompt", Field.Prompt),
        ("reasoning.max_tokens", Field.ThinkingBudget),
        ("service_tier", Field.Tier),
        ("speed", Field.Speed),
        ("web_search_options.search_context_size", Field.SearchContext))
    {
        AsksForUsage = true,
    };

    public override string Name => name;

    public override ErrorShape Errors => ErrorShape.OpenAi;

    public override LimitField? OutputLimit(string provider) =>
        new(null, name == "openai-chat" && (provider is "openai" or "azure-openai") ? "max_completion_tokens" : "max_tokens"); // Q7

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) =>
        new Reader(request.Quirks, peek, response);

    private sealed class Reader(ProviderQuirks quirks, RequestPeek peek, in ResponseFacts response)
        : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
    {
        private readonly int _choices = Math.Max(1, peek.Choices);
        private int _finished;
        private bool _usageHere;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            if (slot == Usage && json[0] == '{') // Q2
                _usageHere |= OpenAiUsage.Read(json, quirks, IsGoogle(), ref Seen, ref StatedCost, ref Told); // Q1: replaces
            else if (slot == Reason && json.Length > 2 && json[0] == '"')
                _finished++;
        }

        // Usage is final in or after the chunk that finishes the last choice (Q1, Q6), and in an answer that isn't a stream.
        protected override void OnDocumentEnd()
        {
            Final = !Seen.IsEmpty && (Final || !Streaming || (_finished >= _choices && _usageHere));
            _usageHere = false;
        }

        protected override void OnDone() => Final |= !Seen.IsEmpty;

        private bool IsGoogle() =>
            ModelBytes.StartsWith("google/"u8) || (RequestModel?.StartsWith("google/", StringComparison.Ordinal) ?? false);
    }
}
