using System.Globalization;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Keys;

public enum KeyOrder
{
    /// <summary>The newest first.</summary>
    Created,
    Name,
}

/// <summary>The keys of a tenant, revoked ones too.</summary>
public sealed record ListKeys(Caller Caller, string TenantId, KeyEnvironment? Environment = null) : IUseCase<KeyList>
{
    /// <summary>In the name, in whichever case; or an id, or the beginning of a key as lists show it.</summary>
    public string? Search { get; init; }

    public KeyStatus? Status { get; init; }

    public string? TeamId { get; init; }

    public string? ProjectId { get; init; }

    /// <summary>These alone; null for all.</summary>
    public IReadOnlyCollection<string>? Ids { get; init; }

    public KeyOrder Order { get; init; }

    public bool Reversed { get; init; }

    /// <summary>Null for all of them.</summary>
    public int? Limit { get; init; }

    /// <summary>Where the page before ended, as it said.</summary>
    public string? After { get; init; }

    public Right Needs => Right.ReadKeys;
}

/// <param name="Next">Null on the last page.</param>
/// <param name="Total">How many there are of these, on all pages.</param>
public sealed record KeyList(IReadOnlyList<KeyLine> Keys, string? Next, int Total);

/// <param name="Masked"><c>mk_live_AbCdEfGhIj…</c>.</param>
/// <param name="Status">Active, revoked or expired at the time of asking.</param>
public sealed record KeyLine(
    string Id, string Name, string Masked, KeyEnvironment Environment, KeyStatus Status, string? TeamId, string? ProjectId, IReadOnlyList<Tag> Tags,
    DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, string? RevokedBy, string? ReplacedBy, CallLimits Limits,
    IReadOnlyList<string> AllowedProviders, IReadOnlyList<string> AllowedModels, int? CacheSeconds = null)
{
    public static KeyLine Of(IssuedKey k, DateTimeOffset now) => new(
        k.Id, k.Name, k.Masked, k.Environment, k.RevokedAt is not null ? KeyStatus.Revoked : k.ExpiresAt <= now ? KeyStatus.Expired : KeyStatus.Active,
        k.TeamId, k.ProjectId, KeyTags.Read(k.Tags), k.CreatedAt, k.CreatedBy, k.ExpiresAt, k.RevokedAt, k.RevokedBy, k.ReplacedBy, k.Limits,
        KeyAllowance.Read(k.AllowedProviders), KeyAllowance.Read(k.AllowedModels), k.CacheSeconds);
}

internal sealed class ListKeysRules : AbstractValidator<ListKeys>
{
    public ListKeysRules()
    {
        RuleFor(l => l.Limit).Must(l => l is null or (>= 1 and <= 1000)).WithMessage("A page has 1 to 1000 keys.");
        RuleFor(l => l.Status).Must(s => s is null or KeyStatus.Active or KeyStatus.Revoked or KeyStatus.Expired).WithMessage("A key is active, revoked or expired.");
        RuleFor(l => l.Search).Must(s => s is null || s.Length <= 200).WithMessage("At most 200 characters.");
    }
}

