using System.Globalization;
using System.Text.Json;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Billing;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Billing;

/// <summary>What a tenant takes from a customer from a month on. Months before keep the terms that they had.</summary>
public sealed class StoredCustomerTerms
{
    public required string TenantId { get; init; }

    /// <summary>The tag's value; empty for everyone who has no terms of their own.</summary>
    public required string Customer { get; init; }

    /// <summary>Year and month: 202611.</summary>
    public required int FromMonth { get; init; }

    public int MarkupBasisPoints { get; set; }

    /// <summary>JSON: <c>[{"model":"gpt-5.1","input":"2.5","output":"10"}]</c>.</summary>
    public required string Rates { get; set; }

    public required DateTimeOffset ChangedAt { get; set; }

    public required string ChangedBy { get; set; }

    private sealed record Row(string Model, string Input, string Output);

    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);

    public CustomerTerms ToTerms() => new()
    {
        MarkupBasisPoints = MarkupBasisPoints,
        Rates = [.. JsonSerializer.Deserialize<List<Row>>(Rates, Options)!.Select(r => new OwnRate(r.Model, decimal.Parse(r.Input, CultureInfo.InvariantCulture), decimal.Parse(r.Output, CultureInfo.InvariantCulture)))],
    };

    /// <summary>Each customer's terms in a month; those of <c>""</c> hold for everyone who has none.</summary>
    internal static async Task<IReadOnlyDictionary<string, CustomerTerms>> OfMonthAsync(TokonomicsDbContext db, string tenantId, StatementMonth month, CancellationToken cancellationToken)
    {
        var terms = (await db.CustomerTerms.AsNoTracking().Where(t => t.TenantId == tenantId && t.FromMonth <= month.Number).ToListAsync(cancellationToken))
            .GroupBy(t => t.Customer, StringComparer.Ordinal).ToDictionary(t => t.Key, t => t.MaxBy(x => x.FromMonth)!.ToTerms(), StringComparer.Ordinal);
        terms.TryAdd("", CustomerTerms.AtCost);
        return terms;
    }

    public static string Write(IReadOnlyList<OwnRate> rates) =>
        JsonSerializer.Serialize(rates.Select(r => new Row(r.Model, r.Input.ToString(CultureInfo.InvariantCulture), r.Output.ToString(CultureInfo.InvariantCulture))), Options);
}

/// <summary>A calendar month of a tenant: <c>2026-11</c>.</summary>
public readonly record struct StatementMonth(int Year, int Month)
{
    /// <summary>Null where it is none, or before 2020 or after 2999.</summary>
    public static StatementMonth? Parse(string? text) =>
        DateOnly.TryParseExact(text, "yyyy-MM", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) && day.Year is >= 2020 and <= 2999 ? new StatementMonth(day.Year, day.Month) : null;

    public static StatementMonth Of(DateTimeOffset at, TimeZoneInfo zone) => TimeZoneInfo.ConvertTime(at, zone) is var local ? new StatementMonth(local.Year, local.Month) : default;

    public int Number => (Year * 100) + Month;

    public StatementMonth Before => Month == 1 ? new StatementMonth(Year - 1, 12) : new StatementMonth(Year, Month - 1);

    public StatementMonth After => Month == 12 ? new StatementMonth(Year + 1, 1) : new StatementMonth(Year, Month + 1);

    /// <summary>In the zone's calendar.</summary>
    public PeriodWindow Window(TimeZoneInfo zone) =>
        // The middle of the month lies in it in every zone.
        BudgetPeriods.Containing(BudgetPeriod.Month, zone, new DateTimeOffset(Year, Month, 15, 12, 0, 0, TimeSpan.Zero), default);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Year:d4}-{Month:d2}");
}

/// <summary>What customers used, from the ledger's hourly sums by the tag <c>customer</c>.</summary>
public interface ICustomerUsage
{
    /// <param name="customer">Null for all.</param>
    Task<IReadOnlyList<CustomerUsage>> ReadAsync(string tenantId, PeriodWindow window, string? customer, CancellationToken cancellationToken);

    /// <summary>The same of all customers, by the hour.</summary>
    Task<IReadOnlyList<HourlyUsage>> ReadHoursAsync(string tenantId, PeriodWindow window, CancellationToken cancellationToken);
}

/// <summary>Sets what is taken from a customer from the running month on; an empty name is everyone who has no terms of their own.</summary>
/// <param name="MarkupPercent">On the cost: −100 to 10,000, with two decimals.</param>
public sealed record SetCustomerTerms(Caller Caller, string TenantId, string Customer, decimal MarkupPercent, IReadOnlyList<OwnRate> Rates) : IUseCase<CustomerTermsSet>, IChange
{
    public Right Needs => Right.ManageBilling;

    public string AuditDetail => string.Create(CultureInfo.InvariantCulture, $"{(Customer.Length == 0 ? "everyone else" : Customer)}: {MarkupPercent} %, {Rates.Count} rates");
}

public sealed record CustomerTermsSet(string Customer, StatementMonth From) : IAuditSubject
{
    public string AuditSubject => Customer.Length == 0 ? "customers" : Customer;
}

