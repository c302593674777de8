using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>Anthropic's <c>POST /v1/messages</c>, also as Azure, Vertex and others serve it.</summary>
/// <remarks>
/// Q1 <c>input_tokens</c> excludes cache reads and writes; writes are split by lifetime in <c>cache_creation</c>, which older answers lack.
/// Q2 A stream tells its usage in <c>message_start</c> (output: a placeholder) and then in <c>message_delta</c>, cumulative; of each field
///    the last value wins, a null doesn't.
/// Q3 <c>usage.iterations</c>: passes of compaction are billed and in no top-level counter; <c>message</c> passes are in them; passes of
///    another model (the advisor tool) are billed at that model's rates.
/// Q4 <c>service_tier</c>, <c>inference_geo</c> and <c>speed</c> are told inside usage.
/// </remarks>
internal sealed class AnthropicMessages : Dialect
{
    private static readonly JsonPaths Paths = new(
        ("usage", Skim.Take, SkimmingReader.Usage),
        ("model", Skim.Take, SkimmingReader.Model),
        ("stop_reason", Skim.Take, SkimmingReader.Reason),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("message.usage", Skim.Take, SkimmingReader.Usage), // Q2
        ("message.model", Skim.Take, SkimmingReader.Model),
        ("delta.stop_reason", Skim.Take, SkimmingReader.Reason),
        ("delta.text", Skim.Count, SkimmingReader.Text),
        ("delta.thinking", Skim.Count, SkimmingReader.Thought),
        ("content_block.name", Skim.Mark, SkimmingReader.Call),
        ("delta.partial_json", Skim.Count, SkimmingReader.Text),
        ("delta.content", Skim.Count, SkimmingReader.Text), // a compaction's summary
        ("content[].text", Skim.Count, SkimmingReader.Text2),
        ("content[].thinking", Skim.Count, SkimmingReader.Thought2),
        ("content[].name", Skim.Mark, SkimmingReader.Call),
        ("content[].input", Skim.Count, SkimmingReader.Text2));

    private static readonly RequestShape Shape = new(
        ("model", Field.Model),
        ("stream", Field.Stream),
        ("max_tokens", Field.Limit),
        ("thinking.budget_tokens", Field.ThinkingBudget),
        ("service_tier", Field.Tier),
        ("inference_geo", Field.Geo),
        ("speed", Field.Speed));

    public override string Name => "anthropic-messages";

    public override ErrorShape Errors => ErrorShape.Anthropic;

    public override LimitField? OutputLimit(string provider) => new(null, "max_tokens");

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) => new Reader(peek, response);

    private struct Pass
    {
        public long? Input;
        public long? Output;
        public long? CacheRead;
        public long? CacheWrite;
        public long? CacheWrite1h;
        public long? Reasoning;

        public readonly Figures ToFigures() => new()
        {
            Input = Figures.Sum(Figures.Sum(Input, CacheRead), CacheWrite), // Q1
            CacheRead = CacheRead,
            CacheWrite = CacheWrite,
            CacheWrite1h = CacheWrite1h,
            Output = Output,
            Reasoning = Reasoning,
        };

        public void Add(in Pass other)
        {
            Input = Figures.Sum(Input, other.Input);
            Output = Figures.Sum(Output, other.Output);
            CacheRead = Figures.Sum(CacheRead, other.CacheRead);
            CacheWrite = Figures.Sum(CacheWrite, other.CacheWrite);
            CacheWrite1h = Figures.Sum(CacheWrite1h, other.CacheWrite1h);
        }
    }

    private sealed class Reader(RequestPeek peek, in ResponseFacts response) : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
    {
        private Pass _main;
        private Pass _hidden;
        private long? _searches;
        private bool _any;
        private bool _stopped;
        private bool _usageHere;

        protected override bool FinalAtEnd => !Streaming;

        protected override TokenRate Rate => TokenRate.Claude;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            if (slot == Reason && json[0] == '"')
                _stopped = true;
            if (slot != Usage || json[0] != '{')
                return;
            if (Merge(json) && !Streaming)
                Final = true;
            _usageHere = true;
        }

        // message_start may carry a stop_reason of null only; the delta that stops the message carries the final usage.
        protected override void OnDocumentEnd()
        {
            Final |= _usageHere && _stopped;
            _usageHere = false;
        }

        private bool Merge(ReadOnlySpan<byte> json)
        {
            var pass = new Pass();
            var hidden = new Pass();
            List<ModelUsage>? others = null;
            ShortText type = default, model = default;
            var iterations = false;
            var walk = new UsageWalker(json);
            while (walk.Next())
            {
                switch (walk.Path)
                {
                    case "input_tokens":
                        _main.Input = walk.Count ?? _main.Input; // Q2
                        break;
                    case "output_tokens":
                        _main.Output = walk.Count ?? _main.Output;
                        break;
                    case "cache_read_input_tokens":
                        _main.CacheRead = walk.Count ?? _main.CacheRead;
                        break;
                    case "cache_creation_input_tokens":
                        _main.CacheWrite = walk.Count ?? _main.CacheWrite;
                        break;
                    case "cache_creation.ephemeral_1h_input_tokens":
                        _main.CacheWrite1h = walk.Count ?? _main.CacheWrite1h;
                        break;
                    case "output_tokens_details.thinking_tokens":
                        _main.Reasoning = walk.Count ?? _main.Reasoning;
                        break;
                    case "server_tool_use.web_search_requests":
                        _searches = walk.Count ?? _searches;
                        break;
                    case "cost": // OpenRouter, which speaks this dialect too
                        StatedCost = walk.Amount ?? StatedCost;
                        break;
                    case "service_tier" when !walk.Text.IsEmpty: // Q4
                        Told.Tier = Hints.PlainTier(walk.Text);
                        break;
                    case "inference_geo" when !walk.Text.IsEmpty:
                        Told.Geo = Hints.PlainGeo(walk.Text);
                        break;
                    case "speed" when !walk.Text.IsEmpty:
                        Told.Speed = Hints.PlainSpeed(walk.Text);
                        break;

                    case "iterations[].input_tokens":
                        pass.Input = walk.Count;
                        break;
                    case "iterations[].output_tokens":
                        pass.Output = walk.Count;
                        break;
                    case "iterations[].cache_read_input_tokens":
                        pass.CacheRead = walk.Count;
                        break;
                    case "iterations[].cache_creation_input_tokens":
                        pass.CacheWrite = walk.Count;
                        break;
                    case "iterations[].cache_creation.ephemeral_1h_input_tokens":
                        pass.CacheWrite1h = walk.Count;
                        break;
                    case "iterations[].type":
                        type.SetText(walk.Text);
                        break;
                    case "iterations[].model":
                        model.SetText(walk.Text);
                        break;
                    case "iterations[]": // Q3
                        iterations = true;
                        if (type.Is("compaction"u8))
                            hidden.Add(pass);
                        else if (type.Is("advisor_message"u8) && model.ToString() is { } advisor)
                            (others ??= []).Add(new(advisor, pass.ToFigures().ToUsage()));
                        pass = default;
                        type = default;
                        model = default;
                        break;
                }
            }

            if (iterations)
                (_hidden, OtherModels) = (hidden, others);
            _any |= _main.Input is not null || _main.Output is not null;
            var all = _main;
            all.Add(_hidden);
            Seen = all.ToFigures();
            Seen.Other[UsageUnit.WebSearch] = _searches;
            return _any;
        }
    }
}
