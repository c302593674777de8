using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>Passkeys of users (WebAuthn, by ASP.NET Core Identity): with the user verified by the device, one is two factors at once.</summary>
public sealed class Passkeys(SignInManager<User> signIn, UserManager<User> users, ISentForms answers, AccountLog log, IOptions<PortalOptions> options)
{
    /// <summary>For one user.</summary>
    public const int Most = 20;

    /// <summary>Browsers take passkeys under a name alone, and only on the page that has it.</summary>
    public bool WorkUnder(HttpContext http) =>
        options.Value.PublicUrl.HostNameType == UriHostNameType.Dns && string.Equals(http.Request.Host.Host, options.Value.PublicUrl.Host, StringComparison.OrdinalIgnoreCase);

    public Task<string> CreationOptionsAsync(User user) =>
        signIn.MakePasskeyCreationOptionsAsync(new PasskeyUserEntity { Id = user.Id, Name = user.Email!, DisplayName = user.Name.Length > 0 ? user.Name : user.Email! });

    /// <param name="user">Whose passkeys are asked for; null at the door, where the device knows.</param>
    public Task<string> RequestOptionsAsync(User? user) => signIn.MakePasskeyRequestOptionsAsync(user!);

    /// <returns>What is wrong, or null.</returns>
    public async Task<string?> AddAsync(User user, string credential, string name, CameFrom from, CancellationToken cancellationToken)
    {
        if ((await users.GetPasskeysAsync(user)).Count >= Most)
            return $"There are {Most} passkeys already: remove one that you don't use first.";
        var made = await AttestAsync(credential);
        if (made is not { Succeeded: true, Passkey: { } passkey } || made.UserEntity?.Id != user.Id || !passkey.IsUserVerified)
            return "The passkey was not accepted: it must come from this page, within a few minutes, and the device must have asked for its PIN, finger or face. Try again.";
        passkey.Name = name;
        if (!(await users.AddOrUpdatePasskeyAsync(user, passkey)).Succeeded)
            return "The passkey could not be stored. Try again.";
        await users.UpdateSecurityStampAsync(user);
        await log.WriteAsync(user, "add_passkey", AuditResult.Done, from, name, cancellationToken);
        log.Tell(user, "A passkey was added", $"A passkey named “{name}” was added to your Tokonomics account. It signs in without the password.", from);
        return null;
    }

    public async Task<bool> RenameAsync(User user, string id, string name)
    {
        if (await FindAsync(user, id) is not { } passkey)
            return false;
        passkey.Name = name;
        return (await users.AddOrUpdatePasskeyAsync(user, passkey)).Succeeded;
    }

    public async Task<bool> RemoveAsync(User user, string id, CameFrom from, CancellationToken cancellationToken)
    {
        if (await FindAsync(user, id) is not { } passkey || !(await users.RemovePasskeyAsync(user, passkey.CredentialId)).Succeeded)
            return false;
        await users.UpdateSecurityStampAsync(user);
        await log.WriteAsync(user, "remove_passkey", AuditResult.Done, from, passkey.Name ?? "", cancellationToken);
        log.Tell(user, "A passkey was removed", $"The passkey “{passkey.Name}” was removed from your Tokonomics account.", from);
        return true;
    }

    /// <summary>Whose passkey answered the challenge that this browser was given; null where it is no valid answer, or one that was used before.</summary>
    public async Task<User?> AnsweredByAsync(string credential, CancellationToken cancellationToken)
    {
        if (await AssertAsync(credential) is not { Succeeded: true, User: { } user, Passkey: { IsUserVerified: true } passkey })
            return null;
        // The challenge is kept by the browser: copied together with the answer it could be sent again, so that each answer counts once.
        if (Signed(credential) is not { } signed || !await answers.FirstAsync($"passkey/{Convert.ToHexStringLower(SHA256.HashData(signed))}", cancellationToken))
            return null;
        return (await users.AddOrUpdatePasskeyAsync(user, passkey)).Succeeded ? user : null; // the counter
    }

    // What a browser sends is anybody's text.
    private async Task<PasskeyAttestationResult?> AttestAsync(string credential)
    {
        try
        {
            return await signIn.PerformPasskeyAttestationAsync(credential);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private async Task<PasskeyAssertionResult<User>?> AssertAsync(string credential)
    {
        try
        {
            return await signIn.PerformPasskeyAssertionAsync(credential);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private async Task<UserPasskeyInfo?> FindAsync(User user, string id) =>
        System.Buffers.Text.Base64Url.IsValid(id) ? await users.GetPasskeyAsync(user, System.Buffers.Text.Base64Url.DecodeFromChars(id)) : null;

    // What was signed, decoded, so that no other spelling of it is another answer. Null where the answer has it under another name or twice: its reader may
    // take one, and this the other.
    private static byte[]? Signed(string credential)
    {
        using var json = JsonDocument.Parse(credential);
        if (Only(json.RootElement, "response") is not { } response || Only(response, "clientDataJSON") is not { ValueKind: JsonValueKind.String } signed)
            return null;
        return System.Buffers.Text.Base64Url.IsValid(signed.GetString()) ? System.Buffers.Text.Base64Url.DecodeFromChars(signed.GetString()) : null;
    }

    private static JsonElement? Only(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.EnumerateObject().Count(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) == 1 && parent.TryGetProperty(name, out var found) ? found : null;
}