internal sealed class SetCustomerTermsRules : AbstractValidator<SetCustomerTerms>
{
    public const int MostRates = 200;

    public SetCustomerTermsRules()
    {
        RuleFor(s => s.Customer).Must(c => c.Length == 0 || KeyTags.IsValue(c)).WithMessage("A customer is a value of the tag 'customer': 1 to 256 printable characters.");
        RuleFor(s => s.MarkupPercent).Must(m => m is >= -100 and <= 10_000 && decimal.Round(m, 2) == m).WithMessage("The markup is -100 to 10,000 per cent, with two decimals at most.");
        RuleFor(s => s.Rates).Must(r => r.Count <= MostRates).WithMessage($"At most {MostRates} rates.");
        RuleFor(s => s.Rates).Must(r => r.Select(x => x.Model).Distinct(StringComparer.Ordinal).Count() == r.Count).WithMessage("A model has two rates: one is enough.");
        RuleForEach(s => s.Rates).Must(r => r.Model.Length is >= 1 and <= 200 && !r.Model.Any(char.IsControl) && !r.Model.AsSpan(0, r.Model.Length - 1).Contains('*'))
            .WithMessage((_, r) => $"'{r.Model}' is no model: write its name as the ledger has it, with * at its end for all that begin so.");
        RuleForEach(s => s.Rates).Must(r => r.Input is >= 0 and <= OwnRate.MostRate && r.Output is >= 0 and <= OwnRate.MostRate)
            .WithMessage((_, r) => $"The rates of {r.Model} are 0 to 1,000,000 USD per million tokens.");
    }
}

internal sealed class SetCustomerTermsHandler(TokonomicsDbContext db, PlansInForce plans, TimeProvider time) : IRequestHandler<SetCustomerTerms, Outcome<CustomerTermsSet>>
{
    public async Task<Outcome<CustomerTermsSet>> Handle(SetCustomerTerms request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Rebilling, "statements for your own customers", cancellationToken) is { } lacks)
            return lacks;
        var zone = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken)).Calendar.Zone;
        var (now, month) = (time.GetUtcNow(), StatementMonth.Of(time.GetUtcNow(), zone));
        var row = await db.CustomerTerms.FirstOrDefaultAsync(t => t.TenantId == request.TenantId && t.Customer == request.Customer && t.FromMonth == month.Number, cancellationToken);
        if (row is null)
            db.CustomerTerms.Add(row = new StoredCustomerTerms { TenantId = request.TenantId, Customer = request.Customer, FromMonth = month.Number, Rates = "[]", ChangedAt = now, ChangedBy = request.Caller.Actor });
        (row.MarkupBasisPoints, row.Rates, row.ChangedAt, row.ChangedBy) = ((int)(request.MarkupPercent * 100), StoredCustomerTerms.Write(request.Rates), now, request.Caller.Actor);
        return new CustomerTermsSet(request.Customer, month);
    }
}

/// <summary>What each customer used in a month, and what is taken for it, by the terms of that month.</summary>
/// <param name="Month">Null for the one that runs.</param>
/// <param name="Customer">Null for all.</param>
public sealed record GetStatements(Caller Caller, string TenantId, StatementMonth? Month, string? Customer = null) : IUseCase<StatementList>
{
    public Right Needs => Right.ManageBilling;
}

/// <param name="Runs">The month is not over: figures still grow.</param>
/// <param name="Statements">The largest first.</param>
/// <param name="Default">The terms of everyone who has none of their own.</param>
public sealed record StatementList(StatementMonth Month, PeriodWindow Window, bool Runs, CustomerTerms Default, IReadOnlyList<CustomerStatement> Statements);

internal sealed class GetStatementsHandler(TokonomicsDbContext db, PlansInForce plans, ICustomerUsage usage, TimeProvider time) : IRequestHandler<GetStatements, Outcome<StatementList>>
{
    public async Task<Outcome<StatementList>> Handle(GetStatements request, CancellationToken cancellationToken)
    {
        if (await plans.LacksAsync(request.TenantId, PlanFeatures.Rebilling, "statements for your own customers", cancellationToken) is { } lacks)
            return lacks;
        var zone = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken)).Calendar.Zone;
        var now = time.GetUtcNow();
        var month = request.Month ?? StatementMonth.Of(now, zone);
        var window = month.Window(zone);
        var terms = await StoredCustomerTerms.OfMonthAsync(db, request.TenantId, month, cancellationToken);
        var everyone = terms[""];
        var lines = await usage.ReadAsync(request.TenantId, window, request.Customer, cancellationToken);
        var statements = lines.GroupBy(l => l.Customer, StringComparer.Ordinal).Select(c => CustomerStatement.Of(c.Key, terms.GetValueOrDefault(c.Key, everyone), c)).ToList();
        // Nothing used is a statement too, where somebody asks for it by name.
        if (request.Customer is { } one && statements.Count == 0)
            statements.Add(CustomerStatement.Of(one, terms.GetValueOrDefault(one, everyone), []));
        return new StatementList(month, window, window.Contains(now), everyone, [.. statements.OrderByDescending(s => s.Charge).ThenBy(s => s.Customer, StringComparer.Ordinal)]);
    }
}
