using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary><c>POST /responses</c>.</summary>
/// <remarks>
/// Q1 A stream's usage stands in the terminal event (<c>response.completed</c>, <c>.incomplete</c>, <c>.failed</c>) under <c>response</c>.
/// Q2 Background mode answers <c>queued</c> without usage; the usage comes on a later GET, which repeats it as often as it is asked.
/// Q3 Fees per tool call are in no counter: the items of the output are counted. Of web searches only those whose action is a search are
///    charged (opening a page or finding in it is not). Codex's terminal event has an empty output, so that finished items count too.
/// Q4 The text stands in a stream three times (deltas, done events, terminal event) and is counted once.
/// </remarks>
internal sealed class OpenAiResponses : Dialect
{
    private const int Status = SkimmingReader.Own;
    private const int ItemType = SkimmingReader.Own + 1;
    private const int ActionType = SkimmingReader.Own + 2;
    private const int ItemEnd = SkimmingReader.Own + 3;
    private const int EventType = SkimmingReader.Own + 4;
    private const int DoneItem = SkimmingReader.Own + 5;

    private static readonly JsonPaths Paths = new(
        ("usage", Skim.Take, SkimmingReader.Usage),
        ("model", Skim.Take, SkimmingReader.Model),
        ("service_tier", Skim.Take, SkimmingReader.Tier),
        ("status", Skim.Take, Status),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("incomplete_details.reason", Skim.Take, SkimmingReader.Reason),
        ("output[]", Skim.Mark, ItemEnd),
        ("output[].type", Skim.Take, ItemType),
        ("output[].action.type", Skim.Take, ActionType),
        ("output[].content[].text", Skim.Count, SkimmingReader.Text2),
        ("output[].summary[].text", Skim.Count, SkimmingReader.Thought2),
        ("output[].arguments", Skim.Count, SkimmingReader.Text2),
        ("response.usage", Skim.Take, SkimmingReader.Usage), // Q1
        ("response.model", Skim.Take, SkimmingReader.Model),
        ("response.service_tier", Skim.Take, SkimmingReader.Tier),
        ("response.status", Skim.Take, Status),
        ("response.error", Skim.Mark, SkimmingReader.Error),
        ("response.incomplete_details.reason", Skim.Take, SkimmingReader.Reason),
        ("response.output[]", Skim.Mark, ItemEnd),
        ("response.output[].type", Skim.Take, ItemType),
        ("response.output[].action.type", Skim.Take, ActionType),
        ("type", Skim.Take, EventType),
        ("item", Skim.Mark, DoneItem), // Q3
        ("item.type", Skim.Take, ItemType),
        ("item.action.type", Skim.Take, ActionType),
        ("delta", Skim.Count, SkimmingReader.Text)); // Q4

    private static readonly RequestShape Shape = new(
        ("model", Field.Model),
        ("stream", Field.Stream),
        ("max_output_tokens", Field.Limit),
        ("service_tier", Field.Tier),
        ("speed", Field.Speed));

    public override string Name => "openai-responses";

    public override ErrorShape Errors => ErrorShape.OpenAi;

    public override LimitField? OutputLimit(string provider) => new(null, "max_output_tokens");

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, Shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) =>
        new Reader(request.Quirks, peek, response);

    private struct Calls
    {
        public int Searches;
        public int FileSearches;
        public int CodeRuns;
        public int Functions;
    }

    private sealed class Reader(ProviderQuirks quirks, RequestPeek peek, in ResponseFacts response)
        : SkimmingReader(Paths, peek, response, Unreported.EstimateText)
    {
        private ShortText _status;
        private ShortText _item;
        private ShortText _action;
        private bool _itemDone;
        private bool _itemAdded;
        private Calls _listed;
        private Calls _streamed;
        private Calls _pending;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            switch (slot)
            {
                case Usage when json[0] == '{':
                    Final |= OpenAiUsage.Read(json, quirks, google: false, ref Seen, ref StatedCost, ref Told);
                    break;
                case Status:
                    _status.Set(json);
                    break;
                case ItemType:
                    _item.Set(json);
                    break;
                case ActionType:
                    _action.Set(json);
                    break;
                case EventType:
                    _itemDone = json.SequenceEqual("\"response.output_item.done\""u8);
                    _itemAdded = json.SequenceEqual("\"response.output_item.added\""u8);
                    Thinks = json.StartsWith("\"response.reasoning"u8);
                    break;
            }
        }

        protected override void OnMark(int slot, byte first)
        {
            if (slot == ItemEnd)
            {
                var before = _listed.Functions;
                Add(ref _listed);
                if (!Streaming && _listed.Functions > before)
                    CountCall();
            }
            else if (slot == DoneItem)
                Add(ref _pending);
        }

        protected override void OnDocumentEnd()
        {
            if (_itemDone)
            {
                _streamed.Searches += _pending.Searches;
                _streamed.FileSearches += _pending.FileSearches;
                _streamed.CodeRuns += _pending.CodeRuns;
            }

            if (_itemAdded && _pending.Functions > 0)
                CountCall();
            _pending = default;
            _itemDone = _itemAdded = Thinks = false;
        }

        protected override void OnFinish(bool whole)
        {
            var jobWaits = _status.Is("queued"u8) || _status.Is("in_progress"u8);
            NotBillable = jobWaits && !Streaming && Seen.IsEmpty; // Q2
            if (Seen.IsEmpty)
                return;
            Fee(UsageUnit.WebSearch, Math.Max(_listed.Searches, _streamed.Searches));
            Fee(UsageUnit.FileSearch, Math.Max(_listed.FileSearches, _streamed.FileSearches));
            Fee(UsageUnit.CodeExecution, Math.Max(_listed.CodeRuns, _streamed.CodeRuns));
        }

        // A provider's own count (xAI) stands; ours is for those who count nothing.
        private void Fee(UsageUnit unit, int count)
        {
            if (count > 0 && Seen.Other[unit] is null)
                Seen.Other[unit] = count;
        }

        private void Add(ref Calls calls) // Q3
        {
            if (_item.Is("web_search_call"u8) && (!_action.IsSet || _action.Is("search"u8)))
                calls.Searches++;
            else if (_item.Is("file_search_call"u8))
                calls.FileSearches++;
            else if (_item.Is("code_interpreter_call"u8))
                calls.CodeRuns++;
            else if (_item.Is("function_call"u8) || _item.Is("custom_tool_call"u8))
                calls.Functions++;
            _item = default;
            _action = default;
        }
    }
}
