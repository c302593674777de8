using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Bench.RoutingEvaluation;

/// <summary>What checking tool calls after the answer gives, on BFCL: the cheap model first, the strong one where the check fails.</summary>
/// <param name="ByChance">The score if as many were escalated by chance.</param>
public sealed record CheckedCalls(int Prompts, double Cheap, double Strong, double WithCheck, double Escalated, double ByChance, double FailuresSeen);

/// <summary>
/// BFCL's scores are in the data folder; what the models wrote is not, since the repository with their answers states no licence. It is read from a copy of that repository's folder <c>2024-08-11/result</c>.
/// Prompted models write their calls as Python: <c>[f(a=1, b='x'), g()]</c>.
/// </summary>
public static class ToolCalls
{
    /// <param name="data">The data folder.</param>
    /// <param name="answers">The folder with a folder for each model.</param>
    /// <param name="asTexts">The values of Java's and JavaScript's tools must be texts; otherwise anything will do.</param>
    /// <param name="run">False: only the categories whose calls are compared, not run (BFCL's "AST").</param>
    public static CheckedCalls Check(string data, string answers, IReadOnlyList<string> splits, string cheap, string strong, bool run, bool asTexts)
    {
        var written = new Dictionary<string, Dictionary<string, string>>();
        var (prompts, cheapSum, strongSum, kept, escalated, failures, seen) = (0, 0d, 0d, 0d, 0, 0, 0);
        foreach (var line in File.ReadLines(Path.Combine(data, "bfcl_2024_08_11.jsonl")))
        {
            var row = JsonNode.Parse(line)!;
            var (category, prompt) = ((string)row["category"]!, (string)row["prompt"]!);
            if (!splits.Contains((string)row["split"]!) || (!run && (category == "rest" || category.StartsWith("executable", StringComparison.Ordinal))))
                continue;
            var number = int.Parse(((string)row["id"]!).Split('/')[^1], CultureInfo.InvariantCulture);
            if (!written.TryGetValue(category, out var texts))
                written[category] = texts = File.ReadLines(Path.Combine(answers, cheap, $"gorilla_openfunctions_v1_test_{category}_result.json")).Where(l => l.Length > 0)
                    .Select(l => JsonNode.Parse(l)!).ToDictionary(n => (string)n["id"]!, n => n["result"]!.ToString());
            var text = texts[$"{category}_{number - 1}"];
            var (a, b) = ((double)row["models"]![cheap]!["score"]!, (double)row["models"]![strong]!["score"]!);
            // To Java and JavaScript tools values are texts, so the request said to the model, whatever the tool's own schema says.
            var tools = Offered(prompt[(prompt.IndexOf("TOOLS: ", StringComparison.Ordinal) + 7)..], category is "java" or "javascript" ? new JsonObject(asTexts ? [KeyValuePair.Create<string, JsonNode?>("type", "string")] : []) : null);
            var fails = Python.Calls(text) is not { } calls || CheckAfter.Calls(calls, tools, callIsDue: true) is not null;
            prompts++;
            cheapSum += a;
            strongSum += b;
            kept += fails ? b : a;
            escalated += fails ? 1 : 0;
            failures += a < 1 ? 1 : 0;
            seen += a < 1 && fails ? 1 : 0;
        }

        var rate = (double)escalated / prompts;
        return new CheckedCalls(prompts, cheapSum / prompts, strongSum / prompts, kept / prompts, rate, ((1 - rate) * cheapSum / prompts) + (rate * strongSum / prompts), (double)seen / failures);
    }

    // Each: what stands for the schema of each argument; null where the tool's own is to be checked.
    private static List<OfferedTool> Offered(string json, JsonObject? each) =>
        [.. JsonNode.Parse(json)!.AsArray().Select(tool => new OfferedTool((string)tool!["name"]!, JsonSerializer.SerializeToElement(each is null ? Schema(tool["parameters"]!) : With(each, tool["parameters"]!))))];

    private static JsonObject With(JsonObject each, JsonNode parameters) => new()
    {
        ["properties"] = new JsonObject(parameters["properties"]!.AsObject().Select(p => KeyValuePair.Create<string, JsonNode?>(p.Key, each.DeepClone()))),
        ["required"] = parameters["required"]?.DeepClone(),
    };

