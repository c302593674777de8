using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>The tags of one call: the key's, and over them those of <c>X-Tokonomics-Tags: feature=search,customer=acme</c>.</summary>
internal static class RequestTags
{
    public const string Header = "X-Tokonomics-Tags";
    public const int MaxTags = 16;
    public const int MaxValueLength = 256;

    /// <summary>All tags of the call; a problem where the header can't be read.</summary>
    public static (IReadOnlyList<Tag> Tags, string? Problem) Read(HttpRequest request, IReadOnlyList<Tag> ofKey)
    {
        if (!request.Headers.TryGetValue(Header, out var header) || header.ToString() is not { Length: > 0 } text)
            return (ofKey, null);
        var tags = new List<Tag>(4);
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            if (at < 1)
                return (ofKey, $"{Header}: '{Shown(part)}' is not name=value");
            var name = part[..at].Trim().ToLowerInvariant();
            var value = part[(at + 1)..].Trim();
            if (!IsName(name))
                return (ofKey, $"{Header}: '{Shown(name)}' is not a name of 1 to 64 letters, digits, '_', '.', '-' that begins with a letter");
            if (value.Length is 0 or > MaxValueLength)
                return (ofKey, $"{Header}: the value of '{name}' must have 1 to {MaxValueLength} characters");
            if (tags.Exists(t => t.Name == name))
                return (ofKey, $"{Header}: '{name}' stands there twice");
            tags.Add(new Tag(name, value));
        }

        foreach (var tag in ofKey)
            if (!tags.Exists(t => t.Name == tag.Name))
                tags.Add(tag);
        return tags.Count > MaxTags ? (ofKey, $"{Header}: at most {MaxTags} tags for a call, those of its key included") : (tags, null);
    }

    private static bool IsName(string name)
    {
        if (name.Length is 0 or > 64 || !char.IsAsciiLetter(name[0]))
            return false;
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-'))
                return false;
        return true;
    }

    private static string Shown(string text) => text.Length <= 40 ? text : text[..40] + "…";
}
