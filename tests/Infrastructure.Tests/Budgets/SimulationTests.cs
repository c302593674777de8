using System.Diagnostics;

namespace Tokonomics.Tests.Budgets;

public sealed class SimulationTests(ITestOutputHelper output)
{
    /// <summary>TOKONOMICS_SEEDS runs more of them, TOKONOMICS_SEED starts elsewhere.</summary>
    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), out var value) ? value : otherwise;

    private static List<(int Seed, Exception Failure)> RunMany(int first, int count, SimulatedDesign design, Action<BudgetSimulation>? seen = null)
    {
        var failures = new List<(int, Exception)>();
        var next = first - 1;
        var threads = Enumerable.Range(0, Math.Max(1, Environment.ProcessorCount)).Select(_ => new Thread(() =>
        {
            for (int seed; (seed = Interlocked.Increment(ref next)) < first + count;)
            {
                try
                {
                    var simulation = BudgetSimulation.Run(seed, design);
                    lock (failures)
                        seen?.Invoke(simulation);
                }
                catch (Exception e)
                {
                    lock (failures)
                        failures.Add((seed, e));
                }
            }
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        return failures;
    }

    [Fact]
    public void The_providers_bill_is_covered_at_every_step_of_every_seed_and_nothing_is_left_over()
    {
        var (first, count) = (Setting("TOKONOMICS_SEED", 1), Setting("TOKONOMICS_SEEDS", 10_000));
        var clock = Stopwatch.StartNew();
        long steps = 0, sent = 0, crashes = 0;
        var failures = RunMany(first, count, SimulatedDesign.Leases, s => (steps, sent, crashes) = (steps + s.Steps, sent + s.Sent, crashes + s.Crashes));
        output.WriteLine($"{count} seeds from {first}, {steps} steps, {sent} calls, {crashes} crashes in {clock.Elapsed.TotalSeconds:f1} s");
        failures.OrderBy(f => f.Seed).Select(f => $"seed {f.Seed}: {f.Failure}").Take(3).ShouldBeEmpty();
        (sent / count).ShouldBeGreaterThan(10); // the faults didn't keep everything from happening
        (crashes / (double)count).ShouldBeGreaterThan(1);
    }

    [Fact]
    public void The_same_seed_runs_the_same_way()
    {
        for (var seed = 1; seed <= 50; seed++)
            BudgetSimulation.Run(seed).Trace.ShouldBe(BudgetSimulation.Run(seed).Trace);
    }

    [Theory]
    [InlineData(SimulatedDesign.CheckThenCharge, 30)]
    [InlineData(SimulatedDesign.FreeOrphans, 20)]
    internal void A_design_that_does_not_hold_fails_the_same_simulation(SimulatedDesign design, int percentAtLeast)
    {
        const int Seeds = 300;
        var failures = RunMany(1, Seeds, design);
        output.WriteLine($"{design}: {failures.Count} of {Seeds} seeds overshoot");
        failures.ShouldAllBe(f => f.Failure is Shouldly.ShouldAssertException);
        (failures.Count * 100 / Seeds).ShouldBeGreaterThanOrEqualTo(percentAtLeast);
    }
}
