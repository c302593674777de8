using System.Text.Json;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Pricing;

/// <summary>A tenant's own rates for one model of one provider, in the words of a price sheet: what it negotiated, or what its own endpoint costs.</summary>
public sealed class StoredPriceOverride
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    public required string Provider { get; init; }

    /// <summary>A name, or a pattern as in a price sheet (<c>llama-*</c>).</summary>
    public required string Model { get; init; }

    /// <summary>The model's entry of a price sheet: <c>{"input":"0.5","output":"1.5"}</c>.</summary>
    public required string Rates { get; init; }

    /// <summary>Calls admitted from then on are rated with it; earlier ones keep the price version that they were stamped with.</summary>
    public required DateTimeOffset ValidFrom { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }
}

/// <summary>The book with the tenant's own rates laid over it, asked whenever the tenant is read anew; null where it has none.</summary>
public delegate PriceBook? PriceOverrideLookup(string tenantId);

/// <summary>Reads overrides with the rules of price sheets.</summary>
public interface IPriceOverrideReader
{
    PriceReading Read(IReadOnlyCollection<StoredPriceOverride> rows);
}

/// <summary>Sets a tenant's own rates for a model, in place of those that it set before.</summary>
/// <param name="Rates">As in <see cref="StoredPriceOverride.Rates"/>.</param>
public sealed record SetPriceOverride(Caller Caller, string TenantId, string Provider, string Model, JsonElement Rates) : IUseCase<PriceOverrideSet>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => $"{Provider} {Model}: {Rates.GetRawText()}";
}

public sealed record PriceOverrideSet(string Id) : IAuditSubject
{
    public string AuditSubject => Id;
}

internal sealed class SetPriceOverrideRules : AbstractValidator<SetPriceOverride>
{
    public SetPriceOverrideRules()
    {
        RuleFor(p => p.Provider).Must(p => p is { Length: >= 1 and <= 64 }).WithMessage("Name the provider, or the endpoint of your own, as its routes do.");
        RuleFor(p => p.Model).Must(m => m is { Length: >= 1 and <= 200 } && !m.Any(char.IsControl)).WithMessage("Name the model with 1 to 200 characters.");
        RuleFor(p => p.Rates).Must(r => r.ValueKind == JsonValueKind.Object && r.GetRawText().Length <= 4000).WithMessage("The rates are an object such as {\"input\":\"0.5\",\"output\":\"1.5\"}, in USD per million tokens.");
    }
}

internal sealed class SetPriceOverrideHandler(TokonomicsDbContext db, IPriceOverrideReader reader, TimeProvider time) : IRequestHandler<SetPriceOverride, Outcome<PriceOverrideSet>>
{
    public async Task<Outcome<PriceOverrideSet>> Handle(SetPriceOverride request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var row = new StoredPriceOverride
        {
            TenantId = request.TenantId,
            Id = SortableId.New("prc", now),
            Provider = request.Provider,
            Model = request.Model,
            Rates = request.Rates.GetRawText(),
            ValidFrom = now,
            CreatedAt = now,
            CreatedBy = request.Caller.Actor,
        };
        var others = await db.PriceOverrides.Where(p => p.TenantId == request.TenantId).ToListAsync(cancellationToken);
        var replaced = others.Where(p => p.Provider == row.Provider && p.Model == row.Model).ToList();
        var reading = reader.Read([.. others.Except(replaced), row]);
        if (reading.Errors.Count > 0)
            return Refusal.Invalid(nameof(request.Rates), string.Join(" ", reading.Errors.Select(e => $"{e.Path}: {e.Message}.")));
        db.PriceOverrides.RemoveRange(replaced);
        db.PriceOverrides.Add(row);
        return new PriceOverrideSet(row.Id);
    }
}

/// <summary>Takes a tenant's own rates away: the common price sheet holds again.</summary>
public sealed record RemovePriceOverride(Caller Caller, string TenantId, string Id) : IUseCase<PriceOverrideSet>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => "";
}

internal sealed class RemovePriceOverrideHandler(TokonomicsDbContext db) : IRequestHandler<RemovePriceOverride, Outcome<PriceOverrideSet>>
{
    public async Task<Outcome<PriceOverrideSet>> Handle(RemovePriceOverride request, CancellationToken cancellationToken)
    {
        var row = await db.PriceOverrides.FirstOrDefaultAsync(p => p.TenantId == request.TenantId && p.Id == request.Id, cancellationToken);
        if (row is null)
            return Refusal.NotFound("price_override");
        db.PriceOverrides.Remove(row);
        return new PriceOverrideSet(row.Id);
    }
}

/// <summary>A tenant's own rates, by provider and model.</summary>
public sealed record ListPriceOverrides(Caller Caller, string TenantId) : IUseCase<PriceOverrideList>
{
    public Right Needs => Right.ReadUsage;
}

public sealed record PriceOverrideList(IReadOnlyList<StoredPriceOverride> Overrides);

internal sealed class ListPriceOverridesHandler(TokonomicsDbContext db) : IRequestHandler<ListPriceOverrides, Outcome<PriceOverrideList>>
{
    public async Task<Outcome<PriceOverrideList>> Handle(ListPriceOverrides request, CancellationToken cancellationToken) => new PriceOverrideList(
        await db.PriceOverrides.AsNoTracking().Where(p => p.TenantId == request.TenantId).OrderBy(p => p.Provider).ThenBy(p => p.Model).ToListAsync(cancellationToken));
}
