using FluentValidation;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Tenants;

/// <summary>A list over the whole installation, the newest first, a page at a time.</summary>
/// <typeparam name="TLine">A line of it.</typeparam>
public abstract record OperatorList<TLine>(Caller Caller) : IUseCase<ListPage<TLine>>
{
    /// <summary>What a line must have in it, in whichever case.</summary>
    public string? Search { get; init; }

    /// <summary>1 to 500.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Where the page before ended: its last line's id.</summary>
    public string? After { get; init; }

    public string TenantId => AuditEntry.SystemTenant;

    public Right Needs => Right.Operate;

    /// <param name="lines">One more than the page has, where there are more.</param>
    internal ListPage<TLine> Cut(IReadOnlyList<TLine> lines, Func<TLine, string> id) => lines.Count <= Limit ? new(lines, null) : new([.. lines.Take(Limit)], id(lines[Limit - 1]));
}

/// <param name="Next">For <see cref="OperatorList{TLine}.After"/>; null on the last page.</param>
public sealed record ListPage<TLine>(IReadOnlyList<TLine> Lines, string? Next);

internal abstract class OperatorListRules<TList, TLine> : AbstractValidator<TList>
    where TList : OperatorList<TLine>
{
    /// <param name="lines">What they are called.</param>
    protected OperatorListRules(string lines)
    {
        RuleFor(l => l.Limit).InclusiveBetween(1, 500).WithMessage($"A page has 1 to 500 {lines}.");
        RuleFor(l => l.Search).Must(s => s is null || s.Length <= 200).WithMessage("At most 200 characters.");
    }
}
