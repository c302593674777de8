using Tokonomics.Application.Budgets;
using Tokonomics.Application.Dialects;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Routing;

namespace Tokonomics.Application.Routing;

/// <summary>Which rule of a route a call goes by, and what it is told where that leads nowhere: for calls and for estimates of them.</summary>
public static class RuleSearch
{
    /// <summary>The tag that every call of a route carries, unless the client has given it a value of its own.</summary>
    public const string Tag = "route";

    /// <param name="streams">The client asks for a stream, in its body or by its path.</param>
    /// <param name="budgetUsed">Percent used of the fullest budget that applies to the call; null where none does.</param>
    /// <returns>The rule and its number from 1; null where none applies.</returns>
    public static (RouteRule Rule, int Number)? Find(ModelRoute route, KeySnapshot key, IReadOnlyList<Tag> tags, RequestPeek peek, in RequestOutline outline, bool streams, DateTimeOffset at, Func<int?> budgetUsed) =>
        route.Find(new RouteQuestion(key.Id, tags, peek.PromptTokens, outline.HasTools, streams, TimeZoneInfo.ConvertTime(at, key.Tenant.Zone).DateTime, budgetUsed));

    /// <summary>The call's tags with that of the route.</summary>
    public static IReadOnlyList<Tag> Tagged(IReadOnlyList<Tag> tags, string route) => tags.Any(t => t.Name == Tag) ? tags : [.. tags, new Tag(Tag, route)];

    public static CallRefusal NoRule(string route) => new(404, "no_rule_applies", $"none of the rules of the route '{route}' applies to this call: give it a last rule without conditions");

    public static CallRefusal NoTarget(string route, int rule, IReadOnlyList<string> problems) =>
        new(404, "no_target", $"no target of rule {rule} of the route '{route}' can be reached: {string.Join("; ", problems)}");
}
