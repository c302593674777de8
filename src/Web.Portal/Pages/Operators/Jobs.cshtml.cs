using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Jobs;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Operators;

/// <summary>Do the workers' jobs run, and is any failing, since when?</summary>
public sealed class JobsModel : OperatorPage
{
    /// <summary>So many of each are shown.</summary>
    public const int ShownRuns = 20;

    /// <summary>Those first that somebody has to look at.</summary>
    public IReadOnlyList<JobLine> Jobs { get; private set; } = [];

    [BindProperty]
    public string Target { get; set; } = "";

    public async Task<IActionResult> OnGetAsync() => await ShowAsync();

    public async Task<IActionResult> OnPostRunAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect("/operator/jobs");
        if (await AskAsync(new RunJobNow(Operator, Target)) is not { } asked)
            return Refused ?? await ShowAsync();
        Said = $"{asked.Job} runs within seconds, as soon as a worker is free for it.";
        return Redirect("/operator/jobs");
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListJobs(Operator)) is not { } list)
            return Refused ?? NotFound();
        Jobs = [.. list.Jobs.OrderBy(j => j.FailingSince is not null ? 0 : j.IsLate ? 1 : j.AttentionSince is not null ? 2 : 3)];
        return Page();
    }

    public string Verdict
    {
        get
        {
            List<string> said = [];
            foreach (var job in Jobs)
                if (job.FailingSince is { } since)
                    said.Add($"{job.Plan.Name} is failing since {At(since)}.");
            if (Jobs.Count(j => j.IsLate) is > 0 and var late)
                said.Add($"{(late == 1 ? "One job is" : $"{late} jobs are")} late: does a worker run?");
            foreach (var job in Jobs)
                if (job.AttentionSince is { } since)
                    said.Add($"{job.Plan.Name} found something to look at, since {At(since)}.");
            return said.Count > 0 ? string.Join(' ', said) : Jobs.All(j => j.NextAt is null) ? "No worker has run here yet." : "Nothing is failing.";
        }
    }

    public static string At(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    public static string Every(TimeSpan time) => time switch
    {
        { TotalDays: 1 } => "day",
        { TotalHours: 1 } => "hour",
        { TotalMinutes: 1 } => "minute",
        { TotalHours: > 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} hours"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0.#} minutes"),
    };

    public static string Took(JobRun run) => (run.EndedAt - run.StartedAt) switch
    {
        null => "",
        { TotalSeconds: < 10 } time => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, time.TotalSeconds):0.0} s"),
        { TotalMinutes: < 2 } time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        { TotalHours: < 2 } time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min"),
        { } time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.0} h"),
    };

    /// <summary>A badge's class and word.</summary>
    public static (string Class, string Word) Badge(JobOutcome? outcome) => outcome switch
    {
        null => ("", "running"),
        JobOutcome.Done => ("good", "done"),
        JobOutcome.Attention => ("warn", "to look at"),
        JobOutcome.Stopped => ("", "stopped"),
        JobOutcome.Lost => ("bad", "lost"),
        _ => ("bad", "failed"),
    };

    public static string Why(JobCause cause) => cause switch { JobCause.Request => "asked for", JobCause.Recovery => "taken up", _ => "schedule" };
}
