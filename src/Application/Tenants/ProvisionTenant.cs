using FluentValidation;
using MediatR;
using Tokonomics.Application.Billing;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Secrets;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>A tenant ready for use, in one transaction: owner, a live and a test key, an API token, provider keys.</summary>
/// <param name="ProviderKeys">Provider name and key in the clear.</param>
public sealed record ProvisionTenant(
    Caller Caller, string Name, string OwnerEmail, IReadOnlyList<KeyValuePair<string, string>> ProviderKeys, string TimeZone = "UTC", TenantPlan Plan = TenantPlan.Free)
    : IUseCase<TenantProvisioned>, IChange
{
    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;

    public string AuditDetail => $"{Name}; provider keys: {string.Join(", ", ProviderKeys.Select(p => p.Key))}";

    public override string ToString() => $"provision {Name}";
}

/// <summary>What was made. The keys and the token are shown this once.</summary>
public sealed record TenantProvisioned(string TenantId, string OwnerId, KeyMade LiveKey, KeyMade TestKey, TokenMade ApiToken) : IAuditSubject, IInTenant
{
    public string AuditSubject => TenantId;
}

internal sealed class ProvisionTenantRules : AbstractValidator<ProvisionTenant>
{
    public ProvisionTenantRules(IBuiltInProviders providers)
    {
        RuleFor(p => p.Name).IsName();
        RuleFor(p => p.OwnerEmail).Must(TenantMaking.IsEmail).WithMessage("The owner's e-mail address must look like name@host.");
        RuleFor(p => p.TimeZone).Must(TenantMaking.IsTimeZone).WithMessage("The time zone must be an IANA name, such as Europe/Berlin.");
        RuleFor(p => p.Plan).IsInEnum();
        RuleFor(p => p.ProviderKeys).Must(keys => keys.Select(k => k.Key).Distinct(StringComparer.Ordinal).Count() == keys.Count)
            .WithMessage("A provider is named twice.");
        RuleForEach(p => p.ProviderKeys).Must(k => providers.Contains(k.Key)).WithMessage((_, k) => $"'{k.Key}' is no built-in provider.");
        RuleForEach(p => p.ProviderKeys).Must(k => ProviderKey.IsSendable(k.Value)).WithMessage((_, k) => $"{k.Key}: {ProviderKey.Rule}");
    }
}

internal sealed class ProvisionTenantHandler(TokonomicsDbContext db, KeyIssuing issuing, ISecretBox box, PlansInForce plans, TimeProvider time)
    : IRequestHandler<ProvisionTenant, Outcome<TenantProvisioned>>
{
    public Task<Outcome<TenantProvisioned>> Handle(ProvisionTenant request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var (tenant, owner) = TenantMaking.Make(now, request.Name, request.OwnerEmail, request.TimeZone, request.Plan);
        var (live, liveRow) = issuing.Key(tenant.Id, request.Caller, "default", KeyEnvironment.Live);
        var (test, testRow) = issuing.Key(tenant.Id, request.Caller, "default", KeyEnvironment.Test);
        var (token, tokenRow) = issuing.Token(tenant.Id, request.Caller, "default", Role.Owner);
        db.AddRange(tenant, owner, liveRow, testRow, tokenRow);
        db.AddRange(plans.Begin(tenant.Id, PlansInForce.Granted(request.Plan), now));
        foreach (var (provider, secret) in request.ProviderKeys)
        {
            var (row, sealedSecret) = ProviderKey.Create(box, tenant.Id, provider, secret, now, request.Caller.Actor);
            db.AddRange(sealedSecret, row);
        }

        return Task.FromResult<Outcome<TenantProvisioned>>(new TenantProvisioned(
            tenant.Id,
            owner.Id,
            new KeyMade(tenant.Id, liveRow.Id, liveRow.Name, liveRow.Environment, liveRow.Masked, live.Reveal()),
            new KeyMade(tenant.Id, testRow.Id, testRow.Name, testRow.Environment, testRow.Masked, test.Reveal()),
            new TokenMade(tokenRow.Id, tokenRow.Name, tokenRow.Role, token.ToString(), token.Reveal())));
    }
}
