using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Who did what, newest first. What is null is not filtered by. Of the tenant <c>system</c>: the installation's own log, for its operator.</summary>
public sealed record ListAudit(Caller Caller, string TenantId) : IUseCase<AuditPage>
{
    public string? Actor { get; init; }

    /// <summary>A use case: <c>create_key</c>.</summary>
    public string? Action { get; init; }

    public string? Subject { get; init; }

    public AuditResult? Result { get; init; }

    public DateTimeOffset? From { get; init; }

    /// <summary>Exclusive.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>1 to 1000.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Where the page before ended: its last line's number.</summary>
    public long? Before { get; init; }

    public Right Needs => TenantId == AuditEntry.SystemTenant ? Right.Operate : Right.ReadAudit;
}

/// <param name="Next">For <see cref="ListAudit.Before"/>; null on the last page.</param>
public sealed record AuditPage(IReadOnlyList<AuditLine> Lines, long? Next);

/// <param name="ActorName">A member's e-mail address or a token's name, where there is one.</param>
/// <param name="Remote">From where; null in lines from before it was kept, empty for the machine itself.</param>
public sealed record AuditLine(long Seq, DateTimeOffset At, string Actor, string? ActorName, string Action, string Subject, AuditResult Result, string Detail, string? Remote, string Hash);

internal sealed class ListAuditRules : AbstractValidator<ListAudit>
{
    public ListAuditRules()
    {
        RuleFor(l => l.Limit).InclusiveBetween(1, 1000).WithMessage("A page has 1 to 1000 lines.");
        RuleFor(l => l.From).Must((l, from) => from is null || l.To is null || from < l.To).WithMessage("The range is empty.");
    }
}

internal sealed class ListAuditHandler(TokonomicsDbContext db) : IRequestHandler<ListAudit, Outcome<AuditPage>>
{
    public async Task<Outcome<AuditPage>> Handle(ListAudit request, CancellationToken cancellationToken)
    {
        var lines = db.Audit.AsNoTracking().Where(a => a.TenantId == request.TenantId);
        if (request.Before is { } before)
            lines = lines.Where(a => a.Seq < before);
        if (request.Actor is { } actor)
            lines = lines.Where(a => a.Actor == actor);
        if (request.Action is { } action)
            lines = lines.Where(a => a.Action == action);
        if (request.Subject is { } subject)
            lines = lines.Where(a => a.Subject == subject);
        if (request.Result is { } result)
            lines = lines.Where(a => a.Result == result);
        if (request.From is { } from)
            lines = lines.Where(a => a.At >= from);
        if (request.To is { } to)
            lines = lines.Where(a => a.At < to);
        var rows = await lines.OrderByDescending(a => a.Seq).Take(request.Limit + 1).ToListAsync(cancellationToken);
        long? next = null;
        if (rows.Count > request.Limit)
        {
            rows.RemoveAt(request.Limit);
            next = rows[^1].Seq;
        }

        var actors = rows.Select(r => r.Actor).Distinct().ToList();
        var names = await db.Members.AsNoTracking().Where(m => m.TenantId == request.TenantId && actors.Contains(m.Id)).Select(m => new { m.Id, Name = m.Email })
            .ToDictionaryAsync(m => m.Id, m => m.Name, cancellationToken);
        foreach (var token in await db.Tokens.AsNoTracking().Where(t => t.TenantId == request.TenantId && actors.Contains(t.Id)).Select(t => new { t.Id, t.Name }).ToListAsync(cancellationToken))
            names[token.Id] = $"token '{token.Name}'";
        return new AuditPage(
            rows.ConvertAll(a => new AuditLine(a.Seq, a.At, a.Actor, names.GetValueOrDefault(a.Actor), a.Action, a.Subject, a.Result, a.Detail, a.Remote, Convert.ToHexStringLower(a.Hash))), next);
    }
}
