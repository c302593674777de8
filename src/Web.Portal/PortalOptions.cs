using System.ComponentModel.DataAnnotations;

namespace Tokonomics.Web.Portal;

/// <summary>Settings of the portal: section <c>Portal</c>.</summary>
public sealed class PortalOptions
{
    /// <summary>The address under which people reach this installation. Links and examples are built from it, never from a request's Host header.</summary>
    [Required]
    public Uri PublicUrl { get; set; } = new("http://localhost:8080");
}
