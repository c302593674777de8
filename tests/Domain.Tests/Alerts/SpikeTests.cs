namespace Tokonomics.Tests.Alerts;

public sealed class SpikeTests(ITestOutputHelper output)
{
    public static readonly SpendPattern[] Patterns =
    [
        new("steady", 600, 0.01, 1.0, 0, 0, 1),
        new("seasonal", 600, 0.01, 1.0, 1, 0, 1),
        new("growing a tenth a week", 600, 0.01, 1.0, 1, 0.1, 1),
        new("growing by half a week", 300, 0.01, 1.0, 1, 0.5, 1),
        new("in bursts of ten", 1200, 0.01, 1.0, 1, 0.05, 10),
        new("dear tail", 600, 0.02, 1.8, 1, 0.05, 1),
        new("sparse", 30, 0.05, 1.0, 1, 0, 1),
        new("very sparse", 4, 0.3, 1.0, 0.5, 0, 1),
        new("large", 20000, 0.004, 1.2, 1, 0.03, 3),
    ];

    [Fact]
    public void Table()
    {
        foreach (var pattern in Patterns)
            output.WriteLine($"{pattern.Name}: {SpikeTrials.Run(pattern, 8, 10, 3, 1)}");
    }
}
