using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

/// <summary>
/// Tries a stored credential at its provider, by a question that costs nothing. What came of it is kept beside the credential. Changes nothing else: a
/// credential that the provider refuses stays, since it may be the provider that errs.
/// </summary>
public sealed record TestProviderCredential(Caller Caller, string TenantId, string CredentialId) : IUseCase<CredentialTest>
{
    public Right Needs => Right.ManageCredentials;
}

/// <param name="Passed">Null where it can't be told: the provider has no such question, or is away.</param>
/// <param name="Status">The HTTP status; 0 where there was no answer.</param>
/// <param name="Answer">What the provider said, in its words; ours where it said nothing.</param>
public sealed record CredentialTest(bool? Passed, int Status, string Answer);

/// <summary>Asks providers whether they take a key.</summary>
public interface ICredentialProbe
{
    /// <param name="endpoint">The tenant's own endpoint of that name; null for a built-in provider.</param>
    Task<CredentialTest> AskAsync(string provider, CustomEndpoint? endpoint, string secret, CancellationToken cancellationToken);
}

internal sealed class TestProviderCredentialHandler(TokonomicsDbContext db, ISecretBox box, ICredentialProbe probe, TimeProvider time) : IRequestHandler<TestProviderCredential, Outcome<CredentialTest>>
{
    public async Task<Outcome<CredentialTest>> Handle(TestProviderCredential request, CancellationToken cancellationToken)
    {
        var (tenant, id) = (request.TenantId, request.CredentialId);
        var row = await db.Credentials.AsNoTracking().FirstOrDefaultAsync(c => c.TenantId == tenant && c.Id == id && c.EndedAt == null, cancellationToken);
        var secret = row is null ? null : await db.Secrets.AsNoTracking().FirstOrDefaultAsync(s => s.TenantId == tenant && s.Id == row.SecretId, cancellationToken);
        if (row is null || secret is null)
            return Refusal.NotFound("credential");
        var endpoint = await db.Endpoints.AsNoTracking().FirstOrDefaultAsync(e => e.TenantId == tenant && e.Name == row.Provider, cancellationToken);
        // No transaction stays open while somebody else's server thinks.
        var test = await probe.AskAsync(row.Provider, endpoint is null ? null : new CustomEndpoint(endpoint.Name, new Uri(endpoint.BaseUrl), endpoint.Surface), box.Open(secret), cancellationToken);
        var (now, passed, answer) = (time.GetUtcNow(), test.Passed, test.Answer);
        await db.Credentials.Where(c => c.TenantId == tenant && c.Id == id && c.EndedAt == null)
            .ExecuteUpdateAsync(set => set.SetProperty(c => c.TestedAt, now).SetProperty(c => c.TestPassed, passed).SetProperty(c => c.TestAnswer, answer), cancellationToken);
        return test;
    }
}
