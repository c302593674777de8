using System.Globalization;
using System.Text;

namespace Tokonomics.Bench.Load;

/// <summary>Options of a command, each with a value; what follows <c>--</c> is <see cref="Rest"/>.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    public Arguments(string[] args)
    {
        var at = 0;
        for (; at + 1 < args.Length && args[at] != "--"; at += 2)
            _values[args[at].TrimStart('-')] = args[at + 1];
        Rest = at < args.Length && args[at] == "--" ? args[(at + 1)..] : [];
    }

    public string[] Rest { get; }

    public static int Usage(string why)
    {
        Console.Error.WriteLine(why);
        return 2;
    }

    public string Text(string name, string? otherwise = null) => _values.GetValueOrDefault(name) ?? otherwise ?? throw new ArgumentException($"--{name} is missing");

    public double Number(string name, double otherwise) => _values.TryGetValue(name, out var text) ? double.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    public int Count(string name, int otherwise) => (int)Number(name, otherwise);

    public Uri Url(string name = "url") => new(Text(name));

    /// <summary>A whole request with the body of a file, as it is sent on each connection again and again; null where the file isn't named.</summary>
    public byte[]? Request(string url = "url", string body = "body")
    {
        if (!_values.TryGetValue(body, out var file))
            return null;
        var content = File.ReadAllBytes(file);
        var to = Url(url);
        var head = new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"POST {to.PathAndQuery} HTTP/1.1\r\nHost: {to.Authority}\r\nAuthorization: Bearer {Text("key", "none")}\r\nContent-Type: application/json\r\n")
            .Append(CultureInfo.InvariantCulture, $"Content-Length: {content.Length}\r\n");
        // One header for each part between semicolons: X-Tokonomics-Tags: customer=acme; x-portkey-provider: openai
        foreach (var header in Text("headers", "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            head.Append(header).Append("\r\n");
        return [.. Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), .. content];
    }
}
