using System.Text.Json;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Domain.Keys;

/// <summary>The rules for tags, and the one form in which keys and ledger store them.</summary>
public static class KeyTags
{
    public const int MaxTags = 16;
    public const int MaxNameLength = 64;
    public const int MaxValueLength = 256;

    /// <summary>The name in lower case, or null where it isn't a letter followed by letters, digits, <c>_ . -</c>, 64 in all at most.</summary>
    public static string? NormalName(string? name)
    {
        if (string.IsNullOrEmpty(name) || name.Length > MaxNameLength || !char.IsAsciiLetter(name[0]))
            return null;
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-'))
                return null;
        return name.ToLowerInvariant();
    }

    /// <summary>Any text of 1 to 256 characters without control characters or halves of surrogate pairs.</summary>
    public static bool IsValue(string? value)
    {
        if (string.IsNullOrEmpty(value) || value.Length > MaxValueLength)
            return false;
        for (var i = 0; i < value.Length; i++)
        {
            if (char.IsControl(value[i]))
                return false;
            if (char.IsSurrogate(value[i]) && (i + 1 == value.Length || !char.IsSurrogatePair(value[i], value[++i])))
                return false;
        }

        return true;
    }

    /// <summary>Null where the tags are allowed; otherwise the sentence that says which isn't and why.</summary>
    public static string? Problem(IReadOnlyList<Tag> tags)
    {
        if (tags.Count > MaxTags)
            return $"{tags.Count} tags are more than the {MaxTags} that a key may carry.";
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, value) in tags)
        {
            if (NormalName(name) is not { } normal)
                return $"Tag '{name}': a name is a letter followed by letters, digits, '_', '.' or '-', {MaxNameLength} characters at most.";
            if (!IsValue(value))
                return $"Tag '{normal}': a value is 1 to {MaxValueLength} printable characters.";
            if (!names.Add(normal))
                return $"Tag '{normal}' is given twice.";
        }

        return null;
    }

    /// <summary>A JSON object, names in lower case and in ordinal order, of two equal names the last: <c>{"feature":"search"}</c>.</summary>
    public static string Write(IReadOnlyList<Tag> tags)
    {
        if (tags.Count == 0)
            return "{}";
        if (tags is [var (only, text)] && IsPlain(text) && !only.AsSpan().ContainsAnyInRange('A', 'Z') && IsPlain(only))
            return $"{{\"{only}\":\"{text}\"}}";
        var sorted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in tags)
            sorted[name.ToLowerInvariant()] = value;
        return JsonSerializer.Serialize(sorted);
    }

    // Of characters that JSON has as they are, however strict who writes it is.
    private static bool IsPlain(string text)
    {
        foreach (var c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-' or ' ' or ':' or '/' or '@'))
                return false;
        return true;
    }

    /// <summary>Reads what <see cref="Write"/> writes.</summary>
    public static IReadOnlyList<Tag> Read(string json)
    {
        if (json is "" or "{}")
            return [];
        var pairs = JsonSerializer.Deserialize<SortedDictionary<string, string>>(json)!;
        return [.. pairs.Select(pair => new Tag(pair.Key, pair.Value))];
    }
}
