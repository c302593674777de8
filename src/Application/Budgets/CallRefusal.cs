using Tokonomics.Domain.Budgets;

namespace Tokonomics.Application.Budgets;

/// <summary>Why a budget lets a call not pass: what the proxy answers, and an estimate foretells.</summary>
/// <param name="Status">The HTTP status of the answer.</param>
/// <param name="Code">Stable, for programs: <c>budget_exhausted</c>.</param>
/// <param name="Message">For people. Never has a word of the request's body in it.</param>
/// <param name="RetryAfter">When the same call may pass; null where it won't.</param>
public sealed record CallRefusal(int Status, string Code, string Message, TimeSpan? RetryAfter = null)
{
    public static readonly CallRefusal Deferred = new(400, "unbounded_deferred",
        "a strict budget applies, and what this request starts is charged later and outside of it: no cap could hold. Send it with a key that has no strict budget, or give the budget the mode 'expected'");

    /// <summary>A strict budget applies, and nobody can tell what the call costs at most.</summary>
    public static CallRefusal Unbounded(NoBound why, string model, string provider) =>
        new(400, UpperBound.Code(why), $"a strict budget applies, and {Reason(why, model, provider)}. {Mend(why)}, or give the budget the mode 'expected'");

    public static CallRefusal Of(HoldVerdict verdict, HoldRefusal budget)
    {
        var period = budget.Budget.Period.ToString().ToLowerInvariant();
        var figures = $"limit {budget.Limit} USD, spent {budget.Spent} USD, held {budget.Held} USD; "
            + (budget.ResetsAt is { } at ? $"it resets at {at.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}" : "it does not reset");
        return verdict switch
        {
            HoldVerdict.Exhausted => new CallRefusal(429, "budget_exhausted", $"the {period} budget of {budget.Scope} has too little left for this request: {figures}"),
            HoldVerdict.FullyHeld => new CallRefusal(429, "budget_held", $"the {period} budget of {budget.Scope} is held by calls that run, and not spent: {figures}; try again in a moment", TimeSpan.FromSeconds(1)),
            _ => new CallRefusal(503, "budget_unverifiable", $"the {period} budget of {budget.Scope} can't be verified at the moment: what this proxy has of it is used up, and the database doesn't answer; try again in a moment", TimeSpan.FromSeconds(2)),
        };
    }

    /// <summary>The plan's quota of calls.</summary>
    /// <param name="upgrade">Where a bigger plan is to be had.</param>
    public static CallRefusal Quota(HoldVerdict verdict, HoldRefusal quota, Uri upgrade)
    {
        var resets = quota.ResetsAt is { } at ? $"; it begins anew at {at.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}" : "";
        return verdict switch
        {
            HoldVerdict.Exhausted => new CallRefusal(429, "quota_exhausted", $"all {quota.Limit.Value} calls of this month that the plan has are used{resets}. Get a bigger plan: {upgrade}"),
            HoldVerdict.FullyHeld => new CallRefusal(429, "quota_held", $"the last of the {quota.Limit.Value} calls of this month that the plan has are set aside for calls that run, here or on another proxy{resets}; try again in a moment, or get a bigger plan: {upgrade}", TimeSpan.FromSeconds(1)),
            _ => new CallRefusal(503, "quota_unverifiable", "the plan's calls of this month can't be counted at the moment: what this proxy has of them is used up, and the database doesn't answer; try again in a moment", TimeSpan.FromSeconds(2)),
        };
    }

    private static string Reason(NoBound why, string model, string provider) => why switch
    {
        NoBound.Unpriced => $"'{(model.Length <= 80 ? model : model[..80])}' has no price at {provider}, so that no cap could hold",
        NoBound.Input => "some of the input is not in the request, and how long this model's input may be is not known",
        NoBound.Pieces => "what is charged for can't be told from the request: how long a recording is, or how many tokens an image takes",
        NoBound.Output => "nothing limits the output",
        NoBound.ServerTools => "it lets the provider run tools that are charged for, as often as the model likes",
        NoBound.OtherModels => "other models than the one that is named may answer, or be asked in between",
        NoBound.StoredRequest => "the rest of the request is stored at the provider, out of sight",
        NoBound.Background => "it runs in the background, where its usage comes after this call and outside of it",
        NoBound.Compaction => "the provider may read and sum up the context as often as it finds need to",
        _ => "the model works on it several times over, nobody says how often",
    };

    private static string Mend(NoBound why) => why switch
    {
        NoBound.Unpriced => "Set a price for it (POST /api/v1/prices/overrides), use a model that has one",
        NoBound.Output => "Set the output limit (max_tokens or its like)",
        NoBound.ServerTools => "Limit the tools (max_uses, max_tool_calls) or leave them out",
        NoBound.Input or NoBound.Pieces => "Send it in a form that can be measured",
        _ => "Leave that out",
    };
}
