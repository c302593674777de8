namespace Tokonomics.Application.Routing;

/// <summary>A route's row.</summary>
public sealed class StoredRoute
{
    public required string TenantId { get; init; }

    public required string Id { get; init; }

    /// <summary>What clients send as the model; once in a tenant.</summary>
    public required string Name { get; set; }

    /// <summary>Its rules, as <see cref="RoutePolicy.Write"/> writes them.</summary>
    public required string Policy { get; set; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required string CreatedBy { get; init; }

    public required DateTimeOffset ChangedAt { get; set; }

    public required string ChangedBy { get; set; }
}
