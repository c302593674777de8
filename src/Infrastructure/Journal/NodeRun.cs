namespace Tokonomics.Infrastructure.Journal;

/// <summary>This process among all that serve.</summary>
/// <param name="Node">By its journal: the same after a restart on the same folder.</param>
/// <param name="Run">Of each start its own.</param>
public sealed record NodeRun(string Node, string Run);
