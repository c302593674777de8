using Microsoft.AspNetCore.Mvc.Rendering;

namespace Tokonomics.Web.Portal.Frame;

/// <summary>The zones to choose from: IANA's places, by name.</summary>
public static class TimeZones
{
    public static IReadOnlyList<SelectListItem> All { get; } =
    [
        new SelectListItem("UTC", "UTC"),
        .. TimeZoneInfo.GetSystemTimeZones().Select(z => z.Id).Where(id => id.Contains('/', StringComparison.Ordinal) && !id.StartsWith("Etc/", StringComparison.Ordinal) && !id.StartsWith("SystemV/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(id => new SelectListItem(id.Replace('_', ' '), id)),
    ];
}