    // BFCL's type names are Python's.
    private static JsonNode Schema(JsonNode node)
    {
        if (node is JsonArray array)
            return new JsonArray([.. array.Select(n => n is null ? null : Schema(n))]);
        if (node is not JsonObject of)
            return node.DeepClone();
        var made = new JsonObject();
        foreach (var (name, value) in of)
            made[name] = name == "type" && value is JsonValue type && type.TryGetValue<string>(out var text)
                ? text switch { "dict" => "object", "float" => "number", "tuple" => "array", _ => text }
                : value is null ? null : Schema(value);
        return made;
    }
}

/// <summary>A list of calls as Python writes them: keyword arguments whose values are literals.</summary>
internal sealed class Python
{
    private readonly string _text;
    private int _at;

    private Python(string text) => _text = text;

    /// <summary>Null where it doesn't parse.</summary>
    public static List<MadeCall>? Calls(string text)
    {
        var parser = new Python(text.Trim());
        try
        {
            return parser.List();
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private List<MadeCall> List()
    {
        var (calls, inBrackets) = (new List<MadeCall>(), Take('['));
        do
        {
            Space();
            if (inBrackets && Peek() == ']')
                break;
            calls.Add(Call());
            Space();
        }
        while (Take(','));
        if (inBrackets)
            Must(']');
        Space();
        return _at == _text.Length ? calls : throw new FormatException();
    }

    private MadeCall Call()
    {
        var name = Name();
        Must('(');
        var arguments = new JsonObject();
        Space();
        while (Peek() != ')')
        {
            var argument = Name();
            Must('=');
            // None says that an argument is left out.
            if (Value() is { } value)
                arguments[argument] = value;
            Space();
            if (!Take(','))
                break;
            Space();
        }

        Must(')');
        return new MadeCall(name, arguments.ToJsonString());
    }

    private JsonNode? Value()
    {
        Space();
        switch (Peek())
        {
            case '\'' or '"': return Text();
            case '[' or '(':
                var (close, items) = (Peek() == '[' ? ']' : ')', new JsonArray());
                _at++;
                for (Space(); Peek() != close; Space())
                {
                    items.Add(Value());
                    Space();
                    if (!Take(','))
                        break;
                }

                Must(close);
                return items;
            case '{':
                var made = new JsonObject();
                _at++;
                for (Space(); Peek() != '}'; Space())
                {
                    var key = Value()?.ToString() ?? "null";
                    Must(':');
                    made[key] = Value();
                    Space();
                    if (!Take(','))
                        break;
                }

                Must('}');
                return made;
        }

        var start = _at;
        while (_at < _text.Length && !",)]}: \n".Contains(_text[_at], StringComparison.Ordinal))
            _at++;
        var word = _text[start.._at];
        return word switch
        {
            "True" or "true" => true,
            "False" or "false" => false,
            "None" or "null" => null,
            // A name without quotes: Python would look for a variable. BFCL reads it as its text, and a constant product such as 2*3 as well.
            _ => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
                ? (number == Math.Floor(number) && Math.Abs(number) < 1e15 && !word.Contains('.', StringComparison.Ordinal) ? (long)number : JsonNode.Parse(number.ToString("R", CultureInfo.InvariantCulture))!)
                : word.Length > 0 ? word : throw new FormatException(),
        };
    }

    private string Text()
    {
        var (quote, made) = (_text[_at++], new StringBuilder());
        while (_at < _text.Length && _text[_at] != quote)
        {
            if (_text[_at] == '\\' && _at + 1 < _text.Length)
                _at++;
            made.Append(_text[_at++]);
        }

        Must(quote);
        return made.ToString();
    }

    private string Name()
    {
        Space();
        var start = _at;
        while (_at < _text.Length && (char.IsLetterOrDigit(_text[_at]) || _text[_at] is '_' or '.' or '-'))
            _at++;
        return _at > start ? _text[start.._at] : throw new FormatException();
    }

    private char Peek() => _at < _text.Length ? _text[_at] : '\0';

    private bool Take(char c)
    {
        Space();
        if (Peek() != c)
            return false;
        _at++;
        return true;
    }

    private void Must(char c)
    {
        if (!Take(c))
            throw new FormatException();
    }

    private void Space()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
            _at++;
    }
}
