using Microsoft.AspNetCore.Identity;
using Tokonomics.Application.Secrets;
using Tokonomics.Application.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>
/// A person who signs in to the portal; a member of any number of tenants. ASP.NET Core Identity keeps the credentials: its names are those of the columns.
/// The user's name is the e-mail address.
/// </summary>
public sealed class User : IdentityUser
{
    /// <summary>How the portal addresses them; may be empty.</summary>
    public string Name { get; set; } = "";

    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>Runs the installation, besides those whom the settings name.</summary>
    public bool IsOperator { get; set; }

    /// <summary>The last 30-second step (unix seconds / 30) whose one-time code was taken: no code works twice.</summary>
    public long TotpStep { get; set; }
}

/// <summary>A key of the ring that protects cookies, forms and mailed links, sealed as provider keys are.</summary>
public sealed class DataProtectionKey
{
    public required string Id { get; init; }

    public required string KekId { get; set; }

    public required byte[] WrappedKey { get; set; }

    public required byte[] Ciphertext { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Sealed for the installation, under no tenant's name.</summary>
    public static DataProtectionKey Seal(ISecretBox box, string id, string key)
    {
        var secret = box.Seal(AuditEntry.SystemTenant, id, Purpose, key);
        return new DataProtectionKey { Id = id, KekId = secret.KekId, WrappedKey = secret.WrappedKey, Ciphertext = secret.Ciphertext, CreatedAt = secret.CreatedAt };
    }

    public SealedSecret AsSecret() =>
        new() { TenantId = AuditEntry.SystemTenant, Id = Id, Purpose = Purpose, KekId = KekId, WrappedKey = WrappedKey, Ciphertext = Ciphertext, CreatedAt = CreatedAt };

    private const string Purpose = "data-protection";
}
