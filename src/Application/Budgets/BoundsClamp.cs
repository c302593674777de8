using System.Globalization;
using System.Text;
using Tokonomics.Application.Dialects;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// The change to a request's body that lowers its output limit, or gives it one. Everything else stays byte for byte.
/// </summary>
public static class BoundsClamp
{
    /// <summary>The least thinking budget that Anthropic takes (its SDK's reference, ThinkingConfigEnabled: at least 1,024 and less than max_tokens; looked up 2026-11-22).</summary>
    public const long LeastThinkingBudget = 1024;

    /// <summary>Whether <see cref="Splices"/> can set a limit in that request.</summary>
    public static bool CanLimit(Dialect dialect, string provider, RequestPeek peek) => peek.Extent is { Brace: >= 0 } && dialect.OutputLimit(provider) is not null;

    /// <summary>The splices that set the limit, in the order of their offsets and not overlapping.</summary>
    /// <param name="dialect">The request's dialect.</param>
    /// <param name="provider">The provider's name: which field it wants may depend on it.</param>
    /// <param name="peek">The request, as this dialect has read it.</param>
    /// <param name="limit">The limit, tokens for each choice.</param>
    /// <returns>Empty where the dialect has no limit that could be set, or the body is none that can be changed.</returns>
    public static IReadOnlyList<Splice> Splices(Dialect dialect, string provider, RequestPeek peek, long limit)
    {
        if (peek.Extent is not { Brace: >= 0 } extent || dialect.OutputLimit(provider) is not { } field)
            return [];
        var splices = new List<Splice>(2);
        var number = Bytes(limit.ToString(CultureInfo.InvariantCulture));

        // 1. Every limit that the body has, so that it doesn't matter which of two the provider heeds.
        foreach (var (offset, length) in extent.LimitsAt)
            splices.Add(new Splice(offset, length, number));

        // 2. Or the one it lacks.
        if (splices.Count == 0)
            splices.Add(Insertion(field, extent, limit));

        // 3. A thinking budget inside the limit stays below it.
        if (dialect.Name == "anthropic-messages" && extent.ThinkingBudget >= limit)
            splices.Add(new Splice(extent.ThinkingBudgetAt.Offset, extent.ThinkingBudgetAt.Length, Bytes((limit - 1).ToString(CultureInfo.InvariantCulture))));
        splices.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        return splices;
    }

    private static Splice Insertion(LimitField field, RequestExtent extent, long limit)
    {
        var member = $"\"{field.Name}\":{limit.ToString(CultureInfo.InvariantCulture)}";
        if (field.Holder is null)
            return new Splice(extent.Brace + 1, 0, Bytes(extent.IsEmptyObject ? member : member + ","));
        if (extent.HolderAt == 0)
            return new Splice(extent.Brace + 1, 0, Bytes($"\"{field.Holder}\":{{{member}}}{(extent.IsEmptyObject ? "" : ",")}"));
        return extent.HolderIsNull
            ? new Splice(extent.HolderAt, 4, Bytes($"{{{member}}}")) // null
            : new Splice(extent.HolderAt + 1, 0, Bytes(extent.HolderIsEmpty ? member : member + ","));
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
