using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Rendering;
using Tokonomics.Application.Budgets;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Money;
using Tokonomics.Web.Portal.Frame;

namespace Tokonomics.Web.Portal.Pages.Budgets;

/// <summary>A budget as people type it.</summary>
public sealed class BudgetForm
{
    /// <summary><c>tenant</c>, <c>team:…</c>, <c>project:…</c>, <c>key</c>, <c>tag</c>, <c>each</c>.</summary>
    public string Scope { get; set; } = "tenant";

    public string? KeyId { get; set; }

    public string? TagName { get; set; }

    public string? TagValue { get; set; }

    public BudgetPeriod Period { get; set; } = BudgetPeriod.Month;

    [Required(ErrorMessage = "Say how much may be spent.")]
    public string Limit { get; set; } = "";

    public BudgetAction Action { get; set; }

    public string? DowngradeTo { get; set; }

    public BudgetMode Mode { get; set; }

    public bool Clamp { get; set; } = true;

    public decimal WaitSeconds { get; set; } = 2;

    public bool FailOpen { get; set; }

    public string? Thresholds { get; set; } = "50, 80, 100";

    public static BudgetForm Of(Budget b) => new()
    {
        Period = b.Period,
        Limit = b.Limit.Usd.ToString("0.00#######", CultureInfo.InvariantCulture),
        Action = b.Action,
        DowngradeTo = b.DowngradeTo,
        Mode = b.Mode,
        Clamp = b.Clamp,
        WaitSeconds = (decimal)b.Wait.TotalMilliseconds / 1000,
        FailOpen = b.FailOpen,
        Thresholds = string.Join(", ", b.Thresholds),
    };
}

/// <summary>What making and changing a budget have in common.</summary>
public abstract class BudgetFormPage : PortalPage
{
    [BindProperty]
    public BudgetForm Form { get; set; } = new();

    /// <summary>What its terms would have done last month; null where nobody asked.</summary>
    public WhatIf? WhatIf { get; protected set; }

    public abstract bool IsNew { get; }

    public virtual IReadOnlyList<SelectListItem> Scopes => [];

    protected override string FieldName(string field) => field switch
    {
        "limit_usd" or "Terms.limit_usd" => "Form.Limit",
        "downgrade_to" or "Terms.downgrade_to" => "Form.DowngradeTo",
        "wait_seconds" or "Terms.wait_seconds" => "Form.WaitSeconds",
        "thresholds" or "Terms.thresholds" => "Form.Thresholds",
        "Scope" => "Form.Scope",
        _ => "",
    };

    /// <summary>Null where something that was typed can't be meant; the model state says what.</summary>
    protected BudgetTerms? ReadTerms(TemporaryIncrease? increase)
    {
        var limit = ReadAmount(Form.Limit);
        if (limit is null && !string.IsNullOrWhiteSpace(Form.Limit))
            ModelState.AddModelError("Form.Limit", "Write an amount in dollars, such as 250 or 0.50.");
        var thresholds = new List<int>();
        foreach (var part in Lines.Read(Form.Thresholds))
        {
            if (int.TryParse(part.TrimEnd('%').Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var percent))
                thresholds.Add(percent);
            else
                ModelState.AddModelError("Form.Thresholds", "Write percents, separated by commas: 50, 80, 100.");
        }

        return !ModelState.IsValid || limit is null ? null : new BudgetTerms
        {
            Limit = limit.Value,
            Action = Form.Action,
            DowngradeTo = Form.Action == BudgetAction.Downgrade ? Form.DowngradeTo?.Trim() : null,
            Mode = Form.Mode,
            Clamp = Form.Clamp,
            Wait = TimeSpan.FromMilliseconds((double)(Math.Clamp(Form.WaitSeconds, -1, 1000) * 1000)),
            FailOpen = Form.FailOpen,
            Increase = increase,
            Thresholds = thresholds,
        };
    }

    protected static NanoUsd? ReadAmount(string? text) => NanoUsd.Parse((text ?? "").Replace("$", "", StringComparison.Ordinal).Replace(",", "", StringComparison.Ordinal).Trim());
}
