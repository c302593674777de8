using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tokonomics.Application.Routing;
using Tokonomics.Bench.RoutingEvaluation;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Routing;

// Runs the routing of src/Domain/Routing on real prompts with real scores, and writes docs/routing/evaluation.md:
//   dotnet run -c Release --project bench/RoutingEvaluation -- [--data ../shared/routing] [--split dev] [--draws 80] [--bfcl FOLDER] [--out docs/routing/evaluation.md]
// The data folder has data/*.jsonl and evaluate.py; python3 runs that. --bfcl is the folder 2024-08-11/result of a copy of github.com/HuanzhiMao/BFCL-Result; without it tool calls are left out.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
string? Option(string name) => Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;
var folder = Option("--data") ?? Path.Combine("..", "shared", "routing");
var (split, draws) = (Option("--split") ?? "dev", int.Parse(Option("--draws") ?? "80"));
var data = Path.Combine(folder, "data");
int[] labels = [0, 50, 100, 200, 400, 800];
int[] shown = [100, 200, 400, 800];
int[] promised = [400, 800];
int[] lengths = [200, 2_000, 8_000, 32_000, 200_000];
int[] ends = [0, 2];
var pools = Pool.Read(data, split, Pool.Sources);
var apgr = new double[labels.Length, pools.Count, draws];
var routed = new Routed[labels.Length, QualityTarget.Usual.Count, pools.Count, draws];
var firstScores = new double[pools.Count][];

// 1. Draws.
Parallel.For(0, pools.Count * draws, job =>
{
    var (p, d) = (job / draws, job % draws);
    var pool = Trials.Part(pools[p], (1000 * d) + p);
    Trials.Draw(pool, (1000 * d) + p, labels, (count, sums) =>
    {
        var (n, model) = (Array.IndexOf(labels, count), RoutingModel.Of(sums));
        var scores = Trials.Scores(pool, model);
        apgr[n, p, d] = Trials.Apgr(pool.Test, scores);
        for (var t = 0; t < QualityTarget.Usual.Count; t++)
            routed[n, t, p, d] = Trials.Route(pool, sums, QualityTarget.Usual[t], model);
        if (count == 400 && d == 0)
            firstScores[p] = scores;
    });
});

// 2. The second opinion: evaluate.py on the first draw's scores. It knows whole splits only.
var apart = 0d;
for (var p = 0; p < pools.Count && split != "train"; p++)
    apart = Math.Max(apart, Math.Abs(Python(pools[p], firstScores[p]) - apgr[Array.IndexOf(labels, 400), p, 0]));

// 3. The page.
var page = new StringBuilder();
void Line(string text = "") => page.Append(text).Append('\n');
string Percent(double share, int places = 0) => (100 * share).ToString(places == 0 ? "f0" : "f1");
double Mean(Func<int, double> of) => Enumerable.Range(0, draws).Average(of);
double Median(IEnumerable<double> of) => of.Order().ElementAt(Pool.Mixed / 2);
var mixed = Enumerable.Range(0, Pool.Mixed).ToList();
double ApgrOf(int n, int p) => Mean(d => apgr[n, p, d]);
double Saved(int n, int t, int p) => Mean(d => routed[n, t, p, d].Saved);
double Missed(int n, int t, int p) => Mean(d => routed[n, t, p, d].Kept < QualityTarget.Usual[t].Target - QualityBound.Tolerance ? 1 : 0);
double MissedIn(int n, int t) => mixed.Average(p => Missed(n, t, p));
double MeanApgr(int n) => mixed.Average(p => ApgrOf(n, p));
double MedianSaved(int n, int t) => Median(mixed.Select(p => Saved(n, t, p)));
int At(int count) => Array.IndexOf(labels, count);
CheckedCalls? Checked(string[] splits, bool run, bool asTexts = false) => Option("--bfcl") is { } answers ? ToolCalls.Check(data, answers, splits, "claude-3-haiku-20240307", "claude-3-5-sonnet-20240620", run, asTexts) : null;
var calls = Checked(["train", split], run: false);
var times = lengths.Select(length => (length, Took: Times(length))).ToList();

