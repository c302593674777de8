using System.Data.Common;
using System.Globalization;
using Tokonomics.Application.Ledger;

namespace Tokonomics.Infrastructure.Ledger;

/// <summary>Conditions joined by AND. Values are parameters, always; columns are this file's own words.</summary>
internal sealed class Where(ISqlStore store, DbCommand command)
{
    private readonly List<string> _conditions = [];

    public void Is(string column, object? value) => Compare(column, "=", value);

    public void Compare(string column, string comparison, object? value)
    {
        if (value is not null)
            _conditions.Add($"{column} {comparison} {Parameter(value)}");
    }

    public void Tag(string column, string name, string value) =>
        _conditions.Add($"{store.TagValue(column, Parameter(name))} = {Parameter(value)}");

    public void Before(EventCursor place) =>
        _conditions.Add($"(at, request_id, attempt) < ({Parameter(place.At)}, {Parameter(place.RequestId)}, {Parameter(place.Attempt)})");

    public void After((long At, string RequestId, int Attempt) place) =>
        _conditions.Add($"(at, request_id, attempt) > ({Parameter(place.At)}, {Parameter(place.RequestId)}, {Parameter(place.Attempt)})");

    /// <summary>What a question filters by, tags and times left out.</summary>
    public void Matches(SummaryQuestion question)
    {
        Is("provider", question.Provider);
        Is("model", question.Model);
        Is("key_id", question.KeyId);
        Is("project_id", question.ProjectId);
        Is("team_id", question.TeamId);
    }

    public void Text(string condition) => _conditions.Add(condition);

    public override string ToString() => string.Join(" AND ", _conditions);

    private string Parameter(object value)
    {
        var name = "@p" + command.Parameters.Count.ToString(CultureInfo.InvariantCulture);
        command.Add(name, value);
        return name;
    }
}
