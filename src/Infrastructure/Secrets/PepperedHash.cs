using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Configuration;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Secrets;

namespace Tokonomics.Infrastructure.Secrets;

/// <summary>
/// HMAC-SHA256 of the key itself under the pepper. A slow hash, or one more hash below it, would add nothing: a key has 192 random bits, so
/// there is nothing to guess, and this is computed for every request (about a microsecond). The pepper makes a stolen database worthless for
/// recognising keys found elsewhere.
/// </summary>
public sealed class PepperedHash(MasterKeyRing ring) : IKeyHasher
{
    private const int MaxKeyChars = 64;

    public void Hash(ReadOnlySpan<char> key, Span<byte> destination)
    {
        if (key.Length > MaxKeyChars)
            throw new ArgumentException($"a key has at most {MaxKeyChars} characters, this has {key.Length}", nameof(key));
        Span<byte> ascii = stackalloc byte[MaxKeyChars];
        var length = Encoding.ASCII.GetBytes(key, ascii);
        HMACSHA256.HashData(ring.Pepper, ascii[..length], destination);
        CryptographicOperations.ZeroMemory(ascii);
    }
}

public static class SecretsSetup
{
    /// <summary>The key ring, the box that seals with it, and the hash of metering keys. Reads the settings under <c>Secrets</c>.</summary>
    public static IServiceCollection AddSecrets(this IServiceCollection services, IConfiguration configuration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<SecretOptions>().Bind(configuration.GetSection("Secrets"))
            .Validate(o => o.Problem() is null, "Secrets:MasterKey and Secrets:Pepper must be set both or neither, every key 32 bytes in base64 (openssl rand -base64 32).")
            .ValidateOnStart();
        services.AddSingleton<MasterKeyRing>();
        services.AddSingleton<IMasterKeys>(provider => provider.GetRequiredService<MasterKeyRing>());
        services.AddSingleton<ISecretBox, SecretBox>();
        services.AddSingleton<IKeyHasher, PepperedHash>();
        services.AddSingleton<Fingerprints>();
        services.AddSingleton<ClassSecret>(provider => tenantId => provider.GetRequiredService<Fingerprints>().Of("routing-class", tenantId, ""));
        return services;
    }
}
