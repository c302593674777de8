using Tokonomics.Domain.Money;

namespace Tokonomics.Domain.Billing;

/// <summary>A rate of the tenant's own for a model, in place of what the provider takes. USD per million tokens, 0 to 1,000,000.</summary>
/// <param name="Model">As in the ledger; with <c>*</c> at its end, all that begin so.</param>
/// <param name="Input">For all input tokens, cached ones too.</param>
public sealed record OwnRate(string Model, decimal Input, decimal Output)
{
    public const decimal MostRate = 1_000_000;

    public bool Fits(string model) => Model.EndsWith('*') ? model.StartsWith(Model[..^1], StringComparison.Ordinal) : Model == model;
}

/// <summary>What a tenant takes from its own customer for what was used: its cost with a markup, or rates of its own.</summary>
public sealed record CustomerTerms
{
    /// <summary>−100 % (nothing is taken) to 10,000 %, in hundredths of a per cent.</summary>
    public const int LeastMarkup = -10_000;

    /// <inheritdoc cref="LeastMarkup"/>
    public const int MostMarkup = 1_000_000;

    public static CustomerTerms AtCost { get; } = new();

    /// <summary>On the cost, in hundredths of a per cent: 2,000 is 20 %. For models without a rate of their own.</summary>
    public int MarkupBasisPoints { get; init; }

    public IReadOnlyList<OwnRate> Rates { get; init; } = [];

    /// <summary>What a line of usage is charged with: computed exactly, and rounded once, half to even, to whole nano-dollars.</summary>
    public NanoUsd Charge(CustomerUsage usage) => RateOf(usage.Model) is { } rate
        ? NanoUsd.Round(((usage.InputTokens * rate.Input) + (usage.OutputTokens * rate.Output)) / 1_000_000)
        : NanoUsd.Round(usage.Cost.Usd * (10_000 + MarkupBasisPoints) / 10_000);

    /// <summary>The one that names the model most closely; null where none does.</summary>
    public OwnRate? RateOf(string model) => Rates.Where(r => r.Fits(model)).OrderByDescending(r => r.Model.Length).ThenBy(r => r.Model, StringComparer.Ordinal).FirstOrDefault();
}

/// <summary>What one customer used of one model in a month.</summary>
/// <param name="InputTokens">Cached ones too.</param>
/// <param name="Cost">At the provider.</param>
/// <param name="Unpriced">Calls whose cost is not known, and not in <paramref name="Cost"/>.</param>
public sealed record CustomerUsage(string Customer, string Provider, string Model, long Calls, long InputTokens, long OutputTokens, NanoUsd Cost, long Unpriced)
{
    /// <summary>Both, of the same customer and model.</summary>
    public CustomerUsage And(CustomerUsage other) => this with
    {
        Calls = Calls + other.Calls,
        InputTokens = InputTokens + other.InputTokens,
        OutputTokens = OutputTokens + other.OutputTokens,
        Cost = Cost + other.Cost,
        Unpriced = Unpriced + other.Unpriced,
    };
}

public sealed record StatementLine(CustomerUsage Usage, OwnRate? Rate, NanoUsd Charge);

/// <summary>One customer's month. The total is the sum of the lines, rounded once, half to even, to whole cents.</summary>
public sealed record CustomerStatement(string Customer, CustomerTerms Terms, IReadOnlyList<StatementLine> Lines)
{
    private const long NanosPerCent = NanoUsd.PerUsd / 100;

    public NanoUsd Cost => Sum(Lines.Select(l => l.Usage.Cost));

    public NanoUsd Charge => Sum(Lines.Select(l => l.Charge));

    /// <summary>What is to be paid, in cents.</summary>
    public long TotalCents => decimal.ToInt64(decimal.Round((decimal)Charge.Value / NanosPerCent, 0, MidpointRounding.ToEven));

    public long Calls => Lines.Sum(l => l.Usage.Calls);

    /// <summary>Calls whose cost is not known and which no rate of the tenant's own covers: the statement lacks them.</summary>
    public long Unpriced => Lines.Where(l => l.Rate is null).Sum(l => l.Usage.Unpriced);

    public static CustomerStatement Of(string customer, CustomerTerms terms, IEnumerable<CustomerUsage> usage) =>
        new(customer, terms, [.. usage.OrderBy(u => u.Provider, StringComparer.Ordinal).ThenBy(u => u.Model, StringComparer.Ordinal).Select(u => new StatementLine(u, terms.RateOf(u.Model), terms.Charge(u)))]);

    private static NanoUsd Sum(IEnumerable<NanoUsd> amounts) => amounts.Aggregate(NanoUsd.Zero, (a, b) => a + b);
}
