using MediatR;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Who asks.</summary>
/// <param name="TenantId">The only tenant that the caller belongs to; null for the operator of the installation, who belongs to none and sees all.</param>
/// <param name="Actor">How the audit log names it: a member's or an API token's id, or <c>operator</c>.</param>
public sealed record Caller(string? TenantId, string Actor, Role Role)
{
    /// <summary>Whoever can run the command line on the machine itself.</summary>
    public static Caller Operator { get; } = new(null, "operator", Role.Owner);

    public bool IsOperator => TenantId is null;

    public bool May(Right right) => IsOperator || Role.May(right);
}

/// <summary>A use case: something that a caller asks for in a tenant.</summary>
public interface IUseCase
{
    Caller Caller { get; }

    /// <summary>The tenant that it is about. A caller of another tenant is told that there is no such tenant.</summary>
    string TenantId { get; }

    Right Needs { get; }
}

public interface IUseCase<T> : IUseCase, IRequest<Outcome<T>>
    where T : class;

/// <summary>A use case that changes something. It runs in one transaction with its line in the audit log.</summary>
public interface IChange : IUseCase
{
    /// <summary>What is worth knowing about the change besides who, when and what; never a key, never a secret.</summary>
    string AuditDetail { get; }
}

/// <summary>A change that may also be made while the tenant is suspended, or to be deleted.</summary>
public interface IInAnyState : IChange;

/// <summary>An outcome that says which thing was changed, where the request can't know it.</summary>
public interface IAuditSubject
{
    string AuditSubject { get; }
}
