using System.Buffers.Text;
using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;
using Tokonomics.Application.Users;

namespace Tokonomics.Web.Portal.Users;

/// <summary>Keeps sign-ins as rows: the cookie has a random key and nothing else, so that ending a session ends it everywhere.</summary>
public sealed class SessionTickets(ISessions sessions, IDataProtectionProvider protection, IOptions<IdentityOptions> identity) : ITicketStore
{
    private readonly IDataProtector _tickets = protection.CreateProtector("Tokonomics.Users.SessionTicket");

    public async Task<string> StoreAsync(AuthenticationTicket ticket, HttpContext httpContext, CancellationToken cancellationToken)
    {
        var key = NewKey();
        var address = httpContext.Connection.RemoteIpAddress?.ToString() ?? "";
        await sessions.BeginAsync(key, UserId(ticket.Principal), Protect(ticket), address, httpContext.Request.Headers.UserAgent.ToString(), cancellationToken);
        return key;
    }

    public async Task<AuthenticationTicket?> RetrieveAsync(string key, HttpContext httpContext, CancellationToken cancellationToken)
    {
        if (await sessions.FindAsync(key, cancellationToken) is not { } session)
            return null;
        var ticket = TicketSerializer.Default.Deserialize(_tickets.Unprotect(session.Ticket));
        if (ticket?.Principal.FindFirstValue(identity.Value.ClaimsIdentity.SecurityStampClaimType) != session.Stamp)
        {
            // A credential changed since: whoever signed in with the old one is out, on every portal, with this very request.
            await sessions.EndAsync(key, cancellationToken);
            return null;
        }

        httpContext.Items[typeof(OpenSession)] = session;
        return ticket;
    }

    public Task RenewAsync(string key, AuthenticationTicket ticket, HttpContext httpContext, CancellationToken cancellationToken) => sessions.RenewAsync(key, Protect(ticket), cancellationToken);

    public Task RemoveAsync(string key, HttpContext httpContext, CancellationToken cancellationToken) => sessions.EndAsync(key, cancellationToken);

    // The forms without a request belong to the interface; the cookie handler calls those with one.
    public Task<string> StoreAsync(AuthenticationTicket ticket) => throw new NotSupportedException("a session is stored with its request");

    public Task RenewAsync(string key, AuthenticationTicket ticket) => sessions.RenewAsync(key, Protect(ticket), CancellationToken.None);

    public Task<AuthenticationTicket?> RetrieveAsync(string key) => throw new NotSupportedException("a session is read with its request");

    public Task RemoveAsync(string key) => sessions.EndAsync(key, CancellationToken.None);

    public static string NewKey() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    public byte[] Protect(AuthenticationTicket ticket) => _tickets.Protect(TicketSerializer.Default.Serialize(ticket));

    private static string UserId(ClaimsPrincipal principal) => principal.FindFirstValue(ClaimTypes.NameIdentifier)!;
}
