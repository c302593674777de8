using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>First: is this caller of that tenant, and may it do that? What is refused here stands in the caller's own audit log.</summary>
internal sealed class Authorize<TRequest, TOutcome>(TokonomicsDbContext db, AuditLog audit) : IPipelineBehavior<TRequest, TOutcome>
    where TRequest : IUseCase, IRequest<TOutcome>
    where TOutcome : IOutcome<TOutcome>
{
    public async Task<TOutcome> Handle(TRequest request, CancellationToken cancellationToken, RequestHandlerDelegate<TOutcome> next)
    {
        var caller = request.Caller;
        Refusal? refusal = null;
        if (!caller.IsOperator && caller.TenantId != request.TenantId)
            refusal = Refusal.NotFound("tenant");
        else if (!caller.May(request.Needs))
            refusal = new Refusal(RefusalKind.Forbidden, "role_forbids", $"The role {caller.Role} may not do this.");
        else if (request.Needs != Right.Operate)
        {
            var tenant = await db.Tenants.Where(t => t.Id == request.TenantId).Select(t => new { t.Status, t.DeleteAt }).FirstOrDefaultAsync(cancellationToken);
            if (tenant is null)
                return TOutcome.From(Refusal.NotFound("tenant"));
            if (tenant.DeleteAt is { } at && request is IChange and not IInAnyState)
                return TOutcome.From(new Refusal(RefusalKind.Forbidden, "tenant_closing", $"The tenant will be deleted at {at.UtcDateTime:yyyy-MM-dd HH:mm} UTC: it can be read and exported, not changed. Its owner can cancel the deletion."));
            if (tenant.Status == TenantStatus.Suspended && request is IChange and not IInAnyState && !caller.IsOperator)
                return TOutcome.From(new Refusal(RefusalKind.Forbidden, "tenant_suspended", "The tenant is suspended: it can be read, not changed."));
        }

        if (refusal is null)
            return await next();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await audit.AppendAsync(caller.TenantId ?? AuditEntry.SystemTenant, caller.Actor, UseCaseName.Of<TRequest>(), request.TenantId, AuditResult.Denied, refusal.Code, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return TOutcome.From(refusal);
    }
}

/// <summary>Second: does the request keep the rules of its own validators?</summary>
internal sealed class Validate<TRequest, TOutcome>(IEnumerable<IValidator<TRequest>> validators) : IPipelineBehavior<TRequest, TOutcome>
    where TRequest : IUseCase, IRequest<TOutcome>
    where TOutcome : IOutcome<TOutcome>
{
    public async Task<TOutcome> Handle(TRequest request, CancellationToken cancellationToken, RequestHandlerDelegate<TOutcome> next)
    {
        var problems = new List<FieldProblem>();
        foreach (var validator in validators)
            foreach (var error in (await validator.ValidateAsync(request, cancellationToken)).Errors)
                problems.Add(new FieldProblem(error.PropertyName, error.ErrorMessage));
        return problems.Count == 0
            ? await next()
            : TOutcome.From(new Refusal(RefusalKind.Invalid, "invalid", string.Join(" ", problems.Select(p => p.Message))) { Fields = problems });
    }
}

/// <summary>
/// Third: what changes something does so in one transaction with its audit line: neither stands without the other. After the commit this
/// process's directories (keys, budgets) read the change before the caller hears of it; other processes see it when they poll.
/// </summary>
internal sealed class Audit<TRequest, TOutcome>(TokonomicsDbContext db, AuditLog audit, IEnumerable<IDirectoryRefresh> directories) : IPipelineBehavior<TRequest, TOutcome>
    where TRequest : IChange, IRequest<TOutcome>
    where TOutcome : IOutcome<TOutcome>
{
    public async Task<TOutcome> Handle(TRequest request, CancellationToken cancellationToken, RequestHandlerDelegate<TOutcome> next)
    {
        TOutcome outcome;
        try
        {
            await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
            outcome = await next();
            if (outcome.Refusal is not null)
                return outcome;
            await db.SaveChangesAsync(cancellationToken);
            var subject = (outcome.Done as IAuditSubject)?.AuditSubject ?? request.TenantId;
            var tenant = outcome.Done is IInTenant made ? made.TenantId : request.TenantId;
            await audit.AppendAsync(tenant, request.Caller.Actor, UseCaseName.Of<TRequest>(), subject, AuditResult.Done, request.AuditDetail, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }
        finally
        {
            // A refused or failed attempt must leave nothing behind for the next use case of the same scope to save.
            db.ChangeTracker.Clear();
        }

        foreach (var directory in directories)
            await directory.RefreshAsync(CancellationToken.None);
        return outcome;
    }
}

/// <summary>An outcome that made its tenant, so that the audit line can stand there.</summary>
public interface IInTenant
{
    string TenantId { get; }
}

internal static class UseCaseName
{
    /// <summary><c>CreateKey</c> → <c>create_key</c>.</summary>
    public static string Of<TRequest>() => TokonomicsDbContext.SnakeCase(typeof(TRequest).Name);
}
