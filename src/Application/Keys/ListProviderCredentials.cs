using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>The active provider credentials of a tenant, masked; with their history where asked.</summary>
public sealed record ListProviderCredentials(Caller Caller, string TenantId, bool WithHistory = false) : IUseCase<CredentialList>
{
    public Right Needs => Right.ReadKeys;
}

public sealed record CredentialList(IReadOnlyList<CredentialLine> Credentials);

/// <param name="Masked"><c>…AbCd</c>: the last four characters.</param>
public sealed record CredentialLine(string Id, string Provider, string Masked, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? EndedAt, string? EndedBy, DateTimeOffset? TestedAt, bool? TestPassed, string? TestAnswer);

internal sealed class ListProviderCredentialsHandler(TokonomicsDbContext db) : IRequestHandler<ListProviderCredentials, Outcome<CredentialList>>
{
    public async Task<Outcome<CredentialList>> Handle(ListProviderCredentials request, CancellationToken cancellationToken)
    {
        var rows = await db.Credentials.AsNoTracking()
            .Where(c => c.TenantId == request.TenantId && (request.WithHistory || c.EndedAt == null))
            .OrderBy(c => c.Provider).ThenByDescending(c => c.Id)
            .ToListAsync(cancellationToken);
        return new CredentialList(rows.ConvertAll(c => new CredentialLine(c.Id, c.Provider, ProviderKey.Mask(c.Last4), c.CreatedAt, c.CreatedBy, c.EndedAt, c.EndedBy, c.TestedAt, c.TestPassed, c.TestAnswer)));
    }
}
