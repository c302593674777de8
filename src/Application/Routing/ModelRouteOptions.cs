namespace Tokonomics.Application.Routing;

/// <summary>Settings under <c>Routes</c>.</summary>
public sealed class ModelRouteOptions
{
    /// <summary>Routes of one tenant, 1 to 1000.</summary>
    public int MaxPerTenant { get; set; } = 100;
}