Line("# Routing that keeps quality: what it does on real prompts");
Line();
Line($"Made by `dotnet run -c Release --project bench/RoutingEvaluation -- --split {split} --draws {draws}` on {TimeProvider.System.GetUtcNow():yyyy-MM-dd}; not edited by hand. All of it runs the product's own code (`src/Domain/Routing`).");
Line();
Line("## Goals");
Line();
Line("| goal | reached | |");
Line("|---|---|---|");
void Goal(string goal, string reached, bool? met) => Line($"| {goal} | {reached} | {(met is null ? "not measured" : met.Value ? "met" : "**missed**")} |");
Goal("without labels nothing is routed", $"{Percent(mixed.Max(p => Saved(0, 0, p)), 1)} % saved in any pool", mixed.All(p => Saved(0, 0, p) == 0));
Goal("order of prompts, 400 labels: APGR 0.64", $"{MeanApgr(At(400)):f3}", MeanApgr(At(400)) >= 0.64);
Goal("800 labels: APGR 0.66", $"{MeanApgr(At(800)):f3}", MeanApgr(At(800)) >= 0.66);
foreach (var t in ends) // keep 95 % and 99 %
    foreach (var count in promised)
        Goal($"keep {Percent(QualityTarget.Usual[t].Target)} %, {count} labels: at most a point below in 95 of 100 draws", $"{Percent(1 - MissedIn(At(count), t), 1)} of 100", MissedIn(At(count), t) <= 0.05);
Goal("keep 95 %, 400 labels: median saving 28 %", $"{Percent(MedianSaved(At(400), 0), 1)} %", MedianSaved(At(400), 0) >= 0.28);
Goal("keep 95 %, 800 labels: 32 %", $"{Percent(MedianSaved(At(800), 0), 1)} %", MedianSaved(At(800), 0) >= 0.32);
Goal("keep 99 %: 8 %", $"{Percent(MedianSaved(At(400), 2), 1)} % with 400 labels, {Percent(MedianSaved(At(800), 2), 1)} % with 800", MedianSaved(At(800), 2) >= 0.08);
Goal("tool calls checked afterwards (BFCL's AST categories): 97 % of strong, 12 % escalated at most", calls is null ? "" : $"{Percent(calls.WithCheck / calls.Strong, 1)} %, {Percent(calls.Escalated, 1)} % escalated", calls is null ? null : calls.WithCheck / calls.Strong >= 0.97 && calls.Escalated <= 0.12);
Goal("a decision, from the request's bytes: p99 below 100 us to 8,000 characters, below 1 ms at any length", $"{times[2].Took.P99:f0} us, {times[^1].Took.P99:f0} us", times.Take(3).All(t => t.Took.P99 < 100) && times.All(t => t.Took.P99 < 1000));
Line();
Line("## Order of prompts");
Line();
Line("APGR: the mean share of the gap between candidate and strong that is recovered, over all shares of calls that go to the strong model, those first that need it most. 0.5 is chance. "
    + $"Mean of {draws} draws of labels from the train split, on the {split} split{(split == "train" ? ", on the third of it that the draw's labels don't come from" : "")}. With 0 labels: untrained rules (length, maths, reasoning), by which nothing is ever routed.");
Line();
Line($"| pool | prompts | candidate/strong, cost | candidate, strong | {string.Join(" | ", labels.Select(l => $"{l}"))} |");
Line($"|---|---|---|---|{string.Concat(labels.Select(_ => "---|"))}");
for (var p = 0; p < pools.Count; p++)
{
    var test = pools[p].Test;
    Line($"| {pools[p].Source.Name} | {test.Count:n0} | {test.Sum(r => r.CandidateUsd) / test.Sum(r => r.StrongUsd):f3}{(pools[p].IsAssumed ? " assumed" : "")} | {Percent(test.Average(r => r.Candidate), 1)}, {Percent(test.Average(r => r.Strong), 1)} | {string.Join(" | ", labels.Select((_, n) => ApgrOf(n, p).ToString("f3")))} |");
}

Line($"| **mean of the nine mixed** | | | | {string.Join(" | ", labels.Select((_, n) => $"**{MeanApgr(n):f3}**"))} |");
Line();
if (split != "train")
    Line($"`evaluate.py` of the data's folder, on the scores of each pool's first draw with 400 labels, differs from these by {apart:0.0e0} at most.");
Line();
Line("## Saving and quality kept");
Line();
Line("Saved of the strong model's cost / quality kept of its mean score / draws of 100 that end more than a point below the target. What shadow calls and judges cost is not in it, nor the holdout (2 % of what is saved).");
for (var t = 0; t < QualityTarget.Usual.Count; t++)
{
    Line();
    Line($"Keep {Percent(QualityTarget.Usual[t].Target)} %:");
    Line();
    Line("| pool | 100 labels | 200 | 400 | 800 |");
    Line("|---|---|---|---|---|");
    for (var p = 0; p < pools.Count; p++)
        Line($"| {pools[p].Source.Name} | {string.Join(" | ", shown.Select(c => $"{Percent(Saved(At(c), t, p))} % / {Percent(Mean(d => routed[At(c), t, p, d].Kept), 1)} / {Percent(Missed(At(c), t, p))}"))} |");
    Line($"| **median saving, mean of misses (the nine mixed)** | {string.Join(" | ", shown.Select(c => $"**{Percent(MedianSaved(At(c), t), 1)} % / {Percent(MissedIn(At(c), t), 1)}**"))} |");
}

