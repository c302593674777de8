using System.Security.Cryptography;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>Makes a token for the management API. Its role can't exceed its maker's.</summary>
public sealed record CreateApiToken(Caller Caller, string TenantId, string Name, Role Role, DateTimeOffset? ExpiresAt = null) : IUseCase<TokenMade>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => $"{Name} ({Role})";
}

/// <summary>A token that was just made. <see cref="Secret"/> is shown once and kept nowhere.</summary>
public sealed record TokenMade(string Id, string Name, Role Role, string Masked, string Secret) : IAuditSubject
{
    public string AuditSubject => Id;

    public override string ToString() => $"token {Id} {Masked}";
}

internal sealed class CreateApiTokenRules : AbstractValidator<CreateApiToken>
{
    public CreateApiTokenRules(TimeProvider time)
    {
        RuleFor(c => c.Name).IsName();
        RuleFor(c => c.Role).IsInEnum();
        RuleFor(c => c.ExpiresAt).Must(e => e is null || e > time.GetUtcNow()).WithMessage("The token would have expired already.");
    }
}

internal sealed class CreateApiTokenHandler(TokonomicsDbContext db, KeyIssuing issuing) : IRequestHandler<CreateApiToken, Outcome<TokenMade>>
{
    public Task<Outcome<TokenMade>> Handle(CreateApiToken request, CancellationToken cancellationToken)
    {
        if (!request.Caller.IsOperator && !request.Caller.Role.Covers(request.Role))
            return Task.FromResult<Outcome<TokenMade>>(
                new Refusal(RefusalKind.Forbidden, "role_forbids", $"The role {request.Caller.Role} can't make a token with the role {request.Role}."));
        var (token, row) = issuing.Token(request.TenantId, request.Caller, request.Name, request.Role, request.ExpiresAt);
        db.Tokens.Add(row);
        return Task.FromResult<Outcome<TokenMade>>(new TokenMade(row.Id, row.Name, row.Role, token.ToString(), token.Reveal()));
    }
}

/// <summary>Ends an API token at once.</summary>
public sealed record RevokeApiToken(Caller Caller, string TenantId, string TokenId) : IUseCase<TokenRevoked>, IChange
{
    public Right Needs => Right.ManageCredentials;

    public string AuditDetail => "";
}

public sealed record TokenRevoked(string TokenId, DateTimeOffset At) : IAuditSubject
{
    public string AuditSubject => TokenId;
}

internal sealed class RevokeApiTokenHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<RevokeApiToken, Outcome<TokenRevoked>>
{
    public async Task<Outcome<TokenRevoked>> Handle(RevokeApiToken request, CancellationToken cancellationToken)
    {
        var token = await db.Tokens.FirstOrDefaultAsync(t => t.TenantId == request.TenantId && t.Id == request.TokenId, cancellationToken);
        if (token is null)
            return Refusal.NotFound("token");
        token.Revoke(time.GetUtcNow(), request.Caller.Actor);
        return new TokenRevoked(token.Id, token.RevokedAt!.Value);
    }
}

/// <summary>The API tokens of a tenant, revoked ones too, newest first.</summary>
public sealed record ListApiTokens(Caller Caller, string TenantId) : IUseCase<TokenList>
{
    public Right Needs => Right.ManageCredentials;
}

public sealed record TokenList(IReadOnlyList<TokenLine> Tokens);

public sealed record TokenLine(string Id, string Name, Role Role, string Masked, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

internal sealed class ListApiTokensHandler(TokonomicsDbContext db) : IRequestHandler<ListApiTokens, Outcome<TokenList>>
{
    public async Task<Outcome<TokenList>> Handle(ListApiTokens request, CancellationToken cancellationToken)
    {
        var rows = await db.Tokens.AsNoTracking().Where(t => t.TenantId == request.TenantId).OrderByDescending(t => t.Id).ToListAsync(cancellationToken);
        return new TokenList(rows.ConvertAll(t => new TokenLine(t.Id, t.Name, t.Role, ApiToken.Mask(t.LookupId), t.CreatedAt, t.CreatedBy, t.ExpiresAt, t.RevokedAt)));
    }
}

/// <summary>
/// Who presents this API token? Asked by the host before it has a caller, so the pipeline doesn't apply. Refused as <c>token_invalid</c>
/// for every reason alike, in the same time for known and unknown tokens.
/// </summary>
public sealed record AuthenticateApiToken(string? Presented) : IRequest<Outcome<Caller>>
{
    public override string ToString() => nameof(AuthenticateApiToken);
}

internal sealed class AuthenticateApiTokenHandler(TokonomicsDbContext db, IKeyHasher hasher, TimeProvider time) : IRequestHandler<AuthenticateApiToken, Outcome<Caller>>
{
    private static readonly byte[] NoHash = new byte[32];

    public async Task<Outcome<Caller>> Handle(AuthenticateApiToken request, CancellationToken cancellationToken)
    {
        var invalid = new Refusal(RefusalKind.Forbidden, "token_invalid", "The API token is unknown, expired or revoked.");
        if (request.Presented is not { } presented || !ApiToken.IsWellFormed(presented))
            return invalid; // tells nothing that the presenter couldn't compute
        var lookupId = ApiToken.LookupIdOf(presented).ToString();
        var row = await db.Tokens.AsNoTracking().FirstOrDefaultAsync(t => t.LookupId == lookupId, cancellationToken);
        var hash = new byte[32];
        hasher.Hash(presented, hash);
        var same = CryptographicOperations.FixedTimeEquals(hash, row?.Hash ?? NoHash);
        if (!same || row is null || row.RevokedAt is not null || row.ExpiresAt <= time.GetUtcNow())
            return invalid;
        return new Caller(row.TenantId, row.Id, row.Role);
    }
}
