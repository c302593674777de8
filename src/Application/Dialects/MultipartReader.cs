using System.Text;
using Tokonomics.Domain.Metering;

namespace Tokonomics.Application.Dialects;

/// <summary>
/// Finds the short text fields of a multipart form (transcriptions, image edits): <c>model</c>, <c>stream</c>, <c>n</c> …. Files are
/// stepped over by searching for the boundary; nothing is copied.
/// </summary>
internal static class MultipartReader
{
    private const int MaxParts = 256;
    private const int MaxValueBytes = 64 * 1024;

    public static RequestPeek Read(in RequestFacts facts, ReadOnlySpan<byte> body, RequestShape shape)
    {
        if (Boundary(facts.ContentType!) is not { } boundary)
            return Refuse("The multipart body's content type names no boundary, or more than one. Send 'multipart/form-data; boundary=...'.");
        var mark = Encoding.UTF8.GetBytes("--" + boundary);
        var at = body.IndexOf(mark);
        // No form to be found: there is nothing that could be read in two ways, and the provider will say what it thinks of it.
        if (at < 0)
            return new RequestPeek { Model = facts.PathModel, Choices = 1, Stream = facts.PathStreams, PricingHints = "" };

        var extent = new RequestExtent { TextBytes = body.Length };
        var model = facts.PathModel;
        var stream = facts.PathStreams;
        long choices = 1, text = 0;
        var hints = new Hints();
        string? size = null, quality = null;
        var seen = 0u;
        body = body[(at + mark.Length)..];
        for (var parts = 0; parts < MaxParts && !body.StartsWith("--"u8); parts++)
        {
            var end = body.IndexOf(mark);
            if (end < 0)
                return Refuse("The multipart body ends in the middle of a part. Send all of it.");
            var part = body[..end];
            body = body[(end + mark.Length)..];
            var split = part.IndexOf("\r\n\r\n"u8);
            if (split < 0)
                continue;
            var value = part[(split + 4)..];
            if (value.EndsWith("\r\n"u8))
                value = value[..^2];
            if (IsFile(part[..split]))
                Recording.Add(extent, value);
            if (value.Length > MaxValueBytes || Name(part[..split]) is not { } name)
                continue;

            var field = FieldOf(name, shape);
            if (name == "prompt")
                text = value.Length;
            if (field == Field.None)
                continue;
            if ((seen & (1u << (int)field)) != 0)
                return Refuse($"The form has '{name}' more than once. Send it once: which of them the provider takes can't be known.");
            seen |= 1u << (int)field;
            switch (field)
            {
                case Field.Model:
                    model = Encoding.UTF8.GetString(value);
                    break;
                case Field.Stream:
                    stream = value.SequenceEqual("true"u8) || value.SequenceEqual("True"u8) || value.SequenceEqual("1"u8);
                    break;
                case Field.Choices when !long.TryParse(value, out choices) || choices is < 0 or > int.MaxValue:
                    return Refuse($"The form's '{name}' must be a whole number that is not negative.");
                case Field.Tier:
                    hints.Tier = Hints.PlainTier(value);
                    break;
                case Field.Size:
                    size = Hints.Lower(value);
                    break;
                case Field.Quality:
                    quality = Hints.Lower(value);
                    break;
            }
        }

        var units = new TokenUsage();
        if (shape.Units == FixedUnits.Images)
        {
            units[UsageUnit.Image] = Math.Max(1, choices);
            extent.ImageSettled = !string.IsNullOrEmpty(size) && size != "auto" && !string.IsNullOrEmpty(quality) && quality != "auto";
            hints.Image = $"{(string.IsNullOrEmpty(size) ? "1024x1024" : size)}/{(string.IsNullOrEmpty(quality) ? "standard" : quality)}";
        }

        return new RequestPeek
        {
            Model = model,
            Stream = stream,
            Choices = (int)Math.Max(1, choices),
            PromptBytes = text,
            Units = units,
            PricingHints = hints.ToString(),
            Extent = extent,
        };
    }

    private static bool IsFile(ReadOnlySpan<byte> headers) => headers.Length <= 4096 && headers.IndexOf("filename"u8) >= 0;

    private static RequestPeek Refuse(string problem) => new() { Problem = problem, Choices = 1, PricingHints = "" };

    private static Field FieldOf(string name, RequestShape shape)
    {
        for (var i = 0; i < shape.Count; i++)
            if (shape[i].Parent is null && shape[i].Key.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(name)))
                return shape[i].Field;
        return Field.None;
    }

    private static string? Boundary(string contentType)
    {
        string? found = null;
        foreach (var part in contentType.Split(';', StringSplitOptions.TrimEntries))
        {
            if (!part.StartsWith("boundary=", StringComparison.OrdinalIgnoreCase))
                continue;
            if (found is not null || part["boundary=".Length..].Trim('"') is not { Length: > 0 and <= 128 } boundary)
                return null;
            found = boundary;
        }

        return found;
    }

    // The field's name; null for a file, whose bytes are no value.
    private static string? Name(ReadOnlySpan<byte> headers)
    {
        if (headers.Length > 4096)
            return null;
        var text = Encoding.Latin1.GetString(headers);
        if (text.Contains("filename", StringComparison.OrdinalIgnoreCase))
            return null;
        var at = text.IndexOf("name=", StringComparison.OrdinalIgnoreCase);
        return at < 0 ? null : text[(at + 5)..].Split(';', '\r')[0].Trim().Trim('"');
    }
}