Line();
Line($"What the sums said beforehand would be saved (`SavingEstimate`) held the saving in its interval in {Percent(mixed.Average(p => Mean(d => routed[At(400), 0, p, d].IsForetold ? 1 : 0)))} of 100 draws with 400 labels, {Percent(mixed.Average(p => Mean(d => routed[At(800), 0, p, d].IsForetold ? 1 : 0)))} with 800 (keep 95 %); it is meant to in 90.");
Line();
Line("## Tool calls, checked after the answer");
Line();
if (calls is null)
{
    Line("Not measured in this run: it was started without `--bfcl`.");
}
else
{
    Line("The cheap model first; where its call does not parse, names an unknown tool, lacks a required argument, has an unexpected one or a wrong type (`CheckAfter`), the strong one. BFCL of 2024-08-11, claude-3-haiku (prompted), then claude-3.5-sonnet. Nothing is learned, so that the train split says as much as another. Where the cheap call fails the check and is right all the same, or the strong one fails too, an escalation gains nothing.");
    Line();
    Line("| categories, split | prompts | cheap alone | with the check | strong | of strong | escalated | by chance at that rate | failures that the check sees |");
    Line("|---|---|---|---|---|---|---|---|---|");
    foreach (var (name, c) in new[] { ($"AST, {split} and train", calls), ($"AST, {split}", Checked([split], false)!), ($"all, {split} and train", Checked(["train", split], true)!), ($"all, {split}", Checked([split], true)!) })
        Line($"| {name} | {c.Prompts} | {Percent(c.Cheap, 1)} | **{Percent(c.WithCheck, 1)}** | {Percent(c.Strong, 1)} | {Percent(c.WithCheck / c.Strong, 1)} % | {Percent(c.Escalated, 1)} % | {Percent(c.ByChance, 1)} | {Percent(c.FailuresSeen)} % |");
    Line();
    var texts = Checked(["train", split], run: false, asTexts: true)!;
    Line($"To Java's and JavaScript's tools values are texts, so the prompt says, whatever type the tool names: names and arguments are checked there, types aren't. Checked as texts, of the first row {Percent(texts.Escalated, 1)} % would be escalated, for {Percent(texts.WithCheck / texts.Strong, 1)} % of strong. An upper bound: every prompt here demands a call, so that an answer without one is seen to fail; with `tool_choice: auto` it isn't.");
}

Line();
Line("## Time of a decision");
Line();
Line($"From a request's bytes to the decision: its parts, its class, its features, where it goes; a chat request with instructions of 530 characters and a prompt of the length below, one at a time on one thread, 2,000 prompts of each length after a warm-up, the best of ten times at each, since other programs share the machine; {RuntimeName()}. Of a long prompt {PromptFeatures.MostCharacters:n0} characters are read. Features and decision allocate nothing ({Allocated()} bytes in 1,000 of them). A model is made from sums in {ModelTime():f1} ms (median).");
Line();
Line("| characters | p50, us | p99, us |");
Line("|---|---|---|");
foreach (var (length, took) in times)
    Line($"| {length:n0} | {took.P50:f1} | {took.P99:f1} |");
Line();
Line($"""
    ## Method

    - **Labels.** So many rows of a pool's train split, drawn by a seed, learned one by one as a product would: each is ranked by a model of the labels before it, which lacks the last 24 of them at most, then added to the sums. Nothing else is kept ([the sums](../../src/Domain/Routing/RoutingSums.cs)).
    - **Measured** on all rows of the {split} split, which no label comes from. The draws of one pool share these rows: a pool whose {split} rows happen to be harder for the candidate than its train rows misses in many draws at once, and what is called a miss has that luck in it.
    - **Class** is the dataset, standing for what a proxy is shown: key, system prompt, tools, form of answer. MMLU-Pro and MMLU are one class each.
    - **Features and numbers** (38 features, shrinkage 16 to begin with, penalty 5,000, first guess 30, 16 ranks, 5 folds, 2.17 and 0.5 deviations) were chosen on the train split, labels from one part and measured on another. The words that are counted were looked for there too. The dev split was looked at while the bound was set; another split is the better judge. What else was tried: [decision 0028](../decisions/0028-the-order-of-prompts.md).
    - **Costs** are the data's: measured for API models where it has them, list prices times tokens where marked so there, and one ratio for all rows of a pool where a row lacks them ("assumed").

    ## Read it so

    - Most of the saving is knowing how good the candidate is on this traffic; the lesser part is telling prompts apart. With one class and little to tell apart, APGR stays near 0.5 to 0.6 and what is saved is what the candidate's mean allows.
    - At 99 % little can be proven by a few hundred labels, whatever the method: a median of {Percent(MedianSaved(At(800), 2))} % is not 40 %.
    - The promise is for all traffic of a group together. A class may be well below the target where others are above; a class that is routed whole (`ClassProven`) is proven for itself.
    - Benchmarks, mostly English and of one turn, of models of 2023 and 2024, with exact scores. Traffic is agentic, long and cached, and a judge errs: with verdicts that are chance at a rate e the gap looks (1 - e) as large.
    - Fewer than 100 labels: nothing is routed by prompt, and a class whole only from 50 labels of its own on.

    ## Data

    Published by others under their own licences, read from a folder beside the project and no part of it: RouteLLM's MMLU and GSM8K results (Apache-2.0), RouterBench rows (MIT), MMLU-Pro results (Apache-2.0), ZeroEval results (Apache-2.0), BFCL (Apache-2.0; the repository of its results states no licence), LLMRouter's 14 tasks (MIT).
    """);
