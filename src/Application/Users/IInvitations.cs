namespace Tokonomics.Application.Users;

/// <summary>Invitations, as far as signing up needs to know of them. Accepting one is /join/{token}'s, once there is an account.</summary>
public interface IInvitations
{
    /// <returns>The address that was invited; null where the token is unknown, used or expired.</returns>
    Task<string?> EmailOfAsync(string token, CancellationToken cancellationToken);
}
