namespace Tokonomics.Application.Users;

/// <summary>Who is signed in where. Sessions are rows of the store: one that is ended is dead at its next request, on every portal.</summary>
public interface ISessions
{
    /// <summary>A session ends this long after its last request …</summary>
    static readonly TimeSpan Idle = TimeSpan.FromDays(7);

    /// <summary>… and this long after it began.</summary>
    static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    /// <param name="key">Random; only its hash is kept.</param>
    /// <param name="ticket">Who signed in and how, protected.</param>
    Task BeginAsync(string key, string userId, byte[] ticket, string address, string userAgent, CancellationToken cancellationToken);

    /// <summary>Null where there is no such session any more. Notes that it was used, once a minute at most.</summary>
    Task<OpenSession?> FindAsync(string key, CancellationToken cancellationToken);

    /// <summary>What is known of who signed in has changed: a new password's stamp.</summary>
    Task RenewAsync(string key, byte[] ticket, CancellationToken cancellationToken);

    /// <summary>The tenant that this session shows from now on.</summary>
    Task ShowAsync(string sessionId, string tenantId, CancellationToken cancellationToken);

    /// <summary>A credential was presented again: the session goes on under a new key, and the old one is dead.</summary>
    Task ProveAsync(string sessionId, string newKey, byte[] ticket, CancellationToken cancellationToken);

    /// <summary>The user's sessions, the one used last first.</summary>
    Task<IReadOnlyList<SessionLine>> ListAsync(string userId, CancellationToken cancellationToken);

    /// <summary>Ends one session, or, where none is named, all of the user's but the one to keep.</summary>
    /// <returns>How many ended.</returns>
    Task<int> EndAsync(string userId, string? sessionId, string? keep, CancellationToken cancellationToken);

    /// <summary>Ends the session with this key.</summary>
    Task EndAsync(string key, CancellationToken cancellationToken);
}

/// <param name="ProvedAt">When a credential was last presented: what is dangerous asks for it anew after a while.</param>
/// <param name="Stamp">The user's security stamp of now: a ticket with another one was made before a credential changed.</param>
public sealed record OpenSession(string Id, string UserId, string? TenantId, byte[] Ticket, DateTimeOffset ProvedAt, string Stamp);

public sealed record SessionLine(string Id, DateTimeOffset CreatedAt, DateTimeOffset SeenAt, string Address, string UserAgent);
