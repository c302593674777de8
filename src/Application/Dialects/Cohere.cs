using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>Cohere's chat (v1 and v2), embed, rerank and generate.</summary>
/// <remarks>
/// Q1 Charged are <c>billed_units</c>; <c>tokens</c> are what the model processed, with a hidden preamble, and count only where nothing else is told.
/// Q2 They stand under <c>usage</c> (v2), <c>meta</c> (v1), <c>delta.usage</c> (v2's stream) or <c>response.meta</c> (v1's stream, JSON lines).
/// Q3 v1's last line repeats the whole text, so that it is counted apart from the deltas.
/// Q4 v1 streams JSON lines as <c>application/stream+json</c>.
/// </remarks>
internal sealed class Cohere : Dialect
{
    private static readonly JsonPaths Paths = new(
        ("usage", Skim.Take, SkimmingReader.Usage), // Q2
        ("meta", Skim.Take, SkimmingReader.Usage),
        ("delta.usage", Skim.Take, SkimmingReader.Usage),
        ("response.meta", Skim.Take, SkimmingReader.Usage),
        ("model", Skim.Take, SkimmingReader.Model),
        ("finish_reason", Skim.Take, SkimmingReader.Reason),
        ("delta.finish_reason", Skim.Take, SkimmingReader.Reason),
        ("delta.error", Skim.Mark, SkimmingReader.Error),
        ("delta.message.content.text", Skim.Count, SkimmingReader.Text),
        ("delta.message.content.thinking", Skim.Count, SkimmingReader.Thought),
        ("delta.message.tool_calls.id", Skim.Mark, SkimmingReader.Call),
        ("delta.message.tool_plan", Skim.Count, SkimmingReader.Text),
        ("delta.message.tool_calls.function.arguments", Skim.Count, SkimmingReader.Text),
        ("message.content[].text", Skim.Count, SkimmingReader.Text2),
        ("message.content[].thinking", Skim.Count, SkimmingReader.Thought2),
        ("message.tool_calls[].id", Skim.Mark, SkimmingReader.Call),
        ("message.tool_plan", Skim.Count, SkimmingReader.Text2),
        ("message.tool_calls[].function.arguments", Skim.Count, SkimmingReader.Text2),
        ("generations[].text", Skim.Count, SkimmingReader.Text2),
        ("response.text", Skim.Count, SkimmingReader.Text2), // Q3
        ("text", Skim.Count, SkimmingReader.Text));

    private readonly RequestShape _shape;
    private readonly Unreported _unreported;

    private Cohere(string name, Unreported unreported, RequestShape shape)
    {
        Name = name;
        _unreported = unreported;
        _shape = shape;
    }

    public static Cohere Chat { get; } = new("cohere-chat", Unreported.EstimateText,
        new(("model", Field.Model), ("stream", Field.Stream), ("max_tokens", Field.Limit), ("thinking.token_budget", Field.ThinkingBudget)));

    public static Cohere Generate { get; } = new("cohere-generate", Unreported.EstimateText,
        new(("model", Field.Model), ("stream", Field.Stream), ("max_tokens", Field.Limit), ("num_generations", Field.Choices)));

    public static Cohere Embed { get; } = new("cohere-embed", Unreported.EstimateInput, new(("model", Field.Model)));

    public static Cohere Rerank { get; } = new("cohere-rerank", Unreported.Nothing, new(("model", Field.Model)));

    public override string Name { get; }

    public override ErrorShape Errors => ErrorShape.Cohere;

    public override LimitField? OutputLimit(string provider) =>
        ReferenceEquals(this, Chat) || ReferenceEquals(this, Generate) ? new(null, "max_tokens") : null;

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, _shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) => new Reader(peek, response, _unreported);

    private sealed class Reader(RequestPeek peek, in ResponseFacts response, Unreported unreported) : SkimmingReader(Paths, peek, response, unreported)
    {
        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            if (slot != Usage || json[0] != '{')
                return;
            var billed = new Figures();
            var processed = new Figures();
            var walk = new UsageWalker(json);
            while (walk.Next())
            {
                switch (walk.Path)
                {
                    case "billed_units.input_tokens":
                        billed.Input = walk.Count;
                        break;
                    case "billed_units.output_tokens":
                        billed.Output = walk.Count;
                        break;
                    case "billed_units.image_tokens" when walk.Count > 0:
                        billed.ImageIn = walk.Count;
                        break;
                    case "billed_units.images":
                        billed.Other[UsageUnit.Image] = walk.Count;
                        break;
                    case "billed_units.search_units":
                        billed.Other[UsageUnit.SearchUnit] = walk.Count;
                        break;
                    case "tokens.input_tokens":
                        processed.Input = walk.Count;
                        break;
                    case "tokens.output_tokens":
                        processed.Output = walk.Count;
                        break;
                }
            }

            // Embedding images by token: their tokens stand beside those of the text, not among them.
            if (billed.ImageIn is not null)
                billed.Input = Figures.Sum(billed.Input, billed.ImageIn);
            var told = billed.IsEmpty ? processed : billed; // Q1
            if (told.IsEmpty)
                return;
            Seen = told;
            Final = true;
        }
    }
}
