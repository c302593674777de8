using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Tokonomics.Application.Billing;
using Tokonomics.Domain.Billing;
using Tokonomics.Web.Portal.Api;

namespace Tokonomics.Web.Portal.Pages.Billing;

/// <summary>What did each of our own customers use this month, and what do we take for it?</summary>
public sealed class CustomersModel : StatementPage
{
    /// <summary>Whose terms are set; empty for everyone who has none of their own.</summary>
    [BindProperty]
    public string? Customer { get; set; }

    [BindProperty]
    public string? Markup { get; set; }

    /// <summary>A rate a line: model, input, output.</summary>
    [BindProperty]
    public string? Rates { get; set; }

    public Task<IActionResult> OnGetAsync() => ShowAsync();

    public async Task<IActionResult> OnGetCsvAsync()
    {
        if (await ShowAsync() is not PageResult || Lacks is not null)
            return Refused ?? NotFound();
        return Table(List).File($"statements-{List.Month}.csv");
    }

    public async Task<IActionResult> OnPostTermsAsync()
    {
        var rates = ReadRates(Rates);
        if (!StatementsApi.Number(string.IsNullOrWhiteSpace(Markup) ? "0" : Markup.Trim(), out var markup))
            ModelState.AddModelError(nameof(Markup), "Write per cent as a number: 20, or 12.5.");
        if (rates is null)
            ModelState.AddModelError(nameof(Rates), "Write a rate a line: model, USD per million input tokens, USD per million output tokens. For example: gpt-5.1 2.50 10");
        if (!ModelState.IsValid)
            return await ShowAsync();
        if (await AskAsync(new SetCustomerTerms(Caller, TenantId, (Customer ?? "").Trim(), markup, rates!)) is not { } set)
            return Refused ?? await ShowAsync();
        Said = $"{(set.Customer.Length == 0 ? "The terms of everyone else" : $"The terms of {set.Customer}")} hold from {set.From} on.";
        return Redirect(To("/billing/customers"));
    }

    protected override string FieldName(string field) => field switch
    {
        nameof(SetCustomerTerms.MarkupPercent) => nameof(Markup),
        _ when field.StartsWith(nameof(SetCustomerTerms.Rates), StringComparison.Ordinal) => nameof(Rates),
        _ => field,
    };

    internal static Csv Table(StatementList list)
    {
        var csv = new Csv().Row("month", "customer", "provider", "model", "calls", "input_tokens", "output_tokens", "cost_usd", "charge_usd", "own_rate");
        foreach (var s in list.Statements)
            foreach (var l in s.Lines)
                csv.Row(list.Month.ToString(), s.Customer, l.Usage.Provider, l.Usage.Model, l.Usage.Calls, l.Usage.InputTokens, l.Usage.OutputTokens, l.Usage.Cost, l.Charge, l.Rate is null ? "no" : "yes");
        return csv;
    }

    // Null where a line is no rate.
    private static List<OwnRate>? ReadRates(string? text)
    {
        var rates = new List<OwnRate>();
        foreach (var line in (text ?? "").Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.Split([' ', '\t', ',', ';'], StringSplitOptions.RemoveEmptyEntries) is not [var model, var input, var output] || !StatementsApi.Number(input, out var i) || !StatementsApi.Number(output, out var o))
                return null;
            rates.Add(new OwnRate(model, i, o));
        }

        return rates;
    }

    public static string Write(CustomerTerms terms) => string.Join('\n', terms.Rates.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Model} {r.Input} {r.Output}")));

    public static string Percent(CustomerTerms terms) => (terms.MarkupBasisPoints / 100m).ToString("0.##", CultureInfo.InvariantCulture);

    private async Task<IActionResult> ShowAsync()
    {
        if (await FindAsync(null) is { } instead)
            return instead;
        if (Lacks is null && HttpMethods.IsGet(Request.Method))
            (Markup, Rates) = (Percent(List.Default), Write(List.Default));
        return Page();
    }
}