var file = Option("--out") ?? Path.Combine("docs", "routing", "evaluation.md");
Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
File.WriteAllText(file, page.ToString());
Console.WriteLine(page.ToString());

double Python(Pool pool, double[] scores)
{
    var of = Path.GetTempFileName();
    File.WriteAllLines(of, pool.Test.Select((row, i) => JsonSerializer.Serialize(new { id = row.Id, score = scores[i] })));
    var start = new ProcessStartInfo("python3") { RedirectStandardOutput = true };
    foreach (var argument in (string[])[Path.Combine(folder, "evaluate.py"), "--data", .. pool.Source.Files.Select(f => Path.Combine(data, f + ".jsonl")), "--strong", pool.Source.Strong, "--weak", pool.Source.Candidate, "--scores", of, "--split", split, "--boot", "0", "--json"])
        start.ArgumentList.Add(argument);
    using var process = Process.Start(start)!;
    var answer = JsonNode.Parse(process.StandardOutput.ReadToEnd())!;
    process.WaitForExit();
    File.Delete(of);
    return (double)answer[0]!["apgr"]!;
}

(double P50, double P99) Times(int length)
{
    var (prompts, policy, _) = Prepared(length);
    var bodies = prompts.Select(p => JsonSerializer.SerializeToUtf8Bytes(new { model = "smart", messages = new[] { new { role = "system", content = "You are a helpful assistant. " + new string('s', 500) }, new { role = "user", content = p } } })).ToList();
    var secret = new byte[32];
    // The best of ten at each prompt: what other programs take of the cores in between is not the decision's.
    var took = new List<double>();
    for (var i = 0; i < 2_500; i++)
    {
        var (body, best) = (bodies[i % bodies.Count], double.MaxValue);
        for (var again = 0; again < 10; again++)
        {
            var start = Stopwatch.GetTimestamp();
            var traffic = TrafficReading.Of(RequestParts.Of(body), secret, "key_1");
            _ = QualityRouter.Decide(policy, traffic.Class, traffic.Features, new RouteCosts(new NanoUsd(2), new NanoUsd(1)), 0.5);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        if (i >= 500)
            took.Add(best);
    }

    took.Sort();
    return (took[took.Count / 2], took[took.Count * 99 / 100]);
}

long Allocated()
{
    var (prompts, policy, name) = Prepared(2000);
    Span<double> features = stackalloc double[PromptFeatures.Count];
    var before = GC.GetAllocatedBytesForCurrentThread();
    for (var i = 0; i < 1000; i++)
    {
        PromptFeatures.Read(prompts[i % prompts.Length], features);
        _ = QualityRouter.Decide(policy, name, features, new RouteCosts(new NanoUsd(2), new NanoUsd(1)), 0.5);
    }

    return GC.GetAllocatedBytesForCurrentThread() - before;
}

double ModelTime()
{
    var took = new List<double>();
    Trials.Draw(pools[5], 1, [400], (count, sums) =>
    {
        for (var i = 0; i < 200; i++)
        {
            var start = Stopwatch.GetTimestamp();
            _ = RoutingModel.Of(sums);
            took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    });
    took.Sort();
    return took[took.Count / 2];
}

// Real prompts, one after the other until they are as long.
(string[] Prompts, RoutingPolicy Policy, TrafficClass Class) Prepared(int length)
{
    RoutingPolicy? policy = null;
    Trials.Draw(pools[2], 1, [400], (_, sums) => policy = RoutingPolicy.Of(sums, QualityTarget.Usual[0]));
    var text = string.Join("\n\n", File.ReadLines(Path.Combine(data, "bfcl_2024_08_11.jsonl")).Take(600).Select(l => (string)JsonNode.Parse(l)!["prompt"]!));
    while (text.Length < 2 * length)
        text += text;
    return ([.. Enumerable.Range(0, 50).Select(i => text.Substring(i * (text.Length - length) / 50, length))], policy!, pools[2].Test[0].Label.Class);
}

static string RuntimeName() => $".NET {Environment.Version}, {Environment.ProcessorCount} cores";
