using Tokonomics.Domain.Keys;

namespace Tokonomics.Application.Ledger;

/// <summary>By what spend is split: a column of the ledger, or a tag.</summary>
public readonly record struct SpendDimension
{
    private SpendDimension(SummaryDimension? column, string? tag) => (Column, Tag) = (column, tag);

    public SummaryDimension? Column { get; }

    public string? Tag { get; }

    public static SpendDimension Of(SummaryDimension column) => new(column, null);

    public static SpendDimension OfTag(string name) => new(null, name);

    /// <summary><c>model</c>, <c>team</c>, <c>tag:customer</c>; <c>feature</c> and <c>customer</c> alone are those tags. Null for anything else.</summary>
    public static SpendDimension? Parse(string? text) => text?.Trim().ToLowerInvariant() switch
    {
        "model" => Of(SummaryDimension.Model),
        "provider" => Of(SummaryDimension.Provider),
        "key" => Of(SummaryDimension.Key),
        "project" => Of(SummaryDimension.Project),
        "team" => Of(SummaryDimension.Team),
        "feature" or "customer" => OfTag(text!.Trim().ToLowerInvariant()),
        { } tag when tag.StartsWith("tag:", StringComparison.Ordinal) && KeyTags.NormalName(tag[4..]) is { } name => OfTag(name),
        _ => null,
    };

    /// <summary>What <see cref="Parse"/> reads.</summary>
    public override string ToString() => Tag is null ? Column.ToString()!.ToLowerInvariant() : Tag is "feature" or "customer" ? Tag : "tag:" + Tag;

    /// <summary>The question, split by this.</summary>
    public SummaryQuestion Split(SummaryQuestion question) => Column is { } column ? question with { GroupBy = [column], GroupByTag = null } : question with { GroupBy = [], GroupByTag = Tag };

    /// <summary>The value of a line of that answer; empty where the calls have none.</summary>
    public string ValueOf(SummaryLine line) => Column is null ? line.TagValue ?? "" : line.Group[0];

    /// <summary>The question for the calls of one value. Calls without the tag can't be asked for; null then.</summary>
    public SummaryQuestion? Narrow(SummaryQuestion question, string value) => Column switch
    {
        SummaryDimension.Model => question with { Model = value },
        SummaryDimension.Provider => question with { Provider = value },
        SummaryDimension.Key => question with { KeyId = value },
        SummaryDimension.Project => question with { ProjectId = value },
        SummaryDimension.Team => question with { TeamId = value },
        _ => value.Length == 0 ? null : question with { Tag = new Domain.Ledger.Tag(Tag!, value) },
    };
}
