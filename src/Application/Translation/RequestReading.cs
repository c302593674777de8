using System.Text;
using System.Text.Json;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Translation;

/// <summary>What a request asks for, as far as an answer can be checked against it, whatever its dialect. In memory only.</summary>
/// <param name="CallIsDue">It demands a call of a tool.</param>
/// <param name="WantsJson">It demands JSON.</param>
/// <param name="Schema">The schema that the JSON must have; null for any.</param>
public sealed record RequestReading(IReadOnlyList<OfferedTool> Tools, bool CallIsDue, bool WantsJson, JsonElement? Schema)
{
    private static readonly JsonElement AnyObject = JsonDocument.Parse("{}").RootElement.Clone();

    private NeutralRequest? _request;

    /// <summary>A program can say that an answer to it is wrong.</summary>
    public bool CanBeChecked => Tools.Count > 0 || WantsJson;

    /// <returns>Null where it isn't read: another dialect, or no request.</returns>
    public static RequestReading? Of(string dialect, ReadOnlyMemory<byte> body)
    {
        if (!Translator.Clients.TryGetValue(dialect, out var wire))
            return null;
        try
        {
            using var document = JsonDocument.Parse(body);
            // What is kept of it outlives the document.
            var request = wire.ReadRequest(document.RootElement.Clone(), stream: false, new Carriage());
            return new RequestReading(
                request.Tools.ConvertAll(t => new OfferedTool(t.Name, t.Schema ?? AnyObject)), request.Choice?.Value.Choosing is Choosing.Any or Choosing.One, request.Format is not null, request.Format?.Value.Schema) { _request = request };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>The conversation as somebody reads it who is to judge an answer: of long ones their instructions' beginning, and their end.</summary>
    /// <param name="mostChars">Some more may come: names of who speaks.</param>
    public string Transcript(int mostChars)
    {
        var text = new StringBuilder();
        var instructions = string.Join('\n', _request!.System.Select(s => s.Value));
        if (instructions.Length > 0)
            text.Append("[instructions]\n").Append(Ends(instructions, mostChars / 4)).Append('\n');
        if (Tools.Count > 0)
            text.Append("[tools offered] ").AppendJoin(", ", Tools.Select(t => t.Name)).Append('\n');
        var turns = new List<string>();
        var left = mostChars - text.Length;
        // From the last one back, as far as there is room.
        for (var i = _request.Turns.Count - 1; i >= 0 && left > 0; i--)
        {
            var turn = _request.Turns[i];
            var said = string.Join('\n', turn.Parts.Select(Said));
            turns.Add($"[{turn.Speaker.ToString().ToLowerInvariant()}]\n{Ends(said, left)}");
            left -= said.Length;
        }

        turns.Reverse();
        return text.AppendJoin('\n', turns).ToString();
    }

    private static string Said(Part part) => part switch
    {
        TextPart text => text.Text,
        ToolCallPart call => $"(calls {call.Name} with {call.Arguments})",
        ToolResultPart result => $"(result of {result.Name}: {string.Join('\n', result.Content.Select(Said))})",
        MediaPart media => $"({media.MediaType ?? "image"})",
        _ => "",
    };

    private static string Ends(string text, int most) => text.Length <= most || most < 8 ? text : $"{text[..(most / 2)]}\n…\n{text[^(most / 2)..]}";
}
