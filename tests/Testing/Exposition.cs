using System.Globalization;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;

namespace Tokonomics.Testing;

/// <summary>One scrape, read: Prometheus's text format.</summary>
public sealed partial class Exposition
{
    private readonly List<(string Name, Dictionary<string, string> Labels, double Value)> _samples = [];

    public Exposition(string text)
    {
        Text = text;
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
                Types[line.Split(' ')[2]] = line.Split(' ')[3];
            if (line.StartsWith('#') || !Sample().IsMatch(line))
                continue;
            var match = Sample().Match(line);
            var labels = Label().Matches(match.Groups[2].Value).ToDictionary(l => l.Groups[1].Value, l => l.Groups[2].Value);
            _samples.Add((match.Groups[1].Value, labels, double.Parse(match.Groups[3].Value.Replace("+Inf", "Infinity", StringComparison.Ordinal), CultureInfo.InvariantCulture)));
        }
    }

    public string Text { get; }

    /// <summary>By family.</summary>
    public Dictionary<string, string> Types { get; } = [];

    /// <summary>Names of samples: of a histogram those with <c>_bucket</c>, <c>_sum</c> and <c>_count</c>.</summary>
    public IEnumerable<string> Names => _samples.Select(s => s.Name).Distinct();

    public const string Token = "scrape-token-0123456789abcdef0123456789";

    public static async Task<Exposition> OfAsync(TestProduct product, string? token = Token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(product.Url, "/metrics"));
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var answer = await product.Client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return new Exposition(await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Scrapes until what is looked for is there, a minute at most. A scrape is kept for a third of a second: the next may be the same.</summary>
    public static async Task<Exposition> WhenAsync(TestProduct product, Func<Exposition, bool> seen)
    {
        for (var tries = 0; ; tries++)
        {
            var scraped = await OfAsync(product);
            if (seen(scraped))
                return scraped;
            if (tries == 300)
                throw new InvalidOperationException("it was not scraped:\n" + scraped.Text);
            await Task.Delay(200);
        }
    }

    /// <summary>The sum of all samples of the name that have these labels.</summary>
    public double Sum(string name, params (string Label, string Value)[] labels) =>
        _samples.Where(s => s.Name == name && labels.All(l => s.Labels.GetValueOrDefault(l.Label) == l.Value)).Sum(s => s.Value);

    public bool Has(string name, params (string Label, string Value)[] labels) => _samples.Exists(s => s.Name == name && labels.All(l => s.Labels.GetValueOrDefault(l.Label) == l.Value));

    public IEnumerable<string> LabelsOf(string name) => _samples.Where(s => s.Name == name).SelectMany(s => s.Labels.Keys).Distinct();

    public IEnumerable<string> Values(string label) => _samples.Where(s => s.Labels.ContainsKey(label)).Select(s => s.Labels[label]).Distinct();

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)( \d+)?$""")]
    private static partial Regex Sample();

    [GeneratedRegex("""([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|\})""")]
    private static partial Regex Label();
}
