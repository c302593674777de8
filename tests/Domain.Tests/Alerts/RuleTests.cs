using Tokonomics.Domain.Alerts;
using Tokonomics.Domain.Money;

namespace Tokonomics.Tests.Alerts;

/// <summary>From which numbers on something is told: the narrowest rule says all.</summary>
public sealed class RuleTests
{
    private static readonly AlertSubject Key = AlertSubject.Key("key_1");
    private static readonly AlertSubject Project = new("project", "", "prj_1");
    private static readonly AlertSubject Team = new("team", "", "team_1");

    private static AlertRule Spike(AlertSubject of, decimal floor, bool on = true) => new(AlertKind.SpendSpike, of, new AlertTerms { On = on, FloorPerHour = NanoUsd.Round(floor) });

    [Fact]
    public void Without_a_rule_the_defaults_hold()
    {
        foreach (var kind in AlertRule.Kinds)
            TenantRules.None.For(kind, [Key, Project, Team]).ShouldBe(AlertTerms.Default);
        AlertTerms.Default.Problem().ShouldBeNull();
        AlertTerms.Default.Spike.ShouldBe(new SpikeSensitivity()); // what the spikes were measured with
    }

    [Fact]
    public void The_narrowest_rule_wins_and_the_tenants_comes_last_whether_it_is_named_or_not()
    {
        var rules = new TenantRules([Spike(AlertSubject.Tenant, 9), Spike(Team, 7), Spike(Key, 5)]);
        decimal Floor(params AlertSubject[] subjects) => rules.For(AlertKind.SpendSpike, subjects).FloorPerHour.Usd;
        Floor(Key, Project, Team).ShouldBe(5);
        Floor(Project, Team).ShouldBe(7);
        Floor(Project, Team, AlertSubject.Tenant).ShouldBe(7);
        Floor(new AlertSubject("tag", "customer", "acme")).ShouldBe(9);
        Floor().ShouldBe(9);
        rules.For(AlertKind.BudgetBurn, [Key]).ShouldBe(AlertTerms.Default); // another kind's rules say nothing
    }

    [Fact]
    public void Off_is_off_for_that_part_alone_and_on_again_for_a_part_of_it()
    {
        var rules = new TenantRules([Spike(Team, 1, on: false), Spike(Key, 3)]);
        rules.For(AlertKind.SpendSpike, [Project, Team]).On.ShouldBeFalse();
        rules.For(AlertKind.SpendSpike, [Key, Project, Team]).On.ShouldBeTrue();
        rules.For(AlertKind.SpendSpike, [AlertSubject.Key("key_2")]).On.ShouldBeTrue();
    }

    [Fact]
    public void Numbers_out_of_their_ranges_are_named()
    {
        (new AlertTerms { FloorPerHour = NanoUsd.Zero }).Problem()!.Value.Field.ShouldBe("floor_usd");
        (new AlertTerms { Ratio = 1 }).Problem()!.Value.Field.ShouldBe("ratio");
        (new AlertTerms { Ratio = 1.234m }).Problem()!.Value.Field.ShouldBe("ratio"); // the store has whole percents
        (new AlertTerms { Hours = 169 }).Problem()!.Value.Field.ShouldBe("hours");
        (new AlertTerms { FailingPercent = 0 }).Problem()!.Value.Field.ShouldBe("failing_percent");
        (new AlertTerms { LeastCalls = 0 }).Problem()!.Value.Field.ShouldBe("least_calls");
        (new AlertTerms { UnusedDays = 366 }).Problem()!.Value.Field.ShouldBe("unused_days");
    }
}
