using System.Globalization;

namespace Tokonomics.Domain.Routing;

/// <summary>What a quality group did with a call, as its row in the ledger keeps it: <c>rt_… 0123456789abcdef ClassProven</c>. No word of the request is in it.</summary>
public readonly record struct RoutedMark(string RouteId, TrafficClass Class, RouteReason Reason)
{
    public override string ToString() => $"{RouteId} {Class} {Reason}";

    /// <returns>Null for anything else: a repeat that the cache answered, a mark of a later version.</returns>
    public static RoutedMark? Read(string? text) =>
        text?.Split(' ') is [var route, { Length: 16 } name, var reason] && ulong.TryParse(name, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var key) && Enum.TryParse<RouteReason>(reason, out var known)
            ? new RoutedMark(route, new TrafficClass(key), known)
            : null;
}
