using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using MediatR;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Users;

/// <summary>
/// A link for whoever sits at the machine to become the owner of a tenant that was made without a person. Asked by the process itself at its start; a new link
/// takes the place of the one before.
/// </summary>
/// <param name="TenantId">Null for the one that waits for its owner already.</param>
public sealed record OfferTenant(string? TenantId) : IRequest<Outcome<TenantOffered>>;

/// <param name="Token">Shown once; of it there is a hash alone.</param>
public sealed record TenantOffered(string TenantId, string Token)
{
    public override string ToString() => $"offer of {TenantId}";
}

internal sealed class OfferTenantHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<OfferTenant, Outcome<TenantOffered>>
{
    public async Task<Outcome<TenantOffered>> Handle(OfferTenant request, CancellationToken cancellationToken)
    {
        if ((request.TenantId ?? (await db.Database.SqlQuery<string>($"SELECT tenant_id AS \"Value\" FROM tenant_claims").ToListAsync(cancellationToken)).FirstOrDefault()) is not { } tenantId)
            return Refusal.NotFound("offer");
        var token = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24));
        var (hash, now) = (ClaimTenant.Hash(token), time.GetUtcNow().ToUnixTimeMilliseconds() * 1000);
        await db.Database.ExecuteSqlAsync(
            $"INSERT INTO tenant_claims (tenant_id, token_hash, created_at) VALUES ({tenantId}, {hash}, {now}) ON CONFLICT (tenant_id) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at",
            cancellationToken);
        return new TenantOffered(tenantId, token);
    }
}

/// <summary>Is there such an offer? The name of its tenant, for the page.</summary>
public sealed record FindOffer(string Token) : IRequest<Outcome<OfferFound>>
{
    public override string ToString() => nameof(FindOffer);
}

public sealed record OfferFound(string TenantId, string Name);

internal sealed class FindOfferHandler(TokonomicsDbContext db) : IRequestHandler<FindOffer, Outcome<OfferFound>>
{
    public async Task<Outcome<OfferFound>> Handle(FindOffer request, CancellationToken cancellationToken)
    {
        var hash = ClaimTenant.Hash(request.Token);
        var tenants = await db.Database.SqlQuery<string>($"SELECT tenant_id AS \"Value\" FROM tenant_claims WHERE token_hash = {hash}").ToListAsync(cancellationToken);
        return tenants.Count == 1 && await db.Tenants.AsNoTracking().FirstOrDefaultAsync(t => t.Id == tenants[0], cancellationToken) is { } tenant
            ? new OfferFound(tenant.Id, tenant.Name)
            : Refusal.NotFound("offer");
    }
}

/// <summary>
/// Whoever has the link becomes the tenant's owner: with the account that they are signed in to, or with a new one, whose address needs no mail, since the
/// link came from the machine itself. Works once.
/// </summary>
/// <param name="UserId">Null for a new account.</param>
/// <param name="FirstOperator">No operator is named in the settings: whoever claims first is one.</param>
public sealed record ClaimTenant(string Token, string? UserId, string Email, string Password, bool FirstOperator, CameFrom From) : IRequest<Outcome<TenantClaimed>>
{
    public override string ToString() => nameof(ClaimTenant);

    internal static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}

public sealed record TenantClaimed(User User, string TenantId);

internal sealed class ClaimTenantHandler(UserManager<User> users, TokonomicsDbContext db, AuditLog audit, AccountLog log, TimeProvider time) : IRequestHandler<ClaimTenant, Outcome<TenantClaimed>>
{
    public async Task<Outcome<TenantClaimed>> Handle(ClaimTenant request, CancellationToken cancellationToken)
    {
        var made = await UserAsync(request);
        if (made.Refusal is { } refusal)
            return refusal;
        var user = made.Value;
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var hash = ClaimTenant.Hash(request.Token);
        var tenants = await db.Database.SqlQuery<string>($"SELECT tenant_id AS \"Value\" FROM tenant_claims WHERE token_hash = {hash}").ToListAsync(cancellationToken);
        if (tenants.Count == 0 || await db.Database.ExecuteSqlAsync($"DELETE FROM tenant_claims WHERE token_hash = {hash}", cancellationToken) == 0)
            return Refusal.NotFound("offer");
        var tenantId = tenants[0];
        user.IsOperator |= request.FirstOperator && !await db.Users.AnyAsync(u => u.IsOperator, cancellationToken);
        var saved = request.UserId is null ? await users.CreateAsync(user) : await users.UpdateAsync(user);
        if (!saved.Succeeded)
            return Taken();
        await db.Members.Where(m => m.TenantId == tenantId && m.UserId == null && m.Role == Role.Owner)
            .ExecuteUpdateAsync(m => m.SetProperty(x => x.UserId, user.Id).SetProperty(x => x.Email, user.Email), cancellationToken);
        await log.WriteAsync(user, "claim_tenant", AuditResult.Done, request.From, tenantId, cancellationToken);
        if (user.IsOperator)
            await audit.AppendAsync(AuditEntry.SystemTenant, user.Id, "become_operator", user.Id, AuditResult.Done, user.Email!, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return new TenantClaimed(user, tenantId);
    }

    private async Task<Outcome<User>> UserAsync(ClaimTenant request)
    {
        if (request.UserId is not null)
            return await users.FindByIdAsync(request.UserId) is { } known ? known : Refusal.NotFound("user");
        if (!TenantMaking.IsEmail(request.Email))
            return Refusal.Invalid(nameof(ClaimTenant.Email), "That doesn't look like an e-mail address: it should be name@host, in plain letters.");
        var (now, email) = (time.GetUtcNow(), request.Email.ToLowerInvariant());
        var user = new User { Id = SortableId.New("usr", now), UserName = email, Email = email, EmailConfirmed = true, CreatedAt = now };
        if (await users.ProblemAsync(user, request.Password) is { } problem)
            return Refusal.Invalid(nameof(ClaimTenant.Password), problem);
        if (await users.FindByEmailAsync(email) is not null)
            return Taken();
        user.PasswordHash = users.PasswordHasher.HashPassword(user, request.Password);
        return user;
    }

    private static Refusal Taken() => Refusal.Invalid(nameof(ClaimTenant.Email), "There is an account with this address: sign in with it, then open the link again.");
}
