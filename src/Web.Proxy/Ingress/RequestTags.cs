using System.Text;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>The tags of one call: the key's, and over them those of <c>X-Tokonomics-Tags: feature=search,customer=acme</c>.</summary>
internal static class RequestTags
{
    public const string Header = "X-Tokonomics-Tags";

    /// <summary>All tags of the call; a problem where the header can't be read.</summary>
    public static (IReadOnlyList<Tag> Tags, string? Problem) Read(HttpRequest request, IReadOnlyList<Tag> ofKey)
    {
        if (!request.Headers.TryGetValue(Header, out var header) || Text(header.ToString()) is not { Length: > 0 } text)
            return (ofKey, null);
        var tags = new List<Tag>(4);
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            if (at < 1)
                return (ofKey, $"{Header}: '{Shown(part)}' is not name=value");
            if (Add(tags, part[..at].Trim(), part[(at + 1)..].Trim()) is { } problem)
                return (ofKey, $"{Header}: {problem}");
        }

        return Over(ofKey, tags) is { } tooMany ? (ofKey, $"{Header}: {tooMany}") : (tags, null);
    }

    /// <summary>The same of tags that came in another way.</summary>
    public static (IReadOnlyList<Tag> Tags, string? Problem) Read(IReadOnlyDictionary<string, string> given, IReadOnlyList<Tag> ofKey)
    {
        var tags = new List<Tag>(given.Count);
        foreach (var (name, value) in given)
            if (Add(tags, name, value) is { } problem)
                return (ofKey, problem);
        return Over(ofKey, tags) is { } tooMany ? (ofKey, tooMany) : (tags, null);
    }

    private static string? Add(List<Tag> tags, string written, string value)
    {
        if (KeyTags.NormalName(written) is not { } name)
            return $"'{Shown(written)}' is not a name of 1 to 64 letters, digits, '_', '.', '-' that begins with a letter";
        if (!KeyTags.IsValue(value))
            return $"the value of '{name}' must have 1 to {KeyTags.MaxValueLength} characters, none of them a control character";
        if (tags.Exists(t => t.Name == name))
            return $"'{name}' stands there twice";
        tags.Add(new Tag(name, value));
        return null;
    }

    private static string? Over(IReadOnlyList<Tag> ofKey, List<Tag> tags)
    {
        foreach (var tag in ofKey)
            if (!tags.Exists(t => t.Name == tag.Name))
                tags.Add(tag);
        return tags.Count > KeyTags.MaxTags ? $"at most {KeyTags.MaxTags} tags for a call, those of its key included" : null;
    }

    // Header bytes arrive one character each. Clients write UTF-8; what isn't, stays what it is.
    private static string Text(string latin1)
    {
        if (Ascii.IsValid(latin1))
            return latin1;
        try
        {
            return Utf8.GetString(Encoding.Latin1.GetBytes(latin1));
        }
        catch (DecoderFallbackException)
        {
            return latin1;
        }
    }

    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    private static string Shown(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
