using Tokonomics.Domain.Keys;

namespace Tokonomics.Domain.Tenants;

/// <summary>An invitation's token in the clear: <c>iv_</c>, then as a metering key. Exists while it is shown, mailed or presented; its hash is stored.</summary>
public sealed class InvitationToken
{
    public const string Prefix = "iv_";

    private readonly string _text;

    private InvitationToken(string text) => _text = text;

    public static InvitationToken Generate() => new(KeyText.Generate(Prefix));

    public static bool IsWellFormed(ReadOnlySpan<char> text) => KeyText.IsWellFormed(text, Prefix);

    public string Reveal() => _text;

    public override string ToString() => Prefix + "…";
}

/// <summary>An offer to become a member. It ends once: accepted, withdrawn, or by its time.</summary>
public sealed class Invitation
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(7);

    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>In lower case.</summary>
    public required string Email { get; init; }

    public required Role Role { get; init; }

    /// <summary>32 bytes: the HMAC-SHA256 of the token under the pepper.</summary>
    public required byte[] TokenHash { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public required DateTimeOffset SentAt { get; set; }

    public required DateTimeOffset ExpiresAt { get; set; }

    public DateTimeOffset? AcceptedAt { get; private set; }

    public string? AcceptedBy { get; private set; }

    public DateTimeOffset? WithdrawnAt { get; private set; }

    public bool IsOpen => AcceptedAt is null && WithdrawnAt is null;

    public void Accept(DateTimeOffset at, string memberId) => (AcceptedAt, AcceptedBy) = IsOpen
        ? (at, memberId)
        : throw new InvalidOperationException($"invitation {Id} was accepted at {AcceptedAt:O} or withdrawn at {WithdrawnAt:O}; it can't be accepted at {at:O}");

    public void Withdraw(DateTimeOffset at) => WithdrawnAt = AcceptedAt is null
        ? at
        : throw new InvalidOperationException($"invitation {Id} was accepted at {AcceptedAt:O}; it can't be withdrawn at {at:O}");
}
