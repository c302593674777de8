using Tokonomics.Application.Keys;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Infrastructure.InProcess;

/// <summary>Where a key directory reads tenants and keys from. One reader at a time.</summary>
internal interface IDirectorySource : IDisposable
{
    /// <summary>A cheap question, asked several times a second: may anything have changed since it was last asked? True for the first time.</summary>
    bool MayHaveChanged();

    /// <summary>The tenants that changed after that point, each whole.</summary>
    DirectoryChanges Read(long since);
}

/// <param name="Seq">The point that this reading reached.</param>
/// <param name="All">It holds every tenant, those that stood in the directory before and aren't in it are gone (a backup was restored).</param>
/// <param name="Gone">Tenants that were deleted since.</param>
internal sealed record DirectoryChanges(long Seq, bool All, IReadOnlyList<TenantRow> Tenants, IReadOnlyList<string> Gone);

/// <param name="Status">Of its keys that are neither revoked nor expired.</param>
/// <param name="Credentials">Decrypted.</param>
/// <param name="Limits">Null where it has none; the same for keys.</param>
internal sealed record TenantRow(
    string Id, KeyStatus Status, IReadOnlyList<ProviderCredential> Credentials, IReadOnlyList<CustomEndpoint> Endpoints, IReadOnlyList<KeyRow> Keys, CallLimits? Limits = null, bool ReadsOn = false, bool RefusesUnpriced = false,
    IReadOnlyList<ModelRoute>? Routes = null, TimeZoneInfo? Zone = null, string CacheEpoch = "");

internal sealed record KeyRow(
    string Id, string Name, string LookupId, byte[] Hash, KeyEnvironment Environment, string? TeamId, string? ProjectId, IReadOnlyList<Tag> Tags, DateTimeOffset? ExpiresAt, bool Revoked, CallLimits? Limits = null, KeyAllowance? Allowance = null, TimeSpan? CacheFor = null);
