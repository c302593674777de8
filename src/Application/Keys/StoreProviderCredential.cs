using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>
/// Keeps a tenant's key for a provider or for an endpoint of its own, sealed. One is active for each provider: the one before ends, its
/// sealed text is deleted and its row stays as history.
/// </summary>
public sealed record StoreProviderCredential(Caller Caller, string TenantId, string Provider, string Secret) : IUseCase<CredentialStored>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => Provider;

    public override string ToString() => $"credential of {Provider} for {TenantId}";
}

public sealed record CredentialStored(string Id, string Provider, string Masked) : IAuditSubject
{
    public string AuditSubject => Id;
}

internal sealed class StoreProviderCredentialRules : AbstractValidator<StoreProviderCredential>
{
    public StoreProviderCredentialRules() => RuleFor(s => s.Secret).Must(ProviderKey.IsSendable).WithMessage(ProviderKey.Rule);
}

/// <summary>What the text of a provider's key may be: it goes into a header as it stands, so nothing may be in it that ends or splits one.</summary>
internal static class ProviderKey
{
    public const string Rule =
        "A provider key is 1 to 4096 visible ASCII characters: no spaces, line breaks or control characters. Nothing is trimmed; check for a line break at the end.";

    public const string Purpose = "provider-credential";

    public static bool IsSendable(string? secret) => secret is { Length: >= 1 and <= 4096 } && secret.All(c => c is > ' ' and < (char)0x7f);

    /// <summary>Four characters of a key of twenty or more; of a shorter one they would be too large a part.</summary>
    public static string Last4(string secret) => secret.Length >= 20 ? secret[^4..] : "";

    public static string Mask(string last4) => "…" + last4;

    public static (StoredCredential Row, SealedSecret Sealed) Create(ISecretBox box, string tenantId, string provider, string secret, DateTimeOffset now, string by)
    {
        var secretId = SortableId.New("sec", now);
        return (StoredCredential.Create(tenantId, SortableId.New("cred", now), provider, Last4(secret), secretId, now, by), box.Seal(tenantId, secretId, Purpose, secret));
    }
}

internal sealed class StoreProviderCredentialHandler(TokonomicsDbContext db, ISecretBox box, IBuiltInProviders providers, TimeProvider time)
    : IRequestHandler<StoreProviderCredential, Outcome<CredentialStored>>
{
    public async Task<Outcome<CredentialStored>> Handle(StoreProviderCredential request, CancellationToken cancellationToken)
    {
        if (!providers.Contains(request.Provider)
            && !await db.Endpoints.AnyAsync(e => e.TenantId == request.TenantId && e.Name == request.Provider, cancellationToken))
            return Refusal.Invalid(nameof(request.Provider), $"'{request.Provider}' is neither a provider nor an endpoint of this tenant.");
        var now = time.GetUtcNow();
        var old = await db.Credentials.FirstOrDefaultAsync(
            c => c.TenantId == request.TenantId && c.Provider == request.Provider && c.EndedAt == null, cancellationToken);
        if (old is not null)
        {
            var secretId = old.End(now, request.Caller.Actor);
            await db.SaveChangesAsync(cancellationToken); // before the new row: one active credential for each provider is a unique index
            await db.Secrets.Where(s => s.TenantId == request.TenantId && s.Id == secretId).ExecuteDeleteAsync(cancellationToken);
        }

        var (row, secret) = ProviderKey.Create(box, request.TenantId, request.Provider, request.Secret, now, request.Caller.Actor);
        db.Secrets.Add(secret);
        db.Credentials.Add(row);
        return new CredentialStored(row.Id, row.Provider, ProviderKey.Mask(row.Last4));
    }
}
