using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Providers;

/// <summary>Where a provider wants its key.</summary>
public enum ProviderAuth : byte
{
    Bearer,
    XApiKey,
    XGoogApiKey,
    ApiKey,
    None,
}

/// <summary>A provider: a base URL, an auth scheme and the surfaces that it speaks. Immutable; a row of data, or a tenant's own endpoint.</summary>
public sealed record Provider
{
    public required string Name { get; init; }

    /// <summary>Scheme, host, port and what precedes the version prefix. Null where the operator has to name it first (Azure).</summary>
    public Uri? BaseUrl { get; init; }

    /// <summary>Said to whoever calls a provider that has no base URL yet: what to set.</summary>
    public string? BaseUrlHelp { get; init; }

    public ProviderAuth Auth { get; init; }

    public ProviderQuirks Quirks { get; init; }

    /// <summary>Its streams report usage only when asked to, and it accepts being asked.</summary>
    public bool StreamUsageOnDemand { get; init; }

    /// <summary>It goes on generating, and charging, when the connection is closed: what a broken-off call cost can't be known from what was seen.</summary>
    public bool BillsAfterDisconnect { get; init; }

    /// <summary>A tenant's own endpoint: the connection is guarded against private addresses.</summary>
    public bool Guarded { get; init; }

    /// <summary>From sending the request to the first byte of the answer's headers. Reasoning models think for minutes before it.</summary>
    public TimeSpan FirstByteTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Between two reads of the answer's body. No limit on the whole: a stream may run as long as it says something.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    public required RouteTable Routes { get; init; }
}

/// <summary>All built-in providers by name.</summary>
public sealed class ProviderCatalogue(IReadOnlyDictionary<string, Provider> providers, IReadOnlyDictionary<string, Surface> surfaces)
{
    /// <summary>By name, in the order of the data: where a model could come from several, the earlier one wins.</summary>
    public IReadOnlyDictionary<string, Provider> Providers { get; } = providers;

    public IReadOnlyDictionary<string, Surface> Surfaces { get; } = surfaces;

    public Provider? Find(string name) => Providers.GetValueOrDefault(name);
}
