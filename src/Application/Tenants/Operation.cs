using FluentValidation;
using MediatR;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>All tenants of the installation, the newest first.</summary>
public sealed record ListTenants(Caller Caller) : IUseCase<TenantPage>
{
    /// <summary>In the name, in whichever case, or an id.</summary>
    public string? Search { get; init; }

    /// <summary>1 to 500.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Where the page before ended: its last tenant's id.</summary>
    public string? After { get; init; }

    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;
}

/// <param name="Next">For <see cref="ListTenants.After"/>; null on the last page.</param>
public sealed record TenantPage(IReadOnlyList<TenantLine> Tenants, string? Next);

/// <param name="SpentThisMonth">Live calls since the month began in UTC.</param>
/// <param name="LastCallAt">Null where it made none, or its events are deleted.</param>
public sealed record TenantLine(
    string Id, string Name, TenantPlan Plan, TenantStatus Status, DateTimeOffset? DeleteAt, DateTimeOffset CreatedAt, int Members, int Keys, NanoUsd SpentThisMonth, long CallsThisMonth, DateTimeOffset? LastCallAt);

internal sealed class ListTenantsRules : AbstractValidator<ListTenants>
{
    public ListTenantsRules()
    {
        RuleFor(l => l.Limit).InclusiveBetween(1, 500).WithMessage("A page has 1 to 500 tenants.");
        RuleFor(l => l.Search).Must(s => s is null || s.Length <= 200).WithMessage("At most 200 characters.");
    }
}

internal sealed class ListTenantsHandler(IOperation operation) : IRequestHandler<ListTenants, Outcome<TenantPage>>
{
    public async Task<Outcome<TenantPage>> Handle(ListTenants request, CancellationToken cancellationToken)
    {
        var lines = await operation.TenantsAsync(string.IsNullOrWhiteSpace(request.Search) ? null : request.Search.Trim(), request.After, request.Limit + 1, cancellationToken);
        return lines.Count <= request.Limit ? new TenantPage(lines, null) : new TenantPage([.. lines.Take(request.Limit)], lines[request.Limit - 1].Id);
    }
}

/// <summary>How the installation is: its proxies, what the last check of the ledger found, its price sheets.</summary>
public sealed record GetOperation(Caller Caller) : IUseCase<OperationState>
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;
}

public sealed record OperationState(IReadOnlyList<NodeLine> Nodes, IReadOnlyList<InvariantLine> Invariants, string PriceVersion, IReadOnlyList<SheetLine> Sheets);

/// <summary>A proxy, or a run of one that holds leases and has not been seen.</summary>
/// <param name="Run">Null where only its leases are known.</param>
/// <param name="SeenAt">When it last said how it is; null where it never did.</param>
/// <param name="Waiting">Events in its journal that are not in the ledger.</param>
/// <param name="Leased">Set aside for it on budgets and not yet spent.</param>
public sealed record NodeLine(string Node, string? Run, string? Version, DateTimeOffset? StartedAt, DateTimeOffset? SeenAt, bool IsSilent, long OpenCalls, long Waiting, bool Writable, NanoUsd Leased, int LeasedAccounts);

/// <param name="Findings">Rows that are not as the ledger promises; at most a hundred are counted.</param>
public sealed record InvariantLine(string Check, DateTimeOffset At, long Findings, string Examples);

public sealed record SheetLine(string Provider, int Models, DateOnly Checked, int AgeDays);

internal sealed class GetOperationHandler(IOperation operation, PriceBook prices, TimeProvider time) : IRequestHandler<GetOperation, Outcome<OperationState>>
{
    public async Task<Outcome<OperationState>> Handle(GetOperation request, CancellationToken cancellationToken)
    {
        var today = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);
        return new OperationState(
            await operation.NodesAsync(cancellationToken), await operation.InvariantsAsync(cancellationToken), prices.Version,
            [.. prices.Sheets.Select(s => new SheetLine(s.Provider, s.Models.Count, s.Checked, today.DayNumber - s.Checked.DayNumber))]);
    }
}

/// <summary>What an operator asks of the store.</summary>
public interface IOperation
{
    Task<IReadOnlyList<TenantLine>> TenantsAsync(string? search, string? after, int limit, CancellationToken cancellationToken);

    Task<IReadOnlyList<NodeLine>> NodesAsync(CancellationToken cancellationToken);

    /// <summary>The newest result of each check over all tenants.</summary>
    Task<IReadOnlyList<InvariantLine>> InvariantsAsync(CancellationToken cancellationToken);
}
