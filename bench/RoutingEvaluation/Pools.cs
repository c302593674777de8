using System.Text.Json;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Bench.RoutingEvaluation;

/// <summary>One prompt that both models of a pool answered.</summary>
public sealed record Row(string Id, string Dataset, RoutingLabel Label)
{
    public double Strong => Label.Strong;

    public double Candidate => Label.Candidate;

    public double StrongUsd => (double)Label.StrongCost.Usd;

    public double CandidateUsd => (double)Label.CandidateCost.Usd;
}

/// <summary>Traffic as a tenant may have it: several datasets, of which each is a traffic class, and two models.</summary>
/// <param name="Ratio">What the candidate costs of the strong, where a row lacks its costs: then none of the pool's rows are used with theirs.</param>
public sealed record PoolSource(string Name, string Strong, string Candidate, IReadOnlyList<string> Files, double Ratio);

/// <param name="Train">Labels are drawn from these.</param>
/// <param name="Test">All is measured on these.</param>
/// <param name="IsAssumed">The costs are a ratio.</param>
public sealed record Pool(PoolSource Source, IReadOnlyList<Row> Train, IReadOnlyList<Row> Test, bool IsAssumed)
{
    private static readonly string[] ZeroEval = ["zeroeval_gsm", "zeroeval_crux", "zeroeval_math_l5"];

    /// <summary>Nine mixed pools, and one of a single dataset.</summary>
    public static IReadOnlyList<PoolSource> Sources { get; } =
    [
        new("gpt-4o / 4o-mini: gsm, crux, math", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", ZeroEval, 0.05),
        new("o1-mini / 4o-mini: same", "o1-mini-2024-09-12", "gpt-4o-mini-2024-07-18", ZeroEval, 0.05),
        new("sonnet 3.5 / haiku 3: same, tools", "claude-3-5-sonnet-20240620", "claude-3-haiku-20240307", [.. ZeroEval, "bfcl_2024_08_11"], 0.05),
        new("gemini 1.5 pro / flash: MMLU-Pro", "gemini-1.5-pro-002", "gemini-1.5-flash-002", ["mmlu_pro"], 0.05),
        new("sonnet 3.5 v2 / haiku 3.5: gsm, crux, math", "claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022", ZeroEval, 0.05),
        new("nemotron 51b / mistral 7b: 14 tasks", "llama-3.1-nemotron-51b-instruct", "mistral-7b-instruct-v0.3", ["llmrouter_ulab"], 0.05),
        new("gpt-4 turbo / mixtral: six sets", "gpt-4-1106-preview", "mixtral-8x7b", ["routellm_mmlu", "routellm_gsm8k", "routerbench_subset", "bfcl_2024_08_11"], 0.05),
        new("llama 3 70b / 8b: gsm, crux, math, tools", "llama-3-70b", "llama-3-8b", [.. ZeroEval, "bfcl_2024_08_11"], 0.2),
        new("llama 3.1 70b / 8b: gsm, crux, math, MMLU-Pro", "llama-3.1-70b", "llama-3.1-8b", [.. ZeroEval, "mmlu_pro"], 0.22),
        new("gpt-4 turbo / mixtral: MMLU alone", "gpt-4-1106-preview", "mixtral-8x7b", ["routellm_mmlu"], 0.05),
    ];

    /// <summary>How many of <see cref="Sources"/> are mixed; the goals are about these.</summary>
    public const int Mixed = 9;

    /// <param name="folder">With the files.</param>
    /// <param name="split">What is measured on: <c>dev</c>, or another that the files have; <c>train</c> for what is chosen: <see cref="Trials.Part"/>.</param>
    public static IReadOnlyList<Pool> Read(string folder, string split, IEnumerable<PoolSource> sources)
    {
        var secret = "the evaluation's own secret"u8.ToArray();
        var features = new Dictionary<string, double[]>();
        return [.. sources.Select(ReadOne)];

        Pool ReadOne(PoolSource source)
        {
            var (rows, seen) = (new List<(string Split, Row Row, bool HasCosts)>(), new HashSet<string>());
            foreach (var file in source.Files)
                foreach (var line in File.ReadLines(Path.Combine(folder, file + ".jsonl")))
                {
                    using var document = JsonDocument.Parse(line);
                    var (json, models) = (document.RootElement, document.RootElement.GetProperty("models"));
                    var (id, dataset) = (json.GetProperty("id").GetString()!, json.GetProperty("dataset").GetString()!);
                    if (!models.TryGetProperty(source.Strong, out var strong) || !models.TryGetProperty(source.Candidate, out var candidate) || !seen.Add(id))
                        continue;
                    if (!features.TryGetValue(id, out var counted))
                        PromptFeatures.Read(json.GetProperty("prompt").GetString(), features[id] = counted = new double[PromptFeatures.Count]);
                    var (a, b) = (Cost(strong), Cost(candidate));
                    var label = new RoutingLabel(
                        TrafficClass.Of(secret, "evaluation", dataset, [], ""), counted, strong.GetProperty("score").GetDouble(), candidate.GetProperty("score").GetDouble(), a ?? NanoUsd.Zero, b ?? NanoUsd.Zero);
                    rows.Add((json.GetProperty("split").GetString()!, new Row(id, dataset, label), a is not null && b is not null));
                }

            var assumed = rows.Exists(r => !r.HasCosts && (r.Split == "train" || r.Split == split));
            IReadOnlyList<Row> Of(string name) => [.. rows.Where(r => r.Split == name).Select(r => assumed ? Assumed(r.Row) : r.Row)];
            Row Assumed(Row row) => row with { Label = row.Label with { StrongCost = NanoUsd.Round(1), CandidateCost = NanoUsd.Round((decimal)source.Ratio) } };
            var train = Of("train");
            return new Pool(source, train, split == "train" ? train : Of(split), assumed);
        }
    }

    private static NanoUsd? Cost(JsonElement model) => model.TryGetProperty("cost_usd", out var cost) && cost.ValueKind == JsonValueKind.Number ? new NanoUsd((long)Math.Round(cost.GetDouble() * NanoUsd.PerUsd)) : null;
}
