using System.Runtime.CompilerServices;
using MediatR;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Who did what.</summary>
internal static class AuditApi
{
    private static readonly string[] Columns = ["seq", "at", "actor", "actor_name", "action", "subject", "result", "detail", "remote", "hash"];

    public static void Map(RouteGroupBuilder api)
    {
        var audit = api.MapGroup("/audit").WithTags("Audit log");
        audit.MapGet("", async (HttpContext http, IMediator mediator, [AsParameters] AuditQuery query, int limit = 50, long? cursor = null) =>
            query.Of(http) is not { } question
                ? QueryWord.Unknown<AuditResult>("result", query.Result!)
                : (await mediator.Send(question with { Limit = limit, Before = cursor }, http.RequestAborted)).Answer(p => new AuditList([.. p.Lines.Select(AuditShape.Of)], p.Next)))
            .Produces<AuditList>().WithSummary("Who did what, newest first, a page at a time: send next_cursor as cursor. Each line's hash covers it and the hash before");
        audit.MapGet("/export", ExportAsync).Produces(200, contentType: "text/csv").WithSummary("The same lines as a file, all of them: format csv or json (one object a line)");
    }

    private static async Task<IResult> ExportAsync(HttpContext http, IMediator mediator, [AsParameters] AuditQuery query, string format = "csv")
    {
        if (format is not ("csv" or "json"))
            return ApiHost.Problem(422, "invalid", "The format is csv or json.", new Dictionary<string, string[]> { ["format"] = ["The format is csv or json."] });
        if (query.Of(http) is not { } question)
            return QueryWord.Unknown<AuditResult>("result", query.Result!);
        question = question with { Limit = 1000 };
        var first = await mediator.Send(question, http.RequestAborted);
        if (!first.Succeeded)
            return first.Answer(_ => null);
        await WriteAsync(http, Lines(mediator, question, first.Value, http.RequestAborted), format == "csv");
        return Results.Empty;
    }

    /// <summary>The lines from the first page on, each page read when it is needed.</summary>
    public static async IAsyncEnumerable<AuditLine> Lines(IMediator mediator, ListAudit question, AuditPage first, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var page = first; ;)
        {
            foreach (var line in page.Lines)
                yield return line;
            if (page.Next is not { } next || (await mediator.Send(question with { Before = next }, cancellationToken)) is not { Succeeded: true, Value: var more })
                break;
            page = more;
        }
    }

    public static async Task WriteAsync(HttpContext http, IAsyncEnumerable<AuditLine> lines, bool csv)
    {
        http.Response.ContentType = csv ? "text/csv; charset=utf-8" : "application/x-ndjson; charset=utf-8";
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"audit.{(csv ? "csv" : "ndjson")}\"";
        await using var rows = new DownloadWriter(http, csv ? Columns : null);
        await foreach (var line in lines)
        {
            if (csv)
                await rows.CsvAsync(line.Seq, line.At, line.Actor, line.ActorName, line.Action, line.Subject, line.Result.ToString().ToLowerInvariant(), line.Detail, line.Remote, line.Hash);
            else
                await rows.JsonAsync(AuditShape.Of(line));
        }
    }

    /// <param name="Result">done or denied.</param>
    /// <param name="From">RFC 3339.</param>
    /// <param name="To">Exclusive.</param>
    internal sealed record AuditQuery(string? Actor = null, string? Action = null, string? Subject = null, string? Result = null, DateTimeOffset? From = null, DateTimeOffset? To = null)
    {
        /// <summary>Null where the result is none.</summary>
        public ListAudit? Of(HttpContext http) => QueryWord.TryRead<AuditResult>(Result, out var result)
            ? new ListAudit(http.Caller(), http.Tenant()) { Actor = Actor, Action = Action, Subject = Subject, Result = result, From = From, To = To }
            : null;
    }

    /// <param name="Remote">The address that it came from; empty for the machine itself, null in lines from before it was kept.</param>
    internal sealed record AuditShape(long Seq, DateTimeOffset At, string Actor, string? ActorName, string Action, string Subject, AuditResult Result, string Detail, string? Remote, string Hash)
    {
        public static AuditShape Of(AuditLine l) => new(l.Seq, l.At, l.Actor, l.ActorName, l.Action, l.Subject, l.Result, l.Detail, l.Remote, l.Hash);
    }

    internal sealed record AuditList(IReadOnlyList<AuditShape> Data, long? NextCursor);
}
