using System.Security.Claims;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Users;

/// <summary>A tenant that the user is a member of.</summary>
/// <param name="Plan">The one in force.</param>
public sealed record Membership(string TenantId, string MemberId, Role Role, string TenantName, PlanStanding Plan, string TimeZone, TenantStatus Status, DateTimeOffset TenantCreatedAt);

/// <summary>Who looks at the page, read anew for each request: a role that was taken away is gone with the next click.</summary>
/// <param name="Current">The tenant that is shown; null where the user is in none yet.</param>
/// <param name="IsOperator">Named in <c>Portal:Operators</c>, or the first to claim the installation: the operator's area is theirs, once <paramref name="TwoFactors"/>.</param>
/// <param name="TwoFactors">In this session two factors were presented: a password and a code, or a passkey.</param>
public sealed record SignedIn(OpenSession Session, string UserId, string Email, string Name, Membership? Current, IReadOnlyList<Membership> Memberships, bool IsOperator, bool TwoFactors)
{
    /// <summary>As use cases know them. The actor is the member, so that the audit log says who, not only which account.</summary>
    /// <exception cref="InvalidOperationException">The user is in no tenant; <see cref="Frame.PortalPage"/> sends them to make one.</exception>
    public Caller Caller => Current is { } m ? new Caller(m.TenantId, m.MemberId, m.Role) : throw new InvalidOperationException("the user is in no tenant");

    /// <summary>Null for everybody else, and for an operator who has shown one factor only.</summary>
    public Caller? Operator => IsOperator && TwoFactors ? new Caller(null, $"operator {Email}", Role.Owner) : null;
}

/// <summary>Finds who is signed in, once for each request.</summary>
public sealed class CurrentUser(IHttpContextAccessor accessor, TokonomicsDbContext db, IOptions<PortalOptions> options, PlanBook plans, BillingOptions billing)
{
    private Task<SignedIn?>? _found;

    /// <summary>Null where nobody is signed in, or the account was taken away meanwhile.</summary>
    public Task<SignedIn?> FindAsync() => _found ??= ReadAsync();

    private async Task<SignedIn?> ReadAsync()
    {
        var http = accessor.HttpContext!;
        if (http.User.FindFirstValue(ClaimTypes.NameIdentifier) is not { } userId || http.Items[typeof(OpenSession)] is not OpenSession session)
            return null;
        var user = await db.Users.AsNoTracking().Where(u => u.Id == userId).Select(u => new { u.Email, u.Name, u.EmailConfirmed, u.IsOperator }).FirstOrDefaultAsync(http.RequestAborted);
        if (user is null)
            return null;
        var found = await (
            from m in db.Members.AsNoTracking()
            join t in db.Tenants on m.TenantId equals t.Id
            join a in db.BillingAccounts on t.Id equals a.TenantId into accounts
            from a in accounts.DefaultIfEmpty()
            where m.UserId == userId
            select new { t.Id, Member = m.Id, m.Role, t.Name, Granted = t.Plan, t.TimeZone, t.Status, t.CreatedAt, Plan = (string?)a.Plan, Reason = (EntitlementReason?)a.Reason, a.EndsAt }).ToListAsync(http.RequestAborted);
        var memberships = found.ConvertAll(m => new Membership(m.Id, m.Member, m.Role, m.Name, PlanStanding.Of(plans, billing, m.Granted, m.Plan, m.Reason, m.EndsAt), m.TimeZone, m.Status, m.CreatedAt));
        memberships.Sort((a, b) => string.CompareOrdinal(a.TenantId, b.TenantId));
        var current = memberships.Find(m => m.TenantId == session.TenantId) ?? memberships.FirstOrDefault();
        return new SignedIn(session, userId, user.Email!, user.Name, current, memberships, user.EmailConfirmed && (user.IsOperator || options.Value.IsOperator(user.Email!)), http.User.HasClaim(SessionRenewal.Method, SessionRenewal.TwoFactors));
    }
}
