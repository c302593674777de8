using Tokonomics.Application.Billing;
using Tokonomics.Application.Ledger;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Tests.Billing;

/// <summary>What a tenant takes from its own customers, on every store.</summary>
public abstract class StatementTests<TKind>
    where TKind : IStoreKind, new()
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static UsageEvent Call(string id, string tenant, string? customer, DateTimeOffset at, long cost, string model = "gpt-5.1", KeyEnvironment environment = KeyEnvironment.Live) =>
        Some.Event(id, tenant, at: at) with { ResponseModel = model, Cost = new NanoUsd(cost), Environment = environment, Tags = customer is null ? [] : [new Tag("customer", customer), new Tag("feature", "x")] };

    [Fact]
    public async Task A_statement_has_its_month_s_calls_by_model_and_what_is_taken_for_them()
    {
        await using var store = await new TKind().NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, tenant) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var month = StatementMonth.Of(store.Clock.GetUtcNow(), TimeZoneInfo.Utc);
        var start = month.Window(TimeZoneInfo.Utc).Start;
        await store.Get<IUsageLedger>().AppendAsync(
        [
            Call("req_1", tenant, "acme", start, 1_000_000_000), Call("req_2", tenant, "acme", start.AddHours(1), 500_000_000), Call("req_3", tenant, "acme", start.AddHours(2), 7, "gpt-5.1-mini"),
            Call("req_4", tenant, "globex", start.AddHours(1), 2_000_000_000), Call("req_5", tenant, null, start.AddHours(1), 9), Call("req_6", tenant, "acme", start.AddTicks(-10), 4_000_000_000),
            Call("req_7", tenant, "acme", start.AddHours(1), 5, environment: KeyEnvironment.Test),
        ], Cancel);

        (await store.SendAsync(new SetCustomerTerms(owner, tenant, "", 20m, []))).Succeeded.ShouldBeTrue();
        (await store.SendAsync(new SetCustomerTerms(owner, tenant, "globex", 0m, [new OwnRate("gpt-5.1*", 1m, 2.5m)]))).Succeeded.ShouldBeTrue();
        var list = (await store.SendAsync(new GetStatements(owner, tenant, month))).Value;
        list.Runs.ShouldBeTrue();
        list.Statements.Select(s => s.Customer).ShouldBe(["acme", "globex"]);
        var acme = list.Statements[0];
        acme.Lines.Select(l => (l.Usage.Model, l.Usage.Calls, l.Usage.Cost.Value, l.Charge.Value)).ShouldBe([("gpt-5.1", 2, 1_500_000_000, 1_800_000_000), ("gpt-5.1-mini", 1, 7, 8)]); // 8.4
        (acme.TotalCents, acme.Charge.Value).ShouldBe((180, 1_800_000_008));
        // 125 input tokens (cached ones too) at 1 USD, 37 output at 2.5 USD a million: 0.000125 + 0.0000925
        var line = list.Statements[1].Lines.Single();
        line.Charge.Usd.ShouldBe(((line.Usage.InputTokens * 1m) + (line.Usage.OutputTokens * 2.5m)) / 1_000_000);
        line.Usage.InputTokens.ShouldBeGreaterThan(0);

        // The month before keeps the terms that it had: none.
        var before = (await store.SendAsync(new GetStatements(owner, tenant, month.Before, "acme"))).Value;
        (before.Runs, before.Statements.Single().Charge.Value, before.Statements.Single().Cost.Value).ShouldBe((false, 4_000_000_000, 4_000_000_000));
        var nobody = (await store.SendAsync(new GetStatements(owner, tenant, month, "nobody"))).Value.Statements.Single();
        (nobody.TotalCents, nobody.Terms.MarkupBasisPoints).ShouldBe((0, 2000));
    }

    [Fact]
    public async Task In_a_zone_half_an_hour_off_a_month_begins_in_the_middle_of_an_hour()
    {
        await using var store = await new TKind().NewAsync(withDirectory: false);
        var made = (await store.SendAsync(new CreateTenant(Caller.Operator, "Mumbai", "o@example.com", "Asia/Kolkata"))).Value;
        var (owner, tenant) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        var zone = TimeZoneInfo.FindSystemTimeZoneById("Asia/Kolkata");
        var month = StatementMonth.Of(store.Clock.GetUtcNow(), zone).Before;
        var window = month.Window(zone);
        window.Start.Minute.ShouldBe(30);
        await store.Get<IUsageLedger>().AppendAsync(
        [
            Call("req_1", tenant, "acme", window.Start.AddMinutes(-1), 1), Call("req_2", tenant, "acme", window.Start, 10), Call("req_3", tenant, "acme", window.Start.AddHours(5), 100),
            Call("req_4", tenant, "acme", window.End.AddMinutes(-1), 1000), Call("req_5", tenant, "acme", window.End, 10_000),
        ], Cancel);
        (await store.SendAsync(new GetStatements(owner, tenant, month, "acme"))).Value.Statements.Single().Cost.Value.ShouldBe(1110);
    }

    [Fact]
    public async Task Terms_that_can_t_be_are_refused_with_what_is_wrong()
    {
        await using var store = await new TKind().NewAsync(withDirectory: false);
        var made = await store.ProvisionAsync();
        var (owner, tenant) = (new Caller(made.TenantId, made.OwnerId, Role.Owner), made.TenantId);
        async Task<string> Refused(string customer, decimal markup, params OwnRate[] rates) => (await store.SendAsync(new SetCustomerTerms(owner, tenant, customer, markup, rates))).Refusal!.Message;
        (await Refused("", -101m)).ShouldContain("-100 to 10,000");
        (await Refused("", 0.001m)).ShouldContain("two decimals");
        (await Refused("\n", 0m)).ShouldContain("1 to 256 printable");
        (await Refused("", 0m, new OwnRate("", 1, 1))).ShouldContain("'' is no model");
        (await Refused("", 0m, new OwnRate("a*b", 1, 1))).ShouldContain("'a*b' is no model");
        (await Refused("", 0m, new OwnRate("a", -1, 1))).ShouldContain("rates of a are 0 to");
        (await Refused("", 0m, new OwnRate("a", 1, 1), new OwnRate("a", 2, 2))).ShouldContain("two rates");
        (await store.SendAsync(new GetStatements(owner with { Role = Role.Developer }, tenant, null))).Refusal!.Code.ShouldBe("role_forbids");
    }
}

public sealed class StatementsOnSqlite : StatementTests<OnSqlite>;

public sealed class StatementsOnPostgres : StatementTests<OnPostgres>;
