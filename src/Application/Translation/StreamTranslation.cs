using System.Buffers;
using System.Text.Json;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Translation;

/// <summary>
/// One stream on its way to a client of another dialect. Bytes come in pieces cut anywhere; each event leaves as soon as it is known. Memory holds one
/// event at most, and what the client's dialect repeats at its end. Never throws.
/// </summary>
public sealed class StreamTranslation : ISseSink
{
    /// <summary>A larger event ends the stream with an error.</summary>
    public const int MaxEventBytes = 16 * 1024 * 1024;

    private readonly SseReader _events;
    private readonly StepReader _reader;
    private readonly StepWriter _writer;
    private readonly IProviderWire _provider;
    private readonly ProviderQuirks _quirks;
    private readonly Carriage _carriage = new();
    private readonly ArrayBufferWriter<byte> _event = new(4096);
    private IBufferWriter<byte> _output = new ArrayBufferWriter<byte>();
    private bool _closing;

    internal StreamTranslation(IProviderWire provider, StepWriter writer, ProviderQuirks quirks)
    {
        _provider = provider;
        _quirks = quirks;
        _reader = provider.ReadStream(Next, quirks, _carriage);
        _writer = writer;
        _events = new SseReader(this);
    }

    /// <summary>The answer came to its end, and the client has been told so. False at the end of a stream that broke off.</summary>
    public bool Ended { get; private set; }

    /// <summary>The provider told an error amid the stream, or an event could not be read; the client has been told, and nothing follows.</summary>
    public bool Failed { get; private set; }

    /// <summary>What of the answer the client's dialect can't say, as far as it has come.</summary>
    public IReadOnlyList<NotCarried> Notes => _carriage.Notes;

    /// <summary>The next bytes of the provider's stream, decompressed.</summary>
    public void Push(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        _output = output;
        _events.Feed(bytes);
    }

    /// <summary>The provider's stream is over. Where it broke off before the model's end, no end is made up.</summary>
    public void Complete(IBufferWriter<byte> output)
    {
        _output = output;
        _closing = true;
        _events.End();
        if (!Failed)
            _reader.Closed();
    }

    /// <summary>A whole answer where a stream was asked for: some providers do that. Takes the place of all else.</summary>
    /// <returns>False where it can't be read as an answer; nothing is written then.</returns>
    public bool Whole(ReadOnlyMemory<byte> body, IBufferWriter<byte> output)
    {
        _output = output;
        NeutralAnswer answer;
        try
        {
            using var document = JsonDocument.Parse(body);
            answer = _provider.ReadAnswer(document.RootElement, _quirks, _carriage);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }

        if (answer.Usage is { } usage)
            Next(new Step.Counted(usage));
        Next(new Step.Start(answer.Id, answer.Model));
        var calls = 0;
        foreach (var part in answer.Parts)
        {
            switch (part)
            {
                case TextPart { Text.Length: > 0 } text:
                    Next(new Step.Text(text.Text));
                    break;

                case ThinkingPart { Text.Length: > 0 } thought:
                    Next(new Step.Thinking(thought.Text));
                    break;

                case ToolCallPart call:
                    Next(new Step.CallStart(calls, call.Id, call.Name));
                    Next(new Step.Arguments(calls++, call.Arguments.Length == 0 ? "{}" : call.Arguments));
                    break;
            }
        }

        Next(new Step.Finished(answer.Finish, answer.StopSequence));
        Next(new Step.End());
        return true;
    }

    void ISseSink.Data(ReadOnlySpan<byte> bytes)
    {
        if (Failed)
            return;
        if (_event.WrittenCount + bytes.Length > MaxEventBytes)
            Next(new Step.Failed(new(502, "event_too_large", "an event of the provider's stream is larger than 16 MiB", null)));
        else
            _event.Write(bytes);
    }

    void ISseSink.EventEnd(bool done)
    {
        if (Failed)
            return;
        if (done)
        {
            _reader.Done();
            return;
        }

        if (_event.WrittenCount == 0)
            return;
        try
        {
            using var document = JsonDocument.Parse(_event.WrittenMemory);
            _reader.Event(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Half an event at the end is where the stream broke off; amid the stream it would be a hole in the answer.
            if (!_closing)
                Next(new Step.Failed(new(502, "event_unreadable", "an event of the provider's stream can't be read", null)));
        }

        _event.ResetWrittenCount();
    }

    private void Next(Step step)
    {
        if (Failed || Ended)
            return;
        _writer.Write(step, _output);
        Failed |= step is Step.Failed;
        Ended |= step is Step.End;
    }
}
