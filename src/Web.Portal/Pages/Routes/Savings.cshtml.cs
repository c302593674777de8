using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Budgets;
using Tokonomics.Application.Routing;
using Tokonomics.Domain.Money;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Routes;

/// <summary>What could cheaper models save, what have they saved, and was the quality kept?</summary>
public sealed class SavingsModel : PortalPage
{
    /// <summary>Classes that a table shows, those that would save most first.</summary>
    public const int MostClasses = 20;

    private const int MostWeeks = 12;

    public SavingsReport Report { get; private set; } = null!;

    /// <summary>What comparing has cost in the running month, by route; none where it may cost nothing.</summary>
    public IReadOnlyDictionary<string, BudgetLine> Samples { get; private set; } = new Dictionary<string, BudgetLine>();

    public async Task<IActionResult> OnGetAsync()
    {
        if (await AskAsync(new GetSavings(Caller, TenantId, Environment)) is not { } report)
            return Refused ?? BadRequest();
        Report = report;
        if (report.Groups.Count > 0 && await AskAsync(new ListBudgets(Caller, TenantId)) is { } budgets)
        {
            var ids = report.Groups.Select(g => g.RouteId).Distinct(StringComparer.Ordinal).ToDictionary(id => SampleBudgets.IdOf(id, Environment), id => id, StringComparer.Ordinal);
            Samples = budgets.Budgets.Where(b => ids.ContainsKey(b.Budget.Id)).ToDictionary(b => ids[b.Budget.Id], StringComparer.Ordinal);
        }

        return Page();
    }

    /// <summary>Has a group route, or only watch; nothing else of its route changes.</summary>
    /// <param name="route">Its id.</param>
    /// <param name="rule">The rule's number, from 1.</param>
    /// <param name="strong">The strong model as it was shown.</param>
    public async Task<IActionResult> OnPostSwitchAsync(string? route, int rule, string? strong, bool active)
    {
        ModelState.Clear();
        if (await AskAsync(new ListRoutes(Caller, TenantId, route ?? "")) is not { } list)
            return Refused ?? NotFound();
        if (list.Routes[0].Route is not { } current || rule < 1 || rule > current.Rules.Count || current.Rules[rule - 1] is not { Quality: not null } found || found.Targets[0].Model != strong)
        {
            Said = "Nothing was switched: the route was changed meanwhile. Look at it again.";
            return Redirect(To("/routes/savings"));
        }

        var form = RoutePolicy.Form(current);
        form = form with { Rules = [.. form.Rules.Select((r, i) => i == rule - 1 ? r with { Quality = r.Quality! with { Active = active } } : r)] };
        if (await AskAsync(new UpdateRoute(Caller, TenantId, list.Routes[0].Id, form)) is null)
            return Refused ?? await OnGetAsync();
        Said = active
            ? $"{current.Name} routes now: calls go to a cheaper model where it is proven. Every proxy knows within a second."
            : $"{current.Name} only watches now: every call goes to {strong}. Every proxy knows within a second.";
        return Redirect(To("/routes/savings"));
    }

    /// <summary>The answer at the top: what was saved, and what could be.</summary>
    public string Lead()
    {
        var (active, watching) = (Report.Groups.Where(g => g.Quality.Active).ToList(), Report.Groups.Where(g => !g.Quality.Active).ToList());
        var parts = new List<string>();
        if (active.Count > 0 || Report.Groups.Any(g => g.RoutedCalls > 0))
        {
            var (saved, calls) = (new NanoUsd(Report.Groups.Sum(g => g.Realised.Value)), Report.Groups.Sum(g => g.RoutedCalls));
            parts.Add(calls == 0 ? "No call went to a cheaper model in the last four weeks."
                : $"In the last four weeks {Figures.Count(calls).Text} calls went to a cheaper model and {(saved.Value < 0 ? $"cost {Figures.Money(new NanoUsd(-saved.Value)).Text} more" : $"saved {Figures.Money(saved).Text}")}.");
        }

        var could = watching.Select(Best).OfType<(CandidateSavings Candidate, ThresholdSavings Own)>().ToList();
        if (could.Count > 0)
            parts.Add($"What only watches could save about {SavingsSentences.About(new NanoUsd(could.Sum(c => c.Own.All.Saving.Value)))} in four weeks.");
        else if (watching.Count > 0)
            parts.Add(watching.Any(g => g.Candidates.Any(c => c.Labels > 0)) ? "Nothing more is proven yet." : "Nothing is known yet about the models that are watched.");
        return string.Join(" ", parts);
    }

    /// <summary>The candidate that would save most at the group's own threshold; null where none saves for sure.</summary>
    public static (CandidateSavings Candidate, ThresholdSavings Own)? Best(GroupSavings group)
    {
        var best = group.Candidates.Select(c => (Candidate: c, Own: c.Thresholds.First(t => t.IsOwn))).Where(c => c.Own.All.RoutedShare > 0 && c.Own.All.SavingLow > NanoUsd.Zero).OrderByDescending(c => c.Own.All.Saving.Value).ToList();
        return best.Count == 0 ? null : best[0];
    }

    /// <summary>The newest of a candidate's weeks, oldest first, of those with something to tell.</summary>
    public static List<WeekKept> Weeks(GroupSavings group, string candidate) => [.. group.Weeks.Where(w => w.Candidate == candidate && w.Kept is not null).Take(MostWeeks).Reverse()];

    public string Day(DateTimeOffset at) => at.UtcDateTime.ToString("d MMM", CultureInfo.InvariantCulture);

    public string Span() => $"{Report.From.UtcDateTime.ToString("d MMM", CultureInfo.InvariantCulture)} to {Report.Until.AddTicks(-1).UtcDateTime.ToString("d MMM yyyy", CultureInfo.InvariantCulture)}, UTC";
}

/// <summary>Quality kept by week, each with its interval, against what was promised.</summary>
/// <param name="Weeks">Oldest first.</param>
public sealed record KeptChart(IReadOnlyList<WeekKept> Weeks)
{
    private const double Height = 120;

    /// <summary>What the lowest line stands for, in steps of five percent.</summary>
    public double Floor { get; } = Math.Max(0, Math.Floor((Math.Min(Weeks.Min(w => w.Low ?? 1), Weeks.Min(w => w.Keep.Target)) - 0.01) * 20) / 20);

    /// <summary>Likewise the highest.</summary>
    public double Ceiling { get; } = Math.Min(1.5, Math.Ceiling((Math.Max(Weeks.Max(w => w.High ?? 1), 1) + 0.001) * 20) / 20);

    public int Width => Weeks.Count * 40;

    public string Y(double share) => ((Ceiling - Math.Clamp(share, Floor, Ceiling)) / (Ceiling - Floor) * Height).ToString("0.##", CultureInfo.InvariantCulture);

    public string Summary => $"{(Weeks.Count == 1 ? "1 week" : $"{Weeks.Count} weeks")}, quality kept from {SavingsSentences.Kept(Weeks.Min(w => w.Kept)).Text} to {SavingsSentences.Kept(Weeks.Max(w => w.Kept)).Text}; {(Weeks.Count(w => w.Broken) is var broken and > 0 ? $"{broken} below the promise" : "none below the promise")}.";
}
