using System.Security.Cryptography;
using System.Text;
using MediatR;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Jobs;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>
/// What the operator's pages do, for programs of whoever runs the installation. Its tokens are a setting (<c>Portal:OperatorTokens</c>), not rows: they belong to no
/// tenant, and open no tenant's routes. Without that setting there is no such API.
/// </summary>
internal static class OperatorApi
{
    public static void Map(WebApplication app)
    {
        var api = app.MapGroup("/api/v1/operator").AddEndpointFilter(AuthenticateAsync).WithTags("Operator")
            .WithMetadata(new ProducesResponseTypeAttribute(typeof(ProblemDetails), 401, "application/problem+json"));
        api.MapGet("/tenants", async (IMediator mediator, CancellationToken cancel, string? search = null, string? cursor = null, int limit = 50) =>
            (await mediator.Send(new ListTenants(Caller.Operator) { Search = search, After = cursor, Limit = limit }, cancel)).Answer(p => new TenantList([.. p.Lines.Select(TenantShape.Of)], p.Next)))
            .Produces<TenantList>().WithSummary("All tenants, the newest first, a page at a time: send next_cursor as cursor");
        api.MapPost("/tenants/{id}/suspend", (IMediator mediator, string id, CancellationToken cancel) => SetAsync(mediator, id, TenantStatus.Suspended, cancel))
            .Produces(204).WithSummary("Its keys are refused within a second; its people can read, not change");
        api.MapPost("/tenants/{id}/resume", (IMediator mediator, string id, CancellationToken cancel) => SetAsync(mediator, id, TenantStatus.Active, cancel))
            .Produces(204).WithSummary("Its keys are accepted again");
        api.MapGet("/accounts", async (IMediator mediator, CancellationToken cancel, string? search = null, string? cursor = null, int limit = 50) =>
            (await mediator.Send(new ListAccounts(Caller.Operator) { Search = search, After = cursor, Limit = limit }, cancel)).Answer(p => new AccountList(p.Lines, p.Next)))
            .Produces<AccountList>().WithSummary("All accounts of people, the newest first, a page at a time");
        api.MapPost("/accounts/{id}/resend-verification", async (IMediator mediator, string id, CancellationToken cancel) =>
            (await mediator.Send(new ResendVerification(Caller.Operator, id), cancel)).Answer(_ => null))
            .Produces(204).WithSummary("Mails the link that verifies its address once more");
        api.MapGet("/system", async (IMediator mediator, CancellationToken cancel) => (await mediator.Send(new GetOperation(Caller.Operator), cancel)).Answer(SystemShape.Of))
            .Produces<SystemShape>().WithSummary("The proxies with their leases and journals, the last check of the ledger's invariants, the price sheets in force and their age");
        api.MapGet("/jobs", async (IMediator mediator, CancellationToken cancel) => (await mediator.Send(new ListJobs(Caller.Operator), cancel)).Answer(l => new JobListShape([.. l.Jobs.Select(JobShape.Of)])))
            .Produces<JobListShape>().WithSummary("The workers' jobs: when each is due, its last runs and what came of them, and since when it is failing");
        api.MapPost("/jobs/{name}/run", async (IMediator mediator, string name, CancellationToken cancel) => (await mediator.Send(new RunJobNow(Caller.Operator, name), cancel)).Answer(_ => null))
            .Produces(204).WithSummary("Has a job run within seconds, besides its schedule");
        api.MapGet("/audit", async (IMediator mediator, CancellationToken cancel, int limit = 50, long? cursor = null) =>
            (await mediator.Send(new ListAudit(Caller.Operator, AuditEntry.SystemTenant) { Before = cursor, Limit = limit }, cancel)).Answer(p => new AuditApi.AuditList([.. p.Lines.Select(AuditApi.AuditShape.Of)], p.Next)))
            .Produces<AuditApi.AuditList>().WithSummary("What was done to the installation, newest first");
    }

    private static async Task<IResult> SetAsync(IMediator mediator, string id, TenantStatus status, CancellationToken cancellationToken) =>
        (await mediator.Send(new SetTenantStatus(Caller.Operator, id, status), cancellationToken)).Answer(_ => null);

