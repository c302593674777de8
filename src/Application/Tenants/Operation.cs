using MediatR;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Pricing;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>All tenants of the installation. What is searched is in the name, or is an id.</summary>
public sealed record ListTenants(Caller Caller) : OperatorList<TenantLine>(Caller);

/// <param name="Plan">The one in force.</param>
/// <param name="SpentThisMonth">Live calls since the month began in UTC.</param>
/// <param name="LastCallAt">Null where it made none, or its events are deleted.</param>
public sealed record TenantLine(
    string Id, string Name, PlanStanding Plan, TenantStatus Status, DateTimeOffset? DeleteAt, DateTimeOffset CreatedAt, int Members, int Keys, NanoUsd SpentThisMonth, long CallsThisMonth, DateTimeOffset? LastCallAt)
{
    /// <summary>Payments that are disputed, or were so or paid back within half a year; the newest first.</summary>
    public IReadOnlyList<PaymentTrouble> Troubles { get; init; } = [];
}

internal sealed class ListTenantsRules() : OperatorListRules<ListTenants, TenantLine>("tenants");

internal sealed class ListTenantsHandler(IOperation operation) : IRequestHandler<ListTenants, Outcome<ListPage<TenantLine>>>
{
    public async Task<Outcome<ListPage<TenantLine>>> Handle(ListTenants request, CancellationToken cancellationToken) => request.Cut(
        await operation.TenantsAsync(string.IsNullOrWhiteSpace(request.Search) ? null : request.Search.Trim(), request.After, request.Limit + 1, cancellationToken), l => l.Id);
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

/// <param name="AgeDays">Since somebody compared it with its sources.</param>
public sealed record SheetLine(string Provider, int Models, DateOnly Checked, int AgeDays)
{
    public bool IsOld => PriceSheetCheck.IsOld(AgeDays);
}

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
