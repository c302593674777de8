using System.Collections.Frozen;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Keys;

/// <summary>
/// Finds who presents a metering key, from memory alone: the hot path asks it once for every request. Snapshots are immutable; a change in
/// the store replaces them within a second on every node.
/// </summary>
public interface IKeyDirectory
{
    /// <summary>Looks a presented metering key up (<c>mk_live_…</c>, <c>mk_test_…</c>). Takes the same time whether or not it exists.</summary>
    KeyLookup Find(ReadOnlySpan<char> presented);
}

/// <summary>The outcome of a look-up. <see cref="Key"/> is set when <see cref="Status"/> is <see cref="KeyStatus.Active"/> only.</summary>
public readonly record struct KeyLookup(KeyStatus Status, KeySnapshot? Key);

public enum KeyStatus : byte
{
    /// <summary>No such key, or a mistyped one (the checksum tells).</summary>
    Unknown = 0,
    Active = 1,
    Revoked = 2,
    Expired = 3,

    /// <summary>The tenant is suspended.</summary>
    Suspended = 4,

    /// <summary>The tenant is to be deleted.</summary>
    Closing = 5,
}

/// <summary>One metering key as the hot path needs it.</summary>
public sealed record KeySnapshot
{
    public required string Id { get; init; }

    /// <summary>What people call it.</summary>
    public string Name { get; init; } = "";

    public required TenantSnapshot Tenant { get; init; }

    public KeyEnvironment Environment { get; init; }

    public string? TeamId { get; init; }

    public string? ProjectId { get; init; }

    /// <summary>Tags that every call of this key carries; a request's own tag of the same name wins.</summary>
    public IReadOnlyList<Tag> Tags { get; init; } = [];

    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Null where the key has none of its own.</summary>
    public CallLimits? Limits { get; init; }

    /// <summary>What it may use; null where it may use everything.</summary>
    public KeyAllowance? Allowance { get; init; }

    /// <summary>For how long an answer may be given again to an exact repeat of its request; null for not at all.</summary>
    public TimeSpan? CacheFor { get; init; }
}

/// <summary>One tenant as the hot path needs it.</summary>
public sealed record TenantSnapshot
{
    public required string Id { get; init; }

    /// <summary>The tenant's provider keys by provider name, decrypted in memory only.</summary>
    public FrozenDictionary<string, ProviderCredential> Credentials { get; init; } = FrozenDictionary<string, ProviderCredential>.Empty;

    /// <summary>The tenant's own endpoints by name.</summary>
    public FrozenDictionary<string, CustomEndpoint> Endpoints { get; init; } = FrozenDictionary<string, CustomEndpoint>.Empty;

    /// <summary>The book with the tenant's own rates laid over it; null where it has none and the common book applies.</summary>
    public PriceBook? Prices { get; init; }

    /// <summary>An answer whose client has left is read to its end, for its exact usage.</summary>
    public bool ReadsOn { get; init; }

    /// <summary>A call whose model has no price is refused, also where no budget applies.</summary>
    public bool RefusesUnpriced { get; init; }

    /// <summary>Over all its keys of an environment; null where it has none.</summary>
    public CallLimits? Limits { get; init; }

    /// <summary>The models' names that are its own, or that it took over, and where calls that ask for them go.</summary>
    public FrozenDictionary<string, ModelRoute> Routes { get; init; } = FrozenDictionary<string, ModelRoute>.Empty;

    /// <summary>By whose clocks its days and hours are meant.</summary>
    public TimeZoneInfo Zone { get; init; } = TimeZoneInfo.Utc;

    /// <summary>What its kept answers are named and sealed with.</summary>
    public string CacheEpoch { get; init; } = "";
}

/// <summary>A provider key in the clear. Never logged: <see cref="ToString"/> tells nothing.</summary>
public sealed class ProviderCredential(string id, string provider, string secret)
{
    public string Id { get; } = id;

    public string Provider { get; } = provider;

    public string Secret { get; } = secret;

    public override string ToString() => $"credential {Id} of {Provider}";
}

/// <summary>An OpenAI-compatible (or other) endpoint that a tenant added: a provider of its own.</summary>
/// <param name="Name">How its routes name it: <c>/proxy/{name}/…</c>.</param>
/// <param name="BaseUrl">Scheme, host, port and path up to the version prefix. Guarded: see the security notes in docs/architecture.md.</param>
/// <param name="Surface">The set of routes that it speaks: <c>openai</c>, <c>anthropic</c>, <c>gemini</c>, <c>ollama</c>, <c>cohere</c>.</param>
public sealed record CustomEndpoint(string Name, Uri BaseUrl, string Surface);
