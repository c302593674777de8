using Tokonomics.Application.Keys;
using Tokonomics.Web.Proxy.Forwarding;

namespace Tokonomics.Web.Proxy.Ingress;

/// <summary>Who calls: the metering key, from memory.</summary>
internal static class CallingKey
{
    /// <returns>Null where the key may call; otherwise why not.</returns>
    public static Refusal? Authenticate(IKeyDirectory keys, PresentedKey presented, out KeySnapshot key)
    {
        key = null!;
        if (presented.Problem is { } problem)
            return new Refusal(401, "unknown_key", problem);
        if (presented.Key is not { } text)
            return new Refusal(401, "missing_key", "no key was sent: put your metering key (mk_live_… or mk_test_…) where your SDK takes its API key");
        var lookup = keys.Find(text);
        switch (lookup.Status)
        {
            case KeyStatus.Active:
                key = lookup.Key!;
                return null;
            case KeyStatus.Revoked:
                return new Refusal(401, "revoked_key", "this metering key was revoked: use another, or make a new one in the portal");
            case KeyStatus.Expired:
                return new Refusal(401, "expired_key", "this metering key has expired: make a new one in the portal");
            case KeyStatus.Suspended:
                return new Refusal(403, "tenant_suspended", "this account is suspended: ask whoever runs this installation");
            case KeyStatus.Closing:
                return new Refusal(403, "tenant_closing", "this account is being deleted and takes no calls any more: its owner can cancel that in the portal, under Data");
            default:
                return new Refusal(401, "unknown_key", "no such metering key: compare it with the one that was shown when it was made");
        }
    }
}
