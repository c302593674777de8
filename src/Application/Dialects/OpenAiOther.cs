namespace Tokonomics.Application.Dialects;

/// <summary>
/// OpenAI's smaller APIs, and those of its likes: embeddings, images, speech, transcription, moderations, rerank. They differ in what the
/// request fixes and in what is said where no usage comes; the usage object is OpenAI's.
/// </summary>
/// <remarks>
/// Q1 Images by the piece (DALL·E, xAI) report no tokens: as many as the answer holds, or else as were asked for, are counted.
/// Q2 Older image answers have no details: output tokens of an image are image tokens.
/// Q3 Image models name size and quality in the answer too, resolved from <c>auto</c>.
/// Q4 Whisper's verbose JSON states the duration outside of usage, as a number or a string.
/// Q5 Rerank: Cohere's and Jina's figures stand under <c>meta.billed_units</c>; <c>search_units</c> stand in OpenRouter's usage.
/// Q6 OpenAI's moderation is free and reports nothing; Mistral's reports usage.
/// </remarks>
internal sealed class OpenAiOther : Dialect
{
    private const int Item = SkimmingReader.Own;
    private const int Size = SkimmingReader.Own + 1;
    private const int Quality = SkimmingReader.Own + 2;
    private const int Duration = SkimmingReader.Own + 3;

    private static readonly JsonPaths Paths = new(
        ("usage", Skim.Take, SkimmingReader.Usage),
        ("meta.billed_units", Skim.Take, SkimmingReader.Usage), // Q5
        ("model", Skim.Take, SkimmingReader.Model),
        ("service_tier", Skim.Take, SkimmingReader.Tier),
        ("error", Skim.Mark, SkimmingReader.Error),
        ("data[]", Skim.Mark, Item), // Q1
        ("size", Skim.Take, Size), // Q3
        ("quality", Skim.Take, Quality),
        ("duration", Skim.Take, Duration), // Q4
        ("text", Skim.Count, SkimmingReader.Text));

    private readonly RequestShape _shape;
    private readonly Unreported _unreported;

    private OpenAiOther(string name, Unreported unreported, RequestShape shape)
    {
        Name = name;
        _unreported = unreported;
        _shape = shape;
    }

    public static OpenAiOther Embeddings { get; } = new("openai-embeddings", Unreported.EstimateInput,
        new(("model", Field.Model), ("input", Field.Input), ("service_tier", Field.Tier)));

    public static OpenAiOther Images { get; } = new("openai-images", Unreported.RequestUnits,
        new(("model", Field.Model), ("stream", Field.Stream), ("n", Field.Choices), ("size", Field.Size), ("quality", Field.Quality))
        {
            Units = FixedUnits.Images,
        });

    public static OpenAiOther Speech { get; } = new("openai-speech", Unreported.RequestUnits,
        new(("model", Field.Model), ("input", Field.Spoken)) { Units = FixedUnits.Characters });

    public static OpenAiOther Transcription { get; } = new("openai-transcription", Unreported.Nothing,
        new(("model", Field.Model), ("stream", Field.Stream)));

    public static OpenAiOther Moderations { get; } = new("openai-moderations", Unreported.Nothing, // Q6
        new(("model", Field.Model)));

    public static OpenAiOther Rerank { get; } = new("rerank", Unreported.EstimateInput,
        new(("model", Field.Model)));

    public override string Name { get; }

    public override ErrorShape Errors => ErrorShape.OpenAi;

    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body) => RequestReader.Read(request, body, _shape);

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) =>
        new Reader(_shape.Units, ReferenceEquals(this, Transcription), request.Quirks, peek, response, _unreported);

    private sealed class Reader(FixedUnits units, bool heard, ProviderQuirks quirks, RequestPeek peek, in ResponseFacts response, Unreported unreported)
        : SkimmingReader(Paths, peek, response, unreported)
    {
        private ShortText _size;
        private ShortText _quality;
        private int _items;
        private decimal? _seconds;

        protected override void OnTake(int slot, ReadOnlySpan<byte> json)
        {
            switch (slot)
            {
                case Usage when json[0] == '{':
                    Final |= OpenAiUsage.Read(json, quirks, google: false, ref Seen, ref StatedCost, ref Told);
                    break;
                case Size:
                    _size.Set(json);
                    break;
                case Quality:
                    _quality.Set(json);
                    break;
                case Duration when heard && decimal.TryParse(json.Trim((byte)'"'), System.Globalization.NumberStyles.Float, null, out var seconds):
                    _seconds = seconds;
                    break;
            }
        }

        protected override void OnMark(int slot, byte first) => _items += slot == Item ? 1 : 0;

        protected override void OnFinish(bool whole)
        {
            if (units == FixedUnits.Images)
            {
                if (Seen.Input is null && Seen.Output is null && _items > 0 && whole)
                {
                    Seen.Other[Domain.Metering.UsageUnit.Image] = _items; // Q1
                    Final = true;
                }
                else if (Seen.Output is not null && Seen.ImageOut is null)
                {
                    Seen.ImageOut = Seen.Output; // Q2
                }

                if (_size.IsSet && _quality.IsSet)
                    Told.Image = $"{Hints.Lower(_size.Bytes)}/{Hints.Lower(_quality.Bytes)}"; // Q3
            }

            if (heard && Seen.IsEmpty && _seconds is > 0 and < 1_000_000)
            {
                Seen.Other[Domain.Metering.UsageUnit.AudioMilliseconds] = (long)decimal.Ceiling(_seconds.Value * 1000); // Q4
                Final = true;
            }
        }
    }
}
