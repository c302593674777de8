using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Mails;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Team;

/// <summary>Who is in this organization, and what may each of them do?</summary>
[ProveIdentity(Handlers = ["Invite", "Role"])]
public sealed class IndexModel(IMailer mailer, IPortalLinks links, TimeProvider time) : PortalPage
{
    [BindProperty]
    public string Email { get; set; } = "";

    [BindProperty]
    public Role Role { get; set; } = Role.Developer;

    /// <summary>A member's or an invitation's id.</summary>
    [BindProperty]
    public string Target { get; set; } = "";

    [BindProperty]
    public string? Confirm { get; set; }

    public MemberList List { get; private set; } = null!;

    public DateTimeOffset Now { get; } = time.GetUtcNow();

    /// <summary>Shown this once, for those whose mail doesn't arrive.</summary>
    public string? Link { get; private set; }

    public string? Invited { get; private set; }

    /// <summary>What whoever looks may give.</summary>
    public IReadOnlyList<SelectListItem> Roles => [.. Enum.GetValues<Role>().Where(r => Caller.Role.Covers(r)).Select(r => new SelectListItem($"{r}: {Does(r)}", r.ToString()))];

    public static string Does(Role role) => role switch
    {
        Role.Viewer => "sees usage, keys (masked) and budgets",
        Role.Billing => "sees usage and pays the bill",
        Role.Developer => "makes and revokes keys too",
        Role.Admin => "everything but the organization itself",
        _ => "everything",
    };

    public async Task<IActionResult> OnGetAsync() => May(Right.ManageTeams) ? await ShowAsync() : Redirect(To("/team/projects"));

    public async Task<IActionResult> OnPostInviteAsync()
    {
        ModelState.Remove(nameof(Target));
        if (!await FirstTimeAsync())
            return Redirect(To("/team"));
        return await SentAsync(await AskAsync(new InviteMember(Caller, TenantId, (Email ?? "").Trim(), Role)));
    }

    public async Task<IActionResult> OnPostResendAsync()
    {
        ModelState.Clear();
        if (!await FirstTimeAsync())
            return Redirect(To("/team"));
        return await SentAsync(await AskAsync(new ResendInvitation(Caller, TenantId, Target)));
    }

    private async Task<IActionResult> SentAsync(InvitationMade? made)
    {
        if (made is null)
            return Refused ?? await ShowAsync();
        mailer.Send(InvitationMail.Of(links, made, Tenant.TenantName, Me.Email));
        (Link, Invited, Email) = (InvitationMail.Link(links, made), made.Email, "");
        ModelState.Clear();
        return await ShowAsync();
    }

    public async Task<IActionResult> OnPostWithdrawAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new WithdrawInvitation(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        Said = "The invitation is withdrawn: its link is worth nothing now.";
        return Redirect(To("/team"));
    }

    public async Task<IActionResult> OnPostRoleAsync()
    {
        ModelState.Clear();
        if (await AskAsync(new ChangeMemberRole(Caller, TenantId, Target, Role)) is null)
            return Refused ?? await ShowAsync();
        Said = "The role is changed; it holds from their next click on.";
        return Redirect(To("/team"));
    }

    public async Task<IActionResult> OnPostRemoveAsync()
    {
        ModelState.Clear();
        if (May(Right.ManageTeams) && await ShowAsync() is PageResult && List.Members.FirstOrDefault(m => m.Id == Target) is { } member && Confirm?.Trim() != member.Email)
        {
            ModelState.AddModelError("", $"Nobody was removed: type {member.Email} to confirm.");
            return Page();
        }

        if (!await FirstTimeAsync())
            return Redirect(To("/team"));
        if (await AskAsync(new RemoveMember(Caller, TenantId, Target)) is null)
            return Refused ?? await ShowAsync();
        Said = "They are no member any more.";
        return Redirect(To("/team"));
    }

    private async Task<IActionResult> ShowAsync()
    {
        if (await AskAsync(new ListMembers(Caller, TenantId)) is not { } list)
            return Refused ?? NotFound();
        List = list;
        return Page();
    }
}
