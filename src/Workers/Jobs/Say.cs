using System.Globalization;

namespace Tokonomics.Workers.Jobs;

/// <summary>Numbers in sentences.</summary>
internal static class Say
{
    /// <summary><c>1 event</c>, <c>1,200 events</c>.</summary>
    public static string Count(long count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count:N0} {noun}{(count == 1 ? "" : "s")}");
}
