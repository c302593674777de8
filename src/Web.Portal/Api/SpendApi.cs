using System.Globalization;
using MediatR;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What the pages about spend show, for programs: forecast, what changed and why, refusals, the most expensive calls, what caching saved.</summary>
internal static class SpendApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var usage = api.MapGroup("/usage").WithTags("Usage");
        usage.MapGet("/forecast", ForecastAsync).Produces<ForecastShape>().WithSummary("What the running month, in the tenant's zone, will have cost at its end, with the range that it ends in four times out of five");
        usage.MapGet("/changes", ChangesAsync).Produces<ChangesShape>().WithSummary("What changed from the comparable time before, and which model, key, project, team, feature or customer explains it");
        usage.MapGet("/refusals", RefusalsAsync).Produces<RefusalList>().WithSummary("Calls that the proxy refused, by hour, code and key; they are no events");
        usage.MapGet("/top", TopAsync).Produces<TopList>().WithSummary("The most expensive calls of a range, the dearest first");
        usage.MapGet("/savings", SavingsAsync).Produces<SavingsShape>().WithSummary("What prompt caches saved, by the prices that rated each call, and what repeats saved that were answered from the cache");
    }

    private static async Task<IResult> ForecastAsync(HttpContext http, IMediator mediator, string? environment, string? provider, string? model, string? key_id, string? project_id, string? team_id)
    {
        var problems = new UsageApi.Problems();
        var filter = new SummaryQuestion(http.Tenant(), DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddHours(1))
        {
            Environment = problems.Enum<KeyEnvironment>("environment", environment) ?? KeyEnvironment.Live,
            Provider = provider,
            Model = model,
            KeyId = key_id,
            ProjectId = project_id,
            TeamId = team_id,
        };
        return problems.Any ? problems.Answer() : (await mediator.Send(new ForecastSpend(http.Caller(), filter), http.RequestAborted)).Answer(ForecastShape.Of);
    }

    private static async Task<IResult> ChangesAsync(
        HttpContext http, IMediator mediator, ISpendQueries spend, TimeProvider time, DateTimeOffset? from, DateTimeOffset? to, string? environment, string? provider, string? model, string? key_id, string? project_id, string? team_id,
        string? tag)
    {
        var (problems, names) = (new UsageApi.Problems(), await spend.NamesAsync(http.Tenant(), http.RequestAborted));
        var question = Question(http, problems, time, names.Zone, from, to, environment, provider, model, key_id, project_id, team_id, tag);
        return problems.Any ? problems.Answer() : (await mediator.Send(new CompareSpend(http.Caller(), question), http.RequestAborted)).Answer(c => ChangesShape.Of(c, question));
    }

    private static async Task<IResult> RefusalsAsync(HttpContext http, IRefusals refusals, ISpendQueries spend, TimeProvider time, DateTimeOffset? from, DateTimeOffset? to, string? environment, string? key_id)
    {
        var (problems, names) = (new UsageApi.Problems(), await spend.NamesAsync(http.Tenant(), http.RequestAborted));
        var question = Question(http, problems, time, names.Zone, from, to, environment, null, null, key_id, null, null, null);
        if (problems.Any)
            return problems.Answer();
        var counts = await refusals.ListAsync(http.Tenant(), question.Environment!.Value, question.From, question.To, http.RequestAborted);
        return Results.Json(new RefusalList([.. counts.Where(c => key_id is null || c.KeyId == key_id).Select(c => new RefusalShape(c.Hour, c.Code, c.KeyId, c.Calls))]));
    }

    private static async Task<IResult> TopAsync(
        HttpContext http, ISpendQueries spend, TimeProvider time, DateTimeOffset? from, DateTimeOffset? to, string? environment, string? provider, string? model, string? key_id, string? project_id, string? team_id, string? tag,
        int? limit)
    {
        var (problems, names) = (new UsageApi.Problems(), await spend.NamesAsync(http.Tenant(), http.RequestAborted));
        var question = Question(http, problems, time, names.Zone, from, to, environment, provider, model, key_id, project_id, team_id, tag);
        var count = problems.Range("limit", limit, 10, 1, 100);
        return problems.Any ? problems.Answer() : Results.Json(new TopList([.. (await spend.TopCallsAsync(question, count, http.RequestAborted)).Select(EventShape.Of)]));
    }

    private static async Task<IResult> SavingsAsync(
        HttpContext http, ISpendQueries spend, TimeProvider time, DateTimeOffset? from, DateTimeOffset? to, string? environment, string? provider, string? model, string? key_id, string? project_id, string? team_id)
    {
        var (problems, names) = (new UsageApi.Problems(), await spend.NamesAsync(http.Tenant(), http.RequestAborted));
        var question = Question(http, problems, time, names.Zone, from, to, environment, provider, model, key_id, project_id, team_id, null);
        if (problems.Any)
            return problems.Answer();
        var savings = (await spend.CacheSavingsAsync(question, http.RequestAborted))!;
        var repeats = (await spend.RepeatSavingsAsync(question, http.RequestAborted))!;
        return Results.Json(new SavingsShape(question.From, question.To, savings.Saved.ToString(), savings.Extra.ToString(), savings.Net.ToString(), repeats.Repeats, repeats.Saved.ToString()));
    }

    // From the month's beginning in the tenant's zone where nothing is said, to the end of the hour that runs.
    private static SummaryQuestion Question(
        HttpContext http, UsageApi.Problems problems, TimeProvider time, TimeZoneInfo zone, DateTimeOffset? from, DateTimeOffset? to, string? environment, string? provider, string? model, string? keyId, string? projectId, string? teamId,
        string? tag)
    {
        var now = time.GetUtcNow();
        var hourEnd = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerHour) + TimeSpan.TicksPerHour, TimeSpan.Zero);
        var question = new SummaryQuestion(http.Tenant(), from ?? Domain.Budgets.BudgetPeriods.Containing(Domain.Budgets.BudgetPeriod.Month, zone, now, now).Start, to ?? hourEnd)
        {
            Grain = TimeGrain.Day,
            TimeZone = zone,
            Environment = problems.Enum<KeyEnvironment>("environment", environment) ?? KeyEnvironment.Live,
            Provider = provider,
            Model = model,
            KeyId = keyId,
            ProjectId = projectId,
            TeamId = teamId,
            Tag = problems.Tag("tag", tag),
        };
        if (question.Problem() is { } problem)
            problems.Add("from", problem);
        return question;
    }

    /// <param name="ExpectedUsd">Null, as the range is, where there are too few whole days to say anything: <paramref name="DaysKnown"/> is below three.</param>
    internal sealed record ForecastShape(
        DateTimeOffset PeriodStart, DateTimeOffset PeriodEnd, string SpentUsd, string? ExpectedUsd, string? LowUsd, string? HighUsd, int DaysKnown, IReadOnlyList<ForecastDayShape> Days)
    {
        public static ForecastShape Of(MonthForecast f) => new(
            f.Month.Start, f.Month.End, f.Spent.ToString(), f.Forecast?.Expected.ToString(), f.Forecast?.Low.ToString(), f.Forecast?.High.ToString(), f.DaysKnown,
            [.. (f.Forecast?.Days ?? []).Select(d => new ForecastDayShape(d.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), d.Expected.ToString(), d.Low.ToString(), d.High.ToString()))]);
    }

    /// <summary>What the month will have cost at that day's end.</summary>
    internal sealed record ForecastDayShape(string Day, string ExpectedUsd, string LowUsd, string HighUsd);

    /// <param name="Dimension">model, provider, key, project, team, or a tag's name.</param>
    /// <param name="Value">An id, a name or a tag's value; empty for calls that have none.</param>
    internal sealed record ContributionShape(string Dimension, string Value, string? Model, string BeforeUsd, string NowUsd, string ChangeUsd, long CallsBefore, long CallsNow)
    {
        public static ContributionShape? Of(Contribution? c) => c is null ? null : new(c.Dimension, c.Value, c.Model, c.Before.ToString(), c.Now.ToString(), c.Change.ToString(), c.CallsBefore, c.CallsNow);
    }

    /// <param name="Cause">What explains most of the change beyond its size; null where nothing does.</param>
    /// <param name="CauseOnModel">The one model on which most of that lies.</param>
    /// <param name="Share">The cause's share of the change; 1 is all of it.</param>
    /// <param name="Sentence">The same for people.</param>
    internal sealed record ChangesShape(
        DateTimeOffset From, DateTimeOffset To, DateTimeOffset BeforeFrom, DateTimeOffset BeforeTo, string BeforeUsd, string NowUsd, string ChangeUsd, ContributionShape? Cause, ContributionShape? CauseOnModel, decimal Share, string Sentence,
        IReadOnlyList<ContributionShape> Largest)
    {
        public static ChangesShape Of(SpendComparison c, SummaryQuestion q) => new(
            q.From, q.To, c.BeforeFrom, c.BeforeTo, c.Change.Before.ToString(), c.Change.Now.ToString(), c.Change.Change.ToString(), ContributionShape.Of(c.Change.Cause), ContributionShape.Of(c.Change.CauseOnModel), Math.Round(c.Change.Share, 4),
            SpendSentences.Cause(c.Change, c.Names.Of), [.. c.Change.Largest.Select(l => ContributionShape.Of(l)!)]);
    }

    internal sealed record RefusalList(IReadOnlyList<RefusalShape> Data);

    /// <param name="Hour">Its beginning.</param>
    /// <param name="Code">As in the answer's header x-tokonomics-error.</param>
    internal sealed record RefusalShape(DateTimeOffset Hour, string Code, string KeyId, long Calls);

    internal sealed record TopList(IReadOnlyList<EventShape> Data);

    /// <param name="SavedUsd">What cache reads would have cost more as plain input.</param>
    /// <param name="WritesExtraUsd">What cache writes cost more than plain input.</param>
    /// <param name="Repeats">Calls that got the kept answer of an earlier one.</param>
    /// <param name="RepeatsSavedUsd">What those earlier ones had cost.</param>
    internal sealed record SavingsShape(DateTimeOffset From, DateTimeOffset To, string SavedUsd, string WritesExtraUsd, string NetUsd, long Repeats, string RepeatsSavedUsd);
}
