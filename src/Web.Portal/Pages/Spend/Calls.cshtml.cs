using Microsoft.AspNetCore.Mvc;
using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Spend;

/// <summary>Calls one by one, newest first, a page at a time by cursor; with <c>format=csv</c> as a file.</summary>
public sealed class CallsModel(IUsageQueries usage, ISpendQueries spend, TimeProvider time) : PortalPage
{
    public const int PageSize = 50;

    private const int MostInFile = 50_000;

    public static readonly IReadOnlyList<(string Name, string Title)> Endings = [("failed", "Failed"), ("rate-limited", "Rate limited by the provider"), ("timed-out", "Timed out"), ("client-gone", "Client left"), ("unpriced", "Without a price")];

    public SpendView View { get; private set; } = null!;

    public EventPage Calls { get; private set; } = null!;

    public IReadOnlyList<CallColumn> Columns { get; private set; } = CallColumn.Usual;

    /// <summary>Columns that don't exist.</summary>
    public List<string> Problems { get; } = [];

    public SpendNames Names { get; private set; } = null!;

    /// <summary>Which ending is filtered by; null for all.</summary>
    public string? Ending { get; private set; }

    public bool IsFirst { get; private set; }

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    public async Task<IActionResult> OnGetAsync(string? after, string? outcome, string? format)
    {
        View = SpendView.Read(Request.Query, TenantId, Environment, Zone, Now);
        Ending = Endings.Any(e => e.Name == outcome) ? outcome : null;
        Columns = CallColumn.Read(Request.Query["columns"], Problems);
        Names = await spend.NamesAsync(TenantId, Cancel);
        var q = View.Question;
        var filter = new EventFilter(TenantId)
        {
            From = q.From,
            To = q.To,
            Environment = Environment,
            Provider = q.Provider,
            Model = q.Model,
            KeyId = q.KeyId,
            ProjectId = q.ProjectId,
            TeamId = q.TeamId,
            Tag = q.Tag,
            Limit = PageSize,
            Status = Ending == "rate-limited" ? 429 : null,
            Failed = Ending == "failed",
            Outcome = Ending switch { "timed-out" => CallOutcome.TimedOut, "client-gone" => CallOutcome.ClientGone, _ => null },
            PriceStatus = Ending == "unpriced" ? PriceStatus.Unpriced : null,
        };
        if (format == "csv")
            return await FileAsync(filter);
        var cursor = EventCursor.Parse(after);
        IsFirst = cursor is null;
        Calls = await usage.ListAsync(filter with { After = cursor }, Cancel);
        return Page();
    }

    public string FilterName(KeyValuePair<string, string> filter) => filter.Key == "tag" ? filter.Value.Replace("=", ": ", StringComparison.Ordinal) : $"{filter.Key}: {Names.Of(filter.Value)}";

    /// <summary>How a call ended, in a word, and how bad that is.</summary>
    public static (string Text, string Class) EndingOf(UsageEvent call) => call.Outcome switch
    {
        CallOutcome.Completed when call.IsRepeat => ("from the cache", "good"),
        CallOutcome.Completed when call.Status < 400 => (call.IsDirect ? "ok, direct" : "ok", "good"),
        CallOutcome.Completed => (call.Status.ToString(System.Globalization.CultureInfo.InvariantCulture), "bad"),
        CallOutcome.ClientGone => ("client left", "warn"),
        CallOutcome.TimedOut => ("timed out", "bad"),
        CallOutcome.Unreachable => ("unreachable", "bad"),
        CallOutcome.Truncated => ("broken off", "bad"),
        CallOutcome.CutByProxy => ("cut by the proxy", "warn"),
        _ => ("not known", "warn"),
    };

    private async Task<IActionResult> FileAsync(EventFilter filter)
    {
        var csv = new Csv().Row(
            "id", "attempt", "at", "key_id", "key", "project", "team", "provider", "model", "feature", "customer", "tags", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost_usd", "price_status",
            "price_version", "status", "outcome", "latency_ms", "first_byte_ms");
        var (rows, page) = (0, new EventPage([], null));
        do
        {
            page = await usage.ListAsync(filter with { Limit = EventFilter.MaxLimit, After = page.Next }, Cancel);
            foreach (var c in page.Events)
                csv.Row(
                    c.RequestId, c.Attempt, c.At, c.KeyId, Names.Of(c.KeyId), c.ProjectId is { } project ? Names.Of(project) : null, c.TeamId is { } team ? Names.Of(team) : null, c.Provider, c.ResponseModel ?? c.RequestModel, TagOf(c, "feature"),
                    TagOf(c, "customer"), string.Join(';', c.Tags.Select(t => $"{t.Name}={t.Value}")), c.Usage.InputTokens, c.Usage.CacheReadTokens, c.Usage.CacheWriteTokens, c.Usage.OutputTokens,
                    c.Usage.Count(Domain.Metering.UsageUnit.Reasoning), c.Cost, c.PriceStatus.ToString(), c.PriceVersion, c.Status, c.Outcome.ToString(), (decimal)c.Latency.TotalMilliseconds, c.FirstByte is { } first ? (decimal?)first.TotalMilliseconds : null);
            rows += page.Events.Count;
        }
        while (page.Next is not null && rows < MostInFile);
        // A file that ends early says so, in its last line.
        if (page.Next is not null)
            csv.Row($"Only the newest {rows} calls: narrow the range for the others.");
        return csv.File($"tokonomics-calls-{View.FirstDay:yyyy-MM-dd}-{View.LastDay:yyyy-MM-dd}.csv");
    }

    public static string? TagOf(UsageEvent call, string name) => call.Tags.Where(t => t.Name == name).Select(t => t.Value).FirstOrDefault();
}
