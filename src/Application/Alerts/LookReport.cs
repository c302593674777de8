namespace Tokonomics.Application.Alerts;

/// <param name="Did">In words.</param>
/// <param name="Failed">How many couldn't be looked at; the log says why.</param>
public sealed record LookReport(string Did, int Failed)
{
    public override string ToString() => Failed == 0 ? Did : $"{Did}; {Failed} could not be looked at, the log says why";
}
