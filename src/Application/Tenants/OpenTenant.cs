using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>
/// A user opens a tenant of their own and is its owner. They may do that before they are a caller in any tenant, so the pipeline doesn't apply; the change
/// and its audit line still stand or fall together.
/// </summary>
/// <param name="UserId">Signed in, with a verified address.</param>
public sealed record OpenTenant(string UserId, string Name, string TimeZone) : IRequest<Outcome<TenantOpened>>
{
    /// <summary>For one user: more is a program.</summary>
    public const int MostOwned = 10;

    public override string ToString() => $"open tenant {Name}";
}

public sealed record TenantOpened(string TenantId);

internal sealed class OpenTenantRules : AbstractValidator<OpenTenant>
{
    public OpenTenantRules()
    {
        RuleFor(o => o.Name).IsName();
        RuleFor(o => o.TimeZone).Must(TenantMaking.IsTimeZone).WithMessage("The time zone must be an IANA name, such as Europe/Berlin.");
    }
}

internal sealed class OpenTenantHandler(TokonomicsDbContext db, AuditLog audit, IValidator<OpenTenant> rules, IEnumerable<IDirectoryRefresh> directories, PlansInForce plans, TimeProvider time)
    : IRequestHandler<OpenTenant, Outcome<TenantOpened>>
{
    public async Task<Outcome<TenantOpened>> Handle(OpenTenant request, CancellationToken cancellationToken)
    {
        var problems = (await rules.ValidateAsync(request, cancellationToken)).Errors;
        if (problems.Count > 0)
            return new Refusal(RefusalKind.Invalid, "invalid", problems[0].ErrorMessage) { Fields = problems.ConvertAll(p => new FieldProblem(p.PropertyName, p.ErrorMessage)) };
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var user = await db.Users.AsNoTracking().FirstOrDefaultAsync(u => u.Id == request.UserId, cancellationToken);
        if (user is not { EmailConfirmed: true })
            return new Refusal(RefusalKind.Forbidden, "email_unverified", "Verify your e-mail address first.");
        if (await db.Members.CountAsync(m => m.UserId == request.UserId && m.Role == Role.Owner, cancellationToken) >= OpenTenant.MostOwned)
            return new Refusal(RefusalKind.Conflict, "too_many_tenants", $"One person can own {OpenTenant.MostOwned} organizations.");
        var (tenant, owner) = TenantMaking.Make(time.GetUtcNow(), request.Name, user.Email!, request.TimeZone, TenantPlan.Free);
        owner.UserId = user.Id;
        db.Add(tenant);
        db.Add(owner);
        db.AddRange(plans.Begin(tenant.Id, null, tenant.CreatedAt));
        await db.SaveChangesAsync(cancellationToken);
        await audit.AppendAsync(tenant.Id, owner.Id, "open_tenant", tenant.Id, AuditResult.Done, tenant.Name, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        db.ChangeTracker.Clear();
        foreach (var directory in directories)
            await directory.RefreshAsync(CancellationToken.None);
        return new TenantOpened(tenant.Id);
    }
}
