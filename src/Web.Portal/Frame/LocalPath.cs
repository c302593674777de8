namespace Tokonomics.Web.Portal.Frame;

/// <summary>Where a link may lead back to: a path of this portal. "//elsewhere", "/\elsewhere" and what control characters hide are other sites' addresses.</summary>
internal static class LocalPath
{
    public static string Of(string? path, string otherwise) =>
        path is ['/', ..] and not ['/', '/' or '\\', ..] && !path.Any(char.IsControl) && !path.Contains('\\', StringComparison.Ordinal) ? path : otherwise;
}
