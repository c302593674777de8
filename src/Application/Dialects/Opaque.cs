namespace Tokonomics.Application.Dialects;

/// <summary>
/// A call of which nothing is known. <c>opaque</c>: it may cost something that can't be told; <c>free</c>: it costs nothing (models, files,
/// token counting, polls of an earlier answer, whose usage must not be read a second time).
/// </summary>
internal sealed class Opaque(string name, ErrorShape errors = ErrorShape.OpenAi) : Dialect
{
    private static readonly RequestShape Shape = new(("model", Field.Model), ("stream", Field.Stream));

    public override string Name => name;

    public override ErrorShape Errors => errors;

    // What a body says of its model is told where it can be read; nothing here is a reason to refuse one.
    public override RequestPeek Peek(in RequestFacts request, ReadOnlySpan<byte> body)
    {
        if (body.TrimStart(" \t\r\n"u8).StartsWith("{"u8) && RequestReader.Read(request, body, Shape) is { Problem: null } peek)
            return peek;
        return new RequestPeek { Model = request.PathModel, Choices = 1, Stream = request.PathStreams, PricingHints = "" };
    }

    public override ResponseReader Read(in RequestFacts request, RequestPeek peek, in ResponseFacts response) =>
        new Reader(peek.Model, notBillable: name == "free");

    private sealed class Reader(string? model, bool notBillable) : ResponseReader
    {
        public override void Feed(ReadOnlySpan<byte> bytes)
        {
        }

        public override MeteredResponse Finish(bool whole) => new() { Model = model, PricingHints = "", NotBillable = notBillable };
    }
}