internal sealed class ListKeysHandler(TokonomicsDbContext db, TimeProvider time) : IRequestHandler<ListKeys, Outcome<KeyList>>
{
    public async Task<Outcome<KeyList>> Handle(ListKeys request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var keys = db.Keys.AsNoTracking().Where(k => k.TenantId == request.TenantId);
        if (request.Environment is { } environment)
            keys = keys.Where(k => k.Environment == environment);
        if (request.Ids is { } ids)
            keys = keys.Where(k => ids.Contains(k.Id));
        if (request.TeamId is { } team)
            keys = keys.Where(k => k.TeamId == team);
        if (request.ProjectId is { } project)
            keys = keys.Where(k => k.ProjectId == project);
        keys = request.Status switch
        {
            KeyStatus.Active => keys.Where(k => k.RevokedAt == null && (k.ExpiresAt == null || k.ExpiresAt > now)),
            KeyStatus.Revoked => keys.Where(k => k.RevokedAt != null),
            KeyStatus.Expired => keys.Where(k => k.RevokedAt == null && k.ExpiresAt <= now),
            _ => keys,
        };
        if (request.Search?.Trim() is { Length: > 0 } search)
        {
            // What lists show of a key is its prefix and its look-up id.
            var lookup = search.TrimEnd('…');
            if (lookup.StartsWith(MeteringKey.LivePrefix, StringComparison.Ordinal) || lookup.StartsWith(MeteringKey.TestPrefix, StringComparison.Ordinal))
                lookup = lookup[MeteringKey.LivePrefix.Length..];
            if (lookup.Length > 10)
                lookup = lookup[..10]; // somebody pasted a whole key: no more of it is needed
            var lower = search.ToLower(CultureInfo.InvariantCulture);
#pragma warning disable CA1862 // SQL, where there is no comparison to choose
            keys = keys.Where(k => k.Name.ToLower().Contains(lower) || k.Id == search || (lookup != "" && k.LookupId.StartsWith(lookup)));
#pragma warning restore CA1862
        }

        var total = await keys.CountAsync(cancellationToken);
        if (request.After is { } after)
        {
            if (PageCursor.Read(after, 2) is not [var id, var name])
                return PageCursor.Unreadable;
            keys = (request.Order, request.Reversed) switch
            {
                (KeyOrder.Name, false) => keys.Where(k => k.Name.CompareTo(name) > 0 || (k.Name == name && k.Id.CompareTo(id) > 0)),
                (KeyOrder.Name, true) => keys.Where(k => k.Name.CompareTo(name) < 0 || (k.Name == name && k.Id.CompareTo(id) < 0)),
                (_, false) => keys.Where(k => k.Id.CompareTo(id) < 0),
                (_, true) => keys.Where(k => k.Id.CompareTo(id) > 0),
            };
        }

        keys = (request.Order, request.Reversed) switch
        {
            (KeyOrder.Name, false) => keys.OrderBy(k => k.Name).ThenBy(k => k.Id),
            (KeyOrder.Name, true) => keys.OrderByDescending(k => k.Name).ThenByDescending(k => k.Id),
            (_, false) => keys.OrderByDescending(k => k.Id), // ids sort by time
            (_, true) => keys.OrderBy(k => k.Id),
        };
        var rows = await (request.Limit is { } limit ? keys.Take(limit + 1) : keys).ToListAsync(cancellationToken);
        string? next = null;
        if (rows.Count > request.Limit)
        {
            rows.RemoveAt(rows.Count - 1);
            next = PageCursor.Write(rows[^1].Id, rows[^1].Name);
        }

        return new KeyList(rows.ConvertAll(k => KeyLine.Of(k, now)), next, total);
    }
}

/// <summary>One key, and how it was used in the last 24 hours: what its end would stop.</summary>
public sealed record GetKey(Caller Caller, string TenantId, string KeyId) : IUseCase<KeyDetail>
{
    public Right Needs => Right.ReadKeys;
}

public sealed record KeyDetail(KeyLine Key, KeyUse Use);

/// <param name="LastAt">Null where it wasn't used in that time.</param>
/// <param name="Tags">By tag name how many values its calls carried, and the first of them.</param>
public sealed record KeyUse(long Calls, NanoUsd Cost, DateTimeOffset? LastAt, IReadOnlyList<TagUse> Tags)
{
    public static KeyUse None { get; } = new(0, NanoUsd.Zero, null, []);
}

public sealed record TagUse(string Name, int Values, IReadOnlyList<string> First);

/// <summary>How keys were used lately, from the ledger.</summary>
public interface IKeyUsage
{
    /// <summary>Calls and cost of some keys since a whole hour; those without calls are left out. Without tags, and the last call to the hour.</summary>
    Task<IReadOnlyDictionary<string, KeyUse>> SumAsync(string tenantId, IReadOnlyCollection<string> keyIds, DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>One key since that time, with the tags of its newest thousand calls.</summary>
    Task<KeyUse> OfAsync(string tenantId, string keyId, DateTimeOffset since, CancellationToken cancellationToken);
}

internal sealed class GetKeyHandler(TokonomicsDbContext db, IKeyUsage usage, TimeProvider time) : IRequestHandler<GetKey, Outcome<KeyDetail>>
{
    public async Task<Outcome<KeyDetail>> Handle(GetKey request, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return await db.Keys.AsNoTracking().FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken) is { } key
            ? new KeyDetail(KeyLine.Of(key, now), await usage.OfAsync(request.TenantId, key.Id, now.AddHours(-24), cancellationToken))
            : Refusal.NotFound("key");
    }
}
