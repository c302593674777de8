using MediatR;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;

namespace Tokonomics.Web.Portal.Api;

/// <summary>What the tenant's own customers used in a month, and what is taken for it.</summary>
internal static class StatementsApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var statements = api.MapGroup("/statements").WithTags("Billing");
        statements.MapGet("", async (HttpContext http, IMediator mediator, string? month = null, string? customer = null) => Month(month, out var of)
            ? (await mediator.Send(new GetStatements(http.Caller(), http.Tenant(), of, customer), http.RequestAborted)).Answer(StatementsShape.Of)
            : ApiHost.Problem(422, "invalid", "A month is written as 2026-11.", new Dictionary<string, string[]> { ["month"] = ["A month is written as 2026-11."] }))
            .Produces<StatementsShape>().WithSummary("Each customer's month (the tag customer): what was used, what it cost, what is charged");
        statements.MapPut("/terms", async (HttpContext http, IMediator mediator, TermsBody body) =>
        {
            var rates = new List<OwnRate>();
            foreach (var r in body.Rates ?? [])
            {
                if (!Number(r.Input, out var input) || !Number(r.Output, out var output))
                    return ApiHost.Problem(422, "invalid", $"The rates of {r.Model} are decimal numbers as texts, USD per million tokens: \"2.50\".", new Dictionary<string, string[]> { ["rates"] = ["Rates are decimal numbers as texts: \"2.50\"."] });
                rates.Add(new OwnRate(r.Model ?? "", input, output));
            }

            return !Number(body.MarkupPercent ?? "0", out var markup)
                ? ApiHost.Problem(422, "invalid", "The markup is a decimal number as a text: \"20\".", new Dictionary<string, string[]> { ["markup_percent"] = ["The markup is a decimal number as a text: \"20\"."] })
                : (await mediator.Send(new SetCustomerTerms(http.Caller(), http.Tenant(), body.Customer ?? "", markup, rates), http.RequestAborted)).Answer(_ => null);
        }).Produces(204).WithSummary("Sets what is charged to a customer from the running month on; without a customer, to everyone who has no terms of their own");
    }

    private static bool Month(string? text, out StatementMonth? month) => (month = text is null ? null : StatementMonth.Parse(text)) is not null || text is null;

    internal static bool Number(string? text, out decimal number) =>
        decimal.TryParse(text, System.Globalization.NumberStyles.AllowDecimalPoint | System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out number) && Math.Abs(number) < 1_000_000_000 && decimal.Round(number, 9) == number;

    internal sealed record TermsBody(string? Customer, string? MarkupPercent, List<RateBody>? Rates);

    internal sealed record RateBody(string? Model, string? Input, string? Output);

    /// <param name="Runs">The month is not over: figures still grow.</param>
    internal sealed record StatementsShape(string Month, DateTimeOffset From, DateTimeOffset Until, bool Runs, IReadOnlyList<StatementShape> Statements)
    {
        public static StatementsShape Of(StatementList l) => new(l.Month.ToString(), l.Window.Start, l.Window.End, l.Runs, [.. l.Statements.Select(StatementShape.Of)]);
    }

    /// <param name="ChargeUsd">To the nano-dollar.</param>
    /// <param name="TotalCents">What is to be paid: the charge, rounded once.</param>
    /// <param name="UnpricedCalls">Calls whose cost is not known, and which the statement lacks.</param>
    internal sealed record StatementShape(string Customer, long Calls, string CostUsd, string ChargeUsd, long TotalCents, long UnpricedCalls, string MarkupPercent, IReadOnlyList<LineShape> Lines)
    {
        public static StatementShape Of(CustomerStatement s) => new(
            s.Customer, s.Calls, s.Cost.ToString(), s.Charge.ToString(), s.TotalCents, s.Unpriced, (s.Terms.MarkupBasisPoints / 100m).ToString(System.Globalization.CultureInfo.InvariantCulture), [.. s.Lines.Select(LineShape.Of)]);
    }

    internal sealed record LineShape(string Provider, string Model, long Calls, long InputTokens, long OutputTokens, string CostUsd, string ChargeUsd, bool OwnRate)
    {
        public static LineShape Of(StatementLine l) => new(l.Usage.Provider, l.Usage.Model, l.Usage.Calls, l.Usage.InputTokens, l.Usage.OutputTokens, l.Usage.Cost.ToString(), l.Charge.ToString(), l.Rate is not null);
    }
}
