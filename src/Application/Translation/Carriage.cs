using System.Text.Json;

namespace Tokonomics.Application.Translation;

/// <summary>Something of a request that the provider's dialect can't say.</summary>
/// <param name="Path">Where it stands in the client's request: <c>messages[2].content[0].cache_control</c>; empty for the body as a whole.</param>
/// <param name="Why">A clause that says why: <c>Anthropic's messages can't say it</c>.</param>
public sealed record NotCarried(string Path, string Why)
{
    public override string ToString() => Path.Length == 0 ? Why : $"{Path}: {Why}";
}

/// <summary>What one translation could not carry: refused where it changes what is asked, noted where it is only a hint.</summary>
internal sealed class Carriage
{
    private const int MaxTold = 32;

    public List<NotCarried> Refused { get; } = [];

    public List<NotCarried> Notes { get; } = [];

    public void Refuse(string path, string why) => Add(Refused, path, why);

    public void Note(string path, string why) => Add(Notes, path, why);

    private static void Add(List<NotCarried> list, string path, string why)
    {
        var told = new NotCarried(path, why);
        if (list.Count < MaxTold && !list.Contains(told))
            list.Add(told);
    }
}

/// <summary>A value that the request says, and where.</summary>
internal sealed record Said<T>(T Value, string Path);

/// <summary>
/// One object of a request, read so that nothing of it is lost: each field is taken, noted or refused, and what is left at the <see cref="End"/> is
/// refused by its name. So a field that a provider invents tomorrow is refused, not dropped.
/// </summary>
internal sealed class Fields
{
    private readonly Carriage _carriage;
    private readonly bool _anyCase;
    private readonly List<JsonProperty> _left;

    /// <param name="anyCase">Names may be written with underscores, as Google's JSON allows: <c>inline_data</c> for <c>inlineData</c>.</param>
    public Fields(JsonElement json, string path, Carriage carriage, bool anyCase = false)
    {
        Path = path;
        _carriage = carriage;
        _anyCase = anyCase;
        _left = [];
        if (json.ValueKind != JsonValueKind.Object)
        {
            carriage.Refuse(path, "must be an object");
            return;
        }

        foreach (var property in json.EnumerateObject())
            if (property.Value.ValueKind != JsonValueKind.Null)
                _left.Add(property);
    }

    public string Path { get; }

    public string At(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    /// <summary>Takes the field; false where it is absent or null. <paramref name="path"/> is as the client wrote it.</summary>
    public bool Take(string name, out JsonElement value, out string path)
    {
        for (var i = 0; i < _left.Count; i++)
        {
            if (!Same(_left[i].Name, name))
                continue;
            path = At(_left[i].Name);
            value = _left[i].Value;
            _left.RemoveAt(i);
            return true;
        }

        path = At(name);
        value = default;
        return false;
    }

    public bool Take(string name, out JsonElement value) => Take(name, out value, out _);

    public Said<string>? Text(string name)
    {
        if (!Take(name, out var value, out var path))
            return null;
        if (value.ValueKind == JsonValueKind.String)
            return new(value.GetString()!, path);
        _carriage.Refuse(path, "must be a string");
        return null;
    }

    public Said<bool>? Flag(string name)
    {
        if (!Take(name, out var value, out var path))
            return null;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return new(value.GetBoolean(), path);
        _carriage.Refuse(path, "must be true or false");
        return null;
    }

    public Said<long>? Whole(string name)
    {
        if (!Take(name, out var value, out var path))
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number) && number == decimal.Truncate(number) && Math.Abs(number) <= long.MaxValue)
            return new((long)number, path);
        _carriage.Refuse(path, "must be a whole number");
        return null;
    }

    public Said<decimal>? Number(string name)
    {
        if (!Take(name, out var value, out var path))
            return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number))
            return new(number, path);
        _carriage.Refuse(path, "must be a number");
        return null;
    }

    public Fields? Object(string name) => Take(name, out var value, out var path) ? new Fields(value, path, _carriage, _anyCase) : null;

    /// <summary>The elements of an array of objects; none where it is absent.</summary>
    public IEnumerable<Fields> Objects(string name)
    {
        foreach (var (element, path) in Elements(name))
            yield return new Fields(element, path, _carriage, _anyCase);
    }

    public IEnumerable<(JsonElement Element, string Path)> Elements(string name)
    {
        if (!Take(name, out var value, out var path))
            yield break;
        // Google takes one object for an array of one.
        if (_anyCase && value.ValueKind == JsonValueKind.Object)
        {
            yield return (value, path);
            yield break;
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            _carriage.Refuse(path, "must be an array");
            yield break;
        }

        var i = 0;
        foreach (var element in value.EnumerateArray())
            yield return (element, $"{path}[{i++}]");
    }

    /// <summary>What is said as a text or as a list of parts: the text, unless it is empty, or each part.</summary>
    public IEnumerable<(Said<string>? Whole, Fields? Part)> Content(string name)
    {
        if (!Take(name, out var content, out var path))
            yield break;
        switch (content.ValueKind)
        {
            case JsonValueKind.String:
                if (content.GetString() is { Length: > 0 } text)
                    yield return (new(text, path), null);
                break;

            case JsonValueKind.Array:
                var i = 0;
                foreach (var element in content.EnumerateArray())
                    yield return (null, new Fields(element, $"{path}[{i++}]", _carriage, _anyCase));
                break;

            default:
                _carriage.Refuse(path, "must be text or an array of parts");
                break;
        }
    }

    public IEnumerable<Said<string>> Texts(string name)
    {
        foreach (var (element, path) in Elements(name))
        {
            if (element.ValueKind == JsonValueKind.String)
                yield return new(element.GetString()!, path);
            else
                _carriage.Refuse(path, "must be a string");
        }
    }

    /// <summary>A field that is a hint: it is left out, and said so, unless it is empty or says what is so anyway.</summary>
    public void Hint(string name, string why, params ReadOnlySpan<string> anyway)
    {
        if (Take(name, out var value, out var path) && !IsEmpty(value) && !Says(value, anyway))
            _carriage.Note(path, why);
    }

    /// <summary>A field that can't be carried, unless it is empty or says what is so anyway.</summary>
    public void Refuse(string name, string why, params ReadOnlySpan<string> anyway)
    {
        if (Take(name, out var value, out var path) && !IsEmpty(value) && !Says(value, anyway))
            _carriage.Refuse(path, why);
    }

    /// <summary>All that nobody took is refused by its name.</summary>
    public void End()
    {
        foreach (var property in _left)
            if (!IsEmpty(property.Value))
                _carriage.Refuse(At(property.Name), "is not carried to another dialect");
        _left.Clear();
    }

    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };

    private static bool Says(JsonElement value, ReadOnlySpan<string> anyway)
    {
        var said = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        foreach (var one in anyway)
            if (string.Equals(one, said, StringComparison.OrdinalIgnoreCase))
                return true;
        return false;
    }

    // inline_data is inlineData: underscores go, case with them.
    private bool Same(string written, string name)
    {
        if (written == name)
            return true;
        if (!_anyCase || !written.Contains('_', StringComparison.Ordinal))
            return false;
        var at = 0;
        var upper = false;
        foreach (var c in written)
        {
            if (c == '_')
            {
                upper = true;
                continue;
            }

            if (at >= name.Length || name[at++] != (upper ? char.ToUpperInvariant(c) : c))
                return false;
            upper = false;
        }

        return at == name.Length;
    }
}
