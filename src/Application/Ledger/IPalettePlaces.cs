namespace Tokonomics.Application.Ledger;

/// <summary>
/// Which colour of the charts a value of a dimension has. It is given its place in the palette when a page first shows it, the first that no other value of the
/// dimension has, and keeps it: a model looks the same on every page, whatever stands beside it.
/// </summary>
public interface IPalettePlaces
{
    /// <param name="values">In the order in which places are given to those that have none: the most important first.</param>
    /// <returns>A place for each of the values, 0 and up; there may be more places than colours.</returns>
    Task<IReadOnlyDictionary<string, int>> OfAsync(string tenantId, SpendDimension dimension, IReadOnlyList<string> values, CancellationToken cancellationToken);
}
