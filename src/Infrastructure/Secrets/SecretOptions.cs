namespace Tokonomics.Infrastructure.Secrets;

/// <summary>Settings under <c>Secrets</c>. Where none is set, keys are made on the first start and kept in <c>master.key</c> in the data directory, mode 0600.</summary>
public sealed class SecretOptions
{
    /// <summary>One or more key-encryption keys, 32 bytes each in base64, separated by commas. The first seals; the others only open what they sealed.</summary>
    public string? MasterKey { get; set; }

    /// <summary>32 bytes in base64. Needed with <see cref="MasterKey"/>. Changing it makes every metering key and API token unknown.</summary>
    public string? Pepper { get; set; }

    internal string? Problem()
    {
        if (MasterKey is null && Pepper is null)
            return null;
        if (MasterKey is null || Pepper is null)
            return "Secrets:MasterKey and Secrets:Pepper must be set both or neither; one of them is missing.";
        foreach (var key in MasterKey.Split(','))
            if (!Is256Bits(key))
                return "Secrets:MasterKey: every key must be 32 bytes in base64; one of them isn't. Make one with: openssl rand -base64 32";
        return Is256Bits(Pepper) ? null : "Secrets:Pepper must be 32 bytes in base64. Make one with: openssl rand -base64 32";
    }

    private static bool Is256Bits(string text)
    {
        Span<byte> bytes = stackalloc byte[48];
        return text.Trim().Length == 44 && Convert.TryFromBase64String(text.Trim(), bytes, out var written) && written == 32;
    }
}