    private static async ValueTask<object?> AuthenticateAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var http = invocation.HttpContext;
        var tokens = http.RequestServices.GetRequiredService<IOptions<PortalOptions>>().Value.OperatorTokenList;
        if (tokens.Count == 0)
            return ApiHost.Problem(404, "operator_api_off", "This installation has no operator's API: it is there where Portal:OperatorTokens is set.");
        var presented = SHA256.HashData(Encoding.UTF8.GetBytes(ApiHost.Bearer(http) ?? ""));
        var known = false;
        foreach (var token in tokens)
            known |= CryptographicOperations.FixedTimeEquals(presented, SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        if (known)
            return await ApiHost.WithStoreAsync(http, () => next(invocation));
        http.Response.Headers.WWWAuthenticate = "Bearer";
        return ApiHost.Problem(401, "token_invalid", "Send one of the operator's tokens (Portal:OperatorTokens) in the Authorization header: Bearer ….");
    }

    /// <param name="Plan">The one in force.</param>
    /// <param name="PlanReason">Why it is that.</param>
    /// <param name="PlanEndsAt">When it ends as things are.</param>
    /// <param name="PaymentTroubles">Payments that are disputed, or were so or paid back within half a year.</param>
    /// <param name="GrantedPlan">The one that the operator gave; null for none.</param>
    internal sealed record TenantShape(
        string Id, string Name, string Plan, EntitlementReason PlanReason, DateTimeOffset? PlanEndsAt, string? GrantedPlan, TenantStatus Status, DateTimeOffset CreatedAt, DateTimeOffset? DeleteAt, int Members, int Keys, string SpentThisMonthUsd, long CallsThisMonth, DateTimeOffset? LastCallAt, IReadOnlyList<PaymentTrouble> PaymentTroubles)
    {
        public static TenantShape Of(TenantLine t) =>
            new(t.Id, t.Name, t.Plan.Name, t.Plan.Reason, t.Plan.EndsAt, t.Plan.Granted, t.Status, t.CreatedAt, t.DeleteAt, t.Members, t.Keys, t.SpentThisMonth.ToString(), t.CallsThisMonth, t.LastCallAt, t.Troubles);
    }

    internal sealed record TenantList(IReadOnlyList<TenantShape> Data, string? NextCursor);

    internal sealed record AccountList(IReadOnlyList<AccountLine> Data, string? NextCursor);

    /// <param name="Job">Its name.</param>
    /// <param name="EverySeconds">From one start to the next.</param>
    /// <param name="NextAt">When it is due; null before a worker has planned it.</param>
    /// <param name="Late">It was due a while ago, and no worker runs it.</param>
    /// <param name="FailingSince">When the first of the failed runs since the last that did not fail was started.</param>
    /// <param name="AttentionSince">The same of runs that found something to look at.</param>
    /// <param name="AskedAt">When somebody asked for a run that has not ended yet.</param>
    /// <param name="Runs">The newest first.</param>
    internal sealed record JobShape(
        string Job, string What, long EverySeconds, DateTimeOffset? NextAt, bool Late, DateTimeOffset? FailingSince, DateTimeOffset? AttentionSince, DateTimeOffset? AskedAt, IReadOnlyList<JobRun> Runs)
    {
        public static JobShape Of(JobLine j) => new(j.Plan.Name, j.Plan.What, (long)j.Plan.Every.TotalSeconds, j.NextAt, j.IsLate, j.FailingSince, j.AttentionSince, j.AskedAt, j.Runs);
    }

    internal sealed record JobListShape(IReadOnlyList<JobShape> Data);

    internal sealed record NodeShape(
        string Node, string? Run, string? Version, DateTimeOffset? StartedAt, DateTimeOffset? SeenAt, bool Silent, long OpenCalls, long JournalWaiting, bool JournalWritable, string LeasedUsd, int LeasedAccounts);

    internal sealed record SystemShape(IReadOnlyList<NodeShape> Nodes, IReadOnlyList<InvariantLine> Invariants, string PriceVersion, IReadOnlyList<SheetLine> PriceSheets)
    {
        public static SystemShape Of(OperationState s) => new(
            [.. s.Nodes.Select(n => new NodeShape(n.Node, n.Run, n.Version, n.StartedAt, n.SeenAt, n.IsSilent, n.OpenCalls, n.Waiting, n.Writable, n.Leased.ToString(), n.LeasedAccounts))],
            s.Invariants, s.PriceVersion, s.Sheets);
    }
}
