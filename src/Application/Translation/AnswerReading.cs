using System.Buffers;
using System.Text;
using System.Text.Json;
using Tokonomics.Application.Dialects;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Translation;

/// <summary>How an answer ended, as far as it says something of the answer.</summary>
public enum AnswerEnd
{
    /// <summary>The model had said what it wanted to.</summary>
    Whole,

    /// <summary>At the most tokens.</summary>
    CutShort,

    /// <summary>The model, or its provider's filter, would not answer.</summary>
    Refused,
}

/// <summary>What an answer says, whatever its dialect. In memory only.</summary>
/// <param name="Model">As the provider names the one that answered.</param>
public sealed record AnswerReading(string Text, IReadOnlyList<MadeCall> Calls, AnswerEnd End, string? Model)
{
    public bool IsEmpty => Calls.Count == 0 && string.IsNullOrWhiteSpace(Text);

    /// <summary>Of an answer of status 200, as a provider of that dialect sent it, decompressed.</summary>
    /// <param name="streamed">The bytes are server-sent events.</param>
    /// <returns>Null where it isn't read: another dialect, an answer that broke off, or none.</returns>
    public static AnswerReading? Of(string dialect, ReadOnlyMemory<byte> bytes, bool streamed, ProviderQuirks quirks)
    {
        try
        {
            if (dialect == "openai-responses")
                return OfResponses(streamed ? LastResponse.In(bytes.Span) : bytes);
            if (!Translator.Providers.TryGetValue(dialect, out var wire))
                return null;
            if (streamed)
                return OfStream(wire, bytes.Span, quirks);
            using var document = JsonDocument.Parse(bytes);
            return document.RootElement.ValueKind == JsonValueKind.Object ? Of(wire.ReadAnswer(document.RootElement, quirks, new Carriage())) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    private static AnswerReading Of(NeutralAnswer answer) =>
        new(Wires.Joined(answer.Parts), [.. answer.Parts.OfType<ToolCallPart>().Select(c => new MadeCall(c.Name, c.Arguments))], EndOf(answer.Finish), answer.Model);

    private static AnswerReading? OfStream(IProviderWire wire, ReadOnlySpan<byte> bytes, ProviderQuirks quirks)
    {
        var steps = new Steps();
        var stream = new StreamTranslation(wire, steps, quirks);
        var nowhere = new ArrayBufferWriter<byte>();
        stream.Push(bytes, nowhere);
        stream.Complete(nowhere);
        return stream is { Ended: true, Failed: false } ? new AnswerReading(steps.Text.ToString(), steps.Calls, EndOf(steps.Finish), steps.Model) : null;
    }

    // https://platform.openai.com/docs/api-reference/responses/object, 2026-11-30.
    private static AnswerReading? OfResponses(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty)
            return null;
        using var document = JsonDocument.Parse(bytes);
        var response = document.RootElement;
        var (text, calls, refused) = (new StringBuilder(), new List<MadeCall>(), false);
        foreach (var item in Wires.Array(response, "output"))
        {
            if (Wires.Text(item, "type") == "function_call")
                calls.Add(new MadeCall(Wires.Text(item, "name") ?? "", Wires.Text(item, "arguments") ?? ""));
            foreach (var part in Wires.Array(item, "content"))
            {
                text.Append(Wires.Text(part, "text"));
                refused |= Wires.Text(part, "type") == "refusal";
            }
        }

        return Wires.Text(response, "status") switch
        {
            "completed" => new AnswerReading(text.ToString(), calls, refused ? AnswerEnd.Refused : AnswerEnd.Whole, Wires.Text(response, "model")),
            "incomplete" => new AnswerReading(
                text.ToString(), calls, Wires.Text(Wires.Object(response, "incomplete_details"), "reason") == "content_filter" ? AnswerEnd.Refused : AnswerEnd.CutShort, Wires.Text(response, "model")),
            _ => null,
        };
    }

    private static AnswerEnd EndOf(Finish finish) => finish switch
    {
        Finish.Length => AnswerEnd.CutShort,
        Finish.Filtered => AnswerEnd.Refused,
        _ => AnswerEnd.Whole,
    };

    private sealed class Steps : StepWriter
    {
        private readonly List<(string Name, StringBuilder Arguments)> _calls = [];

        public StringBuilder Text { get; } = new();

        public Finish Finish { get; private set; } = Finish.Other;

        public string? Model { get; private set; }

        public IReadOnlyList<MadeCall> Calls => _calls.ConvertAll(c => new MadeCall(c.Name, c.Arguments.ToString()));

        public override void Write(Step step, IBufferWriter<byte> output)
        {
            switch (step)
            {
                case Step.Start start:
                    Model = start.Model;
                    break;
                case Step.Text text:
                    Text.Append(text.Piece);
                    break;
                case Step.CallStart call:
                    _calls.Add((call.Name, new StringBuilder()));
                    break;
                case Step.Arguments arguments when arguments.Call >= 0 && arguments.Call < _calls.Count:
                    _calls[arguments.Call].Arguments.Append(arguments.Piece);
                    break;
                case Step.Finished finished:
                    Finish = finished.Finish;
                    break;
            }
        }
    }

    // The last event of a stream of responses has the whole of it.
    private sealed class LastResponse : ISseSink
    {
        private readonly ArrayBufferWriter<byte> _event = new(4096);
        private byte[] _response = [];

        public static ReadOnlyMemory<byte> In(ReadOnlySpan<byte> bytes)
        {
            var sink = new LastResponse();
            var events = new SseReader(sink);
            events.Feed(bytes);
            events.End();
            return sink._response;
        }

        public void Data(ReadOnlySpan<byte> bytes) => _event.Write(bytes);

        public void EventEnd(bool done)
        {
            if (!done && _event.WrittenSpan.IndexOf("response.completed"u8) >= 0 | _event.WrittenSpan.IndexOf("response.incomplete"u8) >= 0)
            {
                using var document = JsonDocument.Parse(_event.WrittenMemory);
                if (Wires.Text(document.RootElement, "type") is "response.completed" or "response.incomplete" && Wires.Object(document.RootElement, "response") is { ValueKind: JsonValueKind.Object } response)
                    _response = JsonSerializer.SerializeToUtf8Bytes(response);
            }

            _event.ResetWrittenCount();
        }
    }
}
